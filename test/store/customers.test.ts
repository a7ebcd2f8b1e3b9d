/** Who is calling: the cache in a real database, the emulator as the CRM. */
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { nationalDigits, normalisePhone } from '../../src/config/phones.ts';
import { Customers, type CustomersOptions } from '../../src/customers/customers.ts';
import type { Found } from '../../src/customers/found.ts';
import { Pacer } from '../../src/delivery/pacer.ts';
import { add as addCard, merge } from '../../src/sandbox/customers.ts';
import { add as addOrder } from '../../src/sandbox/orders.ts';
import { findCustomer } from '../../src/store/customers.ts';
import { type Harness, startHarness } from './deliveryHarness.ts';

let h: Harness;
const open: Customers[] = [];
/** The cards of the emulator's demo shop: 501 has +375290000101 and manager 7, 502 the spelling 80290000116. */
const anna = '+375290000101';
const pavel = '+375290000116';
const stranger = '+375290009999';

beforeAll(async () => {
  h = await startHarness();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((customers) => customers.stop()));
  await h.database.query('truncate retailcrm_customers');
  await h.reset();
});
afterAll(() => h.close());

function customersOf(over: Partial<CustomersOptions> = {}): Customers {
  const one = new Customers({
    db: h.database.db,
    client: h.client(),
    paces: { telephony: new Pacer({ intervalMs: 1 }), general: new Pacer({ intervalMs: 1 }) },
    enterpriseNumber: '7',
    numbering: {
      normalise: (raw) => {
        const phone = normalisePhone(raw, ['BY']);
        return phone.kind === 'phone' ? phone.e164 : undefined;
      },
      national: nationalDigits,
    },
    extensionOf: ({ id, code }) => code ?? (id === 7 ? '150' : undefined),
    enabled: true,
    freshMs: 3_600_000,
    missMs: 60_000,
    log: h.log,
    ...over,
  });
  open.push(one);
  return one;
}

const idOf = (found: Found | undefined): number | undefined =>
  found?.who === 'customer' ? found.customer.id : undefined;
const asked = (path: string): number => h.emulator.requests({ path }).length;
const demo = () => h.emulator.account();
const card = (phones: string[], more: { managerId?: number; firstName?: string } = {}): number =>
  addCard(
    demo(),
    'shop-a',
    '2026-01-01 00:00:00',
    { phones: phones.map((number) => ({ number })), ...more },
    { key: 'x' },
    0,
  ).id;

