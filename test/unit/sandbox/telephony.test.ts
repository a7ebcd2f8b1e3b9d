import { describe, expect, test } from '@jest/globals';
import { type Bench, bench, blamed, call, event } from './support.ts';

function off(crm: Bench): void {
  crm.emulator.account().modules.clear();
}

describe('call events', () => {
  test.each([
    { name: 'an unknown type', given: { type: 'answered' }, blames: 'type' },
    { name: 'no type', given: { type: undefined }, blames: 'type' },
    { name: 'no phone', given: { phone: undefined }, blames: 'phone' },
    { name: 'a blank phone', given: { phone: '  ' }, blames: 'phone' },
  ])('14 $name is refused', async ({ given, blames }) => {
    const told = await (await bench()).event(event(given));
    expect([told.status, told.body['errorMsg'], blamed(told)]).toEqual([400, 'Errors in the entity format', [blames]]);
  });

  test.each([
    { name: '15 hangup without hangupStatus is refused', given: { type: 'hangup' } },
    { name: '15 hangup with the spelling of uploads is refused', given: { type: 'hangup', hangupStatus: 'no answer' } },
    { name: '15 hangup with an unknown status is refused', given: { type: 'hangup', hangupStatus: 'gone' } },
  ])('$name', async ({ given }) => {
    const told = await (await bench()).event(event(given));
    expect([told.status, blamed(told)]).toEqual([400, ['hangupStatus']]);
  });

  test.each(['answered', 'no answered', 'busy', 'cancel', 'failed'])(
    '15 hangup with %s is accepted',
    async (hangupStatus) => {
      expect((await (await bench()).event(event({ type: 'hangup', hangupStatus }))).body).toEqual({ success: true });
    },
  );

  test('16 neither codes nor userIds is refused', async () => {
    const crm = await bench();
    expect((await crm.event(event({ codes: undefined }))).status).toBe(400);
    expect((await crm.event(event({ codes: [], userIds: [] }))).status).toBe(400);
    expect((await crm.event(event({ codes: undefined, userIds: [7] }))).status).toBe(200);
  });

  test('17 unknown addressees are named, the known ones get the pop-up', async () => {
    const crm = await bench();
    const told = await crm.event(event({ codes: ['150', '204'], userIds: [9, 77] }));
    expect([told.status, told.body]).toEqual([200, { success: true, notExistCodes: ['204'], notExistUsers: [77] }]);
    const popups = [...crm.emulator.account().openPopups.values()];
    expect(
      popups.map(({ userId, phone, customer, externalPhone }) => [userId, phone, customer, externalPhone]),
    ).toEqual([
      [7, '+375290000101', 'Anna Lisitsa', '+375171234503'],
      [9, '+375290000101', 'Anna Lisitsa', '+375171234503'],
    ]);
  });

  test('17 hangup closes the pop-ups of its call for the addressed users only', async () => {
    const crm = await bench();
    await crm.event(event({ codes: ['150', '151'] }));
    await crm.event(event({ codes: ['150'], callExternalId: 'other' }));
    crm.clock.wall += 2500;
    await crm.event(event({ type: 'hangup', codes: ['150'], hangupStatus: 'answered' }));
    const { openPopups, popupHistory, totals } = crm.emulator.account();
    expect([...openPopups.values()].map(({ userId, callExternalId }) => [userId, callExternalId])).toEqual([
      [8, 'pbx1-1722.33'],
      [7, 'other'],
    ]);
    expect(
      popupHistory.map((popup) => [popup.userId, popup.hangupStatus, (popup.closedAt ?? 0) - popup.openedAt]),
    ).toEqual([[7, 'answered', 2500]]);
    expect(totals).toMatchObject({ events: 3, popupsOpened: 3, popupsClosed: 1, orphanHangups: 0 });
  });

  test('17 events are not deduplicated: a repeated in pops up twice, a hangup for nothing is counted', async () => {
    const crm = await bench();
    await crm.event(event());
    await crm.event(event());
    await crm.event(event({ type: 'hangup', hangupStatus: 'cancel', callExternalId: 'never-seen' }));
    expect(crm.emulator.account().totals).toMatchObject({ popupsOpened: 2, popupsClosed: 0, orphanHangups: 1 });
  });

  test.each([
    { name: 'a bare string', codes: '150' },
    { name: 'a list of numbers', codes: [150] },
    { name: 'a map', codes: { a: '150' } },
  ])('18 codes as $name are refused', async ({ codes }) => {
    const told = await (await bench()).event(event({ codes }));
    expect([told.status, blamed(told)]).toEqual([400, ['codes']]);
  });

  test.each([
    { telephonyOffStatus: 400 as const, success: false },
    { telephonyOffStatus: 200 as const, success: 'false' },
  ])('19 without an active telephony module: $telephonyOffStatus', async ({ telephonyOffStatus, success }) => {
    const crm = await bench({ switches: { telephonyOffStatus } });
    off(crm);
    const told = await crm.event(event());
    expect([told.status, told.body]).toEqual([telephonyOffStatus, { success, errorMsg: 'Telephony not enabled' }]);
  });

  test('19 a frozen or inactive module is not active', async () => {
    const crm = await bench();
    const module = crm.emulator.account().modules.get('sandbox');
    if (module) module.freeze = true;
    expect((await crm.event(event())).body['errorMsg']).toBe('Telephony not enabled');
  });

  test('20 an event alone creates no call', async () => {
    const crm = await bench();
    await crm.event(event());
    await crm.event(event({ type: 'hangup', hangupStatus: 'answered' }));
    expect(crm.emulator.account().calls.size).toBe(0);
  });
});

