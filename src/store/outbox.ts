/** What must reach the CRM. The claim, its settlement and the rows that wait are in files of their own, exported here. */
import { type RawBuilder, sql } from 'kysely';
import { type CallRow, callsInsert, saveCalls } from './calls.ts';
import type { Db } from './database.ts';
import type { EventType, OutboxKind } from './schema.ts';
import { chunks, json } from './values.ts';

export { claim, type ClaimedRow, type ClaimOptions, nextDue, release } from './claim.ts';
export type { EventType, OutboxKind, OutboxState } from './schema.ts';
export { settle, type Settlement, type Settlements, settlements } from './settle.ts';
export {
  type EndedRing,
  freeze,
  maybeWithdrawn,
  type WaitingRow,
  waiting,
  withdrawAll,
  withdrawPopups,
  withoutCodes,
} from './waiting.ts';
export { createWatermark, type Watermark } from './watermark.ts';

/** A row to enqueue. */
export interface NewOutboxRow {
  enterprise: string;
  /** Key of one CRM account: address and API key share one rate budget. */
  account: string;
  host: string;
  kind: OutboxKind;
  /** Dedup key, unique per account and kind over all states. */
  externalId: string;
  /** `externalId` of the call the row belongs to. */
  callId: string;
  /** JSON text of the form field's value, frozen: a repeated send is byte-identical. */
  payload: string;
  /** Popups: the extensions addressed. */
  codes?: string[];
  /** Popups: what they say. */
  type?: EventType;
  /** `waiting`: an upload that waits for its recording. Default `pending`. */
  state?: 'waiting' | 'pending';
  /** Not to be sent before; for a waiting row the time it stops waiting. Default now. */
  dueAt?: Date;
  /** Not to be sent after; default never. */
  expiresAt?: Date | null;
}

/** Inserts rows; one whose key exists in any state is left alone. Returns how many were really inserted. */
export async function enqueue(db: Db, rows: NewOutboxRow[]): Promise<number> {
  let inserted = 0;
  for (const part of chunks(rows, ROWS_AT_ONCE)) {
    const result = await outboxInsert(part).execute(db);
    inserted += Number(result.numAffectedRows ?? 0n);
  }
  return inserted;
}

/** Rows of one statement. */
export const ROWS_AT_ONCE = 1_000;

/** As `enqueue`, for another statement to take in. Its text is always the same, however many rows there are. */
export function outboxInsert(rows: readonly NewOutboxRow[]): RawBuilder<unknown> {
  return sql`insert into outbox (enterprise, account, host, kind, external_id, call_id, type, codes, payload, state,
      due_at, next_at, expires_at)
    select enterprise, account, host, kind, "externalId", "callId", type, codes, payload, coalesce(state, 'pending'),
      coalesce("dueAt", now()), coalesce("dueAt", now()), "expiresAt"
    from jsonb_to_recordset(${json(rows)}::jsonb) as r(enterprise text, account text, host text, kind text,
      "externalId" text, "callId" text, type text, codes text[], payload text, state text, "dueAt" timestamptz,
      "expiresAt" timestamptz)
    on conflict on constraint outbox_key do nothing`;
}

/** Calls and what must leave for them, in one statement: one way to the server and back, and one commit. At most a thousand of each. */
export async function saveWithOutbox(db: Db, calls: CallRow[], rows: NewOutboxRow[]): Promise<void> {
  if (rows.length === 0) return saveCalls(db, calls);
  if (calls.length === 0) await enqueue(db, rows);
  else await sql`with saved as (${callsInsert(calls)}) ${outboxInsert(rows)}`.execute(db);
}

/** One line of `counts`. */
export interface OutboxCount {
  account: string;
  kind: string;
  state: string;
  count: number;
  /** When the oldest of them was enqueued. */
  oldest: Date | null;
}

/** How many rows each account, kind and state has. Reads the whole table: for commands and slow gauges. */
export async function counts(db: Db, account?: string): Promise<OutboxCount[]> {
  const rows = await db
    .selectFrom('outbox')
    .select((eb) => [
      'account',
      'kind',
      'state',
      eb.fn.countAll<string>().as('count'),
      eb.fn.min('created_at').as('oldest'),
    ])
    .$if(account !== undefined, (q) => q.where('account', '=', account ?? ''))
    .groupBy(['account', 'kind', 'state'])
    .orderBy('account')
    .orderBy('kind')
    .orderBy('state')
    .execute();
  return rows.map((row) => ({ ...row, count: Number(row.count) }));
}