describe('a look-up', () => {
  test('finds name, manager and pages in one question, and remembers them', async () => {
    const customers = customersOf();
    expect(customers.cached(anna)).toBeUndefined();
    const found = await customers.lookup(anna);
    expect(found).toMatchObject({
      who: 'customer',
      complete: true,
      customer: { id: 501, otherIds: [], name: 'Anna Lisitsa', managerId: 7, managerName: 'Ira Orlova' },
    });
    expect(found.who === 'customer' && found.customer.links.customer).toMatch(/customers\/501$/);
    expect(customers.cached(anna)).toEqual(found);
    const before = h.emulator.requests().length;
    await customers.lookup(anna);
    expect(h.emulator.requests()).toHaveLength(before);
    expect(await findCustomer(h.database.db, '7', anna)).toMatchObject({
      retailcrmCustomerId: '501',
      name: 'Anna Lisitsa',
    });
  });

  test('asks telephony/manager with the plus, without it on a miss, then the list by national digits', async () => {
    await customersOf().lookup(stranger);
    expect(h.emulator.requests().map(({ path, rawQuery }) => `${path.replace('/api/v5/', '')}?${rawQuery}`)).toEqual([
      'telephony/manager?phone=%2B375290009999&details=1&ignoreStatus=1',
      'telephony/manager?phone=375290009999&details=1&ignoreStatus=1',
      'customers?filter%5Bname%5D=290009999&limit=20',
    ]);
  });

  test('an account that found somebody by a number with plus is asked for the bare digits no more', async () => {
    const customers = customersOf();
    await customers.lookup(anna);
    const before = h.emulator.requests().length;
    await customers.lookup(stranger);
    expect(
      h.emulator
        .requests()
        .slice(before)
        .map(({ path, rawQuery }) => `${path.replace('/api/v5/', '')}?${rawQuery}`),
    ).toEqual([
      'telephony/manager?phone=%2B375290009999&details=1&ignoreStatus=1',
      'customers?filter%5Bname%5D=290009999&limit=20',
    ]);
  });

  test('unless the list knows somebody: her manager is worth the question', async () => {
    const customers = customersOf();
    await customers.lookup(anna);
    // The first question finds nobody: the card comes when it is answered already.
    const id = card([stranger], { managerId: 7 });
    h.emulator.setSwitches({ failNext: [nobodyFound] });
    const found = await customers.lookup(stranger);
    expect(found).toMatchObject({ who: 'customer', complete: true, customer: { id, managerName: 'Ira Orlova' } });
    expect(found.who === 'customer' && found.customer.links.customer).toBeDefined();
  });

  test('an account that closes meanwhile is asked no more', async () => {
    // The first question is what closes it: no answer can be faster than that.
    const customers = customersOf({ open: () => asked('telephony/manager') === 0 });
    expect((await customers.lookup(stranger)).who).toBe('unknown');
    expect(asked('telephony/manager')).toBeGreaterThan(0);
    expect(asked('customers')).toBe(0);
  });

  test('a number the CRM has spelt another way is found', async () => {
    expect(idOf(await customersOf().lookup(pavel))).toBe(502);
  });

  test('what only the list finds counts when the number is really the same', async () => {
    // The first question answers that telephony is off: the list alone remains.
    h.emulator.setSwitches({ failNext: [telephonyOff] });
    const found = await customersOf().lookup(pavel);
    expect(found).toMatchObject({ who: 'customer', customer: { id: 502, managerId: 8 } });
  });

  test('a card that merely contains the digits is somebody else', async () => {
    card(['+375290009999123']);
    card(['+48290009999']);
    expect((await customersOf().lookup(stranger)).who).toBe('nobody');
  });

  test('a miss is remembered too, for its own time', async () => {
    let now = Date.now();
    const customers = customersOf({ now: () => now });
    expect((await customers.lookup(stranger)).who).toBe('nobody');
    const before = h.emulator.requests().length;
    now += 59_000;
    await customers.lookup(stranger);
    expect(h.emulator.requests()).toHaveLength(before);
    now += 2_000;
    const id = card([stranger]);
    expect((await customers.lookup(stranger)).who).toBe('nobody'); // the old answer serves meanwhile
    await h.until(() => idOf(customers.cached(stranger)) === id, 'asked again behind the scenes');
  });

  test('a hundred calls of one number are one question', async () => {
    const customers = customersOf();
    const all = await Promise.all(Array.from({ length: 100 }, () => customers.lookup(anna)));
    expect(new Set(all.map(idOf))).toEqual(new Set([501]));
    expect(asked('telephony/manager')).toBe(1);
    expect(asked('customers')).toBe(1);
  });

  test('the table knows after a restart, the memory from the start on', async () => {
    await customersOf().lookup(anna);
    const before = h.emulator.requests().length;
    const cold = customersOf();
    expect(cold.cached(anna)).toBeUndefined();
    expect(idOf(await cold.lookup(anna))).toBe(501);
    const warm = customersOf();
    await warm.start();
    expect(idOf(warm.cached(anna))).toBe(501);
    const taken = customersOf();
    await taken.warm([anna, stranger]);
    expect(taken.responsible(anna)).toBe('150');
    expect(h.emulator.requests()).toHaveLength(before);
  });

  test('another enterprise of the same database knows nothing of it', async () => {
    await customersOf().lookup(anna);
    const other = customersOf({ enterpriseNumber: '8', enabled: false });
    await other.start();
    expect((await other.lookup(anna)).who).toBe('unknown');
  });

  test('switched off: the CRM is not asked', async () => {
    expect((await customersOf({ enabled: false }).lookup(anna)).who).toBe('unknown');
    expect(h.emulator.requests()).toEqual([]);
  });
});

