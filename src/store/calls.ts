/** The calls: saved at each fact, found again by people and after a restart. */
import { type RawBuilder, sql } from 'kysely';
import type { Db } from './database.ts';
import { chunks, json } from './values.ts';

/** One call as it is known now. */
export interface CallRow {
  enterprise: string;
  host: string;
  /** Key within the enterprise: `<host>-<Uniqueid of the customer's channel>`. */
  externalId: string;
  linkedid: string;
  direction: 'in' | 'out' | 'internal';
  state: 'live' | 'ended';
  /** The upload's word for the outcome, null while the call lives. */
  result: string | null;
  /** E.164 where the number is one, else as it came. */
  customerPhone: string | null;
  /** The enterprise's own number the call came in or went out by. */
  externalPhone: string | null;
  /** Extension the call is credited to. */
  owner: string | null;
  startedAt: Date;
  answeredAt: Date | null;
  endedAt: Date | null;
  /** The CRM user the owner was when the call began; null or missing: unknown, or the call still lives. */
  crmUser?: number | null;
  /** The call's facts as JSON; `logToCrm` in it decides whether the CRM must hear of it. Not validated here. */
  record: unknown;
  /** What the core needs to resume the call; null once it ended. Not validated here. */
  live: unknown;
}

const columns = [
  'enterprise',
  'host',
  'external_id as externalId',
  'linkedid',
  'direction',
  'state',
  'result',
  'customer_phone as customerPhone',
  'external_phone as externalPhone',
  'owner',
  'started_at as startedAt',
  'answered_at as answeredAt',
  'ended_at as endedAt',
  'record',
  'live',
] as const;

/** Rows of one statement. */
export const CALLS_AT_ONCE = 1_000;

/** Saves calls, one statement per thousand. Of several rows with one key the last counts; an ended call never lives again. */
export async function saveCalls(db: Db, rows: CallRow[]): Promise<void> {
  for (const part of chunks(rows, CALLS_AT_ONCE)) await callsInsert(part).execute(db);
}

/** As `saveCalls`, for another statement to take in. Its text is always the same, however many rows there are. */
export function callsInsert(rows: CallRow[]): RawBuilder<unknown> {
  const list = latest(rows).map(({ crmUser, ...row }) => ({ ...row, crmUser: crmUser ?? null }));
  return sql`insert into calls (enterprise, host, external_id, linkedid, direction, state, result, customer_phone,
      external_phone, owner, started_at, answered_at, ended_at, crm_user, record, live)
    select enterprise, host, "externalId", linkedid, direction, state, result, "customerPhone",
      "externalPhone", owner, "startedAt", "answeredAt", "endedAt", "crmUser", coalesce(record, 'null'), live
    from jsonb_to_recordset(${json(list)}::jsonb) as r(enterprise text, host text, "externalId" text, linkedid text,
      direction text, state text, result text, "customerPhone" text, "externalPhone" text, owner text,
      "startedAt" timestamptz, "answeredAt" timestamptz, "endedAt" timestamptz, "crmUser" bigint, record jsonb, live jsonb)
    on conflict (enterprise, external_id) do update set host = excluded.host, linkedid = excluded.linkedid,
      direction = excluded.direction, state = excluded.state, result = excluded.result,
      customer_phone = excluded.customer_phone, external_phone = excluded.external_phone, owner = excluded.owner,
      started_at = excluded.started_at, answered_at = excluded.answered_at, ended_at = excluded.ended_at,
      crm_user = coalesce(excluded.crm_user, calls.crm_user), record = excluded.record, live = excluded.live,
      updated_at = now()
    where not (calls.state = 'ended' and excluded.state = 'live')`;
}

/** The last row of each key, or its last ended one. Sorted by key: two writers then lock in the same order. */
function latest(rows: CallRow[]): CallRow[] {
  const byKey = new Map<string, CallRow>();
  for (const row of rows) {
    const key = JSON.stringify([row.enterprise, row.externalId]);
    if (byKey.get(key)?.state === 'ended' && row.state === 'live') continue;
    byKey.set(key, row);
  }
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

/** The calls of a host that had not ended when they were last saved, oldest first. */
export function openCalls(db: Db, enterprise: string, host: string): Promise<CallRow[]> {
  return db
    .selectFrom('calls')
    .select(columns)
    .where('enterprise', '=', enterprise)
    .where('host', '=', host)
    .where(sql<boolean>`state = 'live'`)
    .orderBy('started_at')
    .orderBy('external_id')
    .execute();
}

/**
 * Calls by their external id or linkedid; when there are none, by a part of either. At most 20, newest first: a part
 * that is not unique gives several.
 */
export async function findCalls(db: Db, filter: { enterprise?: string; id: string }): Promise<CallRow[]> {
  const { enterprise, id } = filter;
  const scope = db
    .selectFrom('calls')
    .select(columns)
    .$if(enterprise !== undefined, (q) => q.where('enterprise', '=', enterprise ?? ''))
    .orderBy('started_at', 'desc')
    .limit(20);
  const exact = await scope.where((eb) => eb.or([eb('external_id', '=', id), eb('linkedid', '=', id)])).execute();
  if (exact.length > 0 || id === '') return exact;
  const part = `%${id.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
  return scope.where((eb) => eb.or([eb('external_id', 'like', part), eb('linkedid', 'like', part)])).execute();
}

/** What `listCalls` shows: all conditions hold. `since` is included, `until` is not; `phone` is either side's number. */
export interface CallFilter {
  enterprise?: string;
  host?: string;
  since?: Date;
  until?: Date;
  phone?: string;
  result?: string;
  limit: number;
}

/** Calls newest first. */
export function listCalls(db: Db, filter: CallFilter): Promise<CallRow[]> {
  let query = db
    .selectFrom('calls')
    .select(columns)
    .orderBy('started_at', 'desc')
    .orderBy('external_id')
    .limit(filter.limit);
  if (filter.enterprise !== undefined) query = query.where('enterprise', '=', filter.enterprise);
  if (filter.host !== undefined) query = query.where('host', '=', filter.host);
  if (filter.since) query = query.where('started_at', '>=', filter.since);
  if (filter.until) query = query.where('started_at', '<', filter.until);
  if (filter.result !== undefined) query = query.where('result', '=', filter.result);
  const { phone } = filter;
  if (phone !== undefined) {
    query = query.where((eb) => eb.or([eb('customer_phone', '=', phone), eb('external_phone', '=', phone)]));
  }
  return query.execute();
}
