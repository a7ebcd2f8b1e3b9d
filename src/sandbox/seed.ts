/** What an account holds at the start. Every field may be left out: the defaults make a small shop fit for a demo. */

import { type Account, apiKey, type Customer, noTotals, type Trigger, type User } from './account.ts';
import { zoneless } from './dates.ts';

/** A user in a seed; `id` is required, the rest is filled in. */
export type SeedUser = Partial<User> & { id: number };
/** A customer in a seed; phones may be plain text. */
export type SeedCustomer = Partial<Omit<Customer, 'phones'>> & { phones?: string[] };

/** One account in a seed. */
export interface SeedAccount {
  /** Name in the admin interface and on the page; default `demo`. */
  name?: string;
  /** The API key; default `NAME-key`. */
  key?: string;
  /** Several keys of one account, instead of `key`. `sites` defaults to all, `credentials` to all methods. */
  keys?: { key: string; sites?: string[]; credentials?: string[] }[];
  /** Host name the account is known by; loopback names always work. */
  host?: string;
  /** IANA zone, default `Europe/Minsk`. */
  timezone?: string;
  /** Shop codes, default `["shop-a"]`. */
  sites?: string[];
  users?: SeedUser[];
  customers?: SeedCustomer[];
  /** Extensions by user id for the telephony module registered at the start; null: no module is registered. */
  codes?: Record<string, string> | null;
  /** Secret of that module; default `sandbox-client-id`. */
  clientId?: string;
  /** File uploads paid for, default 1000. */
  fileCredit?: number;
  triggers?: (Partial<Trigger> & { url: string })[];
}

/** The accounts of an emulator. */
export interface Seed {
  /** Default: one account `demo` with the key `demo-key`. */
  accounts?: SeedAccount[];
}

/** The managers of the demo shop: 150, 151 and 152, as in config/enterprises/example.yaml and docs/setup.md. */
export const DEMO_USERS: readonly SeedUser[] = [
  { id: 7, firstName: 'Ira', lastName: 'Orlova' },
  { id: 8, firstName: 'Oleg', lastName: 'Savin' },
  { id: 9, firstName: 'Nina', lastName: 'Koval' },
];

/** Customers of the demo shop; the numbers are invented and the spellings as untidy as in real cards. */
export const DEMO_CUSTOMERS: readonly SeedCustomer[] = [
  { id: 501, firstName: 'Anna', lastName: 'Lisitsa', phones: ['+375290000101'], managerId: 7 },
  { id: 502, firstName: 'Pavel', lastName: 'Grin', phones: ['80290000116'], managerId: 8 },
  { id: 503, firstName: 'Vera', lastName: 'Bondar', phones: ['+375 (29) 000-01-31'], managerId: 9 },
  { id: 504, firstName: 'Igor', lastName: 'Klimov', phones: ['290000164'], managerId: 7 },
  {
    id: 505,
    firstName: 'Tamara',
    lastName: 'Weiss',
    phones: ['375290000190', '+375290000191'],
    managerId: 8,
    vip: true,
  },
  { id: 506, firstName: 'Denis', lastName: 'Rudenko', phones: ['8 (029) 000-01-70'], managerId: 9 },
  { id: 507, firstName: 'Olga', lastName: 'Mironova', phones: ['+375290000112'] },
  { id: 508, firstName: 'Maxim', lastName: 'Sokol', phones: ['89000000152'], managerId: 7 },
  { id: 509, firstName: 'Иван', lastName: 'Щёткин', phones: ['+375290000157'], managerId: 9 },
];

/**
 * Builds the accounts of a seed; `at` is the moment of creation, epoch milliseconds.
 * @throws Error when there is no account, or two share a name or a key.
 */
export function buildAccounts(seed: Seed, at: number): Account[] {
  const accounts = (seed.accounts ?? [{}]).map((given, index) => buildAccount(given, index, at));
  const names = accounts.map((account) => account.name);
  const keys = accounts.flatMap((account) => account.keys.map((key) => key.key));
  if (accounts.length === 0) throw new Error('a seed needs an account');
  if (new Set(names).size < names.length) throw new Error('two accounts of the seed have the same name');
  if (new Set(keys).size < keys.length) throw new Error('two accounts of the seed have the same key');
  return accounts;
}

