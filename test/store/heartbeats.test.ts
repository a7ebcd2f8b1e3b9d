import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { beat, lastBeat } from '../../src/store/heartbeats.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

describe('heartbeats', () => {
  test('a host that was never in sync has none', async () => {
    expect(await lastBeat(database.db, 'acme', 'pbx9')).toBeUndefined();
  });

  test('each host keeps its last one', async () => {
    await beat(database.db, 'acme', ['pbx1', 'pbx2']);
    const first = await lastBeat(database.db, 'acme', 'pbx1');
    await beat(database.db, 'acme', ['pbx1']);
    const second = await lastBeat(database.db, 'acme', 'pbx1');
    const other = await lastBeat(database.db, 'acme', 'pbx2');
    expect(first).toBeInstanceOf(Date);
    expect(second?.getTime()).toBeGreaterThanOrEqual(first?.getTime() ?? Infinity);
    expect(other).toEqual(first);
  });

  test('no host in sync, nothing to write', async () => {
    await expect(beat(database.db, 'acme', [])).resolves.toBeUndefined();
  });
});
