import { type Socket, connect } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import { type HttpLimits, close, listen } from '../../../src/http/server.ts';
import { open, secretsOf, tenant } from './support.ts';

const { clientId, token } = secretsOf('acme');
const acme = tenant('acme');
const apps: FastifyInstance[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(apps.splice(0).map((app) => close(app, { stopMs: 0 })));
  acme.asked.splice(0);
});

async function serve(
  limits: Partial<HttpLimits> = {},
  trustProxy: readonly string[] = [],
): Promise<{ app: Awaited<ReturnType<typeof open>>; port: number }> {
  const app = await open([acme], { limits, trustProxy });
  apps.push(app);
  const address = await listen(app, '127.0.0.1', 0);
  return { app, port: Number(address.split(':')[1]) };
}

/** A raw connection: what came back, and whether the other end closed it. */
function dial(port: number, from = '127.0.0.1'): Socket & { text: string; gone: Promise<void> } {
  const socket = Object.assign(connect({ port, host: '127.0.0.1', localAddress: from }), { text: '' });
  sockets.push(socket);
  socket.on('data', (bytes) => (socket.text += bytes.toString('latin1')));
  socket.on('error', () => undefined);
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return Object.assign(socket, { gone });
}

/** Sends bytes as they are and waits until the other end closes. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = dial(port);
  socket.write(bytes, 'latin1');
  await socket.gone;
  return socket.text;
}

const statusLines = (text: string): string[] => text.match(/^HTTP\/1\.1 \d+/gm)?.map((line) => line.slice(9)) ?? [];

describe('requests that two readers might read differently (H17)', () => {
  const body = 'clientId=x';
  const head = 'POST /crm/x/makecall HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n';
  const hidden = `GET /crm/${token}/makecall?clientId=${clientId}&phone=101 HTTP/1.1\r\nHost: a\r\n\r\n`;

  test.each([
    {
      says: 'Content-Length and Transfer-Encoding',
      bytes: `${head}Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
      status: '400',
    },
    {
      says: 'two Content-Lengths',
      bytes: `${head}Content-Length: 10\r\nContent-Length: 200\r\n\r\n${body}${hidden}`,
      status: '400',
    },
    {
      says: 'an odd Transfer-Encoding',
      bytes: `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${hidden}`,
      status: '400',
    },
    {
      says: 'chunked that is not the last coding',
      bytes: `${head}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n${hidden}`,
      status: '400',
    },
    { says: 'a bare LF as end of a line', bytes: `GET /livez HTTP/1.1\nHost: a\n\n${hidden}`, status: '400' },
    { says: 'no Host', bytes: `GET /logo.svg HTTP/1.1\r\n\r\n${hidden}`, status: '400' },
    {
      says: 'a folded header',
      bytes: `GET /logo.svg HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n${hidden}`,
      status: '400',
    },
    { says: 'a NUL in a header', bytes: `GET /logo.svg HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n${hidden}`, status: '400' },
    { says: 'a space before the colon', bytes: `${head.replace('Host:', 'Host :')}\r\n${hidden}`, status: '400' },
    {
      says: '20 kB of headers',
      bytes: `GET /logo.svg HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      status: '431',
    },
    { says: 'TRACE', bytes: 'TRACE /logo.svg HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', status: '405' },
    {
      says: 'an absolute target',
      bytes: 'GET http://evil.example/logo.svg HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      status: '400',
    },
    { says: 'CONNECT', bytes: 'CONNECT evil.example:443 HTTP/1.1\r\nHost: a\r\n\r\n', status: undefined },
    {
      says: 'a target without a path',
      bytes: 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      status: '405',
    },
    {
      says: 'a chunk size that lies',
      bytes: `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n${body}\r\n0\r\n\r\n`,
      status: '400',
    },
    {
      says: 'a GET with a body',
      bytes: `GET /logo.svg HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\n${hidden}`,
      status: '400',
    },
    { says: 'another protocol', bytes: '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03', status: '400' },
    { says: 'HTTP/0.9', bytes: 'GET /logo.svg\r\n\r\n', status: '400' },
  ])('$says: $status, and nothing behind it is heard', async ({ bytes, status }) => {
    const { port } = await serve();
    const text = await raw(port, bytes);
    expect(statusLines(text)).toEqual(status === undefined ? [] : [status]);
    expect(text).not.toContain('evil');
    expect(acme.asked.filter(({ what }) => what !== 'refused')).toEqual([]);
  });

  test('two honest requests on one connection are two answers', async () => {
    const { port } = await serve();
    const text = await raw(port, `${hidden}${hidden.replace('Host: a\r\n', 'Host: a\r\nConnection: close\r\n')}`);
    expect(statusLines(text)).toEqual(['200', '200']);
  });
});

describe('bodies (H5)', () => {
  const head = `POST /crm/${token}/makecall HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n`;

  test('a Content-Length of 1 GB is refused before it comes', async () => {
    const { port } = await serve();
    expect(statusLines(await raw(port, `${head}Content-Length: 1000000000\r\n\r\nclientId=`))).toEqual(['413']);
  });

  test('an endless stream is cut after 256 KiB', async () => {
    const { port } = await serve();
    const socket = dial(port);
    socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n`);
    const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536, 'a'), Buffer.from('\r\n')]);
    let sent = 0;
    const pour = (): void => {
      while (!socket.destroyed && sent < 1e9 && socket.write(chunk)) sent += chunk.length;
      if (sent < 1e9) socket.once('drain', pour);
    };
    pour();
    await socket.gone;
    // What the kernel's buffers on both sides swallow is sent too, never much more.
    expect(sent).toBeLessThan(32e6);
    expect(acme.asked).toEqual([]);
  });

  test('an endless extension of a chunk is cut too', async () => {
    const { port } = await serve();
    const text = await raw(port, `${head}Transfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(1_000_000)}`);
    expect(statusLines(text)).toEqual(['400']);
    expect(acme.asked).toEqual([]);
  });

  test('the body of a request nobody wants is not read either', async () => {
    const { port } = await serve();
    const text = await raw(port, `PUT /api/hangup HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\nx`);
    expect(statusLines(text)).toEqual(['405']);
  });

  test('a body of exactly 256 KiB is read', async () => {
    const { port } = await serve();
    const start = `clientId=${clientId}&phone=101&x=`;
    const payload = start.padEnd(256 * 1024, 'x');
    const text = await raw(port, `${head}Connection: close\r\nContent-Length: ${payload.length}\r\n\r\n${payload}`);
    expect(statusLines(text)).toEqual(['200']);
  });
});

describe('those who are slow (H6)', () => {
  const quick = { headersMs: 200, requestMs: 400, checkMs: 40, keepAliveMs: 150 };

  test.each([
    { says: 'who says nothing', bytes: '' },
    { says: 'who never ends her headers', bytes: 'GET /logo.svg HTTP/1.1\r\nHost: a\r\nX-' },
    {
      says: 'who never ends her body',
      bytes: 'POST /api/hangup HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
    },
  ])('$says is cut off', async ({ bytes }) => {
    const { port } = await serve(quick);
    const began = performance.now();
    const text = await raw(port, bytes);
    expect(performance.now() - began).toBeLessThan(3_000);
    expect(statusLines(text)).toEqual(['408']);
  });

  test('who sends a byte now and then is cut off too', async () => {
    const { port } = await serve(quick);
    const socket = dial(port);
    socket.write('GET /logo.svg HTTP/1.1\r\nHost: a\r\n');
    const drip = setInterval(() => socket.write('X'), 20);
    await socket.gone;
    clearInterval(drip);
    expect(statusLines(socket.text)).toEqual(['408']);
  });

  test('who asks and never reads the answers is cut off', async () => {
    const { app, port } = await serve({ stillMs: 200 });
    const cut = new Promise<void>((resolve) =>
      app.server.once('connection', (socket: Socket) => socket.once('close', () => resolve())),
    );
    const socket = connect({ port, host: '127.0.0.1' });
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.pause();
    socket.write('GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(3_000));
    await cut;
    expect(socket.destroyed).toBe(false);
  });

  test('an idle connection is closed after its time', async () => {
    const { port } = await serve({ keepAliveMs: quick.keepAliveMs });
    const text = await raw(port, 'GET /none HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(statusLines(text)).toEqual(['404']);
  });
});

describe('too many connections', () => {
  test('of one address: 503 at once for the next; another address is served', async () => {
    const { app, port } = await serve({ perAddress: 5, patienceMs: 60_000 });
    const guests: Socket[] = [];
    app.server.on('connection', (socket: Socket) => guests.push(socket));
    const held = Array.from({ length: 5 }, () => dial(port, '127.0.0.2'));
    await Promise.all(held.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    const next = dial(port, '127.0.0.2');
    next.write('GET /logo.svg HTTP/1.1\r\nHost: a\r\n\r\n');
    await next.gone;
    expect(statusLines(next.text)).toEqual(['503']);
    expect(app.figures.connectionsRefused).toBe(1);
    expect(statusLines(await raw(port, 'GET /logo.svg HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'))).toEqual([
      '200',
    ]);
    const [one] = guests;
    const left = new Promise((resolve) => one?.once('close', resolve));
    held.find(({ localPort }) => localPort === one?.remotePort)?.destroy();
    await left;
    const freed = dial(port, '127.0.0.2');
    freed.write('GET /logo.svg HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await freed.gone;
    expect(statusLines(freed.text)).toEqual(['200']);
  });

  test('of a trusted proxy are not counted: it brings everybody', async () => {
    const { port } = await serve({ perAddress: 2 }, ['127.0.0.2']);
    const many = Array.from({ length: 6 }, () => dial(port, '127.0.0.2'));
    for (const socket of many) socket.write('GET /logo.svg HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await Promise.all(many.map(({ gone }) => gone));
    expect(many.map(({ text }) => statusLines(text)[0])).toEqual(Array(6).fill('200'));
  });

  const asksLast = 'GET /logo.svg HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  const connected = (held: Socket[]): Promise<unknown> =>
    Promise.all(held.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));

  test.each([
    { says: 'idle ones', bytes: 'GET /logo.svg HTTP/1.1\r\nHost: a\r\n\r\n', hears: ['200'] },
    { says: 'those who never end their headers', bytes: 'GET /logo.svg HTTP/1.1\r\nHost: a\r\n', hears: ['503'] },
    {
      says: 'those who never end their body',
      bytes: 'POST /api/hangup HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
      hears: ['503'],
    },
    {
      says: 'those who were answered and then never end a body',
      bytes:
        'GET /logo.svg HTTP/1.1\r\nHost: a\r\n\r\nPOST /api/hangup HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
      hears: ['200', '503'],
    },
  ])('altogether: $says make room before anybody is refused', async ({ bytes, hears }) => {
    const { port } = await serve({ connections: 3, patienceMs: 0 });
    const first = dial(port);
    await connected([first]);
    const others = Array.from({ length: 2 }, () => dial(port));
    await connected(others);
    for (const socket of [first, ...others]) {
      socket.write(bytes);
      if (hears[0] === '200') await new Promise((resolve) => socket.once('data', resolve));
    }
    expect(statusLines(await raw(port, asksLast))).toEqual(['200']);
    await first.gone;
    expect(statusLines(first.text)).toEqual(hears);
  });

  test('of one address: its own quiet one makes room, nobody else’s', async () => {
    const { port } = await serve({ perAddress: 2, patienceMs: 0 });
    const stranger = dial(port, '127.0.0.3');
    await connected([stranger]);
    const own = [dial(port, '127.0.0.2'), dial(port, '127.0.0.2')];
    await connected(own);
    const next = dial(port, '127.0.0.2');
    next.write(asksLast);
    await next.gone;
    expect(statusLines(next.text)).toEqual(['200']);
    await own[0]?.gone;
    stranger.write(asksLast);
    await stranger.gone;
    expect(statusLines(stranger.text)).toEqual(['200']);
  });

  test('who waits for an answer does not give way', async () => {
    let answer: () => void = () => undefined;
    let begun: () => void = () => undefined;
    const under = new Promise<void>((resolve) => (begun = resolve));
    const hangup = (): Promise<{ outcome: 'done' }> =>
      new Promise((resolve) => {
        answer = () => resolve({ outcome: 'done' });
        begun();
      });
    const app = await open([tenant('slow', { hangup })], { limits: { connections: 1, patienceMs: 0 } });
    apps.push(app);
    const port = Number((await listen(app, '127.0.0.1', 0)).split(':')[1]);
    const waiting = dial(port);
    const body = `clientId=${secretsOf('slow').clientId}&code=101&by=101`;
    waiting.write(
      `POST /api/hangup HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await under;
    expect(statusLines(await raw(port, asksLast))).toEqual(['503']);
    answer();
    await waiting.gone;
    expect(statusLines(waiting.text)).toEqual(['200']);
  });

  test('who was just let in does not give way', async () => {
    const { app, port } = await serve({ connections: 2, patienceMs: 60_000 });
    const held = [dial(port), dial(port)];
    await connected(held);
    expect(statusLines(await raw(port, asksLast))).toEqual(['503']);
    expect(app.figures.connectionsRefused).toBe(1);
    held[0]?.write(asksLast);
    await held[0]?.gone;
    expect(statusLines(held[0]?.text ?? '')).toEqual(['200']);
  });
});

test('stopping waits for the answer under way, and closes what hangs', async () => {
  let answer: () => void = () => undefined;
  let begun: () => void = () => undefined;
  const under = new Promise<void>((resolve) => (begun = resolve));
  const hangup = (): Promise<{ outcome: 'done' }> =>
    new Promise((resolve) => {
      answer = () => resolve({ outcome: 'done' });
      begun();
    });
  const app = await open([tenant('slow', { hangup })]);
  const port = Number((await listen(app, '127.0.0.1', 0)).split(':')[1]);
  const hanging = dial(port);
  hanging.write('POST /api/hangup HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n');
  const working = dial(port);
  working.write(`GET /api/hangup?clientId=${secretsOf('slow').clientId}&code=101&by=101 HTTP/1.1\r\nHost: a\r\n\r\n`);
  await under;
  const stopped = close(app, { stopMs: 300 });
  answer();
  await Promise.all([stopped, hanging.gone, working.gone]);
  expect(statusLines(working.text)).toEqual(['200']);
});
