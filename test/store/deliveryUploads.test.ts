import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Pacer } from '../../src/delivery/pacer.ts';
import { type Harness, popup, startHarness, upload, uploads } from './deliveryHarness.ts';

let h: Harness;
beforeAll(async () => {
  h = await startHarness();
});
afterEach(() => h.reset());
afterAll(() => h.close());

/** Waits also for rows that were moved a little. */
const soon = 5_000;

test('120 calls reach the CRM in three requests, oldest first, each once', async () => {
  await h.enqueue(uploads(120));
  const pacers = { telephony: new Pacer({ intervalMs: 30 }), general: new Pacer({ intervalMs: 30 }) };
  const client = h.client();
  // Their order as they leave: each has a connection of its own, and may be overtaken on the way.
  const leaving = jest.spyOn(client, 'uploadCalls');
  await h.worker({ pacers, client }).drain();
  const ids = uploads(120).map((row) => row.externalId);
  const sent = leaving.mock.calls.map(([calls]) => JSON.parse(calls as string) as { externalId: string }[]);
  expect(sent.flatMap((batch) => batch.map(({ externalId }) => externalId))).toEqual(ids);
  expect(sent.map((batch) => batch.length)).toEqual([50, 50, 20]);
  expect(new Set(h.held())).toEqual(new Set(ids));
  expect(h.emulator.account().totals.callsReceived).toBe(120);
  expect(new Set(await h.states())).toEqual(new Set(['done']));
});

test('the payload goes out as it was frozen, byte for byte', async () => {
  const payload =
    '{"externalId":"pbx1-1.0",  "date":"2026-03-01 12:00:05","type":"in","phone":"+375290000101","result":"answered","duration":1.0}';
  await h.enqueue([upload('pbx1-1.0', { payload }), upload('pbx1-2.0')]);
  await h.worker().drain();
  expect(h.sent('calls/upload')).toEqual([`[${payload},${upload('pbx1-2.0').payload}]`]);
});

test('each row that is settled is told of, with what became of it', async () => {
  const told: string[] = [];
  await h.enqueue(uploads(2));
  await h.worker({ onSettled: (row, outcome) => told.push(`${row.externalId} ${outcome.outcome}`) }).drain();
  expect(told).toEqual(['pbx1-1.0 done', 'pbx1-2.0 done']);
});

test('C4: 500, 502 and 504 are ambiguous: the same ids and bytes again', async () => {
  h.emulator.setSwitches({
    failNext: [500, 502, 504].map((status) => ({ status, path: 'calls/upload', body: '<html>' })),
  });
  await h.enqueue(uploads(2));
  await h.worker().drain(soon);
  const sent = h.sent('calls/upload').flatMap((each) => JSON.parse(each) as { externalId: string }[]);
  expect(
    h.emulator
      .requests({ path: 'calls/upload' })
      .map((each) => each.status)
      .slice(0, 3),
  ).toEqual([500, 502, 504]);
  for (const row of uploads(2)) {
    const bytes = new Set(
      sent.filter((each) => each.externalId === row.externalId).map((each) => JSON.stringify(each)),
    );
    expect([...bytes]).toEqual([row.payload]);
  }
  expect(h.held()).toHaveLength(2);
  expect(await h.states()).toEqual(['done', 'done']);
});

