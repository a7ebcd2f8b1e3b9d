import { setMaxListeners } from 'node:events';
import type { Logger } from '../log.ts';
import type { RetailCrmClient } from '../retailcrm/client.ts';
import { CrmError } from '../retailcrm/errors.ts';
import {
  changeCustomer,
  findCustomer,
  findCustomers,
  mergeCustomers,
  recentCustomers,
  type CustomerSaves,
  customerSaves,
  staleCustomers,
} from '../store/customers.ts';
import type { Db } from '../store/database.ts';
import type { Answer, AskOptions, Habits, Paces } from './ask.ts';
import { ask, insist } from './ask.ts';
import { foundOf, Recent, rowOf } from './cache.ts';
import type { CustomerChange, Found, KnownCustomer } from './found.ts';
import { unknown } from './found.ts';
import type { Numbering } from './phones.ts';
import { Patience } from './patience.ts';

/** What looking customers up needs. */
export interface CustomersOptions {
  readonly db: Db;
  /** Where answers are saved, when others save there, too. Default: its own. */
  readonly saves?: CustomerSaves | undefined;
  readonly client: RetailCrmClient;
  /** The account's rate budgets. */
  readonly paces: Paces;
  /** The enterprise's number in its configuration: key of its rows. */
  readonly enterpriseNumber: string;
  readonly numbering: Numbering;
  /** Extension of a CRM user or of a code of the telephony module; undefined = none of ours. */
  readonly extensionOf: (manager: { id: number | undefined; code: string | undefined }) => string | undefined;
  /** false: the CRM is not asked who calls; what the cache holds still counts. */
  readonly enabled: boolean;
  /** Whether the account takes requests at all, as far as others have found out. Default yes. */
  readonly open?: (() => boolean) | undefined;
  /** How long an answer is taken as it is, ms: of a customer, and of a number nobody has. */
  readonly freshMs: number;
  readonly missMs: number;
  readonly log: Logger;
  /** Numbers kept in memory. Default 20,000: some 10 MB. */
  readonly remembered?: number | undefined;
  /** Epoch ms. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** How often an errand asks the same question when no answer comes. */
export const errandTries = 3;
/** Questions to the CRM under way or waiting for their turn; beyond that a number stays unknown (P10). */
const mostQuestions = 200;

/**
 * Who is calling, for one enterprise. Numbers are E.164 with `+`: normalise before you ask. Nothing here ever throws or
 * rejects because of the CRM or the database: what cannot be known is `unknown`, quickly.
 */
export class Customers {
  readonly #options: CustomersOptions;
  readonly #recent: Recent;
  readonly #patience: Patience;
  readonly #saves: CustomerSaves;
  readonly #stop = new AbortController();
  /** Look-ups under way by number: two calls of one number are one question. */
  readonly #finding = new Map<string, Promise<Found>>();
  readonly #asking = new Map<string, Promise<Found>>();
  readonly #habits: Habits = { readsPlus: false };
  /** Corrections so far: an answer that was on its way meanwhile may be older than they are. */
  #corrections = 0;

