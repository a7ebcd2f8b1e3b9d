/** Orders. Behaviour 48. */

import { type Account, nextId, type Order } from './account.ts';
import {
  type Ask,
  asObject,
  byOf,
  dateFilter,
  filters,
  flagUnknown,
  givenSite,
  integer,
  listField,
  objectField,
  onePage,
  paging,
  type Reader,
  siteToWrite,
  stamp,
  text,
} from './ask.ts';
import { referenced } from './customers.ts';
import { isDate } from './dates.ts';
import { type Field, listOf } from './fields.ts';
import { addChange, type Author, orderStub } from './history.ts';
import { digitsOf } from './phones.ts';
import { invalid, json, ok, phpMap, type Problems, type Reply, refusal, refuseIfAny, shaped, texts } from './reply.ts';

const FILTERS = [
  'customerId',
  'customerExternalId',
  'customer',
  'ids',
  'numbers',
  'externalIds',
  'extendedStatus',
  'managers',
  'sites',
  'createdAtFrom',
  'createdAtTo',
  'customFields',
];
const FIELDS = [
  'externalId',
  'number',
  'orderMethod',
  'orderType',
  'status',
  'customer',
  'contact',
  'firstName',
  'lastName',
  'patronymic',
  'phone',
  'email',
  'managerId',
  'managerComment',
  'customerComment',
  'source',
  'site',
  'items',
  'payments',
  'customFields',
  'createdAt',
];
const MAX_BATCH = 50;

/** GET orders */
export function listOrders(ask: Ask): Reply {
  const found = filters(ask, FILTERS);
  const pages = paging(ask);
  const from = dateFilter(ask, 'createdAtFrom', found['createdAtFrom'], isDate);
  const to = dateFilter(ask, 'createdAtTo', found['createdAtTo'], isDate);
  const { account } = ask;
  const among = (filter: Field | undefined, value: string | number | undefined): boolean =>
    filter === undefined || (value !== undefined && listOf(filter).includes(String(value)));
  const custom = typeof found['customFields'] === 'object' ? Object.entries(found['customFields']) : [];
  const rows = [...account.orders.values()].filter((order) => {
    const customer = order.customerId === undefined ? undefined : account.customers.get(order.customerId);
    return (
      ask.key.sites.includes(order.site) &&
      among(found['customerId'], order.customerId) &&
      among(found['customerExternalId'], customer?.externalId) &&
      among(found['ids'], order.id) &&
      among(found['numbers'], order.number) &&
      among(found['externalIds'], order.externalId) &&
      among(found['extendedStatus'], order.status) &&
      among(found['managers'], order.managerId) &&
      among(found['sites'], order.site) &&
      custom.every(([code, value]) => typeof value === 'string' && order.customFields[code] === value) &&
      (typeof found['customer'] !== 'string' || matchesPerson(order, found['customer'])) &&
      (from === undefined || order.createdAt.slice(0, 10) >= from) &&
      (to === undefined || order.createdAt.slice(0, 10) <= to)
    );
  });
  const page = onePage(rows.reverse(), pages);
  return ok({ pagination: page.pagination, orders: page.rows.map(view) });
}

/** GET orders/{id} */
export function getOrder(ask: Ask): Reply {
  return ok({ order: view(find(ask, 'Not found')) });
}

/** POST orders/create */
export function createOrder(ask: Ask): Reply {
  const given = objectField(ask, 'order');
  const site = siteToWrite(ask);
  const problems: Problems = {};
  const changes = read(ask, given, problems);
  taken(ask, given, site, problems);
  refuseIfAny(ask.switches, problems);
  const order = add(ask.account, site, stamp(ask), changes, { key: ask.key.key }, ask.now);
  return json(201, { success: true, id: order.id, order: view(order) });
}

