/** When each host was last in sync. A daemon that is killed cannot say when it stopped listening; this can. */
import { sql } from 'kysely';
import type { Db } from './database.ts';

/** Notes that these hosts are in sync now. */
export async function beat(db: Db, enterprise: string, hosts: readonly string[]): Promise<void> {
  if (hosts.length === 0) return;
  await db
    .insertInto('heartbeats')
    .values(hosts.map((host) => ({ enterprise, host, synced_at: sql<Date>`now()` })))
    .onConflict((conflict) => conflict.columns(['enterprise', 'host']).doUpdateSet({ synced_at: sql<Date>`now()` }))
    .execute();
}

/** The last moment the host was known to be in sync; undefined if it never was. */
export async function lastBeat(db: Db, enterprise: string, host: string): Promise<Date | undefined> {
  const row = await db
    .selectFrom('heartbeats')
    .select('synced_at')
    .where('enterprise', '=', enterprise)
    .where('host', '=', host)
    .executeTakeFirst();
  return row?.synced_at;
}
