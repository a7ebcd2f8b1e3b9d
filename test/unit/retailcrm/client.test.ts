import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLog } from '../../../src/log.ts';
import { RetailCrmClient } from '../../../src/retailcrm/client.ts';
import { CrmError } from '../../../src/retailcrm/errors.ts';
import type { CallUpload } from '../../../src/retailcrm/types.ts';
import { type Emulator, startEmulator } from '../../../src/sandbox/emulator.ts';
import { formOf } from '../../../src/sandbox/requests.ts';
import { DEFAULT_SWITCHES } from '../../../src/sandbox/switches.ts';

let clock = 0;
let emulator: Emulator;
let client: RetailCrmClient;

beforeAll(async () => {
  // Each request a second after the one before: the rate is not what these tests are about.
  emulator = await startEmulator({ port: 0, monotonic: () => (clock += 1_000) });
});
afterAll(() => emulator.stop());
beforeEach(() => {
  emulator.reset();
  emulator.setSwitches({ ...DEFAULT_SWITCHES });
  client = new RetailCrmClient({ url: emulator.url, key: 'demo-key', log: silentLog, allowInsecure: true });
});
afterEach(() => client.stop());

const call = (externalId: string, more: Partial<CallUpload> = {}): CallUpload => ({
  date: '2026-03-01 12:00:05',
  type: 'in',
  phone: '+375290000101',
  result: 'answered',
  code: '150',
  duration: 64,
  durationWaiting: 9,
  externalId,
  ...more,
});

async function kindOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'success',
    (error: unknown) => (error instanceof CrmError ? error.kind : String(error)),
  );
}

describe('telephony', () => {
  test('a call event raises a pop-up and its hangup closes it', async () => {
    const about = { phone: '+375290000101', codes: ['150'], callExternalId: 'pbx1-1.1' };
    await client.callEvent({ ...about, type: 'in', externalPhone: '+375170000010' });
    expect([...emulator.account().openPopups.values()].map((popup) => popup.code)).toEqual(['150']);
    await client.callEvent({ ...about, type: 'hangup', hangupStatus: 'no answered' });
    expect(emulator.account().openPopups.size).toBe(0);
  });

  test('unknown extensions are named, are no error, and are warned about once', async () => {
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (message: string) => void warnings.push(message) };
    const watched = new RetailCrmClient({ url: emulator.url, key: 'demo-key', log, allowInsecure: true });
    const event = { phone: '+375290000101', type: 'in', codes: ['150', '999'] } as const;
    expect(await watched.callEvent(event)).toEqual({ notExistCodes: ['999'], notExistUsers: [] });
    await watched.callEvent(event);
    watched.stop();
    expect(warnings).toEqual(['the CRM knows no extension 999: nobody sees its pop-ups']);
  });

  test('an upload is taken once and known the second time', async () => {
    expect(await client.uploadCalls([call('pbx1-1.1')])).toEqual({ processedCallsCount: 1, duplicateCalls: [] });
    expect((await client.uploadCalls([call('pbx1-1.1'), call('pbx1-1.2')])).duplicateCalls).toEqual(['pbx1-1.1']);
  });

  test('frozen text arrives byte for byte', async () => {
    const text = `[${JSON.stringify(call('pbx1-1.1')).replace(',', ' , ')}]`;
    await client.uploadCalls(text);
    const [request] = emulator.requests({ path: 'calls/upload' });
    expect(request && formOf(request)['calls']).toBe(text);
  });

  test('the manager of a number is found with customer and links', async () => {
    const found = await client.manager({ phone: '+375290000101', details: true, ignoreStatus: true });
    expect(found.manager).toMatchObject({ id: 7, code: '150' });
    expect(found.customer).toMatchObject({ id: 501, phones: ['+375290000101'] });
    expect(found.links.customerLink).toContain('/customers/501');
  });

  test('nobody is found for an unknown number', async () => {
    expect(await client.manager({ phone: '+375330000000' })).toMatchObject({ manager: undefined, customer: undefined });
  });
});

test('a module is registered, read back, and keeps its codes', async () => {
  const telephony = {
    makeCallUrl: 'https://tel.example/crm/t/makecall',
    additionalCodes: [{ userId: 7, code: '150' }],
  };
  await client.editIntegrationModule({
    ...{
      code: 'ast-1',
      active: true,
      name: 'Asterisk',
      logo: 'https://tel.example/logo.svg',
      clientId: 'c'.repeat(64),
    },
    ...{ baseUrl: 'https://tel.example', actions: { activity: '/crm/t/activity' }, integrations: { telephony } },
  });
  expect(await client.integrationModule('ast-1')).toMatchObject({ code: 'ast-1', active: true, telephony });
  expect(await kindOf(client.integrationModule('none'))).toBe('NOTFOUND');
});

