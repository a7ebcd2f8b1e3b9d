import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { claim, enqueue } from '../../src/store/outbox.ts';
import { takeBack } from '../../src/store/takeBack.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventRow, uploadRow } from '../support/rows.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(() => database.query('truncate outbox'));

/** An upload, a popup and a hangup, all being sent by this owner. */
async function held(owner: string): Promise<void> {
  await enqueue(database.db, [
    uploadRow('pbx1-1.0'),
    eventRow('pbx1-2.0', 'in'),
    eventRow('pbx1-3.0', 'hangup', { type: 'hangup' }),
  ]);
  const rows = await claim(database.db, {
    account: 'acme-crm',
    kinds: ['event', 'upload'],
    limit: 10,
    owner,
    leaseSeconds: 120,
  });
  expect(rows).toHaveLength(3);
}

function states(): Promise<Record<string, unknown>[]> {
  return database.query('select kind, type, state, lease_owner as owner from outbox order by id');
}

describe('what a killed run of this instance was sending', () => {
  test('records and hangups are free at once, a popup that may have been shown is given up', async () => {
    await held('pbx-host/100/a');
    expect(await takeBack(database.db, 'acme-crm', 'pbx-host/', 'pbx-host/200/b')).toEqual({ freed: 2, popups: 1 });
    expect(await states()).toEqual([
      { kind: 'upload', type: null, state: 'pending', owner: null },
      { kind: 'event', type: 'in', state: 'expired', owner: 'pbx-host/100/a' },
      { kind: 'event', type: 'hangup', state: 'pending', owner: null },
    ]);
  });

  test.each([
    { name: 'its own rows', owner: 'pbx-host/200/b' },
    { name: 'the rows of another instance', owner: 'standby/100/a' },
  ])('$name are left alone', async ({ owner }) => {
    await held(owner);
    expect(await takeBack(database.db, 'acme-crm', 'pbx-host/', 'pbx-host/200/b')).toEqual({ freed: 0, popups: 0 });
    expect((await states()).map((row) => row['owner'])).toEqual([owner, owner, owner]);
  });
});
