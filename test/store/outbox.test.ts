import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  claim,
  type ClaimedRow,
  counts,
  createWatermark,
  enqueue,
  nextDue,
  release,
  settle,
  type Watermark,
} from '../../src/store/outbox.ts';
import { attemptsOf } from '../../src/store/deadLetters.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventRow, uploadRow } from '../support/rows.ts';

let t: TestDatabase;
beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.drop());
beforeEach(() => t.query('truncate outbox, attempts'));

const ago = (seconds: number): Date => new Date(Date.now() - seconds * 1000);
const ahead = (seconds: number): Date => ago(-seconds);
const claimUploads = (owner = 'me', limit = 50): Promise<ClaimedRow[]> =>
  claim(t.db, { account: 'acme-crm', kinds: ['upload'], limit, owner, leaseSeconds: 120 });
const claimEvents = (owner = 'me', limit = 50): Promise<ClaimedRow[]> =>
  claim(t.db, { account: 'acme-crm', kinds: ['event'], limit, owner, leaseSeconds: 120 });
const ids = (rows: ClaimedRow[]): string[] => rows.map((row) => row.externalId);
const endLeases = (): Promise<unknown> => t.query(`update outbox set lease_until = now() - interval '1 second'`);
const done = (row: ClaimedRow) => ({
  id: row.id,
  leaseEpoch: row.leaseEpoch,
  outcome: 'done' as const,
  status: 200,
  latencyMs: 5,
});

async function claimOne(): Promise<ClaimedRow> {
  const [row] = await claimUploads('me', 1);
  if (!row) throw new Error('nothing to claim');
  return row;
}

/** When the watermark was set, as it sees it: its second must not pass by itself on a slow machine. */
function setMark(watermark: Watermark, setAt: number): void {
  const mark = watermark.marks.get('upload');
  if (!mark) throw new Error('no mark');
  mark.setAt = setAt;
}

describe('enqueue', () => {
  test('returns how many rows are really new, and leaves the first payload of a key alone', async () => {
    expect(await enqueue(t.db, [uploadRow('a'), uploadRow('b')])).toBe(2);
    expect(await enqueue(t.db, [uploadRow('b', { payload: '"other"' }), uploadRow('c')])).toBe(1);
    const rows = await claimUploads();
    expect(rows.map((row) => row.payload)).toEqual(['a', 'b', 'c'].map((externalId) => JSON.stringify({ externalId })));
  });

  test('takes the same key once per account and kind', async () => {
    const rows = [
      uploadRow('a'),
      uploadRow('a'),
      uploadRow('a', { account: 'other-crm' }),
      uploadRow('a', { kind: 'event' }),
    ];
    expect(await enqueue(t.db, rows)).toBe(3);
  });

  test.each(['done', 'dead', 'expired', 'discarded', 'waiting'])(
    'does not take a key again whose row is %s',
    async (state) => {
      await enqueue(t.db, [uploadRow('a')]);
      await t.query('update outbox set state = $1', [state]);
      expect(await enqueue(t.db, [uploadRow('a')])).toBe(0);
    },
  );

  test('takes nothing, and more rows than one statement carries', async () => {
    expect(await enqueue(t.db, [])).toBe(0);
    const many = Array.from({ length: 2_500 }, (_, n) => uploadRow(`n${n}`));
    expect(await enqueue(t.db, many)).toBe(2_500);
  });

  test('keeps a payload byte for byte, a NUL apart', async () => {
    const payload = '{"b":1, "a":"\\u0000 Ё 😀 \\\\u0000"}';
    await enqueue(t.db, [uploadRow('a', { payload }), uploadRow('b', { payload: 'x\0y' })]);
    expect((await claimUploads()).map((row) => row.payload)).toEqual([payload, 'x\ufffdy']);
  });
});

