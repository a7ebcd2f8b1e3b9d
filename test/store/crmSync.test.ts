/** Changes in the CRM: histories and hints correct what we keep of customers and orders, each once. */
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { saveCustomers } from '../../src/store/customers.ts';
import { findOrder, statusesOf } from '../../src/store/orders.ts';
import { startSyncHarness, type SyncHarness } from './syncHarness.ts';

let h: SyncHarness;
beforeAll(async () => {
  h = await startSyncHarness();
});
afterEach(() => h.reset());
afterAll(() => h.close());

const anna = '+375290000101';

/** What an earlier look-up left: the number belongs to this card. */
const cached = (phone: string, customerId: number | null, name = 'Anna Lisitsa', managerId = 7): Promise<void> =>
  saveCustomers(h.db, [
    {
      phone,
      enterpriseNumber: '1',
      retailcrmCustomerId: customerId === null ? null : String(customerId),
      name,
      managerId: String(managerId),
      managerName: 'Ira Orlova',
    },
  ]);

/** The cached numbers: `+375… 501 Anna Lisitsa 7`, `again` where the CRM must be asked. */
async function cache(): Promise<string[]> {
  const rows = await h.query('select * from retailcrm_customers order by phone');
  return rows.map((row) =>
    [row['phone'], row['retailcrm_customer_id'] ?? 'nobody', row['name'], row['manager_id']]
      .concat((row['fetched_at'] as Date).getTime() === 0 ? ['again'] : [])
      .join(' '),
  );
}

const orders = async (): Promise<string[]> =>
  (await h.query('select * from orders order by order_id')).map((row) =>
    [row['number'], row['status'], row['customer_id'], row['manager_id']].join(' '),
  );
const dirty = (): Promise<Record<string, unknown>[]> => h.query('select kind, crm_id, marks from dirty_entities');
const since = async (stream: string): Promise<unknown> =>
  (await h.query('select since_id from sync_cursors where stream = $1', [stream]))[0]?.['since_id'];

/** A synchronisation that has looked once: from here on it sees what happens. */
async function begun(over: Parameters<SyncHarness['sync']>[0] = {}): Promise<ReturnType<SyncHarness['sync']>> {
  const sync = h.sync(over);
  await sync.drain();
  return sync;
}

describe('the beginning', () => {
  test('the first look asks from now on, in account time, and replays nothing', async () => {
    await h.ui('customers/501', { customer: { firstName: 'Long ago' } });
    await cached(anna, 501);
    const at = Date.now() + 5_000;
    await begun({ now: () => at });
    const [first] = h.asked('customers/history');
    expect(first?.get('filter[startDate]')).toBe(
      new Intl.DateTimeFormat('sv-SE', { timeZone: 'Europe/Minsk', dateStyle: 'short', timeStyle: 'medium' }).format(
        at,
      ),
    );
    expect(first?.has('filter[sinceId]')).toBe(false);
    expect(await cache()).toEqual([`${anna} 501 Anna Lisitsa 7`]);
  });

  test("what happens between the first look and the second is seen, also when the CRM's clock is behind ours", async () => {
    await cached(anna, 501);
    const sync = await begun({ now: () => Date.now() + 600_000 });
    await h.ui('customers/501', { customer: { firstName: 'Anja' } });
    await sync.drain();
    expect(await cache()).toEqual([`${anna} 501 Anja Lisitsa 7`]);
  });

  test('nothing is read before the zone of the account is known', async () => {
    const account: { zone?: string } = {};
    const sync = await begun({ zone: () => account.zone });
    expect(h.emulator.requests()).toEqual([]);
    account.zone = 'Europe/Minsk';
    await sync.drain();
    expect(h.asked('customers/history')).toHaveLength(1);
  });
});

