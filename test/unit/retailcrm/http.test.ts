import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { RetailCrmClient } from '../../../src/retailcrm/client.ts';
import { CrmError } from '../../../src/retailcrm/errors.ts';
import { type Exchange, baseUrl } from '../../../src/retailcrm/http.ts';
import { silentLog } from '../../../src/log.ts';
import { holdTime } from '../../support/heldTime.ts';
import { portToBe } from '../../support/ports.ts';
import { testTls } from '../../support/testTls.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  jest.useRealTimers();
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function listen(server: Server | TlsServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const serve = async (answer: RequestListener): Promise<string> =>
  `http://127.0.0.1:${await listen(createServer(answer))}`;

function client(
  url: string,
  more: { timeoutMs?: number; onExchange?: (exchange: Exchange) => void } = {},
): RetailCrmClient {
  const made = new RetailCrmClient({ url, key: 'secret-key', log: silentLog, allowInsecure: true, ...more });
  cleanups.push(() => made.stop());
  return made;
}

async function failure(promise: Promise<unknown>): Promise<CrmError> {
  const outcome: unknown = await promise.then(
    () => new Error('it succeeded'),
    (error: unknown) => error,
  );
  if (outcome instanceof CrmError) return outcome;
  throw outcome;
}

describe('the address', () => {
  test.each([
    { url: 'https://crm.example', base: 'https://crm.example' },
    { url: 'https://crm.example///', base: 'https://crm.example' },
    { url: 'https://crm.example/base/', base: 'https://crm.example/base' },
  ])('$url is called as $base', ({ url, base }) => {
    expect(baseUrl(url)).toBe(base);
  });

  test.each([
    { url: 'http://crm.example', insecure: true, why: 'not encrypted and not loopback' },
    { url: 'http://127.0.0.1:1', insecure: false, why: 'not encrypted' },
    { url: 'http://127.0.0.1.evil.example', insecure: true, why: 'only looks like loopback' },
    { url: 'https://user:pw@crm.example', insecure: false, why: 'holds a password' },
    { url: 'https://crm.example?apiKey=x', insecure: false, why: 'holds a query' },
    { url: 'ftp://crm.example', insecure: false, why: 'another protocol' },
    { url: 'crm.example', insecure: false, why: 'no URL' },
  ])('$url is refused: $why', ({ url, insecure }) => {
    expect(() => baseUrl(url, insecure)).toThrow(TypeError);
  });
});

describe('what goes wrong on the way', () => {
  test('C1: nobody listens: not sent', async () => {
    const error = await failure(client(`http://127.0.0.1:${await portToBe()}`).settings());
    expect({ kind: error.kind, sent: error.sent, status: error.status }).toEqual({
      kind: 'NETWORK',
      sent: false,
      status: null,
    });
    expect(error.errorMsg).toBe('connection refused (ECONNREFUSED)');
  });

  test('a connection that is cut after the request: it may have arrived', async () => {
    const url = await serve((request) => request.socket.destroy());
    const error = await failure(client(url).settings());
    expect({ kind: error.kind, sent: error.sent }).toEqual({ kind: 'NETWORK', sent: true });
  });

  test('C10: a server that never answers: the deadline, and it may have arrived', async () => {
    let asked: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => (asked = resolve));
    const url = await serve(() => asked());
    holdTime();
    const failing = failure(client(url).callEvent('{}', { deadlineMs: 60 }));
    await arrived;
    jest.advanceTimersByTime(60);
    const error = await failing;
    expect({ kind: error.kind, sent: error.sent, errorMsg: error.errorMsg }).toEqual({
      kind: 'NETWORK',
      sent: true,
      errorMsg: 'no complete answer within 60 ms',
    });
  });

  test('C10: one byte at a time does not stretch the deadline', async () => {
    let dripped: () => void = () => undefined;
    let drop = new Promise<void>((resolve) => (dripped = resolve));
    const url = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const drip = setInterval(() => response.write(' ', () => dripped()), 1);
      response.on('close', () => clearInterval(drip));
    });
    holdTime();
    const failing = failure(client(url, { timeoutMs: 150 }).settings());
    for (let drops = 0; drops < 15; drops++) {
      await drop;
      drop = new Promise((resolve) => (dripped = resolve));
      jest.advanceTimersByTime(10);
    }
    const error = await failing;
    expect({ kind: error.kind, sent: error.sent, errorMsg: error.errorMsg }).toEqual({
      kind: 'NETWORK',
      sent: true,
      errorMsg: 'no complete answer within 150 ms',
    });
  });

  test.each([301, 302, 303, 307, 308])(
    'C16: a redirect with %d is not followed and the key stays here',
    async (status) => {
      const seen: unknown[] = [];
      const other = await serve((request, response) => {
        seen.push(request.headers);
        response.end('{"success":true}');
      });
      const url = await serve((_, response) =>
        response.writeHead(status, { location: `${other}/api/v5/settings` }).end(),
      );
      for (const error of [await failure(client(url).settings()), await failure(client(url).uploadCalls('[]'))])
        expect({ kind: error.kind, status: error.status }).toEqual({ kind: 'ACCOUNT', status });
      expect(seen).toEqual([]);
    },
  );

  test('C17: a gzip bomb is cut at 1 MiB', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '));
    const url = await serve((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb));
    const before = process.memoryUsage().rss;
    const error = await failure(client(url).settings());
    expect({ kind: error.kind, errorMsg: error.errorMsg }).toEqual({
      kind: 'NETWORK',
      errorMsg: 'the answer is too large',
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(48 * 1024 * 1024);
  });

  test('C17: an endless body is cut at 1 MiB', async () => {
    let sent = 0;
    const piece = Buffer.alloc(64 * 1024, ' ');
    const url = await serve((_, response) => {
      const pour = (): void => {
        while (!response.destroyed && response.write(piece)) sent += piece.length;
        if (!response.destroyed) response.once('drain', pour);
      };
      pour();
    });
    const error = await failure(client(url).settings());
    expect(error.errorMsg).toBe('the answer is too large');
    expect(sent).toBeLessThan(32 * 1024 * 1024);
  });

  test('C17: JSON 400,000 levels deep is an answer like any other', async () => {
    const deep = `{"success":true,"settings":${'['.repeat(400_000)}${']'.repeat(400_000)}}`;
    const url = await serve((_, response) => response.end(deep));
    const error = await failure(client(url).settings());
    expect(error.kind).toBe('RETRY');
  });

  test.each([
    { name: 'a page of a captive portal', body: '<html>Sign in</html>', errorMsg: 'HTML page with status 200' },
    { name: 'an empty answer', body: '', errorMsg: 'empty answer with status 200' },
    { name: 'half a JSON', body: '{"success":tr', errorMsg: 'no reason given, status 200' },
    { name: 'success as a text', body: '{"success":"true"}', errorMsg: 'no reason given, status 200' },
    { name: 'null', body: 'null', errorMsg: 'no reason given, status 200' },
    { name: 'a list', body: '[]', errorMsg: 'no reason given, status 200' },
    {
      name: 'a wrong type inside',
      body: '{"success":true,"settings":"x"}',
      errorMsg: 'the answer is not understood: answer.settings is not an object',
    },
  ])('C6: $name with 200 is no success', async ({ body, errorMsg }) => {
    const url = await serve((_, response) => response.end(body));
    const error = await failure(client(url).settings());
    expect({ kind: error.kind, status: error.status, errorMsg: error.errorMsg }).toEqual({
      kind: 'RETRY',
      status: 200,
      errorMsg,
    });
  });

  test('C12: a certificate nobody vouches for is refused by name, and nothing was sent', async () => {
    const requests: unknown[] = [];
    const port = await listen(createTlsServer(testTls, (request) => requests.push(request.url)));
    const error = await failure(client(`https://127.0.0.1:${port}`).settings());
    expect({ kind: error.kind, sent: error.sent }).toEqual({ kind: 'NETWORK', sent: false });
    expect(error.errorMsg).toMatch(/certificate/);
    expect(requests).toEqual([]);
  });
});

