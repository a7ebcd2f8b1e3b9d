/** One account of the emulated CRM: everything it holds. Plain data, changed by the handlers of each area. */

import { SlidingWindow } from './window.ts';

/** An API key with what it may do. */
export interface ApiKey {
  key: string;
  /** Paths as `/api/credentials` lists them; undefined means all methods. */
  credentials: readonly string[] | undefined;
  /** Shop codes the key can see. */
  sites: readonly string[];
  general: SlidingWindow;
  telephony: SlidingWindow;
}

/** A person who works in the CRM. */
export interface User {
  id: number;
  firstName: string;
  lastName: string;
  email: string;
  active: boolean;
  online: boolean;
  status: 'free' | 'busy' | 'dinner' | 'break';
  isManager: boolean;
  isAdmin: boolean;
  groups: { id: number; name: string; code: string }[];
  /** Extension typed into the profile by hand; a module's `additionalCodes` come on top. */
  code: string | undefined;
  createdAt: string;
}

/** Where a customer or order came from. */
export type Source = Record<string, string>;

/** A customer card. */
export interface Customer {
  id: number;
  externalId: string | undefined;
  createdAt: string;
  isContact: boolean;
  firstName: string;
  lastName: string;
  patronymic: string;
  email: string;
  /** As they were sent: never normalised. */
  phones: { number: string }[];
  managerId: number | undefined;
  vip: boolean;
  bad: boolean;
  site: string;
  source: Source | undefined;
  tags: { name: string }[];
  customFields: Record<string, unknown>;
  address: string | undefined;
  /** Set when the card was merged into another one: it then exists no more. */
  combinedTo: number | undefined;
}

/** A company card: it has no phones, people are its contacts. */
export interface CorporateCustomer {
  id: number;
  nickName: string;
  site: string;
  createdAt: string;
  contacts: { id: number; isMain: boolean; customerId: number }[];
}

/** An order. */
export interface Order {
  id: number;
  externalId: string | undefined;
  number: string;
  createdAt: string;
  statusUpdatedAt: string;
  status: string;
  orderMethod: string | undefined;
  orderType: string | undefined;
  customerId: number | undefined;
  customerType: 'customer' | 'customer_corporate';
  firstName: string;
  lastName: string;
  phone: string | undefined;
  managerId: number | undefined;
  managerComment: string | undefined;
  customerComment: string | undefined;
  totalSumm: number;
  site: string;
  source: Source | undefined;
  items: unknown[];
  payments: Record<string, unknown>;
  customFields: Record<string, unknown>;
}

/** One row of a change history. */
export interface Change {
  id: number;
  createdAt: string;
  source: 'api' | 'user' | 'code';
  /** The key that wrote it, for `source: api`. */
  key: string | undefined;
  userId: number | undefined;
  field: string;
  oldValue: unknown;
  newValue: unknown;
  /** `created` rows carry the whole entity as it was. */
  created: boolean;
  deleted: boolean;
  combinedTo: number | undefined;
  entity: Record<string, unknown>;
}

/** A stored call. Zone-less date, as uploaded. */
export interface Call {
  externalId: string;
  date: string;
  type: 'in' | 'out';
  phone: string;
  result: string;
  duration: number | undefined;
  durationWaiting: number | undefined;
  code: string | undefined;
  /** The user found by `userId` or `code`; undefined when nobody was. */
  userId: number | undefined;
  recordUrl: string | undefined;
  externalPhone: string | undefined;
  site: string | undefined;
  source: Source | undefined;
  /** The analytics label; no telephony meaning. */
  clientId: string | undefined;
  /** When the upload was accepted, epoch milliseconds. */
  storedAt: number;
  /** Later uploads with the same externalId. */
  copies: number;
  /** Those of them that had different content. */
  conflicts: number;
}

/** A pop-up on one user's screen. Times are epoch milliseconds. */
export interface Popup {
  id: number;
  userId: number;
  code: string | undefined;
  type: 'in' | 'out';
  phone: string;
  externalPhone: string | undefined;
  callExternalId: string | undefined;
  /** The customer's name when a card has this number. */
  customer: string | undefined;
  openedAt: number;
  closedAt: number | undefined;
  hangupStatus: string | undefined;
}

/** An accepted call event. */
export interface CallEvent {
  at: number;
  type: 'in' | 'out' | 'hangup';
  phone: string;
  codes: string[];
  userIds: number[];
  hangupStatus: string | undefined;
  externalPhone: string | undefined;
  callExternalId: string | undefined;
  /** Pop-ups it opened or closed. */
  popups: number;
}

/** An integration module as registered. */
export interface Module {
  code: string;
  integrationCode: string | undefined;
  active: boolean;
  freeze: boolean;
  name: string;
  logo: string;
  clientId: string;
  baseUrl: string;
  accountUrl: string | undefined;
  actions: Record<string, string>;
  availableCountries: string[];
  telephony: Telephony | undefined;
}

/** `integrations.telephony` of a module. */
export interface Telephony {
  makeCallUrl: string | undefined;
  changeUserStatusUrl: string | undefined;
  allowEdit: boolean;
  inputEventSupported: boolean;
  outputEventSupported: boolean;
  hangupEventSupported: boolean;
  additionalCodes: { userId: number; code: string }[];
  externalPhones: { siteCode: string; externalPhone: string }[];
}

