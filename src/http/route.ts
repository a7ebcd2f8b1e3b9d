import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../log.ts';
import { addressList, countedAs } from './addresses.ts';
import { LONGEST_SECRET, type Failures, type Shown, admit } from './admission.ts';
import type { HttpFigures } from './figures.ts';
import type { Given } from './form.ts';
import { openApi } from './openapi.ts';
import { type Parameters, type Values, readParameters } from './parameters.ts';
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
