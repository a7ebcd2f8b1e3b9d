import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { saveCalls } from '../../src/store/calls.ts';
import { findCustomer, saveCustomers } from '../../src/store/customers.ts';
import { countDrops, dropTotals, listDrops, recordDrops } from '../../src/store/drops.ts';
import { closeGap, estimateLost, listGaps, openGap } from '../../src/store/gaps.ts';
import { balance, unaccounted } from '../../src/store/oracle.ts';
import { enqueue } from '../../src/store/outbox.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { callRow, dropRow, eventRow, uploadRow } from '../support/rows.ts';

let t: TestDatabase;
beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.drop());
beforeEach(() => t.query('truncate calls, outbox, drops, drop_totals, gaps, retailcrm_customers'));

const at = (time: string): Date => new Date(`2026-11-20T${time}Z`);

describe('the drop ledger', () => {
  test('notes a call once per reason, with or without an external id', async () => {
    const rows = [
      dropRow('1.1'),
      dropRow('1.1', { externalId: 'pbx1-1.2' }),
      dropRow('1.1', { reason: 'blacklisted' }),
    ];
    await recordDrops(t.db, rows);
    await recordDrops(t.db, rows);
    expect(await listDrops(t.db, { limit: 10 })).toHaveLength(3);
  });

  test('gives back what was noted', async () => {
    const row = dropRow('1.1', { externalId: 'pbx1-1.2', detail: { number: '***01' } });
    await recordDrops(t.db, [row]);
    expect(await listDrops(t.db, { limit: 10 })).toEqual([row]);
  });

  test.each([
    ['an enterprise', { enterprise: 'acme' }, ['1.3', '1.1']],
    ['a host', { host: 'pbx2' }, ['1.3']],
    ['a reason', { reason: 'internal' }, ['1.2', '1.1']],
    ['a time, itself included', { since: at('11:00:00') }, ['1.3', '1.2']],
  ])('can be asked by %s, newest first', async (_name, filter, expected) => {
    await recordDrops(t.db, [
      dropRow('1.1'),
      dropRow('1.2', { enterprise: 'other', at: at('11:00:00') }),
      dropRow('1.3', { host: 'pbx2', reason: 'blacklisted', at: at('12:00:00') }),
    ]);
    expect((await listDrops(t.db, { ...filter, limit: 10 })).map((row) => row.linkedid)).toEqual(expected);
  });

  test('counts by reason, the most frequent first', async () => {
    await recordDrops(t.db, [
      dropRow('1'),
      dropRow('2', { reason: 'blacklisted' }),
      dropRow('3', { reason: 'blacklisted' }),
    ]);
    expect(await countDrops(t.db)).toEqual([
      { reason: 'blacklisted', count: 2 },
      { reason: 'internal', count: 1 },
    ]);
    expect(await countDrops(t.db, { reason: 'internal' })).toEqual([{ reason: 'internal', count: 1 }]);
  });

  test('keeps totals per host and reason; what is told twice counts once, what is deleted stays counted', async () => {
    const rows = [dropRow('1'), dropRow('2'), dropRow('3', { reason: 'blacklisted' }), dropRow('1', { host: 'pbx2' })];
    await recordDrops(t.db, rows);
    await recordDrops(t.db, [...rows, dropRow('4')]);
    await t.query('delete from drops');
    expect(await dropTotals(t.db)).toEqual([
      { enterprise: 'acme', host: 'pbx1', reason: 'blacklisted', total: 1 },
      { enterprise: 'acme', host: 'pbx1', reason: 'internal', total: 3 },
      { enterprise: 'acme', host: 'pbx2', reason: 'internal', total: 1 },
    ]);
  });
});