function buildAccount(given: SeedAccount, index: number, at: number): Account {
  const name = given.name ?? (index === 0 ? 'demo' : `account-${index + 1}`);
  const timezone = given.timezone ?? 'Europe/Minsk';
  const createdAt = zoneless(at, timezone);
  const siteCodes = given.sites ?? ['shop-a'];
  const keys = given.keys ?? [{ key: given.key ?? `${name}-key` }];
  const users = given.users ?? DEMO_USERS;
  const customers = (given.customers ?? DEMO_CUSTOMERS).map((customer, at) =>
    seedCustomer(customer, 501 + at, siteCodes[0] ?? 'shop-a', createdAt),
  );
  const account: Account = {
    name,
    host: given.host?.toLowerCase(),
    keys: keys.map((entry) => apiKey(entry.key, entry.sites ?? siteCodes, entry.credentials)),
    timezone,
    sites: new Map(
      siteCodes.map((code) => [code, { code, name: code, url: `https://${code}.example`, currency: 'BYN' }]),
    ),
    statuses: new Map(
      [
        { code: 'new', name: 'New', group: 'new' },
        { code: 'call-back', name: 'Call back', group: 'approval' },
        { code: 'complete', name: 'Complete', group: 'complete' },
        { code: 'cancel-other', name: 'Cancelled', group: 'cancel' },
      ].map((status, ordering) => [status.code, { ...status, active: true, ordering: ordering * 10 }]),
    ),
    orderMethods: new Map([
      ['phone', 'By phone'],
      ['missed-call', 'Missed call'],
      ['shopping-cart', 'Shopping cart'],
    ]),
    orderTypes: new Map([['eshop-individual', 'Individual']]),
    users: new Map(users.map((user) => [user.id, seedUser(user, createdAt)])),
    customers: new Map(customers.map((customer) => [customer.id, customer])),
    corporate: new Map(),
    orders: new Map(),
    notes: [],
    tasks: [],
    notifications: [],
    customerHistory: [],
    orderHistory: [],
    calls: new Map(),
    recentCalls: [],
    modules: new Map(),
    files: new Map(),
    fileCredit: given.fileCredit ?? 1000,
    triggers: (given.triggers ?? []).map((trigger) => ({ on: undefined, method: 'POST', parameters: {}, ...trigger })),
    openPopups: new Map(),
    popupHistory: [],
    events: [],
    callbacks: [],
    totals: noTotals(),
    lastId: {
      customer: Math.max(500, ...customers.map((customer) => customer.id)),
      order: 87,
      note: 0,
      task: 0,
      file: 24,
      popup: 0,
      change: 400,
    },
  };
  const codes = given.codes === undefined ? standardCodes(users) : given.codes;
  if (codes) seedModule(account, codes, given.clientId ?? 'sandbox-client-id');
  return account;
}

/** 150 for the first user, 151 for the second, … */
function standardCodes(users: readonly SeedUser[]): Record<string, string> {
  return Object.fromEntries(users.map((user, index) => [String(user.id), String(150 + index)]));
}

function seedModule(account: Account, codes: Record<string, string>, clientId: string): void {
  account.modules.set('sandbox', {
    code: 'sandbox',
    integrationCode: undefined,
    active: true,
    freeze: false,
    name: 'Telephony of the sandbox',
    logo: 'https://sandbox.example/logo.svg',
    clientId,
    baseUrl: 'https://sandbox.example',
    accountUrl: undefined,
    actions: {},
    availableCountries: [],
    telephony: {
      makeCallUrl: undefined,
      changeUserStatusUrl: undefined,
      allowEdit: true,
      inputEventSupported: true,
      outputEventSupported: true,
      hangupEventSupported: true,
      additionalCodes: Object.entries(codes).map(([userId, code]) => ({ userId: Number(userId), code })),
      externalPhones: [],
    },
  });
}

function seedUser(given: SeedUser, createdAt: string): User {
  return {
    firstName: `User ${given.id}`,
    lastName: '',
    email: `user${given.id}@shop.example`,
    active: true,
    online: true,
    status: 'free',
    isManager: true,
    isAdmin: false,
    groups: [{ id: 2, name: 'Sales', code: 'sales' }],
    code: undefined,
    createdAt,
    ...given,
  };
}

function seedCustomer(given: SeedCustomer, id: number, site: string, createdAt: string): Customer {
  return {
    ...blankCustomer(id, site, createdAt),
    ...given,
    phones: (given.phones ?? []).map((number) => ({ number })),
  };
}

/** A customer card with nothing on it. */
export function blankCustomer(id: number, site: string, createdAt: string): Customer {
  return {
    id,
    externalId: undefined,
    createdAt,
    isContact: false,
    firstName: '',
    lastName: '',
    patronymic: '',
    email: '',
    phones: [],
    managerId: undefined,
    vip: false,
    bad: false,
    site,
    source: undefined,
    tags: [],
    customFields: {},
    address: undefined,
    combinedTo: undefined,
  };
}
