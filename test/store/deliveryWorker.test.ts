import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { Pacer, accountPacers } from '../../src/delivery/pacer.ts';
import { type Harness, popup, startHarness, uploads } from './deliveryHarness.ts';

let h: Harness;
let strict: Harness;
beforeAll(async () => {
  [h, strict] = await Promise.all([startHarness(), startHarness({ limits: true })]);
});
afterEach(async () => {
  await h.reset();
  await strict.reset();
});
afterAll(async () => {
  await h.close();
  await strict.close();
});

test('the real pacers never meet the limit of 40 a second, though everything is due at once', async () => {
  await strict.enqueue([...uploads(300), ...Array.from({ length: 70 }, (_, index) => popup(`pbx1-${index}.0`))]);
  await strict.worker({ pacers: accountPacers({ startDelayMs: 0 }) }).drain();
  const gauge = strict.emulator.stats().accounts['demo']?.telephony;
  expect(gauge?.refused).toBe(0);
  expect(gauge?.peak).toBeLessThanOrEqual(40);
  expect(gauge?.seen).toBeGreaterThan(70);
  expect(new Set(await strict.states())).toEqual(new Set(['done']));
});

test('S1: stop gives back what was not sent: another worker delivers it at once', async () => {
  const never = new Pacer({ intervalMs: 3_600_000 });
  await never.take(); // the next permit comes in an hour
  await h.enqueue([...uploads(120), popup('pbx1-1.0')]);
  const worker = h.worker({ pacers: { telephony: never, general: never } });
  worker.start();
  await h.until(async () => (await h.rows()).every((row) => row.lease_owner !== null), 'all claimed');
  await worker.stop();
  expect((await h.rows()).filter((row) => row.lease_owner !== null)).toEqual([]);
  await h.worker().drain();
  expect(h.held()).toHaveLength(120);
});

test('nothing is claimed before anything may be sent: a kill meanwhile costs no popup', async () => {
  const later = new Pacer({ intervalMs: 30, startDelayMs: 3_600_000 });
  await h.enqueue([popup('pbx1-1.0')]);
  const worker = h.worker({ pacers: { telephony: later, general: later } });
  worker.start();
  worker.wake();
  await worker.stop();
  expect((await h.rows()).map((row) => row.attempts)).toEqual([0]);
  expect((await h.rows())[0]).toMatchObject({ state: 'pending', lease_owner: null });
});

test('the garbage collector takes nothing away that the start waits for', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const soon = new Pacer({ intervalMs: 1, startDelayMs: 200 });
  await h.enqueue(uploads(1));
  h.worker({ pacers: { telephony: soon, general: soon } }).start();
  await h.until(async () => {
    collect();
    return (await h.states())[0] === 'done';
  }, 'delivered');
  expect(h.held()).toHaveLength(1);
});

test('S1: stop does not wait for ever for an answer', async () => {
  h.emulator.setSwitches({ delayMs: 5_000 });
  await h.enqueue(uploads(1));
  const worker = h.worker();
  worker.start();
  await h.until(() => h.emulator.requests().length === 1, 'under way');
  const started = performance.now();
  await worker.stop();
  expect(performance.now() - started).toBeLessThan(2_000);
  h.emulator.setSwitches({ delayMs: 0 });
  await h.worker().drain();
  expect((await h.rows())[0]).toMatchObject({ state: 'done', reply: 'duplicate' });
});

test('a stopped worker says so to who waits for it', async () => {
  const worker = h.worker();
  await worker.stop();
  await expect(worker.drain()).rejects.toThrow('stopped');
});

test('an outbox that cannot be read is reported once, and delivery goes on when it can', async () => {
  await h.enqueue(uploads(3));
  await h.database.query('alter table outbox rename to outbox_away');
  const worker = h.worker();
  worker.start();
  await h.until(() => h.log.lines.length > 0, 'reported');
  for (let look = 0; look < 20; look++) worker.wake();
  await h.database.query('alter table outbox_away rename to outbox');
  await worker.drain();
  expect(h.held()).toHaveLength(3);
  expect(h.log.lines).toEqual([
    'error: the database does not answer delivery',
    'warn: the database answers delivery again',
  ]);
});

test('a settlement that cannot be written: the rows come again when the lease ends, and are duplicates', async () => {
  await h.enqueue(uploads(3));
  const client = h.client();
  const send = client.uploadCalls.bind(client);
  jest.spyOn(client, 'uploadCalls').mockImplementationOnce(async (calls) => {
    const reply = await send(calls);
    await h.database.query('alter table outbox rename to outbox_away');
    return reply;
  });
  const worker = h.worker({ pollMs: 5, client });
  worker.start();
  await h.until(() => h.log.lines.some((line) => line.includes('was not written')), 'given up');
  await h.database.query('alter table outbox_away rename to outbox');
  await h.database.query("update outbox set lease_until = now() - interval '1 second'");
  await worker.drain();
  expect((await h.rows()).map((row) => `${row.state} ${row.reply}`)).toEqual(Array(3).fill('done duplicate'));
  expect(h.held()).toHaveLength(3);
});

test('every connection cut under load: nothing lost, nothing doubled', async () => {
  await h.enqueue(uploads(500));
  const worker = h.worker();
  worker.start();
  for (let cut = 1; cut <= 5; cut++) {
    await h.until(() => h.held().length >= Math.min(500, cut * 50), 'some delivered');
    await h.database.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    );
  }
  await h.until(async () => {
    await h.database.query(
      "update outbox set lease_until = now() where state = 'pending' and lease_until > now() + interval '1 second' and settled_at is null and lease_until < now() + interval '119 seconds'",
    );
    return (await h.states()).every((state) => state === 'done');
  }, 'all delivered');
  expect(h.held()).toHaveLength(500);
});

test('a woken worker delivers at once, an unwoken one at its next look', async () => {
  const worker = h.worker({ pollMs: 3_600_000 });
  await worker.drain();
  await h.enqueue(uploads(1));
  worker.wake();
  await h.until(() => h.held().length === 1, 'woken');
  const other = h.worker({ pollMs: 20 });
  other.start();
  await h.enqueue(uploads(1, 2));
  await h.until(() => h.held().length === 2, 'found');
  expect(h.emulator.account().totals.callsReceived).toBe(2);
});
