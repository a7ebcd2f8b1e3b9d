/** What became of claimed rows. */
import { type RawBuilder, sql } from 'kysely';
import { type Db, inTransaction } from './database.ts';
import { Together } from './together.ts';
import { jsonOrNull, text, textOrNull } from './values.ts';

/** One claimed row and how its attempt ended. `latencyMs`: the request's time in ms, rounded here. */
export type Settlement =
  | { id: string; leaseEpoch: string; outcome: 'done'; status: number | null; reply?: string; latencyMs: number }
  | {
      id: string;
      leaseEpoch: string;
      outcome: 'later';
      retryAt: Date;
      status: number | null;
      reason: string;
      latencyMs: number;
      countAttempt: boolean;
    }
  | {
      id: string;
      leaseEpoch: string;
      outcome: 'dead';
      status: number | null;
      reason: string;
      errors?: unknown;
      latencyMs: number;
    }
  | { id: string; leaseEpoch: string; outcome: 'expired'; reason: string };

type Of<Outcome extends Settlement['outcome']> = Extract<Settlement, { outcome: Outcome }>;

/**
 * Writes the outcomes down, all or none, one statement each, and appends to `attempts`. A row is settled only while `owner` holds it
 * under the same epoch: who was paused past his lease changes nothing. Returns the ids of the rows settled.
 */
export async function settle(db: Db, owner: string, items: readonly Settlement[]): Promise<string[]> {
  const done = items.filter((item): item is Of<'done'> => item.outcome === 'done');
  const later = items.filter((item): item is Of<'later'> => item.outcome === 'later');
  const dead = items.filter((item): item is Of<'dead'> => item.outcome === 'dead');
  const expired = items.filter((item): item is Of<'expired'> => item.outcome === 'expired');
  const writes = [
    ...(done.length > 0 ? [(on: Db) => settleDone(on, owner, done)] : []),
    ...(later.length > 0 ? [(on: Db) => settleLater(on, owner, later)] : []),
    ...(dead.length > 0 ? [(on: Db) => settleDead(on, owner, dead)] : []),
    ...(expired.length > 0 ? [(on: Db) => settleExpired(on, owner, expired)] : []),
  ];
  const [only] = writes;
  if (only === undefined) return [];
  if (writes.length === 1) return only(db);
  return inTransaction(db, async (trx) => {
    const settled: string[] = [];
    for (const write of writes) settled.push(...(await write(trx)));
    return settled;
  });
}

/** Settlements of all lanes of one owner, written together; each is told the ids of its rows that were settled. */
export type Settlements = Together<readonly Settlement[], string[]>;

/** No more often than this, ms: only the next event of the same call waits for a settlement. */
const SETTLE_EVERY_MS = 20;

/** @param owner as in the claims */
export function settlements(db: Db, owner: string): Settlements {
  return new Together(async (lists) => {
    const settled = new Set(await settle(db, owner, lists.flat()));
    return (own) => own.flatMap(({ id }) => (settled.has(id) ? [id] : []));
  }, SETTLE_EVERY_MS);
}

function settleDone(db: Db, owner: string, items: Of<'done'>[]): Promise<string[]> {
  const replies = items.map((item) => textOrNull(item.reply ?? null));
  return run(
    db,
    sql<{ id: string }>`with v as (
      select * from unnest(${ids(items)}::bigint[], ${epochs(items)}::bigint[], ${statuses(items)}::integer[],
        ${latencies(items)}::integer[], ${replies}::text[]) as v(id, epoch, status, latency_ms, reply)
    ), settled as (
      update outbox as o set state = 'done', settled_at = now(), attempts = o.attempts + 1, status = v.status,
        reply = v.reply, reason = null, errors = null, lease_owner = null, lease_until = null
      from v where ${held(owner)} returning o.id, v.status, v.latency_ms
    ) insert into attempts (outbox_id, outcome, status, latency_ms) select id, 'done', status, latency_ms from settled returning outbox_id as id`,
  );
}

function settleLater(db: Db, owner: string, items: Of<'later'>[]): Promise<string[]> {
  const times = items.map((item) => item.retryAt);
  const counted = items.map((item) => (item.countAttempt ? 1 : 0));
  // A clock that jumped must not park a row for years: a day at most, then it is looked at again.
  return run(
    db,
    sql<{ id: string }>`with v as (
      select * from unnest(${ids(items)}::bigint[], ${epochs(items)}::bigint[], ${statuses(items)}::integer[],
        ${latencies(items)}::integer[], ${reasons(items)}::text[], ${times}::timestamptz[], ${counted}::integer[])
        as v(id, epoch, status, latency_ms, reason, retry_at, counted)
    ), settled as (
      update outbox as o set next_at = least(v.retry_at, now() + interval '24 hours'), attempts = o.attempts + v.counted,
        status = v.status, reason = v.reason, lease_owner = null, lease_until = null
      from v where ${held(owner)} returning o.id, v.status, v.latency_ms, v.reason
    ) insert into attempts (outbox_id, outcome, status, latency_ms, reason)
      select id, 'later', status, latency_ms, reason from settled returning outbox_id as id`,
  );
}

function settleDead(db: Db, owner: string, items: Of<'dead'>[]): Promise<string[]> {
  const errors = items.map((item) => jsonOrNull(item.errors));
  return run(
    db,
    sql<{ id: string }>`with v as (
      select * from unnest(${ids(items)}::bigint[], ${epochs(items)}::bigint[], ${statuses(items)}::integer[],
        ${latencies(items)}::integer[], ${reasons(items)}::text[], ${errors}::jsonb[])
        as v(id, epoch, status, latency_ms, reason, errors)
    ), settled as (
      update outbox as o set state = 'dead', settled_at = now(), attempts = o.attempts + 1, status = v.status,
        reason = v.reason, errors = v.errors, lease_owner = null, lease_until = null
      from v where ${held(owner)} returning o.id, v.status, v.latency_ms, v.reason
    ) insert into attempts (outbox_id, outcome, status, latency_ms, reason)
      select id, 'dead', status, latency_ms, reason from settled returning outbox_id as id`,
  );
}

function settleExpired(db: Db, owner: string, items: Of<'expired'>[]): Promise<string[]> {
  return run(
    db,
    sql<{ id: string }>`with v as (
      select * from unnest(${ids(items)}::bigint[], ${epochs(items)}::bigint[], ${reasons(items)}::text[])
        as v(id, epoch, reason)
    ), settled as (
      update outbox as o set state = 'expired', settled_at = now(), reason = v.reason, lease_owner = null, lease_until = null
      from v where ${held(owner)} returning o.id, v.reason
    ) insert into attempts (outbox_id, outcome, reason) select id, 'expired', reason from settled returning outbox_id as id`,
  );
}

/** The fence against stale owners. */
function held(owner: string): RawBuilder<unknown> {
  return sql`o.id = v.id and o.lease_epoch = v.epoch and o.lease_owner = ${owner} and o.state = 'pending'`;
}

async function run(db: Db, statement: RawBuilder<{ id: string }>): Promise<string[]> {
  const { rows } = await statement.execute(db);
  return rows.map(({ id }) => id);
}

const ids = (items: Settlement[]): string[] => items.map((item) => item.id);
const epochs = (items: Settlement[]): string[] => items.map((item) => item.leaseEpoch);
const reasons = (items: { reason: string }[]): string[] => items.map((item) => text(item.reason));
const statuses = (items: { status: number | null }[]): (number | null)[] => items.map((item) => item.status);
const latencies = (items: { latencyMs: number }[]): number[] => items.map((item) => Math.round(item.latencyMs));
