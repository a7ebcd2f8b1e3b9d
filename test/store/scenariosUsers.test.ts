/** Scenarios 26 and 35 of the specification of calls: recorded calls, a real database, and a CRM whose users change. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { HostEvent } from '../../src/calls/events.ts';
import type { UsersMap } from '../../src/customers/usersMap.ts';
import { Intake } from '../../src/intake.ts';
import { silentLog } from '../../src/log.ts';
import { capture, eventsOf, example } from '../support/callsCaptures.ts';
import { startSyncHarness, type SyncHarness } from './syncHarness.ts';

let h: SyncHarness;
beforeAll(async () => {
  h = await startSyncHarness();
});
afterEach(() => h.reset());
afterAll(() => h.close());

const { rules, settings } = example();

/** The recorded call with its first event at `begins` (ms since 1970), and with ids of its own. */
function recorded(begins: number, id: string): HostEvent[] {
  const events = eventsOf(capture('ast22/in_direct_answer'));
  const shift = begins - (events[0]?.at ?? 0);
  const renamed = JSON.parse(
    JSON.stringify(events.map((event) => ({ ...event, at: event.at + shift }))).replaceAll(
      /\b\d{10}(\.\d+)\b/g,
      `${id}$1`,
    ),
  ) as HostEvent[];
  return renamed;
}

/** Plays calls to 150 through the daemon's spine; returns the stored calls: `answered 150 by user 7`. */
async function played(map: UsersMap, ...calls: HostEvent[][]): Promise<string[]> {
  const intake = new Intake({
    ...{ enterprise: 'acme', host: 'pbx1', account: 'demo', rules, db: h.db, log: silentLog, commitMs: 1 },
    settings: () => ({ ...settings, zone: 'Europe/Minsk' }),
    userAt: (extension, at) => map.userOfExtension(extension, at),
    onCommitted: () => undefined,
  });
  for (const call of calls) intake.take(call);
  await intake.stop();
  const rows = await h.query('select * from calls order by started_at');
  return rows.map(({ result, owner, crm_user }) => `${String(result)} ${String(owner)} by user ${String(crm_user)}`);
}

const uploads = async (): Promise<Record<string, unknown>[]> =>
  (await h.query("select payload from outbox where kind = 'upload' order by id")).map(
    ({ payload }) => JSON.parse(String(payload)) as Record<string, unknown>,
  );

const noUsers = {
  success: true,
  pagination: { limit: 100, totalCount: 0, currentPage: 1, totalPageCount: 0 },
  users: [],
};
const oneUser = {
  success: true,
  pagination: { limit: 100, totalCount: 1, currentPage: 1, totalPageCount: 1 },
  users: [{ id: 9, firstName: 'Nina', active: true }],
};

test.each([
  ['empty', { status: 200, body: noUsers }, "the CRM's list of users is empty; there were 3"],
  ['as a third of itself', { status: 200, body: oneUser }, "the CRM's list of users shrank from 3 to 1"],
])("26: the CRM's user list comes back %s: map unchanged, alarm, no call dropped", async (_, reply, alarm) => {
  const map = h.usersMap();
  await map.start();
  expect(await map.refresh()).toBe('good');
  const before = map.extensions();
  h.emulator.setSwitches({ failNext: [{ ...reply, path: '/users' }] });
  expect(await map.refresh()).toBe('guarded');

  expect(map.extensions()).toEqual(before);
  expect(h.lines).toContain(`error: ${alarm}; it is not believed, the last good map stays`);
  expect(await played(map, recorded(Date.now(), '1700000001'))).toEqual(['answered 150 by user 7']);
  expect(await uploads()).toMatchObject([{ code: '150', result: 'answered' }]);
  expect(await h.query('select reason from drops')).toEqual([]);
});

test('35: an extension moves from X to Y at noon: history before noon stays X', async () => {
  const noon = Date.parse('2026-03-02T09:00:00Z');
  let now = noon - 3600_000;
  const map = h.usersMap({ now: () => now });
  await map.start();
  await map.refresh();
  const morning = recorded(noon - 1800_000, '1700000001');
  // It begins before noon and ends after it.
  const across = recorded(noon - 1_000, '1700000002');
  expect(await played(map, morning)).toEqual(['answered 150 by user 7']);

  now = noon;
  h.seed({ accounts: [{ codes: { 8: '150', 9: '152' } }] });
  await map.refresh();
  expect(await played(map, across, recorded(noon + 1_000, '1700000003'))).toEqual([
    'answered 150 by user 7',
    'answered 150 by user 7',
    'answered 150 by user 8',
  ]);
  expect(await h.query("select record -> 'crmUser' as crm_user from calls order by started_at")).toEqual([
    { crm_user: 7 },
    { crm_user: 7 },
    { crm_user: 8 },
  ]);
  // A later writer of the same call does not know better: what stands there was true when the call was made.
  const later = h.usersMap({ now: () => now });
  await later.start();
  expect(await played(later, morning)).toEqual([
    'answered 150 by user 7',
    'answered 150 by user 7',
    'answered 150 by user 8',
  ]);
  expect((await uploads()).map(({ code }) => code)).toEqual(['150', '150', '150']);
});
