import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { LOOKUP_MS } from '../../src/actions/clicks.ts';
import { claimClick, openClicks, settleClick } from '../../src/store/clicks.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { FakeAmi, type FakeSession } from '../support/fakeAmi.ts';
import { portToBe } from '../support/ports.ts';
import { Actions, knows, registerPhones } from './actionsHarness.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase({ poolSize: 4 });
});
afterAll(() => db.drop());

const channel = (uniqueid: string, state = 'Up') => ({
  ...{ Channel: 'PJSIP/150-00000001', ChannelStateDesc: state, Uniqueid: uniqueid, Linkedid: uniqueid },
});

/** The connection dies when a click is written, and the host is not up again before the returned function says so. */
function diesAtOriginate(shop: Actions, then: (clickId: string) => void = () => undefined): () => Promise<void> {
  shop.ami.on('Originate', (action, session) => {
    then(action.get('ChannelId') ?? '');
    shop.ami.options.fullyBooted = 'held';
    session.cut();
    return undefined;
  });
  return async () => {
    const loggedIn = (): FakeSession | undefined =>
      [...shop.ami.sessions].find(
        ({ username, closed, socket }) => username !== undefined && !closed && !socket.destroyed,
      );
    await shop.ami.until(() => loggedIn() !== undefined);
    loggedIn()?.boot();
    await shop.is('live');
  };
}

describe('a click', () => {
  test('rings her phone, which shows the customer, under an id of our own', async () => {
    const shop = await Actions.start(db);
    const reply = await shop.click({ phone: '8 (029) 111-22-33', externalPhone: '375171234503' });
    if (reply.outcome !== 'done') throw new Error(reply.message);
    const [originate] = shop.written;
    const { clickId, callId } = reply;
    expect(callId).toBe(`pbx1-${clickId}`);
    const lines = originate?.text.split('\r\n').filter((line) => !line.startsWith('ActionID'));
    expect(lines).toEqual([
      'Action: Originate',
      'Channel: PJSIP/150',
      'Context: from-internal',
      'Exten: +375291112233',
      'Priority: 1',
      'Timeout: 30000',
      'CallerID: <+375291112233>',
      'Async: true',
      `ChannelId: ${clickId}`,
      `Variable: __X_CRM_ID=${clickId}`,
      'Variable: __X_CRM_DID=+375171234503',
    ]);
    expect(await shop.rows('clicks')).toMatchObject([
      { id: clickId, call_id: callId, employee: '150', phone: '+375291112233', state: 'queued', reason: null },
    ]);
    expect(await shop.rows('audit_log')).toMatchObject([
      { who: '150', what: 'makecall', source: '127.0.0.1', outcome: 'done', subject: `***2233 ${callId}` },
    ]);
  });

  test.each([
    { dial: 'digits', exten: '375291112233' },
    { dial: 'national', exten: '80291112233' },
  ] as const)('dials $exten where the dial plan wants $dial', async ({ dial, exten }) => {
    const shop = await Actions.start(db, { click: { dial, timeoutSeconds: 12, context: 'outgoing', priority: 3 } });
    await shop.click();
    const [originate] = shop.written;
    expect(originate?.get('Exten')).toBe(exten);
    expect(originate?.get('Context')).toBe('outgoing');
    expect(originate?.get('Priority')).toBe('3');
    expect(originate?.get('Timeout')).toBe('12000');
    expect(originate?.get('CallerID')).toBe('<+375291112233>');
  });

  test('may have her phone answer by itself', async () => {
    const autoAnswer = { variable: 'SIPADDHEADER51', value: 'Call-Info: answer-after=0' };
    const shop = await Actions.start(db, { click: { autoAnswer, channel: 'SIP/{extension}' } });
    registerPhones(shop.ami, { 'SIP/150': 'NOT_INUSE' });
    await shop.click();
    expect(shop.written[0]?.get('Channel')).toBe('SIP/150');
    expect(shop.written[0]?.all('Variable')).toContain('SIPADDHEADER51=Call-Info: answer-after=0');
  });

  test.each([
    { words: 'by her extension', wish: { code: '151' }, channel: 'PJSIP/151' },
    { words: 'by her code in the CRM', wish: { code: 'gleb' }, channel: 'PJSIP/153' },
    { words: 'by her user', wish: { code: undefined, userId: 6 }, channel: 'PJSIP/151' },
  ])('finds her $words', async ({ wish, channel: expected }) => {
    const shop = await Actions.start(db, {
      over: (one) => ({
        ...one,
        employees: [
          ...one.employees,
          ...one.employees.slice(0, 1).map((her) => ({ ...her, extension: '153', code: 'gleb', user: 9 })),
        ],
      }),
    });
    registerPhones(shop.ami, { [expected]: 'NOT_INUSE' });
    expect(await shop.click(wish)).toMatchObject({ outcome: 'done' });
    expect(shop.written[0]?.get('Channel')).toBe(expected);
  });

  test('shows who is called, in letters only', async () => {
    const shop = await Actions.start(db, { whoIs: knows('  Анна "Аня"\r\nAction: Hangup <1>\\ ') });
    expect(await shop.click()).toMatchObject({ customer: { id: 501 }, repeated: false });
    await shop.actions.drain();
    expect(await shop.click()).toMatchObject({ customer: { id: 501 }, repeated: true });
    expect(Buffer.from(shop.written[0]?.get('CallerID') ?? '', 'latin1').toString()).toBe(
      '"Анна Аня Action: Hangup 1" <+375291112233>',
    );
    expect(shop.written).toHaveLength(1);
  });

  test('does not wait for a CRM that thinks', async () => {
    const given: number[] = [];
    const shop = await Actions.start(db, {
      whoIs: (_, withinMs) =>
        new Promise((resolve) => {
          given.push(withinMs);
          setTimeout(() => resolve({ who: 'unknown' }), withinMs);
        }),
    });
    expect(await shop.click()).toMatchObject({ outcome: 'done', customer: undefined });
    // What the look-up was given, not what passed: that is the machine's.
    expect(given).toEqual([LOOKUP_MS]);
    expect(LOOKUP_MS).toBeLessThan(1_000);
  });

  test('goes without a look-up that fails', async () => {
    const shop = await Actions.start(db, { whoIs: () => Promise.reject(new Error('no')) });
    expect(await shop.click()).toMatchObject({ outcome: 'done', customer: undefined });
  });
});

