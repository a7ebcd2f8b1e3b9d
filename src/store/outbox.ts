/** What must reach the CRM. The claim, its settlement and the rows that wait are in files of their own, exported here. */
import { sql } from 'kysely';
import type { Db } from './database.ts';
import type { EventType, OutboxKind } from './schema.ts';
import { chunks, text } from './values.ts';

export { claim, type ClaimedRow, type ClaimOptions, nextDue, release } from './claim.ts';
export type { EventType, OutboxKind, OutboxState } from './schema.ts';
export { settle, type Settlement } from './settle.ts';
export {
  type EndedRing,
  freeze,
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
  for (const part of chunks(rows, 1_000)) {
    const result = await db
      .insertInto('outbox')
      .values(
        part.map((row) => ({
          enterprise: row.enterprise,
          account: row.account,
          host: row.host,
          kind: row.kind,
          external_id: text(row.externalId),
          call_id: text(row.callId),
          type: row.type ?? null,
          codes: row.codes?.map(text) ?? null,
          payload: text(row.payload),
          state: row.state ?? 'pending',
          due_at: row.dueAt ?? sql<Date>`now()`,
          next_at: row.dueAt ?? sql<Date>`now()`,
          expires_at: row.expiresAt ?? null,
        })),
      )
      .onConflict((conflict) => conflict.constraint('outbox_key').doNothing())
      .executeTakeFirst();
    inserted += Number(result.numInsertedOrUpdatedRows ?? 0n);
  }
  return inserted;
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
