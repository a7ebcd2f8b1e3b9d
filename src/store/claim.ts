/** The claim: which due rows one sender may send now, and for how long. */
import { type ExpressionBuilder, type SqlBool, sql } from 'kysely';
import type { Db } from './database.ts';
import { type Database, type EventType, OUTBOX_KINDS, type OutboxKind } from './schema.ts';
import { moved, startFor, type Watermark } from './watermark.ts';

/** A row this owner may send until its lease ends. */
export interface ClaimedRow {
  id: string;
  kind: OutboxKind;
  externalId: string;
  callId: string;
  payload: string;
  codes: string[] | null;
  type: EventType | null;
  /** Attempts settled so far, without those that did not count. */
  attempts: number;
  createdAt: Date;
  dueAt: Date;
  expiresAt: Date | null;
  /** Something younger of its call waits behind it; of popups only, else false. */
  followed: boolean;
  /** Goes back into `settle` and `release`: a later claim has a higher one. */
  leaseEpoch: string;
}

/** What to claim. */
export interface ClaimOptions {
  account: string;
  /** In order of precedence; within a kind the oldest due row first. */
  kinds: OutboxKind[];
  /** Rows at most. No more than can be sent within the lease. */
  limit: number;
  /** Who claims; unique per process and start. */
  owner: string;
  leaseSeconds: number;
  /** Memory of one lane about how far its queue is drained, see watermark.ts. Without it every claim starts at the head. */
  watermark?: Watermark;
}

/**
 * Takes due pending rows nobody holds, and holds them for `leaseSeconds`. Any number of claimers get disjoint rows. An
 * event is taken only when no older event of its call is open, so a call's popups leave in order (P4); so are webhooks.
 */
export async function claim(db: Db, options: ClaimOptions): Promise<ClaimedRow[]> {
  const taken: ClaimedRow[] = [];
  for (const kind of options.kinds) {
    const left = options.limit - taken.length;
    if (left <= 0) break;
    taken.push(...(await claimKind(db, kind, left, options)));
  }
  return taken;
}

async function claimKind(db: Db, kind: OutboxKind, limit: number, options: ClaimOptions): Promise<ClaimedRow[]> {
  const { watermark } = options;
  if (!watermark) return claimFrom(db, kind, limit, options, undefined);
  const since = startFor(watermark, kind);
  const rows = await claimFrom(db, kind, limit, options, since);
  // Fewer than asked for: what is left may lie before the mark (a lease that ended, a row given back, an early due time).
  if (since && rows.length < limit) {
    rows.push(...(await claimFrom(db, kind, limit - rows.length, options, undefined)));
    rows.sort(byAge);
  }
  moved(watermark, kind, rows.length < limit ? undefined : rows[0]?.nextAt);
  return rows;
}

async function claimFrom(
  db: Db,
  kind: OutboxKind,
  limit: number,
  options: ClaimOptions,
  since: Date | undefined,
): Promise<(ClaimedRow & { nextAt: Date })[]> {
  const rows = await claimQuery(db, kind, limit, options, since).execute();
  return rows.sort(byAge);
}

function byAge(a: { nextAt: Date; id: string }, b: { nextAt: Date; id: string }): number {
  return a.nextAt.getTime() - b.nextAt.getTime() || Number(a.id) - Number(b.id);
}