describe('nothing is started, and the sentence says why', () => {
  test.each([
    { words: 'nobody has this code', wish: { code: '199' }, status: 404, code: 'unknown_extension' },
    { words: 'nobody is named', wish: { code: undefined }, status: 404, code: 'unknown_extension' },
    { words: 'no number', wish: { phone: 'Anna' }, status: 400, code: 'bad_phone' },
    { words: 'an empty number', wish: { phone: '' }, status: 400, code: 'bad_phone' },
    { words: 'a line break at its end', wish: { phone: '+375291112233\r\n' }, status: 400, code: 'bad_phone' },
    { words: 'an emergency number', wish: { phone: '112' }, status: 403, code: 'not_allowed' },
    { words: 'an extension', wish: { phone: '151' }, status: 403, code: 'not_allowed' },
    { words: 'a country that is not listed', wish: { phone: '+442079460123' }, status: 403, code: 'not_allowed' },
    { words: 'a blacklisted number', wish: { phone: '+375291110000' }, status: 403, code: 'not_allowed' },
    { words: 'a request id with a blank', wish: { requestId: 'a b' }, status: 400, code: 'bad_request' },
  ])('$words: $code', async ({ wish, status, code }) => {
    const shop = await Actions.start(db, {
      over: (one) => ({ ...one, policies: { ...one.policies, blacklist: ['+375291110000'] } }),
    });
    expect(await shop.click(wish)).toMatchObject({ outcome: 'refused', status, code });
    expect(shop.written).toEqual([]);
    expect(await shop.rows('clicks')).toEqual([]);
    expect(await shop.rows('audit_log')).toMatchObject([{ what: 'makecall', outcome: code }]);
  });

  test.each(['UNAVAILABLE', 'INVALID'])('her phone is %s', async (state) => {
    const shop = await Actions.start(db);
    registerPhones(shop.ami, { 'PJSIP/150': state });
    expect(await shop.click()).toMatchObject({ status: 409, code: 'not_registered' });
    expect(shop.written).toEqual([]);
    registerPhones(shop.ami, { 'PJSIP/150': 'INUSE' });
    expect(await shop.click()).toMatchObject({ outcome: 'done' });
  });

  test('a host that will not tell states is asked all the same', async () => {
    const shop = await Actions.start(db);
    shop.ami.on('Getvar', () => ({ Response: 'Error', Message: 'Permission denied' }));
    expect(await shop.click()).toMatchObject({ outcome: 'done' });
  });

  test('the host is away', async () => {
    const port = await portToBe();
    const shop = await Actions.start(db, { ami: await FakeAmi.start({ port }) });
    await shop.ami.stop();
    await shop.is('down');
    expect(await shop.click()).toMatchObject({ status: 503, code: 'host_down' });
    const back = await FakeAmi.start({ port });
    registerPhones(back, { 'PJSIP/150': 'NOT_INUSE' });
    await shop.is('live');
    await back.until(() => back.actions.some(({ action }) => action === 'Status'));
    expect(back.actions.map(({ action }) => action)).not.toContain('Originate');
    await shop.link.stop();
    await back.stop();
  });

  test('the host refuses, and a second click hears the same', async () => {
    const shop = await Actions.start(db);
    shop.ami.on('Originate', () => ({ Response: 'Error', Message: 'Extension does not exist.' }));
    const reply = await shop.click();
    expect(reply).toMatchObject({ status: 409, code: 'refused_by_pbx' });
    expect(reply).toMatchObject({ message: 'the PBX refused: Extension does not exist.' });
    expect(await shop.click()).toEqual(reply);
    await shop.actions.drain();
    expect(await shop.click()).toMatchObject({ status: 409, code: 'refused_by_pbx' });
    expect(shop.written).toHaveLength(1);
    expect(await shop.rows('clicks')).toMatchObject([{ state: 'refused' }]);
  });

  test('the database is away', async () => {
    const broken = await createTestDatabase();
    const shop = await Actions.start(broken);
    await broken.close();
    expect(await shop.click()).toMatchObject({ status: 503, code: 'database_down' });
    expect(shop.written).toEqual([]);
    await broken.drop();
  });
});

