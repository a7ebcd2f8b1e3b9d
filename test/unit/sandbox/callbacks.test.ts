import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Bench, bench, module } from './support.ts';

/** One callback as our side would see it. */
interface Seen {
  method: string;
  path: string;
  query: Record<string, string>;
  form: Record<string, string>;
}

const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** A receiver on our side; `answer` is [status, body]. */
async function receiver(answer: [number, string] | 'silent'): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    void readText(request).then((text) => {
      const url = new URL(request.url ?? '/', 'http://x');
      const form = Object.fromEntries(new URLSearchParams(text));
      seen.push({
        method: request.method ?? '',
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        form,
      });
      if (answer !== 'silent') response.writeHead(answer[0]).end(answer[1]);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of request) text += String(piece);
  return text;
}

async function registered(
  answer: [number, string] | 'silent' = [200, '{"success":true}'],
  callbackTimeoutMs = 5000,
): Promise<{ crm: Bench; seen: Seen[]; url: string }> {
  const { url, seen } = await receiver(answer);
  const crm = await bench({ callbackTimeoutMs });
  const told = await crm.post('integration-modules/ast-1/edit', {
    integrationModule: module({
      baseUrl: url,
      accountUrl: `${url}/account`,
      integrations: {
        telephony: {
          makeCallUrl: `${url}/makecall`,
          changeUserStatusUrl: `${url}/status`,
          additionalCodes: [{ userId: 7, code: '101' }],
          externalPhones: [{ siteCode: 'shop-a', externalPhone: '+375171234503' }],
        },
      },
    }),
  });
  expect(told.status).toBe(201);
  return { crm, seen, url };
}

const CLIENT = 'c'.repeat(32);

