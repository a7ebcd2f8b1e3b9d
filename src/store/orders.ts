/** Orders as the CRM showed them last, and when they came to which status: what analytics and order rules stand on. */
import { sql } from 'kysely';
import type { Db } from './database.ts';
import { text, textOrNull } from './values.ts';

/** An order. */
export interface OrderRow {
  id: number;
  number: string | null;
  externalId: string | null;
  /** Code of the status. */
  status: string | null;
  /** Code of the order method. */
  method: string | null;
  /** In the order's currency. */
  total: number | null;
  customerId: number | null;
  managerId: number | null;
  site: string | null;
  /** E.164 where the number is one, else as it stands on the order. */
  phone: string | null;
  /** Whom the order names. */
  person: string | null;
  createdAt: Date | null;
  /** When it came to its status. */
  statusAt: Date | null;
  /** No longer in the CRM, or merged into another order. */
  deleted: boolean;
}

const columns = [
  'order_id',
  'number',
  'external_id as externalId',
  'status',
  'method',
  'total',
  'customer_id',
  'manager_id',
  'site',
  'phone',
  'person',
  'created_at as createdAt',
  'status_at as statusAt',
  'deleted',
] as const;

/** Saves what the CRM showed. */
export async function saveOrder(db: Db, enterprise: string, order: Omit<OrderRow, 'deleted'>): Promise<void> {
  const values = {
    number: textOrNull(order.number),
    external_id: textOrNull(order.externalId),
    status: textOrNull(order.status),
    method: textOrNull(order.method),
    total: order.total === null ? null : order.total.toFixed(2),
    customer_id: idOrNull(order.customerId),
    manager_id: idOrNull(order.managerId),
    site: textOrNull(order.site),
    phone: textOrNull(order.phone),
    person: textOrNull(order.person),
    created_at: order.createdAt,
    status_at: order.statusAt,
    deleted: false,
  };
  await db
    .insertInto('orders')
    .values({ enterprise, order_id: String(order.id), ...values })
    .onConflict((conflict) =>
      conflict.columns(['enterprise', 'order_id']).doUpdateSet({ ...values, fetched_at: sql<Date>`now()` }),
    )
    .execute();
}

/** One order; undefined: never seen. */
export async function findOrder(db: Db, enterprise: string, id: number): Promise<OrderRow | undefined> {
  const row = await db
    .selectFrom('orders')
    .select(columns)
    .where('enterprise', '=', enterprise)
    .where('order_id', '=', String(id))
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { order_id, customer_id, manager_id, total, ...rest } = row;
  return {
    id: Number(order_id),
    customerId: customer_id === null ? null : Number(customer_id),
    managerId: manager_id === null ? null : Number(manager_id),
    total: total === null ? null : Number(total),
    ...rest,
  };
}

/** The order is no longer in the CRM. Its row stays: calls and figures refer to it. */
export async function orderDeleted(db: Db, enterprise: string, id: number): Promise<void> {
  await db
    .updateTable('orders')
    .set({ deleted: true, fetched_at: sql<Date>`now()` })
    .where('enterprise', '=', enterprise)
    .where('order_id', '=', String(id))
    .execute();
}

/** The orders of a customer whose card became part of another one. */
export async function mergeOrderCustomers(db: Db, enterprise: string, from: number, into: number): Promise<void> {
  await db
    .updateTable('orders')
    .set({ customer_id: String(into) })
    .where('enterprise', '=', enterprise)
    .where('customer_id', '=', String(from))
    .execute();
}

/** An order came to a status, as the order itself or the history tells. */
export interface StatusChange {
  orderId: number;
  status: string;
  at: Date;
  /** Id of the history row; undefined: read from the order. */
  historyId: number | undefined;
  /** Made with our own key. */
  own: boolean;
}

/** An order and the history tell the same change with times this far apart at most, seconds. */
const sameChangeSeconds = 120;

/**
 * Notes a change of status, once: the history's row and what was read from the order are one change, whichever came
 * first. Returns the id of a change nobody had noted before, else undefined. Call it in a transaction.
 */
export async function noteStatus(db: Db, enterprise: string, change: StatusChange): Promise<string | undefined> {
  const { orderId, status, at, historyId, own } = change;
  // Reading the order and reading the history may happen in two processes: one after the other.
  await sql`select pg_advisory_xact_lock(hashtextextended(${`order ${enterprise} ${orderId}`}, 0))`.execute(db);
  const known = await db
    .selectFrom('order_statuses')
    .select(['id', 'history_id'])
    .where('enterprise', '=', enterprise)
    .where((eb) =>
      eb.or([
        ...(historyId === undefined ? [] : [eb('history_id', '=', String(historyId))]),
        eb.and([
          eb('order_id', '=', String(orderId)),
          eb('status', '=', text(status)),
          sql<boolean>`at between ${at}::timestamptz - make_interval(secs => ${sameChangeSeconds})
                          and ${at}::timestamptz + make_interval(secs => ${sameChangeSeconds})`,
          // A second row of the history is a second change, however soon it came.
          ...(historyId === undefined ? [] : [eb('history_id', 'is', null)]),
        ]),
      ]),
    )
    // The very row first.
    .orderBy(sql`history_id is null`)
    .orderBy('at', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (known !== undefined) {
    if (known.history_id === null && historyId !== undefined) {
      await db
        .updateTable('order_statuses')
        .set({ history_id: String(historyId), at, own })
        .where('id', '=', known.id)
        .execute();
    }
    return undefined;
  }
  const row = await db
    .insertInto('order_statuses')
    .values({
      enterprise,
      order_id: String(orderId),
      status: text(status),
      at,
      history_id: historyId === undefined ? null : String(historyId),
      own,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return row.id;
}

/** When an order came to which status, oldest first. */
export async function statusesOf(db: Db, enterprise: string, id: number): Promise<{ status: string; at: Date }[]> {
  return db
    .selectFrom('order_statuses')
    .select(['status', 'at'])
    .where('enterprise', '=', enterprise)
    .where('order_id', '=', String(id))
    .orderBy('at')
    .orderBy('id')
    .execute();
}

function idOrNull(id: number | null): string | null {
  return id === null ? null : String(id);
}
