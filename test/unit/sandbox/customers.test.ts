import { describe, expect, test } from '@jest/globals';
import type { Seed } from '../../../src/sandbox/seed.ts';
import { type Bench, bench, blamed, rows, type Told } from './support.ts';

const MISSING_SITE = "Parameter 'site' is missing";

function ids(told: Told, list = 'customers'): unknown[] {
  return rows(told, list).map((row) => row['id']);
}

const TWO_SHOPS: Seed = {
  accounts: [{ sites: ['shop-a', 'shop-b'], keys: [{ key: 'demo-key' }, { key: 'only-a', sites: ['shop-a'] }] }],
};

function create(crm: Bench, customer: Record<string, unknown>, site?: string): Promise<Told> {
  return crm.post('customers/create', { ...(site !== undefined && { site }), customer });
}

describe('search', () => {
  test.each([
    { name: 'a part of a name, whatever the case', filter: 'bond', found: [503] },
    { name: 'first and last name', filter: 'anna lis', found: [501] },
    { name: 'Cyrillic', filter: 'щёткин', found: [509] },
    { name: 'national digits of a bracketed number', filter: '290000131', found: [503] },
    { name: 'digits with a plus', filter: '+375290000101', found: [501] },
    { name: 'an international form of a card that holds the national one', filter: '+375290000116', found: [] },
    {
      name: 'digits many cards share, newest first',
      filter: '2900001',
      found: [509, 507, 506, 505, 504, 503, 502, 501],
    },
    { name: 'digits inside words', filter: 'card 101', found: [] },
  ])('35 filter[name] by $name', async ({ filter, found }) => {
    expect(ids(await (await bench()).get('customers', { 'filter[name]': filter }))).toEqual(found);
  });

  test('36 filter[phone] is ignored: the wrong customer comes first, and the request is flagged', async () => {
    const crm = await bench();
    const told = await crm.get('customers', { 'filter[phone]': '+375290000101' });
    expect([told.status, ids(told)[0], ids(told).length]).toEqual([200, 509, 9]);
    expect(crm.emulator.requests()[0]?.flags).toEqual(['unknown filter phone']);
  });

  test('36 filter[phone] is refused by the switch', async () => {
    const told = await (await bench({ switches: { unknownFilter: '400' } })).get('customers', { 'filter[phone]': '1' });
    expect([told.status, told.body['errorMsg']]).toEqual([400, 'Errors in the input parameters']);
  });

  test.each([{ limit: '10' }, { limit: '1000' }, { limit: 'x' }, { page: '0' }, { page: '-1' }, { page: 'two' }])(
    '37 %j is refused',
    async (query) => {
      const told = await (await bench()).get('customers', query);
      expect([told.status, told.body['errorMsg'], blamed(told)]).toEqual([
        400,
        'Errors in the input parameters',
        Object.keys(query),
      ]);
    },
  );

  test('37 a page beyond the end is empty', async () => {
    const told = await (await bench()).get('customers', { page: '7' });
    expect([told.status, told.body['customers'], told.body['pagination']]).toEqual([
      200,
      [],
      { limit: 20, totalCount: 9, currentPage: 7, totalPageCount: 1 },
    ]);
  });

  test('45 a bad date in a filter is named by its form path, in the language of the switch', async () => {
    for (const [language, says] of [
      ['en', 'This value is not valid.'],
      ['ru', 'Значение недопустимо.'],
    ] as const) {
      const told = await (await bench({ switches: { language } })).get('customers/history', {
        'filter[startDate]': '2026-03-01T10:00:00',
      });
      expect([told.status, told.body['errorMsg'], told.body['errors']]).toEqual([
        400,
        'Errors in the input parameters',
        { 'children[startDate]': says },
      ]);
    }
  });

  test.each([
    { query: { 'filter[ids][]': '502' }, found: [502] },
    { query: { 'filter[ids][0]': '502', 'filter[ids][1]': '501' }, found: [502, 501] },
    { query: { 'filter[vip]': '1' }, found: [505] },
    { query: { 'filter[managers][]': '8' }, found: [505, 502] },
    { query: { 'filter[dateFrom]': '2026-03-02' }, found: [] },
    { query: { 'filter[managerGroups][]': '2', 'filter[vip]': '1' }, found: [505] },
    { query: { 'filter[managerGroups][]': '3' }, found: [] },
  ])('$query', async ({ query, found }) => {
    expect(ids(await (await bench()).get('customers', query)).sort()).toEqual(found.sort());
  });
});