describe('customers', () => {
  test('are found by digits, read, made, changed and noted', async () => {
    const found = await client.customers({ name: '290000101' }, { limit: 20, page: 1 });
    expect(found.items.map((customer) => customer.id)).toEqual([501]);
    expect(found.pagination).toMatchObject({ limit: 20, totalCount: 1 });
    expect(await client.customer(501, { by: 'id', site: 'shop-a' })).toMatchObject({
      firstName: 'Anna',
      customFields: {},
    });
    const id = await client.createCustomer(
      { externalId: 'tel-1', firstName: 'Щ', phones: [{ number: '+375290000999' }] },
      'shop-a',
    );
    expect(await client.editCustomer('tel-1', { by: 'externalId' }, { managerId: 8 })).toBe(id);
    expect(await client.customer(id, { by: 'id' })).toMatchObject({ managerId: 8, phones: ['+375290000999'] });
    await client.createCustomerNote({ text: 'rang twice', customer: { id } });
    expect((await client.customerNotes({})).items.map((note) => note.text)).toEqual(['rang twice']);
  });

  test('a batch with a bad element is PARTIAL and names it', async () => {
    const bad = { externalId: 'tel-9', phones: ['+375'] as unknown as { number: string }[] };
    const error: unknown = await client
      .uploadCustomers([{ externalId: 'tel-8', firstName: 'A' }, bad])
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ kind: 'PARTIAL', status: 460, failed: ['tel-9'] });
    expect((await client.uploadCustomers([{ externalId: 'tel-7', firstName: 'B' }])).uploaded).toHaveLength(1);
  });

  test('a merged customer tells where it went', async () => {
    const merged = emulator.account().customers.get(502);
    if (merged) merged.combinedTo = 501;
    const error: unknown = await client.customer(502, { by: 'id' }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ kind: 'NOTFOUND', combinedTo: 501 });
  });

  test('external ids are repaired and the history tells it was us', async () => {
    await client.fixCustomerExternalIds([{ id: 501, externalId: 'web-501' }]);
    expect((await client.customer('web-501', { by: 'externalId' })).id).toBe(501);
    await client.editCustomer(501, { by: 'id' }, { firstName: 'Hanna' });
    const { history } = await client.customerHistory({ sinceId: 0 });
    expect(history.at(-1)).toMatchObject({ field: 'first_name', newValue: 'Hanna', own: true, ref: { id: 501 } });
  });

  test('companies of a person, and people of a company', async () => {
    expect((await client.corporateCustomers({ contactIds: [501] })).items).toEqual([]);
    expect((await client.corporateHistory({ sinceId: 0 })).history).toEqual([]);
    expect(await kindOf(client.corporateContacts(1, { by: 'id' }))).toBe('NOTFOUND');
  });
});

test('orders are made, changed, listed, and told of in the history', async () => {
  const order = { orderMethod: 'missed-call', externalId: 'call-1', firstName: 'O', customer: { id: 501 } };
  const made = await client.createOrder(order, 'shop-a');
  await client.editOrder(made.id, { by: 'id', site: 'shop-a' }, { managerComment: 'called back' });
  expect(await client.order('call-1', { by: 'externalId' })).toMatchObject({
    id: made.id,
    managerComment: 'called back',
    payments: [],
  });
  expect((await client.orders({ customerId: 501 })).items.map((each) => each.externalId)).toEqual(['call-1']);
  expect(await client.orderStatuses({ ids: [made.id] })).toMatchObject([{ id: made.id, status: 'new' }]);
  expect((await client.orderHistory({ sinceId: 0 })).history.length).toBeGreaterThan(0);
  expect(await kindOf(client.editOrder(999, { by: 'id' }, {}))).toBe('NOTFOUND');
});

test('users, reference books and the account are read', async () => {
  expect((await client.users({ active: true }, { limit: 100 })).items.map((user) => user.id)).toEqual([7, 8, 9]);
  expect(await client.user(7)).toMatchObject({ firstName: 'Ira', groups: [{ code: 'sales' }] });
  await client.setUserStatus(7, 'dinner');
  expect((await client.user(7)).status).toBe('dinner');
  expect((await client.userGroups()).items.map((group) => group.code)).toEqual(['sales']);
  expect([...(await client.sites()).keys()]).toEqual(['shop-a']);
  expect((await client.statuses()).get('new')).toMatchObject({ name: 'New', active: true });
  expect((await client.orderMethods()).has('missed-call')).toBe(true);
  expect((await client.orderTypes()).size).toBeGreaterThan(0);
  expect((await client.settings()).timezone).toBe('Europe/Minsk');
  expect((await client.credentials()).credentials).toContain('/api/telephony/calls/upload');
  expect(await client.apiVersions()).toContain('5.0');
  expect((await client.systemInfo()).systemVersion).toEqual(expect.any(String));
});

test('files are stored, named, listed, fetched and deleted', async () => {
  const bytes = Buffer.from([0, 255, 13, 10, 1]);
  const id = await client.uploadFile(bytes);
  await client.editFile(id, { filename: 'call.mp3', attachment: [{ customer: { id: 501 } }] });
  expect(await client.file(id)).toMatchObject({ filename: 'call.mp3' });
  expect((await client.files()).items).toHaveLength(1);
  expect(Buffer.from((await client.downloadFile(id)).bytes).equals(bytes)).toBe(true);
  await client.deleteFile(id);
  expect(await kindOf(client.file(id))).toBe('NOTFOUND');
  emulator.account().fileCredit = 0;
  expect(await kindOf(client.uploadFile(bytes))).toBe('PAYMENT');
});

