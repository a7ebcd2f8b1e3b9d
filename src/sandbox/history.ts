/** Change histories of customers and orders. Behaviours 45–47. */

import type { Account, Change, Customer, Order } from './account.ts';
import { nextId } from './account.ts';
import { type Ask, dateFilter, filters, integer, onePage, paging, stamp } from './ask.ts';
import { isDateTime, zoneless } from './dates.ts';
import { badParameters, ok, type Reply, texts } from './reply.ts';

/** Who made a change: an API key, or a user in the CRM's own pages. */
export type Author = { key: string } | { userId: number };

/** What a change row says besides its author and time. */
export type ChangeFacts = Pick<Change, 'field' | 'oldValue' | 'newValue' | 'entity'> &
  Partial<Pick<Change, 'created' | 'deleted' | 'combinedTo'>>;

/** Appends a row to a history; `at` is epoch milliseconds. */
export function addChange(account: Account, history: Change[], author: Author, at: number, facts: ChangeFacts): void {
  history.push({
    id: nextId(account, 'change'),
    createdAt: zoneless(at, account.timezone),
    source: 'key' in author ? 'api' : 'user',
    key: 'key' in author ? author.key : undefined,
    userId: 'userId' in author ? author.userId : undefined,
    ...{ created: false, deleted: false, combinedTo: undefined },
    ...facts,
  });
}

/** GET customers/history */
export function customersHistory(ask: Ask): Reply {
  return walk(ask, ask.account.customerHistory, 'customer', 'customerId');
}

/** GET orders/history */
export function ordersHistory(ask: Ask): Reply {
  return walk(ask, ask.account.orderHistory, 'order', 'orderId');
}

/** GET customers-corporate/history: the emulator's companies never change. */
export function corporateHistory(ask: Ask): Reply {
  return walk(ask, [], 'customer', 'customerId');
}

/** The stub of a customer in rows that are not `created`. */
export function customerStub(customer: Customer): Record<string, unknown> {
  return {
    id: customer.id,
    ...(customer.externalId !== undefined && { externalId: customer.externalId }),
    site: customer.site,
  };
}

/** The stub of an order in rows that are not `created`. */
export function orderStub(order: Order): Record<string, unknown> {
  return { id: order.id, ...(order.externalId !== undefined && { externalId: order.externalId }), site: order.site };
}

function walk(ask: Ask, history: readonly Change[], entity: string, idFilter: string): Reply {
  const say = texts(ask.switches);
  const found = filters(ask, ['sinceId', 'startDate', 'endDate', idFilter]);
  const pages = paging(ask, 100);
  const sinceId = found['sinceId'] === undefined ? undefined : integer(found['sinceId']);
  if (found['sinceId'] !== undefined && sinceId === undefined)
    throw badParameters(ask.switches, { 'children[sinceId]': say.invalid });
  if (sinceId !== undefined && ask.query['page'] !== undefined)
    throw badParameters(ask.switches, { page: say.together });
  const start = dateFilter(ask, 'startDate', found['startDate'], isDateTime);
  const end = dateFilter(ask, 'endDate', found['endDate'], isDateTime);
  const only = found[idFilter] === undefined ? undefined : integer(found[idFilter]);
  const rows = history.filter(
    (change) =>
      (sinceId === undefined || change.id > sinceId) &&
      (start === undefined || change.createdAt >= start) &&
      (end === undefined || change.createdAt <= end) &&
      (only === undefined || change.entity['id'] === only),
  );
  const page = onePage(rows, pages);
  return ok({
    generatedAt: stamp(ask),
    history: page.rows.map((change) => view(change, entity, ask.key.key)),
    pagination: page.pagination,
  });
}

function view(change: Change, entity: string, askingKey: string): Record<string, unknown> {
  return {
    id: change.id,
    createdAt: change.createdAt,
    ...(change.created && { created: true }),
    ...(change.deleted && { deleted: true }),
    source: change.source,
    ...(change.userId !== undefined && { user: { id: change.userId } }),
    ...(change.key !== undefined && { apiKey: { current: change.key === askingKey } }),
    field: change.field,
    oldValue: change.oldValue,
    newValue: change.newValue,
    ...(change.combinedTo !== undefined && { combinedTo: { id: change.combinedTo } }),
    [entity]: change.entity,
  };
}