describe('one customer', () => {
  test('38 without by=id the number is an externalId', async () => {
    const crm = await bench();
    expect((await crm.get('customers/501')).body).toEqual({ success: false, errorMsg: 'Not found' });
    expect((await crm.get('customers/501', { by: 'id' })).status).toBe(200);
    const bad = await crm.get('customers/501', { by: 'foo' });
    expect([bad.status, blamed(bad)]).toEqual([400, ['by']]);
  });

  test('39 a merged customer points to the other one, for reading and editing', async () => {
    const crm = await bench();
    await crm.admin('ui/customers/502/merge', { into: 501 });
    const read = await crm.get('customers/502', { by: 'id', site: 'shop-a' });
    const edited = await crm.post('customers/502/edit', { by: 'id', customer: { managerId: 8 } });
    for (const told of [read, edited])
      expect([told.status, told.body]).toEqual([
        404,
        { success: false, errorMsg: 'Not found', combinedTo: { id: 501 } },
      ]);
    expect(ids(await crm.get('customers', { 'filter[name]': 'Grin' }))).toEqual([]);
  });

  test.each([201, 200] as const)('40 create answers %d with the id', async (createStatus) => {
    const told = await create(await bench({ switches: { createStatus } }), { firstName: 'Lev' });
    expect([told.status, told.body]).toEqual([createStatus, { success: true, id: 510 }]);
  });

  test('40 a second create with the same externalId is refused, with the same phone it is a second card', async () => {
    const crm = await bench();
    const phones = [{ number: '+375290000777' }];
    await create(crm, { externalId: 'tel-1', phones });
    const again = await create(crm, { externalId: 'tel-1', phones });
    expect([again.status, blamed(again)]).toEqual([400, ['externalId']]);
    expect((await create(crm, { externalId: 'tel-2', phones })).body['id']).toBe(511);
    expect(ids(await crm.get('customers', { 'filter[name]': '290000777' }))).toEqual([511, 510]);
  });

  test('40 the same externalId in another shop is another card', async () => {
    const crm = await bench({ seed: TWO_SHOPS });
    expect([
      (await create(crm, { externalId: 'x' }, 'shop-a')).status,
      (await create(crm, { externalId: 'x' }, 'shop-b')).status,
    ]).toEqual([201, 201]);
  });

  test.each([{ phones: ['+375290000777'] }, { phones: '+375290000777' }, { phones: [{ phone: '1' }] }])(
    '41 %j is refused',
    async (customer) => {
      const told = await create(await bench(), customer);
      expect([told.status, blamed(told)]).toEqual([400, ['phones']]);
    },
  );

  test('42 a key with several shops must name one, and only one of its own', async () => {
    const crm = await bench({ seed: TWO_SHOPS });
    const none = await create(crm, { firstName: 'A' });
    expect([none.status, none.body['errorMsg']]).toEqual([400, MISSING_SITE]);
    crm.key = 'only-a';
    const foreign = await create(crm, { firstName: 'A' }, 'shop-b');
    expect([foreign.status, foreign.body['errorMsg']]).toEqual([403, 'Access denied.']);
    expect((await create(crm, { firstName: 'A' })).status).toBe(201);
  });

  test('43 phones come back exactly as stored, empty maps as lists, no e-mail as empty text', async () => {
    const crm = await bench();
    const told = await crm.get('customers/506', { by: 'id' });
    expect(told.body['customer']).toMatchObject({
      phones: [{ number: '8 (029) 000-01-70' }],
      customFields: [],
      tags: [],
      email: '',
    });
    await crm.post('customers/506/edit', { by: 'id', customer: { customFields: { colour: 'red' } } });
    expect((await crm.get('customers/506', { by: 'id' })).body['customer']).toMatchObject({
      customFields: { colour: 'red' },
    });
  });

  test('44 a note without a customer is refused', async () => {
    const crm = await bench();
    const told = await crm.post('customers/notes/create', { note: { text: 'called' } });
    expect([told.status, told.body['errorMsg'], told.body['errors']]).toEqual([
      400,
      'Errors in the entity format',
      { customer: 'Set one of the following fields: id, externalId' },
    ]);
    expect(
      (await crm.post('customers/notes/create', { note: { text: 'called', customer: { id: 501 } } })).body,
    ).toEqual({ success: true, id: 1 });
    expect(rows(await crm.get('customers/notes', { 'filter[customerIds][]': '501' }), 'notes')).toMatchObject([
      { id: 1, text: 'called' },
    ]);
  });

  test('49 one bad element of a batch is a partial success', async () => {
    const crm = await bench();
    const told = await crm.post('customers/upload', {
      customers: [
        { externalId: 'a', firstName: 'A' },
        { externalId: 'b', phones: ['x'] },
      ],
    });
    expect([told.status, told.body['success'], told.body['errorMsg']]).toEqual([
      460,
      false,
      'Customers are loaded with errors',
    ]);
    expect(told.body['uploadedCustomers']).toEqual([{ id: 510, externalId: 'a' }]);
    expect(rows(told, 'failedCustomers')).toMatchObject([{ externalId: 'b' }]);
    expect((await crm.post('customers/upload', { customers: [{ externalId: 'c' }] })).status).toBe(200);
  });

  test('fix-external-ids sets them', async () => {
    const crm = await bench();
    await crm.post('customers/fix-external-ids', { customers: [{ id: 501, externalId: 'a-9' }] });
    expect((await crm.get('customers/a-9')).status).toBe(200);
  });

  test('a company is found by its contact', async () => {
    const crm = await bench();
    crm.emulator.account().corporate.set(30, {
      id: 30,
      nickName: 'Romashka',
      site: 'shop-a',
      createdAt: '2026-01-01 00:00:00',
      contacts: [{ id: 1, isMain: true, customerId: 501 }],
    });
    expect(ids(await crm.get('customers-corporate', { 'filter[contactIds][]': '501' }), 'customersCorporate')).toEqual([
      30,
    ]);
    expect(ids(await crm.get('customers-corporate', { 'filter[contactIds][]': '502' }), 'customersCorporate')).toEqual(
      [],
    );
    expect(rows(await crm.get('customers-corporate/30/contacts', { by: 'id' }), 'contacts')).toMatchObject([
      { isMain: true, customer: { id: 501 } },
    ]);
  });
});

