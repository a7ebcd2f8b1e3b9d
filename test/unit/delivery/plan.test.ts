import { describe, expect, test } from '@jest/globals';
import type { Call, CallResult, Fact } from '../../../src/calls/call.ts';
import { decided, hangupStatus, plan, type PlanSettings } from '../../../src/delivery/plan.ts';
import { EPOCH } from '../../support/callsScript.ts';
import { defaultPolicies, endedCall, newCall, ringingCall, talkingCall } from '../../support/callsTransitions.ts';

const settings: PlanSettings = {
  policies: defaultPolicies,
  zone: 'Europe/Minsk',
  popups: { in: true, out: true, hangup: true },
  defaultDid: undefined,
  anonymousPhone: 'hidden',
  codeOf: (ext) => `code${ext}`,
  siteOf: () => undefined,
  recordUrl: () => undefined,
  recordingPath: () => undefined,
  responsible: () => undefined,
  followUps: undefined,
  recordingWait: 0,
};

const ended = (over: Partial<Call> = {}): Call =>
  endedCall({ startedAt: EPOCH, customerLegAt: EPOCH, answeredAt: EPOCH + 5000, endedAt: EPOCH + 9000, ...over });
const finished = (call = ended(), open: string[] = []): Fact => ({
  fact: 'call.finished',
  at: EPOCH + 9000,
  call,
  open,
});
const missed = (over: Partial<Call> = {}, open: string[] = []): Fact => ({
  fact: 'call.missed',
  at: 9000,
  call: newCall({ state: 'ended', endedAt: 9000, result: 'no answer', ...over }),
  open,
});
const out = { direction: 'out', initiatedBy: '150', firstUniqueid: 'phone' } as const;

/** Requests of a fact in short: `in code150+code151`, `upload`. */
function requests(fact: Fact, over: Partial<PlanSettings> = {}): string[] {
  return plan(fact, { ...settings, ...over }).map((one) =>
    [one.type ?? one.kind, one.codes.join('+'), textOf(one.payload['hangupStatus'])].join(' ').trim(),
  );
}

