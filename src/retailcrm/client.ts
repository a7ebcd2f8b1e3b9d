import type { Logger } from '../log.ts';
import * as account from './account.ts';
import * as customers from './customers.ts';
import { FrozenJson, type Query } from './form.ts';
import { type CrmAddress, CrmHttp, type RequestOptions } from './http.ts';
import * as orders from './orders.ts';
import type { Fields } from './read.ts';
import * as telephony from './telephony.ts';

/** How to reach one account, and where to report. */
export interface ClientOptions extends CrmAddress {
  readonly log: Logger;
}

/** Deadline of a call event, ms: later than this nobody needs the pop-up. */
const eventDeadlineMs = 2_000;
/** Largest file `downloadFile` reads. */
const maxFileBytes = 32 * 1024 * 1024;
const v5 = '/api/v5';
const nothing = (): void => undefined;
const id = (value: number | string): string => encodeURIComponent(String(value));

/** A list method's answer. */
export interface Listed<T> {
  readonly items: readonly T[];
  readonly pagination: customers.Pagination | undefined;
}

/** One element of a batch that the CRM took. */
export interface Uploaded {
  readonly uploaded: readonly customers.EntityRef[];
}

/**
 * One RetailCRM account. Every method is one request: not paced, not repeated, and every failure is a `CrmError`.
 * Method docstrings name the API path; dates are account time (`toAccountTime`).
 */
export class RetailCrmClient {
  readonly #http: CrmHttp;
  readonly #log: Logger;
  /** Unknown addressees already warned about, with the day. */
  readonly #unknown = new Set<string>();
  #unknownDay = '';

  /** Throws TypeError when the address must not be called (not https, a user or query in it). */
  constructor(options: ClientOptions) {
    this.#http = new CrmHttp(options);
    this.#log = options.log;
  }

  /** Closes all sockets; requests under way fail with NETWORK. */
  stop(): void {
    this.#http.stop();
  }

  // Telephony (section 4): the telephony bucket, 40 requests per second.

