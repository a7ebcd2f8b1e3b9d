import type { Call } from './calls/call.ts';
import type { Policies } from './calls/rules.ts';
import type { Origin, UserAt } from './rows.ts';
import { callRow } from './rows.ts';
import { CALLS_AT_ONCE, saveCalls } from './store/calls.ts';
import type { Db } from './store/database.ts';
import { inTransaction, retried } from './store/database.ts';
import type { DropRow } from './store/drops.ts';
import { recordDrops } from './store/drops.ts';
import { openGap } from './store/gaps.ts';
import type { NewOutboxRow } from './store/outbox.ts';
import { enqueue, maybeWithdrawn, ROWS_AT_ONCE, saveWithOutbox, withdrawAll, withoutCodes } from './store/outbox.ts';

/** Rows that may wait for a database that is away: about 64 MiB. Beyond that, new ones are counted as a gap. */
export const MOST_ROWS = 50_000;

/** Webhooks that may wait for it; beyond that the oldest are shed. */
export const MOST_WEBHOOKS = 20_000;

/** What one host must write next. A call's later state replaces its earlier one; the rest is appended. */
export interface Batch {
  /** When the oldest fact in it happened, by our clock; undefined for an empty one. */
  since: number | undefined;
  calls: Map<string, Call>;
  outbox: NewOutboxRow[];
  /** Rings that ended: their popups are taken back if they have not been sent. */
  withdrawn: { callId: string; codes: string[] }[];
  /** Popups that will never be shown: a hangup for them would close nothing. */
  unshown: { callId: string; code: string }[];
  drops: DropRow[];
  /** Calls that could not be kept while the database was away. */
  overflow: { since: Date; lost: number } | undefined;
}

/** A batch with whose it is. */
export interface HostBatch {
  batch: Batch;
  origin: Origin;
  policies: Policies;
  userAt?: UserAt | undefined;
}

export function emptyBatch(): Batch {
  return { since: undefined, calls: new Map(), outbox: [], withdrawn: [], unshown: [], drops: [], overflow: undefined };
}

/** Nothing in it must be written. */
export function isEmpty(batch: Batch): boolean {
  return batch.calls.size === 0 && batch.outbox.length === 0 && batch.drops.length === 0;
}

/** What could not be written goes before what came meanwhile. Popups whose time is over are shed first (P10). */
export function merged(older: Batch, newer: Batch): Batch {
  return {
    since: older.since ?? newer.since,
    calls: new Map([...older.calls, ...newer.calls]),
    outbox: [...unexpired(older.outbox), ...newer.outbox],
    withdrawn: [...older.withdrawn, ...newer.withdrawn].slice(-MOST_ROWS),
    unshown: [...older.unshown, ...newer.unshown].slice(-MOST_ROWS),
    drops: [...older.drops, ...newer.drops].slice(-MOST_ROWS),
    overflow: older.overflow ?? newer.overflow,
  };
}

/** Sheds the oldest webhooks when there are too many (P10); returns how many it took out. */
export function shedWebhooks(batch: Batch): number {
  const waiting = batch.outbox.filter(({ kind }) => kind === 'webhook').length;
  const shed = Math.max(0, waiting - MOST_WEBHOOKS);
  let left = shed;
  if (shed > 0) batch.outbox = batch.outbox.filter(({ kind }) => kind !== 'webhook' || left-- <= 0);
  return shed;
}

/** Takes these employees off a call's popup that is not even written: it never is, nor is its end. */
export function withdraw(batch: Batch, callId: string, codes: string[]): void {
  batch.outbox = batch.outbox.flatMap((row) => {
    if (row.type !== 'in' || row.callId !== callId) return [row];
    batch.unshown.push(...codes.filter((code) => row.codes?.includes(code)).map((code) => ({ callId, code })));
    return withoutPopups(row, codes);
  });
  batch.withdrawn.push({ callId, codes });
}

/**
 * Writes the batches of any number of hosts in one transaction: calls, drop ledger, popups withdrawn, outbox. One commit for all
 * costs what one commit for one host costs; and mostly it is one statement.
 */
export async function writeBatches(db: Db, hosts: readonly HostBatch[]): Promise<void> {
  const calls = hosts.flatMap(({ batch, origin, policies, userAt }) =>
    [...batch.calls.values()].map((call) => callRow(call, origin, policies, userAt)),
  );
  const drops = hosts.flatMap(({ batch }) => batch.drops);
  const rings = hosts.flatMap(({ batch, origin }) =>
    batch.withdrawn.map((one) => ({ account: origin.account, ...one, reason: 'the ring ended first' })),
  );
  const unshown = hosts.flatMap(({ batch, origin }) =>
    batch.unshown.map((one) => ({ account: origin.account, ...one })),
  );
  const rows = hosts.flatMap(({ batch }) => unexpired(batch.outbox));
  const few = calls.length <= CALLS_AT_ONCE && rows.length <= ROWS_AT_ONCE;
  const usual = few && drops.length === 0 && hosts.every(({ batch }) => batch.overflow === undefined);
  // No popup of these calls can come in between: whoever writes them is here.
  if (usual && !(await maybeWithdrawn(db, rings)))
    return retried(() => saveWithOutbox(db, calls, withoutUnshown(rows, unshown)));
  await inTransaction(db, async (trx) => {
    await saveCalls(trx, calls);
    if (drops.length > 0) await recordDrops(trx, drops);
    const withdrawn = rings.length > 0 ? await withdrawAll(trx, rings) : [];
    if (rows.length > 0) await enqueue(trx, withoutUnshown(rows, [...unshown, ...withdrawn]));
    for (const { batch, origin } of hosts) {
      if (batch.overflow === undefined) continue;
      const { since, lost } = batch.overflow;
      const { enterprise, host } = origin;
      await openGap(trx, { enterprise, host, from: since, cause: `memory full: ${lost} calls not kept` });
    }
  });
}

/** The popup without these extensions; nothing if it addresses nobody any more. */
function withoutPopups(row: NewOutboxRow, gone: readonly string[]): NewOutboxRow[] {
  const codes = row.codes?.filter((code) => !gone.includes(code)) ?? [];
  if (codes.length === row.codes?.length) return [row];
  return codes.length === 0 ? [] : [{ ...row, codes, payload: withoutCodes(row.payload, gone) }];
}

/** A hangup goes to nobody who never saw the popup (P4: in, then hangup). */
function withoutUnshown(
  rows: readonly NewOutboxRow[],
  unshown: readonly { account: string; callId: string; code: string }[],
): NewOutboxRow[] {
  if (unshown.length === 0) return [...rows];
  return rows.flatMap((row) => {
    if (row.type !== 'hangup') return [row];
    const gone = unshown.filter((one) => one.callId === row.callId && one.account === row.account);
    return withoutPopups(
      row,
      gone.map((one) => one.code),
    );
  });
}

function unexpired(rows: readonly NewOutboxRow[]): NewOutboxRow[] {
  const now = Date.now();
  return rows.filter((row) => row.expiresAt === undefined || row.expiresAt === null || row.expiresAt.getTime() > now);
}