describe('walking', () => {
  test('page by page by sinceId, never with a page', async () => {
    const sync = await begun();
    for (let n = 0; n < 250; n += 1) await h.ui('customers/501', { customer: { email: `a${n}@shop.example` } });
    await sync.drain();
    const asked = h.asked('customers/history').slice(1);
    expect(asked).toHaveLength(3);
    expect(asked.map((query) => query.has('filter[sinceId]'))).toEqual([false, true, true]);
    expect(asked.every((query) => !query.has('page'))).toBe(true);
    expect(await since('customers')).toBe('650');
    // A customer's e-mail address is not ours to keep.
    expect(h.asked('/customers').filter((query) => query.has('filter[ids][0]'))).toEqual([]);
  });

  test('an answer too large to read is asked for in smaller pages', async () => {
    const sync = await begun();
    for (let n = 0; n < 30; n += 1) await h.ui('orders', { order: { managerComment: 'x'.repeat(20_000) } });
    // A page of 100 holds more than the megabyte that is read.
    for (let n = 0; n < 30; n += 1) await h.ui('orders', { order: { managerComment: 'x'.repeat(20_000) } });
    await sync.drain();
    expect(await orders()).toHaveLength(60);
    expect(h.asked('orders/history').map((query) => query.get('limit'))).toEqual(['100', '100', '50', '50']);
  });

  test('unknown fields of the history are passed over', async () => {
    await cached(anna, 501);
    const sync = await begun();
    h.emulator.setSwitches({
      failNext: [
        {
          path: 'customers/history',
          status: 200,
          body: {
            success: true,
            generatedAt: '2026-03-01 10:00:00',
            surprise: [1],
            history: [
              {
                id: 900,
                createdAt: '2026-03-01 09:59:10',
                source: 'rule',
                field: 'aura.colour',
                oldValue: [],
                newValue: { x: 1 },
                customer: { id: 501, aura: {} },
              },
              {
                id: 901,
                createdAt: '2026-03-01 09:59:11',
                source: 'user',
                field: 'first_name',
                newValue: 'Anja',
                customer: { id: 501 },
              },
              { id: 902, source: 'code', customer: [] },
            ],
          },
        },
      ],
    });
    Object.assign(h.emulator.account().customers.get(501) ?? {}, { firstName: 'Anja' });
    await sync.drain();
    expect(await since('customers')).toBe('902');
    expect(await cache()).toEqual([`${anna} 501 Anja Lisitsa 7`]);
  });

  test('our own changes are passed over, and the cursor with them', async () => {
    await cached(anna, 501);
    const sync = await begun({ orderRules: [{ status: 'new', action: 'notify', text: undefined }] });
    const client = h.client();
    await client.editCustomer(501, { by: 'id', site: 'shop-a' }, { firstName: 'By us' });
    await client.createOrder({ customer: { id: 501 }, managerId: 7 }, 'shop-a');
    const before = h.emulator.requests().length;
    await sync.drain();
    expect(
      h.emulator
        .requests()
        .slice(before)
        .map(({ path }) => path),
    ).toEqual(['/api/v5/customers/history', '/api/v5/orders/history']);
    expect(await since('customers')).toBe('401');
    expect(await since('orders')).toBe('402');
    expect([await dirty(), await orders(), await cache()]).toEqual([[], [], [`${anna} 501 Anna Lisitsa 7`]]);
    expect(await h.query('select 1 from order_rule_runs')).toEqual([]);
  });
});