describe('history', () => {
  test('46 ids above sinceId, ascending, a hundred by default', async () => {
    const crm = await bench();
    for (let n = 0; n < 120; n++) await crm.admin('ui/customers', { userId: 7, customer: { firstName: `N${n}` } });
    const first = await crm.get('customers/history', { 'filter[sinceId]': '410' });
    expect(ids(first, 'history')).toEqual(Array.from({ length: 100 }, (_, n) => 411 + n));
    expect([first.body['generatedAt'], first.body['pagination']]).toEqual([
      '2026-03-01 12:00:00',
      { limit: 100, totalCount: 110, currentPage: 1, totalPageCount: 2 },
    ]);
    expect(ids(await crm.get('customers/history', { 'filter[sinceId]': '510' }), 'history')).toHaveLength(10);
  });

  test('46 sinceId together with page is refused', async () => {
    const told = await (await bench()).get('customers/history', { 'filter[sinceId]': '1', page: '1' });
    expect([told.status, told.body['errorMsg']]).toEqual([400, 'Errors in the input parameters']);
  });

  test('46 startDate cuts off what is older', async () => {
    const crm = await bench();
    await crm.admin('ui/customers/501', { customer: { firstName: 'Early' } });
    crm.clock.wall += 60_000;
    await crm.admin('ui/customers/501', { customer: { firstName: 'Late' } });
    expect(
      rows(await crm.get('customers/history', { 'filter[startDate]': '2026-03-01 12:00:30' }), 'history').map(
        (row) => row['newValue'],
      ),
    ).toEqual(['Late']);
  });

  test('47 who wrote a row: the asking key, another key, a person', async () => {
    const crm = await bench({ seed: TWO_SHOPS });
    await create(crm, { firstName: 'Ann', phones: [{ number: '1234567' }] }, 'shop-a');
    crm.key = 'only-a';
    await crm.post('customers/510/edit', { by: 'id', customer: { lastName: 'Lee' } });
    await crm.admin('ui/customers/510', { userId: 8, customer: { phones: [{ number: '7654321' }] } });
    crm.key = 'demo-key';
    const told = rows(await crm.get('customers/history', { 'filter[sinceId]': '400' }), 'history');
    expect(
      told.map(({ source, apiKey, user, field, oldValue, newValue, created }) => ({
        source,
        apiKey,
        user,
        field,
        oldValue,
        newValue,
        created,
      })),
    ).toEqual([
      {
        source: 'api',
        apiKey: { current: true },
        user: undefined,
        field: 'id',
        oldValue: null,
        newValue: 510,
        created: true,
      },
      {
        source: 'api',
        apiKey: { current: false },
        user: undefined,
        field: 'last_name',
        oldValue: '',
        newValue: 'Lee',
        created: undefined,
      },
      {
        source: 'user',
        apiKey: undefined,
        user: { id: 8 },
        field: 'phones',
        oldValue: '1234567',
        newValue: null,
        created: undefined,
      },
      {
        source: 'user',
        apiKey: undefined,
        user: { id: 8 },
        field: 'phones',
        oldValue: null,
        newValue: '7654321',
        created: undefined,
      },
    ]);
    expect(told[0]?.['customer']).toMatchObject({ firstName: 'Ann', customFields: [] });
    expect(told[1]?.['customer']).toEqual({ id: 510, site: 'shop-a' });
  });

  test('47 a merge is told as deleted with combinedTo', async () => {
    const crm = await bench();
    await crm.admin('ui/customers/502/merge', { into: 501, userId: 7 });
    expect(rows(await crm.get('customers/history'), 'history')).toMatchObject([
      { deleted: true, combinedTo: { id: 501 }, customer: { id: 502 } },
    ]);
  });
});