describe('upload', () => {
  test('21 zero or more than 50 calls are refused, 50 are taken', async () => {
    const crm = await bench();
    const calls = Array.from({ length: 51 }, (_, n) => call({ externalId: `x-${n}` }));
    for (const batch of [[], calls]) {
      const told = await crm.upload(...batch);
      expect([told.status, blamed(told)]).toEqual([400, ['calls']]);
    }
    expect((await crm.upload(...calls.slice(1))).body['processedCallsCount']).toBe(50);
  });

  test.each(['date', 'type', 'phone', 'result', 'externalId'])(
    '22 a call without %s is named and nothing of the batch is stored',
    async (field) => {
      const crm = await bench();
      const told = await crm.upload(call({ externalId: 'good' }), call({ [field]: undefined }));
      expect([told.status, blamed(told), crm.emulator.account().calls.size]).toEqual([400, [`calls[1].${field}`], 0]);
    },
  );

  test.each([
    { name: 'type hangup', given: { type: 'hangup' }, blames: 'calls[0].type' },
    { name: 'result no answered', given: { result: 'no answered' }, blames: 'calls[0].result' },
    { name: 'result cancel', given: { result: 'cancel' }, blames: 'calls[0].result' },
  ])('23 $name is refused', async ({ given, blames }) => {
    const told = await (await bench()).upload(call(given));
    expect([told.status, blamed(told)]).toEqual([400, [blames]]);
  });

  test.each(['answered', 'no answer', 'busy', 'failed', 'not allowed', 'unknown'])(
    '23 result %s is accepted',
    async (result) => {
      expect((await (await bench()).upload(call({ result }))).status).toBe(200);
    },
  );

  test.each([
    '2026-03-01T12:00:05',
    '2026-03-01 12:00:05Z',
    '2026-03-01 12:00:05+03:00',
    '2026-03-01 12:00:05.123',
    '2026-02-30 12:00:05',
    '2026-03-01',
    '1772355605',
  ])('24 date %s is refused', async (date) => {
    const told = await (await bench()).upload(call({ date }));
    expect([told.status, blamed(told)]).toEqual([400, ['calls[0].date']]);
  });

  test.each([
    { dupCounts: 'exclude' as const, counted: 1 },
    { dupCounts: 'include' as const, counted: 3 },
  ])(
    '25 a repeated externalId is a duplicate and changes nothing, counted: $dupCounts',
    async ({ dupCounts, counted }) => {
      const crm = await bench({ switches: { dupCounts } });
      await crm.upload(call());
      const told = await crm.upload(call({ duration: 9999 }), call({ externalId: 'new' }), call({ externalId: 'new' }));
      expect([told.status, told.body]).toEqual([
        200,
        { success: true, processedCallsCount: counted, duplicateCalls: ['pbx1-1722.33', 'new'] },
      ]);
      expect(crm.emulator.account().calls.get('pbx1-1722.33')).toMatchObject({ duration: 64, copies: 1, conflicts: 1 });
      expect(crm.emulator.account().totals).toMatchObject({ callsReceived: 4, duplicates: 2, conflicts: 1 });
    },
  );

  test.each([400, 200] as const)('26 with telephony off: %d', async (telephonyOffStatus) => {
    const crm = await bench({ switches: { telephonyOffStatus } });
    off(crm);
    const told = await crm.upload(call());
    expect([told.status, told.body['errorMsg'], crm.emulator.account().calls.size]).toEqual([
      telephonyOffStatus,
      'Telephony not enabled or not supports calls upload',
      0,
    ]);
  });

  test('27 an unknown code or userId stores the call without a user', async () => {
    const crm = await bench();
    await crm.upload(
      call({ externalId: 'a', code: '999' }),
      call({ externalId: 'b', code: undefined, userId: 77 }),
      call({ externalId: 'c', code: undefined, userId: 8 }),
      call({ externalId: 'd' }),
    );
    expect([...crm.emulator.account().calls.values()].map((each) => each.userId)).toEqual([undefined, undefined, 8, 7]);
  });

  test.each([
    { name: 'an unanswered incoming call fires it', given: { result: 'no answer' }, fired: 1 },
    { name: 'an unknown incoming call fires it', given: { result: 'unknown' }, fired: 1 },
    { name: 'an answered one does not', given: { result: 'answered' }, fired: 0 },
    { name: 'an unanswered outgoing one does not', given: { type: 'out', result: 'no answer' }, fired: 0 },
  ])('28 the missed-call trigger: $name, once', async ({ given, fired }) => {
    const seed = {
      accounts: [
        {
          triggers: [
            {
              on: 'call.missed' as const,
              url: 'http://127.0.0.1:9/',
              parameters: { phone: '{{ call.getPhone() }}', id: '{{ customer.getId() }}' },
            },
          ],
        },
      ],
    };
    const crm = await bench({ seed });
    await crm.upload(call(given));
    await crm.upload(call(given));
    await crm.emulator.callbacks.settled();
    const placed = crm.emulator.account().callbacks.map(({ kind, parameters }) => ({ kind, parameters }));
    expect(placed).toEqual(Array(fired).fill({ kind: 'trigger', parameters: { phone: '+375290000101', id: '501' } }));
    expect(crm.emulator.account().totals.missed).toBe(fired);
  });

  test('29 clientId in a call is a label without telephony effect', async () => {
    const crm = await bench();
    expect((await crm.upload(call({ clientId: 'ga-label' }))).status).toBe(200);
    expect(crm.emulator.account().calls.get('pbx1-1722.33')).toMatchObject({ clientId: 'ga-label', userId: 7 });
  });

  test('fields nobody knows are flagged', async () => {
    const crm = await bench();
    await crm.upload(call({ recordURL: 'https://rec.example/' }));
    expect(crm.emulator.requests()[0]?.flags).toEqual(['unknown field recordURL']);
  });

  test.each([
    {
      errorsShape: 'map' as const,
      language: 'en' as const,
      errors: { 'calls[0].result': 'The value you selected is not a valid choice.' },
    },
    {
      errorsShape: 'list' as const,
      language: 'en' as const,
      errors: ['calls[0].result: The value you selected is not a valid choice.'],
    },
    {
      errorsShape: 'map' as const,
      language: 'ru' as const,
      errors: { 'calls[0].result': 'Выбранное Вами значение недопустимо.' },
    },
  ])('errors come as a $errorsShape in $language', async ({ errorsShape, language, errors }) => {
    const told = await (await bench({ switches: { errorsShape, language } })).upload(call({ result: 'gone' }));
    expect(told.body['errors']).toEqual(errors);
  });
});

