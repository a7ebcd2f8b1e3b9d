/** Customers, their notes, and companies. Behaviours 35–44 and 49. */

import { type Account, type Customer, nextId, type Source } from './account.ts';
import {
  type Ask,
  asObject,
  byOf,
  dateFilter,
  filters,
  flagFilter,
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
  without,
} from './ask.ts';
import { isDate } from './dates.ts';
import { listOf } from './fields.ts';
import { addChange, type Author, customerStub } from './history.ts';
import { digitsOf } from './phones.ts';
import {
  invalid,
  json,
  ok,
  phpMap,
  type Problems,
  type Reply,
  refusal,
  Refusal,
  refuseIfAny,
  serverPage,
  shaped,
  texts,
} from './reply.ts';
import { blankCustomer } from './seed.ts';

const FILTERS = [
  'name',
  'ids',
  'externalIds',
  'email',
  'sites',
  'managers',
  'managerGroups',
  'dateFrom',
  'dateTo',
  'vip',
  'bad',
  'isContact',
  'customFields',
  'tags',
];
const FIELDS = [
  'externalId',
  'isContact',
  'createdAt',
  'firstName',
  'lastName',
  'patronymic',
  'email',
  'phones',
  'managerId',
  'vip',
  'bad',
  'site',
  'source',
  'tags',
  'addTags',
  'removeTags',
  'customFields',
  'address',
  'contragent',
  'type',
];
const MAX_BATCH = 50;

/** GET customers */
export function listCustomers(ask: Ask): Reply {
  const found = filters(ask, FILTERS);
  const pages = paging(ask);
  const vip = flagFilter(ask, 'vip', found['vip']);
  const bad = flagFilter(ask, 'bad', found['bad']);
  const isContact = flagFilter(ask, 'isContact', found['isContact']);
  const from = dateFilter(ask, 'dateFrom', found['dateFrom'], isDate);
  const to = dateFilter(ask, 'dateTo', found['dateTo'], isDate);
  const name = typeof found['name'] === 'string' ? found['name'] : '';
  const custom = typeof found['customFields'] === 'object' ? Object.entries(found['customFields']) : [];
  const among = (filter: string, value: string | number | undefined): boolean =>
    found[filter] === undefined || (value !== undefined && listOf(found[filter]).includes(String(value)));
  const rows = [...ask.account.customers.values()].filter(
    (customer) =>
      customer.combinedTo === undefined &&
      ask.key.sites.includes(customer.site) &&
      matchesName(customer, name) &&
      among('ids', customer.id) &&
      among('externalIds', customer.externalId) &&
      among('email', customer.email) &&
      among('sites', customer.site) &&
      among('managers', customer.managerId) &&
      inGroups(ask.account, customer.managerId, listOf(found['managerGroups'])) &&
      (vip === undefined || customer.vip === vip) &&
      (bad === undefined || customer.bad === bad) &&
      (isContact === undefined || customer.isContact === isContact) &&
      (from === undefined || customer.createdAt.slice(0, 10) >= from) &&
      (to === undefined || customer.createdAt.slice(0, 10) <= to) &&
      custom.every(([code, value]) => typeof value === 'string' && customer.customFields[code] === value) &&
      listOf(found['tags']).every((tag) => customer.tags.some((each) => each.name === tag)),
  );
  const page = onePage(rows.reverse(), pages);
  return ok({ pagination: page.pagination, customers: page.rows.map(view) });
}

/** GET customers/{id} */
export function getCustomer(ask: Ask): Reply {
  return ok({ customer: view(find(ask)) });
}

/** POST customers/create */
export function createCustomer(ask: Ask): Reply {
  const given = objectField(ask, 'customer');
  const site = siteToWrite(ask);
  const problems: Problems = {};
  const changes = read(ask, given, problems);
  taken(ask, given, site, undefined, problems);
  refuseIfAny(ask.switches, problems);
  const customer = add(ask.account, site, stamp(ask), changes, { key: ask.key.key }, ask.now);
  return json(ask.switches.createStatus, { success: true, id: customer.id });
}

/** POST customers/{id}/edit */
export function editCustomer(ask: Ask): Reply {
  const given = objectField(ask, 'customer');
  const customer = find(ask);
  const problems: Problems = {};
  const changes = read(ask, given, problems);
  taken(ask, given, customer.site, customer, problems);
  refuseIfAny(ask.switches, problems);
  change(ask.account, customer, changes, { key: ask.key.key }, ask.now);
  return ok({ id: customer.id });
}