describe('claim', () => {
  test('gives the oldest due rows of the account first and leaves later and foreign ones', async () => {
    await enqueue(t.db, [
      uploadRow('young', { dueAt: ago(10) }),
      uploadRow('old', { dueAt: ago(30) }),
      uploadRow('future', { dueAt: ahead(60) }),
      uploadRow('foreign', { dueAt: ago(99), account: 'other-crm' }),
      uploadRow('waiting', { dueAt: ago(99), state: 'waiting' }),
    ]);
    expect(ids(await claimUploads())).toEqual(['old', 'young']);
  });

  test('tells everything the sender needs', async () => {
    const dueAt = ago(5);
    const expiresAt = ahead(5);
    await enqueue(t.db, [eventRow('c1', 'in', { dueAt, expiresAt, codes: ['101', '102'] })]);
    expect(await claimEvents()).toEqual([
      expect.objectContaining({
        id: expect.stringMatching(/^\d+$/),
        kind: 'event',
        externalId: 'c1/in',
        callId: 'c1',
        type: 'in',
        codes: ['101', '102'],
        attempts: 0,
        createdAt: expect.any(Date),
        dueAt,
        expiresAt,
        leaseEpoch: '1',
      }),
    ]);
  });

  test('six claimers at once get disjoint rows, and all of them', async () => {
    await enqueue(
      t.db,
      Array.from({ length: 360 }, (_, n) => uploadRow(`n${n}`)),
    );
    const shares = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((owner) => claimUploads(owner, 60)));
    const taken = shares.flat().map((row) => row.id);
    expect(new Set(taken).size).toBe(taken.length);
    // A claimer passes over rows another one is just locking, so a second round may be needed to get the rest.
    taken.push(...(await claimUploads('g', 360)).map((row) => row.id));
    expect(new Set(taken).size).toBe(360);
    expect(taken).toHaveLength(360);
  });

  test('gives a row again when its lease has ended, under a higher epoch', async () => {
    await enqueue(t.db, [uploadRow('a')]);
    expect((await claimUploads('first'))[0]?.leaseEpoch).toBe('1');
    expect(await claimUploads('second')).toEqual([]);
    await endLeases();
    expect((await claimUploads('second'))[0]?.leaseEpoch).toBe('2');
  });

  test('takes the kinds in the order asked for and no more than the limit', async () => {
    await enqueue(t.db, [
      uploadRow('u1', { dueAt: ago(50) }),
      uploadRow('u2', { dueAt: ago(40) }),
      eventRow('c', 'in'),
    ]);
    const options = { account: 'acme-crm', limit: 2, owner: 'me', leaseSeconds: 120 };
    expect(ids(await claim(t.db, { ...options, kinds: ['event', 'upload'] }))).toEqual(['c/in', 'u1']);
  });

  test('never gives an event while an older one of its call is open', async () => {
    await enqueue(t.db, [eventRow('c1', 'in'), eventRow('c1', 'hangup', { type: 'hangup' }), eventRow('c2', 'in')]);
    const first = await claimEvents();
    expect(ids(first)).toEqual(['c1/in', 'c2/in']);
    expect(await claimEvents()).toEqual([]);
    await settle(t.db, 'me', first.map(done));
    expect(ids(await claimEvents())).toEqual(['c1/hangup']);
  });

  test('a hangup due before its popup still waits for it', async () => {
    await enqueue(t.db, [eventRow('c1', 'in', { dueAt: ahead(60) }), eventRow('c1', 'hangup', { dueAt: ago(60) })]);
    expect(await claimEvents()).toEqual([]);
  });

  test.each(['done', 'dead', 'expired', 'discarded'])('a popup that is %s lets the hangup go', async (state) => {
    await enqueue(t.db, [eventRow('c1', 'in'), eventRow('c1', 'hangup')]);
    await t.query(`update outbox set state = $1 where external_id = 'c1/in'`, [state]);
    expect(ids(await claimEvents())).toEqual(['c1/hangup']);
  });

  test('an upload of the same call waits for no event, and a bad row for no neighbour', async () => {
    await enqueue(t.db, [eventRow('c1', 'in'), uploadRow('c1'), uploadRow('c2')]);
    const [bad] = await claimUploads('me', 1);
    if (!bad) throw new Error('nothing claimed');
    const { id, leaseEpoch } = bad;
    const reason = 'reset';
    await settle(t.db, 'me', [
      { id, leaseEpoch, outcome: 'later', retryAt: ahead(60), status: null, reason, latencyMs: 1, countAttempt: true },
    ]);
    expect(ids(await claimUploads())).toEqual(['c2']);
  });

  test('with a watermark it finds rows that turn up before the mark as soon as the rest runs short', async () => {
    await enqueue(
      t.db,
      [1, 2, 3, 4].map((n) => uploadRow(`n${n}`, { dueAt: ago(50 - n) })),
    );
    const watermark = createWatermark();
    const options = { account: 'acme-crm', kinds: ['upload' as const], owner: 'me', leaseSeconds: 120, watermark };
    expect(ids(await claim(t.db, { ...options, limit: 2 }))).toEqual(['n1', 'n2']);
    setMark(watermark, Infinity);
    await enqueue(t.db, [uploadRow('early', { dueAt: ago(99) })]);
    expect(ids(await claim(t.db, { ...options, limit: 2 }))).toEqual(['n3', 'n4']);
    expect(ids(await claim(t.db, { ...options, limit: 2 }))).toEqual(['early']);
  });

  test('with a watermark under a standing backlog it looks at the head again after a second', async () => {
    await enqueue(
      t.db,
      [1, 2, 3, 4, 5].map((n) => uploadRow(`n${n}`, { dueAt: ago(50 - n) })),
    );
    const watermark = createWatermark();
    const options = {
      account: 'acme-crm',
      kinds: ['upload' as const],
      limit: 1,
      owner: 'me',
      leaseSeconds: 120,
      watermark,
    };
    await claim(t.db, options);
    setMark(watermark, Infinity);
    await claim(t.db, options);
    await enqueue(t.db, [uploadRow('early', { dueAt: ago(99) })]);
    expect(ids(await claim(t.db, options))).toEqual(['n3']);
    setMark(watermark, performance.now() - 1_000);
    expect(ids(await claim(t.db, options))).toEqual(['early']);
  });
});