describe('which fact becomes which request', () => {
  test.each<{ name: string; fact: Fact; sends: string[] }>([
    {
      name: 'an incoming call alone is nothing yet',
      fact: { fact: 'call.incoming', at: 0, call: newCall() },
      sends: [],
    },
    {
      name: 'a ring round is one popup for all of them',
      fact: { fact: 'rung', at: 1150, since: 1000, call: ringingCall(), exts: ['150', '151'] },
      sends: ['in code150+code151'],
    },
    {
      name: 'phones that stop close their popups',
      fact: { fact: 'stopped ringing', at: 2000, call: ringingCall(), exts: ['150'] },
      sends: ['hangup code150 no answered'],
    },
    {
      name: "the answer closes the losers' popups as answered",
      fact: { fact: 'call.answered', at: 5000, call: talkingCall(), by: '150', losers: ['151', '152'] },
      sends: ['hangup code151+code152 answered'],
    },
    {
      name: 'an answer without losers is nothing',
      fact: { fact: 'call.answered', at: 5000, call: talkingCall(), by: '150', losers: [] },
      sends: [],
    },
    {
      name: 'a hand-over alone is nothing',
      fact: { fact: 'handed over', at: 5000, call: talkingCall(), to: '151' },
      sends: [],
    },
    {
      name: 'an outgoing call pops up at who dialled',
      fact: { fact: 'call.outgoing', at: 1000, call: newCall(out) },
      sends: ['out code150'],
    },
    {
      name: '… and nowhere if nobody of us did',
      fact: { fact: 'call.outgoing', at: 1000, call: newCall({ ...out, initiatedBy: undefined }) },
      sends: [],
    },
    {
      name: '… and nowhere if she did not dial but gave a customer away',
      fact: { fact: 'call.outgoing', at: 1000, call: newCall({ ...out, forwarded: true }) },
      sends: [],
    },
    {
      name: 'the end of a forwarded leg closes nothing',
      fact: finished(ended({ ...out, forwarded: true })),
      sends: ['upload'],
    },
    {
      name: 'the end closes what is open and uploads',
      fact: finished(ended(), ['150']),
      sends: ['hangup code150 answered', 'upload'],
    },
    { name: 'the end of a call nobody saw uploads only', fact: finished(), sends: ['upload'] },
    {
      name: "the end of an outgoing call closes the dialler's popup",
      fact: finished(ended(out)),
      sends: ['hangup code150 answered', 'upload'],
    },
    {
      name: 'a missed call',
      fact: missed({ detail: 'abandoned' }, ['150', '151']),
      sends: ['hangup code150+code151 cancel', 'upload'],
    },
    {
      name: 'a click whose employee never picked up had no popup',
      fact: missed({ ...out, customerUniqueid: undefined, originated: true }),
      sends: ['upload'],
    },
    {
      name: 'an unknown channel is nothing to the CRM',
      fact: { fact: 'unknown channel', at: 0, linkedid: 'x', channel: 'PJSIP/x' },
      sends: [],
    },
    {
      name: 'a drop is nothing to the CRM',
      fact: { fact: 'dropped', at: 0, linkedid: 'x', reason: 'internal', call: undefined },
      sends: [],
    },
    {
      name: 'an excluded call shows no popup',
      fact: { fact: 'rung', at: 1150, since: 1000, call: ringingCall({ excluded: 'blacklisted' }), exts: ['150'] },
      sends: [],
    },
    { name: '… and is not uploaded', fact: finished(ended({ excluded: 'did_off' }), ['150']), sends: [] },
    { name: 'nor is an internal one', fact: finished(ended({ direction: 'internal' }), ['150']), sends: [] },
  ])('$name', ({ fact, sends }) => {
    expect(requests(fact)).toEqual(sends);
    // The same fact gives the same requests, byte for byte.
    expect(JSON.stringify(plan(fact, settings))).toBe(JSON.stringify(plan(fact, settings)));
  });

  test('a dropped kind of call still closes its popups', () => {
    const policies = { ...defaultPolicies, voicemail: false };
    expect(requests(missed({ detail: 'voicemail' }, ['150']), { policies })).toEqual(['hangup code150 no answered']);
  });

  test.each([
    { off: 'in', left: { in: [], out: ['out', 'hangup'] } },
    { off: 'out', left: { in: ['in', 'hangup'], out: [] } },
    { off: 'hangup', left: { in: ['in'], out: ['out'] } },
  ])('popups of type $off can be switched off, and with them the ends of what was not shown', ({ off, left }) => {
    const popups = { ...settings.popups, [off]: false };
    const typesOf = (facts: Fact[]): (string | undefined)[] =>
      facts.flatMap((fact) => plan(fact, { ...settings, popups })).flatMap(({ type }) => type ?? []);
    const rung: Fact = { fact: 'rung', at: 0, since: 0, call: ringingCall(), exts: ['150'] };
    const dialled: Fact = { fact: 'call.outgoing', at: 0, call: newCall(out) };
    expect({
      in: typesOf([rung, finished(ended(), ['150'])]),
      out: typesOf([dialled, finished(ended(out))]),
    }).toEqual(left);
  });
});

describe('the two vocabularies', () => {
  test.each<{ result: CallResult; gaveUp: boolean; status: string }>([
    { result: 'answered', gaveUp: false, status: 'answered' },
    { result: 'no answer', gaveUp: false, status: 'no answered' },
    { result: 'no answer', gaveUp: true, status: 'cancel' },
    { result: 'busy', gaveUp: false, status: 'busy' },
    { result: 'failed', gaveUp: false, status: 'failed' },
    { result: 'not allowed', gaveUp: false, status: 'failed' },
    { result: 'unknown', gaveUp: true, status: 'failed' },
  ])('"$result" of the upload is "$status" in the popup (gave up: $gaveUp)', ({ result, gaveUp, status }) => {
    expect(hangupStatus(result, gaveUp)).toBe(status);
  });

  test.each([
    { detail: 'abandoned', direction: 'in', status: 'cancel' },
    { detail: 'abandoned in queue', direction: 'in', status: 'cancel' },
    { detail: 'ivr only', direction: 'in', status: 'cancel' },
    { detail: 'ring timeout', direction: 'in', status: 'no answered' },
    { detail: 'queue timeout', direction: 'in', status: 'no answered' },
    { detail: 'voicemail', direction: 'in', status: 'no answered' },
    { detail: 'caller gave up', direction: 'out', status: 'cancel' },
    { detail: undefined, direction: 'out', status: 'no answered' },
  ] as const)('a missed call ($direction, $detail) closes as "$status"', ({ detail, direction, status }) => {
    expect(requests(missed({ detail, direction, initiatedBy: '150' }, ['150']))[0]).toBe(`hangup code150 ${status}`);
  });
});

