/**
 * H10, H11: texts that must never get through a parameter; the bytes on the socket are judged. Here each parameter gets a
 * sixth of the corpus, another one each; `CORPUS=full npm test -- test/store/hostileActions` sends all through every one.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { PbxActions } from '../../src/pbxActions.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { hostileStrings } from '../support/hostileStrings.ts';
import { Actions, knows } from './actionsHarness.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase({ poolSize: 4 });
});
afterAll(() => db.drop());

type Doors = PbxActions['doors'];
const asker = { from: '127.0.0.1', via: 'api' as const };
const nobody = { code: undefined, callId: undefined };
const click = {
  code: '150',
  userId: undefined,
  phone: '+375291112233',
  externalPhone: undefined,
  requestId: undefined,
};

/** Every parameter of every action that takes a text. */
const parameters: Record<string, (doors: Doors, text: string) => Promise<unknown>> = {
  'makecall phone': (doors, phone) => doors.makeCall({ ...click, ...asker, phone }),
  'makecall code': (doors, code) => doors.makeCall({ ...click, ...asker, code }),
  'makecall externalPhone': (doors, externalPhone) => doors.makeCall({ ...click, ...asker, externalPhone }),
  'makecall requestId': (doors, requestId) => doors.makeCall({ ...click, ...asker, requestId }),
  'transfer to': (doors, to) => doors.transfer({ ...nobody, ...asker, code: '150', by: '152', kind: 'blind', to }),
  'transfer consult to': (doors, to) =>
    doors.transfer({ ...nobody, ...asker, code: '150', by: '152', kind: 'attended', to }),
  'transfer code': (doors, code) => doors.transfer({ ...nobody, ...asker, code, by: '152', kind: 'blind', to: '151' }),
  'transfer callId': (doors, callId) =>
    doors.transfer({ ...nobody, ...asker, callId, by: '152', kind: 'blind', to: '151' }),
  'transfer by': (doors, by) => doors.transfer({ ...nobody, ...asker, code: '150', by, kind: 'blind', to: '151' }),
  'monitor code': (doors, code) => doors.monitor({ ...nobody, ...asker, code, by: '152', mode: 'listen' }),
  'monitor callId': (doors, callId) => doors.monitor({ ...nobody, ...asker, callId, by: '152', mode: 'listen' }),
  'monitor by': (doors, by) => doors.monitor({ ...nobody, ...asker, code: '150', by, mode: 'listen' }),
  'hangup code': (doors, code) => doors.hangup({ ...nobody, ...asker, code, by: '152' }),
  'hangup callId': (doors, callId) => doors.hangup({ ...nobody, ...asker, callId, by: '152' }),
  'hangup by': (doors, by) => doors.hangup({ ...nobody, ...asker, code: '150', by }),
};

/** Lines an action of ours may consist of, and nothing else. */
const lines: readonly RegExp[] = [
  /^Action: (Challenge|Login|Status|CoreStatus|QueueStatus|Ping|Getvar|Originate|BlindTransfer|Atxfer|Hangup)$/,
  /^ActionID: [0-9a-f]{12}-\d+$/,
  /^(AuthType: MD5|Username: crm|Key: [0-9a-f]{32}|Events: call,system)$/,
  /^(Variables|AllVariables): [\w(),]+$/,
  /^Variable: DEVICE_STATE\(PJSIP\/15[012]\)$/,
  /^Channel: PJSIP\/15[012](-00000001)?$/,
  /^(Context: from-internal|Priority: 1|Timeout: 30000|Async: true|Cause: 16)$/,
  /^Exten: (\+375\d{9}|1\d\d)$/,
  /^CallerID: (<\+375\d{9}>|"Monitor 150" <150>)$/,
  /^ChannelId: (crm|spy)-[0-9a-f]{18}$/,
  /^Variable: __X_CRM_ID=crm-[0-9a-f]{18}$/,
  /^Variable: __X_CRM_DID=\+375\d{9}$/,
  /^Application: ChanSpy$/,
  /^Data: PJSIP\/150-00000001,qEb$/,
  /^$/,
];

const full = process.env['CORPUS'] === 'full';

describe('hostile texts', () => {
  test.each(Object.entries(parameters).map(([what, act], share) => ({ what, act, share })))(
    'through $what: not one unexpected byte',
    async ({ act, share }) => {
      // A click that gets through is one call of a minute: the cap must not hide what would be sent.
      const shop = await Actions.start(db, {
        click: { perEmployeePerMinute: 100_000, perEnterprisePerMinute: 100_000 },
      });
      await shop.talk('150', '1');
      for (const action of ['BlindTransfer', 'Atxfer', 'Hangup']) shop.ami.on(action, () => ({ Message: 'ok' }));
      const all = hostileStrings(10_000);
      expect(new Set(all).size).toBeGreaterThan(9_000);
      const texts = full ? all : all.filter((_, index) => index % 6 === share % 6);
      for (let at = 0; at < texts.length; at += 2_500) {
        const replies = await Promise.all(texts.slice(at, at + 2_500).map((text) => act(shop.actions.doors, text)));
        expect(replies.every((reply) => typeof reply === 'object')).toBe(true);
      }
      const written = shop.session.received.split('\r\n');
      expect(written.filter((line) => !lines.some((one) => one.test(line)))).toEqual([]);
      expect(written.filter((line) => line.startsWith('Action: ')).length).toBe(shop.ami.actions.length);
      // It still works afterwards.
      const { doors } = shop.actions;
      expect(await doors.makeCall({ ...click, ...asker, phone: '+375299999999' })).toMatchObject({ outcome: 'done' });
      expect(await doors.monitor({ ...nobody, ...asker, code: '150', by: '152', mode: 'listen' })).toMatchObject({
        outcome: 'done',
      });
    },
  );

  test('as the name of a customer', async () => {
    const texts = hostileStrings(10_000);
    let name = '';
    const shop = await Actions.start(db, {
      click: { perEmployeePerMinute: 100_000, perEnterprisePerMinute: 100_000 },
      whoIs: (...asked) => knows(name)(...asked),
    });
    // The database is not what is tested: some hundred texts, all kinds of them.
    const some = texts.filter((_, index) => index % (full ? 20 : 60) === 0);
    for (const [index, text] of some.entries()) {
      name = text;
      const phone = `+37529${String(1_000_000 + index)}`;
      expect(await shop.click({ phone })).toMatchObject({ outcome: 'done' });
    }
    const named = /^CallerID: ("[^"\\<>\r\n\0]{1,160}" )?<\+375\d{9}>$/;
    const written = shop.session.received.split('\r\n');
    expect(written.filter((line) => !lines.some((one) => one.test(line)) && !named.test(line))).toEqual([]);
    expect(shop.written).toHaveLength(some.length);
  });
});
