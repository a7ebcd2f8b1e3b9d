import { describe, expect, test } from '@jest/globals';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { hostileStrings } from '../../support/hostileStrings.ts';
import { form, open, pairs, secretsOf, tenant } from './support.ts';

/**
 * The corpus of `H10` and `H11` through every parameter of every route, over the whole way of a request. Here each text goes
 * through some of the parameters; `CORPUS=full npm test -- test/unit/http/hostile` sends each through every one (750,000 requests).
 */
const full = process.env['CORPUS'] === 'full';
const strings = hostileStrings();
const { clientId, token, secret } = secretsOf('acme');

const routes: readonly {
  url: string;
  methods: readonly ('GET' | 'POST')[];
  values: Readonly<Record<string, string>>;
}[] = [
  {
    url: '/crm/{token}/makecall',
    methods: ['GET', 'POST'],
    values: {
      clientId,
      code: '101',
      userId: '7',
      phone: '+375291234567',
      externalPhone: '+375171234503',
      requestId: 'r',
    },
  },
  {
    url: '/crm/{token}/status',
    methods: ['GET', 'POST'],
    values: { clientId, userId: '7', code: '101', status: 'busy' },
  },
  {
    url: '/crm/{token}/activity',
    methods: ['POST'],
    values: { clientId, activity: '{"active":true}', systemUrl: 'https://a.ru' },
  },
  { url: '/crm/{token}/account', methods: ['GET', 'POST'], values: { clientId } },
  { url: '/account', methods: ['GET', 'POST'], values: { clientId } },
  { url: '/retailcrm/webhook', methods: ['GET', 'POST'], values: { clientId, secret, event: 'order.edit', id: '5' } },
  {
    url: '/api/makecallexternal',
    methods: ['GET', 'POST'],
    values: {
      clientId,
      code: '101',
      userId: '7',
      phone: '+375291234567',
      externalPhone: '+375171234503',
      requestId: 'r',
    },
  },
  {
    url: '/api/transfer',
    methods: ['GET', 'POST'],
    values: { clientId, code: '101', callId: 'pbx1-1.0', by: '102', kind: 'blind', to: '103' },
  },
  {
    url: '/api/monitor',
    methods: ['GET', 'POST'],
    values: { clientId, code: '101', callId: 'pbx1-1.0', by: '102', mode: 'listen' },
  },
  { url: '/api/hangup', methods: ['GET', 'POST'], values: { clientId, code: '101', callId: 'pbx1-1.0', by: '102' } },
  { url: '/api/responsible', methods: ['GET'], values: { clientId, phone: '+375291234567' } },
];
const cases = routes.flatMap(({ url, methods, values }) =>
  methods.flatMap((method) =>
    [...Object.keys(values), ...(url.includes('{token}') ? ['token'] : [])].map((name) => ({
      url,
      method,
      values,
      name,
    })),
  ),
);
const acme = tenant('acme');
const app = await open([tenant('other'), acme]);
const share = Math.ceil(strings.length / cases.length);

test('the honest request of each route is let through', async () => {
  for (const { url, methods, values } of routes) {
    for (const method of methods) {
      const reply = await send(app, { url, method, values, name: 'clientId' }, clientId);
      expect([url, method, reply.statusCode]).toEqual([url, method, 200]);
    }
  }
});

describe.each(cases.map((one, index) => ({ ...one, index })))('$method $url: $name', (one) => {
  test('lets none of them through', async () => {
    acme.asked.splice(0);
    const mine = full ? strings : strings.slice(one.index * share, (one.index + 1) * share);
    const wrong: string[] = [];
    for (const text of mine) {
      const { statusCode } = await send(app, one, text);
      if (statusCode < 400 || statusCode > 499) wrong.push(`${statusCode} ${JSON.stringify(text)}`);
    }
    expect(wrong).toEqual([]);
    expect(acme.asked.filter(({ what }) => what !== 'refused')).toEqual([]);
  }, 600_000);
});

test('under other names they are ignored', async () => {
  acme.asked.splice(0);
  for (const text of strings.slice(0, 200)) {
    const values = { clientId, phone: '101', [`x${text}`]: text, __proto__x: text, 'phone[]': text };
    const reply = await app.inject(`/api/responsible?${pairs(values)}`);
    expect(reply.statusCode).toBe(200);
  }
  expect(new Set(acme.asked.map((asked) => JSON.stringify(asked)))).toEqual(
    new Set([JSON.stringify({ what: 'responsible', with: '101' })]),
  );
});

test(`${full ? '100,000' : '5,000'} forged callbacks: none is accepted, and the log stays quiet`, async () => {
  acme.asked.splice(0);
  const before = app.log.lines.filter(({ level }) => level !== 'debug').length;
  const count = full ? 100_000 : 5_000;
  const urls = ['makecall', 'status', 'activity'].map((name) => `/crm/{guess}/${name}`);
  let accepted = 0;
  for (let n = 0; n < count; n++) {
    const guess = n % 4 === 0 ? token : `${token.slice(0, -8)}${n.toString(36).padStart(8, '0')}`;
    const values = {
      clientId: n % 4 === 1 ? clientId : `${clientId.slice(0, -8)}${n.toString(16).padStart(8, '0')}`,
      ...{ secret: `${secret}${n}`, phone: '101', code: '101', status: 'busy', activity: '{"active":false}' },
      ...{ event: 'order.edit', id: '5' },
    };
    const url = n % 5 === 4 ? '/retailcrm/webhook' : (urls[n % 3] ?? '').replace('{guess}', guess);
    const reply = await app.inject({ method: 'POST', url, headers: form, payload: pairs(values) });
    if (reply.statusCode < 400) accepted += 1;
    if (app.log.lines.length > 10_000) app.log.lines.splice(0, 9_000);
  }
  expect(accepted).toBe(0);
  expect(acme.asked.filter(({ what }) => what !== 'refused')).toEqual([]);
  expect(acme.asked.length).toBeLessThan(10);
  expect(app.log.lines.filter(({ level }) => level !== 'debug').length - before).toBeLessThan(10);
}, 600_000);

function send(
  to: FastifyInstance,
  { url, method, values, name }: (typeof cases)[number],
  text: string,
): Promise<{ statusCode: number }> {
  const path = url.replace('{token}', name === 'token' ? encodeURIComponent(wellFormed(text)) : token);
  const given = pairs(name === 'token' ? values : { ...values, [name]: text });
  const request: InjectOptions =
    method === 'GET' ? { method, url: `${path}?${given}` } : { method, url: path, headers: form, payload: given };
  return to.inject(request);
}

/** `encodeURIComponent` throws on half a surrogate pair; none of the texts has one, but a cut might. */
function wellFormed(text: string): string {
  return text.replaceAll(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '?');
}