  constructor(options: CustomersOptions) {
    this.#options = options;
    this.#saves = options.saves ?? customerSaves(options.db);
    this.#recent = new Recent(options.remembered ?? 20_000);
    this.#patience = new Patience(options.log);
    setMaxListeners(0, this.#stop.signal); // one per question that waits for its turn
  }

  /** Fills the memory from the table. */
  async start(): Promise<void> {
    const { db, enterpriseNumber, remembered = 20_000 } = this.#options;
    const most = Math.ceil(remembered / 2);
    const rows = await this.#guarded('start', () => recentCustomers(db, enterpriseNumber, most));
    for (const row of rows ?? []) this.#recent.set(row.phone, foundOf(row));
    this.#recent.whole = rows !== undefined && rows.length < most;
  }

  /** Settles when nothing is asked any more. Questions that wait for their turn are called off. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#finding.values(), ...this.#asking.values()]);
  }

  /** What memory holds of this number, stale or not; no waiting at all. undefined: nothing. */
  cached(phone: string): Found | undefined {
    return this.#recent.get(phone);
  }

  /**
   * Memory, then the table, then the CRM. What is stale is answered at once and asked again behind the scenes.
   * @param withinMs answer `unknown` after this time; the question itself goes on and fills the cache. Default: as long
   * as one look-up may take
   */
  async lookup(phone: string, withinMs?: number): Promise<Found> {
    const known = this.#recent.get(phone);
    if (known !== undefined) {
      if (!this.#fresh(known)) void this.#ask(phone);
      return known;
    }
    const finding = this.#find(phone);
    if (withinMs === undefined) return finding;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Found>((resolve) => {
      // The table's or the CRM's first answer may be in memory before the whole one is.
      timer = setTimeout(() => resolve(this.#recent.get(phone) ?? unknown), withinMs);
    });
    const found = await Promise.race([finding, late]);
    clearTimeout(timer);
    return found;
  }

  /** A call of this number began: somebody will want to know soon. Returns at once. */
  expect(phone: string): void {
    void this.lookup(phone);
  }

  /** Numbers of calls that were taken up after a restart: from the table into memory. */
  async warm(phones: readonly string[]): Promise<void> {
    const { db, enterpriseNumber } = this.#options;
    const rows = await this.#guarded('warm', () => findCustomers(db, enterpriseNumber, phones));
    for (const row of rows ?? []) this.#recent.set(row.phone, foundOf(row));
  }

  /** The extension of the customer's responsible manager, from memory only; undefined when not known. */
  responsible(phone: string): string | undefined {
    const found = this.#recent.get(phone);
    return found?.who === 'customer' ? this.extensionOf(found.customer) : undefined;
  }

  /** The extension of a customer's responsible manager; undefined: nobody, or she has no phone of ours. */
  extensionOf(customer: KnownCustomer): string | undefined {
    return this.#options.extensionOf({ id: customer.managerId, code: customer.managerCode });
  }

  /**
   * What the CRM says now, cache or not, even when look-ups are switched off.
   * @throws CrmError when the CRM could not say
   */
  async fresh(phone: string): Promise<Answer> {
    const corrections = this.#corrections;
    const answer = await ask(phone, { ...this.#askOptions(), tries: errandTries });
    await this.#publish(phone, answer, corrections);
    return answer;
  }

  /** We know it without asking: a card was just made, or found by other means. The whole answer is asked for soon. */
  async learn(phone: string, customer: KnownCustomer): Promise<void> {
    this.#corrections += 1;
    await this.#publish(phone, { customer, complete: false }, this.#corrections);
  }

  /** The card changed in a way only the CRM can tell: its numbers are asked again when they call next. */
  async forget(customerId: number): Promise<void> {
    this.#corrections += 1;
    this.#recent.change((found) => (hasCard(found, customerId) ? stale(found) : found));
    await this.#stored(() => ({ customerId }));
  }

  /** A number was put on a card or taken off: asked again when it calls next. */
  async forgetPhone(phone: string): Promise<void> {
    this.#corrections += 1;
    const found = this.#recent.get(phone);
    if (found !== undefined) this.#recent.set(phone, stale(found));
    await this.#stored(() => ({ phone }));
  }

  /** The card's name or manager changed. */
  async update(customerId: number, change: CustomerChange): Promise<void> {
    this.#corrections += 1;
    this.#recent.change((found) => {
      if (found.who !== 'customer' || found.customer.id !== customerId) return found;
      const manager =
        'managerId' in change ? { managerId: change.managerId, managerName: undefined, managerCode: undefined } : {};
      return {
        ...found,
        customer: { ...found.customer, ...('name' in change ? { name: change.name } : {}), ...manager },
      };
    });
    const { db, enterpriseNumber } = this.#options;
    await this.#guarded('update', () => changeCustomer(db, enterpriseNumber, customerId, change));
  }

  /** Card `from` was merged into card `into`: its numbers are the other one's now, and are asked again. */
  async merged(from: number, into: number): Promise<void> {
    this.#corrections += 1;
    this.#recent.change((found) => {
      if (found.who !== 'customer' || !hasCard(found, from)) return found;
      const { customer } = found;
      const id = customer.id === from ? into : customer.id;
      const otherIds = customer.otherIds.filter((one) => one !== from && one !== id);
      return stale({ ...found, customer: { ...customer, id, otherIds } });
    });
    const { db, enterpriseNumber } = this.#options;
    await this.#guarded('merge', () => mergeCustomers(db, enterpriseNumber, from, into));
  }

  /**
   * The card that stands for this id now: follows one merge (`combinedTo`).
   * @throws CrmError when the CRM does not say, or knows no such card
   */
  async current(customerId: number): Promise<number> {
    const { client, paces } = this.#options;
    try {
      const card = await insist(errandTries, async () => {
        await paces.general.take({ signal: this.#stop.signal });
        return client.customer(customerId, { by: 'id' });
      });
      return card.id;
    } catch (error) {
      if (!(error instanceof CrmError) || error.combinedTo === undefined) throw error;
      await this.merged(customerId, error.combinedTo);
      return error.combinedTo;
    }
  }

  /** Table, then CRM. */
  #find(phone: string): Promise<Found> {
    return shared(this.#finding, phone, async () => {
      const { db, enterpriseNumber } = this.#options;
      const row = this.#recent.whole
        ? undefined
        : await this.#guarded('find', () => findCustomer(db, enterpriseNumber, phone));
      // While we looked, somebody else may have learnt more.
      const known = this.#recent.get(phone) ?? (row && foundOf(row));
      if (known === undefined) return this.#ask(phone);
      this.#recent.set(phone, known);
      if (!this.#fresh(known)) void this.#ask(phone);
      return known;
    });
  }

  /** The CRM, unless it does not answer these days. What is known stays when it does not. */
  #ask(phone: string): Promise<Found> {
    const { enabled, open } = this.#options;
    const busy = this.#asking.size >= mostQuestions && !this.#asking.has(phone);
    const may = enabled && !busy && !this.#stop.signal.aborted && this.#patience.may() && open?.() !== false;
    if (!may) {
      return Promise.resolve(this.#recent.get(phone) ?? unknown);
    }
    return shared(this.#asking, phone, async () => {
      const corrections = this.#corrections;
      const started = this.#now();
      try {
        const answer = await ask(phone, this.#askOptions(), (customer) => {
          // Good enough to route a call by; whether others share the number is told a moment later.
          if (this.#recent.get(phone)?.who !== 'customer')
            this.#recent.set(phone, { who: 'customer', customer, fetchedAt: started, complete: false });
        });
        this.#patience.answered();
        return await this.#publish(phone, answer, corrections, started);
      } catch (error) {
        if (!this.#stop.signal.aborted) this.#patience.failed(error);
        return this.#recent.get(phone) ?? unknown;
      }
    });
  }

  async #publish(phone: string, answer: Answer, corrections: number, fetchedAt = this.#now()): Promise<Found> {
    const found: Found =
      answer.customer === undefined
        ? { who: 'nobody', fetchedAt, complete: true }
        : { who: 'customer', customer: answer.customer, fetchedAt, complete: answer.complete };
    if (corrections !== this.#corrections) {
      // Somebody learnt better while the answer was on its way: it counts only if there is nothing else, and not for long.
      this.#recent.set(phone, stale(this.#recent.get(phone) ?? found));
      return found;
    }
    this.#recent.set(phone, found);
    const row = rowOf(phone, this.#options.enterpriseNumber, found);
    if (row !== undefined) await this.#guarded('save', () => this.#saves.add(row));
    return found;
  }

  /** A customer may be taken as she is for hours; a number nobody has, or an answer with a hole, for minutes. */
  #fresh(found: Found): boolean {
    if (found.who === 'unknown') return false;
    const { freshMs, missMs } = this.#options;
    const age = this.#now() - found.fetchedAt;
    return age >= 0 && age < (found.who === 'customer' && found.complete ? freshMs : missMs);
  }

  async #stored(which: () => Parameters<typeof staleCustomers>[2]): Promise<void> {
    const { db, enterpriseNumber } = this.#options;
    await this.#guarded('forget', () => staleCustomers(db, enterpriseNumber, which()));
  }

  #askOptions(): AskOptions {
    const { client, paces, numbering, open } = this.#options;
    return { client, paces, numbering, open, signal: this.#stop.signal, habits: this.#habits };
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  /** The cache is a convenience: a database in trouble is told of elsewhere, here it means "not known". */
  async #guarded<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#options.log.debug('the customers cache could not use the database', { what, err: error });
      return undefined;
    }
  }
}

/** One promise per key at a time. */
function shared<T>(under: Map<string, Promise<T>>, key: string, work: () => Promise<T>): Promise<T> {
  const already = under.get(key);
  if (already !== undefined) return already;
  const promise = work().finally(() => under.delete(key));
  under.set(key, promise);
  return promise;
}

function hasCard(found: Found, id: number): boolean {
  return found.who === 'customer' && (found.customer.id === id || found.customer.otherIds.includes(id));
}

function stale(found: Found): Found {
  return found.who === 'unknown' ? found : { ...found, fetchedAt: 0 };
}