describe('a gap', () => {
  const host = { enterprise: 'acme', host: 'pbx1' };

  test('is open from the loss of the connection until the host is synced again', async () => {
    await openGap(t.db, { ...host, from: at('10:00:00'), cause: 'connection reset' });
    const open = {
      ...host,
      from: at('10:00:00'),
      to: null,
      cause: 'connection reset',
      recoveredSnapshot: null,
      lost: null,
    };
    expect(await listGaps(t.db)).toEqual([open]);
    expect(await closeGap(t.db, { ...host, to: at('10:05:00'), recoveredSnapshot: 2, lost: 1 })).toBe(true);
    expect(await listGaps(t.db)).toEqual([{ ...open, to: at('10:05:00'), recoveredSnapshot: 2, lost: 1 }]);
  });

  test('that is open keeps its begin and cause when the daemon starts anew', async () => {
    await openGap(t.db, { ...host, from: at('10:00:00'), cause: 'connection reset' });
    await openGap(t.db, { ...host, from: at('10:01:00'), cause: 'daemon start' });
    expect(await listGaps(t.db)).toEqual([
      expect.objectContaining({ from: at('10:00:00'), cause: 'connection reset' }),
    ]);
  });

  test('is closed once; the next loss opens another one', async () => {
    await openGap(t.db, { ...host, from: at('10:00:00'), cause: 'a' });
    await closeGap(t.db, { ...host, to: at('10:05:00') });
    expect(await closeGap(t.db, { ...host, to: at('10:06:00') })).toBe(false);
    await openGap(t.db, { ...host, from: at('11:00:00'), cause: 'b' });
    expect((await listGaps(t.db, host)).map((gap) => gap.cause)).toEqual(['b', 'a']);
    expect((await listGaps(t.db, { since: at('10:30:00') })).map((gap) => gap.cause)).toEqual(['b']);
    expect(await listGaps(t.db, { host: 'pbx2' })).toEqual([]);
  });
});

describe('how many calls of a gap nobody saw, by the counter of Asterisk', () => {
  const of = { enterprise: 'acme', host: 'pbx1' };
  const last = { syncedAt: at('10:00:00'), counted: { at: at('10:00:00'), start: 'monday', calls: 100 } };

  test.each([
    { says: 'what it counted beyond what we know', now: { start: 'monday', calls: 107 }, lost: 5 },
    { says: 'it counted only what we know', now: { start: 'monday', calls: 102 }, lost: 0 },
    { says: 'it counted less: never below 0', now: { start: 'monday', calls: 101 }, lost: 0 },
    { says: 'nothing passed', now: { start: 'monday', calls: 100 }, lost: 0 },
    { says: 'started anew: unknown', now: { start: 'tuesday', calls: 3 }, lost: undefined },
    { says: 'it does not count (Asterisk 16): unknown', now: { start: 'monday', calls: undefined }, lost: undefined },
  ])('$says', async ({ now, lost }) => {
    await saveCalls(t.db, [
      callRow('pbx1-1', { startedAt: at('09:59:59') }),
      callRow('pbx1-2', { startedAt: at('10:00:30') }),
      callRow('pbx2-2', { startedAt: at('10:00:30'), host: 'pbx2' }),
    ]);
    await recordDrops(t.db, [
      dropRow('3', { at: at('10:00:40') }),
      dropRow('2', { at: at('10:00:40'), reason: 'blacklisted', externalId: 'pbx1-2' }),
    ]);
    expect(await estimateLost(t.db, { ...of, last }, now)).toBe(lost);
  });

  test.each([
    { says: 'the host was never in sync', last: undefined },
    { says: 'no count is known from before', last: { syncedAt: at('10:00:00'), counted: null } },
  ])('$says: unknown', async ({ last: before }) => {
    expect(await estimateLost(t.db, { ...of, last: before }, { start: 'monday', calls: 5 })).toBeUndefined();
  });
});