describe('orders', () => {
  test('48 an order is created, found, edited, and its history told', async () => {
    const crm = await bench();
    const made = await crm.post('orders/create', {
      site: 'shop-a',
      order: { orderMethod: 'missed-call', customer: { id: 501 }, externalId: 'call-1', managerComment: 'missed' },
    });
    expect([made.status, made.body['id'], made.body['order']]).toMatchObject([
      201,
      88,
      { number: '88A', status: 'new', externalId: 'call-1', payments: [], customFields: [] },
    ]);
    await crm.post('orders/88/edit', {
      by: 'id',
      order: { managerComment: 'called back', status: 'complete', payments: [{ type: 'cash' }] },
    });
    expect(rows(await crm.get('orders', { 'filter[customerId]': '501' }), 'orders')).toMatchObject([
      { managerComment: 'called back', payments: { 1: { type: 'cash' } } },
    ]);
    expect((await crm.get('orders/call-1')).body['order']).toMatchObject({ id: 88, status: 'complete' });
    expect(rows(await crm.get('orders/statuses', { 'ids[]': '88' }), 'orders')).toEqual([
      { id: 88, status: 'complete', group: 'complete', externalId: 'call-1' },
    ]);
    expect(rows(await crm.get('orders/history'), 'history').map((row) => row['field'])).toEqual([
      'id',
      'status',
      'manager_comment',
    ]);
  });

  test('48 the edit of an unknown order is told in its own words', async () => {
    const crm = await bench();
    expect((await crm.post('orders/9/edit', { by: 'id', order: {} })).body).toEqual({
      success: false,
      errorMsg: 'Not found map',
    });
    expect((await crm.get('orders/9', { by: 'id' })).body).toEqual({ success: false, errorMsg: 'Not found' });
  });

  test.each([
    { name: 'status', order: { status: 'nowhere' }, blames: 'status' },
    { name: 'order method', order: { orderMethod: 'pigeon' }, blames: 'orderMethod' },
    { name: 'customer', order: { customer: { id: 1 } }, blames: 'customer' },
    { name: 'manager', order: { managerId: 1 }, blames: 'managerId' },
  ])('48 an unknown $name is refused', async ({ order, blames }) => {
    const told = await (await bench()).post('orders/create', { order });
    expect([told.status, blamed(told)]).toEqual([400, [blames]]);
  });

  test('48 filter[status] and filter[number] do not exist', async () => {
    const crm = await bench({ switches: { unknownFilter: '400' } });
    expect([
      (await crm.get('orders', { 'filter[status]': 'new' })).status,
      (await crm.get('orders', { 'filter[extendedStatus][]': 'new' })).status,
    ]).toEqual([400, 200]);
  });

  test('49 a batch of orders with one bad element is a partial success', async () => {
    const told = await (await bench()).post('orders/upload', {
      orders: [{ externalId: 'a' }, { externalId: 'b', status: 'x' }],
    });
    expect([told.status, told.body['errorMsg'], told.body['uploadedOrders']]).toEqual([
      460,
      'Orders are loaded with errors',
      [{ id: 88, externalId: 'a' }],
    ]);
  });
});
