/** Webhooks nobody will send any more. */
import { sql } from 'kysely';
import type { Db } from './database.ts';

/** Makes dead letters of a receiver's rows that were tried for as long as they live. Returns how many. */
export async function giveUpWebhooks(db: Db, account: string): Promise<number> {
  const result = await db
    .updateTable('outbox')
    .set({
      state: 'dead',
      settled_at: sql<Date>`now()`,
      reason: sql<string>`'given up after 3 days' || coalesce(': ' || reason, '')`,
      lease_owner: null,
      lease_until: null,
    })
    .where('account', '=', account)
    .where('kind', '=', sql<'webhook'>`'webhook'`)
    .where(sql<boolean>`state = 'pending' and expires_at <= now() and (lease_until is null or lease_until <= now())`)
    .executeTakeFirst();
  return Number(result.numUpdatedRows);
}

/** Makes dead letters of the rows of an enterprise's receivers that are none of `accounts` any more. Returns how many. */
export async function giveUpOthers(db: Db, enterprise: string, accounts: readonly string[]): Promise<number> {
  const result = await db
    .updateTable('outbox')
    .set({
      state: 'dead',
      settled_at: sql<Date>`now()`,
      reason: sql<string>`'the receiver is no longer configured'`,
      lease_owner: null,
      lease_until: null,
    })
    .where('enterprise', '=', enterprise)
    .where('kind', '=', sql<'webhook'>`'webhook'`)
    .where(sql<boolean>`state = 'pending'`)
    .where(sql<boolean>`account <> all(${[...accounts]}::text[])`)
    .executeTakeFirst();
  return Number(result.numUpdatedRows);
}
