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

/**
 * Notes drops and counts them; one already noted for the same call and reason is left alone. Call it in a transaction, so
 * that ledger and totals agree.
 */
export async function recordDrops(db: Db, rows: DropRow[]): Promise<void> {
  const totals = new Map<string, Omit<DropTotal, 'total'> & { total: number }>();
  for (const part of chunks(rows, 1_000)) {
    const noted = await db
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
      .returning(['enterprise', 'host', 'reason'])
      .execute();
    for (const one of noted) {
      const key = JSON.stringify([one.enterprise, one.host, one.reason]);
      totals.set(key, { ...one, total: (totals.get(key)?.total ?? 0) + 1 });
    }
  }
  if (totals.size === 0) return;
  // In one order everywhere: two writers of the same totals must not wait for each other crosswise.
  const ordered = [...totals].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
  await db
    .insertInto('drop_totals')
    .values(ordered)
    .onConflict((conflict) =>
      conflict.columns(['enterprise', 'host', 'reason']).doUpdateSet({
        total: sql<string>`drop_totals.total + excluded.total`,
      }),
    )
    .execute();
}

/** How many drops there ever were of one reason on one host: never falls, whatever becomes of the ledger's rows. */
export interface DropTotal {
  enterprise: string;
  host: string;
  reason: string;
  total: number;
}

/** The ledger as counters, for metrics: a few rows, whatever the ledger's size. */
export async function dropTotals(db: Db): Promise<DropTotal[]> {
  const rows = await db
    .selectFrom('drop_totals')
    .selectAll()
    .orderBy('enterprise')
    .orderBy('host')
    .orderBy('reason')
    .execute();
  return rows.map((row) => ({ ...row, total: Number(row.total) }));
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
