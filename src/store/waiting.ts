/** Outbox rows that change before they are sent: uploads that wait for their recording, popups whose ring ended. */
import { sql } from 'kysely';
import { type Db, inTransaction } from './database.ts';
import { text } from './values.ts';

/** An upload whose recording is not there yet. */
export interface WaitingRow {
  account: string;
  externalId: string;
  callId: string;
  payload: string;
  createdAt: Date;
  /** When to stop waiting. */
  dueAt: Date;
}

/** Uploads of an enterprise that wait for their recording, those that stop waiting first come first. */
export function waiting(db: Db, enterprise: string): Promise<WaitingRow[]> {
  return db
    .selectFrom('outbox')
    .select([
      'account',
      'external_id as externalId',
      'call_id as callId',
      'payload',
      'created_at as createdAt',
      'due_at as dueAt',
    ])
    .where('enterprise', '=', enterprise)
    .where('state', '=', sql<'waiting'>`'waiting'`)
    .orderBy('due_at')
    .execute();
}

/** Gives a waiting upload its final payload and lets it go at `dueAt`. Once: false when it was no longer waiting. */
export async function freeze(
  db: Db,
  upload: { account: string; externalId: string; payload: string; dueAt: Date },
): Promise<boolean> {
  const result = await db
    .updateTable('outbox')
    .set({ state: 'pending', payload: text(upload.payload), due_at: upload.dueAt, next_at: upload.dueAt })
    .where('account', '=', upload.account)
    .where('kind', '=', 'upload')
    .where('external_id', '=', upload.externalId)
    .where('state', '=', 'waiting')
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** A ring that ended at these extensions. */
export interface EndedRing {
  account: string;
  callId: string;
  codes: string[];
  reason: string;
}

/**
 * The ring at these extensions ended: popups not yet sent lose them, in the payload too. One that addresses nobody any
 * more expires. A popup somebody is sending right now stays as it is. Returns the extensions that will never see theirs.
 */
export async function withdrawPopups(db: Db, ring: EndedRing): Promise<string[]> {
  return (await withdrawAll(db, [ring])).map(({ code }) => code);
}

/** As `withdrawPopups`, for many rings at once. */
export function withdrawAll(
  db: Db,
  rings: readonly EndedRing[],
): Promise<{ account: string; callId: string; code: string }[]> {
  return inTransaction(db, async (trx) => {
    const rows = await trx
      .selectFrom('outbox')
      .select(['id', 'account', 'call_id as callId', 'codes', 'payload'])
      .where('account', 'in', [...new Set(rings.map(({ account }) => account))])
      .where('call_id', 'in', [...new Set(rings.map(({ callId }) => callId))])
      .where(sql<boolean>`state = 'pending' and kind = 'event'`)
      .where('type', '=', 'in')
      .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<=', sql<Date>`now()`)]))
      .orderBy('id')
      .forUpdate()
      .execute();
    const withdrawn: { account: string; callId: string; code: string }[] = [];
    for (const { id, account, callId, codes: shown, payload } of rows) {
      const ended = rings.filter((ring) => ring.account === account && ring.callId === callId);
      const gone = (shown ?? []).filter((code) => ended.some(({ codes }) => codes.includes(code)));
      if (gone.length === 0) continue;
      withdrawn.push(...gone.map((code) => ({ account, callId, code })));
      const codes = (shown ?? []).filter((code) => !gone.includes(code));
      const reason = text(ended[0]?.reason ?? '');
      const change =
        codes.length > 0
          ? { codes, payload: withoutCodes(payload, gone) }
          : { codes, state: 'expired' as const, reason, settled_at: sql<Date>`now()` };
      await trx.updateTable('outbox').set(change).where('id', '=', id).execute();
    }
    return withdrawn;
  });
}

/** Whether `withdrawAll` may find anything: nearly always the popups of a ring that ended have left long ago. */
export async function maybeWithdrawn(db: Db, rings: readonly EndedRing[]): Promise<boolean> {
  if (rings.length === 0) return false;
  const { rows } = await sql`select 1 from outbox
    where account = any(${[...new Set(rings.map(({ account }) => account))]}::text[])
      and call_id = any(${[...new Set(rings.map(({ callId }) => callId))]}::text[])
      and state = 'pending' and kind = 'event' and type = 'in' limit 1`.execute(db);
  return rows.length > 0;
}

/** The payload with these extensions taken out of its `codes`. A payload of another shape is left alone. */
export function withoutCodes(payload: string, gone: readonly string[]): string {
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch {
    return payload;
  }
  if (typeof value !== 'object' || value === null || !('codes' in value) || !Array.isArray(value.codes)) return payload;
  const codes: unknown[] = value.codes;
  return JSON.stringify({ ...value, codes: codes.filter((code) => typeof code !== 'string' || !gone.includes(code)) });
}