describe('secrets', () => {
  test('neither key nor number leave in an error, even when the CRM repeats them', async () => {
    const url = await serve((_, response) => {
      response.writeHead(400).end(
        JSON.stringify({
          success: false,
          errorMsg: 'key secret-key, phone +79990000001',
          errors: { 'calls[0].phone': '+79990000001 secret-key' },
        }),
      );
    });
    const error = await failure(client(url).callEvent({ phone: '+79990000001', type: 'in', codes: ['101'] }));
    const shown = `${error.message} ${JSON.stringify(error)} ${error.stack ?? ''} ${JSON.stringify(error.errors)}`;
    expect(shown).not.toMatch(/secret-key|9990000001/);
    expect(error.errors).toEqual({ 'calls[0].phone': '***01 ***' });
  });

  test('the observer learns path, status and class, and nothing else', async () => {
    const seen: Exchange[] = [];
    const url = await serve((_, response) =>
      response.writeHead(403).end('{"success":false,"errorMsg":"Access denied."}'),
    );
    await failure(client(url, { onExchange: (exchange) => seen.push(exchange) }).manager({ phone: '+79990000001' }));
    expect(seen).toEqual([
      {
        method: 'GET',
        path: '/api/v5/telephony/manager',
        status: 403,
        latencyMs: expect.any(Number),
        errorClass: 'AUTH',
      },
    ]);
  });
});

test.each([
  { name: 'a map', errors: { a: 'x' }, read: { a: 'x' } },
  { name: 'a list', errors: ['x'], read: { '0': 'x' } },
  { name: 'an empty list', errors: [], read: {} },
  { name: 'nothing', errors: undefined, read: {} },
])('errors that are $name are read', async ({ errors, read }) => {
  const url = await serve((_, response) => {
    response.writeHead(400).end(JSON.stringify({ success: false, errorMsg: 'Errors in the entity format', errors }));
  });
  expect((await failure(client(url).settings())).errors).toEqual(read);
});

test('an empty id in a path is our own bug and is not sent', async () => {
  const error = await failure(client('http://127.0.0.1:9').integrationModule(''));
  expect({ kind: error.kind, sent: error.sent }).toEqual({ kind: 'BUG', sent: false });
});