describe('manager', () => {
  const phone = '+375290000101';

  test('30 no phone is refused', async () => {
    const told = await (await bench()).get('telephony/manager', { details: '1' });
    expect([told.status, told.body['errorMsg']]).toEqual([400, "Parameter 'phone' is missing"]);
  });

  test('31 an unknown number has only the links to new cards', async () => {
    const crm = await bench();
    const told = await crm.get('telephony/manager', { phone: '+375290000999', details: '1' });
    expect([told.status, Object.keys(told.body)]).toEqual([200, ['success', 'links']]);
    expect(told.body['links']).toEqual({
      newOrderLink: `${crm.emulator.url}/orders/add?phone=%2B375290000999`,
      newCustomerLink: `${crm.emulator.url}/customers/add?phone=%2B375290000999`,
    });
  });

  test.each([
    { name: 'offline', change: { online: false }, ignoreStatus: '0', known: false },
    { name: 'busy', change: { status: 'busy' as const }, ignoreStatus: '0', known: false },
    { name: 'busy, ignoring the status', change: { status: 'busy' as const }, ignoreStatus: '1', known: true },
    { name: 'free', change: {}, ignoreStatus: '0', known: true },
  ])('32 a manager who is $name: manager told $known', async ({ change, ignoreStatus, known }) => {
    const crm = await bench();
    Object.assign(crm.emulator.account().users.get(7) ?? {}, change);
    expect('manager' in (await crm.get('telephony/manager', { phone, ignoreStatus })).body).toBe(known);
  });

  test.each(['', '0'])('33 details=%j gives only the manager', async (details) => {
    const told = await (await bench()).get('telephony/manager', details === '' ? { phone } : { phone, details });
    expect(told.body).toEqual({
      success: true,
      manager: {
        id: 7,
        firstName: 'Ira',
        lastName: 'Orlova',
        patronymic: '',
        email: 'user7@shop.example',
        code: '150',
      },
    });
  });

  test('33 details=1 gives customer and links too, the last order among them', async () => {
    const crm = await bench();
    await crm.post('orders/create', { order: { customer: { id: 501 } } });
    const told = await crm.get('telephony/manager', { phone, details: '1' });
    expect(told.body['customer']).toEqual({
      id: 501,
      firstName: 'Anna',
      lastName: 'Lisitsa',
      patronymic: '',
      email: '',
      phones: [{ number: phone }],
    });
    expect(told.body['links']).toMatchObject({
      lastOrderLink: `${crm.emulator.url}/orders/88/edit`,
      customerLink: `${crm.emulator.url}/customers/501`,
    });
  });

  test.each([
    { managerIdType: 'number' as const, id: 7 },
    { managerIdType: 'string' as const, id: '7' },
  ])('manager.id is a $managerIdType', async ({ managerIdType, id }) => {
    const told = await (await bench({ switches: { managerIdType } })).get('telephony/manager', { phone });
    expect(told.body['manager']).toMatchObject({ id });
  });

  test('34 an unescaped + arrives as a space and finds nobody', async () => {
    const crm = await bench();
    const wrong = await crm.raw({ path: `/api/v5/telephony/manager?phone=${phone}&ignoreStatus=1` });
    const right = await crm.raw({ path: '/api/v5/telephony/manager?phone=%2B375290000101&ignoreStatus=1' });
    expect(['manager' in wrong.body, 'manager' in right.body]).toEqual([false, true]);
  });

  test.each([
    { on: '80290000116', asked: '+375290000116' },
    { on: '+375 (29) 000-01-31', asked: '375290000131' },
    { on: '290000164', asked: '+375290000164' },
    { on: '89000000152', asked: '+79000000152' },
  ])('a card with $on is found by $asked', async ({ asked }) => {
    expect('manager' in (await (await bench()).get('telephony/manager', { phone: asked })).body).toBe(true);
  });
});