/** POST orders/{id}/edit */
export function editOrder(ask: Ask): Reply {
  const given = objectField(ask, 'order');
  const order = find(ask, 'Not found map');
  const problems: Problems = {};
  const changes = read(ask, given, problems);
  refuseIfAny(ask.switches, problems);
  change(ask.account, order, changes, { key: ask.key.key }, ask.now, stamp(ask));
  return ok({ id: order.id, order: view(order) });
}

/** POST orders/upload */
export function uploadOrders(ask: Ask): Reply {
  const batch = listField(ask, 'orders');
  const site = siteToWrite(ask);
  if (batch.length === 0 || batch.length > MAX_BATCH)
    throw invalid(ask.switches, { orders: texts(ask.switches).count });
  const uploadedOrders: Record<string, unknown>[] = [];
  const failedOrders: Record<string, unknown>[] = [];
  for (const item of batch) {
    const given = asObject(item) ?? {};
    const problems: Problems = {};
    const changes = read(ask, given, problems);
    taken(ask, given, site, problems);
    const externalId = text(given['externalId']);
    if (Object.keys(problems).length > 0) failedOrders.push({ externalId, errors: shaped(ask.switches, problems) });
    else
      uploadedOrders.push({
        id: add(ask.account, site, stamp(ask), changes, { key: ask.key.key }, ask.now).id,
        externalId,
      });
  }
  if (failedOrders.length > 0) throw refusal(460, 'Orders are loaded with errors', { uploadedOrders, failedOrders });
  return ok({ uploadedOrders, failedOrders });
}

/** GET orders/statuses */
export function orderStatuses(ask: Ask): Reply {
  const ids = listOf(ask.query['ids']);
  const externalIds = listOf(ask.query['externalIds']);
  const orders = [...ask.account.orders.values()]
    .filter(
      (order) =>
        ids.includes(String(order.id)) || (order.externalId !== undefined && externalIds.includes(order.externalId)),
    )
    .map(({ id, externalId, status }) => ({
      ...{ id, status, group: ask.account.statuses.get(status)?.group },
      ...(externalId !== undefined && { externalId }),
    }));
  return ok({ orders });
}

/** Adds an order and its history row. */
export function add(
  account: Account,
  site: string,
  createdAt: string,
  changes: Partial<Order>,
  author: Author,
  at: number,
): Order {
  const id = nextId(account, 'order');
  const order: Order = {
    ...{ id, number: `${id}A`, createdAt, statusUpdatedAt: createdAt, status: 'new', site, totalSumm: 0 },
    ...{
      externalId: undefined,
      orderMethod: undefined,
      orderType: undefined,
      customerId: undefined,
      customerType: 'customer' as const,
    },
    ...{
      firstName: '',
      lastName: '',
      phone: undefined,
      managerId: undefined,
      managerComment: undefined,
      customerComment: undefined,
    },
    ...{ source: undefined, items: [], payments: {}, customFields: {} },
    ...changes,
  };
  account.orders.set(id, order);
  addChange(account, account.orderHistory, author, at, {
    field: 'id',
    oldValue: null,
    newValue: id,
    created: true,
    entity: view(order),
  });
  return order;
}

/** Changes an order and writes one history row per changed field. */
export function change(
  account: Account,
  order: Order,
  changes: Partial<Order>,
  author: Author,
  at: number,
  stamped: string,
): void {
  const before = { ...order };
  Object.assign(order, changes);
  if (order.status !== before.status) order.statusUpdatedAt = stamped;
  const named = {
    status: 'status',
    managerId: 'manager',
    managerComment: 'manager_comment',
    customerComment: 'customer_comment',
    phone: 'phone',
    firstName: 'first_name',
    lastName: 'last_name',
    customerId: 'customer',
    externalId: 'external_id',
    orderMethod: 'order_method',
  };
  for (const [name, field] of Object.entries(named)) {
    const [old, now] = [asObject(before)?.[name], asObject(order)?.[name]];
    if (old !== now)
      addChange(account, account.orderHistory, author, at, {
        field,
        oldValue: old ?? null,
        newValue: now ?? null,
        entity: orderStub(order),
      });
  }
}

