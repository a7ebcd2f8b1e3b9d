/** Transfers, monitoring and hangups on a scripted Asterisk: who may, which channel, which bytes, which row of the audit log. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { HangupRequest, MonitorRequest, TransferRequest } from '../../src/http/tenant.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { Actions, registerPhones } from './actionsHarness.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase({ poolSize: 4 });
});
afterAll(() => db.drop());

const asker = { from: '10.0.0.1', via: 'api' as const };
const at = { code: undefined, callId: undefined };
const transfer = (wish: Partial<TransferRequest>): TransferRequest => ({
  ...{ ...asker, ...at, by: '150', kind: 'blind', to: '151' },
  ...wish,
});
const monitor = (wish: Partial<MonitorRequest>): MonitorRequest => ({
  ...{ ...asker, ...at, by: '152', mode: 'listen' },
  ...wish,
});
const hangup = (wish: Partial<HangupRequest>): HangupRequest => ({ ...asker, ...at, by: '150', ...wish });

/** Every action is agreed to. */
async function shopWith(...calls: ((shop: Actions) => Promise<void>)[]): Promise<Actions> {
  const shop = await Actions.start(db);
  for (const action of ['BlindTransfer', 'Atxfer', 'CancelAtxfer', 'Hangup'])
    shop.ami.on(action, () => ({ Message: 'agreed' }));
  for (const call of calls) await call(shop);
  return shop;
}

/** `BlindTransfer PJSIP/150-00000001 to 151 in from-internal`. */
function told(shop: Actions): string[] {
  return shop.written.map((one) => {
    const exten = one.get('Exten');
    const where = exten === undefined ? '' : ` to ${exten} in ${one.get('Context') ?? ''}`;
    const data = one.get('Data') === undefined ? '' : ` ${one.get('Application') ?? ''}(${one.get('Data') ?? ''})`;
    return `${one.action} ${one.get('Channel') ?? ''}${where}${data}`;
  });
}

const talk150 = (shop: Actions): Promise<void> => shop.talk('150', '1');
const talk151 = (shop: Actions): Promise<void> => shop.talk('151', '2');

describe('a blind transfer', () => {
  test.each([
    { words: 'her own call, by her extension', wish: { code: '150' } },
    { words: 'her own call, by its id', wish: { callId: 'pbx1-1.0' } },
    { words: "a supervisor's, by the extension", wish: { code: '150', by: '152' } },
    { words: "a supervisor's, by its id", wish: { callId: 'pbx1-1.0', by: '152' } },
  ])('of $words', async ({ wish }) => {
    const shop = await shopWith(talk150, talk151);
    expect(await shop.actions.doors.transfer(transfer(wish))).toEqual({ outcome: 'done' });
    expect(told(shop)).toEqual(['BlindTransfer PJSIP/150-00000001 to 151 in from-internal']);
    expect(await shop.rows('audit_log')).toMatchObject([
      { who: wish.by ?? '150', what: 'transfer blind', subject: `${wish.callId ?? '150'} to 151`, source: '10.0.0.1' },
    ]);
  });

  test('to an outside number: as the dial plan wants it', async () => {
    const shop = await shopWith(talk150);
    await shop.actions.doors.transfer(transfer({ code: '150', to: '8 029 111-22-33' }));
    expect(told(shop)).toEqual(['BlindTransfer PJSIP/150-00000001 to +375291112233 in from-internal']);
    expect(await shop.rows('audit_log')).toMatchObject([{ subject: '150 to ***2233' }]);
  });

  test.each<{ words: string; wish: Partial<TransferRequest>; status: number; code: string }>([
    { words: "a colleague's call", wish: { code: '150', by: '151' }, status: 403, code: 'not_allowed' },
    {
      words: "a colleague's call by its id",
      wish: { callId: 'pbx1-1.0', by: '151' },
      status: 403,
      code: 'not_allowed',
    },
    { words: 'nobody of ours asks', wish: { code: '150', by: '199' }, status: 403, code: 'not_allowed' },
    { words: 'nobody of ours is meant', wish: { code: '199', by: '152' }, status: 404, code: 'unknown_extension' },
    { words: 'no such call', wish: { callId: 'pbx1-9.9', by: '152' }, status: 404, code: 'no_such_call' },
    { words: 'she is not on the phone', wish: { code: '152', by: '152' }, status: 404, code: 'no_such_call' },
    { words: 'neither extension nor call', wish: {}, status: 400, code: 'bad_request' },
    { words: 'no target', wish: { code: '150', to: undefined }, status: 400, code: 'bad_request' },
    { words: 'to herself', wish: { code: '150', to: '150' }, status: 409, code: 'same_extension' },
    {
      words: 'to a country that is not allowed',
      wish: { code: '150', to: '+442079460123' },
      status: 403,
      code: 'not_allowed',
    },
    { words: 'to the fire brigade', wish: { code: '150', to: '101' }, status: 403, code: 'not_allowed' },
    { words: 'to no number', wish: { code: '150', to: 'Anna' }, status: 400, code: 'bad_phone' },
  ])('is refused: $words', async ({ wish, status, code }) => {
    const shop = await shopWith(talk150);
    expect(await shop.actions.doors.transfer(transfer(wish))).toMatchObject({ outcome: 'refused', status, code });
    expect(told(shop)).toEqual([]);
    expect(await shop.rows('audit_log')).toMatchObject([{ what: 'transfer blind', outcome: code }]);
  });

  test('is refused while it only rings at her phone', async () => {
    const shop = await shopWith((one) => one.ring('150', '1'));
    expect(await shop.actions.doors.transfer(transfer({ code: '150' }))).toMatchObject({ code: 'not_talking' });
  });

  test('is refused while she has two calls, unless one is named', async () => {
    const shop = await shopWith(talk150, (one) => one.talk('150', '3'));
    expect(await shop.actions.doors.transfer(transfer({ code: '150' }))).toMatchObject({
      status: 409,
      code: 'several_calls',
    });
    await shop.actions.doors.transfer(transfer({ code: '150', callId: 'pbx1-3.0' }));
    expect(told(shop)).toEqual(['BlindTransfer PJSIP/150-00000003 to 151 in from-internal']);
  });

  test('that Asterisk refuses says so', async () => {
    const shop = await shopWith(talk150);
    shop.ami.on('BlindTransfer', () => ({ Response: 'Error', Message: 'Transfer not permitted' }));
    expect(await shop.actions.doors.transfer(transfer({ code: '150' }))).toMatchObject({
      ...{ status: 409, code: 'refused_by_pbx', message: 'the PBX refused: Transfer not permitted' },
    });
  });

  test('over a connection that dies is unknown, and is not tried again', async () => {
    const shop = await shopWith(talk150);
    shop.ami.on('BlindTransfer', (_, session) => {
      session.cut();
      return undefined;
    });
    expect(await shop.actions.doors.transfer(transfer({ code: '150' }))).toMatchObject({ code: 'outcome_unknown' });
    await shop.is('live');
    expect(told(shop)).toHaveLength(1);
  });
});