describe('settle', () => {
  test('outcomes that are refused together leave all their rows as they were: none is written behind its lane', async () => {
    await enqueue(t.db, [uploadRow('good', { dueAt: ago(2) }), uploadRow('bad', { dueAt: ago(1) })]);
    const [good, bad] = await claimUploads();
    if (!good || !bad) throw new Error('two rows expected');
    const { id, leaseEpoch } = bad;
    // No column takes this status.
    const refused = { id, leaseEpoch, outcome: 'dead', status: 2 ** 40, reason: 'x', latencyMs: 1 } as const;
    await expect(settle(t.db, 'me', [done(good), refused])).rejects.toThrow();
    expect(await settle(t.db, 'me', [done(good)])).toEqual([good.id]);
  });

  test('writes every outcome down, and each attempt', async () => {
    await enqueue(
      t.db,
      ['done', 'later', 'dead', 'expired'].map((name, n) => uploadRow(name, { dueAt: ago(9 - n) })),
    );
    const [a, b, c, d] = await claimUploads();
    if (!a || !b || !c || !d) throw new Error('four rows expected');
    const key = (row: ClaimedRow) => ({ id: row.id, leaseEpoch: row.leaseEpoch });
    const retryAt = ahead(30);
    const settled = await settle(t.db, 'me', [
      { ...key(a), outcome: 'done', status: 200, reply: '{"success":true}', latencyMs: 12.4 },
      { ...key(b), outcome: 'later', retryAt, status: 503, reason: 'busy', latencyMs: 3, countAttempt: true },
      { ...key(c), outcome: 'dead', status: 400, reason: 'no such type', errors: { type: 'bad' }, latencyMs: 4 },
      { ...key(d), outcome: 'expired', reason: 'ring ended' },
    ]);
    expect(settled).toHaveLength(4);
    const rows = await t.query(
      'select external_id, state, attempts, status, reason, reply, errors, lease_owner, settled_at is not null as settled from outbox order by id',
    );
    const free = { lease_owner: null };
    const blank = { status: null, reason: null, reply: null, errors: null };
    expect(rows).toEqual([
      {
        ...blank,
        ...free,
        external_id: 'done',
        state: 'done',
        attempts: 1,
        status: 200,
        reply: '{"success":true}',
        settled: true,
      },
      {
        ...blank,
        ...free,
        external_id: 'later',
        state: 'pending',
        attempts: 1,
        status: 503,
        reason: 'busy',
        settled: false,
      },
      {
        ...blank,
        ...free,
        external_id: 'dead',
        state: 'dead',
        attempts: 1,
        status: 400,
        reason: 'no such type',
        errors: { type: 'bad' },
        settled: true,
      },
      { ...blank, ...free, external_id: 'expired', state: 'expired', attempts: 0, reason: 'ring ended', settled: true },
    ]);
    expect(await attemptsOf(t.db, a.id)).toEqual([
      { at: expect.any(Date), outcome: 'done', status: 200, latencyMs: 12, reason: null },
    ]);
    expect(await attemptsOf(t.db, d.id)).toEqual([
      { at: expect.any(Date), outcome: 'expired', status: null, latencyMs: null, reason: 'ring ended' },
    ]);
    expect(await nextDue(t.db, 'acme-crm')).toEqual(retryAt);
  });

  test('an attempt that does not count leaves the number alone', async () => {
    await enqueue(t.db, [uploadRow('a')]);
    const { id, leaseEpoch } = await claimOne();
    const later = { id, leaseEpoch, outcome: 'later' as const, status: 429, reason: 'slow down', latencyMs: 1 };
    await settle(t.db, 'me', [{ ...later, retryAt: ago(1), countAttempt: false }]);
    expect((await claimOne()).attempts).toBe(0);
  });

  test('a retry years ahead comes back within a day', async () => {
    await enqueue(t.db, [uploadRow('a')]);
    const { id, leaseEpoch } = await claimOne();
    const retryAt = new Date('2199-01-01');
    await settle(t.db, 'me', [
      { id, leaseEpoch, outcome: 'later', retryAt, status: null, reason: 'clock', latencyMs: 1, countAttempt: true },
    ]);
    const next = await nextDue(t.db, 'acme-crm');
    expect(next?.getTime()).toBeLessThan(ahead(24 * 3600 + 60).getTime());
  });

  test('a stale epoch changes nothing, whatever the outcome', async () => {
    await enqueue(t.db, [uploadRow('a')]);
    const stale = await claimOne();
    await endLeases();
    const fresh = await claimOne();
    const { id, leaseEpoch } = stale;
    const common = { id, leaseEpoch, status: 400, reason: 'x', latencyMs: 1 };
    expect(await settle(t.db, 'me', [done(stale)])).toHaveLength(0);
    expect(await settle(t.db, 'me', [{ ...common, outcome: 'dead' }])).toHaveLength(0);
    expect(
      await settle(t.db, 'me', [{ ...common, outcome: 'later', retryAt: ahead(1), countAttempt: true }]),
    ).toHaveLength(0);
    expect(await settle(t.db, 'me', [{ id, leaseEpoch, outcome: 'expired', reason: 'x' }])).toHaveLength(0);
    await release(t.db, 'me', [stale]);
    expect(await attemptsOf(t.db, id)).toEqual([]);
    expect(await settle(t.db, 'me', [done(fresh)])).toHaveLength(1);
  });

  test('another owner changes nothing, nor does the owner twice', async () => {
    await enqueue(t.db, [uploadRow('a')]);
    const row = await claimOne();
    expect(await settle(t.db, 'somebody', [done(row)])).toHaveLength(0);
    expect(await settle(t.db, 'me', [done(row)])).toHaveLength(1);
    expect(await settle(t.db, 'me', [done(row)])).toHaveLength(0);
  });

  test('the owner may settle after his lease ended as long as nobody else took the row', async () => {
    await enqueue(t.db, [uploadRow('a')]);
    const row = await claimOne();
    await endLeases();
    expect(await settle(t.db, 'me', [done(row)])).toHaveLength(1);
  });

  test('settles nothing when there is nothing', async () => {
    expect(await settle(t.db, 'me', [])).toHaveLength(0);
  });
});