describe('a CRM in trouble', () => {
  test.each([
    { name: 'cut connections', switches: { down: true } },
    { name: '500', switches: { fail5xxEvery: 1 } },
    { name: 'a page instead of an answer', switches: { html200: true } },
    { name: 'a key that is refused', switches: { authOff: true } },
  ])('$name: unknown, and after some tries at once', async ({ switches }) => {
    h.emulator.setSwitches(switches);
    const customers = customersOf();
    // Memory knows that the table holds nothing: no query in between outlasts the second nothing is asked for.
    await customers.start();
    for (const last of [1, 2, 3]) expect((await customers.lookup(`+37529000777${last}`)).who).toBe('unknown');
    const before = h.emulator.requests().length;
    expect((await customers.lookup('+375290007774')).who).toBe('unknown');
    expect(h.emulator.requests()).toHaveLength(before);
    expect(h.log.lines.filter((line) => line.includes('does not tell who calls'))).toHaveLength(1);
  });

  test('a key that is refused is not tried again by the next call', async () => {
    h.emulator.setSwitches({ authOff: true });
    const customers = customersOf();
    await customers.lookup(anna);
    const before = h.emulator.requests().length;
    expect(before).toBeGreaterThan(0);
    expect((await customers.lookup(pavel)).who).toBe('unknown');
    expect(h.emulator.requests()).toHaveLength(before);
  });

  test('an account others found closed is not asked', async () => {
    let open = false;
    const customers = customersOf({ open: () => open });
    expect((await customers.lookup(anna)).who).toBe('unknown');
    expect(h.emulator.requests()).toEqual([]);
    open = true;
    expect(idOf(await customers.lookup(anna))).toBe(501);
  });

  test('what is known already still serves', async () => {
    let now = Date.now();
    const customers = customersOf({ now: () => now });
    await customers.lookup(anna);
    h.emulator.setSwitches({ down: true });
    now += 4_000_000;
    expect(idOf(await customers.lookup(anna))).toBe(501);
    expect(customers.responsible(anna)).toBe('150');
  });

  test('an answer that does not come: unknown in time, and remembered when it comes', async () => {
    let comes: () => void = () => undefined;
    const turn = new Promise<void>((resolve) => (comes = resolve));
    const telephony = { take: () => turn, slowDown: () => undefined };
    const customers = customersOf({ paces: { telephony, general: new Pacer({ intervalMs: 1 }) } });
    const found = await customers.lookup(anna, 50);
    comes();
    expect(found.who).toBe('unknown');
    await h.until(() => idOf(customers.cached(anna)) === 501, 'the answer was kept');
  });

  test('the list does not answer: who was found first is taken, and asked again soon', async () => {
    h.emulator.setSwitches({ failNext: [{ status: 500, body: 'no', path: '/customers' }] });
    const customers = customersOf();
    expect(await customers.lookup(anna)).toMatchObject({ who: 'customer', complete: false, customer: { id: 501 } });
  });

  test('a database in trouble: the CRM is asked all the same', async () => {
    await h.database.query('alter table retailcrm_customers rename to away');
    const found = await customersOf().lookup(anna);
    await h.database.query('alter table away rename to retailcrm_customers');
    expect(idOf(found)).toBe(501);
  });
});

describe('23: two customers share one phone', () => {
  const order = (customerId: number, createdAt: string): void =>
    void addOrder(demo(), 'shop-a', createdAt, { customerId }, { key: 'x' }, 0);

  test.each([
    { name: 'the most recent order decides', orders: ['second', 'first'], chosen: 'first' },
    { name: 'also the other way round', orders: ['first', 'second'], chosen: 'second' },
    { name: 'without orders the older card', orders: [], chosen: 'first' },
  ])('$name; both ids are kept, and every look-up says the same', async ({ orders, chosen }) => {
    const ids: Record<string, number> = {
      first: card([stranger], { managerId: 7, firstName: 'First' }),
      second: card(['80290009999'], { managerId: 8, firstName: 'Second' }),
    };
    for (const [index, who] of orders.entries()) order(ids[who] ?? 0, `2026-0${index + 1}-01 10:00:00`);
    const other = Object.values(ids).filter((id) => id !== ids[chosen]);
    const found = await customersOf().lookup(stranger);
    expect(found).toMatchObject({ who: 'customer', complete: true, customer: { id: ids[chosen], otherIds: other } });
    expect(await findCustomer(h.database.db, '7', stranger)).toMatchObject({
      retailcrmCustomerId: String(ids[chosen]),
      otherIds: other.map(String),
    });
    await h.database.query('truncate retailcrm_customers');
    expect(idOf(await customersOf().lookup(stranger))).toBe(ids[chosen]);
  });
});

