import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { ForbiddenAddress } from '../../../src/delivery/addressGuard.ts';
import { type ReceiverAddress, WebhookHttp, guardedLookup } from '../../../src/delivery/webhookHttp.ts';
import { holdTime } from '../../support/heldTime.ts';
import { portToBe } from '../../support/ports.ts';
import { type Receiver, startReceiver, status } from '../../support/receiver.ts';
import { testTls } from '../../support/testTls.ts';

const running: { stop(): unknown }[] = [];
afterEach(async () => {
  jest.useRealTimers();
  for (const one of running.splice(0).reverse()) await one.stop();
});

async function receiver(options: { tls?: boolean } = {}): Promise<Receiver> {
  const one = await startReceiver(options);
  running.push(one);
  return one;
}

function poster(url: string, over: Partial<ReceiverAddress> = {}): WebhookHttp {
  const http = new WebhookHttp({ url, allowPrivate: true, deadlineMs: 2_000, ...over });
  running.push(http);
  return http;
}

/** Resolves when a client of this process has read the status of its next answer. */
function statusRead(): Promise<void> {
  return new Promise((resolve) => {
    const read = (): void => {
      unsubscribe('http.client.response.finish', read);
      resolve();
    };
    subscribe('http.client.response.finish', read);
  });
}

const local = { address: '127.0.0.1', family: 4 };
const always =
  (...found: { address: string; family: number }[]) =>
  () =>
    Promise.resolve(found);

describe('what is sent', () => {
  test('a POST of the very bytes, with the headers given', async () => {
    const to = await receiver();
    const answer = await poster(`${to.url}?a=b%20c`).post('{"name":"Зоя"}', { 'webhook-id': 'msg_1' });
    expect(answer.status).toBe(204);
    expect(to.received[0]).toMatchObject({
      method: 'POST',
      path: '/calls?a=b%20c',
      body: '{"name":"Зоя"}',
      headers: { 'content-type': 'application/json', 'webhook-id': 'msg_1', 'content-length': '17' },
    });
  });

  test('over TLS with a certificate that is verified', async () => {
    const to = await receiver({ tls: true });
    expect(await poster(to.url, { ca: testTls.cert }).post('{}', {})).toMatchObject({ status: 204 });
    const untrusted = await poster(to.url).post('{}', {});
    expect(untrusted).toMatchObject({ status: null, text: 'connection failed (DEPTH_ZERO_SELF_SIGNED_CERT)' });
    expect(to.received).toHaveLength(1);
  });

  test('and with the name of the URL, not of the address', async () => {
    const to = await receiver({ tls: true });
    const named = (name: string): WebhookHttp =>
      poster(`https://${name}:${to.port}/`, { ca: testTls.cert, resolve: always(local) });
    expect(await named('asterisk.test').post('{}', {})).toMatchObject({ status: 204 });
    expect(to.received[0]?.headers.host).toBe(`asterisk.test:${to.port}`);
    expect(await named('bi.example').post('{}', {})).toMatchObject({
      text: 'connection failed (ERR_TLS_CERT_ALTNAME_INVALID)',
    });
  });

  test('over one connection as long as it lives', async () => {
    const to = await receiver();
    const http = poster(to.url);
    for (let sent = 0; sent < 5; sent++) await http.post('{}', {});
    expect(to.connections).toBe(1);
  });
});

test('a connection the receiver closed meanwhile is not a failure: the request goes once more, on a new one', async () => {
  const to = await receiver();
  const http = poster(to.url);
  await http.post('{}', {});
  to.answer = (response, _, count) => {
    if (count === 2) response.destroy();
    else response.writeHead(200).end();
  };
  expect(await http.post('{"n":2}', { 'webhook-id': 'msg_2' })).toMatchObject({ status: 200 });
  expect(to.received.map(({ body }) => body)).toEqual(['{}', '{"n":2}', '{"n":2}']);
  expect(to.connections).toBe(2);
});

describe('what comes back', () => {
  test('a redirect is an answer like another: nobody goes there', async () => {
    const elsewhere = await receiver();
    const to = await receiver();
    to.answer = status(307, '', { location: elsewhere.url });
    expect(await poster(to.url).post('{}', { 'webhook-signature': 'v1,x' })).toMatchObject({ status: 307 });
    expect(elsewhere.connections).toBe(0);
  });

  test('the beginning of a refusal is kept, as one line without numbers', async () => {
    const to = await receiver();
    to.answer = status(422, 'no such\r\n\u001b[31mcustomer: +375290000101\n');
    expect(await poster(to.url).post('{}', {})).toMatchObject({ status: 422, text: 'no such [31mcustomer: ***01' });
  });

  test('a page is not', async () => {
    const to = await receiver();
    to.answer = status(502, '<html><h1>Bad Gateway</h1>');
    expect(await poster(to.url).post('{}', {})).toMatchObject({ status: 502, text: '' });
  });

  test.each([
    { header: '7', waits: 7_000 },
    { header: '999999', waits: 3_600_000 },
    { header: '-5', waits: undefined },
    { header: 'soon', waits: undefined },
  ])('Retry-After: $header', async ({ header, waits }) => {
    const to = await receiver();
    to.answer = status(503, '', { 'retry-after': header });
    expect(await poster(to.url).post('{}', {})).toMatchObject({ status: 503, retryAfterMs: waits });
  });

  test('an answer without end is cut at 64 KiB, and its status stands', async () => {
    const to = await receiver();
    let written = 0;
    const closed = new Promise<void>((resolve) => {
      to.answer = (response) => {
        response.writeHead(200, { 'content-type': 'text/plain' });
        response.on('close', resolve);
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(16_384))) written += 16_384;
          response.once('drain', more);
        };
        more();
      };
    });
    expect(await poster(to.url).post('{}', {})).toMatchObject({ status: 200 });
    await closed;
    expect(written).toBeLessThan(16 * 1024 * 1024);
  });

  test('a refusal that trickles is over at the deadline, and its status stands', async () => {
    const to = await receiver();
    to.answer = (response) => void response.writeHead(500).write('x');
    const begun = statusRead();
    holdTime();
    const answer = poster(to.url, { deadlineMs: 100 }).post('{}', {});
    await begun;
    jest.advanceTimersByTime(100);
    expect(await answer).toMatchObject({ status: 500, latencyMs: 100 });
  });

  test('silence is over at the deadline', async () => {
    const to = await receiver();
    to.answer = () => undefined;
    expect(await poster(to.url, { deadlineMs: 100 }).post('{}', {})).toMatchObject({
      status: null,
      text: 'no answer within 100 ms',
    });
  });

  test('a cut connection and an empty place are told by their codes', async () => {
    const to = await receiver();
    to.answer = (response) => void response.destroy();
    expect(await poster(to.url).post('{}', {})).toMatchObject({ text: 'connection failed (ECONNRESET)' });
    expect(await poster(`http://127.0.0.1:${await portToBe()}/`).post('{}', {})).toMatchObject({
      text: 'connection failed (ECONNREFUSED)',
    });
  });
});

