/** When each host was last in sync. A daemon that is killed cannot say when it stopped listening; this can. */
import { sql } from 'kysely';
import type { Db } from './database.ts';
import { textOrNull } from './values.ts';

/** A host that is in sync now, with what Asterisk counts since its own start, where it tells. */
export interface Beat {
  host: string;
  /** When Asterisk was started, as it writes it: two values are only compared. */
  coreStart?: string | undefined;
  /** Channels that ran the dial plan since then. */
  coreCalls?: number | undefined;
}

/** The last beat of a host. */
export interface LastBeat {
  syncedAt: Date;
  /** The last count, null where Asterisk does not tell. */
  counted: { at: Date; start: string; calls: number } | null;
}

/** Notes that these hosts are in sync now. A count that is missing leaves the last one. */
export async function beat(db: Db, enterprise: string, beats: readonly Beat[]): Promise<void> {
  if (beats.length === 0) return;
  const rows = beats.map(({ host, coreStart, coreCalls }) => {
    const counts = coreStart !== undefined && coreCalls !== undefined;
    return {
      enterprise,
      host,
      synced_at: sql<Date>`now()`,
      core_start: counts ? textOrNull(coreStart) : null,
      core_calls: counts ? String(coreCalls) : null,
      counted_at: counts ? sql<Date>`now()` : null,
    };
  });
  await db
    .insertInto('heartbeats')
    .values(rows)
    .onConflict((conflict) =>
      conflict.columns(['enterprise', 'host']).doUpdateSet({
        synced_at: sql<Date>`now()`,
        core_start: sql<string>`coalesce(excluded.core_start, heartbeats.core_start)`,
        core_calls: sql<string>`coalesce(excluded.core_calls, heartbeats.core_calls)`,
        counted_at: sql<Date>`coalesce(excluded.counted_at, heartbeats.counted_at)`,
      }),
    )
    .execute();
}

/** The last moment the host was known to be in sync; undefined if it never was. */
export async function lastBeat(db: Db, enterprise: string, host: string): Promise<LastBeat | undefined> {
  const row = await db
    .selectFrom('heartbeats')
    .select(['synced_at', 'core_start', 'core_calls', 'counted_at'])
    .where('enterprise', '=', enterprise)
    .where('host', '=', host)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { core_start: start, core_calls: calls, counted_at: at } = row;
  const counted = start === null || calls === null || at === null ? null : { at, start, calls: Number(calls) };
  return { syncedAt: row.synced_at, counted };
}
