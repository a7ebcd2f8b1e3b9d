/** Periods in which a host was not synced: what happened meanwhile we did not see. */
import type { Db } from './database.ts';
import type { LastBeat } from './heartbeats.ts';
import { text } from './values.ts';

/** One period. */
export interface Gap {
  enterprise: string;
  host: string;
  from: Date;
  /** Null while it lasts. */
  to: Date | null;
  cause: string;
  /** Calls the snapshot gave back, null when unknown. */
  recoveredSnapshot: number | null;
  /** Calls nobody can recover: an estimate from Asterisk's own counter, rather too high; null when unknown. */
  lost: number | null;
}

/** Notes that a host is not synced since `from`. A gap already open goes on: it keeps its begin and cause. */
export async function openGap(
  db: Db,
  gap: { enterprise: string; host: string; from: Date; cause: string },
): Promise<void> {
  await db
    .insertInto('gaps')
    .values({ enterprise: gap.enterprise, host: gap.host, from_at: gap.from, cause: text(gap.cause) })
    .onConflict((conflict) => conflict.columns(['enterprise', 'host']).where('to_at', 'is', null).doNothing())
    .execute();
}

/** Notes that a host is synced again. False when no gap was open. */
export async function closeGap(
  db: Db,
  gap: { enterprise: string; host: string; to: Date; recoveredSnapshot?: number; lost?: number },
): Promise<boolean> {
  const result = await db
    .updateTable('gaps')
    .set({ to_at: gap.to, recovered_snapshot: gap.recoveredSnapshot ?? null, lost: gap.lost ?? null })
    .where('enterprise', '=', gap.enterprise)
    .where('host', '=', gap.host)
    .where('to_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * How many calls passed in a gap that nobody saw, by Asterisk's own counter: what it counted since the last beat, less
 * what we know to have begun since. An estimate: a Local channel counts as a call there. undefined when Asterisk does not
 * count, or was started anew meanwhile.
 * @param now the counter after the gap, with all calls committed that the snapshot brought
 */
export async function estimateLost(
  db: Db,
  of: { enterprise: string; host: string; last: LastBeat | undefined },
  now: { start: string | undefined; calls: number | undefined },
): Promise<number | undefined> {
  const counted = of.last?.counted;
  if (counted === null || counted === undefined || now.calls === undefined || now.start !== counted.start)
    return undefined;
  const passed = now.calls - counted.calls;
  if (passed <= 0) return 0;
  const known = await db
    .selectNoFrom((eb) => [
      eb
        .selectFrom('calls')
        .where('enterprise', '=', of.enterprise)
        .where('host', '=', of.host)
        .where('started_at', '>=', counted.at)
        .select((count) => count.fn.countAll<string>().as('n'))
        .as('calls'),
      eb
        .selectFrom('drops')
        .where('enterprise', '=', of.enterprise)
        .where('host', '=', of.host)
        .where('at', '>=', counted.at)
        .where('reason', '=', 'internal')
        .select((count) => count.fn.countAll<string>().as('n'))
        .as('internal'),
    ])
    .executeTakeFirstOrThrow();
  return Math.max(0, passed - Number(known.calls) - Number(known.internal));
}

/** Gaps, newest first. `since`: those that ended later or last still. */
export function listGaps(
  db: Db,
  filter: { enterprise?: string; host?: string; since?: Date; limit?: number } = {},
): Promise<Gap[]> {
  let query = db
    .selectFrom('gaps')
    .select([
      'enterprise',
      'host',
      'from_at as from',
      'to_at as to',
      'cause',
      'recovered_snapshot as recoveredSnapshot',
      'lost',
    ])
    .orderBy('from_at', 'desc')
    .orderBy('id', 'desc')
    .limit(filter.limit ?? 100);
  if (filter.enterprise !== undefined) query = query.where('enterprise', '=', filter.enterprise);
  if (filter.host !== undefined) query = query.where('host', '=', filter.host);
  const { since } = filter;
  if (since) query = query.where((eb) => eb.or([eb('to_at', 'is', null), eb('to_at', '>', since)]));
  return query.execute();
}