describe('customers', () => {
  test('names and managers are corrected, in the table and in memory', async () => {
    await cached(anna, 501);
    const sync = await begun();
    await h.ui('customers/501', { customer: { firstName: 'Anja', managerId: 8 } });
    await sync.drain();
    expect(await cache()).toEqual([`${anna} 501 Anja Lisitsa 8`]);
    expect(h.told).toEqual(['update 501 {"name":"Anja Lisitsa","managerId":8}']);
    expect(await dirty()).toEqual([]);
  });

  test('a number put on a card, or taken off, is asked again when it calls', async () => {
    await cached(anna, 501);
    await cached('+375290009999', null);
    await cached('+375290000112', 507, 'Olga Mironova');
    const sync = await begun();
    await h.ui('customers/501', { customer: { phones: [{ number: '80290009999' }] } });
    await sync.drain();
    expect(await cache()).toEqual([
      `${anna} 501 Anna Lisitsa 7 again`,
      '+375290000112 507 Olga Mironova 7',
      '+375290009999 nobody Anna Lisitsa 7 again',
    ]);
    expect(h.told.sort()).toEqual([`forget ${anna}`, 'forget +375290009999']);
  });

  test('a new card of a number nobody had', async () => {
    await cached('+375290009999', null);
    const sync = await begun();
    await h.ui('customers', { customer: { firstName: 'Zoja', phones: [{ number: '+375 29 000-99-99' }] } });
    await sync.drain();
    expect(await cache()).toEqual(['+375290009999 nobody Anna Lisitsa 7 again']);
  });

  test('a merge: the number and the orders belong to the other card', async () => {
    await cached(anna, 501);
    const sync = await begun();
    await h.ui('orders', { order: { customer: { id: 501 } } });
    await sync.drain();
    await h.ui('customers/501/merge', { into: 502 });
    await sync.drain();
    expect(await cache()).toEqual([`${anna} 502 Pavel Grin 8 again`]);
    expect(await orders()).toEqual(['88A new 502 ']);
    expect(h.told).toContain('merged 501 502');
    expect(h.lines).toContain('info: customer 501 became part of customer 502 in the CRM');
    expect(await dirty()).toEqual([]);
  });

  test('a merge heard of by a hint first, the history comes later', async () => {
    await cached(anna, 501);
    const sync = await begun({ pollMs: 0 });
    await h.ui('customers/501/merge', { into: 502 });
    await sync.changed({ event: 'customer.edit', id: 501 });
    await sync.drain();
    expect(await cache()).toEqual([`${anna} 502 Pavel Grin 8 again`]);
    expect(await dirty()).toEqual([]);
  });
});

describe('orders', () => {
  test('number, status, sum, customer, manager, site and time are kept, with each change of status', async () => {
    const sync = await begun();
    await h.ui('orders', { order: { customer: { id: 501 }, phone: '80290000101', managerId: 7, firstName: 'Anna' } });
    Object.assign(h.emulator.account().orders.get(88) ?? {}, { totalSumm: 120.5 });
    await sync.drain();
    await h.ui('orders/88', { order: { status: 'call-back', managerId: 8 } });
    await h.ui('orders/88', { order: { status: 'complete' } });
    await sync.drain();
    expect(await findOrder(h.db, 'acme', 88)).toMatchObject({
      ...{ id: 88, number: '88A', status: 'complete', total: 120.5, customerId: 501, managerId: 8 },
      ...{ site: 'shop-a', phone: anna, person: 'Anna', deleted: false },
    });
    const statuses = await statusesOf(h.db, 'acme', 88);
    expect(statuses.map(({ status }) => status)).toEqual(['new', 'call-back', 'complete']);
    for (const { at } of statuses) expect(Math.abs(Date.now() - at.getTime())).toBeLessThan(60_000);
  });

  test('what the order tells and what the history tells are one change', async () => {
    const sync = await begun({ pollMs: 3600_000 });
    const silent = h.sync({ pollMs: 0 });
    await h.ui('orders', { order: { customer: { id: 501 } } });
    await silent.changed({ event: 'order.create', id: 88 });
    await silent.drain();
    await sync.drain();
    await silent.changed({ event: 'order.edit', id: 88 });
    await silent.drain();
    expect(await h.query('select status, history_id from order_statuses')).toEqual([
      { status: 'new', history_id: '401' },
    ]);
  });

  test('times are of the account, whatever ours is', async () => {
    h.seed({ accounts: [{ timezone: 'Asia/Yekaterinburg' }] });
    const sync = await begun({ zone: () => 'Asia/Yekaterinburg' });
    await h.ui('orders', {});
    await sync.drain();
    const order = await findOrder(h.db, 'acme', 88);
    expect(Math.abs(Date.now() - (order?.createdAt?.getTime() ?? 0))).toBeLessThan(60_000);
  });

  test('an order the CRM no longer has is kept as deleted', async () => {
    const sync = await begun();
    await h.ui('orders', {});
    await sync.drain();
    h.emulator.account().orders.delete(88);
    await sync.changed({ event: 'order.edit', id: 88 });
    await sync.drain();
    expect(await findOrder(h.db, 'acme', 88)).toMatchObject({ deleted: true, status: 'new' });
    expect(await dirty()).toEqual([]);
  });
});

