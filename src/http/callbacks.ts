/** What RetailCRM calls (`retailcrm-api.md` 5.2–5.5, 13). Every one is answered before the CRM may lose patience. */
import type { FastifyInstance } from 'fastify';
import { accountPage } from './accountPage.ts';
import { within } from './deadline.ts';
import { activity, address, code, id, phone, required, token } from './parameters.ts';
import { type Answer, type Context, addRoute } from './route.ts';
import { type SayError, textError } from './server.ts';
import type { ActionReply, ChangeHint } from './tenant.ts';

const TEXT = { type: 'string' };
const events: readonly ChangeHint['event'][] = ['customer.create', 'customer.edit', 'order.create', 'order.edit'];
const statuses = ['free', 'busy', 'dinner', 'break'];

/** The form the CRM knows for activity. */
const activityError: SayError = (_status, _code, message) => ({
  type: 'application/json; charset=utf-8',
  body: JSON.stringify({ success: false, errorMsg: message }),
});

const late: Answer = { status: 503, body: 'not done in time\n' };
const done: Answer = { status: 200, body: 'ok\n' };

/** Adds the CRM's callbacks. */
export function callbackRoutes(app: FastifyInstance, context: Context): void {
  const { log } = context;
  const inTime = (work: Promise<Answer>, answer = late): Promise<Answer> =>
    within(
      context.callbackMs,
      work,
      () => answer,
      (error) => log.error('http: a late callback failed', { err: error }),
    );

  addRoute(app, context, {
    methods: ['GET', 'POST'],
    url: '/crm/:token/makecall',
    proof: 'token',
    tag: 'CRM callbacks',
    summary: 'A click on a phone number: rings the employee, then calls the number',
    parameters: {
      code: code('extension of the employee; without it userId says who'),
      userId: id('id of the CRM user'),
      phone: required(phone('a phone number as it stands on the card')),
      externalPhone: phone('our number to present'),
      requestId: token('id of this request: two with one id are one click', 'click-1'),
    },
    replies: {
      200: { description: 'the employee’s phone rings, or did for the same click seconds ago', schema: TEXT },
      429: { description: 'too many clicks, or too many refused requests', schema: TEXT },
      503: { description: 'the PBX or her phone cannot be reached; nothing will ring later', schema: TEXT },
    },
    sayError: textError,
    handle: (values, tenant, caller) => inTime(tenant.makeCall({ ...values, ...caller }).then(clicked)),
  });

  addRoute(app, context, {
    methods: ['GET', 'POST'],
    url: '/crm/:token/status',
    proof: 'token',
    tag: 'CRM callbacks',
    summary: 'An employee’s status was changed in the CRM',
    parameters: {
      userId: id('id of the CRM user'),
      code: code('her extension'),
      status: required(token(`${statuses.join(', ')}; others are ignored`, 'busy', 32)),
    },
    replies: {
      200: { description: 'taken', schema: TEXT },
      503: { description: 'not taken in time', schema: TEXT },
    },
    sayError: textError,
    handle: async ({ userId, code: extension, status }, tenant, caller) => {
      if (!statuses.includes(status)) {
        log.warn('http: the CRM sent a user status nobody knows', { enterprise: tenant.id, status });
        return done;
      }
      return inTime(tenant.userStatus({ userId, code: extension, status, ...caller }).then(() => done));
    },
  });

  addRoute(app, context, {
    methods: ['POST'],
    url: '/crm/:token/activity',
    proof: 'token',
    tag: 'CRM callbacks',
    summary: 'Somebody switched the module on or off',
    parameters: {
      activity: required(activity('JSON with active and freeze')),
      systemUrl: address('address the CRM wants its API to be called at; noted, never followed'),
    },
    replies: {
      200: {
        description: 'taken',
        schema: { type: 'object', required: ['success'], properties: { success: { type: 'boolean' } } },
      },
      503: {
        description: 'not taken in time',
        schema: {
          type: 'object',
          required: ['success', 'errorMsg'],
          properties: { success: { type: 'boolean' }, errorMsg: { type: 'string' } },
        },
      },
    },
    sayError: activityError,
    refusal: 400,
    handle: ({ activity: state, systemUrl }, tenant, caller) =>
      inTime(
        tenant.activity({ ...state, systemUrl, ...caller }).then(() => ({ status: 200, body: { success: true } })),
        { status: 503, body: { success: false, errorMsg: 'not done in time' } },
      ),
  });

  // The CRM opens it in the browser of whoever clicked: an address without the token may be registered as well.
  for (const { url, proof } of [
    { url: '/crm/:token/account', proof: 'token' },
    { url: '/account', proof: 'clientId' },
  ] as const) {
    addRoute(app, context, {
      methods: ['GET', 'POST'],
      ...{ url, proof },
      tag: 'Pages',
      summary: 'The page behind the module’s settings link',
      parameters: {},
      replies: { 200: { description: 'a page for people', schema: { type: 'string', contentMediaType: 'text/html' } } },
      sayError: textError,
      handle: (_values, tenant) =>
        Promise.resolve({ status: 200, body: accountPage(tenant.id), type: 'text/html; charset=utf-8' }),
    });
  }

  addRoute(app, context, {
    methods: ['GET', 'POST'],
    url: '/retailcrm/webhook',
    proof: 'trigger',
    tag: 'CRM callbacks',
    summary: 'A trigger of the CRM: something changed. Only a hint; the daemon reads it through the API',
    parameters: {
      event: required(token(`${events.join(', ')}; others are ignored`, 'customer.edit', 64)),
      id: id('id of the customer or order'),
    },
    replies: {
      200: { description: 'noted, durably', schema: TEXT },
      503: { description: 'not noted in time', schema: TEXT },
    },
    sayError: textError,
    handle: async ({ event, id: subject }, tenant, caller) => {
      const known = events.find((one) => one === event);
      if (known === undefined) {
        log.warn('http: a trigger sent an event nobody knows', { enterprise: tenant.id, event });
        return done;
      }
      if (subject === undefined) return { status: 400, body: 'id is missing\n' };
      return inTime(tenant.changed({ event: known, id: subject, ...caller }).then(() => done));
    },
  });
}

/** The CRM knows 200, 400, 403 for a bad clientId, and 503 (`retailcrm-api.md` 5.4). */
function clicked(reply: ActionReply): Answer {
  if (reply.outcome === 'done') return { status: 200, body: 'calling\n' };
  const status = reply.status === 429 ? 429 : reply.status === 409 || reply.status === 503 ? 503 : 400;
  return { status, body: `${reply.message}\n` };
}
