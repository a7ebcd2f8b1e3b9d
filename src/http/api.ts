/** What scripts of the shop call. JSON out; in: query, form or JSON. */
import type { FastifyInstance } from 'fastify';
import { within } from './deadline.ts';
import { code, id, phone, required, token, word } from './parameters.ts';
import { type Answer, type Context, type ReplySchema, addRoute } from './route.ts';
import { jsonError } from './server.ts';
import type { ActionReply, CallAddress, ResponsibleReply } from './tenant.ts';

const error: ReplySchema = {
  type: 'object',
  required: ['success', 'error'],
  properties: {
    success: { type: 'boolean' },
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: { code: { type: 'string' }, message: { type: 'string' } },
    },
  },
};
const success: ReplySchema = { type: 'object', required: ['success'], properties: { success: { type: 'boolean' } } };
const refusals = {
  403: { description: 'clientId refused, or not allowed: code tells which', schema: error },
  404: { description: 'no such extension or call', schema: error },
  409: { description: 'not possible now: her phone is not registered, the call is in another state', schema: error },
  429: { description: 'too many', schema: error },
  503: { description: 'the PBX cannot be reached, or did not answer in time', schema: error },
};

const which = {
  code: code('extension of the employee whose live call is meant'),
  callId: token('externalId of the call instead', 'pbx1-1795339498.0', 80),
};
const by = required(code('extension of the employee who asks; her role decides'));
const methods = ['GET', 'POST'] as const;

/** Adds the API. */
export function apiRoutes(app: FastifyInstance, context: Context): void {
  const act = (work: Promise<ActionReply>): Promise<Answer> =>
    within(
      context.apiMs,
      work.then(acted),
      () => late,
      (err) => context.log.error('http: a late action failed', { err }),
    );

  addRoute(app, context, {
    methods,
    url: '/api/makecallexternal',
    proof: 'clientId',
    tag: 'API',
    summary: 'Rings an employee, then calls a number',
    parameters: {
      code: code('extension of the employee; without it userId says who'),
      userId: id('id of the CRM user'),
      phone: required(phone('a phone number to call, any spelling')),
      externalPhone: phone('our number to present'),
      requestId: token('id of this request: two with one id are one call', 'order-55-retry'),
    },
    replies: {
      200: {
        description: 'her phone rings',
        schema: {
          type: 'object',
          required: ['success', 'clickId', 'callId', 'repeated'],
          properties: {
            success: { type: 'boolean' },
            clickId: { type: 'string', description: 'our id of the request' },
            callId: { type: 'string', description: 'externalId the call will have in the CRM' },
            repeated: { type: 'boolean', description: 'the answer to the same request seconds ago' },
            customer: {
              type: 'object',
              required: ['id'],
              properties: { id: { type: 'integer' }, name: { type: 'string' } },
            },
          },
        },
      },
      ...refusals,
    },
    sayError: jsonError,
    handle: (values, tenant, caller) => act(tenant.makeCall({ ...values, ...caller })),
  });

  addRoute(app, context, {
    methods,
    url: '/api/transfer',
    proof: 'clientId',
    tag: 'API',
    summary: 'Hands a live call over',
    parameters: {
      ...which,
      by,
      kind: required(word('how', ['blind', 'attended', 'complete', 'cancel'])),
      to: phone('extension or allowed number; for blind and attended'),
    },
    replies: { 200: { description: 'done', schema: success }, ...refusals },
    sayError: jsonError,
    handle: async (values, tenant, caller) => {
      const missing = withoutCall(values);
      if (missing !== undefined) return missing;
      const { kind, to } = values;
      if (to === undefined && (kind === 'blind' || kind === 'attended'))
        return bad('missing_parameter', 'to is missing');
      return act(tenant.transfer({ ...callOf(values), by: values.by, kind, to, ...caller }));
    },
  });

  addRoute(app, context, {
    methods,
    url: '/api/monitor',
    proof: 'clientId',
    tag: 'API',
    summary: 'Rings a supervisor and lets her hear a live call',
    parameters: {
      ...which,
      by,
      mode: required(word('hear only, speak to the employee, or to both', ['listen', 'whisper', 'barge'])),
    },
    replies: { 200: { description: 'her phone rings', schema: success }, ...refusals },
    sayError: jsonError,
    handle: async (values, tenant, caller) =>
      withoutCall(values) ?? act(tenant.monitor({ ...callOf(values), by: values.by, mode: values.mode, ...caller })),
  });

  addRoute(app, context, {
    methods,
    url: '/api/hangup',
    proof: 'clientId',
    tag: 'API',
    summary: 'Ends a live call',
    parameters: { ...which, by },
    replies: { 200: { description: 'done', schema: success }, ...refusals },
    sayError: jsonError,
    handle: async (values, tenant, caller) =>
      withoutCall(values) ?? act(tenant.hangup({ ...callOf(values), by: values.by, ...caller })),
  });

  addRoute(app, context, {
    methods: ['GET'],
    url: '/api/responsible',
    proof: 'clientId',
    tag: 'API',
    summary: 'Who is responsible for a number; quick, and "unknown" rather than late',
    parameters: { phone: required(phone('a phone number, any spelling')) },
    replies: {
      200: {
        description: 'what is known',
        schema: {
          type: 'object',
          required: ['known'],
          properties: {
            known: { type: 'boolean' },
            extension: { type: 'string' },
            manager: { type: 'string' },
            customer: { type: 'string' },
            status: { type: 'string', enum: ['free', 'busy', 'dinner', 'break'] },
          },
        },
      },
    },
    sayError: jsonError,
    handle: async ({ phone: number }, tenant) => {
      const unknown: ResponsibleReply = { known: false };
      const failed = (err: unknown): ResponsibleReply => {
        context.log.error('http: who is responsible could not be told', { enterprise: tenant.id, err });
        return unknown;
      };
      // Fail-open: the caller is waiting in the dial plan.
      const reply = await within(context.responsibleMs, tenant.responsible(number).catch(failed), () => unknown);
      return { status: 200, body: reply };
    },
  });
}

const late: Answer = {
  status: 503,
  body: {
    success: false,
    error: { code: 'timeout', message: 'not known in time what became of it; do not repeat blindly' },
  },
};

function acted(reply: ActionReply): Answer {
  if (reply.outcome === 'refused') {
    const { status, code: why, message } = reply;
    return { status, body: { success: false, error: { code: why, message } } };
  }
  // The schema of the reply leaves out what is not in it, `outcome` too.
  return { status: 200, body: { success: true, ...reply } };
}

function bad(why: string, message: string): Answer {
  return { status: 400, body: { success: false, error: { code: why, message } } };
}

function withoutCall(values: { code?: string | undefined; callId?: string | undefined }): Answer | undefined {
  if (values.code !== undefined || values.callId !== undefined) return undefined;
  return bad('missing_parameter', 'code or callId is missing');
}

function callOf(values: { code?: string | undefined; callId?: string | undefined }): CallAddress {
  return { code: values.code, callId: values.callId };
}