/** An order as the API shows it: `payments` and `customFields` are maps, or `[]` when empty. */
export function view(order: Order): Record<string, unknown> {
  const { customerId, customerType, payments, customFields, ...plain } = order;
  return {
    ...plain,
    ...(customerId !== undefined && { customer: { type: customerType, id: customerId } }),
    payments: phpMap(payments),
    customFields: phpMap(customFields),
  };
}

/** Reads an order entity from a client; problems are named by field. */
export function read(ask: Reader, given: Record<string, unknown>, problems: Problems): Partial<Order> {
  const say = texts(ask.switches);
  const { account } = ask;
  flagUnknown(ask, given, FIELDS);
  const changes: Partial<Order> = {};
  const coded = { status: account.statuses, orderMethod: account.orderMethods, orderType: account.orderTypes } as const;
  for (const [name, codes] of Object.entries(coded)) {
    const code = text(given[name]);
    if (code === undefined) continue;
    if (codes.has(code)) Object.assign(changes, { [name]: code });
    else problems[name] = say.choice;
  }
  for (const name of [
    'externalId',
    'number',
    'firstName',
    'lastName',
    'phone',
    'managerComment',
    'customerComment',
  ] as const) {
    if (given[name] === undefined || given[name] === null) continue;
    if (typeof given[name] === 'string') changes[name] = given[name];
    else problems[name] = say.invalid;
  }
  const managerId = integer(given['managerId']);
  if (given['managerId'] !== undefined && given['managerId'] !== null) {
    if (managerId === undefined || !account.users.has(managerId)) problems['managerId'] = say.unknown;
    else changes.managerId = managerId;
  }
  const reference = asObject(given['customer']);
  if (reference) {
    const corporate = reference['type'] === 'customer_corporate';
    const id = corporate
      ? account.corporate.get(integer(reference['id']) ?? 0)?.id
      : referenced(account, reference)?.id;
    if (id === undefined) problems['customer'] = say.unknown;
    else Object.assign(changes, { customerId: id, customerType: corporate ? 'customer_corporate' : 'customer' });
  }
  const source = asObject(given['source']);
  if (source) changes.source = Object.fromEntries(Object.entries(source).map(([name, value]) => [name, String(value)]));
  const customFields = asObject(given['customFields']);
  if (customFields) changes.customFields = customFields;
  if (Array.isArray(given['items'])) changes.items = given['items'].map((item: unknown) => item);
  if (Array.isArray(given['payments']))
    changes.payments = Object.fromEntries(
      given['payments'].map((payment: unknown, index) => [String(index + 1), payment]),
    );
  return changes;
}

function find(ask: Ask, errorMsg: string): Order {
  const by = byOf(ask);
  givenSite(ask);
  const wanted = ask.path['id'] ?? '';
  const order =
    by === 'id'
      ? ask.account.orders.get(integer(wanted) ?? 0)
      : [...ask.account.orders.values()].find((each) => each.externalId === wanted);
  if (!order || !ask.key.sites.includes(order.site)) throw refusal(404, errorMsg);
  return order;
}

function taken(ask: Ask, given: Record<string, unknown>, site: string, problems: Problems): void {
  const externalId = text(given['externalId']);
  if (externalId === undefined) return;
  for (const each of ask.account.orders.values()) {
    if (each.externalId === externalId && each.site === site) problems['externalId'] = texts(ask.switches).used;
  }
}

function matchesPerson(order: Order, wanted: string): boolean {
  const digits = digitsOf(wanted);
  const name = `${order.firstName} ${order.lastName}`.toLowerCase();
  return name.includes(wanted.toLowerCase()) || (digits !== '' && digitsOf(order.phone ?? '').includes(digits));
}
