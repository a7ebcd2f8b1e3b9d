import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type CallRow, findCalls, listCalls, openCalls, saveCalls } from '../../src/store/calls.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { callRow } from '../support/rows.ts';

let t: TestDatabase;
beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.drop());
beforeEach(() => t.query('truncate calls'));

const live = (externalId: string, over: Partial<CallRow> = {}): CallRow =>
  callRow(externalId, { state: 'live', result: null, answeredAt: null, endedAt: null, live: { step: 1 }, ...over });
const all = (): Promise<CallRow[]> => listCalls(t.db, { limit: 100 });
const ids = (rows: CallRow[]): string[] => rows.map((row) => row.externalId);

describe('saveCalls', () => {
  test('a call comes back as it was saved, times to the millisecond', async () => {
    const call = callRow('pbx1-1.1', { record: { logToCrm: true, rang: [{ ext: '101' }], name: 'Ёж 😀' }, live: null });
    await saveCalls(t.db, [call]);
    expect(await all()).toEqual([call]);
  });

  test('a later fact about a call replaces the earlier one', async () => {
    await saveCalls(t.db, [live('a')]);
    await saveCalls(t.db, [callRow('a')]);
    expect(await all()).toEqual([callRow('a')]);
  });

  test('an ended call is never live again, and may still be corrected', async () => {
    await saveCalls(t.db, [callRow('a')]);
    await saveCalls(t.db, [live('a')]);
    expect(await all()).toEqual([callRow('a')]);
    await saveCalls(t.db, [callRow('a', { result: 'busy' })]);
    expect((await all())[0]?.result).toBe('busy');
  });

  test.each([
    [
      'the last of several facts in one commit counts',
      [live('a'), live('a', { owner: '102' })],
      { state: 'live', owner: '102' },
    ],
    ['except that an end in the same commit stays an end', [callRow('a'), live('a')], { state: 'ended', owner: '101' }],
  ])('%s', async (_name, rows, expected) => {
    await saveCalls(t.db, rows);
    expect(await all()).toEqual([expect.objectContaining(expected)]);
  });

  test('the same id at two enterprises is two calls', async () => {
    await saveCalls(t.db, [callRow('a'), callRow('a', { enterprise: 'other' })]);
    expect(await all()).toHaveLength(2);
  });

  test('hostile text does not fail its commit: NUL and broken Unicode become U+FFFD', async () => {
    const record = { name: 'a\0b\ud800c', path: String.raw`\u0000`, 'k\0': 1 };
    await saveCalls(t.db, [callRow('a', { linkedid: 'l\0', record })]);
    expect((await all())[0]).toMatchObject({
      linkedid: 'l\ufffd',
      record: { name: 'a\ufffdb\ufffdc', path: String.raw`\u0000`, 'k\ufffd': 1 },
    });
  });

  test('saves nothing, and more than one statement carries', async () => {
    await saveCalls(t.db, []);
    await saveCalls(
      t.db,
      Array.from({ length: 1_500 }, (_, n) => callRow(`n${n}`)),
    );
    expect(await t.query('select count(*)::int as n from calls')).toEqual([{ n: 1_500 }]);
  });

  test('two hosts that save the same calls in opposite order do not deadlock', async () => {
    const rows = Array.from({ length: 200 }, (_, n) => callRow(`n${n}`));
    await Promise.all(Array.from({ length: 6 }, (_, n) => saveCalls(t.db, n % 2 === 0 ? rows : rows.toReversed())));
    expect(await t.query('select count(*)::int as n from calls')).toEqual([{ n: 200 }]);
  });
});

test('openCalls are the live ones of the host, oldest first', async () => {
  await saveCalls(t.db, [
    live('young', { startedAt: new Date('2026-11-20T11:00:00Z') }),
    live('old'),
    callRow('ended'),
    live('elsewhere', { host: 'pbx2' }),
    live('foreign', { enterprise: 'other' }),
  ]);
  const open = await openCalls(t.db, 'acme', 'pbx1');
  expect(ids(open)).toEqual(['old', 'young']);
  expect(open[0]?.live).toEqual({ step: 1 });
});

describe('findCalls', () => {
  beforeEach(() =>
    saveCalls(t.db, [
      callRow('pbx1-1795339498.10', { linkedid: '1795339498.9' }),
      callRow('pbx1-1795339498.1', { linkedid: '1795339498.1' }),
      callRow('pbx1-1795339498.1', { enterprise: 'other', linkedid: 'x_y' }),
    ]),
  );

  test.each([
    [
      'its whole external id, though it is part of another',
      { enterprise: 'acme', id: 'pbx1-1795339498.1' },
      ['pbx1-1795339498.1'],
    ],
    ['its linkedid', { id: '1795339498.9' }, ['pbx1-1795339498.10']],
    ['a part of its id', { id: '498.10' }, ['pbx1-1795339498.10']],
    ['a part with a character that means something to LIKE', { id: '_' }, ['pbx1-1795339498.1']],
    ['nothing that fits', { id: '%' }, []],
    ['nothing at all', { id: '' }, []],
  ])('finds a call by %s', async (_name, filter, expected) => {
    expect(ids(await findCalls(t.db, filter))).toEqual(expected);
  });

  test('gives all calls a part fits', async () => {
    expect(await findCalls(t.db, { id: '1795339498' })).toHaveLength(3);
  });
});

describe('listCalls', () => {
  const [ten, eleven, twelve] = [10, 11, 12].map((hour) => new Date(`2026-11-20T${hour}:00:00Z`));
  beforeEach(() =>
    saveCalls(t.db, [
      callRow('first', { startedAt: ten ?? new Date(), customerPhone: '+375290000009' }),
      callRow('second', { startedAt: eleven ?? new Date(), result: 'busy', host: 'pbx2' }),
      callRow('third', { startedAt: twelve ?? new Date(), enterprise: 'other', externalPhone: '+375290000009' }),
    ]),
  );

  test.each([
    ['newest first', {}, ['third', 'second', 'first']],
    ['no more than the limit', { limit: 1 }, ['third']],
    ['those of an enterprise', { enterprise: 'acme' }, ['second', 'first']],
    ['those of a host', { host: 'pbx2' }, ['second']],
    ['those since a time, itself included', { since: eleven }, ['third', 'second']],
    ['those until a time, itself not included', { until: eleven }, ['first']],
    ['those with a number on either side', { phone: '+375290000009' }, ['third', 'first']],
    ['those with a result', { result: 'busy' }, ['second']],
  ])('shows %s', async (_name, filter, expected) => {
    const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
    expect(ids(await listCalls(t.db, { limit: 10, ...given }))).toEqual(expected);
  });
});