describe('hints', () => {
  test('are committed first: a CRM that is away, a killed process, and the entity is read all the same', async () => {
    await cached(anna, 501);
    const sync = await begun();
    await h.ui('customers/501', { customer: { firstName: 'Anja' } });
    h.emulator.setSwitches({ down: true });
    await sync.changed({ event: 'customer.edit', id: 501 });
    expect(await dirty()).toEqual([{ kind: 'customer', crm_id: '501', marks: '1' }]);
    await sync.stop();
    h.emulator.setSwitches({ down: false });
    await h.sync({ pollMs: 0 }).drain();
    expect(await cache()).toEqual([`${anna} 501 Anja Lisitsa 7`]);
  });

  test('doubled, reordered and senseless ones change nothing', async () => {
    await cached(anna, 501);
    const sync = await begun();
    await h.ui('customers/501', { customer: { firstName: 'Anja' } });
    const hints = [501, 501, 999_999, 501, 88].map((id) => sync.changed({ event: 'customer.edit', id }));
    await Promise.all([
      ...hints,
      sync.changed({ event: 'order.edit', id: 501 }),
      sync.changed({ event: 'customer.create', id: 501 }),
    ]);
    await sync.drain();
    expect([await cache(), await orders(), await dirty()]).toEqual([[`${anna} 501 Anja Lisitsa 7`], [], []]);
    expect(h.told.sort()).toEqual(['forget 88', 'forget 999999', 'update 501 {"name":"Anja Lisitsa"}']);
  });

  test('many of them are one question', async () => {
    let turn = Promise.resolve();
    const sync = await begun({ general: { take: () => turn, slowDown: () => undefined } });
    const before = h.emulator.requests().length;
    let comes: () => void = () => undefined;
    turn = new Promise((resolve) => (comes = resolve));
    await Promise.all(
      [...h.emulator.account().customers.keys()].map((id) => sync.changed({ event: 'customer.edit', id })),
    );
    comes();
    await sync.drain();
    const asked = h.emulator
      .requests()
      .slice(before)
      .map(({ path }) => path);
    // The first hint may be read alone; while its question is held all others are noted.
    expect(asked.filter((path) => path === '/api/v5/customers').length).toBeLessThan(3);
    expect(asked.filter((path) => path.endsWith('/history')).length).toBeLessThan(6);
  });

  test('one that comes while the entity is read is not lost', async () => {
    await cached(anna, 501);
    const client = h.client();
    const sync = await begun({ pollMs: 0, client });
    const list = client.customers.bind(client);
    jest.spyOn(client, 'customers').mockImplementationOnce(async (...question) => {
      const answer = await list(...question);
      await h.ui('customers/501', { customer: { firstName: 'Second' } });
      await sync.changed({ event: 'customer.edit', id: 501 });
      return answer;
    });
    await h.ui('customers/501', { customer: { firstName: 'First' } });
    await sync.changed({ event: 'customer.edit', id: 501 });
    await sync.drain();
    expect(h.told).toEqual(['First', 'Second'].map((name) => `update 501 {"name":"${name} Lisitsa"}`));
    expect(await cache()).toEqual([`${anna} 501 Second Lisitsa 7`]);
    expect(await dirty()).toEqual([]);
  });
});

describe('killed between reading and committing: everything is applied once', () => {
  test.each(['dirty_entities', 'sync_cursors', 'order_statuses'])(
    'the transaction stops at %s and its backend dies',
    async (table) => {
      await begun();
      await h.ui('orders', { order: { customer: { id: 501 } } });
      await h.ui('orders/88', { order: { status: 'call-back' } });
      const blocker = new pg.Client({ connectionString: h.url });
      await blocker.connect();
      await blocker.query(`begin; lock table ${table} in share row exclusive mode`);
      const dying = h.sync();
      const dead = dying.drain();
      const waiting = async (): Promise<Record<string, unknown>[]> =>
        h.query("select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'");
      await h.until(async () => (await waiting()).length > 0, 'the transaction is under way');
      for (const { pid } of await waiting()) await h.query('select pg_terminate_backend($1)', [pid]);
      await dying.stop();
      await dead;
      expect(await since('orders')).toBeNull();
      await blocker.query('rollback');
      await blocker.end();

      await h.sync().drain();
      await h.sync().drain();
      expect(await orders()).toEqual(['88A call-back 501 ']);
      expect((await statusesOf(h.db, 'acme', 88)).map(({ status }) => status)).toEqual(['new', 'call-back']);
      expect(await since('orders')).toBe('402');
      expect(await dirty()).toEqual([]);
    },
  );

  test('two processes at one history: what one has applied the other leaves alone', async () => {
    await begun();
    for (let n = 0; n < 150; n += 1) await h.ui('orders', { order: { status: 'call-back' } });
    await Promise.all([h.sync(), h.sync(), h.sync()].map((sync) => sync.drain()));
    await h.sync().drain();
    expect(
      await h.query('select count(*)::int as count, count(distinct order_id)::int as orders from order_statuses'),
    ).toEqual([{ count: 150, orders: 150 }]);
    expect(await since('orders')).toBe('550');
  });
});

