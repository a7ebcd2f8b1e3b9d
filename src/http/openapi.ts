/** The OpenAPI document's view of a route, made from the same table its requests are checked with. */
import type { ParameterSchema, Parameters } from './parameters.ts';
import type { Proof, ReplySchema, Route } from './route.ts';
import type { SayError } from './server.ts';

/** Parameters that are proofs: no handler sees them. */
const proofs: Readonly<Record<Proof, Readonly<Record<string, ParameterSchema>>>> = {
  token: { clientId: { type: 'string', description: 'clientId of the account' } },
  clientId: { clientId: { type: 'string', description: 'clientId of the account; or in the header X-Client-Id' } },
  trigger: {
    clientId: { type: 'string', description: 'clientId of the account' },
    secret: { type: 'string', description: 'webhook secret of the account' },
  },
};

/** The schema fastify and its swagger plugin take. */
export function openApi<P extends Parameters>(route: Route<P>, method: 'GET' | 'POST'): Record<string, unknown> {
  const shown = proofs[route.proof];
  const names = Object.entries(route.parameters);
  const parameters = {
    type: 'object',
    required: [
      ...(route.proof === 'clientId' ? [] : Object.keys(shown)),
      ...names.filter(([, one]) => one.required).map(([name]) => name),
    ],
    properties: { ...shown, ...Object.fromEntries(names.map(([name, { schema }]) => [name, documented(schema)])) },
  };
  return {
    summary: route.summary,
    tags: [route.tag],
    ...(method === 'GET'
      ? { querystring: parameters }
      : { body: parameters, consumes: ['application/x-www-form-urlencoded', 'application/json'] }),
    ...(route.proof === 'token' && {
      params: {
        type: 'object',
        properties: { token: { type: 'string', description: 'token we put into the address' } },
      },
    }),
    response: { ...commonReplies(route), ...documentedReplies(route.replies) },
  };
}

function documented({ example, ...schema }: ParameterSchema): ReplySchema {
  return { ...schema, ...(example === undefined ? {} : { examples: [example] }) };
}

function documentedReplies(replies: Route<Parameters>['replies']): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(replies).map(([status, { description, schema }]) => [status, content(description, schema)]),
  );
}

function content(description: string, schema: ReplySchema): ReplySchema {
  const type = schema['type'] === 'string' ? (schema.contentMediaType ?? 'text/plain') : 'application/json';
  return { description, content: { [type]: { schema } } };
}

function commonReplies<P extends Parameters>(route: Route<P>): Record<string, unknown> {
  const schema = errorSchemaOf(route.sayError);
  const said: [number, string][] = [
    [400, 'a parameter is missing or not acceptable'],
    [route.refusal ?? 403, 'the credential is not ours, is another one’s, or does not belong here; one answer for all'],
    [405, 'another method'],
    [413, 'a body of more than 256 KiB'],
    [415, 'a body that is neither form nor JSON'],
    [429, 'too many refused requests from this address'],
    [500, 'a fault of ours'],
  ];
  return Object.fromEntries(said.map(([status, description]) => [status, content(description, schema)]));
}

function errorSchemaOf(say: SayError): ReplySchema {
  const { type, body } = say(400, 'code', 'message');
  if (!type.startsWith('application/json')) return { type: 'string' };
  return schemaOf(JSON.parse(body));
}

/** The schema of an example: of our small error bodies only. */
function schemaOf(value: unknown): ReplySchema {
  if (typeof value !== 'object' || value === null) return { type: typeof value };
  const entries = Object.entries(value);
  return {
    type: 'object',
    required: entries.map(([name]) => name),
    properties: Object.fromEntries(entries.map(([name, inner]) => [name, schemaOf(inner)])),
  };
}
