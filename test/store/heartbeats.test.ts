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
    await beat(database.db, 'acme', [{ host: 'pbx1' }, { host: 'pbx2' }]);
    const first = await lastBeat(database.db, 'acme', 'pbx1');
    await beat(database.db, 'acme', [{ host: 'pbx1' }]);
    const second = await lastBeat(database.db, 'acme', 'pbx1');
    const other = await lastBeat(database.db, 'acme', 'pbx2');
    expect(first).toEqual({ syncedAt: expect.any(Date), counted: null });
    expect(second?.syncedAt.getTime()).toBeGreaterThanOrEqual(first?.syncedAt.getTime() ?? Infinity);
    expect(other).toEqual(first);
  });

  test('what Asterisk counts is kept with its moment, and outlives a beat without it', async () => {
    await beat(database.db, 'acme', [{ host: 'pbx3', coreStart: '2026-11-01 08:00:00', coreCalls: 12 }]);
    const first = await lastBeat(database.db, 'acme', 'pbx3');
    expect(first?.counted).toEqual({ at: first?.syncedAt, start: '2026-11-01 08:00:00', calls: 12 });
    await beat(database.db, 'acme', [{ host: 'pbx3', coreStart: '2026-11-01 08:00:00' }]);
    expect((await lastBeat(database.db, 'acme', 'pbx3'))?.counted).toEqual(first?.counted);
  });

  test('no host in sync, nothing to write', async () => {
    await expect(beat(database.db, 'acme', [])).resolves.toBeUndefined();
  });
});
