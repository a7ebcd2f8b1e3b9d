/** Customers and orders that changed in the CRM and must be read again. */
import { sql } from 'kysely';
import type { Db } from './database.ts';

/** What a mark is on. */
export type DirtyKind = 'customer' | 'order';

/** One that must be read. */
export interface DirtyEntity {
  id: number;
  /** Goes back into `cleanDirty`: a mark that came meanwhile stays. */
  marks: number;
  failures: number;
}

/** Marks entities; one that is marked is marked once more, and its pause after a failure ends. */
export async function markDirty(db: Db, enterprise: string, kind: DirtyKind, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return;
  await db
    .insertInto('dirty_entities')
    // Sorted: two writers then lock in the same order.
    .values([...new Set(ids)].sort((a, b) => a - b).map((id) => ({ enterprise, kind, crm_id: String(id) })))
    .onConflict((conflict) =>
      conflict.columns(['enterprise', 'kind', 'crm_id']).doUpdateSet({
        marks: sql<string>`dirty_entities.marks + 1`,
        next_at: sql<Date>`now()`,
        failures: 0,
      }),
    )
    .execute();
}

/** The oldest marks that are due. */
export async function dueDirty(db: Db, enterprise: string, kind: DirtyKind, limit: number): Promise<DirtyEntity[]> {
  const rows = await db
    .selectFrom('dirty_entities')
    .select(['crm_id', 'marks', 'failures'])
    .where('enterprise', '=', enterprise)
    .where('kind', '=', kind)
    .where('next_at', '<=', sql<Date>`now()`)
    .orderBy('next_at')
    .orderBy('crm_id')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ id: Number(row.crm_id), marks: Number(row.marks), failures: row.failures }));
}

/** Takes the marks of what was read off, unless one came since. */
export async function cleanDirty(
  db: Db,
  enterprise: string,
  kind: DirtyKind,
  read: readonly Pick<DirtyEntity, 'id' | 'marks'>[],
): Promise<void> {
  if (read.length === 0) return;
  await db
    .deleteFrom('dirty_entities')
    .using(
      sql<{
        id: string;
        marks: string;
      }>`unnest(${read.map(({ id }) => id)}::bigint[], ${read.map(({ marks }) => marks)}::bigint[])`.as<'v'>(
        sql`v(id, marks)`,
      ),
    )
    .where('dirty_entities.enterprise', '=', enterprise)
    .where('dirty_entities.kind', '=', kind)
    .whereRef('dirty_entities.crm_id', '=', 'v.id')
    .whereRef('dirty_entities.marks', '=', 'v.marks')
    .execute();
}

/** Takes the mark off one that is no longer there. */
export async function dropDirty(db: Db, enterprise: string, kind: DirtyKind, id: number): Promise<void> {
  await db
    .deleteFrom('dirty_entities')
    .where('enterprise', '=', enterprise)
    .where('kind', '=', kind)
    .where('crm_id', '=', String(id))
    .execute();
}

/** Whether an entity waits to be read. */
export async function isDirty(db: Db, enterprise: string, kind: DirtyKind, id: number): Promise<boolean> {
  const row = await db
    .selectFrom('dirty_entities')
    .select('crm_id')
    .where('enterprise', '=', enterprise)
    .where('kind', '=', kind)
    .where('crm_id', '=', String(id))
    .executeTakeFirst();
  return row !== undefined;
}

/** One that could not be read rests until `seconds` from now. */
export async function delayDirty(
  db: Db,
  enterprise: string,
  kind: DirtyKind,
  id: number,
  seconds: number,
): Promise<void> {
  await db
    .updateTable('dirty_entities')
    .set({ next_at: sql<Date>`now() + make_interval(secs => ${seconds})`, failures: sql<number>`failures + 1` })
    .where('enterprise', '=', enterprise)
    .where('kind', '=', kind)
    .where('crm_id', '=', String(id))
    .execute();
}
