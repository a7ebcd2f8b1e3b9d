import { describe, expect, test } from '@jest/globals';
import type { FastifyInstance, InjectOptions } from 'fastify';
import type { ActionReply, Tenant } from '../../../src/http/tenant.ts';
import { form, open, pairs, secretsOf, tenant } from './support.ts';

const { clientId, token, secret } = secretsOf('acme');
const path = (name: string): string => `/crm/${token}/${name}`;

/** The same parameters in each way the CRM, or its triggers, may send them. */
function ways(url: string, values: Readonly<Record<string, string>>): { way: string; request: InjectOptions }[] {
  const { clientId: id = '', ...others } = values;
  return [
    { way: 'GET with a query', request: { method: 'GET', url: `${url}?${pairs(values)}` } },
    { way: 'POST with a form', request: { method: 'POST', url, headers: form, payload: pairs(values) } },
    { way: 'POST with a query', request: { method: 'POST', url: `${url}?${pairs(values)}` } },
    {
      way: 'POST with both',
      request: { method: 'POST', url: `${url}?${pairs({ clientId: id })}`, headers: form, payload: pairs(others) },
    },
    {
      way: 'POST with JSON',
      request: {
        method: 'POST',
        url,
        headers: { 'content-type': 'application/json' },
        payload: JSON.stringify(values),
      },
    },
  ];
}

const caller = { from: '127.0.0.1', via: 'crm' };