/** A file in the CRM's storage. */
export interface StoredFile {
  id: number;
  filename: string;
  type: string;
  createdAt: string;
  bytes: Buffer;
  attachment: unknown[];
}

/** A trigger an administrator built: an HTTP request with templates. */
export interface Trigger {
  /** What fires it by itself: `call.missed`, or undefined for only on command. */
  on: 'call.missed' | undefined;
  url: string;
  method: 'GET' | 'POST';
  /** Templates by parameter name, for example `{"id": "{{ customer.getId() }}"}`. */
  parameters: Record<string, string>;
}

/** A callback the emulator placed, and what came of it. */
export interface PlacedCallback {
  at: number;
  kind: 'click' | 'user-status' | 'activity' | 'account-url' | 'trigger';
  method: 'GET' | 'POST';
  url: string;
  /** The parameters as sent. */
  parameters: Record<string, string>;
  /** true when the receiver answered as the CRM expects, in time. */
  ok: boolean;
  status: number | undefined;
  body: string;
  milliseconds: number;
  error: string | undefined;
}

/** Counters that stay exact when logs are cut. */
export interface Totals {
  events: number;
  popupsOpened: number;
  popupsClosed: number;
  /** `hangup` events that found nothing to close. */
  orphanHangups: number;
  /** Calls that came in uploads, duplicates included. */
  callsReceived: number;
  duplicates: number;
  conflicts: number;
  missed: number;
}

/** Everything of one account. */
export interface Account {
  name: string;
  /** Host name the account answers under besides the loopback ones. */
  host: string | undefined;
  keys: ApiKey[];
  /** IANA name. */
  timezone: string;
  sites: Map<string, { code: string; name: string; url: string; currency: string }>;
  statuses: Map<string, { code: string; name: string; active: boolean; ordering: number; group: string }>;
  orderMethods: Map<string, string>;
  orderTypes: Map<string, string>;
  users: Map<number, User>;
  customers: Map<number, Customer>;
  corporate: Map<number, CorporateCustomer>;
  orders: Map<number, Order>;
  notes: { id: number; customerId: number; text: string; managerId: number | undefined; createdAt: string }[];
  tasks: Record<string, unknown>[];
  notifications: Record<string, unknown>[];
  customerHistory: Change[];
  orderHistory: Change[];
  calls: Map<string, Call>;
  /** The newest calls, oldest first: the page need not walk through all of them. */
  recentCalls: Call[];
  /** By code; the one edited last stands last. */
  modules: Map<string, Module>;
  files: Map<number, StoredFile>;
  /** Uploads the account has paid for; 0 refuses with the "enough money" text. */
  fileCredit: number;
  triggers: Trigger[];
  openPopups: Map<number, Popup>;
  /** Closed pop-ups, newest last; cut at the emulator's history cap. */
  popupHistory: Popup[];
  events: CallEvent[];
  callbacks: PlacedCallback[];
  totals: Totals;
  /** The last id given, by kind of entity. */
  lastId: Record<'customer' | 'order' | 'note' | 'task' | 'file' | 'popup' | 'change', number>;
}

/** Nothing counted yet. */
export function noTotals(): Totals {
  return {
    events: 0,
    popupsOpened: 0,
    popupsClosed: 0,
    orphanHangups: 0,
    callsReceived: 0,
    duplicates: 0,
    conflicts: 0,
    missed: 0,
  };
}

/** A key with fresh windows. */
export function apiKey(key: string, sites: readonly string[], credentials?: readonly string[]): ApiKey {
  return { key, sites, credentials, general: new SlidingWindow(), telephony: new SlidingWindow() };
}

/** The telephony module in force: active, not frozen, the one edited last if there are several. */
export function activeTelephony(account: Account): { module: Module; telephony: Telephony } | undefined {
  const module = [...account.modules.values()].findLast((each) => each.active && !each.freeze && each.telephony);
  return module?.telephony && { module, telephony: module.telephony };
}

/** The user an extension belongs to: the active module's codes first, then the profiles. */
export function userByCode(account: Account, code: string): User | undefined {
  const mapped = activeTelephony(account)?.telephony.additionalCodes.find((entry) => entry.code === code);
  if (mapped) return account.users.get(mapped.userId);
  return [...account.users.values()].find((user) => user.code === code);
}

/** The extension of a user in the active telephony module. */
export function codeOf(account: Account, userId: number): string | undefined {
  const mapped = activeTelephony(account)?.telephony.additionalCodes.find((entry) => entry.userId === userId);
  return mapped?.code ?? account.users.get(userId)?.code;
}

/** Gives the next id of a kind. */
export function nextId(account: Account, kind: keyof Account['lastId']): number {
  return ++account.lastId[kind];
}

/** Appends and keeps the list within `cap`, dropping the oldest tenth at once so that appending stays cheap. */
export function pushCapped<T>(list: T[], item: T, cap: number): void {
  list.push(item);
  if (list.length > cap) list.splice(0, list.length - Math.ceil(cap * 0.9));
}