describe('what a popup carries', () => {
  const rung = (over: Partial<Call> = {}): Fact => ({
    fact: 'rung',
    at: 1150,
    since: 1000,
    call: ringingCall(over),
    exts: ['150', '151'],
  });

  test('number, codes, our number, the id of the call; fresh for 10 s from the first ring', () => {
    expect(plan(rung(), settings)).toEqual([
      {
        kind: 'event',
        type: 'in',
        dedupKey: 'pbx1-customer/in/150+151',
        callId: 'pbx1-customer',
        payload: {
          phone: '+375290000001',
          type: 'in',
          codes: ['code150', 'code151'],
          externalPhone: '+375171234501',
          callExternalId: 'pbx1-customer',
        },
        codes: ['code150', 'code151'],
        dueAt: 1150,
        expiresAt: 11_000,
        recording: undefined,
        undated: undefined,
      },
    ]);
  });

  test('the site of the number that was called', () => {
    const siteOf = (did: string | undefined): string | undefined =>
      did === '+375171234501' ? 'shop-minsk' : undefined;
    expect(plan(rung(), { ...settings, siteOf })[0]?.payload).toMatchObject({ site: 'shop-minsk' });
    expect(plan(finished(), { ...settings, siteOf })[0]?.payload).toMatchObject({ site: 'shop-minsk' });
    expect(plan(rung({ externalPhone: undefined }), { ...settings, siteOf })[0]?.payload).not.toHaveProperty('site');
  });

  test('a hidden number is told by its placeholder, a missing own number not at all', () => {
    const [popup] = plan(rung({ customer: { kind: 'anonymous' }, externalPhone: undefined }), settings);
    expect(popup?.payload).toMatchObject({ phone: 'hidden' });
    expect(popup?.payload).not.toHaveProperty('externalPhone');
  });

  test.each<{ fact: Fact; ms: number }>([
    { fact: { fact: 'call.outgoing', at: 1000, call: newCall(out) }, ms: 10_000 },
    { fact: { fact: 'stopped ringing', at: 1000, call: ringingCall(), exts: ['150'] }, ms: 60_000 },
  ])('$fact.fact is worth nothing after $ms ms', ({ fact, ms }) => {
    const [request] = plan(fact, settings);
    expect((request?.expiresAt ?? 0) - fact.at).toBe(ms);
  });
});

describe('what an upload carries', () => {
  test("everything, in whole seconds and the account's time", () => {
    expect(plan(finished(ended({ answeredAt: EPOCH + 4600 })), settings)).toEqual([
      {
        kind: 'upload',
        type: undefined,
        dedupKey: 'pbx1-customer',
        callId: 'pbx1-customer',
        payload: {
          date: '2026-11-22 12:00:00',
          type: 'in',
          phone: '+375290000001',
          code: 'code150',
          result: 'answered',
          duration: 4,
          durationWaiting: 5,
          externalId: 'pbx1-customer',
          externalPhone: '+375171234501',
        },
        codes: [],
        dueAt: EPOCH + 9000,
        expiresAt: undefined,
        recording: undefined,
        undated: undefined,
      },
    ]);
  });

  test('without an owner there is no code', () => {
    expect(plan(missed(), settings)[0]?.payload).not.toHaveProperty('code');
  });

  test("until the account's zone is known the date is missing and its instant stands beside", () => {
    const [upload] = plan(finished(), { ...settings, zone: undefined });
    expect(upload?.payload).not.toHaveProperty('date');
    expect(upload?.undated).toBe(EPOCH);
  });

  const recorded = ended({ recordings: [{ uniqueid: 'customer', file: 'c.wav', at: 0 }] });
  const recordUrl = (_: Call, file: string | undefined): string => `https://rec.example/${file ?? ''}`;

  test('a recording that need not be waited for is linked at once', () => {
    const [upload] = plan(finished(recorded), { ...settings, recordUrl });
    expect(upload).toMatchObject({ payload: { recordUrl: 'https://rec.example/c.wav' }, recording: undefined });
  });

  const recordingPath = (_: Call, file: string): string => `/monitor/${file}`;

  test('one that must be waited for is named beside, with a deadline', () => {
    const [upload] = plan(finished(recorded), { ...settings, recordUrl, recordingPath, recordingWait: 60 });
    expect(upload?.recording).toEqual({
      path: '/monitor/c.wav',
      url: 'https://rec.example/c.wav',
      until: EPOCH + 69_000,
    });
    expect(upload?.payload).not.toHaveProperty('recordUrl');
  });

  test('a call nobody answered has no link, whatever was recorded', () => {
    const [upload] = plan(missed({ recordings: recorded.recordings }), {
      ...settings,
      recordUrl,
      recordingPath,
      recordingWait: 60,
    });
    expect(upload).toMatchObject({ recording: undefined });
    expect(upload?.payload).not.toHaveProperty('recordUrl');
  });
});

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