describe('release', () => {
  test('gives a row to the next claimer at once, without an attempt', async () => {
    await enqueue(t.db, [uploadRow('a')]);
    await release(t.db, 'me', [await claimOne()]);
    const [again] = await claimUploads('other');
    expect(again).toMatchObject({ externalId: 'a', attempts: 0, leaseEpoch: '2' });
  });
});

describe('nextDue', () => {
  test('is null when nothing is open', async () => {
    await enqueue(t.db, [uploadRow('w', { state: 'waiting' }), uploadRow('foreign', { account: 'other-crm' })]);
    expect(await nextDue(t.db, 'acme-crm')).toBeNull();
  });

  test('is the earliest of all kinds', async () => {
    const [soon, late] = [ahead(30), ahead(60)];
    await enqueue(t.db, [uploadRow('u', { dueAt: late }), eventRow('c', 'in', { dueAt: soon })]);
    expect(await nextDue(t.db, 'acme-crm')).toEqual(soon);
  });

  test('of a claimed row is the end of its lease', async () => {
    await enqueue(t.db, [uploadRow('a')]);
    await claimOne();
    const next = await nextDue(t.db, 'acme-crm');
    expect(next?.getTime()).toBeGreaterThan(ahead(100).getTime());
  });

  test('does not count an event behind an older one: the worker would wake for nothing', async () => {
    const popupAt = ahead(60);
    await enqueue(t.db, [eventRow('c', 'in', { dueAt: popupAt }), eventRow('c', 'hangup', { dueAt: ago(60) })]);
    expect(await nextDue(t.db, 'acme-crm')).toEqual(popupAt);
  });
});

test('counts tells each account, kind and state', async () => {
  await enqueue(t.db, [uploadRow('a'), uploadRow('b'), eventRow('c', 'in'), uploadRow('d', { account: 'other-crm' })]);
  await settle(t.db, 'me', [done(await claimOne())]);
  const line = { count: 1, oldest: expect.any(Date) };
  expect(await counts(t.db, 'acme-crm')).toEqual([
    { ...line, account: 'acme-crm', kind: 'event', state: 'pending' },
    { ...line, account: 'acme-crm', kind: 'upload', state: 'done' },
    { ...line, account: 'acme-crm', kind: 'upload', state: 'pending' },
  ]);
  expect(await counts(t.db)).toHaveLength(4);
});
