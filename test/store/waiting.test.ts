import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { claim, enqueue, freeze, waiting, withdrawPopups } from '../../src/store/outbox.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventRow, uploadRow } from '../support/rows.ts';

let t: TestDatabase;
beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.drop());
beforeEach(() => t.query('truncate outbox'));

const claimAll = () =>
  claim(t.db, { account: 'acme-crm', kinds: ['event', 'upload'], limit: 50, owner: 'me', leaseSeconds: 120 });

describe('an upload that waits for its recording', () => {
  const dueAt = new Date(Date.now() - 1000);
  const upload = { account: 'acme-crm', externalId: 'a', payload: '{"recordUrl":"x"}', dueAt };

  test('is listed for its enterprise, and is not claimed though it is due', async () => {
    await enqueue(t.db, [
      uploadRow('a', { state: 'waiting', dueAt }),
      uploadRow('b', { enterprise: 'other', state: 'waiting' }),
    ]);
    expect(await claimAll()).toEqual([]);
    expect(await waiting(t.db, 'acme')).toEqual([
      {
        account: 'acme-crm',
        externalId: 'a',
        callId: 'a',
        payload: '{"externalId":"a"}',
        createdAt: expect.any(Date),
        dueAt,
      },
    ]);
  });

  test('goes with its final payload, which is set once', async () => {
    await enqueue(t.db, [uploadRow('a', { state: 'waiting' })]);
    expect(await freeze(t.db, upload)).toBe(true);
    expect(await freeze(t.db, { ...upload, payload: '"late"' })).toBe(false);
    expect(await claimAll()).toEqual([
      expect.objectContaining({ externalId: 'a', payload: '{"recordUrl":"x"}', dueAt }),
    ]);
    expect(await waiting(t.db, 'acme')).toEqual([]);
  });

  test('of two that freeze it at once, one does', async () => {
    await enqueue(t.db, [uploadRow('a', { state: 'waiting' })]);
    const won = await Promise.all([freeze(t.db, upload), freeze(t.db, { ...upload, payload: '"b"' })]);
    expect(won.filter(Boolean)).toHaveLength(1);
  });

  test('a row that never waited, or does not exist, is not frozen', async () => {
    await enqueue(t.db, [uploadRow('a')]);
    expect(await freeze(t.db, upload)).toBe(false);
    expect(await freeze(t.db, { ...upload, externalId: 'nobody' })).toBe(false);
  });
});

describe('a popup whose ring ended', () => {
  const ring = { account: 'acme-crm', callId: 'c1', codes: ['101'], reason: 'ring ended' };
  const both = eventRow('c1', 'in', {
    codes: ['101', '102'],
    payload: '{"type":"in","codes":["101","102"],"phone":"+375290000001"}',
  });
  const state = async (): Promise<unknown> =>
    (await t.query('select state, reason, codes, payload from outbox order by id'))[0];

  test('loses the extension, in the payload too, whose other keys keep their order', async () => {
    await enqueue(t.db, [both]);
    await withdrawPopups(t.db, ring);
    expect(await claimAll()).toEqual([
      expect.objectContaining({ codes: ['102'], payload: '{"type":"in","codes":["102"],"phone":"+375290000001"}' }),
    ]);
  });

  test('expires when nobody is left, with the reason and its payload as it was', async () => {
    await enqueue(t.db, [both]);
    await withdrawPopups(t.db, ring);
    await withdrawPopups(t.db, { ...ring, codes: ['102', '103'] });
    expect(await claimAll()).toEqual([]);
    expect(await state()).toMatchObject({ state: 'expired', reason: 'ring ended', codes: [] });
  });

  test.each([
    ['is being sent', () => claimAll()],
    ['was sent', () => t.query(`update outbox set state = 'done'`)],
    ['belongs to another call', () => t.query(`update outbox set call_id = 'c2'`)],
    ['belongs to another account', () => t.query(`update outbox set account = 'other-crm'`)],
    ['is a hangup', () => t.query(`update outbox set type = 'hangup'`)],
    ['never named the extension', () => t.query(`update outbox set codes = '{102}'`)],
  ])('stays as it is when it %s', async (_name, arrange) => {
    await enqueue(t.db, [both]);
    await arrange();
    const before = await state();
    await withdrawPopups(t.db, ring);
    expect(await state()).toEqual(before);
  });

  test('with a payload edited by hand loses the extension in the column and nothing breaks', async () => {
    await enqueue(t.db, [
      { ...both, payload: 'not json' },
      eventRow('c1', 'in2', { codes: ['101', '104'], payload: '[]' }),
    ]);
    await withdrawPopups(t.db, ring);
    expect(await t.query('select codes, payload from outbox order by id')).toEqual([
      { codes: ['102'], payload: 'not json' },
      { codes: ['104'], payload: '[]' },
    ]);
  });

  test('is withdrawn in the transaction of the call, or not at all', async () => {
    await enqueue(t.db, [both]);
    const before = await state();
    const failed = t.db.transaction().execute(async (trx) => {
      await withdrawPopups(trx, ring);
      throw new Error('the call was not saved');
    });
    await expect(failed).rejects.toThrow('the call was not saved');
    expect(await state()).toEqual(before);
  });
});
