import { describe, expect, test } from '@jest/globals';
import type { ActionReply, ResponsibleReply } from '../../../src/http/tenant.ts';
import { form, open, pairs, secretsOf, tenant } from './support.ts';

const { clientId } = secretsOf('acme');
const caller = { from: '127.0.0.1', via: 'api' };
type Query = Readonly<Record<string, string>>;

interface Row {
  readonly url: string;
  readonly query: Query;
  readonly asks: { what: string; with: unknown };
  readonly gives: unknown;
}

const rows: readonly Row[] = [
  {
    url: '/api/makecallexternal',
    query: { code: '101', phone: '+375 29 1234567' },
    asks: {
      what: 'makeCall',
      with: { code: '101', phone: '+375291234567', userId: undefined, externalPhone: undefined, requestId: undefined },
    },
    gives: {
      ...{ success: true, clickId: 'c-1', callId: 'pbx1-1795339498.0', repeated: false },
      customer: { id: 7, name: 'Анна' },
    },
  },
  {
    url: '/api/transfer',
    query: { code: '101', by: '102', kind: 'blind', to: '103' },
    asks: { what: 'transfer', with: { code: '101', callId: undefined, by: '102', kind: 'blind', to: '103' } },
    gives: { success: true },
  },
  {
    url: '/api/transfer',
    query: { callId: 'pbx1-1795339498.0', by: '102', kind: 'complete' },
    asks: {
      what: 'transfer',
      with: { code: undefined, callId: 'pbx1-1795339498.0', by: '102', kind: 'complete', to: undefined },
    },
    gives: { success: true },
  },
  {
    url: '/api/monitor',
    query: { code: '101', by: '100', mode: 'whisper' },
    asks: { what: 'monitor', with: { code: '101', callId: undefined, by: '100', mode: 'whisper' } },
    gives: { success: true },
  },
  {
    url: '/api/hangup',
    query: { code: '101', by: '100' },
    asks: { what: 'hangup', with: { code: '101', callId: undefined, by: '100' } },
    gives: { success: true },
  },
];

describe.each(rows)('$url $query', ({ url, query, asks, gives }) => {
  test.each([
    { way: 'GET', request: { method: 'GET', url: `${url}?${pairs({ clientId, ...query })}` } },
    {
      way: 'POST with a form',
      request: { method: 'POST', url, headers: form, payload: pairs({ clientId, ...query }) },
    },
    {
      way: 'POST with JSON and the clientId in its header',
      request: {
        ...{ method: 'POST', url, payload: JSON.stringify(query) },
        headers: { 'content-type': 'application/json', 'x-client-id': clientId },
      },
    },
  ] as const)('by $way', async ({ request }) => {
    const acme = tenant('acme');
    const app = await open([tenant('other'), acme]);
    const reply = await app.inject(request);
    expect([reply.statusCode, reply.json()]).toEqual([200, gives]);
    expect(acme.asked).toEqual([{ ...asks, with: { ...(asks.with as object), ...caller } }]);
  });
});

test.each([
  { url: '/api/makecallexternal', query: { code: '101' }, code: 'missing_parameter', says: 'phone is missing' },
  { url: '/api/makecallexternal', query: { code: '101', phone: 'x' }, code: 'bad_phone', says: 'phone is not' },
  { url: '/api/makecallexternal', query: { code: '1 1', phone: '101' }, code: 'bad_parameter', says: 'code is not' },
  {
    url: '/api/transfer',
    query: { by: '1', kind: 'blind', to: '103' },
    code: 'missing_parameter',
    says: 'code or callId',
  },
  { url: '/api/transfer', query: { code: '101', by: '102', kind: 'blind' }, code: 'missing_parameter', says: 'to is' },
  { url: '/api/transfer', query: { code: '101', by: '102', kind: 'x' }, code: 'bad_parameter', says: 'kind is not' },
  { url: '/api/transfer', query: { code: '101', kind: 'cancel' }, code: 'missing_parameter', says: 'by is missing' },
  {
    url: '/api/transfer',
    query: { code: '1', by: '2', kind: 'blind', to: '1&2' },
    code: 'bad_phone',
    says: 'to is not',
  },
  { url: '/api/monitor', query: { by: '100', mode: 'listen' }, code: 'missing_parameter', says: 'code or callId' },
  { url: '/api/monitor', query: { code: '101', by: '100' }, code: 'missing_parameter', says: 'mode is missing' },
  { url: '/api/hangup', query: { by: '100' }, code: 'missing_parameter', says: 'code or callId' },
  { url: '/api/responsible', query: {}, code: 'missing_parameter', says: 'phone is missing' },
] as const)('$url $query: 400 $code', async ({ url, query, code, says }) => {
  const acme = tenant('acme');
  const app = await open([acme]);
  const reply = await app.inject(`${url}?${pairs({ clientId, ...query })}`);
  expect([reply.statusCode, reply.json()]).toEqual([
    400,
    { success: false, error: { code, message: expect.stringContaining(says) } },
  ]);
  expect(acme.asked).toEqual([]);
});

