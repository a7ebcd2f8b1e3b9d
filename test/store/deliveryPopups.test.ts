import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Pacer } from '../../src/delivery/pacer.ts';
import { startEmulator } from '../../src/sandbox/emulator.ts';
import { portToBe } from '../support/ports.ts';
import { type Harness, popup, startHarness, uploads } from './deliveryHarness.ts';

let h: Harness;
beforeAll(async () => {
  h = await startHarness();
});
afterEach(() => h.reset());
afterAll(() => h.close());

const expiresIn = (ms: number) => ({ expiresAt: new Date(Date.now() + ms) });

test('P4: within each of 25 calls the CRM sees in, then hangup; no hangup without its popup', async () => {
  const calls = Array.from({ length: 25 }, (_, index) => `pbx1-${index}.0`);
  await h.enqueue([...calls.map((id) => popup(id, 'in')), ...calls.map((id) => popup(id, 'hangup'))]);
  await h.worker().drain();
  for (const id of calls) {
    const types = h.emulator
      .account()
      .events.filter((event) => event.callExternalId === id)
      .map((event) => event.type);
    expect(types).toEqual(['in', 'hangup']);
  }
  expect(h.emulator.account().totals.orphanHangups).toBe(0);
  expect(h.emulator.account().openPopups.size).toBe(0);
});

test('P5: a popup whose time is over is counted, never sent', async () => {
  await h.enqueue([popup('pbx1-1.0', 'in', expiresIn(-1))]);
  await h.worker().drain();
  expect((await h.rows())[0]).toMatchObject({ state: 'expired', reason: 'too late to show' });
  expect(h.sent('call/event')).toEqual([]);
});

test('P5: a popup that grew old while it waited for its permit is not sent', async () => {
  await h.enqueue([popup('pbx1-1.0', 'in', expiresIn(150))]);
  const slow = new Pacer({ intervalMs: 30, startDelayMs: 400 });
  await h.worker({ pacers: { telephony: slow, general: slow } }).drain();
  expect(await h.states()).toEqual(['expired']);
  expect(h.sent('call/event')).toEqual([]);
});

describe('at most once: an answer that leaves open whether it was shown gives the popup up', () => {
  test.each([
    { name: 'C4: status 500', switches: { failNext: [{ status: 500, body: '<html>' }] } },
    { name: 'C6: a page with 200', switches: { failNext: [{ status: 200, body: '<html>' }] } },
    { name: 'C8: the reply was lost', switches: { loseReplyEvery: 1 } },
    { name: 'C10: no answer within the deadline of 2 s', switches: { delayMs: 2_500 } },
  ])('$name', async ({ switches }) => {
    h.emulator.setSwitches(switches);
    await h.enqueue([popup('pbx1-1.0')]);
    await h.worker().drain(5_000);
    expect((await h.rows())[0]).toMatchObject({
      state: 'expired',
      reason: expect.stringMatching(/^given up, it may have been shown/),
    });
    expect(h.sent('call/event')).toHaveLength(1);
  });
});

test('P5: the database crashed and forgot claim and settlement of a popup that was sent: it is not sent again', async () => {
  await h.enqueue([popup('pbx1-1.0', 'in', expiresIn(10_000))]);
  const worker = h.worker();
  await worker.drain();
  expect(await h.states()).toEqual(['done']);
  await h.database.query(
    "update outbox set state = 'pending', attempts = 0, lease_owner = null, lease_until = null, settled_at = null",
  );
  await worker.drain();
  expect((await h.rows())[0]).toMatchObject({
    state: 'expired',
    reason: 'it was sent before the database forgot its claim',
  });
  expect(h.sent('call/event')).toHaveLength(1);
});

test('C1: a popup that certainly did not leave is sent when the CRM is there again, if it is still fresh', async () => {
  const port = await portToBe();
  const url = `http://127.0.0.1:${port}`;
  await h.enqueue([popup('pbx1-1.0'), popup('pbx1-2.0', 'in', expiresIn(300))]);
  const worker = h.worker({ client: h.client({ url }) });
  worker.start();
  await h.until(async () => (await h.states())[1] === 'expired', 'the second is too old');
  const back = await startEmulator({ port });
  await worker.drain(5_000);
  expect(back.account().events.map((event) => event.callExternalId)).toEqual(['pbx1-1.0']);
  expect(await h.states()).toEqual(['done', 'expired']);
  await back.stop();
});

test('a refused popup is dead with the words of the CRM', async () => {
  await h.enqueue([popup('pbx1-1.0', 'in', { payload: '{"type":"in","codes":["150"]}' })]);
  await h.worker().drain();
  expect((await h.rows())[0]).toMatchObject({ state: 'dead', status: 400, errors: { phone: expect.any(String) } });
});

test('unknown extensions are noted at the row and are no error', async () => {
  await h.enqueue([popup('pbx1-1.0', 'in', { payload: '{"type":"in","phone":"+375290000101","codes":["999"]}' })]);
  await h.worker().drain();
  expect((await h.rows())[0]).toMatchObject({ state: 'done', reply: '{"notExistCodes":["999"],"notExistUsers":[]}' });
});

test('a popup does not wait behind a backlog of uploads', async () => {
  await h.enqueue(uploads(1_000));
  // The twenty requests of the backlog take ten seconds.
  const telephony = new Pacer({ intervalMs: 500 });
  const worker = h.worker({ pacers: { telephony, general: telephony } });
  worker.start();
  await h.until(() => h.sent('calls/upload').length > 1, 'uploads flow');
  await h.enqueue([popup('pbx1-9.0')]);
  worker.wake();
  await h.until(() => h.sent('call/event').length === 1, 'the popup is shown');
  expect(h.sent('calls/upload').length).toBeLessThan(20);
});
