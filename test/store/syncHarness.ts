/** What the tests of users, customers and orders share: a database, an emulator, and people who work in the CRM. */
import type { Pace } from '../../src/customers/ask.ts';
import {
  OrderRules,
  type OrderRuleRef,
  type OrderRulesOptions,
  type RuleActions,
} from '../../src/customers/orderRules.ts';
import { CrmSync, type CrmSyncOptions } from '../../src/customers/sync.ts';
import { UsersMap, type UsersMapOptions } from '../../src/customers/usersMap.ts';
import { normalisePhone } from '../../src/config/phones.ts';
import { type RetailCrmClient } from '../../src/retailcrm/client.ts';
import type { Seed } from '../../src/sandbox/seed.ts';
import { type Harness, startHarness } from './deliveryHarness.ts';

/** No rate limit: the emulator of these tests has none. */
export const unpaced: Pace = { take: () => Promise.resolve(), slowDown: () => undefined };

const tables =
  'calls, crm_users, user_extensions, sync_cursors, dirty_entities, orders, order_statuses, order_rule_runs, retailcrm_customers';

/** The demo account with its managers 7, 8 and 9 at 150, 151 and 152. */
export class SyncHarness {
  readonly #base: Harness;
  readonly #ending: (() => Promise<void>)[] = [];
  /** What memory was told, in words. */
  readonly told: string[] = [];

  constructor(base: Harness) {
    this.#base = base;
  }

  /** The database, for whoever opens it himself. */
  get database() {
    return this.#base.database;
  }

  get db() {
    return this.#base.database.db;
  }

  get url(): string {
    return this.#base.database.url;
  }

  get emulator() {
    return this.#base.emulator;
  }

  /** Log lines, `level: message`. */
  get lines(): string[] {
    return this.#base.log.lines;
  }

  query(statement: string, parameters?: unknown[]): Promise<Record<string, unknown>[]> {
    return this.#base.database.query(statement, parameters);
  }

  client(options: Parameters<Harness['client']>[0] = {}): RetailCrmClient {
    return this.#base.client(options);
  }

  until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
    return this.#base.until(condition, what);
  }

  usersMap(over: Partial<UsersMapOptions> = {}): UsersMap {
    const map = new UsersMap({
      db: this.db,
      client: this.client(),
      general: unpaced,
      enterprise: 'acme',
      employees: [],
      moduleCode: 'sandbox',
      log: this.#base.log,
      ...over,
    });
    this.#ending.push(() => map.stop());
    return map;
  }

  /** A synchronisation that polls when told to: `drain` is one round. */
  sync(
    over: Partial<CrmSyncOptions> & {
      rules?: never;
      orderRules?: readonly OrderRuleRef[];
      actions?: RuleActions;
      ruleOptions?: Partial<OrderRulesOptions>;
    } = {},
  ): CrmSync {
    const { orderRules = [], actions = {}, ruleOptions = {}, ...rest } = over;
    const client = over.client ?? this.client();
    const db = over.db ?? this.db;
    const { log } = this.#base;
    const rules = new OrderRules({
      db,
      client,
      general: unpaced,
      enterprise: 'acme',
      account: 'demo',
      rules: orderRules,
      actions,
      extensionOfUser: (user) =>
        new Map([
          [7, '150'],
          [8, '151'],
          [9, '152'],
        ]).get(user),
      log,
      onEnqueued: () => void this.told.push('errands'),
      ...ruleOptions,
    });
    const note =
      (what: string) =>
      (...parts: unknown[]) => {
        this.told.push(
          [what, ...parts.map((part) => (typeof part === 'string' ? part : JSON.stringify(part)))].join(' '),
        );
        return Promise.resolve();
      };
    const sync = new CrmSync({
      db,
      client,
      general: unpaced,
      enterprise: 'acme',
      enterpriseNumber: '1',
      site: undefined,
      zone: () => 'Europe/Minsk',
      normalise: (raw) => {
        const phone = normalisePhone(raw, ['BY']);
        return phone.kind === 'phone' ? phone.e164 : undefined;
      },
      cards: { forget: note('forget'), forgetPhone: note('forget'), update: note('update'), merged: note('merged') },
      log,
      pollMs: 3600_000,
      roundMs: 0,
      retryMs: 1,
      ...rest,
      rules,
    });
    this.#ending.push(() => sync.stop());
    return sync;
  }

  /** Somebody does something in the CRM's own pages. */
  async ui(path: string, given: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const answer = await fetch(`${this.emulator.url}/__emu/ui/${path}`, {
      method: 'POST',
      body: JSON.stringify(given),
    });
    const body: unknown = await answer.json();
    if (!answer.ok || typeof body !== 'object' || body === null) throw new Error(`ui/${path}: ${JSON.stringify(body)}`);
    return { ...body };
  }

  /** Requests the emulator got whose path contains `path`: the decoded query. */
  asked(path: string): URLSearchParams[] {
    return this.emulator.requests({ path }).map(({ rawQuery }) => new URLSearchParams(rawQuery));
  }

  /** Another account, for a test that needs many users. */
  seed(seed: Seed): void {
    this.emulator.reset(seed);
  }

  async reset(): Promise<void> {
    for (const end of this.#ending.splice(0)) await end();
    await this.#base.reset();
    await this.query(`truncate ${tables} restart identity`);
    this.emulator.reset({});
    this.told.length = 0;
  }

  close(): Promise<void> {
    return this.#base.close();
  }
}

export async function startSyncHarness(): Promise<SyncHarness> {
  return new SyncHarness(await startHarness());
}
