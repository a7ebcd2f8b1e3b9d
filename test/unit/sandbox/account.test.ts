import { describe, expect, test } from '@jest/globals';
import { type Bench, bench, blamed, event, module, rows, type Told } from './support.ts';

function register(crm: Bench, overrides: Record<string, unknown> = {}, path = 'ast-1'): Promise<Told> {
  return crm.post(`integration-modules/${path}/edit`, { integrationModule: module(overrides) });
}

function telephony(fields: Record<string, unknown>): Record<string, unknown> {
  return { integrations: { telephony: fields } };
}

describe('the integration module', () => {
  test.each([
    { emptyInfo: '[]' as const, info: [] },
    { emptyInfo: '{}' as const, info: {} },
  ])('50 the first edit creates, the next edits, info is $emptyInfo', async ({ emptyInfo, info }) => {
    const crm = await bench({ switches: { emptyInfo } });
    const first = await register(crm);
    const second = await register(crm, { active: false });
    expect([first.status, first.body, second.status]).toEqual([201, { success: true, info }, 200]);
    expect(crm.emulator.account().modules.get('ast-1')?.active).toBe(false);
  });

  test('50 path code and body code must agree', async () => {
    const told = await register(await bench(), {}, 'ast-2');
    expect([told.status, blamed(told)]).toEqual([400, ['code']]);
  });

  test('50 the code begins with integrationCode', async () => {
    const crm = await bench();
    expect((await register(crm, { integrationCode: 'other' })).body['errors']).toEqual({
      code: 'Code prefix must match integrationCode',
    });
    expect((await register(crm, { integrationCode: 'ast' })).status).toBe(201);
  });

  test.each([
    { name: 'no name', given: { name: undefined }, blames: 'name' },
    { name: 'no logo', given: { logo: undefined }, blames: 'logo' },
    { name: 'no baseUrl', given: { baseUrl: undefined }, blames: 'baseUrl' },
    { name: 'no clientId', given: { clientId: undefined }, blames: 'clientId' },
    { name: 'a logo that is no SVG', given: { logo: 'https://tel.example/logo.png' }, blames: 'logo' },
    { name: 'a plain http baseUrl', given: { baseUrl: 'http://tel.example' }, blames: 'baseUrl' },
    { name: 'an unknown action', given: { actions: { activity: '/a', make: '/b' } }, blames: 'actions' },
  ])('51 $name is refused', async ({ given, blames }) => {
    const told = await register(await bench(), given);
    expect([told.status, told.body['errorMsg'], blamed(told)]).toEqual([400, 'Errors in the entity format', [blames]]);
  });

  test('52 additionalCodes replace the list, and codes of the newest module count', async () => {
    const crm = await bench();
    await register(crm);
    await register(crm, telephony({ additionalCodes: [{ userId: '8', code: '102' }] }));
    const told = await crm.event(event({ codes: ['101', '102', '150'] }));
    expect(told.body['notExistCodes']).toEqual(['101', '150']);
    expect([...crm.emulator.account().openPopups.values()].map((popup) => popup.userId)).toEqual([8]);
  });

  test.each([
    {
      name: 'two users with one code',
      codes: [
        { userId: 7, code: '1' },
        { userId: 8, code: '1' },
      ],
      blames: 'integrations.telephony.additionalCodes',
    },
    {
      name: 'an unknown user',
      codes: [{ userId: 77, code: '1' }],
      blames: 'integrations.telephony.additionalCodes[0].userId',
    },
  ])('52 $name: refused', async ({ codes, blames }) => {
    const told = await register(await bench(), telephony({ additionalCodes: codes }));
    expect([told.status, blamed(told)]).toEqual([400, [blames]]);
  });

  test('53 an unknown module is not found; a known one is told without its clientId', async () => {
    const crm = await bench();
    const unknown = await crm.get('integration-modules/ast-1');
    expect([unknown.status, unknown.body['errorMsg']]).toEqual([404, 'Not found']);
    await register(crm, { actions: {} });
    const known = (await crm.get('integration-modules/ast-1')).body['integrationModule'];
    expect(known).toMatchObject({
      code: 'ast-1',
      active: true,
      freeze: false,
      native: false,
      actions: [],
      integrations: { telephony: { additionalCodes: [{ userId: 7, code: '101' }] } },
    });
    expect(known).not.toHaveProperty('clientId');
  });
});

