import type { Customer } from '../retailcrm/types.ts';
import { toAccountTime } from '../retailcrm/time.ts';
import type { Check } from './check.ts';
import { type Session, Skipped } from './session.ts';

const digitsOf = (phone: string): string => phone.replaceAll(/\D/g, '');
/** What two spellings of one number have in common. */
const tail = (phone: string): string => digitsOf(phone).slice(-9);
const holds = (customer: Customer, phone: string): boolean => customer.phones.some((one) => tail(one) === tail(phone));

/** The number that is looked up: the one asked for, else one that some customer has. */
function knownPhone(session: Session): string {
  const found =
    session.options.phone ??
    session.known.customers.flatMap(({ phones }) => phones).find((phone) => tail(phone).length >= 7);
  if (found === undefined) throw new Skipped('no customer with a phone is known; give --phone NUMBER');
  return found;
}

/** The customer this run created. */
export function ourCustomer(session: Session): number {
  const { customer } = session.known;
  if (customer === undefined) throw new Skipped('no customer was created');
  return customer;
}

/** Yesterday, in the account's zone. */
export function yesterday(session: Session): string {
  const now = (session.options.now ?? Date.now)();
  return toAccountTime(now - 24 * 3_600_000, session.options.timezone ?? session.known.zone ?? 'UTC');
}

/** A customer's life: found, made, changed, found again. */
export const customerChecks: readonly Check[] = [
  {
    id: 'customers',
    area: 'Customers',
    title: 'list of customers',
    run: async (session) => {
      const { items, pagination } = await session.ask(() => session.client.customers({}, { limit: 20 }));
      session.known.customers = items;
      return `${pagination?.totalCount ?? items.length} customers`;
    },
  },
  {
    id: 'customers.search',
    area: 'Customers',
    title: 'customer by phone: filter[name] with national digits',
    run: async (session) => {
      const phone = knownPhone(session);
      const { items } = await session.ask(() => session.client.customers({ name: tail(phone) }, { limit: 20 }));
      const matching = items.filter((one) => holds(one, phone));
      if (matching.length === 0)
        session.notes.add('filter[name] with the last nine digits did not find a customer who has the number.');
      return `${items.length} found, ${matching.length} of them with this number`;
    },
  },
  {
    id: 'manager',
    area: 'Customers',
    title: 'customer and manager by phone: telephony/manager',
    run: async (session) => {
      const phone = knownPhone(session);
      const reply = await session.ask(() => session.client.manager({ phone, details: true, ignoreStatus: true }));
      if (reply.customer === undefined)
        session.notes.add(
          'telephony/manager did not find the customer of a number that is on a card, spelled as on the card.',
        );
      const manager = reply.manager === undefined ? 'no manager' : `manager ${reply.manager.id}`;
      return `${reply.customer === undefined ? 'no customer' : `customer ${reply.customer.id}`}, ${manager}, extension ${reply.manager?.code ?? 'not told'}`;
    },
  },
  {
    id: 'manager.unknown',
    area: 'Customers',
    title: 'telephony/manager for a number nobody has',
    run: async (session) => {
      const reply = await session.ask(() =>
        session.client.manager({ phone: session.fakePhone, details: true, ignoreStatus: true }),
      );
      const links = Object.entries(reply.links).filter(([, link]) => link !== undefined);
      if (reply.customer !== undefined)
        session.notes.add('telephony/manager finds a customer for a number nobody has.');
      return `${reply.customer === undefined ? 'no customer' : 'a customer!'}, ${links.length} links (${links.map(([name]) => name).join(', ')})`;
    },
  },
  {
    id: 'customers.get',
    area: 'Customers',
    title: 'one customer by id',
    run: async (session) => {
      const [first] = session.known.customers;
      if (first === undefined) throw new Skipped('there is no customer');
      const customer = await session.ask(() => session.client.customer(first.id, { by: 'id', ...siteOf(session) }));
      return `customer ${customer.id} with ${customer.phones.length} numbers, manager ${customer.managerId ?? 'none'}`;
    },
  },
  {
    id: 'customers.notes',
    area: 'Customers',
    title: 'notes on customers',
    run: async (session) => {
      const { items } = await session.ask(() => session.client.customerNotes({}, { limit: 20 }));
      return `${items.length} on the first page`;
    },
  },
  {
    id: 'customers.create',
    area: 'Customers',
    title: 'a new customer',
    writes: true,
    run: async (session) => {
      const externalId = `probe-${session.id}`;
      const card = { externalId, firstName: session.mark, phones: [{ number: session.fakePhone }] };
      const hint = `externalId ${externalId}, first name “${session.mark}”`;
      const id = await session.create(
        'customer',
        hint,
        () => session.client.createCustomer(card, session.site),
        (made) => made,
      );
      session.known.customer = id;
      return `customer ${id}`;
    },
  },
  {
    id: 'customers.edit',
    area: 'Customers',
    title: 'the new customer edited',
    writes: true,
    run: async (session) => {
      const id = ourCustomer(session);
      const managerId = session.known.users[0]?.id;
      const change = { lastName: `${session.mark} (edited)`, ...(managerId === undefined ? {} : { managerId }) };
      await session.ask(() => session.client.editCustomer(id, { by: 'id', ...siteOf(session) }, change));
      return `name and manager ${managerId ?? 'unchanged'}`;
    },
  },
  {
    id: 'customers.get.created',
    area: 'Customers',
    title: 'the new customer by externalId',
    writes: true,
    run: async (session) => {
      ourCustomer(session);
      const by = { by: 'externalId', ...siteOf(session) } as const;
      const customer = await session.ask(() => session.client.customer(`probe-${session.id}`, by));
      const [phone] = customer.phones;
      if (phone !== session.fakePhone)
        session.notes.add(
          `A number is not kept as it was sent: ${shapeOf(session.fakePhone)} came back as ${shapeOf(phone ?? '')}.`,
        );
      return `customer ${customer.id}, edited: ${customer.lastName?.endsWith('(edited)') === true ? 'yes' : 'no'}`;
    },
  },
  {
    id: 'customers.search.created',
    area: 'Customers',
    title: 'the new customer by phone',
    writes: true,
    run: async (session) => {
      ourCustomer(session);
      const { items } = await session.ask(() =>
        session.client.customers({ name: tail(session.fakePhone) }, { limit: 20 }),
      );
      const found = items.some((one) => holds(one, session.fakePhone));
      if (!found) session.notes.add('A new customer is not found by phone at once: the search lags behind.');
      return found ? 'found at once' : 'not found yet';
    },
  },
  {
    id: 'customers.note',
    area: 'Customers',
    title: 'a note on the new customer',
    writes: true,
    run: async (session) => {
      const customer = { id: ourCustomer(session) };
      const id = await session.create(
        'note',
        `on customer ${customer.id}`,
        () => session.client.createCustomerNote({ text: session.mark, customer }, session.site),
        (made) => made,
      );
      return `note ${id}`;
    },
  },
  {
    id: 'customers.history',
    area: 'Customers',
    title: "customers' changes since yesterday",
    run: async (session) => {
      const { history } = await session.ask(() =>
        session.client.customerHistory({ startDate: yesterday(session) }, 100),
      );
      const own = history.filter((row) => row.own).length;
      return `${history.length} changes, ${own} of them by this key`;
    },
  },
];

/** `{site}` for methods that ask by id, when one is configured. */
export function siteOf(session: Session): { site?: string } {
  const { site } = session;
  return site === undefined ? {} : { site };
}

/** A number's spelling without the number. */
function shapeOf(phone: string): string {
  return `“${phone.replaceAll(/\d/g, '9')}”`;
}
