/** How far the CRM's change histories were applied. Moved in the transaction of the effects: applied once, or not at all. */
import { sql } from 'kysely';
import type { Db } from './database.ts';

/** A change history of the CRM. */
export type HistoryStream = 'customers' | 'orders';

/** A place in a history. */
export interface Cursor {
  /** Account time of the first look: what happened before is not replayed. */
  startDate: string;
  /** Last applied row; null: none yet, the history is asked from `startDate`. */
  sinceId: number | null;
}

/** Where a history stands; undefined: it was never looked at. */
export async function readCursor(db: Db, enterprise: string, stream: HistoryStream): Promise<Cursor | undefined> {
  const row = await db
    .selectFrom('sync_cursors')
    .select(['start_date', 'since_id'])
    .where('enterprise', '=', enterprise)
    .where('stream', '=', stream)
    .executeTakeFirst();
  return row && { startDate: row.start_date, sinceId: row.since_id === null ? null : Number(row.since_id) };
}

/** Begins a history at `startDate` (account time). One that has begun, and earlier, stays as it is. */
export async function beginCursor(
  db: Db,
  enterprise: string,
  stream: HistoryStream,
  startDate: string,
): Promise<Cursor> {
  const row = await db
    .insertInto('sync_cursors')
    .values({ enterprise, stream, start_date: startDate })
    .onConflict((conflict) =>
      conflict.columns(['enterprise', 'stream']).doUpdateSet({
        // As text: the format sorts like the time it names.
        start_date: sql<string>`least(sync_cursors.start_date, excluded.start_date)`,
      }),
    )
    .returning(['start_date', 'since_id'])
    .executeTakeFirstOrThrow();
  return { startDate: row.start_date, sinceId: row.since_id === null ? null : Number(row.since_id) };
}

/** Moves a history from where it was read. False: somebody else moved it meanwhile, and nothing may be applied. */
export async function moveCursor(
  db: Db,
  enterprise: string,
  stream: HistoryStream,
  from: number | null,
  to: number,
): Promise<boolean> {
  const result = await db
    .updateTable('sync_cursors')
    .set({ since_id: String(to), updated_at: sql<Date>`now()` })
    .where('enterprise', '=', enterprise)
    .where('stream', '=', stream)
    .where(sql<boolean>`since_id is not distinct from ${from}::bigint`)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}