describe('a refusal', () => {
  test.each([400, 403, 404, 409, 429, 503] as const)(
    'of status %i comes with its code and sentence',
    async (status) => {
      const reply: ActionReply = { outcome: 'refused', status, code: 'some_code', message: 'A sentence.' };
      const app = await open([tenant('acme', { hangup: () => Promise.resolve(reply) })]);
      const answer = await app.inject(`/api/hangup?${pairs({ clientId, code: '101', by: '101' })}`);
      expect([answer.statusCode, answer.json()]).toEqual([
        status,
        { success: false, error: { code: 'some_code', message: 'A sentence.' } },
      ]);
    },
  );

  test('of a clientId is 403 on every route, the same for unknown and none', async () => {
    const app = await open([tenant('acme')]);
    const answers = await Promise.all(
      ['?clientId=x', '', '?clientId='].flatMap((query) =>
        ['makecallexternal', 'transfer', 'monitor', 'hangup', 'responsible'].map((name) =>
          app.inject(`/api/${name}${query}`),
        ),
      ),
    );
    expect(new Set(answers.map(({ statusCode, body }) => `${statusCode} ${body}`))).toEqual(
      new Set(['403 {"success":false,"error":{"code":"refused","message":"access refused"}}']),
    );
  });

  test('because nobody knows in time what became of it is 503', async () => {
    const app = await open([tenant('acme', { hangup: () => new Promise(() => undefined) })], { apiMs: 10 });
    const reply = await app.inject(`/api/hangup?${pairs({ clientId, code: '101', by: '101' })}`);
    expect([reply.statusCode, reply.json<{ error: { code: string } }>().error.code]).toEqual([503, 'timeout']);
  });
});

describe('who is responsible', () => {
  const ask = `/api/responsible?${pairs({ clientId, phone: '+375291234567' })}`;

  test.each<{ knows: ResponsibleReply; gives: unknown }>([
    { knows: { known: false }, gives: { known: false } },
    {
      knows: { known: true, extension: '101', manager: 'Ольга', customer: undefined, status: 'dinner' },
      gives: { known: true, extension: '101', manager: 'Ольга', status: 'dinner' },
    },
  ])('$gives', async ({ knows, gives }) => {
    const app = await open([tenant('acme', { responsible: () => Promise.resolve(knows) })]);
    const reply = await app.inject(ask);
    expect([reply.statusCode, reply.json()]).toEqual([200, gives]);
  });

  test('unknown rather than late', async () => {
    const app = await open([tenant('acme', { responsible: () => new Promise(() => undefined) })], {
      responsibleMs: 10,
    });
    expect((await app.inject(ask)).json()).toEqual({ known: false });
  });

  test('unknown rather than an error', async () => {
    const app = await open([tenant('acme', { responsible: () => Promise.reject(new Error('broken')) })]);
    const reply = await app.inject(ask);
    expect([reply.statusCode, reply.json()]).toEqual([200, { known: false }]);
    expect(app.log.lines.map(({ message }) => message)).toContain('http: who is responsible could not be told');
  });
});

describe('what is no request of ours', () => {
  test.each([
    { method: 'GET', url: '/', status: 404 },
    { method: 'GET', url: '/api/none', status: 404 },
    { method: 'POST', url: '/api/responsible', status: 405 },
    { method: 'GET', url: '/crm/x/status/', status: 404 },
    { method: 'HEAD', url: '/crm/x/makecall', status: 404 },
    { method: 'PUT', url: '/api/hangup', status: 405 },
    { method: 'DELETE', url: '/api/hangup', status: 405 },
    { method: 'OPTIONS', url: '/api/hangup', status: 405 },
    { method: 'GET', url: '/api/hangup/', status: 404 },
    { method: 'GET', url: '//api/hangup', status: 400 },
    { method: 'GET', url: '/api/%zz', status: 400 },
    { method: 'GET', url: `/crm/${'x'.repeat(300)}/makecall`, status: 414 },
    { method: 'GET', url: '/crm/..%2f..%2fetc%2fpasswd/makecall', status: 403 },
    { method: 'GET', url: '/api/hangup?a=%zz', status: 400 },
  ] as const)('$method $url: $status', async ({ method, url, status }) => {
    const app = await open([tenant('acme')]);
    const reply = await app.inject({ method, url });
    expect(reply.statusCode).toBe(status);
    const json = url.startsWith('/api/') ? 'application/json; charset=utf-8' : 'text/plain; charset=utf-8';
    expect(reply.headers['content-type']).toBe(json);
    expect(reply.body).not.toContain('etc');
  });

  test.each([
    { type: 'text/plain', payload: 'x', status: 415 },
    { type: 'multipart/form-data; boundary=x', payload: '--x--', status: 415 },
    { type: 'application/json', payload: '{', status: 400 },
    { type: 'application/json', payload: '{"a":[1]}', status: 400 },
    { type: 'application/json', payload: '', status: 400 },
    { type: 'application/x-www-form-urlencoded', payload: 'a=%', status: 400 },
    { type: 'application/x-www-form-urlencoded', payload: 'a='.padEnd(300_000, 'x'), status: 413 },
    { type: 'application/json', payload: '['.repeat(200_000), status: 400 },
  ])('a body of $type: $status', async ({ type, payload, status }) => {
    const acme = tenant('acme');
    const app = await open([acme]);
    const reply = await app.inject({ method: 'POST', url: '/api/hangup', headers: { 'content-type': type }, payload });
    expect(reply.statusCode).toBe(status);
    expect(reply.json<{ success: boolean }>().success).toBe(false);
    expect(acme.asked).toEqual([]);
  });
});

test('every reply forbids guessing its type, keeping it and passing its path on', async () => {
  const app = await open([tenant('acme')]);
  for (const url of ['/api/hangup', '/none', '/logo.svg', '/openapi.json']) {
    const { headers } = await app.inject(url);
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
    expect(headers['cache-control']).toBe(url === '/logo.svg' ? 'public, max-age=86400' : 'no-store');
  }
});

test.each(['/metrics', '/livez', '/readyz', '/healthz', '/healthz?verbose'])(
  '%s is not on this listener (H21)',
  async (url) => {
    const app = await open([tenant('acme')]);
    expect((await app.inject(url)).statusCode).toBe(404);
  },
);
