import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { Logger } from '../../src/log.ts';
import { startEmulator } from '../../src/sandbox/emulator.ts';
import { portToBe } from '../support/ports.ts';
import { type Harness, popup, startHarness, upload, uploads } from './deliveryHarness.ts';

let h: Harness;
beforeAll(async () => {
  h = await startHarness();
});
afterEach(() => h.reset());
afterAll(() => h.close());

const said = (pattern: RegExp): string[] => h.log.lines.filter((line) => pattern.test(line));

test('C1: with no CRM at all the breaker opens, no row is lost, another account is not held up', async () => {
  const port = await portToBe();
  const url = `http://127.0.0.1:${port}`;
  await h.enqueue([...uploads(70).map((row) => ({ ...row, account: 'dead' })), ...uploads(70, 1_000)]);
  const dead = h.worker({ account: 'dead', client: h.client({ url }) });
  const alive = h.worker();
  dead.start();
  await alive.drain();
  expect(h.held()).toHaveLength(70);
  await h.until(() => dead.mode === 'open', 'the breaker opens');
  expect((await h.rows()).filter((row) => row.state === 'pending').map((row) => row.attempts)).toEqual(
    Array(70).fill(0),
  );
  const back = await startEmulator({ port, seed: { accounts: [{ key: 'demo-key' }] } });
  h.skipped += 31_000;
  await dead.drain(5_000);
  expect(back.account().calls.size).toBe(70);
  expect(said(/does not answer: requests stop/)).toHaveLength(1);
  expect(said(/takes requests again/)).toHaveLength(1);
  await back.stop();
});

test.each(['503html', '503json', '429json'] as const)(
  'C2: %s slows the lane, opens the breaker at last, and touches no row',
  async (rateLimitReply) => {
    h.emulator.setSwitches({ rateLimitReply, quotaTaken: 1, retryAfterSeconds: 0 });
    await h.enqueue(uploads(3));
    const worker = h.worker();
    worker.start();
    await h.until(() => worker.mode === 'open', 'the breaker opens');
    expect(worker.pacers.telephony.rate).toBeLessThan(1_000);
    expect((await h.rows()).map((row) => `${row.state} ${row.attempts}`)).toEqual(Array(3).fill('pending 0'));
    expect(said(/asks to slow down/)).toHaveLength(1);
    h.emulator.setSwitches({ quotaTaken: 0 });
    h.skipped += 31_000;
    await worker.drain(5_000);
    expect(h.held()).toHaveLength(3);
    expect(worker.pacers.telephony.rate).toBe(1_000);
  },
);

test.each([
  { name: 'C13: the key is revoked', switches: { authOff: true }, kind: 'Wrong "apiKey" value.' },
  { name: 'C14: the account is gone', switches: { accountGone: true }, kind: 'HTML page with status 405' },
  {
    name: 'C16: the address redirects elsewhere',
    switches: {
      failNext: [
        { status: 302, headers: { location: 'http://127.0.0.1:9/' }, path: 'calls/upload' },
        { status: 302, path: 'calls/upload' },
        { status: 302, path: 'credentials' },
      ],
    },
    kind: 'redirected (302)',
  },
])('$name: one alarm, one GET a minute, rows untouched, and it resumes by itself', async ({ switches, kind }) => {
  const fields: unknown[] = [];
  const log: Logger = {
    ...h.log,
    error: (message, more) => {
      fields.push(more);
      h.log.error(message);
    },
    child: () => log,
  };
  h.emulator.setSwitches(switches);
  await h.enqueue(uploads(60));
  const worker = h.worker({ log });
  worker.start();
  await h.until(() => worker.mode === 'parked', 'parked');
  await h.until(async () => (await h.rows()).every((row) => row.lease_owner === null), 'rows given back');
  const before = h.emulator.requests().length;
  for (let look = 0; look < 20; look++) worker.wake();
  h.skipped += 50_000;
  await h.until(() => worker.mode === 'parked', 'still parked');
  expect(h.emulator.requests()).toHaveLength(before);

  h.skipped += 11_000;
  worker.wake();
  await h.until(() => h.emulator.requests().length === before + 1, 'one GET');
  expect(h.emulator.requests().at(-1)).toMatchObject({ method: 'GET', path: '/api/credentials' });
  expect((await h.rows()).map((row) => `${row.state} ${row.attempts}`)).toEqual(Array(60).fill('pending 0'));

  h.emulator.setSwitches({ authOff: false, accountGone: false, failNext: [] });
  await h.until(() => {
    h.skipped += 61_000;
    worker.wake();
    return h.held().length === 60;
  }, 'all delivered');
  await worker.drain(5_000);
  expect(h.held()).toHaveLength(60);
  expect(said(/refuses this account/)).toHaveLength(1);
  expect(JSON.stringify(fields)).toContain(JSON.stringify(kind).slice(1, -1));
  expect(said(/takes requests again/)).toHaveLength(1);
});

test('a key that lost the right to upload stays parked though the CRM answers', async () => {
  h.emulator.reset({ accounts: [{ keys: [{ key: 'demo-key', credentials: ['/api/telephony/call/event'] }] }] });
  await h.enqueue(uploads(1));
  const worker = h.worker();
  worker.start();
  await h.until(() => worker.mode === 'parked', 'parked');
  h.skipped += 61_000;
  worker.wake();
  await h.until(() => said(/lacks rights/).length === 1, 'the missing right is named');
  expect(worker.mode).toBe('parked');
  expect(h.sent('calls/upload')).toHaveLength(1);
});

test.each([400, 200] as const)(
  'telephony off with status %d: the lane stops, the hook is called once, it resumes with one probe',
  async (telephonyOffStatus) => {
    h.emulator.setSwitches({ telephonyOffStatus });
    const module = h.emulator.account().modules.get('sandbox');
    if (module) module.active = false;
    let told = 0;
    await h.enqueue([...uploads(2), popup('pbx1-7.0', 'in', { expiresAt: new Date(Date.now() + 100) })]);
    const worker = h.worker({ onTelephonyOff: () => (told += 1) });
    worker.start();
    await h.until(() => worker.mode === 'telephonyOff', 'off');
    const before = h.emulator.requests().length;
    await h.until(() => {
      h.skipped += 61_000;
      worker.wake();
      return h.emulator.requests().length > before;
    }, 'a probe');
    if (module) module.active = true;
    await h.until(() => {
      h.skipped += 61_000;
      worker.wake();
      return h.held().length === 2;
    }, 'delivered');
    await worker.drain(5_000);
    expect(await h.states()).toEqual(['done', 'done', expect.stringMatching(/expired|done/)]);
    expect(told).toBe(1);
  },
);

test('two workers on one account deliver each row once', async () => {
  await h.enqueue([...uploads(400), ...Array.from({ length: 30 }, (_, index) => popup(`pbx1-${index}.0`))]);
  const workers = [h.worker(), h.worker(), h.worker()];
  await Promise.all(workers.map((worker) => worker.drain()));
  expect(h.emulator.account().totals.callsReceived).toBe(400);
  expect(h.sent('call/event')).toHaveLength(30);
  expect(new Set(await h.states())).toEqual(new Set(['done']));
});

test('C7: an account whose every row is refused loses none: each is a dead letter', async () => {
  await h.enqueue(Array.from({ length: 8 }, (_, index) => upload(`pbx1-${index}.0`, { payload: '{}' })));
  await h.worker().drain();
  expect(await h.states()).toEqual(Array(8).fill('dead'));
});
