/** Counts for whoever watches the daemon: what is open, never what is done, so that no query reads a whole table. */
import { sql } from 'kysely';
import type { Db } from './database.ts';
import type { OutboxKind } from './schema.ts';

/** Open rows of one account and kind. */
export interface OutboxFigure {
  account: string;
  kind: OutboxKind;
  state: 'pending' | 'waiting' | 'dead';
  count: number;
  /** When the row that has waited longest fell due; null for rows that wait for nothing. */
  dueSince: Date | null;
}

/** Rows of the outbox that somebody may have to care about. Reads the partial indexes of the three states only. */
export async function outboxFigures(db: Db): Promise<OutboxFigure[]> {
  const of = (state: OutboxFigure['state'], due: 'next_at' | 'due_at' | null) =>
    db
      .selectFrom('outbox')
      .select((eb) => [
        'account',
        'kind',
        sql<OutboxFigure['state']>`${sql.lit(state)}`.as('state'),
        eb.fn.countAll<string>().as('count'),
        (due === null ? sql<Date | null>`null::timestamptz` : eb.fn.min<Date | null>(due)).as('dueSince'),
      ])
      .where('state', '=', sql<typeof state>`${sql.lit(state)}`)
      .groupBy(['account', 'kind'])
      .execute();
  const [pending, waiting, dead] = [
    await of('pending', 'next_at'),
    await of('waiting', 'due_at'),
    await of('dead', null),
  ];
  return [...pending, ...waiting, ...dead].map((row) => ({ ...row, count: Number(row.count) }));
}

/** How one host was watched within the last day. */
export interface GapFigure {
  enterprise: string;
  host: string;
  /** Not watched right now. */
  open: boolean;
  /** Gaps that lasted into the last 24 hours. */
  count: number;
  /** Seconds of the last 24 hours in which it was not watched. */
  seconds: number;
}

/** Gaps of the last 24 hours, by host. */
export async function gapFigures(db: Db): Promise<GapFigure[]> {
  const rows = await db
    .selectFrom('gaps')
    .select((eb) => [
      'enterprise',
      'host',
      sql<boolean>`bool_or(to_at is null)`.as('open'),
      eb.fn.countAll<string>().as('count'),
      sql<number>`coalesce(sum(extract(epoch from coalesce(to_at, now()) - greatest(from_at, now() - interval '1 day'))), 0)::float8`.as(
        'seconds',
      ),
    ])
    .where(sql<boolean>`to_at is null or to_at > now() - interval '1 day'`)
    .groupBy(['enterprise', 'host'])
    .execute();
  return rows.map((row) => ({ ...row, count: Number(row.count), seconds: Math.max(0, row.seconds) }));
}

/** Whether the database answers a query. Never rejects. */
export async function answers(db: Db): Promise<boolean> {
  try {
    await sql`select 1`.execute(db);
    return true;
  } catch {
    return false;
  }
}