describe('exactly once (P6)', () => {
  test('19: the same click twice within five seconds: one Originate, one answer', async () => {
    const shop = await Actions.start(db);
    const first = await shop.click();
    await shop.actions.drain(); // the next one hears it from the database
    const second = await shop.click({ phone: '80291112233' });
    expect(first).toMatchObject({ outcome: 'done', repeated: false });
    expect(second).toEqual({ ...first, repeated: true });
    expect(shop.written).toHaveLength(1);
    expect(await shop.rows('audit_log')).toMatchObject([{ outcome: 'done' }, { outcome: 'repeated' }]);
  });

  test('the same click while the end of the first one is still being written: the same answer', async () => {
    const shop = await Actions.start(db);
    const lock = new pg.Client({ connectionString: db.url });
    await lock.connect();
    shop.ami.on('Originate', (action, session) => {
      void lock
        .query(`begin; select 1 from clicks where enterprise = '${shop.enterprise}' for update`)
        .then(() => session.reply(action, { Message: 'Originate successfully queued' }));
      return undefined;
    });
    const first = await shop.click({ requestId: 'r-1' });
    const again = [await shop.click(), await shop.click({ requestId: 'r-1', phone: '+375291112234' })];
    const written = await db.query('select state from clicks where enterprise = $1', [shop.enterprise]);
    await lock.query('rollback');
    await lock.end();
    expect(written).toEqual([{ state: 'claimed' }]);
    expect(again).toEqual([
      { ...first, repeated: true },
      { ...first, repeated: true },
    ]);
    expect(shop.written).toHaveLength(1);
    await shop.actions.drain();
    expect(await shop.rows('clicks')).toMatchObject([{ state: 'queued' }]);
  });

  test('a hundred at once: one Originate', async () => {
    const shop = await Actions.start(db);
    const replies = await Promise.all(Array.from({ length: 100 }, () => shop.click()));
    const ids = new Set(replies.map((reply) => (reply.outcome === 'done' ? reply.clickId : reply.code)));
    expect(ids.size).toBe(1);
    expect(replies.filter((reply) => reply.outcome === 'done' && !reply.repeated)).toHaveLength(1);
    expect(shop.written).toHaveLength(1);
  });

  test('a hundred at once of two processes on one database: one Originate', async () => {
    const shop = await Actions.start(db);
    const twin = await Actions.start(db, { ami: shop.ami, enterprise: shop.enterprise });
    await Promise.all(Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? shop : twin).click()));
    expect(shop.written).toHaveLength(1);
    expect(await shop.rows('clicks')).toHaveLength(1);
  });

  test('another number or another employee is another click', async () => {
    const shop = await Actions.start(db);
    await Promise.all([shop.click(), shop.click({ phone: '+375291112234' }), shop.click({ code: '151' })]);
    expect(shop.written).toHaveLength(3);
  });

  test('a request id counts for ever, whatever else the request says', async () => {
    const shop = await Actions.start(db);
    const first = await shop.click({ requestId: 'r-1' });
    await shop.actions.drain();
    await shop.db.query(`update clicks set clicked_at = clicked_at - interval '1 day' where enterprise = $1`, [
      shop.enterprise,
    ]);
    expect(await shop.click({ requestId: 'r-1', phone: '+375291112234' })).toEqual({ ...first, repeated: true });
    expect(await shop.click({ requestId: 'r-2' })).toMatchObject({ outcome: 'done', repeated: false });
    expect(shop.written).toHaveLength(2);
  });

  test('after six seconds the same click is a new one', async () => {
    const shop = await Actions.start(db);
    await shop.click();
    await shop.actions.drain();
    await shop.db.query(`update clicks set clicked_at = clicked_at - interval '6 seconds' where enterprise = $1`, [
      shop.enterprise,
    ]);
    expect(await shop.click()).toMatchObject({ repeated: false });
    expect(shop.written).toHaveLength(2);
  });

  test('written down before it is sent: what a killed process left is never repeated', async () => {
    const shop = await Actions.start(db);
    const wish = {
      ...{ enterprise: shop.enterprise, id: 'crm-dead', requestId: 'r-9', employee: '150', phone: '+375291112233' },
      ...{ host: 'pbx1', channelId: 'crm-dead', callId: 'pbx1-crm-dead' },
    };
    // Exactly what is in the database when the process is killed between the commit and the socket.
    await claimClick(db.db, wish, { sameMs: 5_000, perEmployeePerMinute: 6, perEnterprisePerMinute: 60 });
    const next = await Actions.start(db, { ami: shop.ami, enterprise: shop.enterprise });
    expect(await next.click({ requestId: 'r-9' })).toMatchObject({ status: 503, code: 'outcome_unknown' });
    expect(await next.click()).toMatchObject({ status: 503, code: 'outcome_unknown' });
    expect(shop.written).toEqual([]);
    expect(await next.rows('clicks')).toMatchObject([{ state: 'unknown' }]);
  });

  test('the row is durable when the bytes come', async () => {
    const shop = await Actions.start(db);
    let seen: Promise<Record<string, unknown>[]> | undefined;
    shop.ami.on('Originate', () => {
      seen = db.query('select state from clicks where enterprise = $1', [shop.enterprise]);
      return { Message: 'Originate successfully queued' };
    });
    await shop.click();
    expect(await seen).toHaveLength(1);
  });

  test('A26: written, and the connection dies: unknown, never repeated, resolved by what lives when it is back', async () => {
    const shop = await Actions.start(db);
    const back = diesAtOriginate(shop, (id) => (shop.ami.channels = [channel(id, 'Ringing')]));
    expect(await shop.click()).toMatchObject({ status: 503, code: 'outcome_unknown' });
    expect(await shop.rows('clicks')).toMatchObject([{ state: 'unknown' }]);
    await back();
    // The same click within five seconds: the first one's answer, and now that is "on its way".
    expect(await shop.rows('clicks')).toMatchObject([{ state: 'queued' }]);
    expect(await shop.click()).toMatchObject({ outcome: 'done', repeated: true });
    expect(shop.written).toHaveLength(1);
  });

  test('A26: what was heard after the connection came back is not taken back by the word of the request', async () => {
    const shop = await Actions.start(db);
    shop.ami.on('Originate', () => undefined);
    const asking = shop.click();
    const id = (await shop.ami.received('Originate')).get('ChannelId') ?? '';
    const click = { enterprise: shop.enterprise, id };
    await settleClick(db.db, click, { state: 'queued' });
    expect(await asking).toMatchObject({ code: 'outcome_unknown' });
    await shop.actions.drain();
    expect(await shop.rows('clicks')).toMatchObject([{ state: 'queued', reason: null }]);
  });

  test('A26: it never began', async () => {
    const shop = await Actions.start(db);
    const back = diesAtOriginate(shop);
    await shop.click();
    await shop.actions.drain();
    await back();
    expect(await shop.rows('clicks')).toMatchObject([{ state: 'unknown', reason: 'its phone was not seen to ring' }]);
    expect(await openClicks(db.db, shop.enterprise, 'pbx1')).toHaveLength(1);
    expect(await shop.click()).toMatchObject({ code: 'outcome_unknown' });
    expect(shop.written).toHaveLength(1);
  });

  test('a host that reads and does not answer: unknown within two seconds', async () => {
    const shop = await Actions.start(db);
    shop.ami.on('Originate', () => undefined);
    const asked = jest.spyOn(shop.link, 'action');
    expect(await shop.click()).toMatchObject({ code: 'outcome_unknown' });
    const [fields, deadlineMs] = asked.mock.lastCall ?? [];
    // The deadline, not what passed: the machine's share of it is not ours to promise.
    expect(fields).toMatchObject({ Action: 'Originate' });
    expect(deadlineMs).toBeLessThan(1_500);
    expect(await shop.rows('clicks')).toMatchObject([{ state: 'unknown' }]);
  });
});