describe('the CRM changes', () => {
  test('a card that must be asked again is, while its old name serves', async () => {
    const customers = customersOf();
    await customers.lookup(anna);
    await customers.forget(501);
    const changed = demo().customers.get(501);
    if (changed) changed.firstName = 'Hanna';
    expect(await customers.lookup(anna)).toMatchObject({ customer: { name: 'Anna Lisitsa' } });
    await h.until(() => nameOf(customers.cached(anna)) === 'Hanna Lisitsa', 'asked again');
  });

  test('a name and a manager are corrected in memory and table without asking', async () => {
    const customers = customersOf();
    await customers.lookup(anna);
    const before = h.emulator.requests().length;
    await customers.update(501, { name: 'Hanna L.', managerId: 8 });
    expect(customers.cached(anna)).toMatchObject({
      customer: { name: 'Hanna L.', managerId: 8, managerName: undefined },
    });
    expect(customers.responsible(anna)).toBeUndefined();
    expect(await findCustomer(h.database.db, '7', anna)).toMatchObject({ name: 'Hanna L.', managerId: '8' });
    await customers.update(501, { managerId: undefined });
    expect(customers.cached(anna)).toMatchObject({ customer: { managerId: undefined } });
    expect(h.emulator.requests()).toHaveLength(before);
  });

  test('a number that came to a card is asked again', async () => {
    const customers = customersOf();
    await customers.lookup(stranger);
    const id = card([stranger]);
    await customers.forgetPhone(stranger);
    await customers.lookup(stranger);
    const stored = async (): Promise<string | null | undefined> =>
      (await findCustomer(h.database.db, '7', stranger))?.retailcrmCustomerId;
    await h.until(async () => (await stored()) === String(id), 'asked again');
    expect(idOf(customers.cached(stranger))).toBe(id);
  });

  test('a merged card is the other one from now on', async () => {
    const customers = customersOf();
    await customers.lookup(anna);
    await customers.merged(501, 502);
    expect(idOf(customers.cached(anna))).toBe(502);
    expect(await findCustomer(h.database.db, '7', anna)).toMatchObject({ retailcrmCustomerId: '502' });
  });

  test('combinedTo is followed once', async () => {
    const customers = customersOf();
    await customers.lookup(anna);
    const [from, into] = [demo().customers.get(501), demo().customers.get(502)];
    if (!from || !into) throw new Error('the demo has both');
    merge(demo(), from, into, { key: 'x' }, 0);
    expect(await customers.current(502)).toBe(502);
    expect(await customers.current(501)).toBe(502);
    expect(idOf(customers.cached(anna))).toBe(502);
    await expect(customers.current(99_999)).rejects.toMatchObject({ kind: 'NOTFOUND' });
  });

  test('an answer that was on its way when the card changed is not believed for long', async () => {
    const client = h.client();
    const customers = customersOf({ client });
    const list = client.customers.bind(client);
    jest.spyOn(client, 'customers').mockImplementationOnce(async (...question) => {
      const answer = await list(...question);
      await customers.forget(501);
      return answer;
    });
    expect(idOf(await customers.lookup(anna))).toBe(501);
    const before = asked('telephony/manager');
    expect(idOf(await customers.lookup(anna))).toBe(501);
    await h.until(() => asked('telephony/manager') > before, 'asked again');
  });
});

const nobodyFound = { status: 200, body: { success: true, links: {} }, path: '/telephony/manager' };
const telephonyOff = {
  status: 400,
  body: { success: false, errorMsg: 'Telephony not enabled' },
  path: '/telephony/manager',
};

function nameOf(found: Found | undefined): string | undefined {
  return found?.who === 'customer' ? found.customer.name : undefined;
}