describe('C5: one bad row of 50', () => {
  test('at every place: 49 delivered, it dead with the words of the CRM, at most 12 requests more', async () => {
    const worker = h.worker();
    for (let place = 0; place < 50; place++) {
      await h.database.query('truncate outbox, attempts');
      h.emulator.reset();
      const rows = uploads(50, 1000);
      h.emulator.setSwitches({ poison: rows[place]?.externalId ?? '' });
      await h.enqueue(rows);
      await worker.drain();
      const after = await h.rows();
      expect(after.filter((row) => row.state === 'dead').map((row) => row.external_id)).toEqual([
        rows[place]?.externalId,
      ]);
      expect(after.filter((row) => row.state === 'done')).toHaveLength(49);
      expect(after[place]).toMatchObject({ status: 400, reason: 'VALIDATION: Errors in the entity format' });
      expect(h.held()).toHaveLength(49);
      expect(h.sent('calls/upload').length - 1).toBeLessThanOrEqual(12);
    }
  }, 120_000);

  test('several bad rows: each alone is dead, with the fields the CRM names and numbers masked', async () => {
    const rows = uploads(10);
    const bad = { date: '2026-03-01T12:00:00Z', type: 'in', phone: '+375290000101', result: 'answered' };
    for (const place of [0, 1, 7]) {
      const row = rows[place];
      if (row) row.payload = JSON.stringify({ ...bad, externalId: row.externalId });
    }
    await h.enqueue(rows);
    await h.worker().drain();
    expect(await h.states()).toEqual(['dead', 'dead', 'done', 'done', 'done', 'done', 'done', 'dead', 'done', 'done']);
    expect((await h.rows())[7]?.errors).toEqual({ 'calls[0].date': expect.any(String) });
  });
});

test.each([
  { name: 'a page of a captive portal', reply: { status: 200, body: '<html>Sign in</html>' } },
  { name: 'an empty answer', reply: { status: 200, body: '' } },
  { name: 'broken JSON', reply: { status: 200, body: '{"success":' } },
])('C6: $name with 200 is no success: the rows go again', async ({ reply }) => {
  h.emulator.setSwitches({ failNext: [{ ...reply, path: 'calls/upload' }] });
  await h.enqueue(uploads(3));
  await h.worker().drain(soon);
  expect(h.held()).toHaveLength(3);
  expect((await h.rows()).map((row) => row.attempts)).toEqual([2, 2, 2]);
});

test('C7: success false with 200 and no reason is ambiguous', async () => {
  h.emulator.setSwitches({ failNext: [{ status: 200, body: { success: false }, path: 'calls/upload' }] });
  await h.enqueue(uploads(1));
  await h.worker().drain(soon);
  expect(await h.states()).toEqual(['done']);
});

test('C7: success false with 200 and field errors is about the content', async () => {
  const body = { success: false, errorMsg: 'odd +79990000001', errors: { 'calls[0].phone': 'not +79990000001' } };
  h.emulator.setSwitches({ failNext: [{ status: 200, body, path: 'calls/upload' }] });
  await h.enqueue(uploads(1));
  await h.worker().drain();
  expect((await h.rows())[0]).toMatchObject({
    state: 'dead',
    reason: 'VALIDATION: odd ***01',
    errors: { 'calls[0].phone': 'not ***01' },
  });
});

test('C8: the connection is cut after the request was applied: sent again, one record', async () => {
  h.emulator.setSwitches({ loseReplyEvery: 1 });
  const client = h.client({ onExchange: () => h.emulator.setSwitches({ loseReplyEvery: 0 }) });
  await h.enqueue(uploads(5));
  await h.worker({ client }).drain(soon);
  expect(h.emulator.account().totals.callsReceived).toBe(10);
  expect(h.held()).toHaveLength(5);
  expect((await h.rows()).map((row) => [row.state, row.reply])).toEqual(Array(5).fill(['done', 'duplicate']));
});

test('C9: half of the batch applied, then 500: sent again, one record each', async () => {
  h.emulator.setSwitches({ halfBatchThen500: 1 });
  await h.enqueue(uploads(10));
  await h.worker().drain(soon);
  expect(h.held()).toHaveLength(10);
  expect(new Set(await h.states())).toEqual(new Set(['done']));
  expect((await h.rows()).filter((row) => row.reply === 'duplicate')).toHaveLength(5);
});

test('C19: duplicateCalls count as delivered', async () => {
  await h.client().uploadCalls(
    `[${uploads(3)
      .map((row) => row.payload)
      .join(',')}]`,
  );
  await h.enqueue(uploads(4));
  await h.worker().drain();
  expect((await h.rows()).map((row) => `${row.state} ${row.reply}`)).toEqual([
    'done duplicate',
    'done duplicate',
    'done duplicate',
    'done taken',
  ]);
});