describe('caps against toll fraud (H12)', () => {
  const phones = Array.from({ length: 100 }, (_, index) => `+3752911122${String(index).padStart(2, '0')}`);

  test('six clicks of one employee in a minute, then no more; one alarm', async () => {
    const shop = await Actions.start(db);
    const replies = [];
    for (const phone of phones.slice(0, 10)) replies.push(await shop.click({ phone }));
    expect(replies.map((reply) => (reply.outcome === 'done' ? 'done' : reply.code))).toEqual([
      ...Array.from({ length: 6 }, () => 'done'),
      ...Array.from({ length: 4 }, () => 'too_many'),
    ]);
    expect(shop.written).toHaveLength(6);
    expect(shop.said.filter((line) => line.includes('more than 6 clicks'))).toHaveLength(1);
    // Colleagues are not kept from calling.
    expect(await shop.click({ code: '151', phone: '+375291112233' })).toMatchObject({ outcome: 'done' });
  });

  test('a minute later she may again', async () => {
    const shop = await Actions.start(db, { click: { perEmployeePerMinute: 1 } });
    await shop.click();
    expect(await shop.click({ phone: '+375291112234' })).toMatchObject({ status: 429 });
    await shop.db.query(`update clicks set clicked_at = clicked_at - interval '61 seconds' where enterprise = $1`, [
      shop.enterprise,
    ]);
    expect(await shop.click({ phone: '+375291112234' })).toMatchObject({ outcome: 'done' });
  });

  test('a hundred parallel clicks of all: as many as the enterprise may', async () => {
    const shop = await Actions.start(db, { click: { perEmployeePerMinute: 60, perEnterprisePerMinute: 40 } });
    const replies = await Promise.all(
      phones.map((phone, index) => shop.click({ phone, code: ['150', '151', '152'][index % 3] })),
    );
    expect(replies.filter(({ outcome }) => outcome === 'done')).toHaveLength(40);
    expect(shop.written).toHaveLength(40);
    expect(shop.said.filter((line) => line.startsWith('error'))).toHaveLength(1);
  });
});