describe('an attended transfer', () => {
  /** 150 consults 152: her channel left the customer for the consultation. */
  async function consulting(): Promise<Actions> {
    const shop = await shopWith(talk150);
    const reply = await shop.actions.doors.transfer(transfer({ code: '150', kind: 'attended', to: '152' }));
    expect(reply).toEqual({ outcome: 'done' });
    await shop.leaves('150', '1');
    return shop;
  }

  test.each([
    { kind: 'complete', last: 'Hangup PJSIP/150-00000001' },
    { kind: 'cancel', last: 'CancelAtxfer PJSIP/150-00000001' },
  ] as const)('is asked for, then $kind', async ({ kind, last }) => {
    const shop = await consulting();
    expect(await shop.actions.doors.transfer(transfer({ code: '150', kind, to: undefined }))).toEqual({
      outcome: 'done',
    });
    expect(told(shop)).toEqual(['Atxfer PJSIP/150-00000001 to 152 in from-internal', last]);
    const audit = await shop.rows('audit_log');
    expect(audit.map(({ what, outcome }) => [what, outcome])).toEqual([
      ['transfer attended', 'done'],
      [`transfer ${kind}`, 'done'],
    ]);
    // Once only: the consultation is over.
    expect(await shop.actions.doors.transfer(transfer({ code: '150', kind, to: undefined }))).toMatchObject({
      code: 'no_consultation',
    });
  });

  test.each(['complete', 'cancel'] as const)(
    '%s without a consultation is refused: nobody is hung up',
    async (kind) => {
      const shop = await shopWith(talk150);
      expect(await shop.actions.doors.transfer(transfer({ code: '150', kind }))).toMatchObject({
        code: 'no_consultation',
      });
      expect(told(shop)).toEqual([]);
    },
  );

  test('complete before she has left the customer, or after she is back, is refused', async () => {
    const shop = await shopWith(talk150);
    await shop.actions.doors.transfer(transfer({ code: '150', kind: 'attended', to: '152' }));
    expect(await shop.actions.doors.transfer(transfer({ code: '150', kind: 'complete' }))).toMatchObject({
      code: 'no_consultation',
    });
  });

  test('a colleague cannot end it', async () => {
    const shop = await consulting();
    expect(await shop.actions.doors.transfer(transfer({ code: '150', kind: 'complete', by: '151' }))).toMatchObject({
      code: 'not_allowed',
    });
  });
});

