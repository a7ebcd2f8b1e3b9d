import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { discardDead, listDead, retryDead, showDead } from '../../src/store/deadLetters.ts';
import { claim, enqueue, settle } from '../../src/store/outbox.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { uploadRow } from '../support/rows.ts';

let t: TestDatabase;
let letter: string;
beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.drop());
beforeEach(async () => {
  await t.query('truncate outbox, attempts');
  await enqueue(t.db, [uploadRow('bad'), uploadRow('foreign', { enterprise: 'other' })]);
  const rows = await claimAll();
  const refusal = {
    outcome: 'dead' as const,
    status: 400,
    reason: 'type is wrong',
    errors: { type: 'wrong' },
    latencyMs: 20,
  };
  await settle(
    t.db,
    'me',
    rows.map(({ id, leaseEpoch }) => ({ ...refusal, id, leaseEpoch })),
  );
  await enqueue(t.db, [uploadRow('good')]);
  const [first] = await listDead(t.db, { enterprise: 'acme', limit: 10 });
  if (!first) throw new Error('no dead letter');
  letter = first.id;
});

const claimAll = () =>
  claim(t.db, { account: 'acme-crm', kinds: ['upload'], limit: 50, owner: 'me', leaseSeconds: 120 });
const dead = async (): Promise<string[]> => (await listDead(t.db, { limit: 10 })).map((row) => row.externalId);

test('a list of dead letters tells what and why, and holds no payload', async () => {
  expect(await listDead(t.db, { enterprise: 'acme', limit: 10 })).toEqual([
    {
      id: letter,
      enterprise: 'acme',
      account: 'acme-crm',
      host: 'pbx1',
      kind: 'upload',
      type: null,
      externalId: 'bad',
      callId: 'bad',
      status: 400,
      reason: 'type is wrong',
      attempts: 1,
      createdAt: expect.any(Date),
      diedAt: expect.any(Date),
    },
  ]);
  expect(await listDead(t.db, { limit: 1 })).toHaveLength(1);
});

test('a dead letter shows its payload, the errors and what was tried', async () => {
  expect(await showDead(t.db, letter)).toMatchObject({
    state: 'dead',
    payload: '{"externalId":"bad"}',
    errors: { type: 'wrong' },
    note: null,
    tried: [{ outcome: 'dead', status: 400, latencyMs: 20, reason: 'type is wrong' }],
  });
});

describe('retry', () => {
  test('sends the same payload again at once, with its history kept', async () => {
    expect(await retryDead(t.db, [letter])).toBe(1);
    expect(await dead()).toEqual(['foreign']);
    expect(await claimAll()).toEqual([
      expect.objectContaining({ externalId: 'good' }),
      expect.objectContaining({ externalId: 'bad', payload: '{"externalId":"bad"}', attempts: 1, leaseEpoch: '2' }),
    ]);
  });

  test.each([
    ['all letters', 'all' as const, {}, 2],
    ['all letters of one enterprise', 'all' as const, { enterprise: 'acme' }, 1],
    ['no letter without an id', [], {}, 0],
    ['nothing that is no id', ['x', '-1', '1 or 1=1', '99999999999999999999'], {}, 0],
  ])('takes %s', async (_name, ids, filter, expected) => {
    expect(await retryDead(t.db, ids, filter)).toBe(expected);
  });

  test('takes a letter once, and not one of another enterprise', async () => {
    expect(await retryDead(t.db, [letter], { enterprise: 'other' })).toBe(0);
    expect(await retryDead(t.db, [letter, letter])).toBe(1);
    expect(await retryDead(t.db, [letter])).toBe(0);
  });
});

describe('discard', () => {
  test('keeps the letter with the note, out of the list and out of reach of a retry', async () => {
    expect(await discardDead(t.db, letter, 'a test call')).toBe(true);
    expect(await dead()).toEqual(['foreign']);
    expect(await retryDead(t.db, [letter])).toBe(0);
    expect(await showDead(t.db, letter)).toMatchObject({ state: 'discarded', note: 'a test call' });
  });

  test('the record of a discarded letter is not taken again', async () => {
    await discardDead(t.db, letter, '');
    expect(await enqueue(t.db, [uploadRow('bad')])).toBe(0);
  });

  test('is refused for a row that is not dead, or no row at all', async () => {
    const [good] = await claimAll();
    expect(await discardDead(t.db, good?.id ?? '', 'x')).toBe(false);
    expect(await showDead(t.db, good?.id ?? '')).toBeUndefined();
    expect(await discardDead(t.db, 'x', 'x')).toBe(false);
    expect(await showDead(t.db, 'x')).toBeUndefined();
  });
});