describe('a customer', () => {
  const customer = { phone: '+375290000001', enterpriseNumber: '001', retailcrmCustomerId: '9007199254740993' };

  test('is found under the number of the same enterprise, with an id past 2^53 unchanged', async () => {
    await saveCustomers(t.db, [customer]);
    expect(await findCustomer(t.db, '001', customer.phone)).toMatchObject(customer);
    expect(await findCustomer(t.db, '002', customer.phone)).toBeUndefined();
  });

  test('that the CRM does not know is known as unknown', async () => {
    await saveCustomers(t.db, [{ ...customer, retailcrmCustomerId: null }]);
    expect(await findCustomer(t.db, '001', customer.phone)).toMatchObject({ retailcrmCustomerId: null });
  });

  test('is one row, however many save it at once, and keeps the newest answer', async () => {
    await Promise.all(Array.from({ length: 20 }, () => saveCustomers(t.db, [customer])));
    expect(await t.query('select count(*)::int as n from retailcrm_customers')).toEqual([{ n: 1 }]);
    await saveCustomers(t.db, [{ ...customer, retailcrmCustomerId: '7' }]);
    await saveCustomers(t.db, [{ ...customer, retailcrmCustomerId: '6', fetchedAt: at('10:00:00') }]);
    expect(await findCustomer(t.db, '001', customer.phone)).toMatchObject({ retailcrmCustomerId: '7' });
  });
});

describe('the oracle', () => {
  test.each([
    ['an ended call that must be in the CRM and is nowhere', () => saveCalls(t.db, [callRow('a')]), ['a']],
    ['not a live one', () => saveCalls(t.db, [callRow('a', { state: 'live' })]), []],
    ['not one that is not for the CRM', () => saveCalls(t.db, [callRow('a', { record: { logToCrm: false } })]), []],
    ['not one whose record was spoiled by hand', () => saveCalls(t.db, [callRow('a', { record: [] })]), []],
    [
      'one that has a popup and no upload',
      async () => {
        await saveCalls(t.db, [callRow('a')]);
        await enqueue(t.db, [eventRow('a', 'in')]);
      },
      ['a'],
    ],
    [
      'one whose upload belongs to another enterprise',
      async () => {
        await saveCalls(t.db, [callRow('a')]);
        await enqueue(t.db, [uploadRow('a', { enterprise: 'other' })]);
      },
      ['a'],
    ],
    [
      'not one with a drop of its own id',
      async () => {
        await saveCalls(t.db, [callRow('a')]);
        await recordDrops(t.db, [dropRow('l-a', { externalId: 'a', reason: 'blacklisted' })]);
      },
      [],
    ],
    [
      'one with a drop of another call in the same Linkedid only',
      async () => {
        await saveCalls(t.db, [callRow('a')]);
        await recordDrops(t.db, [dropRow('l-a')]);
      },
      ['a'],
    ],
  ])('names %s', async (_name, arrange, expected) => {
    await arrange();
    expect(await unaccounted(t.db)).toEqual(expected);
  });

  test.each(['waiting', 'pending', 'done', 'dead', 'expired', 'discarded'])(
    'is content with an upload that is %s',
    async (state) => {
      await saveCalls(t.db, [callRow('a')]);
      await enqueue(t.db, [uploadRow('a')]);
      await t.query('update outbox set state = $1', [state]);
      expect(await unaccounted(t.db)).toEqual([]);
    },
  );

  test('looks at one enterprise, or at what ended since a time, when told so', async () => {
    await saveCalls(t.db, [
      callRow('old'),
      callRow('new', { endedAt: at('12:00:00') }),
      callRow('x', { enterprise: 'other' }),
    ]);
    expect(await unaccounted(t.db, { enterprise: 'acme', since: at('11:00:00') })).toEqual(['new']);
  });

  test('counts what was issued and where it stands', async () => {
    const states = ['waiting', 'pending', 'done', 'done', 'dead', 'discarded', 'expired'];
    await enqueue(
      t.db,
      states.map((_, n) => uploadRow(`n${n}`)),
    );
    for (const [n, state] of states.entries()) {
      await t.query('update outbox set state = $1 where external_id = $2', [state, `n${n}`]);
    }
    await enqueue(t.db, [uploadRow('x', { enterprise: 'other' })]);
    expect(await balance(t.db, 'acme')).toEqual({ issued: 7, open: 2, delivered: 2, dead: 2, expired: 1 });
  });
});
