import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { close, listen } from '../../../src/http/server.ts';
import { hostileStrings } from '../../support/hostileStrings.ts';
import { type Sent, statusesOf } from './pipeline.ts';
import { open, pairs, secretsOf, tenant } from './support.ts';

/**
 * The corpus of `H10` and `H11` through every parameter of every route, over a real connection. Here each text goes through some of
 * the parameters; `CORPUS=full npm test -- test/unit/http/hostile` sends each through every one (850,000 requests).
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

let port = 0;
beforeAll(async () => {
  port = Number((await listen(app, '127.0.0.1', 0)).split(':')[1]);
});
afterAll(() => close(app, { stopMs: 0 }));

test('the honest request of each route is let through', async () => {
  const honest = routes.flatMap((route) =>
    route.methods.map((method) => request({ ...route, method, name: 'clientId' }, clientId)),
  );
  const statuses = await statusesOf(port, honest);
  expect(honest.filter((_, index) => statuses[index] !== 200)).toEqual([]);
});

describe.each(cases.map((one, index) => ({ ...one, index })))('$method $url: $name', (one) => {
  test('lets none of them through', async () => {
    acme.asked.splice(0);
    app.log.lines.splice(0);
    const mine = full ? strings : strings.slice(one.index * share, (one.index + 1) * share);
    const statuses = await statusesOf(
      port,
      mine.map((text) => request(one, text)),
    );
    expect(mine.filter((_, index) => Math.floor((statuses[index] ?? 0) / 100) !== 4)).toEqual([]);
    expect(acme.asked.filter(({ what }) => what !== 'refused')).toEqual([]);
  }, 60_000);
});

test('under other names they are ignored', async () => {
  acme.asked.splice(0);
  const asked = strings
    .slice(0, full ? strings.length : 200)
    .filter((text) => text.length < 1_000) // thrice as long, with escapes, is too long for a head
    .map((text) => ({ clientId, phone: '101', [`x${text}`]: text, __proto__x: text, 'phone[]': text }))
    .map((values): Sent => ({ method: 'GET', target: `/api/responsible?${pairs(values)}` }));
  expect(new Set(await statusesOf(port, asked))).toEqual(new Set([200]));
  expect(new Set(acme.asked.map((one) => JSON.stringify(one)))).toEqual(
    new Set([JSON.stringify({ what: 'responsible', with: '101' })]),
  );
}, 60_000);

test(`${full ? '100,000' : '5,000'} forged callbacks: none is accepted, and the log stays quiet`, async () => {
  acme.asked.splice(0);
  let loud = 0;
  let accepted = 0;
  for (let from = 0; from < (full ? 100_000 : 5_000); from += 5_000) {
    app.log.lines.splice(0);
    const statuses = await statusesOf(
      port,
      Array.from({ length: 5_000 }, (_, index) => forged(from + index)),
    );
    accepted += statuses.filter((status) => status < 400).length;
    loud += app.log.lines.filter(({ level }) => level !== 'debug').length;
  }
  expect(accepted).toBe(0);
  expect(acme.asked.filter(({ what }) => what !== 'refused')).toEqual([]);
  expect(acme.asked.length).toBeLessThan(10);
  expect(loud).toBeLessThan(10);
}, 120_000);

/** The n-th request with a wrong credential: every kind of wrong in turn. */
function forged(n: number): Sent {
  const guess = n % 4 === 0 ? token : `${token.slice(0, -8)}${n.toString(36).padStart(8, '0')}`;
  const values = {
    clientId: n % 4 === 1 ? clientId : `${clientId.slice(0, -8)}${n.toString(16).padStart(8, '0')}`,
    ...{ secret: `${secret}${n}`, phone: '101', code: '101', status: 'busy', activity: '{"active":false}' },
    ...{ event: 'order.edit', id: '5' },
  };
  const what = ['makecall', 'status', 'activity'][n % 3] ?? '';
  const target = n % 5 === 4 ? '/retailcrm/webhook' : `/crm/${guess}/${what}`;
  return { method: 'POST', target, body: pairs(values) };
}

/** The honest request of a route with one thing in it that is not. */
function request({ url, method, values, name }: (typeof cases)[number], text: string): Sent {
  const path = url.replace('{token}', name === 'token' ? encodeURIComponent(text) : token);
  const given = pairs(name === 'token' ? values : { ...values, [name]: text });
  return method === 'GET' ? { method, target: `${path}?${given}` } : { method, target: path, body: given };
}