describe('what became of it', () => {
  test.each([
    { words: 'she picked up', success: true, reason: 4, cause: undefined, row: { state: 'answered', reason: null } },
    { words: 'it rang out', success: false, reason: 3, cause: 0, row: { state: 'failed', reason: 'no answer' } },
    {
      words: 'she declined',
      success: false,
      reason: 0,
      cause: 21,
      row: { state: 'failed', reason: 'declined', cause: 21 },
    },
    {
      words: 'she was busy',
      success: false,
      reason: 0,
      cause: 17,
      row: { state: 'failed', reason: 'busy', cause: 17 },
    },
    {
      words: 'her phone was gone',
      success: false,
      reason: 0,
      cause: 20,
      row: { state: 'failed', reason: 'unreachable' },
    },
    {
      words: 'nobody knows why',
      success: false,
      reason: 0,
      cause: undefined,
      row: { state: 'failed', reason: 'failed' },
    },
  ])('$words', async ({ success, reason, cause, row }) => {
    const shop = await Actions.start(db);
    const reply = await shop.click();
    if (reply.outcome !== 'done') throw new Error(reply.message);
    const id = reply.clickId;
    const { session } = shop;
    session.event('Newchannel', channel(id, 'Down'));
    if (cause !== undefined) session.event('Hangup', { ...channel(id, 'Down'), Cause: cause });
    session.event('OriginateResponse', { Response: success ? 'Success' : 'Failure', Reason: reason, Uniqueid: id });
    // Said last: when it is heard, all that came before is.
    session.event('Newchannel', channel('last', 'Down'));
    await shop.until(() => shop.heard.includes('last'));
    expect(await shop.rows('clicks')).toMatchObject([row]);
  });
});