/** POST customers/upload */
export function uploadCustomers(ask: Ask): Reply {
  const batch = listField(ask, 'customers');
  const site = siteToWrite(ask);
  if (batch.length === 0 || batch.length > MAX_BATCH)
    throw invalid(ask.switches, { customers: texts(ask.switches).count });
  const half = ask.takeFault('halfBatchThen500');
  const uploadedCustomers: Record<string, unknown>[] = [];
  const failedCustomers: Record<string, unknown>[] = [];
  for (const item of half ? batch.slice(0, Math.floor(batch.length / 2)) : batch) {
    const given = asObject(item) ?? {};
    const problems: Problems = {};
    const changes = read(ask, given, problems);
    taken(ask, given, site, undefined, problems);
    const externalId = text(given['externalId']);
    if (Object.keys(problems).length > 0) failedCustomers.push({ externalId, errors: shaped(ask.switches, problems) });
    else {
      const { id } = add(ask.account, site, stamp(ask), changes, { key: ask.key.key }, ask.now);
      uploadedCustomers.push({ id, ...(externalId !== undefined && { externalId }) });
    }
  }
  if (half) throw new Refusal(serverPage(500, 'Internal Server Error'));
  if (failedCustomers.length > 0)
    throw refusal(460, 'Customers are loaded with errors', { uploadedCustomers, failedCustomers });
  return ok({ uploadedCustomers, failedCustomers });
}

/** POST customers/fix-external-ids */
export function fixExternalIds(ask: Ask): Reply {
  for (const item of listField(ask, 'customers')) {
    const given = asObject(item) ?? {};
    const customer = ask.account.customers.get(integer(given['id']) ?? 0);
    const externalId = text(given['externalId']);
    if (!customer || externalId === undefined) throw invalid(ask.switches, { customers: texts(ask.switches).invalid });
    change(ask.account, customer, { externalId }, { key: ask.key.key }, ask.now);
  }
  return ok();
}

/** A customer named by `{id}` or `{externalId}`; merged cards exist no more. */
export function referenced(account: Account, reference: Record<string, unknown>): Customer | undefined {
  const id = integer(reference['id']);
  const externalId = text(reference['externalId']);
  const customer =
    id === undefined
      ? [...account.customers.values()].find((each) => externalId !== undefined && each.externalId === externalId)
      : account.customers.get(id);
  return customer?.combinedTo === undefined ? customer : undefined;
}

/** Adds a card and its history row. `createdAt` is zone-less, `at` epoch milliseconds. */
export function add(
  account: Account,
  site: string,
  createdAt: string,
  changes: Partial<Customer>,
  author: Author,
  at: number,
): Customer {
  const customer = { ...blankCustomer(nextId(account, 'customer'), site, createdAt), ...changes };
  account.customers.set(customer.id, customer);
  addChange(account, account.customerHistory, author, at, {
    field: 'id',
    oldValue: null,
    newValue: customer.id,
    created: true,
    entity: view(customer),
  });
  return customer;
}

/** Changes a card and writes one history row per changed field; phones give a row per number. */
export function change(
  account: Account,
  customer: Customer,
  changes: Partial<Customer>,
  author: Author,
  at: number,
): void {
  const row = (field: string, oldValue: unknown, newValue: unknown): void =>
    addChange(account, account.customerHistory, author, at, {
      field,
      oldValue,
      newValue,
      entity: customerStub(customer),
    });
  const before = { ...customer };
  Object.assign(customer, changes);
  for (const { number } of before.phones)
    if (!customer.phones.some((phone) => phone.number === number)) row('phones', number, null);
  for (const { number } of customer.phones)
    if (!before.phones.some((phone) => phone.number === number)) row('phones', null, number);
  const named = {
    externalId: 'external_id',
    firstName: 'first_name',
    lastName: 'last_name',
    patronymic: 'patronymic',
    email: 'email',
    managerId: 'manager',
    vip: 'vip',
    bad: 'bad',
  } as const;
  for (const [name, field] of Object.entries(named)) {
    const [old, now] = [asObject(before)?.[name], asObject(customer)?.[name]];
    if (old !== now) row(field, old ?? null, now ?? null);
  }
}

/** Merges one card into another: it then answers 404 with `combinedTo`. */
export function merge(account: Account, customer: Customer, into: Customer, author: Author, at: number): void {
  customer.combinedTo = into.id;
  addChange(account, account.customerHistory, author, at, {
    field: 'id',
    oldValue: customer.id,
    newValue: null,
    deleted: true,
    combinedTo: into.id,
    entity: customerStub(customer),
  });
}

