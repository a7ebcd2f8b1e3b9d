/** Dead letters: outbox rows the CRM refused. A person reads why, then retries or discards them. */
import { type Selectable, sql } from 'kysely';
import type { Db } from './database.ts';
import type { AttemptsTable, EventType, OutboxKind, OutboxState } from './schema.ts';
import { isRowId, text } from './values.ts';

/** A dead letter in a list. Holds no payload: that has phone numbers in it. */
export interface DeadLetter {
  id: string;
  enterprise: string;
  account: string;
  host: string;
  kind: OutboxKind;
  type: EventType | null;
  externalId: string;
  callId: string;
  /** HTTP status of the refusal, null when there was none. */
  status: number | null;
  /** The CRM's own words. */
  reason: string | null;
  attempts: number;
  createdAt: Date;
  diedAt: Date | null;
}

/** One attempt to send a row. */
export type Attempt = { at: Date; latencyMs: number | null } & Pick<
  Selectable<AttemptsTable>,
  'outcome' | 'status' | 'reason'
>;

/** A dead letter with everything known about it. */
export interface DeadLetterDetail extends DeadLetter {
  state: OutboxState;
  payload: string;
  /** The CRM's row errors, as it sent them. */
  errors: unknown;
  note: string | null;
  /** Oldest first, at most 100. */
  tried: Attempt[];
}

/** Which dead letters. */
export interface DeadFilter {
  enterprise?: string;
}

const columns = [
  'id',
  'enterprise',
  'account',
  'host',
  'kind',
  'type',
  'external_id as externalId',
  'call_id as callId',
  'status',
  'reason',
  'attempts',
  'created_at as createdAt',
  'settled_at as diedAt',
] as const;

/** Dead letters, the newest death first. */
export function listDead(db: Db, filter: DeadFilter & { limit: number }): Promise<DeadLetter[]> {
  const { enterprise, limit } = filter;
  return db
    .selectFrom('outbox')
    .select(columns)
    .where(sql<boolean>`state = 'dead'`)
    .$if(enterprise !== undefined, (q) => q.where('enterprise', '=', enterprise ?? ''))
    .orderBy('settled_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

/** One dead or discarded row with its attempts; undefined when there is no such row. */
export async function showDead(db: Db, id: string): Promise<DeadLetterDetail | undefined> {
  if (!isRowId(id)) return undefined;
  const row = await db
    .selectFrom('outbox')
    .select([...columns, 'state', 'payload', 'errors', 'note'])
    .where('id', '=', id)
    .where('state', 'in', ['dead', 'discarded'])
    .executeTakeFirst();
  return row && { ...row, tried: await attemptsOf(db, id) };
}

/** The attempts of an outbox row, oldest first, at most 100. */
export function attemptsOf(db: Db, outboxId: string): Promise<Attempt[]> {
  return db
    .selectFrom('attempts')
    .select(['at', 'outcome', 'status', 'latency_ms as latencyMs', 'reason'])
    .where('outbox_id', '=', outboxId)
    .orderBy('at')
    .limit(100)
    .execute();
}

/** Sends dead rows again, from now on and with the same payload. Returns how many; an id that is not dead counts nothing. */
export async function retryDead(db: Db, ids: string[] | 'all', filter: DeadFilter = {}): Promise<number> {
  const { enterprise } = filter;
  const result = await db
    .updateTable('outbox')
    .set({
      state: 'pending',
      next_at: sql<Date>`now()`,
      // A webhook's three days begin anew; a popup that is too late stays too late.
      expires_at: sql<Date | null>`case when kind = 'webhook' then now() + interval '3 days' else expires_at end`,
      settled_at: null,
      reply: null,
      lease_owner: null,
      lease_until: null,
    })
    .where(sql<boolean>`state = 'dead'`)
    .$if(ids !== 'all', (q) =>
      q.where('id', '=', sql<string>`any(${ids === 'all' ? [] : ids.filter(isRowId)}::bigint[])`),
    )
    .$if(enterprise !== undefined, (q) => q.where('enterprise', '=', enterprise ?? ''))
    .executeTakeFirst();
  return Number(result.numUpdatedRows);
}

/** Gives a dead row up for good, with the person's note. It keeps its key, so the record is never sent by accident. */
export async function discardDead(db: Db, id: string, note: string): Promise<boolean> {
  if (!isRowId(id)) return false;
  const result = await db
    .updateTable('outbox')
    .set({ state: 'discarded', note: text(note) })
    .where('id', '=', id)
    .where('state', '=', 'dead')
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}
