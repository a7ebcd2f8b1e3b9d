import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../log.ts';
import { addressList, countedAs } from './addresses.ts';
import { LONGEST_SECRET, type Failures, type Shown, admit } from './admission.ts';
import type { HttpFigures } from './figures.ts';
import type { Given } from './form.ts';
import { type ParameterSchema, type Parameters, type Values, readParameters } from './parameters.ts';
import { type SayError, refuse } from './server.ts';
import type { Caller, Tenant } from './tenant.ts';

/** What a route shows to be let in: `token` = clientId and the token in its path, `trigger` = clientId and webhook secret. */
export type Proof = 'token' | 'clientId' | 'trigger';

/** What a handler answers. A text goes out as it is, an object as JSON. */
export interface Answer {
  readonly status: number;
  readonly body: string | object;
  /** Content type of a text; default plain. */
  readonly type?: string;
}

/** JSON Schema, as far as ours go. */
export type ReplySchema = Readonly<Record<string, unknown>> & { readonly contentMediaType?: string };

/** One route behind a credential. */
export interface Route<P extends Parameters> {
  readonly methods: readonly ('GET' | 'POST')[];
  readonly url: string;
  readonly proof: Proof;
  /** One line for the OpenAPI document. */
  readonly summary: string;
  /** Only callbacks come from the CRM's own addresses; its pages are opened by people's browsers. */
  readonly tag: 'CRM callbacks' | 'API' | 'Pages';
  readonly parameters: P;
  /** Statuses this route answers with besides the common ones, each with its body; a text is one of plain text. */
  readonly replies: Readonly<Record<number, { readonly description: string; readonly schema: ReplySchema }>>;
  readonly sayError: SayError;
  /** Status of a refused credential where the CRM expects another than 403. */
  readonly refusal?: number;
  readonly handle: (values: Values<P>, tenant: Tenant, caller: Caller) => Promise<Answer>;
}

/** What routes share. */
export interface Context {
  readonly log: Logger;
  readonly figures: HttpFigures;
  readonly failures: Failures;
  /** Asked at each request: a reload changes them. */
  readonly tenants: () => readonly Tenant[];
  /** Most the CRM waits for us, and a script, milliseconds. */
  readonly callbackMs: number;
  readonly apiMs: number;
  /** For the look-up of who is responsible: the dial plan waits. */
  readonly responsibleMs: number;
}

const REFUSED = 'access refused';

/** Adds a route: lets in or refuses, reads the parameters, answers. Every other method of its path gets 405. */
export function addRoute<P extends Parameters>(app: FastifyInstance, context: Context, route: Route<P>): void {
  for (const method of route.methods) {
    app.route({
      method,
      url: route.url,
      config: { sayError: route.sayError },
      schema: openApi(route, method),
      handler: async (request, reply) => {
        const given = request.given();
        const admission = admitted(context, route, request, given);
        if ('refused' in admission) return admission.refused(reply);
        const { values, bad } = readParameters(route.parameters, given);
        if (bad !== undefined) return refuse(request, reply, 400, bad.code, bad.message);
        const caller: Caller = { from: request.peer, via: route.tag === 'API' ? 'api' : 'crm' };
        const answer = await route.handle(values, admission.tenant, caller);
        return send(reply, answer);
      },
    });
  }
  for (const method of (['GET', 'POST'] as const).filter((one) => !route.methods.includes(one))) {
    app.route({
      method,
      url: route.url,
      schema: { hide: true },
      config: { sayError: route.sayError },
      handler: (request, reply) =>
        refuse(
          request,
          reply.header('allow', route.methods.join(', ')),
          405,
          'method_not_allowed',
          `use ${route.methods.join(' or ')}`,
        ),
    });
  }
}

function send(reply: FastifyReply, { status, body, type }: Answer): FastifyReply {
  if (typeof body === 'object') return reply.code(status).type('application/json; charset=utf-8').send(body);
  return reply
    .code(status)
    .type(type ?? 'text/plain; charset=utf-8')
    .send(body);
}

/** The tenant, or the answer to whom is not let in: always the same bytes for all reasons. */
function admitted<P extends Parameters>(
  context: Context,
  route: Route<P>,
  request: FastifyRequest,
  given: Given,
): { tenant: Tenant } | { refused: (reply: FastifyReply) => FastifyReply } {
  const admission = admit(context.tenants(), shownBy(route.proof, request, given));
  let { tenant } = admission;
  let wrong = 'wrong' in admission ? `wrong ${admission.wrong}` : '';
  const meant = admission.tenant ?? admission.meant;
  if (tenant !== undefined && route.tag === 'CRM callbacks' && !comesFrom(tenant, request.peer)) {
    tenant = undefined;
    wrong = 'forbidden address';
  }
  if (tenant !== undefined) return { tenant };
  const { tooMany, worthTelling } = context.failures.add(countedAs(request.peer));
  // After the answer: whether somebody's audit log is written must not be seen in the time.
  setImmediate(() => {
    context.figures.refused.add({ reason: wrong });
    if (!worthTelling) return;
    context.log.warn('http: refused', { route: route.url, wrong, peer: request.peer, often: tooMany });
    meant?.refused(wrong, request.peer);
  });
  return {
    refused: (reply) =>
      tooMany
        ? refuse(request, reply.header('retry-after', '60'), 429, 'too_many', 'too many refused requests')
        : refuse(request, reply, route.refusal ?? 403, 'refused', REFUSED),
  };
}

function shownBy(proof: Proof, request: FastifyRequest, given: Given): Shown {
  const header = proof === 'clientId' ? request.headers['x-client-id'] : undefined;
  const clientId = bounded(typeof header === 'string' ? header : given.get('clientId'));
  switch (proof) {
    case 'token':
      return { clientId, pathToken: bounded((request.params as { token?: string }).token) ?? '' };
    case 'trigger':
      return { clientId, webhookSecret: bounded(given.get('secret')) ?? '' };
    case 'clientId':
      return { clientId };
  }
}

function bounded(text: string | undefined): string | undefined {
  return text === undefined || text.length > LONGEST_SECRET ? undefined : text;
}

const lists = new WeakMap<readonly string[], (address: string) => boolean>();

function comesFrom({ allowFrom }: Tenant, peer: string): boolean {
  if (allowFrom.length === 0) return true;
  let list = lists.get(allowFrom);
  if (!list) lists.set(allowFrom, (list = addressList(allowFrom)));
  return list(peer);
}

/** Parameters that are proofs: no handler sees them. */
const proofs: Readonly<Record<Proof, Readonly<Record<string, ParameterSchema>>>> = {
  token: { clientId: { type: 'string', description: 'clientId of the account' } },
  clientId: { clientId: { type: 'string', description: 'clientId of the account; or in the header X-Client-Id' } },
  trigger: {
    clientId: { type: 'string', description: 'clientId of the account' },
    secret: { type: 'string', description: 'webhook secret of the account' },
  },
};

function openApi<P extends Parameters>(route: Route<P>, method: 'GET' | 'POST'): Record<string, unknown> {
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