/** The claim's statement. Exported for the test that reads its plan. */
export function claimQuery(db: Db, kind: OutboxKind, limit: number, o: ClaimOptions, since: Date | undefined) {
  return db
    .with('picked', (q) =>
      q
        .selectFrom('outbox as o')
        .select('o.id')
        .where('o.account', '=', o.account)
        .where('o.kind', '=', kind)
        .where(sql<SqlBool>`o.state = 'pending'`)
        .where('o.next_at', '<=', sql<Date>`now()`)
        .$if(since !== undefined, (due) => due.where('o.next_at', '>=', since ?? new Date(0)))
        .where(isFree)
        .$if(inOrder(kind), (due) => due.where(isOldestOfCall(kind)))
        .orderBy('o.next_at')
        .orderBy('o.id')
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .updateTable('outbox')
    .from('picked')
    .whereRef('outbox.id', '=', 'picked.id')
    .set((eb) => ({
      lease_owner: o.owner,
      lease_epoch: eb('lease_epoch', '+', '1'),
      lease_until: sql<Date>`now() + make_interval(secs => ${o.leaseSeconds})`,
    }))
    .returning([
      'outbox.id',
      'outbox.kind',
      'outbox.external_id as externalId',
      'outbox.call_id as callId',
      'outbox.payload',
      'outbox.codes',
      'outbox.type',
      'outbox.attempts',
      'outbox.created_at as createdAt',
      'outbox.due_at as dueAt',
      'outbox.expires_at as expiresAt',
      'outbox.lease_epoch as leaseEpoch',
      'outbox.next_at as nextAt',
    ])
    .returning(kind === 'event' ? isFollowed : sql<boolean>`false`.as('followed'));
}

type OutboxRef = ExpressionBuilder<Database & { o: Database['outbox'] }, 'o'>;

function isFree(eb: OutboxRef) {
  return eb.or([eb('o.lease_until', 'is', null), eb('o.lease_until', '<=', sql<Date>`now()`)]);
}

/** Kinds of which a call's rows leave one after the other. */
const inOrder = (kind: OutboxKind): boolean => kind === 'event' || kind === 'webhook';

/** `offset 0` keeps this a probe per row: as a join the planner may hash every open event of the account first. */
const isOldestOfCall = (kind: OutboxKind) => (eb: OutboxRef) =>
  eb.not(
    eb.exists(
      eb
        .selectFrom('outbox as older')
        .select('older.id')
        .whereRef('older.account', '=', 'o.account')
        .whereRef('older.call_id', '=', 'o.call_id')
        // Spelled out: only so does the planner see that the partial index holds what is asked for.
        .where(
          kind === 'event'
            ? sql<SqlBool>`older.state = 'pending' and older.kind = 'event'`
            : sql<SqlBool>`older.state = 'pending' and older.kind = 'webhook'`,
        )
        // One whose time is over will not be sent any more; its holder may be dead. 3 s: a request under way has ended.
        .where(sql<SqlBool>`(older.expires_at is null or older.expires_at > now() - interval '3 seconds')`)
        .whereRef('older.id', '<', 'o.id')
        .offset(sql<number>`0`),
    ),
  );

const isFollowed = sql<boolean>`exists (
  select from outbox as younger
  where younger.account = outbox.account and younger.call_id = outbox.call_id
    and younger.state = 'pending' and younger.kind = 'event' and younger.id > outbox.id
)`.as('followed');

/** Gives claimed rows back unsent, for the next claimer at once. Rows whose lease was lost meanwhile are left alone. */
export async function release(db: Db, owner: string, items: { id: string; leaseEpoch: string }[]): Promise<void> {
  if (items.length === 0) return;
  const ids = items.map((item) => item.id);
  const epochs = items.map((item) => item.leaseEpoch);
  await db
    .updateTable('outbox')
    .from(sql<{ id: string; epoch: string }>`unnest(${ids}::bigint[], ${epochs}::bigint[])`.as<'v'>(sql`v(id, epoch)`))
    .whereRef('outbox.id', '=', 'v.id')
    .whereRef('outbox.lease_epoch', '=', 'v.epoch')
    .where('outbox.lease_owner', '=', owner)
    .where('outbox.state', '=', 'pending')
    .set({ lease_owner: null, lease_until: null })
    .execute();
}

/**
 * When the account's next row may be claimed: due, free, and not behind an older event of its call. Null: nothing to wait
 * for. Looks at the first 500 rows of each kind; more are never held at once.
 */
export async function nextDue(
  db: Db,
  account: string,
  kinds: readonly OutboxKind[] = OUTBOX_KINDS,
): Promise<Date | null> {
  let next: Date | null = null;
  for (const kind of kinds) {
    const head = db
      .selectFrom('outbox as o')
      .select(['o.next_at', 'o.lease_until'])
      .where('o.account', '=', account)
      .where('o.kind', '=', kind)
      .where(sql<SqlBool>`o.state = 'pending'`)
      .$if(inOrder(kind), (due) => due.where(isOldestOfCall(kind)))
      .orderBy('o.next_at')
      .orderBy('o.id')
      .limit(500);
    const row = await db
      .selectFrom(head.as('head'))
      .select(sql<Date | null>`min(greatest(next_at, coalesce(lease_until, next_at)))`.as('at'))
      .executeTakeFirst();
    if (row?.at && (!next || row.at < next)) next = row.at;
  }
  return next;
}
