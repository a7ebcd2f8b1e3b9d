import { describe, expect, test } from '@jest/globals';
import { readSwitches } from '../../../src/sandbox/switches.ts';
import { bench, call, event, send, type Told } from './support.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const MISSING = '"apiKey" is missing.';

describe('transport and auth', () => {
  test.each([400, 403] as const)('1 no key is refused with %d', async (missingKeyStatus) => {
    const { emulator } = await bench({ switches: { missingKeyStatus } });
    const told = await send(emulator.url, { path: '/api/v5/users' });
    expect([told.status, told.body]).toEqual([missingKeyStatus, { success: false, errorMsg: MISSING }]);
  });

  test.each(['X-API-KEY', 'x-api-key', 'X-Api-Key'])('2 a wrong key in %s is refused', async (name) => {
    const { emulator } = await bench();
    const told = await send(emulator.url, { path: '/api/v5/users', headers: { [name]: 'wrong' } });
    expect([told.status, told.body['errorMsg']]).toEqual([403, 'Wrong "apiKey" value.']);
    expect((await send(emulator.url, { path: '/api/v5/users', headers: { [name]: 'demo-key' } })).status).toBe(200);
  });

  test('3 a key without the method in its credentials is refused', async () => {
    const seed = { accounts: [{ keys: [{ key: 'k', credentials: ['/api/users'] }] }] };
    const crm = await bench({ seed });
    crm.key = 'k';
    expect((await crm.get('users')).status).toBe(200);
    const told = await crm.get('customers');
    expect([told.status, told.body['errorMsg']]).toEqual([403, 'Access denied.']);
  });

  test.each([
    { how: 'an unknown Host', headers: { host: 'nobody.example' }, accountGone: false },
    { how: 'the switch accountGone', headers: { host: '127.0.0.1' }, accountGone: true },
  ])('4 an account that does not exist, told by $how', async ({ headers, accountGone }) => {
    const crm = await bench({ switches: { accountGone } });
    const got = await crm.raw({ path: '/api/v5/users', headers });
    expect([got.status, got.body['errorMsg']]).toEqual([404, 'Account does not exist.']);
    const posted = await crm.raw({ method: 'POST', path: '/api/v5/orders/create', headers });
    expect([posted.status, posted.headers['content-type'], posted.text[0]]).toEqual([405, 'text/html', '<']);
    expect(posted.text).toContain('nginx');
  });

  test('4 the host of a seeded account is known', async () => {
    const crm = await bench({ seed: { accounts: [{ name: 'demo', host: 'Shop.Example' }] } });
    expect((await crm.raw({ path: '/api/v5/users', headers: { host: 'shop.example:80' } })).status).toBe(200);
  });

  test.each([
    '/api/v5/nothing',
    '/api/v5/credentials',
    '/api/v5/api-versions',
    '/api/v5/telephony/setting/x',
    '/api/v5/telephony/call-event',
    '/api/v5/telephony/calls',
    '/api/v5/integration-modules//edit',
    '/api/v5/customers/',
    '/api/v4/customers',
    '/api/v5/orders/%zz',
    '/api',
  ])('5 %s does not exist', async (path) => {
    const crm = await bench();
    for (const method of ['GET', 'POST']) {
      const told = await crm.raw({ method, path });
      expect([told.status, told.body['errorMsg']]).toEqual([404, 'API method not found']);
    }
  });

  test.each([
    { method: 'POST', path: '/api/v5/users' },
    { method: 'GET', path: '/api/v5/telephony/call/event' },
    { method: 'PUT', path: '/api/v5/customers/1' },
    { method: 'PATCH', path: '/api/v5/orders/1' },
    { method: 'DELETE', path: '/api/v5/orders/1/edit' },
  ])('6 $method $path is the wrong verb', async (sent) => {
    const told = await (await bench()).raw(sent);
    expect([told.status, told.body['errorMsg']]).toEqual([405, 'Method Not Allowed']);
  });

  test('7 a JSON body is an empty form', async () => {
    const crm = await bench();
    const told = await crm.raw({
      method: 'POST',
      path: '/api/v5/customers/create',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ customer: { firstName: 'Ann' } }),
    });
    expect([told.status, told.body['errorMsg']]).toEqual([400, "Parameter 'customer' is missing"]);
    expect(crm.emulator.requests()[0]?.flags).toEqual(['JSON body']);
  });

  const FIELDS = [
    { path: 'telephony/call/event', field: 'event' },
    { path: 'telephony/calls/upload', field: 'calls' },
    { path: 'customers/create', field: 'customer' },
    { path: 'customers/upload', field: 'customers' },
    { path: 'customers/notes/create', field: 'note' },
    { path: 'orders/create', field: 'order' },
    { path: 'integration-modules/x/edit', field: 'integrationModule' },
    { path: 'tasks/create', field: 'task' },
    { path: 'notifications/send', field: 'notification' },
  ];

  test.each(FIELDS)('8 $path without $field is refused', async ({ path, field }) => {
    const told = await (await bench()).post(path, { other: '1' });
    expect([told.status, told.body['errorMsg']]).toEqual([400, `Parameter '${field}' is missing`]);
  });

  test.each(FIELDS)('9 $path with $field that is null, empty or not JSON is refused', async ({ path, field }) => {
    const crm = await bench();
    for (const value of ['null', '', '{oops', '[object Object]']) {
      const told = await crm.post(path, { [field]: value });
      expect([told.status, told.body['errorMsg']]).toEqual([400, 'Expected array, but got NULL: null']);
    }
  });

  test('10 a bracket-nested field is refused', async () => {
    const crm = await bench();
    const told = await crm.raw({
      method: 'POST',
      path: '/api/v5/customers/create',
      headers: FORM,
      body: 'customer[firstName]=Ann&customer[phones][0][number]=1',
    });
    expect(told.status).toBe(400);
    expect(told.body['errorMsg']).toMatch(/scalar/);
    expect(crm.emulator.requests()[0]?.flags).toEqual(['bracket field customer']);
  });

  test('11 apiKey in query or form works and is flagged', async () => {
    const { emulator } = await bench();
    const queried = await send(emulator.url, { path: '/api/v5/users?apiKey=demo-key' });
    const posted = await send(emulator.url, {
      method: 'POST',
      path: '/api/v5/users/7/status',
      headers: FORM,
      body: 'apiKey=demo-key&status=busy',
    });
    expect([queried.status, posted.status]).toEqual([200, 200]);
    expect(emulator.requests().map((request) => request.flags)).toEqual([['apiKey in query'], ['apiKey in form']]);
  });

  test.each([
    { rateLimitReply: '503html', status: 503, type: 'text/html', retryAfter: undefined },
    { rateLimitReply: '503json', status: 503, type: 'application/json; charset=utf-8', retryAfter: undefined },
    { rateLimitReply: '429json', status: 429, type: 'application/json; charset=utf-8', retryAfter: '1' },
  ] as const)(
    '12 the 11th general request inside a second is refused with $rateLimitReply',
    async ({ rateLimitReply, status, type, retryAfter }) => {
      const crm = await bench({ switches: { rateLimitReply } });
      crm.clock.step = 99;
      const told: Told[] = [];
      for (let n = 0; n < 11; n++) told.push(await crm.get('users'));
      expect(told.map((reply) => reply.status)).toEqual([...Array<number>(10).fill(200), status]);
      expect([told[10]?.headers['content-type'], told[10]?.headers['retry-after']]).toEqual([type, retryAfter]);
      expect(crm.emulator.stats().accounts['demo']?.general).toEqual({ peak: 11, limit: 10, seen: 11, refused: 1 });
    },
  );

  test('12 the window slides: ten requests at the end of a second and ten at its beginning are too many', async () => {
    const crm = await bench();
    crm.clock.step = 0;
    const statuses: number[] = [];
    for (const at of [...Array<number>(10).fill(900), ...Array<number>(10).fill(1100)]) {
      crm.clock.mono = at;
      statuses.push((await crm.get('users')).status);
    }
    crm.clock.mono = 1900;
    statuses.push((await crm.get('users')).status);
    expect(statuses).toEqual([...Array<number>(10).fill(200), ...Array<number>(10).fill(503), 200]);
  });

  test('12 each key has its own window', async () => {
    const crm = await bench({
      seed: {
        accounts: [
          { name: 'a', key: 'ka' },
          { name: 'b', key: 'kb' },
        ],
      },
    });
    crm.clock.step = 1;
    const statuses: number[] = [];
    for (const key of [...Array<string>(10).fill('ka'), 'kb', 'ka']) {
      crm.key = key;
      statuses.push((await crm.get('users')).status);
    }
    expect(statuses.slice(9)).toEqual([200, 200, 503]);
    expect(crm.emulator.stats().peak).toEqual({ general: 11, telephony: 0 });
  });

  test('13 the 41st telephony request inside a second is refused, and the buckets do not eat each other', async () => {
    const crm = await bench();
    crm.clock.step = 1;
    for (let n = 0; n < 10; n++) await crm.get('users');
    const statuses: number[] = [];
    for (let n = 0; n < 41; n++) statuses.push((await crm.get('telephony/manager', { phone: '+375290000101' })).status);
    expect(statuses).toEqual([...Array<number>(40).fill(200), 503]);
    expect((await crm.get('users')).status).toBe(503);
    expect(crm.emulator.stats().peak).toEqual({ general: 11, telephony: 41 });
  });
});