test('without a number of ours the default one is told, where the enterprise has one', () => {
  const fact = finished(ended({ externalPhone: undefined }));
  expect(plan(fact, settings)[0]?.payload).not.toHaveProperty('externalPhone');
  const [upload] = plan(fact, { ...settings, defaultDid: '+375171234509' });
  expect(upload?.payload).toMatchObject({ externalPhone: '+375171234509' });
});

describe('whose a missed call is', () => {
  const rang = [
    { uniqueid: 'p', ext: '151', at: 0, ringingAt: 0, endedAt: 0, outcome: 'no answer', root: 'c' },
  ] as const satisfies Call['rang'];
  const codeOfUpload = (fact: Fact, over: Partial<PlanSettings>): unknown => {
    const all = { ...settings, ...over };
    return plan(decided(fact, all), all).find(({ kind }) => kind === 'upload')?.payload['code'];
  };
  const manager = (phone: string): string | undefined => (phone === '+375290000001' ? '150' : undefined);
  const defaultOwner = { ...defaultPolicies, defaultOwner: '199' };

  test.each<{ name: string; fact: Fact; over: Partial<PlanSettings>; code: string | undefined }>([
    {
      name: "the customer's manager, if she is known",
      fact: missed({ rang }),
      over: { responsible: manager },
      code: 'code150',
    },
    { name: 'else who was rung last', fact: missed({ rang }), over: {}, code: 'code151' },
    { name: 'else the default', fact: missed(), over: { policies: defaultOwner }, code: 'code199' },
    {
      name: 'the manager before the default',
      fact: missed(),
      over: { policies: defaultOwner, responsible: manager },
      code: 'code150',
    },
    { name: 'else nobody', fact: missed(), over: {}, code: undefined },
    {
      name: 'a hidden number has no manager',
      fact: missed({ rang, customer: { kind: 'anonymous' } }),
      over: { responsible: () => '150' },
      code: 'code151',
    },
    { name: 'a call out is whose who dialled', fact: missed(out), over: { responsible: () => '155' }, code: 'code150' },
    {
      name: 'an answered call is whose who answered',
      fact: finished(ended({ talks: [{ party: '151', kind: 'employee', from: EPOCH, to: EPOCH }] })),
      over: { responsible: manager },
      code: 'code151',
    },
  ])('$name', ({ fact, over, code }) => {
    expect(codeOfUpload(fact, over)).toBe(code);
  });

  test('decided once: a later answer of the cache changes nothing', () => {
    const fact = decided(missed({ rang }), { responsible: manager });
    const later = { ...settings, responsible: () => '155' };
    expect(plan(fact, later).find(({ kind }) => kind === 'upload')?.payload['code']).toBe('code150');
  });

  test("a call that lives is nobody's yet", () => {
    const fact: Fact = { fact: 'call.incoming', at: 0, call: newCall() };
    expect(decided(fact, { responsible: () => '150' })).toBe(fact);
  });
});