describe('a CRM in trouble', () => {
  test.each([
    ['is away', { down: true }, { down: false }, 'NETWORK'],
    ['answers 500', { fail5xxEvery: 1 }, { fail5xxEvery: 0 }, 'RETRY'],
    ['answers nonsense', { html200: true }, { html200: false }, 'RETRY'],
    ['asks to slow down', { quotaTaken: 1, rateLimitReply: '429json' as const }, { quotaTaken: 0 }, 'RATE'],
  ])(
    '%s: tried again until it answers, one line when it begins and one when it ends',
    async (_, trouble, well, kind) => {
      await cached(anna, 501);
      const sync = await begun();
      await h.ui('customers/501', { customer: { firstName: 'Anja' } });
      h.emulator.setSwitches(trouble);
      const before = h.emulator.requests({ path: 'customers/history' }).length;
      await sync.drain();
      await h.until(
        async () => (await sync.drain(), h.emulator.requests({ path: 'customers/history' }).length > before + 3),
        'asked again and again',
      );
      expect(sync.troubles).toContain(`history of customers: ${kind}`);
      h.emulator.setSwitches(well);
      await h.until(async () => (await sync.drain(), sync.troubles.length === 0), 'it answers again');
      await sync.drain();
      expect(await cache()).toEqual([`${anna} 501 Anja Lisitsa 7`]);
      expect(h.lines.filter((line) => line.includes('history of customers'))).toEqual([
        'warn: history of customers: not possible now, it is tried again',
        'info: history of customers: the CRM answers again',
      ]);
    },
  );

  test('refuses the key: parked for minutes, whatever hints come', async () => {
    const sync = await begun();
    h.emulator.setSwitches({ authOff: true });
    await sync.drain();
    const before = h.emulator.requests().length;
    for (let id = 1; id < 20; id += 1) await sync.changed({ event: 'customer.edit', id });
    await h.until(() => h.lines.some((line) => line.startsWith('error: changed customers')), 'the refusal is told');
    expect(h.emulator.requests().length - before).toBeLessThan(3);
    expect(h.lines.filter((line) => line.includes('history of'))).toEqual([
      'error: history of customers: the CRM refuses this key; it is asked again every five minutes',
      'error: history of orders: the CRM refuses this key; it is asked again every five minutes',
    ]);
  });

  test('is known to refuse us: nothing is asked, and what was marked waits', async () => {
    await cached(anna, 501);
    const account = { refuses: false };
    const sync = await begun({ refused: () => account.refuses });
    account.refuses = true;
    await h.ui('customers/501', { customer: { firstName: 'Anja' } });
    await sync.changed({ event: 'customer.edit', id: 501 });
    const before = h.emulator.requests().length;
    await sync.drain();
    expect(h.emulator.requests()).toHaveLength(before);
    account.refuses = false;
    await sync.drain();
    expect(await cache()).toEqual([`${anna} 501 Anja Lisitsa 7`]);
  });

  test('a key that sees customers but no orders: customers are followed', async () => {
    await cached(anna, 501);
    h.seed({
      accounts: [
        {
          keys: [{ key: 'demo-key', credentials: ['/api/customers', '/api/customers/history'] }],
        },
      ],
    });
    const sync = await begun();
    await h.ui('customers/501', { customer: { firstName: 'Anja' } });
    await sync.drain();
    expect(await cache()).toEqual([`${anna} 501 Anja Lisitsa 7`]);
    expect(sync.troubles).toEqual(['history of orders: AUTH']);
  });
});