describe('the request log', () => {
  test('keeps what was sent as it was sent', async () => {
    const crm = await bench();
    await crm.raw({
      method: 'POST',
      path: '/api/v5/users/7/status?x=%2B7+1',
      headers: { ...FORM, 'x-own': 'yes' },
      body: 'status=free&name=%D0%98',
    });
    const [request] = crm.emulator.requests();
    expect(request).toMatchObject({
      method: 'POST',
      path: '/api/v5/users/7/status',
      rawQuery: 'x=%2B7+1',
      rawBody: 'status=free&name=%D0%98',
      account: 'demo',
      bucket: 'general',
      status: 200,
      outcome: 'replied',
      at: crm.clock.wall,
    });
    expect(request?.headers['x-own']).toBe('yes');
    expect(typeof request?.arrivedNs).toBe('bigint');
  });

  test('is bounded by count while counters stay exact', async () => {
    const crm = await bench({ requestLogCap: 10 });
    for (let n = 0; n < 25; n++) await crm.get('users');
    expect(crm.emulator.requests().length).toBeLessThanOrEqual(10);
    expect(crm.emulator.requests().at(-1)?.seq).toBe(25);
    expect(crm.emulator.stats().byMethod['GET /api/v5/users']).toBe(25);
  });

  test('is bounded by bytes', async () => {
    const crm = await bench({ requestLogBytes: 100_000 });
    for (let n = 0; n < 8; n++) await crm.post('users/7/status', { status: 'free', padding: 'x'.repeat(20_000) });
    expect(crm.emulator.requests().length).toBeLessThan(6);
    expect(crm.emulator.requests().at(-1)?.seq).toBe(8);
  });

  test('a multipart form is read as the CRM reads it, and flagged', async () => {
    const crm = await bench();
    const body = [
      '--b',
      'Content-Disposition: form-data; name="event"',
      '',
      JSON.stringify(event({ phone: '+375290000157' })),
      '--b--',
      '',
    ].join('\r\n');
    const told = await crm.raw({
      method: 'POST',
      path: '/api/v5/telephony/call/event',
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body,
    });
    expect([told.status, crm.emulator.requests()[0]?.flags]).toEqual([200, ['multipart body']]);
  });
});