test('tasks and notifications are made', async () => {
  expect(await client.createTask({ text: 'call back', performerId: 7, datetime: '2026-03-01 12:30' })).toEqual(
    expect.any(Number),
  );
  await client.sendNotification({ type: 'api.info', message: 'hello', userIds: [7] });
  expect(emulator.account().notifications).toHaveLength(1);
});

describe('the same client whatever the account is like', () => {
  test.each([
    { name: 'customers are created with 200', switches: { createStatus: 200 } },
    { name: 'an empty info is a map', switches: { emptyInfo: '{}' } },
    { name: 'the id of a manager is a text', switches: { managerIdType: 'string' } },
    { name: 'duplicates are counted', switches: { dupCounts: 'include' } },
    { name: 'unknown filters are refused', switches: { unknownFilter: '400' } },
  ] as const)('$name', async ({ switches }) => {
    emulator.setSwitches(switches);
    await client.createCustomer({ externalId: 'tel-1', firstName: 'A' });
    const of = {
      code: 'ast-1',
      active: true,
      name: 'A',
      logo: 'https://t.example/l.svg',
      clientId: 'c',
      baseUrl: 'https://t.example',
    };
    await client.editIntegrationModule(of);
    expect((await client.manager({ phone: '+375290000101', ignoreStatus: true })).manager?.id).toBe(7);
    expect((await client.uploadCalls([call('a'), call('a')])).duplicateCalls).toEqual(['a']);
    expect((await client.customers({ name: '290000101' })).items).toHaveLength(1);
  });

  test.each([
    { switches: { authOff: true }, kind: 'AUTH' },
    { switches: { accountGone: true }, kind: 'ACCOUNT' },
    { switches: { html200: true }, kind: 'RETRY' },
    { switches: { fail5xxEvery: 1 }, kind: 'RETRY' },
    { switches: { loseReplyEvery: 1 }, kind: 'NETWORK' },
    { switches: { down: true }, kind: 'NETWORK' },
    { switches: { poison: 'a', errorsShape: 'list', language: 'ru' }, kind: 'VALIDATION' },
    { switches: { quotaTaken: 1 }, kind: 'RATE' },
    { switches: { quotaTaken: 1, rateLimitReply: '503json' }, kind: 'RATE' },
    { switches: { quotaTaken: 1, rateLimitReply: '429json' }, kind: 'RATE' },
  ] as const)('with $switches an upload ends as $kind', async ({ switches, kind }) => {
    emulator.setSwitches(switches);
    expect(await kindOf(client.uploadCalls([call('a')]))).toBe(kind);
  });

  test.each([400, 200] as const)(
    'telephony that is off is known by its text, with status %d',
    async (telephonyOffStatus) => {
      emulator.setSwitches({ telephonyOffStatus });
      const module = emulator.account().modules.get('sandbox');
      if (module) module.active = false;
      expect(await kindOf(client.callEvent({ phone: '+375290000101', type: 'in', codes: ['150'] }))).toBe(
        'TELEPHONY_OFF',
      );
      expect(await kindOf(client.uploadCalls([call('a')]))).toBe('TELEPHONY_OFF');
    },
  );
});

test('Retry-After is passed on', async () => {
  emulator.setSwitches({ quotaTaken: 1, rateLimitReply: '429json', retryAfterSeconds: 7 });
  const error: unknown = await client.settings().catch((reason: unknown) => reason);
  expect(error).toMatchObject({ kind: 'RATE', retryAfterMs: 7_000 });
});

test('nothing a well-behaved client does not do was ever seen', async () => {
  await client.callEvent({ phone: '+375290000101', type: 'in', codes: ['150'], site: 'shop-a' });
  await client.uploadCalls([call('a', { source: { source: 'phone' }, site: 'shop-a' })]);
  await client.customers({ name: 'x', ids: [1], isContact: false, customFields: { code: 'v' } }, { limit: 20 });
  await client.createCustomer({
    externalId: 'tel-3',
    firstName: 'Яна',
    phones: [{ number: '+375290000777' }],
    source: { source: 'phone' },
  });
  await client.orders({ numbers: ['1A'], extendedStatus: ['new'], createdAtFrom: '2026-01-01' });
  const requests = emulator.requests();
  expect(requests.flatMap((request) => request.flags)).toEqual([]);
  expect(requests.map((request) => request.status)).toEqual([200, 200, 200, 201, 200]);
  expect(new Set(requests.map((request) => request.headers['x-api-key']))).toEqual(new Set(['demo-key']));
  expect(requests.map((request) => request.rawQuery).join('')).not.toMatch(/demo-key|apiKey/i);
});