  /** POST `telephony/call/event` (4.1): a pop-up, deadline 2 s. A string is the frozen JSON of the event. */
  async callEvent(event: telephony.CallEvent | string, options?: RequestOptions): Promise<telephony.CallEventReply> {
    const field = typeof event === 'string' ? new FrozenJson(event) : event;
    const request = { deadlineMs: eventDeadlineMs, ...options };
    const reply = await this.#http.post(
      `${v5}/telephony/call/event`,
      { event: field },
      telephony.readCallEventReply,
      request,
    );
    this.#warnUnknown(reply);
    return reply;
  }

  /** POST `telephony/calls/upload` (4.2): 1 to 50 finished calls. A string is the frozen JSON of the list. */
  async uploadCalls(
    calls: readonly telephony.CallUpload[] | string,
    options?: RequestOptions,
  ): Promise<telephony.UploadReply> {
    const field = typeof calls === 'string' ? new FrozenJson(calls) : calls;
    return this.#http.post(`${v5}/telephony/calls/upload`, { calls: field }, telephony.readUploadReply, options);
  }

  /** GET `telephony/manager` (4.4): who is responsible for this number. The preferred look-up by phone. */
  async manager(
    query: { phone: string; details?: boolean; ignoreStatus?: boolean },
    options?: RequestOptions,
  ): Promise<telephony.ManagerReply> {
    return this.#http.get(`${v5}/telephony/manager`, query, telephony.readManagerReply, options);
  }

  // Integration module (section 5).

  /** GET `integration-modules/{code}` (5.1). NOTFOUND when there is none. */
  async integrationModule(code: string): Promise<account.IntegrationModule> {
    return this.#http.get(`${v5}/integration-modules/${id(code)}`, {}, one('integrationModule', account.readModule));
  }

  /** POST `integration-modules/{code}/edit` (5.1): creates or edits. Replaces `additionalCodes`: send the merged list. */
  async editIntegrationModule(module: account.ModuleInput): Promise<void> {
    return this.#http.post(`${v5}/integration-modules/${id(module.code)}/edit`, { integrationModule: module }, nothing);
  }

  // Customers (section 6).

  /** GET `customers` (6). By phone: `filter.name` with national digits, then compare `phones`. */
  async customers(filter: customers.CustomerFilter, page: customers.Page = {}): Promise<Listed<customers.Customer>> {
    return this.#list('customers', filter, page, 'customers', customers.readCustomer);
  }

  /** GET `customers/{id}` (6). NOTFOUND with `combinedTo` when merged into another one. */
  async customer(of: number | string, by: customers.ById): Promise<customers.Customer> {
    return this.#http.get(`${v5}/customers/${id(of)}`, { ...by }, one('customer', customers.readCustomer));
  }

  /** POST `customers/create` (6) → id. Not idempotent by phone: send a deterministic `externalId`. */
  async createCustomer(customer: customers.CustomerInput, site?: string): Promise<number> {
    return this.#http.post(`${v5}/customers/create`, { site, customer }, customers.readId);
  }

  /** POST `customers/{id}/edit` (6) → id. */
  async editCustomer(of: number | string, by: customers.ById, customer: customers.CustomerInput): Promise<number> {
    return this.#http.post(`${v5}/customers/${id(of)}/edit`, { ...by, customer }, customers.readId);
  }

  /** POST `customers/upload` (6): at most 50. PARTIAL when some were refused, `failed` names them. */
  async uploadCustomers(batch: readonly customers.CustomerInput[], site?: string): Promise<Uploaded> {
    const read = (answer: Fields): Uploaded => ({ uploaded: answer.list('uploadedCustomers', customers.readRef) });
    return this.#http.post(`${v5}/customers/upload`, { site, customers: batch }, read);
  }

  /** POST `customers/fix-external-ids` (6). */
  async fixCustomerExternalIds(pairs: readonly { id: number; externalId: string }[]): Promise<void> {
    return this.#http.post(`${v5}/customers/fix-external-ids`, { customers: pairs }, nothing);
  }

  /** GET `customers/notes` (6). */
  async customerNotes(
    filter: { customerIds?: readonly number[] },
    page: customers.Page = {},
  ): Promise<Listed<customers.CustomerNote>> {
    return this.#list('customers/notes', filter, page, 'notes', customers.readNote);
  }

  /** POST `customers/notes/create` (6) → id. */
  async createCustomerNote(
    note: { text: string; managerId?: number; customer: { id: number } | { externalId: string } },
    site?: string,
  ): Promise<number> {
    return this.#http.post(`${v5}/customers/notes/create`, { site, note }, customers.readId);
  }

  /** GET `customers/history` (9): walk by `sinceId`. */
  async customerHistory(filter: customers.HistoryFilter, limit: 20 | 50 | 100 = 100): Promise<customers.HistoryReply> {
    return this.#history('customers', filter, limit, 'customer');
  }

  // Companies (section 7).

  /** GET `customers-corporate` (7): companies a person belongs to, by `contactIds`. */
  async corporateCustomers(
    filter: { contactIds?: readonly number[]; ids?: readonly number[] },
    page: customers.Page = {},
  ): Promise<Listed<customers.CorporateCustomer>> {
    return this.#list('customers-corporate', filter, page, 'customersCorporate', customers.readCorporate);
  }

  /** GET `customers-corporate/{id}/contacts` (7). */
  async corporateContacts(of: number | string, by: customers.ById): Promise<Listed<customers.CorporateContact>> {
    const read = listed('contacts', customers.readContact);
    return this.#http.get(`${v5}/customers-corporate/${id(of)}/contacts`, { ...by }, read);
  }

  /** GET `customers-corporate/history` (9). */
  async corporateHistory(filter: customers.HistoryFilter, limit: 20 | 50 | 100 = 100): Promise<customers.HistoryReply> {
    return this.#history('customers-corporate', filter, limit, 'customerCorporate');
  }

  // Orders (section 8).

  /** GET `orders` (8). */
  async orders(filter: orders.OrderFilter, page: customers.Page = {}): Promise<Listed<orders.Order>> {
    return this.#list('orders', filter, page, 'orders', orders.readOrder);
  }

  /** GET `orders/{id}` (8). */
  async order(of: number | string, by: customers.ById): Promise<orders.Order> {
    return this.#http.get(`${v5}/orders/${id(of)}`, { ...by }, one('order', orders.readOrder));
  }

  /** POST `orders/create` (8). */
  async createOrder(order: orders.OrderInput, site?: string): Promise<orders.OrderReply> {
    return this.#http.post(`${v5}/orders/create`, { site, order }, orders.readOrderReply);
  }

  /** POST `orders/{id}/edit` (8). */
  async editOrder(of: number | string, by: customers.ById, order: orders.OrderInput): Promise<orders.OrderReply> {
    return this.#http.post(`${v5}/orders/${id(of)}/edit`, { ...by, order }, orders.readOrderReply);
  }

  /** GET `orders/statuses` (8). */
  async orderStatuses(of: {
    ids?: readonly number[];
    externalIds?: readonly string[];
  }): Promise<readonly orders.OrderStatus[]> {
    const read = (answer: Fields): orders.OrderStatus[] => answer.list('orders', orders.readOrderStatus);
    return this.#http.get(`${v5}/orders/statuses`, { ...of }, read);
  }

  /** GET `orders/history` (9). */
  async orderHistory(filter: customers.HistoryFilter, limit: 20 | 50 | 100 = 100): Promise<customers.HistoryReply> {
    return this.#history('orders', filter, limit, 'order');
  }

  // Users, reference books, account (section 10).

  /** GET `users` (10). */
  async users(filter: account.UserFilter = {}, page: customers.Page = {}): Promise<Listed<account.User>> {
    return this.#list('users', filter, page, 'users', account.readUser);
  }

  /** GET `users/{id}` (10). */
  async user(of: number): Promise<account.User> {
    return this.#http.get(`${v5}/users/${id(of)}`, {}, one('user', account.readUser));
  }

  /** POST `users/{id}/status` (10). */
  async setUserStatus(of: number, status: account.UserStatus): Promise<void> {
    return this.#http.post(`${v5}/users/${id(of)}/status`, { status }, nothing);
  }

  /** GET `user-groups` (10). */
  async userGroups(page: customers.Page = {}): Promise<Listed<account.UserGroup>> {
    return this.#http.get(`${v5}/user-groups`, { ...page }, listed('groups', account.readGroup));
  }

  /** GET `reference/sites` (10): shops by code. */
  async sites(): Promise<ReadonlyMap<string, account.ReferenceEntry>> {
    return this.#http.get(`${v5}/reference/sites`, {}, account.readReference('sites'));
  }

  /** GET `reference/statuses` (10): order statuses by code. */
  async statuses(): Promise<ReadonlyMap<string, account.ReferenceEntry>> {
    return this.#http.get(`${v5}/reference/statuses`, {}, account.readReference('statuses'));
  }

  /** GET `reference/order-methods` (10), by code. */
  async orderMethods(): Promise<ReadonlyMap<string, account.ReferenceEntry>> {
    return this.#http.get(`${v5}/reference/order-methods`, {}, account.readReference('orderMethods'));
  }

  /** GET `reference/order-types` (10), by code. */
  async orderTypes(): Promise<ReadonlyMap<string, account.ReferenceEntry>> {
    return this.#http.get(`${v5}/reference/order-types`, {}, account.readReference('orderTypes'));
  }

  /** GET `settings` (10): time zone, currency, language. Also the probe of a parked account. */
  async settings(options?: RequestOptions): Promise<account.AccountSettings> {
    return this.#http.get(`${v5}/settings`, {}, account.readSettings, options);
  }

  /** GET `/api/credentials` (10): what the key may do. */
  async credentials(options?: RequestOptions): Promise<account.Credentials> {
    return this.#http.get('/api/credentials', {}, account.readCredentials, options);
  }

  /** GET `/api/api-versions` (10): must hold `5.0`. */
  async apiVersions(): Promise<readonly string[]> {
    return this.#http.get('/api/api-versions', {}, (answer) => answer.texts('versions'));
  }

  /** GET `/api/system-info` (10). */
  async systemInfo(): Promise<account.SystemInfo> {
    return this.#http.get('/api/system-info', {}, account.readSystemInfo);
  }

  // Files (section 11): storage is billed, off by default.

  /** POST `files/upload` (11) → id. Attached to nothing until `editFile`. PAYMENT when storage is not paid for. */
  async uploadFile(bytes: Uint8Array): Promise<number> {
    return this.#http.postBytes(`${v5}/files/upload`, bytes, one('file', customers.readId));
  }

  /** POST `files/{id}/edit` (11): name and attachments. */
  async editFile(of: number, file: account.FileInput): Promise<account.CrmFile> {
    return this.#http.post(`${v5}/files/${id(of)}/edit`, { file }, one('file', account.readFile));
  }

  /** GET `files` (11). */
  async files(page: customers.Page = {}): Promise<Listed<account.CrmFile>> {
    return this.#http.get(`${v5}/files`, { ...page }, listed('files', account.readFile));
  }

  /** GET `files/{id}` (11). */
  async file(of: number): Promise<account.CrmFile> {
    return this.#http.get(`${v5}/files/${id(of)}`, {}, one('file', account.readFile));
  }

  /** POST `files/{id}/delete` (11). */
  async deleteFile(of: number): Promise<void> {
    return this.#http.post(`${v5}/files/${id(of)}/delete`, {}, nothing);
  }

  /** GET `files/{id}/download` (11): at most 32 MiB. */
  async downloadFile(of: number): Promise<{ bytes: Uint8Array; fileName: string | undefined }> {
    return this.#http.getBytes(`${v5}/files/${id(of)}/download`, maxFileBytes);
  }

  // Tasks and notifications (section 12).

  /** POST `tasks/create` (12) → id. */
  async createTask(task: account.TaskInput, site?: string): Promise<number> {
    return this.#http.post(`${v5}/tasks/create`, { site, task }, customers.readId);
  }

  /** POST `notifications/send` (12). */
  async sendNotification(notification: account.NotificationInput): Promise<void> {
    return this.#http.post(`${v5}/notifications/send`, { notification }, nothing);
  }

  async #list<T>(
    path: string,
    filter: object,
    page: customers.Page,
    items: string,
    read: (fields: Fields) => T,
  ): Promise<Listed<T>> {
    const query: Query = { filter: { ...filter }, ...page };
    return this.#http.get(`${v5}/${path}`, query, listed(items, read));
  }

  async #history(
    path: string,
    filter: customers.HistoryFilter,
    limit: number,
    entity: Parameters<typeof customers.readHistory>[0],
  ): Promise<customers.HistoryReply> {
    const query: Query = { filter: { ...filter }, limit };
    return this.#http.get(`${v5}/${path}/history`, query, customers.readHistory(entity));
  }

  /** Unknown addressees are worth one line per extension and day: somebody forgot to map an employee. */
  #warnUnknown(reply: telephony.CallEventReply): void {
    const day = new Date().toISOString().slice(0, 10);
    if (day !== this.#unknownDay) this.#unknown.clear();
    this.#unknownDay = day;
    for (const who of [
      ...reply.notExistCodes.map((code) => `extension ${code}`),
      ...reply.notExistUsers.map((user) => `user ${user}`),
    ]) {
      if (this.#unknown.has(who)) continue;
      this.#unknown.add(who);
      this.#log.warn(`the CRM knows no ${who}: nobody sees its pop-ups`, { addressee: who });
    }
  }
}

const one =
  <T>(name: string, read: (fields: Fields) => T) =>
  (answer: Fields): T =>
    answer.need(name, answer.child(name, read));

const listed =
  <T>(name: string, read: (fields: Fields) => T) =>
  (answer: Fields): Listed<T> => ({ items: answer.list(name, read), pagination: customers.readPagination(answer) });