describe('monitoring', () => {
  test.each([
    ['listen', 'qEb'],
    ['whisper', 'qEbw'],
    ['barge', 'qEbB'],
  ] as const)('%s: her phone is called, and hears the channel we found', async (mode, options) => {
    const shop = await shopWith(talk150, talk151);
    expect(await shop.actions.doors.monitor(monitor({ code: '150', mode }))).toEqual({ outcome: 'done' });
    expect(told(shop)).toEqual([`Originate PJSIP/152 ChanSpy(PJSIP/150-00000001,${options})`]);
    expect(await shop.rows('audit_log')).toMatchObject([{ who: '152', what: `monitor ${mode}`, subject: '150' }]);
  });

  test('by the id of the call', async () => {
    const shop = await shopWith(talk150, talk151);
    await shop.actions.doors.monitor(monitor({ callId: 'pbx1-2.0' }));
    expect(told(shop)).toEqual(['Originate PJSIP/152 ChanSpy(PJSIP/151-00000002,qEb)']);
  });

  test.each<{ words: string; wish: Partial<MonitorRequest>; code: string }>([
    { words: 'an employee', wish: { code: '150', by: '151' }, code: 'not_allowed' },
    { words: 'an employee to herself', wish: { code: '150', by: '150' }, code: 'not_allowed' },
    { words: 'a supervisor to herself', wish: { code: '152' }, code: 'same_extension' },
    { words: 'a call that rings', wish: { code: '151' }, code: 'not_talking' },
    { words: 'nobody', wish: { code: '150', by: '199' }, code: 'not_allowed' },
  ])('is refused: $words', async ({ wish, code }) => {
    const shop = await shopWith(
      talk150,
      (one) => one.ring('151', '2'),
      (one) => one.talk('152', '3'),
    );
    expect(await shop.actions.doors.monitor(monitor(wish))).toMatchObject({ outcome: 'refused', code });
    expect(told(shop)).toEqual([]);
  });

  test('is refused while her own phone is not registered', async () => {
    const shop = await shopWith(talk150);
    registerPhones(shop.ami, { 'PJSIP/152': 'UNAVAILABLE' });
    expect(await shop.actions.doors.monitor(monitor({ code: '150' }))).toMatchObject({ code: 'not_registered' });
  });
});

describe('a hangup', () => {
  test.each<{ words: string; wish: Partial<HangupRequest>; channel: string }>([
    { words: 'her own call', wish: { code: '150' }, channel: 'PJSIP/provider-by-00000001' },
    { words: 'her own call by its id', wish: { callId: 'pbx1-1.0' }, channel: 'PJSIP/provider-by-00000001' },
    { words: "a supervisor: anybody's", wish: { code: '150', by: '152' }, channel: 'PJSIP/provider-by-00000001' },
    { words: 'what rings at her phone: the ringing', wish: { code: '151', by: '151' }, channel: 'PJSIP/151-00000002' },
    {
      words: 'a supervisor: a ringing call',
      wish: { callId: 'pbx1-2.0', by: '152' },
      channel: 'PJSIP/provider-by-00000002',
    },
  ])('$words', async ({ wish, channel }) => {
    const shop = await shopWith(talk150, (one) => one.ring('151', '2'));
    expect(await shop.actions.doors.hangup(hangup(wish))).toEqual({ outcome: 'done' });
    expect(told(shop)).toEqual([`Hangup ${channel}`]);
  });

  test("a click that still rings at the employee's phone", async () => {
    const shop = await shopWith();
    const reply = await shop.click();
    if (reply.outcome !== 'done') throw new Error(reply.message);
    await shop.originated('150', reply.clickId);
    expect(await shop.actions.doors.hangup(hangup({ callId: reply.callId }))).toEqual({ outcome: 'done' });
    expect(told(shop).at(-1)).toBe('Hangup PJSIP/150-00000009');
  });

  test.each<{ wish: Partial<HangupRequest>; code: string }>([
    { wish: { code: '150', by: '151' }, code: 'not_allowed' },
    { wish: { callId: 'pbx1-1.0', by: '151' }, code: 'not_allowed' },
    { wish: { callId: 'pbx1-1.0', by: '' }, code: 'bad_request' },
    { wish: { callId: 'pbx1-8.8', by: '152' }, code: 'no_such_call' },
  ])('is refused: %j', async ({ wish, code }) => {
    const shop = await shopWith(talk150);
    expect(await shop.actions.doors.hangup(hangup(wish))).toMatchObject({ outcome: 'refused', code });
    expect(told(shop)).toEqual([]);
  });

  test('on a host that is away is refused', async () => {
    const shop = await shopWith(talk150);
    shop.ami.on('Login', () => undefined);
    shop.session.cut();
    await shop.is('down');
    expect(await shop.actions.doors.hangup(hangup({ code: '150' }))).toMatchObject({ status: 503, code: 'host_down' });
  });
});