/** A card as the API shows it: phones exactly as stored, empty maps as lists. */
export function view(customer: Customer): Record<string, unknown> {
  const { externalId, managerId, source, address, ...plain } = without(customer, 'combinedTo');
  return {
    type: 'customer',
    ...plain,
    ...(externalId !== undefined && { externalId }),
    ...(managerId !== undefined && { managerId }),
    ...(source !== undefined && { source }),
    ...(address !== undefined && { address: { text: address } }),
    contragent: { contragentType: 'individual' },
    customFields: phpMap(customer.customFields),
  };
}

/** Reads a customer entity from a client; problems are named by field. */
export function read(ask: Reader, given: Record<string, unknown>, problems: Problems): Partial<Customer> {
  const say = texts(ask.switches);
  const changes: Partial<Customer> = {};
  flagUnknown(ask, given, FIELDS);
  for (const name of ['firstName', 'lastName', 'patronymic', 'email'] as const) {
    if (given[name] === undefined) continue;
    if (given[name] === null || typeof given[name] === 'string') changes[name] = given[name] ?? '';
    else problems[name] = say.invalid;
  }
  const externalId = text(given['externalId']);
  if (externalId !== undefined) changes.externalId = externalId;
  if (given['phones'] !== undefined) {
    const numbers = Array.isArray(given['phones'])
      ? given['phones'].map((phone) => text(asObject(phone)?.['number']))
      : [undefined];
    const phones = numbers.flatMap((number) => (number === undefined ? [] : [{ number }]));
    if (phones.length < numbers.length) problems['phones'] = say.invalid;
    changes.phones = phones;
  }
  if (given['managerId'] !== undefined && given['managerId'] !== null) {
    const managerId = integer(given['managerId']);
    if (managerId === undefined || !ask.account.users.has(managerId)) problems['managerId'] = say.unknown;
    else changes.managerId = managerId;
  }
  for (const name of ['vip', 'bad', 'isContact'] as const) {
    if (given[name] === undefined) continue;
    if (typeof given[name] === 'boolean') changes[name] = given[name];
    else problems[name] = say.invalid;
  }
  const source = asObject(given['source']);
  if (source)
    changes.source = Object.fromEntries(
      Object.entries(source).map(([name, value]) => [name, String(value)]),
    ) satisfies Source;
  const customFields = asObject(given['customFields']);
  if (customFields) changes.customFields = customFields;
  const address = text(asObject(given['address'])?.['text']);
  if (address !== undefined) changes.address = address;
  if (Array.isArray(given['addTags'])) changes.tags = given['addTags'].map((name) => ({ name: String(name) }));
  return changes;
}

function find(ask: Ask): Customer {
  const by = byOf(ask);
  const site = givenSite(ask);
  const wanted = ask.path['id'] ?? '';
  const customer =
    by === 'id'
      ? ask.account.customers.get(integer(wanted) ?? 0)
      : [...ask.account.customers.values()].find(
          (each) => each.externalId === wanted && (site === undefined || each.site === site),
        );
  if (!customer || !ask.key.sites.includes(customer.site)) throw refusal(404, 'Not found');
  if (customer.combinedTo !== undefined) throw refusal(404, 'Not found', { combinedTo: { id: customer.combinedTo } });
  return customer;
}

function taken(
  ask: Ask,
  given: Record<string, unknown>,
  site: string,
  self: Customer | undefined,
  problems: Problems,
): void {
  const externalId = text(given['externalId']);
  if (externalId === undefined) return;
  for (const each of ask.account.customers.values()) {
    if (each !== self && each.externalId === externalId && each.site === site)
      problems['externalId'] = texts(ask.switches).used;
  }
}

/** Groups are named by id or code. */
function inGroups(account: Account, managerId: number | undefined, groups: readonly string[]): boolean {
  if (groups.length === 0) return true;
  const manager = managerId === undefined ? undefined : account.users.get(managerId);
  return manager?.groups.some(({ id, code }) => groups.includes(String(id)) || groups.includes(code)) ?? false;
}

function matchesName(customer: Customer, wanted: string): boolean {
  if (wanted === '') return true;
  const name = [customer.firstName, customer.lastName, customer.patronymic].join(' ').toLowerCase();
  if (name.includes(wanted.toLowerCase())) return true;
  const digits = digitsOf(wanted);
  if (digits === '' || /[^\d\s()+\-.]/.test(wanted)) return false;
  return customer.phones.some(({ number }) => digitsOf(number).includes(digits));
}
