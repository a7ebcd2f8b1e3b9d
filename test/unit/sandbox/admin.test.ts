import { describe, expect, test } from '@jest/globals';
import { startEmulator } from '../../../src/sandbox/emulator.ts';
import { type Bench, bench, call, event, send } from './support.ts';

const TWO = {
  accounts: [
    { name: 'a', key: 'ka' },
    { name: 'b', key: 'kb', timezone: 'Asia/Yekaterinburg' },
  ],
};

function look(crm: Bench, path: string): ReturnType<Bench['raw']> {
  return send(crm.emulator.url, { path });
}

describe('/__emu/', () => {
  test('requests are told with their raw facts', async () => {
    const crm = await bench();
    await crm.get('users');
    await crm.event(event());
    const told = await look(crm, '/__emu/requests?path=call/event&since=1');
    expect(told.body['requests']).toMatchObject([
      { seq: 2, method: 'POST', path: '/api/v5/telephony/call/event', status: 200 },
    ]);
  });

  test('popups, events, calls, customers and orders are told', async () => {
    const crm = await bench();
    await crm.event(event());
    await crm.event(event({ type: 'hangup', hangupStatus: 'busy' }));
    await crm.upload(call(), call({ externalId: 'second' }));
    await crm.post('orders/create', { order: {} });
    expect((await look(crm, '/__emu/popups')).body).toMatchObject({
      open: [],
      history: [{ userId: 7, hangupStatus: 'busy' }],
    });
    expect((await look(crm, '/__emu/events')).body).toMatchObject({
      events: [
        { type: 'in', popups: 1 },
        { type: 'hangup', popups: 1 },
      ],
    });
    expect((await look(crm, '/__emu/calls?limit=1&offset=1')).body).toMatchObject({
      total: 2,
      calls: [{ externalId: 'second' }],
    });
    expect((await look(crm, '/__emu/calls?externalId=pbx1-1722.33')).body).toMatchObject({ calls: [{ duration: 64 }] });
    expect((await look(crm, '/__emu/customers?limit=1')).body).toMatchObject({ customers: [{ id: 501 }] });
    expect((await look(crm, '/__emu/orders')).body).toMatchObject({ orders: [{ id: 88 }] });
    expect((await look(crm, '/__emu/callbacks')).body).toEqual({ callbacks: [] });
  });

  test('state tells an account as a whole', async () => {
    const crm = await bench({ seed: TWO });
    expect((await look(crm, '/__emu/state?account=b')).body).toMatchObject({
      accounts: ['a', 'b'],
      name: 'b',
      timezone: 'Asia/Yekaterinburg',
      sites: ['shop-a'],
      counts: { calls: 0, customers: 9 },
    });
  });

  test('each key sees only its own account', async () => {
    const crm = await bench({ seed: TWO });
    crm.key = 'ka';
    await crm.upload(call());
    crm.key = 'kb';
    expect((await crm.upload(call())).body['duplicateCalls']).toEqual([]);
    expect([crm.emulator.account('a').calls.size, crm.emulator.account('b').calls.size]).toEqual([1, 1]);
    expect(crm.emulator.requests({ account: 'b' })).toHaveLength(1);
  });

  test('stats count requests by method and status', async () => {
    const crm = await bench();
    await crm.get('users');
    await crm.get('nothing');
    await crm.upload(call());
    expect((await look(crm, '/__emu/stats')).body).toMatchObject({
      requests: 3,
      byMethod: { 'GET /api/v5/users': 1, 'unknown method': 1, 'POST /api/v5/telephony/calls/upload': 1 },
      byStatus: { 200: 2, 404: 1 },
      peak: { general: 1, telephony: 1 },
      accounts: { demo: { calls: 1, telephony: { peak: 1, limit: 40, seen: 1, refused: 0 } } },
    });
  });

  test('switches are read and set, mistakes are told', async () => {
    const crm = await bench();
    expect((await crm.admin('switches', { dupCounts: 'include' })).body).toMatchObject({
      dupCounts: 'include',
      language: 'en',
    });
    expect((await look(crm, '/__emu/switches')).body).toMatchObject({ dupCounts: 'include' });
    const wrong = await crm.admin('switches', { dupCounts: 'some' });
    expect([wrong.status, wrong.body['error']]).toEqual([400, 'dupCounts: exclude | include expected']);
  });

  test('reset returns to the seed and the switches of the start, or takes another seed', async () => {
    const crm = await bench({ switches: { language: 'ru' } });
    await crm.upload(call());
    await crm.admin('switches', { language: 'en', authOff: true });
    await crm.admin('reset');
    expect([
      crm.emulator.account().calls.size,
      crm.emulator.switches().language,
      crm.emulator.switches().authOff,
      crm.emulator.stats().requests,
    ]).toEqual([0, 'ru', false, 0]);
    await crm.admin('reset', { seed: { accounts: [{ name: 'other', key: 'k', users: [{ id: 1 }], customers: [] }] } });
    expect([crm.emulator.accountNames(), crm.emulator.account().customers.size]).toEqual([['other'], 0]);
  });

  test.each([
    { seed: { accounts: 'x' }, says: 'accounts: a list expected' },
    { seed: { account: [] }, says: 'unknown field account' },
    { seed: { accounts: [{ nmae: 'x' }] }, says: 'accounts[0].nmae: unknown field' },
    { seed: { accounts: [{ users: [{}] }] }, says: 'accounts[0].users: of the wrong kind' },
    { seed: { accounts: [] }, says: 'a seed needs an account' },
    {
      seed: { accounts: [{ name: 'a' }, { name: 'a', key: 'x' }] },
      says: 'two accounts of the seed have the same name',
    },
  ])('a wrong seed is refused: $says', async ({ seed, says }) => {
    const told = await (await bench()).admin('reset', { seed });
    expect([told.status, told.body['error']]).toEqual([400, expect.stringContaining(says)]);
  });

  test('people in the CRM change orders, users and the credit', async () => {
    const crm = await bench();
    await crm.admin('ui/orders', { userId: 7, order: { customer: { id: 501 } } });
    await crm.admin('ui/orders/88', { userId: 7, order: { status: 'complete' } });
    await crm.admin('ui/users/7', { online: false, status: 'busy' });
    await crm.admin('ui/account', { fileCredit: 0 });
    const account = crm.emulator.account();
    expect([account.orders.get(88)?.status, account.users.get(7)?.online, account.fileCredit]).toEqual([
      'complete',
      false,
      0,
    ]);
    expect(account.orderHistory.map(({ source, field }) => [source, field])).toEqual([
      ['user', 'id'],
      ['user', 'status'],
    ]);
  });

  test.each([
    { path: 'ui/customers', given: { customer: { phones: ['x'] } } },
    { path: 'ui/customers/1', given: {} },
    { path: 'ui/nothing', given: {} },
    { path: 'switches', given: { account: 'nobody' } },
  ])('$path with $given is a mistake', async ({ path, given }) => {
    expect((await (await bench()).admin(path, given)).status).toBe(400);
  });

  test('an unknown command is not found, another verb not allowed', async () => {
    const crm = await bench();
    expect([(await crm.admin('odd')).status, (await look(crm, '/__emu/odd')).status]).toEqual([404, 400]);
    expect((await send(crm.emulator.url, { method: 'PUT', path: '/__emu/state' })).status).toBe(405);
  });

  test('histories are bounded while totals stay exact', async () => {
    const crm = await bench({ historyCap: 10 });
    for (let n = 0; n < 30; n++) {
      await crm.event(event({ callExternalId: `c-${n}` }));
      if (n % 2 === 0) await crm.event(event({ callExternalId: `c-${n}`, type: 'hangup', hangupStatus: 'busy' }));
    }
    const { events, popupHistory, openPopups, totals } = crm.emulator.account();
    expect([events.length <= 10, popupHistory.length <= 10, openPopups.size <= 10]).toEqual([true, true, true]);
    expect(totals).toMatchObject({ events: 45, popupsOpened: 30, popupsClosed: 15 });
  });

  test('a port that is taken is an error at the start', async () => {
    const crm = await bench();
    await expect(startEmulator({ port: crm.emulator.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});

describe('the page', () => {
  test.each([
    { query: '', language: 'en', title: 'RetailCRM sandbox' },
    { query: '?lang=ru', language: 'ru', title: 'Песочница RetailCRM' },
    { query: '?lang=xx', language: 'en', title: 'RetailCRM sandbox' },
  ])('/$query speaks $language', async ({ query, language, title }) => {
    const told = await look(await bench(), `/${query}`);
    expect(told.text).toContain(`<html lang="${language}">`);
    expect(told.text).toContain(`<title>${title}</title>`);
  });

  test('needs nothing from elsewhere and nothing inline', async () => {
    const crm = await bench();
    const told = await look(crm, '/');
    expect(told.headers['content-security-policy']).toContain(
      "default-src 'none'; script-src 'self'; style-src 'self'",
    );
    const sources = [...told.text.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1] ?? '');
    expect(sources.every((source) => source.startsWith('/') || source === 'data:,')).toBe(true);
    expect(told.text).not.toMatch(/ style=| on\w+=|<style/);
    for (const source of ['/page.js', '/page.css']) expect((await look(crm, source)).status).toBe(200);
  });

  test('names of accounts cannot smuggle markup', async () => {
    const name = '"><script>alert(1)</script>';
    const told = await look(
      await bench({
        seed: {
          accounts: [
            { name, key: 'k' },
            { name: 'b', key: 'l' },
          ],
        },
      }),
      '/',
    );
    expect(told.text).not.toContain('<script>alert');
  });

  test('its data has managers with pop-ups, calls with names, links only to the web', async () => {
    const crm = await bench();
    await crm.event(event({ codes: ['150', '151'] }));
    await crm.event(event({ type: 'hangup', codes: ['151'], hangupStatus: 'answered' }));
    await crm.upload(
      call({ recordUrl: 'https://rec.example/1' }),
      call({ externalId: 'b', phone: '+375290000999', recordUrl: 'javascript:alert(1)' }),
    );
    const view = (await look(crm, '/__emu/view')).body;
    expect(view['managers']).toMatchObject([
      {
        name: 'Ira Orlova',
        code: '150',
        status: 'free',
        popups: [{ customer: 'Anna Lisitsa', type: 'in', externalPhone: '+375171234503' }],
      },
      { name: 'Oleg Savin', code: '151', popups: [{ hangupStatus: 'answered', closedAt: crm.clock.wall }] },
      { name: 'Nina Koval', code: '152', popups: [] },
    ]);
    expect(view['calls']).toEqual([
      expect.not.objectContaining({ recordUrl: expect.anything() }),
      expect.objectContaining({ customer: 'Anna Lisitsa', manager: 'Ira Orlova', recordUrl: 'https://rec.example/1' }),
    ]);
  });

  test('a closed pop-up leaves the page after a moment', async () => {
    const crm = await bench();
    await crm.event(event());
    await crm.event(event({ type: 'hangup', hangupStatus: 'cancel' }));
    crm.clock.wall += 6001;
    expect((await look(crm, '/__emu/view')).body['managers']).toMatchObject([
      { popups: [] },
      { popups: [] },
      { popups: [] },
    ]);
  });

  test('other paths are not found', async () => {
    expect((await look(await bench(), '/nothing')).status).toBe(404);
  });
});
