/** Scenarios 24 and 25 of the specification of calls: recorded calls, a real outbox, and a CRM that has trouble. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { capture, eventsOf } from '../support/callsCaptures.ts';
import { toldOf, type Upload } from '../support/callsTold.ts';
import type { EnterpriseSettings } from '../../src/config/settings.ts';
import { type Harness, popup, startHarness, upload } from './deliveryHarness.ts';

let h: Harness;
beforeAll(async () => {
  h = await startHarness();
});
afterEach(() => h.reset());
afterAll(() => h.close());

const soon = 5_000;

/** What three recorded calls lead to, with their dates. */
function recordedUploads(): Upload[] {
  const dated = (enterprise: EnterpriseSettings): EnterpriseSettings => ({
    ...enterprise,
    retailcrm: { ...enterprise.retailcrm, timezone: 'Europe/Minsk' },
  });
  return ['in_direct_answer', 'in_queue_abandon', 'out_answer'].flatMap(
    (name) => toldOf(eventsOf(capture(`ast22/${name}`)), dated).uploads,
  );
}

const rowsOf = (calls: Upload[]): ReturnType<typeof upload>[] =>
  calls.map((call) => upload(call.externalId, { payload: JSON.stringify(call) }));

test.each([
  { name: '500', switches: { fail5xxEvery: 1 }, well: { fail5xxEvery: 0 } },
  { name: 'cut connections', switches: { down: true }, well: { down: false } },
  {
    name: '429',
    switches: { quotaTaken: 1, rateLimitReply: '429json' as const },
    well: { quotaTaken: 0 },
  },
])('24: $name for 40 minutes: popups expire, histories arrive later, once each', async ({ switches, well }) => {
  const calls = recordedUploads();
  h.emulator.setSwitches(switches);
  await h.enqueue([popup('pbx1-9.0', 'in', { expiresAt: new Date(Date.now() + 300) }), ...rowsOf(calls)]);
  const worker = h.worker();
  worker.start();
  await h.until(async () => (await h.states())[0] === 'expired', 'the popup is too old');
  await h.until(() => h.emulator.requests().length > 1, 'the CRM was asked again and again');
  expect((await h.states()).slice(1)).not.toContain('dead');
  expect(h.held()).toEqual([]);

  // 40 minutes on the worker's clock and in the age of the rows.
  await h.database.query("update outbox set created_at = created_at - interval '40 minutes'");
  h.emulator.setSwitches(well);
  h.skipped += 40 * 60_000;
  await worker.drain(soon);

  expect(await h.states()).toEqual(['expired', ...calls.map(() => 'done')]);
  expect(h.held().sort()).toEqual(calls.map(({ externalId }) => externalId).sort());
  expect(h.emulator.account().totals.conflicts).toBe(0);
  expect(h.emulator.account().openPopups.size).toBe(0);
});

test('25: one bad item in a batch: it alone goes to the dead letters with the words of the CRM', async () => {
  const calls = recordedUploads();
  const bad = calls[1]?.externalId ?? '';
  h.emulator.setSwitches({ poison: bad });
  await h.enqueue(rowsOf(calls));
  await h.worker().drain();
  expect(await h.states()).toEqual(['done', 'dead', 'done']);
  expect((await h.rows())[1]).toMatchObject({ status: 400, reason: 'VALIDATION: Errors in the entity format' });
  expect(h.held().sort()).toEqual([calls[0]?.externalId, calls[2]?.externalId].sort());
});
