import type { CustomerRow, NewCustomerRow } from '../store/customers.ts';
import type { CustomerLinks, Found, KnownCustomer } from './found.ts';

/** The numbers used last, with what is known of them; the least recently used one leaves when it is full. */
export class Recent {
  readonly #limit: number;
  readonly #found = new Map<string, Found>();
  /** Nothing the table holds is missing here: a number that is not here need not be looked for there. */
  whole = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(phone: string): Found | undefined {
    const found = this.#found.get(phone);
    if (found === undefined) return undefined;
    this.#found.delete(phone);
    this.#found.set(phone, found);
    return found;
  }

  set(phone: string, found: Found): void {
    this.#found.delete(phone);
    this.#found.set(phone, found);
    if (this.#found.size <= this.#limit) return;
    for (const oldest of this.#found.keys()) {
      this.#found.delete(oldest);
      this.whole = false;
      return;
    }
  }

  delete(phone: string): void {
    this.whole = false;
    this.#found.delete(phone);
  }

  /** Replaces what is known of numbers; `change` returns the same value where nothing changes, undefined to forget. */
  change(change: (found: Found) => Found | undefined): void {
    for (const [phone, found] of this.#found) {
      const changed = change(found);
      if (changed === undefined) this.delete(phone);
      else if (changed !== found) this.#found.set(phone, changed);
    }
  }
}

/** The row of what the CRM said. */
export function rowOf(phone: string, enterpriseNumber: string, found: Found): NewCustomerRow | undefined {
  if (found.who === 'unknown') return undefined;
  const fetchedAt = new Date(found.fetchedAt);
  if (found.who === 'nobody') return { phone, enterpriseNumber, retailcrmCustomerId: null, fetchedAt };
  const { customer, complete } = found;
  return {
    phone,
    enterpriseNumber,
    retailcrmCustomerId: String(customer.id),
    otherIds: customer.otherIds.map(String),
    name: customer.name ?? null,
    managerId: customer.managerId === undefined ? null : String(customer.managerId),
    managerName: customer.managerName ?? null,
    managerCode: customer.managerCode ?? null,
    links: customer.links,
    complete,
    fetchedAt,
  };
}

/** What a row says. */
export function foundOf(row: CustomerRow): Found {
  const fetchedAt = row.fetchedAt.getTime();
  if (row.retailcrmCustomerId === null) return { who: 'nobody', fetchedAt, complete: true };
  const customer: KnownCustomer = {
    id: Number(row.retailcrmCustomerId),
    otherIds: row.otherIds.map(Number),
    name: row.name ?? undefined,
    managerId: row.managerId === null ? undefined : Number(row.managerId),
    managerName: row.managerName ?? undefined,
    managerCode: row.managerCode ?? undefined,
    links: linksOf(row.links),
  };
  return { who: 'customer', customer, fetchedAt, complete: row.complete };
}

function linksOf(value: unknown): CustomerLinks {
  if (typeof value !== 'object' || value === null) return {};
  const given = new Map<string, unknown>(Object.entries(value));
  const link = (name: string): string | undefined => {
    const text = given.get(name);
    return typeof text === 'string' ? text : undefined;
  };
  return {
    customer: link('customer'),
    lastOrder: link('lastOrder'),
    newOrder: link('newOrder'),
    newCustomer: link('newCustomer'),
  };
}