describe('users and reference data', () => {
  test('54 an unknown user is not found', async () => {
    const crm = await bench();
    expect((await crm.get('users/7')).body['user']).toMatchObject({ id: 7, firstName: 'Ira', status: 'free' });
    const told = await crm.get('users/77');
    expect([told.status, told.body['errorMsg']]).toEqual([404, 'Not found']);
  });

  test('54 a bad filter value is named bare', async () => {
    const told = await (await bench()).get('users', { 'filter[active]': 'yes' });
    expect([told.status, blamed(told)]).toEqual([400, ['active']]);
  });

  test('54 filter[status] knows only users who are online', async () => {
    const crm = await bench();
    await crm.admin('ui/users/8', { online: false });
    expect(rows(await crm.get('users', { 'filter[status]': 'free' }), 'users')).toMatchObject([{ id: 7 }, { id: 9 }]);
    expect(rows(await crm.get('users', { 'filter[active]': '1', limit: '100' }), 'users')).toHaveLength(3);
  });

  test('55 a bad status is refused, a good one is set', async () => {
    const crm = await bench();
    const bad = await crm.post('users/7/status', { status: 'asleep' });
    expect([bad.status, blamed(bad)]).toEqual([400, ['status']]);
    expect((await crm.post('users/7/status', { status: 'dinner' })).body).toEqual({ success: true });
    expect(crm.emulator.account().users.get(7)?.status).toBe('dinner');
  });

  test('57 credentials list paths without the version', async () => {
    const told = await (await bench()).get('/api/credentials');
    expect(told.body['credentials']).toContain('/api/telephony/call/event');
    expect(told.body).toMatchObject({ siteAccess: 'access_full' });
  });

  test('57 a key of some shops has access_selective and its sites', async () => {
    const crm = await bench({
      seed: {
        accounts: [
          {
            sites: ['shop-a', 'shop-b'],
            keys: [{ key: 'demo-key', sites: ['shop-a'], credentials: ['/api/telephony/manager'] }],
          },
        ],
      },
    });
    expect((await crm.get('/api/credentials')).body).toMatchObject({
      credentials: ['/api/telephony/manager'],
      siteAccess: 'access_selective',
      sitesAvailable: ['shop-a'],
    });
  });

  test('the start-up questions are answered', async () => {
    const crm = await bench();
    expect((await crm.get('/api/api-versions')).body['versions']).toContain('5.0');
    expect((await crm.get('/api/system-info')).body).toMatchObject({ publicUrl: crm.emulator.url });
    expect((await crm.get('settings')).body['settings']).toMatchObject({ timezone: { value: 'Europe/Minsk' } });
    expect((await crm.get('reference/sites')).body['sites']).toMatchObject({ 'shop-a': { code: 'shop-a' } });
    expect((await crm.get('reference/statuses')).body['statuses']).toMatchObject({
      new: { code: 'new', active: true },
    });
    expect((await crm.get('reference/order-methods')).body['orderMethods']).toHaveProperty('missed-call');
    expect((await crm.get('reference/order-types')).body['orderTypes']).toHaveProperty('eshop-individual');
    expect(rows(await crm.get('user-groups'), 'groups')).toEqual([{ id: 2, name: 'Sales', code: 'sales' }]);
  });
});

describe('files, tasks, notifications', () => {
  const UPLOAD = {
    method: 'POST',
    path: '/api/v5/files/upload',
    headers: { 'content-type': 'application/octet-stream' },
    body: Buffer.from([0, 255, 10]),
  };

  test('56 without credit an upload is refused', async () => {
    const crm = await bench({ seed: { accounts: [{ name: 'demo', fileCredit: 0 }] } });
    const told = await crm.raw(UPLOAD);
    expect([told.status, told.body['errorMsg']]).toEqual([
      400,
      "Your account doesn't have enough money to upload files.",
    ]);
  });

  test('56 an unknown file is Not Found with a capital F', async () => {
    const told = await (await bench()).get('files/9');
    expect([told.status, told.body['errorMsg']]).toEqual([404, 'Not Found']);
  });

  test('56 a file is stored, described, downloaded and deleted', async () => {
    const crm = await bench();
    expect((await crm.raw(UPLOAD)).body).toEqual({ success: true, file: { id: 25 } });
    await crm.post('files/25/edit', { file: { filename: 'call.mp3', attachment: [{ customer: { id: 501 } }] } });
    expect((await crm.get('files/25')).body['file']).toMatchObject({
      filename: 'call.mp3',
      size: 3,
      attachment: [{ customer: { id: 501 } }],
    });
    expect((await crm.get('files/25/download')).headers['content-disposition']).toContain('call.mp3');
    await crm.post('files/25/delete');
    expect(rows(await crm.get('files'), 'files')).toEqual([]);
  });

  test('a task needs a performer', async () => {
    const crm = await bench();
    const told = await crm.post('tasks/create', { task: { text: 'Call back' } });
    expect([told.status, told.body['errorMsg'], told.body['errors']]).toEqual([
      400,
      'Task is not loaded',
      { performerId: 'This value should not be blank.' },
    ]);
    expect(
      (await crm.post('tasks/create', { task: { text: 'Call back', performerId: 7, datetime: '2026-03-01 12:30' } }))
        .body,
    ).toEqual({ success: true, id: 1 });
  });

  test('a notification has a type that exists', async () => {
    const crm = await bench();
    expect((await crm.post('notifications/send', { notification: { type: 'info', message: 'x' } })).status).toBe(400);
    expect(
      (await crm.post('notifications/send', { notification: { type: 'api.info', message: 'x', userIds: [7] } })).status,
    ).toBe(200);
  });
});