describe('callbacks placed by the emulator', () => {
  test('58 a click is a GET with the five parameters, the number in each usual spelling in turn', async () => {
    const { crm, seen } = await registered();
    for (let n = 0; n < 3; n++) await crm.admin('callbacks/click', { userId: 7, customerId: 501 });
    const phones = ['+375 (29) 000-01-01', '80290000101', '290000101'];
    expect(seen).toEqual(
      phones.map((phone) => ({
        method: 'GET',
        path: '/makecall',
        query: { clientId: CLIENT, code: '101', phone, userId: '7', externalPhone: '+375171234503' },
        form: {},
      })),
    );
  });

  test.each([
    { spelling: 'brackets', phone: '+7 (999) 000-00-01' },
    { spelling: 'trunk', phone: '89990000001' },
    { spelling: 'national', phone: '9990000001' },
    { spelling: 'stored', phone: '+79990000001' },
  ])('58 a Russian number in the spelling $spelling is $phone', async ({ spelling, phone }) => {
    const { crm, seen } = await registered();
    await crm.admin('callbacks/click', { userId: 7, phone: '+79990000001', spelling, method: 'POST' });
    expect(seen).toMatchObject([{ method: 'POST', form: { phone } }]);
  });

  test('58 anything but 2xx is a failure', async () => {
    const { crm } = await registered([403, 'no']);
    const told = await crm.admin('callbacks/click', { userId: 7, phone: '1234567' });
    expect([told.status, told.body]).toMatchObject([200, { ok: false, status: 403, body: 'no' }]);
  });

  test('58 no answer in time is a failure', async () => {
    const { crm } = await registered('silent', 50);
    const told = await crm.admin('callbacks/click', { userId: 7, phone: '1234567' });
    expect(told.body).toMatchObject({ ok: false, error: 'no answer within 50 ms' });
  });

  test('59 a status set through the API reaches changeUserStatusUrl', async () => {
    const { crm, seen } = await registered();
    await crm.post('users/7/status', { status: 'break' });
    await crm.emulator.callbacks.settled();
    expect(seen).toEqual([
      {
        method: 'GET',
        path: '/status',
        query: { clientId: CLIENT, userId: '7', code: '101', status: 'break' },
        form: {},
      },
    ]);
  });

  test('59 a status set by a person does too; code is absent for a user without one', async () => {
    const { crm, seen } = await registered();
    await crm.admin('callbacks/user-status', { userId: 8, status: 'dinner' });
    expect(seen.map(({ query }) => query)).toEqual([{ clientId: CLIENT, userId: '8', status: 'dinner' }]);
    expect(crm.emulator.account().users.get(8)?.status).toBe('dinner');
  });

  test.each([
    { answer: [200, '{"success":true}'] as [number, string], ok: true },
    { answer: [200, '{"success":"true"}'] as [number, string], ok: false },
    { answer: [200, 'OK'] as [number, string], ok: false },
    { answer: [400, '{"success":true}'] as [number, string], ok: false },
  ])('60 activity answered $answer: accepted $ok', async ({ answer, ok }) => {
    const { crm, seen } = await registered(answer);
    const told = await crm.admin('callbacks/activity', {
      active: false,
      freeze: true,
      systemUrl: 'https://crm.example',
    });
    expect(told.body['ok']).toBe(ok);
    expect(seen).toEqual([
      {
        method: 'POST',
        path: '/crm/t/activity',
        query: {},
        form: { clientId: CLIENT, activity: '{"active":false,"freeze":true}', systemUrl: 'https://crm.example' },
      },
    ]);
    expect(crm.emulator.account().modules.get('ast-1')).toMatchObject({ active: false, freeze: true });
  });

  test('60 the settings page is opened by POST with clientId', async () => {
    const { crm, seen } = await registered();
    await crm.admin('callbacks/account-url');
    expect(seen).toEqual([{ method: 'POST', path: '/account', query: {}, form: { clientId: CLIENT } }]);
  });

  test.each(['GET', 'POST'])('61 a trigger is a %s with its templates filled in', async (method) => {
    const { crm, seen, url } = await registered();
    await crm.post('orders/create', { order: { externalId: 'e-1', customer: { id: 501 } } });
    const parameters = {
      event: 'order.edit',
      id: '{{ order.getId() }}',
      status: '{{ order.getStatus().getCode() }}',
      who: 'card {{customer.getFirstName()}}!',
      none: '{{ call.getPhone() }}',
    };
    await crm.admin('callbacks/trigger', { url: `${url}/trigger`, method, orderId: 88, customerId: 501, parameters });
    const filled = { event: 'order.edit', id: '88', status: 'new', who: 'card Anna!', none: '' };
    expect(seen).toEqual([
      { method, path: '/trigger', query: method === 'GET' ? filled : {}, form: method === 'GET' ? {} : filled },
    ]);
  });

  test('61 triggers may repeat and reorder', async () => {
    const { crm, seen, url } = await registered();
    const triggers = ['1', '2'].map((id) => ({ url: `${url}/t`, parameters: { id } }));
    await crm.admin('callbacks/trigger', { triggers, repeat: 2, order: 'reversed' });
    expect(seen.map(({ form }) => form['id'])).toEqual(['2', '1', '2', '1']);
    await crm.admin('callbacks/trigger', { triggers, repeat: 2, order: 'shuffled' });
    expect(
      seen
        .slice(4)
        .map(({ form }) => form['id'])
        .sort(),
    ).toEqual(['1', '1', '2', '2']);
  });

  test('what was placed is kept with its result', async () => {
    const { crm } = await registered();
    await crm.admin('callbacks/click', { userId: 7, phone: '1234567' });
    expect(crm.emulator.account().callbacks).toMatchObject([
      { kind: 'click', ok: true, status: 200, at: crm.clock.wall },
    ]);
  });

  test.each([
    { path: 'callbacks/click', given: { userId: 7 }, says: /no makeCallUrl|no number/ },
    { path: 'callbacks/click', given: {}, says: /userId/ },
    { path: 'callbacks/click', given: { userId: 7, phone: '1', spelling: 'odd' }, says: /spelling/ },
    { path: 'callbacks/user-status', given: { userId: 7, status: 'odd' }, says: /status/ },
    { path: 'callbacks/activity', given: {}, says: /no activity action/ },
    { path: 'callbacks/account-url', given: {}, says: /no accountUrl/ },
    { path: 'callbacks/trigger', given: {}, says: /url/ },
    { path: 'callbacks/odd', given: {}, says: /click/ },
  ])('$path with $given tells what is wrong', async ({ path, given, says }) => {
    const told = await (await bench()).admin(path, given);
    expect([told.status, String(told.body['error'])]).toEqual([400, expect.stringMatching(says)]);
  });
});