describe('where it leads', () => {
  test.each([
    ['127.0.0.1', 4, 'this machine'],
    ['10.0.0.1', 4, 'a private network'],
    ['169.254.169.254', 4, 'a link-local address'],
    ['::ffff:127.0.0.1', 6, 'this machine'],
    ['fd00::1', 6, 'a private network'],
  ])('a public name that leads to %s is not called', async (address, family, what) => {
    const to = await receiver({ tls: true });
    const http = poster(`https://bi.example:${to.port}/`, {
      allowPrivate: false,
      ca: testTls.cert,
      resolve: always({ address, family }),
    });
    expect(await http.post('{}', {})).toMatchObject({
      status: null,
      text: `the address must not be called: it leads to ${what}`,
    });
    expect(to.connections).toBe(0);
  });

  test('one forbidden address among public ones is enough', async () => {
    const to = await receiver();
    const http = poster(`https://bi.example:${to.port}/`, {
      allowPrivate: false,
      resolve: always({ address: '198.41.0.4', family: 4 }, local),
    });
    expect(await http.post('{}', {})).toMatchObject({ text: expect.stringContaining('this machine') });
    expect(to.connections).toBe(0);
  });

  /** A name whose answer changes each time it is asked for. */
  function fickle(...answers: { address: string; family: number }[]) {
    const resolver = { asked: 0, resolve: () => Promise.resolve([answers[resolver.asked++] ?? local]) };
    return resolver;
  }

  test('DNS rebinding: one answer is checked and connected to, no second one is asked for', async () => {
    const to = await receiver();
    const name = fickle(local, { address: '10.255.255.1', family: 4 });
    const http = poster(`http://bi.example:${to.port}/`, { resolve: name.resolve });
    expect(await http.post('{}', {})).toMatchObject({ status: 204 });
    expect(name.asked).toBe(1);
  });

  test.each([{ all: true }, { all: false }])(
    'DNS rebinding: each connection is checked anew ($all)',
    async (options) => {
      const name = fickle({ address: '198.41.0.4', family: 4 }, local);
      const lookup = guardedLookup({ allowPrivate: false, resolve: name.resolve }, false);
      const look = (): Promise<unknown> =>
        new Promise((resolve, reject) => {
          lookup('bi.example', options, (error, address) => {
            if (error) reject(error);
            else resolve(address);
          });
        });
      const outside = options.all ? [{ address: '198.41.0.4', family: 4 }] : '198.41.0.4';
      expect(await look()).toEqual(outside);
      await expect(look()).rejects.toThrow('it leads to this machine');
      expect(name.asked).toBe(2);
    },
  );

  test('plain http to a name that leads elsewhere is not called, whatever is allowed', async () => {
    const http = poster('http://bi.example/', { resolve: always({ address: '10.0.0.1', family: 4 }) });
    expect(await http.post('{}', {})).toMatchObject({ text: expect.stringContaining('http is for this machine only') });
  });

  test('a name nobody knows', async () => {
    const unknown = (): Promise<never> => Promise.reject(Object.assign(new Error('x'), { code: 'ENOTFOUND' }));
    expect(await poster('https://bi.example/', { resolve: unknown }).post('{}', {})).toMatchObject({
      text: 'connection failed (ENOTFOUND)',
    });
    expect(await poster('https://bi.example/', { resolve: always() }).post('{}', {})).toMatchObject({
      text: 'connection failed (ENOTFOUND)',
    });
  });

  test('localhost by the real resolver', async () => {
    const to = await receiver();
    const url = `http://localhost:${to.port}/`;
    expect(await poster(url).post('{}', {})).toMatchObject({ status: 204 });
    expect(await poster(`https://localhost:${to.port}/`, { allowPrivate: false }).post('{}', {})).toMatchObject({
      text: 'the address must not be called: it leads to this machine',
    });
  });

  test('a forbidden URL is not even built', () => {
    expect(() => new WebhookHttp({ url: 'https://10.0.0.1/', allowPrivate: false })).toThrow(ForbiddenAddress);
  });
});
