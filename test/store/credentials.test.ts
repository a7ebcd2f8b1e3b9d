import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  dropOldCredentials,
  ensureCredentials,
  markRegistered,
  readCredentials,
  rotateCredentials,
} from '../../src/store/credentials.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** Ids of the valid pairs, newest first. */
async function valid(enterprise: string): Promise<string[]> {
  return (await readCredentials(database.db, [enterprise])).map(({ id }) => id);
}

describe('credentials', () => {
  test('an enterprise that was never registered has none', async () => {
    expect(await valid('nobody')).toEqual([]);
    expect(await readCredentials(database.db, [])).toEqual([]);
  });

  test('the first pair is made once, however many ask for it', async () => {
    const pairs = await Promise.all(Array.from({ length: 8 }, () => ensureCredentials(database.db, 'first')));
    expect(new Set(pairs.map(({ id }) => id)).size).toBe(1);
    expect(await valid('first')).toEqual([pairs[0]?.id]);
  });

  test('both secrets are random, at least 32 characters and fit for a URL', async () => {
    const a = await ensureCredentials(database.db, 'random-a');
    const b = await ensureCredentials(database.db, 'random-b');
    const secrets = [a.clientId, a.pathToken, b.clientId, b.pathToken];
    for (const secret of secrets) expect(secret).toMatch(/^[A-Za-z0-9_-]{32,}$/);
    expect(new Set(secrets).size).toBe(4);
  });

  test('rotation: both pairs are valid until the old one is dropped', async () => {
    const old = await ensureCredentials(database.db, 'overlap');
    await markRegistered(database.db, old.id);
    const fresh = await rotateCredentials(database.db, 'overlap');
    expect(fresh.clientId).not.toBe(old.clientId);
    expect(fresh.pathToken).not.toBe(old.pathToken);
    expect(await valid('overlap')).toEqual([fresh.id, old.id]);
    await markRegistered(database.db, fresh.id);
    expect(await dropOldCredentials(database.db, 'overlap')).toBe(1);
    expect(await valid('overlap')).toEqual([fresh.id]);
  });

  test('a pair the CRM has not taken is given again: the older one is all the CRM knows', async () => {
    const old = await ensureCredentials(database.db, 'untaken');
    await markRegistered(database.db, old.id);
    const fresh = await rotateCredentials(database.db, 'untaken');
    expect((await rotateCredentials(database.db, 'untaken')).id).toBe(fresh.id);
    expect(await dropOldCredentials(database.db, 'untaken')).toBeUndefined();
    expect(await valid('untaken')).toEqual([fresh.id, old.id]);
  });

  test('without a module nobody must take a pair: it is in force at once, and the old one may go', async () => {
    const old = await ensureCredentials(database.db, 'no-module');
    const fresh = await rotateCredentials(database.db, 'no-module', 'nobody');
    expect(await valid('no-module')).toEqual([fresh.id, old.id]);
    expect((await rotateCredentials(database.db, 'no-module', 'nobody')).id).not.toBe(fresh.id);
    expect(await dropOldCredentials(database.db, 'no-module', 'nobody')).toBe(1);
    expect(await valid('no-module')).toHaveLength(1);
  });

  test('never more than two: the second rotation ends the first overlap', async () => {
    const ids: string[] = [];
    for (let round = 0; round < 3; round++) {
      const pair = await rotateCredentials(database.db, 'thrice');
      await markRegistered(database.db, pair.id);
      ids.unshift(pair.id);
    }
    expect(await valid('thrice')).toEqual(ids.slice(0, 2));
  });

  test('one enterprise does not touch another', async () => {
    const mine = await ensureCredentials(database.db, 'mine');
    const theirs = await ensureCredentials(database.db, 'theirs');
    await markRegistered(database.db, mine.id);
    await rotateCredentials(database.db, 'mine');
    await markRegistered(database.db, (await ensureCredentials(database.db, 'mine')).id);
    await dropOldCredentials(database.db, 'mine');
    expect(await valid('theirs')).toEqual([theirs.id]);
    expect(await dropOldCredentials(database.db, 'theirs')).toBeUndefined();
    expect(await dropOldCredentials(database.db, 'nobody')).toBe(0);
  });
});
