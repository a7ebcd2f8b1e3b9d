/** The drop ledger: calls that are not sent to the CRM, each with its reason code. */
import { sql } from 'kysely';
import type { Db } from './database.ts';
import { chunks, jsonOrNull, text, textOrNull } from './values.ts';

/** One call left out. */
export interface DropRow {
  enterprise: string;
  host: string;
  linkedid: string;
  /** Null when the call has no customer's channel. */
  externalId: string | null;
  /** Reason code: `internal`, `blacklisted`, … */
  reason: string;
  at: Date;
  /** What a person needs to understand it, as JSON. */
  detail: unknown;
}

/** Which drops. `since` is included. */
export interface DropFilter {
  enterprise?: string;
  host?: string;
  reason?: string;
  since?: Date;
}

/** Notes drops; one already noted for the same call and reason is left alone. */
export async function recordDrops(db: Db, rows: DropRow[]): Promise<void> {
  for (const part of chunks(rows, 1_000)) {
    await db
      .insertInto('drops')
      .values(
        part.map((row) => ({
          enterprise: row.enterprise,
          host: row.host,
          linkedid: text(row.linkedid),
          external_id: textOrNull(row.externalId),
          reason: row.reason,
          at: row.at,
          detail: jsonOrNull(row.detail),
        })),
      )
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}

/** Drops, newest first. */
export function listDrops(db: Db, filter: DropFilter & { limit: number }): Promise<DropRow[]> {
  return filtered(db, filter)
    .select(['enterprise', 'host', 'linkedid', 'external_id as externalId', 'reason', 'at', 'detail'])
    .orderBy('at', 'desc')
    .orderBy('id', 'desc')
    .limit(filter.limit)
    .execute();
}

/** How many drops each reason has, most first. */
export async function countDrops(db: Db, filter: DropFilter = {}): Promise<{ reason: string; count: number }[]> {
  const rows = await filtered(db, filter)
    .select((eb) => ['reason', eb.fn.countAll<string>().as('count')])
    .groupBy('reason')
    .orderBy(sql`count(*)`, 'desc')
    .orderBy('reason')
    .execute();
  return rows.map((row) => ({ reason: row.reason, count: Number(row.count) }));
}

function filtered(db: Db, filter: DropFilter) {
  let query = db.selectFrom('drops');
  if (filter.enterprise !== undefined) query = query.where('enterprise', '=', filter.enterprise);
  if (filter.host !== undefined) query = query.where('host', '=', filter.host);
  if (filter.reason !== undefined) query = query.where('reason', '=', filter.reason);
  if (filter.since) query = query.where('at', '>=', filter.since);
  return query;
}