test('C10: an upload that drips is cut at its deadline and sent again', async () => {
  // The whole answer would take ten seconds; a request must have arrived at the deadline, so that a slow machine is not cut off.
  h.emulator.setSwitches({ dripBytes: 1, dripEveryMs: 200 });
  const client = h.client({ timeoutMs: 2_000, onExchange: () => h.emulator.setSwitches({ dripBytes: 0 }) });
  await h.enqueue(uploads(2));
  await h.worker({ client }).drain(soon);
  expect((await h.rows()).map((row) => row.reply)).toEqual(['duplicate', 'duplicate']);
});

/** A CRM of a few lines, for behaviour no real one should have. */
async function strangeCrm(
  answer: (path: string, body: string) => number | 'nothing',
): Promise<{ url: string; close: () => void; bodies: string[] }> {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      bodies.push(body);
      const status = answer(request.url ?? '', decodeURIComponent(body.replaceAll('+', ' ')));
      if (status !== 'nothing') response.writeHead(status).end(status === 200 ? '{"success":true}' : '<html>');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close, bodies };
}

test('C10: while every upload hangs popups are shown', async () => {
  const crm = await strangeCrm((path) => (path.endsWith('upload') ? 'nothing' : 200));
  await h.enqueue(uploads(300));
  const worker = h.worker({ client: h.client({ url: crm.url }) });
  worker.start();
  await h.until(() => crm.bodies.length === 4, 'four uploads hang');
  await h.enqueue([popup('pbx1-9.0')]);
  worker.wake();
  await h.until(async () => (await h.states()).at(-1) === 'done', 'the popup is shown');
  await worker.stop();
  crm.close();
  const leases = await h.database.query('select count(*)::int as held from outbox where lease_owner is not null');
  expect(leases).toEqual([{ held: 0 }]);
});

test('a row that breaks the server stops nobody: its neighbours are delivered and it stays', async () => {
  const crm = await strangeCrm((_, body) => (body.includes('pbx1-13.0') ? 500 : 200));
  await h.enqueue(uploads(40));
  const started = performance.now();
  // Time runs twenty times as fast for the breaker.
  const worker = h.worker({
    client: h.client({ url: crm.url }),
    now: () => started + (performance.now() - started) * 20,
    retryMs: 1,
  });
  worker.start();
  await h.until(async () => (await h.states()).filter((state) => state === 'done').length === 39, '39 delivered');
  await h.until(async () => ((await h.rows())[12]?.attempts ?? 0) > 6, 'the row is on its own');
  expect((await h.rows())[12]).toMatchObject({ state: 'pending', status: 500 });
  await h.enqueue([upload('pbx1-99.0')]);
  worker.wake();
  await h.until(async () => (await h.states()).at(-1) === 'done', 'a new call is delivered');
  await worker.stop();
  crm.close();
});

test('a row that still breaks the server after 14 days is dead', async () => {
  const crm = await strangeCrm(() => 500);
  await h.enqueue(uploads(1));
  await h.database.query("update outbox set created_at = now() - interval '15 days', attempts = 6");
  await h.worker({ client: h.client({ url: crm.url }) }).drain();
  crm.close();
  expect((await h.rows())[0]).toMatchObject({
    state: 'dead',
    reason: 'given up after 14 days: RETRY: HTML page with status 500',
  });
});

test('C15: 20 days of silence: nothing is dead, nothing lost', async () => {
  await h.enqueue(uploads(1));
  await h.database.query("update outbox set created_at = now() - interval '20 days'");
  h.emulator.setSwitches({ down: true });
  const worker = h.worker();
  worker.start();
  await h.until(() => worker.mode === 'open', 'the breaker opens');
  h.emulator.setSwitches({ down: false });
  h.skipped += 31_000;
  await worker.drain(soon);
  expect(h.held()).toHaveLength(1);
});