describe('fault switches', () => {
  test('loseReplyEvery carries the n-th request out and cuts the connection', async () => {
    const crm = await bench({ switches: { loseReplyEvery: 2 } });
    expect((await crm.upload(call({ externalId: 'a' }))).status).toBe(200);
    await expect(crm.upload(call({ externalId: 'b' }))).rejects.toThrow(/hang up|ECONNRESET/);
    expect([...crm.emulator.account().calls.keys()]).toEqual(['a', 'b']);
    expect(crm.emulator.requests().map((request) => request.outcome)).toEqual(['replied', 'lost']);
  });

  test('fail5xxEvery answers the n-th request 500 and does not carry it out', async () => {
    const crm = await bench({ switches: { fail5xxEvery: 2 } });
    await crm.upload(call({ externalId: 'a' }));
    const told = await crm.upload(call({ externalId: 'b' }));
    expect([told.status, told.text[0], crm.emulator.account().calls.size]).toEqual([500, '<', 1]);
  });

  test('delayMs holds the reply back', async () => {
    const crm = await bench({ switches: { delayMs: 40 } });
    const begun = performance.now();
    await crm.get('users');
    expect(performance.now() - begun).toBeGreaterThan(35);
  });

  test('down cuts every API connection but not the admin interface', async () => {
    const crm = await bench({ switches: { down: true } });
    await expect(crm.get('users')).rejects.toThrow(/hang up|ECONNRESET/);
    expect((await crm.admin('switches', { down: false })).status).toBe(200);
    expect((await crm.get('users')).status).toBe(200);
  });

  test('halfBatchThen500 stores half of so many batches', async () => {
    const crm = await bench({ switches: { halfBatchThen500: 1 } });
    const batch = ['a', 'b', 'c', 'd'].map((externalId) => call({ externalId }));
    expect((await crm.upload(...batch)).status).toBe(500);
    expect(crm.emulator.account().calls.size).toBe(2);
    expect((await crm.upload(...batch)).body).toEqual({
      success: true,
      processedCallsCount: 2,
      duplicateCalls: ['a', 'b'],
    });
  });

  test('html200 answers a page that is no success', async () => {
    const told = await (await bench({ switches: { html200: true } })).upload(call());
    expect([told.status, told.headers['content-type'], told.text.startsWith('<!doctype')]).toEqual([
      200,
      'text/html; charset=utf-8',
      true,
    ]);
  });

  test('failNext plays a script, by path, with headers, carried out or not', async () => {
    const crm = await bench();
    crm.emulator.setSwitches({
      failNext: [
        { status: 302, headers: { location: 'http://elsewhere.example/' }, path: 'calls/upload' },
        { status: 502, body: '<html>', path: 'calls/upload', process: true },
        { status: 200, body: { success: false } },
      ],
    });
    const first = await crm.get('users');
    const second = await crm.upload(call());
    const third = await crm.upload(call());
    expect(first.body).toEqual({ success: false });
    expect([second.status, second.headers.location, crm.emulator.requests()[1]?.outcome]).toEqual([
      302,
      'http://elsewhere.example/',
      'scripted',
    ]);
    expect([third.status, third.text, crm.emulator.account().calls.size]).toEqual([502, '<html>', 1]);
    expect((await crm.get('users')).status).toBe(200);
  });

  test('authOff refuses every key', async () => {
    const told = await (await bench({ switches: { authOff: true } })).get('users');
    expect([told.status, told.body['errorMsg']]).toEqual([403, 'Wrong "apiKey" value.']);
  });

  test('dripBytes sends the whole reply in small pieces', async () => {
    const crm = await bench({ switches: { dripBytes: 40, dripEveryMs: 1 } });
    const told = await crm.get('reference/sites');
    expect([told.status, told.body['success']]).toEqual([200, true]);
  });

  test('poison makes a batch fail as a whole without naming anything', async () => {
    const crm = await bench({ switches: { poison: 'bad' } });
    const told = await crm.upload(call({ externalId: 'a' }), call({ externalId: 'is-bad' }));
    expect([told.status, told.body]).toEqual([400, { success: false, errorMsg: 'Errors in the entity format' }]);
    expect(crm.emulator.account().calls.size).toBe(0);
  });

  test('quotaTaken leaves a part of the rate', async () => {
    const crm = await bench({ switches: { quotaTaken: 0.5 } });
    crm.clock.step = 1;
    const statuses: number[] = [];
    for (let n = 0; n < 6; n++) statuses.push((await crm.get('users')).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 503]);
  });

  test('a switch for one account leaves the others alone', async () => {
    const crm = await bench({
      seed: {
        accounts: [
          { name: 'a', key: 'ka' },
          { name: 'b', key: 'kb' },
        ],
      },
    });
    await crm.admin('switches', { account: 'a', authOff: true });
    crm.key = 'ka';
    const a = await crm.get('users');
    crm.key = 'kb';
    const b = await crm.get('users');
    expect([a.status, b.status]).toEqual([403, 200]);
  });
});

describe('switches from outside', () => {
  test('known values are taken, also as text', () => {
    expect(readSwitches({ missingKeyStatus: '403', rateLimitReply: '429json', delayMs: 5 })).toEqual({
      missingKeyStatus: 403,
      rateLimitReply: '429json',
      delayMs: 5,
    });
  });

  test.each<{ given: unknown; says: RegExp }>([
    { given: { nonsense: 1 }, says: /unknown switch nonsense/ },
    { given: { constructor: 1 }, says: /unknown switch constructor/ },
    { given: { language: 'fr' }, says: /language: en \| ru/ },
    { given: { delayMs: -1 }, says: /delayMs: a number/ },
    { given: { failNext: [{ status: 'x' }] }, says: /failNext: a list/ },
    { given: [], says: /object/ },
  ])('$given is refused', ({ given, says }) => {
    expect(() => readSwitches(given)).toThrow(says);
  });
});
