/** The CRM's change histories: walked by `sinceId`, applied together with the place reached (`retailcrm-api.md` 9). */
import type { Logger } from '../log.ts';
import type { RetailCrmClient } from '../retailcrm/client.ts';
import { CrmError } from '../retailcrm/errors.ts';
import { fromAccountTime, toAccountTime } from '../retailcrm/time.ts';
import type { HistoryReply, HistoryRow } from '../retailcrm/types.ts';
import type { Cursor, HistoryStream } from '../store/cursors.ts';
import { beginCursor, moveCursor, readCursor } from '../store/cursors.ts';
import { mergeCustomers, staleCustomers } from '../store/customers.ts';
import type { Db } from '../store/database.ts';
import { inTransaction } from '../store/database.ts';
import { dropDirty, markDirty } from '../store/hints.ts';
import { mergeOrderCustomers, noteStatus, orderDeleted } from '../store/orders.ts';
import type { Pace } from './ask.ts';
import type { Customers } from './customers.ts';
import type { OrderRules } from './orderRules.ts';

/** What walking histories and reading what changed need. */
export interface SyncContext {
  readonly db: Db;
  readonly client: RetailCrmClient;
  readonly general: Pace;
  readonly enterprise: string;
  /** Key of the table of customers. */
  readonly enterpriseNumber: string;
  /** Shop code for reading single cards, if the configuration names one. */
  readonly site: string | undefined;
  /** The account's zone; undefined while nobody knows it: nothing is read. */
  readonly zone: () => string | undefined;
  /** E.164 of a number in any spelling; undefined when it is none. */
  readonly normalise: (raw: string) => string | undefined;
  /** Who keeps numbers in memory; told after the table was corrected. */
  readonly cards: Pick<Customers, 'forget' | 'forgetPhone' | 'update' | 'merged'>;
  readonly rules: OrderRules;
  readonly log: Logger;
  /** Ends what waits for its turn. */
  readonly signal: AbortSignal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Sizes of a page, tried one after another when an answer is too large to be read. */
const pageSizes = [100, 50, 20] as const;

/** Fields of a customer's card that a telephone shows or looks up by; changes of others are of no interest here. */
const cardFields = new Set(['id', 'first_name', 'last_name', 'patronymic', 'phones', 'phone', 'manager', 'manager_id']);

/**
 * Applies everything a history holds behind its cursor. The first time it begins now: years are not replayed.
 * Returns how many rows were seen; undefined while the account's zone is not known.
 * @throws CrmError when the CRM could not be asked
 */
export async function walk(context: SyncContext, stream: HistoryStream): Promise<number | undefined> {
  const { db, enterprise } = context;
  const zone = context.zone();
  if (zone === undefined) return undefined;
  const known = await readCursor(db, enterprise, stream);
  let cursor: Cursor = known ?? (await beginCursor(db, enterprise, stream, toAccountTime(context.now(), zone)));
  let seen = 0;
  let size = 0;
  for (;;) {
    const limit = pageSizes[size] ?? 20;
    let reply: HistoryReply;
    try {
      reply = await ask(context, stream, cursor, limit);
    } catch (error) {
      if (!isTooLarge(error) || size === pageSizes.length - 1) throw error;
      size += 1;
      continue;
    }
    const since: number | null = cursor.sinceId;
    const rows = reply.history.filter(({ id }) => since === null || id > since).sort((a, b) => a.id - b.id);
    const last = rows.at(-1)?.id;
    if (last === undefined) {
      // The CRM's clock may be behind ours: what happens there "before" our beginning is still to come.
      if (known === undefined && reply.generatedAt !== undefined)
        await beginCursor(db, enterprise, stream, reply.generatedAt);
      return seen;
    }
    if (!(await apply(context, stream, cursor, last, rows, zone))) return seen; // another process is at it
    seen += rows.length;
    cursor = { ...cursor, sinceId: last };
    if (reply.history.length < limit) return seen;
  }
}

async function ask(
  context: SyncContext,
  stream: HistoryStream,
  { sinceId, startDate }: Cursor,
  limit: 20 | 50 | 100,
): Promise<HistoryReply> {
  const { client, general, signal } = context;
  const filter = sinceId === null ? { startDate } : { sinceId };
  await general.take({ urgent: false, signal });
  return stream === 'customers' ? client.customerHistory(filter, limit) : client.orderHistory(filter, limit);
}

/** Cursor and effects in one transaction: a kill in between leaves both or neither. */
async function apply(
  context: SyncContext,
  stream: HistoryStream,
  cursor: Cursor,
  last: number,
  rows: readonly HistoryRow[],
  zone: string,
): Promise<boolean> {
  const { db, enterprise } = context;
  const after: (() => Promise<void>)[] = [];
  const applied = await inTransaction(db, async (trx) => {
    after.length = 0; // the transaction may run again
    if (!(await moveCursor(trx, enterprise, stream, cursor.sinceId, last))) return false;
    if (stream === 'customers') after.push(...(await applyCustomers(context, trx, rows)));
    else await applyOrders(context, trx, rows, zone);
    return true;
  });
  if (!applied) return false;
  for (const tell of after) await tell();
  context.log.debug(`the history of ${stream} is applied up to ${last}`, { rows: rows.length });
  return true;
}

async function applyCustomers(
  context: SyncContext,
  trx: Db,
  rows: readonly HistoryRow[],
): Promise<(() => Promise<void>)[]> {
  const { enterprise, enterpriseNumber, cards, log } = context;
  const tell: (() => Promise<void>)[] = [];
  const dirty = new Set<number>();
  for (const row of rows) {
    const { id } = row.ref;
    if (row.own || id === undefined) continue;
    const { combinedTo } = row;
    if (combinedTo !== undefined) {
      await mergeCustomers(trx, enterpriseNumber, id, combinedTo);
      await mergeOrderCustomers(trx, enterprise, id, combinedTo);
      log.info(`customer ${id} became part of customer ${combinedTo} in the CRM`);
      tell.push(() => cards.merged(id, combinedTo));
      dirty.delete(id);
      dirty.add(combinedTo);
      await dropDirty(trx, enterprise, 'customer', id);
    } else if (row.deleted && (row.field === undefined || row.field === 'id')) {
      await staleCustomers(trx, enterpriseNumber, { customerId: id });
      tell.push(() => cards.forget(id));
      dirty.delete(id);
      await dropDirty(trx, enterprise, 'customer', id);
    } else if (row.created || row.deleted || row.field === undefined || cardFields.has(row.field)) dirty.add(id);
  }
  await markDirty(trx, enterprise, 'customer', [...dirty]);
  return tell;
}

async function applyOrders(context: SyncContext, trx: Db, rows: readonly HistoryRow[], zone: string): Promise<void> {
  const { enterprise, rules } = context;
  const dirty = new Set<number>();
  for (const row of rows) {
    const orderId = row.ref.id;
    if (orderId === undefined) continue;
    const status = statusOf(row);
    if (status !== undefined) {
      const at = row.createdAt === undefined ? undefined : fromAccountTime(row.createdAt, zone);
      const change = { orderId, status, at: new Date(at ?? context.now()), historyId: row.id, own: row.own };
      const changeId = await noteStatus(trx, enterprise, change);
      // What we did ourselves sets nothing off: a loop would follow.
      if (changeId !== undefined && !row.own) await rules.plan(trx, changeId, change);
    }
    if (row.own) continue;
    if (row.combinedTo !== undefined || (row.deleted && (row.field === undefined || row.field === 'id'))) {
      await orderDeleted(trx, enterprise, orderId);
      await dropDirty(trx, enterprise, 'order', orderId);
      dirty.delete(orderId);
      if (row.combinedTo !== undefined) dirty.add(row.combinedTo);
    } else dirty.add(orderId); // whatever the field: it may have changed the sum
  }
  await markDirty(trx, enterprise, 'order', [...dirty]);
}

/** The status an order came to by this row; undefined: it is about something else. */
function statusOf(row: HistoryRow): string | undefined {
  const value: unknown = row.created ? row.entity['status'] : row.field === 'status' ? row.newValue : undefined;
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null && 'code' in value && typeof value.code === 'string')
    return value.code;
  return undefined;
}

function isTooLarge(error: unknown): boolean {
  return error instanceof CrmError && error.kind === 'NETWORK' && error.errorMsg === 'the answer is too large';
}