describe('a click', () => {
  const values = { clientId, code: '101', phone: '8 (029) 123-45-67', userId: '7', externalPhone: '+375171234503' };

  test.each(ways(path('makecall'), values))('by $way becomes a clean request', async ({ request }) => {
    const acme = tenant('acme');
    const app = await open([tenant('other'), acme]);
    const reply = await app.inject(request);
    expect({ status: reply.statusCode, type: reply.headers['content-type'], body: reply.body }).toEqual({
      ...{ status: 200, type: 'text/plain; charset=utf-8', body: 'calling\n' },
    });
    const clean = {
      code: '101',
      userId: 7,
      phone: '80291234567',
      externalPhone: '+375171234503',
      requestId: undefined,
    };
    expect(acme.asked).toEqual([{ what: 'makeCall', with: { ...clean, ...caller } }]);
  });

  test.each([
    { query: { phone: ' 375291234567' }, asks: { phone: '+375291234567' }, says: 'a plus nobody decoded' },
    { query: { phone: '101', code: '' }, asks: { phone: '101', code: undefined }, says: 'an empty code is none' },
    {
      query: { phone: '101', foo: 'bar', __proto__x: '1' },
      asks: { phone: '101' },
      says: 'unknown parameters are ignored',
    },
    { query: { phone: '101', requestId: 'r-1' }, asks: { requestId: 'r-1' }, says: 'a request id' },
  ])('$says', async ({ query, asks }) => {
    const acme = tenant('acme');
    const app = await open([acme]);
    const reply = await app.inject(`${path('makecall')}?${pairs({ clientId, ...query })}`);
    expect(reply.statusCode).toBe(200);
    expect(acme.asked[0]?.with).toMatchObject(asks);
  });

  test('the first of two values wins, and the query before the form', async () => {
    const acme = tenant('acme');
    const app = await open([acme]);
    const url = `${path('makecall')}?clientId=${clientId}&phone=101&phone=102`;
    await app.inject({ method: 'POST', url, headers: form, payload: 'phone=103&code=201&code=202' });
    expect(acme.asked[0]?.with).toMatchObject({ phone: '101', code: '201' });
  });

  test.each<{ says: string; reply: ActionReply; status: number }>([
    { says: 'a bad number', reply: refused(400, 'bad_phone'), status: 400 },
    { says: 'a number that may not be called', reply: refused(403, 'not_allowed'), status: 400 },
    { says: 'nobody has that extension', reply: refused(404, 'unknown_extension'), status: 400 },
    { says: 'her phone is not there', reply: refused(409, 'not_registered'), status: 503 },
    { says: 'too many clicks', reply: refused(429, 'too_many'), status: 429 },
    { says: 'the PBX is away', reply: refused(503, 'host_down'), status: 503 },
  ])('$says: $status and a sentence', async ({ reply, status }) => {
    const app = await open([tenant('acme', { makeCall: () => Promise.resolve(reply as never) })]);
    const answer = await app.inject(`${path('makecall')}?${pairs(values)}`);
    expect([answer.statusCode, answer.body]).toEqual([status, 'why it is so\n']);
  });

  test.each([
    { query: {}, says: 'phone is missing' },
    { query: { phone: '٣٧٥' }, says: 'phone is not acceptable: a phone number as it stands on the card' },
    { query: { phone: '101', userId: '-1' }, says: 'userId is not acceptable: id of the CRM user' },
    { query: { phone: '101', code: '101&102' }, says: 'code is not acceptable: extension of the employee' },
  ])('400: $says', async ({ query, says }) => {
    const acme = tenant('acme');
    const app = await open([acme]);
    const reply = await app.inject(`${path('makecall')}?${pairs({ clientId, ...query })}`);
    expect(reply.statusCode).toBe(400);
    expect(reply.body).toContain(says);
    expect(acme.asked).toEqual([]);
  });

  test('that nobody answers in time is told as 503 before the CRM loses patience', async () => {
    const app = await open([tenant('acme', { makeCall: never })], { callbackMs: 20 });
    const reply = await app.inject(`${path('makecall')}?${pairs(values)}`);
    expect([reply.statusCode, reply.body]).toEqual([503, 'not done in time\n']);
  });

  test('that fails is our fault: 500, the reason in the log only', async () => {
    const app = await open([tenant('acme', { makeCall: () => Promise.reject(new Error('secret inside')) })]);
    const reply = await app.inject(`${path('makecall')}?${pairs(values)}`);
    expect([reply.statusCode, reply.body]).toEqual([500, 'a fault of ours; the log tells more\n']);
    expect(app.log.lines.filter(({ level }) => level === 'error')).toMatchObject([
      { message: 'http: a request failed', fields: { route: '/crm/:token/makecall' } },
    ]);
  });

  test('that fails after the answer is in the log too', async () => {
    let fail: (error: Error) => void = () => undefined;
    const makeCall = (): Promise<never> => new Promise((_, reject) => (fail = reject));
    const app = await open([tenant('acme', { makeCall })], { callbackMs: 5 });
    await app.inject(`${path('makecall')}?${pairs(values)}`);
    fail(new Error('late'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(app.log.lines.map(({ message }) => message)).toContain('http: a late callback failed');
  });
});

describe('a status', () => {
  const values = { clientId, userId: '7', code: '101', status: 'dinner' };

  test.each(ways(path('status'), values))('by $way', async ({ request }) => {
    const acme = tenant('acme');
    const app = await open([acme]);
    const reply = await app.inject(request);
    expect([reply.statusCode, reply.body]).toEqual([200, 'ok\n']);
    expect(acme.asked).toEqual([{ what: 'userStatus', with: { userId: 7, code: '101', status: 'dinner', ...caller } }]);
  });

  test('nobody knows is logged, answered with 200 and goes no further', async () => {
    const acme = tenant('acme');
    const app = await open([acme]);
    const reply = await app.inject(`${path('status')}?${pairs({ ...values, status: 'holiday' })}`);
    expect(reply.statusCode).toBe(200);
    expect(acme.asked).toEqual([]);
    expect(app.log.lines.map(({ message }) => message)).toContain('http: the CRM sent a user status nobody knows');
  });
});

describe('an activity', () => {
  const values = { clientId, activity: '{"active":true,"freeze":false}', systemUrl: '' };

  test('is told, and an empty address is none', async () => {
    const acme = tenant('acme');
    const app = await open([acme]);
    const reply = await app.inject({ method: 'POST', url: path('activity'), headers: form, payload: pairs(values) });
    expect([reply.statusCode, reply.json()]).toEqual([200, { success: true }]);
    expect(acme.asked).toEqual([
      { what: 'activity', with: { active: true, freeze: false, systemUrl: undefined, ...caller } },
    ]);
  });

  test.each([
    { change: { activity: '{' }, says: 'activity is not acceptable: JSON with active and freeze' },
    { change: { activity: '' }, says: 'activity is missing' },
    { change: { systemUrl: 'ftp://x' }, says: 'systemUrl is not acceptable' },
    { change: { clientId: 'x' }, says: 'access refused' },
  ])('400 in the form the CRM knows: $says', async ({ change, says }) => {
    const acme = tenant('acme');
    const app = await open([acme]);
    const payload = pairs({ ...values, ...change });
    const reply = await app.inject({ method: 'POST', url: path('activity'), headers: form, payload });
    expect(reply.statusCode).toBe(400);
    expect(reply.json()).toEqual({ success: false, errorMsg: expect.stringContaining(says) });
    expect(acme.asked.filter(({ what }) => what !== 'refused')).toEqual([]);
  });
});

describe('a trigger', () => {
  const values = { clientId, secret, event: 'order.edit', id: '55' };

  test.each(ways('/retailcrm/webhook', values))('by $way is a hint', async ({ request }) => {
    const acme = tenant('acme');
    const app = await open([tenant('other'), acme]);
    const reply = await app.inject(request);
    expect([reply.statusCode, reply.body]).toEqual([200, 'ok\n']);
    expect(acme.asked).toEqual([{ what: 'changed', with: { event: 'order.edit', id: 55, ...caller } }]);
  });

  test('is acknowledged only after it was noted (P7)', async () => {
    let noted: () => void = () => undefined;
    let told: () => void = () => undefined;
    const hint = new Promise<void>((resolve) => (told = resolve));
    const changed = (): Promise<void> => {
      told();
      return new Promise((resolve) => (noted = resolve));
    };
    const app = await open([tenant('acme', { changed })], { callbackMs: 30_000 });
    let answered = false;
    const reply = app.inject(`/retailcrm/webhook?${pairs(values)}`).then((done) => ((answered = true), done));
    await hint;
    await app.inject(path('none')); // a whole request later
    expect(answered).toBe(false);
    noted();
    expect((await reply).statusCode).toBe(200);
  });

  test.each([
    {
      change: { event: 'customer.delete' },
      status: 200,
      says: 'an event nobody knows is logged and answered with 200',
    },
    { change: { event: 'x y' }, status: 400, says: 'an event that is no word' },
    { change: { event: '' }, status: 400, says: 'no event' },
    { change: { id: '' }, status: 400, says: 'no id' },
    { change: { id: '{{ customer.getId() }}' }, status: 400, says: 'a template nobody filled in' },
    { change: { secret: 'x' }, status: 403, says: 'a wrong secret' },
    { change: { secret: '' }, status: 403, says: 'no secret' },
    { change: { clientId: '' }, status: 403, says: 'no clientId' },
    { change: secretsOf('other'), status: 200, says: 'of another tenant is that tenant’s' },
    { change: { clientId: secretsOf('other').clientId }, status: 403, says: 'with the secret of another tenant' },
  ])('$says: $status', async ({ change, status }) => {
    const acme = tenant('acme');
    const app = await open([tenant('other'), acme]);
    const reply = await app.inject(`/retailcrm/webhook?${pairs({ ...values, ...change })}`);
    expect(reply.statusCode).toBe(status);
    expect(acme.asked.filter(({ what }) => what === 'changed')).toEqual([]);
  });
});

describe('the account page', () => {
  test.each([path('account'), '/account'])('%s opens by GET and POST', async (url) => {
    const app = await open([tenant('acme')]);
    const page = await app.inject({ method: 'POST', url, headers: form, payload: pairs({ clientId }) });
    expect([page.statusCode, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.body).toContain('acme');
    expect((await app.inject(`${url}?clientId=${clientId}`)).statusCode).toBe(200);
    expect((await app.inject(url)).statusCode).toBe(403);
  });
});

describe('who may call', () => {
  const allowed: Partial<Tenant> = { allowFrom: ['203.0.113.0/24', '2001:db8::/32'] };
  const click = (app: FastifyInstance, from: string, headers: Record<string, string> = {}) =>
    app.inject({ url: `${path('makecall')}?${pairs({ clientId, phone: '101' })}`, remoteAddress: from, headers });

  test.each([
    { from: '203.0.113.9', status: 200, says: 'from the list' },
    { from: '::ffff:203.0.113.9', status: 200, says: 'the same as IPv6' },
    { from: '2001:db8:5::1', status: 200, says: 'an IPv6 range' },
    { from: '198.51.100.1', status: 403, says: 'from elsewhere' },
  ])('$from ($says): $status', async ({ from, status }) => {
    const app = await open([tenant('acme', allowed)]);
    expect((await click(app, from)).statusCode).toBe(status);
  });

  test.each([
    { trust: ['127.0.0.1'], forwarded: '203.0.113.9', status: 200, says: 'a trusted proxy is believed' },
    { trust: ['127.0.0.1'], forwarded: '203.0.113.9, 198.51.100.1', status: 403, says: 'only its own last word' },
    { trust: ['127.0.0.1', '198.51.100.1'], forwarded: '203.0.113.9, 198.51.100.1', status: 200, says: 'two of them' },
    { trust: ['127.0.0.1'], forwarded: 'evil\u0001', status: 403, says: 'nonsense is nobody' },
    { trust: [], forwarded: '203.0.113.9', status: 403, says: 'anybody else is not' },
  ])('X-Forwarded-For: $says', async ({ trust, forwarded, status }) => {
    const app = await open([tenant('acme', allowed)], { trustProxy: trust });
    expect((await click(app, '127.0.0.1', { 'x-forwarded-for': forwarded })).statusCode).toBe(status);
  });

  test('the page and the API are not bound to the addresses of the CRM', async () => {
    const app = await open([tenant('acme', allowed)]);
    expect((await app.inject(`/account?clientId=${clientId}`)).statusCode).toBe(200);
    expect((await app.inject(`/api/responsible?${pairs({ clientId, phone: '101' })}`)).statusCode).toBe(200);
  });

  test('a forbidden address gets the answer of a wrong clientId, byte for byte', async () => {
    const app = await open([tenant('acme', allowed)]);
    const forbidden = await click(app, '198.51.100.1');
    const wrong = await app.inject(`${path('makecall')}?clientId=x&phone=101`);
    expect(bytesOf(forbidden)).toEqual(bytesOf(wrong));
  });
});

describe('whose credential is wrong', () => {
  const other = secretsOf('other');
  const shown = [
    { says: 'an unknown clientId', url: `${path('makecall')}?${pairs({ clientId: 'unknown', phone: '101' })}` },
    { says: 'no clientId', url: `${path('makecall')}?phone=101` },
    {
      says: "another tenant's clientId",
      url: `${path('makecall')}?${pairs({ clientId: other.clientId, phone: '101' })}`,
    },
    { says: "another tenant's token", url: `/crm/${other.token}/makecall?${pairs({ clientId, phone: '101' })}` },
    { says: 'a token of nobody', url: `/crm/nobody/makecall?${pairs({ clientId, phone: '101' })}` },
    { says: 'a bad parameter beside it', url: `/crm/nobody/makecall?${pairs({ clientId, phone: ';' })}` },
  ];

  test('cannot be told from the answer', async () => {
    const app = await open([tenant('acme'), tenant('other')]);
    const answers = await Promise.all(shown.map(async ({ url }) => bytesOf(await app.inject(url))));
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain('403');
  });

  test('is told to the tenant that was meant, after the answer', async () => {
    const acme = tenant('acme');
    const app = await open([tenant('other'), acme]);
    await app.inject(shown[0]?.url ?? '');
    await new Promise((resolve) => setImmediate(resolve));
    expect(acme.asked).toEqual([{ what: 'refused', with: { what: 'wrong clientId', from: '127.0.0.1' } }]);
    expect(app.figures.refused.rows()).toEqual([{ labels: { reason: 'wrong clientId' }, value: 1 }]);
  });

  test('the 31st within a minute gets 429; the right one from the same address still comes in', async () => {
    const app = await open([tenant('acme')]);
    const statuses: number[] = [];
    for (let n = 0; n < 32; n++) statuses.push((await app.inject(shown[0]?.url ?? '')).statusCode);
    expect(statuses.filter((status) => status === 403)).toHaveLength(30);
    expect(statuses.slice(30)).toEqual([429, 429]);
    expect((await app.inject(`${path('makecall')}?${pairs({ clientId, phone: '101' })}`)).statusCode).toBe(200);
    await new Promise((resolve) => setImmediate(resolve));
    expect(app.log.lines.filter(({ message }) => message === 'http: refused')).toHaveLength(2);
  });
});

test('no secret, token or number is in any log line', async () => {
  const app = await open([tenant('acme', { makeCall: () => Promise.reject(new Error('broken')) }), tenant('other')]);
  const values = { clientId, code: '101', phone: '+375291234567' };
  await app.inject(`${path('makecall')}?${pairs(values)}`);
  await app.inject(`/crm/${token}x/makecall?${pairs(values)}`);
  await app.inject(`/crm/${token}/%zz?${pairs(values)}`);
  await app.inject(`/crm/${token}/none?${pairs({ ...values, secret })}`);
  await app.inject(`/retailcrm/webhook?${pairs({ ...values, secret, event: 'customer.sold', id: '1' })}`);
  await new Promise((resolve) => setImmediate(resolve));
  const text = JSON.stringify(app.log.lines, (_key, value: unknown) =>
    value instanceof Error ? value.message : value,
  );
  expect(app.log.lines.length).toBeGreaterThan(6);
  expect([clientId, token, secret, '375291234567'].filter((one) => text.includes(one))).toEqual([]);
});

function refused(status: 400 | 403 | 404 | 409 | 429 | 503, code: string): ActionReply {
  return { outcome: 'refused', status, code, message: 'why it is so' };
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}

/** Everything of an answer but its date. */
function bytesOf({ statusCode, headers, body }: Awaited<ReturnType<FastifyInstance['inject']>>): string {
  return JSON.stringify({ statusCode, headers: { ...headers, date: undefined }, body });
}
