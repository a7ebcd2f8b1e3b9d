import { describe, expect, test } from '@jest/globals';
import type { Call, Talk } from '../../../src/calls/call.ts';
import {
  answeredBy,
  customerPhone,
  dropReason,
  ownerOf,
  recordingOf,
  recordOf,
  talkSeconds,
  waitSeconds,
} from '../../../src/calls/record.ts';
import type { Policies } from '../../../src/calls/rules.ts';
import { defaultPolicies, endedCall, newCall, ring, talkingCall } from '../../support/callsTransitions.ts';

const talk = (party: string, from: number, to: number, kind: Talk['kind'] = 'employee'): Talk => ({
  party,
  kind,
  from,
  to,
});
const missed = (over: Partial<Call> = {}): Call =>
  newCall({ state: 'ended', endedAt: 9000, result: 'no answer', ...over });

describe('whose call it is', () => {
  const talks = [talk('150', 0, 5000), talk('151', 5000, 6000), talk('152', 6000, 8000), talk('151', 8000, 8500)];
  test.each([
    { owner: 'first_talker', is: '150' },
    { owner: 'last_talker', is: '151' },
    { owner: 'longest_talker', is: '150' },
  ] as const)('$owner of 150 (5 s), 151 (1 s), 152 (2 s), 151 (0.5 s) is $is', ({ owner, is }) => {
    expect(ownerOf(endedCall({ talks }), { ...defaultPolicies, owner })).toBe(is);
  });

  test.each([
    {
      what: 'two short talks of one employee count together',
      talks: [talk('150', 0, 3000), talk('151', 3000, 5000), talk('151', 6000, 8000)],
      is: '151',
    },
    {
      what: 'an outside party never owns it',
      talks: [talk('150', 0, 1000), talk('+375290000778', 1000, 9000, 'outside')],
      is: '150',
    },
    { what: 'an unknown end point does', talks: [talk('door', 0, 1000, 'unknown')], is: 'door' },
  ])('longest_talker: $what', ({ talks, is }) => {
    expect(ownerOf(endedCall({ talks }), { ...defaultPolicies, owner: 'longest_talker' })).toBe(is);
  });

  test.each<{ what: string; call: Call; policies: Partial<Policies>; is: string | null }>([
    {
      what: 'a missed call: the last one rung',
      call: missed({ rang: [ring('150'), ring('151')] }),
      policies: { defaultOwner: '159' },
      is: '151',
    },
    {
      what: 'a missed call that rang nobody: the default',
      call: missed(),
      policies: { defaultOwner: '159' },
      is: '159',
    },
    { what: '… and without a default: nobody', call: missed(), policies: {}, is: null },
    {
      what: 'an unanswered outgoing call: who dialled',
      call: missed({ direction: 'out', initiatedBy: '150' }),
      policies: { defaultOwner: '159' },
      is: '150',
    },
    {
      what: 'an outgoing call nobody of us began',
      call: missed({ direction: 'out' }),
      policies: { defaultOwner: '159' },
      is: null,
    },
    {
      what: 'only an outside party talked: the last one rung',
      call: endedCall({ talks: [talk('+375290000778', 0, 9000, 'outside')], rang: [ring('150')] }),
      policies: {},
      is: '150',
    },
  ])('$what', ({ call, policies, is }) => {
    expect(ownerOf(call, { ...defaultPolicies, ...policies })).toBe(is);
  });
});

describe('why a call is not told to the CRM', () => {
  test.each<{ what: string; call: Call; off: Partial<Policies>; reason: string }>([
    {
      what: 'hidden number',
      call: missed({ customer: { kind: 'anonymous' } }),
      off: { anonymous: false },
      reason: 'anonymous_off',
    },
    {
      what: 'answered hidden number',
      call: endedCall({ customer: { kind: 'anonymous' } }),
      off: { anonymous: false },
      reason: 'anonymous_off',
    },
    { what: 'voice mail', call: missed({ detail: 'voicemail' }), off: { voicemail: false }, reason: 'voicemail_off' },
    { what: 'closed hours', call: missed({ detail: 'off hours' }), off: { offHours: false }, reason: 'off_hours_off' },
    { what: 'menu only', call: missed({ detail: 'ivr only' }), off: { ivrOnly: false }, reason: 'ivr_only_off' },
    {
      what: 'shorter than the minimum',
      call: missed({ endedAt: 4999 }),
      off: { minimumSeconds: 5 },
      reason: 'too_short',
    },
  ])('$what: told by default, "$reason" where the enterprise says so', ({ call, off, reason }) => {
    expect(dropReason(call, defaultPolicies)).toBeUndefined();
    expect(dropReason(call, { ...defaultPolicies, ...off })).toBe(reason);
  });

  const strict: Policies = {
    ...defaultPolicies,
    voicemail: false,
    offHours: false,
    ivrOnly: false,
    minimumSeconds: 3600,
  };
  test.each<{ what: string; call: Call; reason: string | undefined }>([
    { what: 'an answered call, whatever the policies on missed ones', call: endedCall(), reason: undefined },
    { what: 'an outgoing call, however short', call: missed({ direction: 'out', endedAt: 10 }), reason: undefined },
    { what: 'internal traffic', call: endedCall({ direction: 'internal' }), reason: 'internal' },
    { what: 'what was excluded from the start', call: endedCall({ excluded: 'blacklisted' }), reason: 'blacklisted' },
    {
      what: 'text that is no number',
      call: endedCall({ customer: { kind: 'unparsable', raw: '*#' } }),
      reason: 'number_unparsable',
    },
    {
      what: 'a number we cannot read but the CRM may',
      call: endedCall({ customer: { kind: 'unparsable', raw: '12345678' } }),
      reason: undefined,
    },
  ])('$what: $reason', ({ call, reason }) => {
    expect(dropReason(call, strict)).toBe(reason);
  });
});

describe('durations', () => {
  test.each<{ what: string; call: Call; wait: number; talk: number }>([
    { what: 'answered', call: endedCall(), wait: 5, talk: 4 },
    { what: 'missed', call: missed(), wait: 9, talk: 0 },
    {
      what: "outgoing: from the customer's leg, not from the dialling",
      call: endedCall({ direction: 'out', customerLegAt: 2000 }),
      wait: 3,
      talk: 4,
    },
    { what: 'a clock that went back', call: endedCall({ endedAt: 1000 }), wait: 5, talk: 0 },
    { what: 'still talking', call: talkingCall(), wait: 5, talk: 0 },
    { what: 'microseconds', call: endedCall({ answeredAt: 5000.4, endedAt: 9000.9 }), wait: 5, talk: 4.001 },
  ])('$what: waited $wait s, talked $talk s', ({ call, wait, talk: talked }) => {
    expect([waitSeconds(call), talkSeconds(call)]).toEqual([wait, talked]);
  });
});

describe('the recording of a call', () => {
  const on = (uniqueid: string, file: string): Call['recordings'][number] => ({ uniqueid, file, at: 0 });
  test.each<{ what: string; recordings: Call['recordings']; file: string | undefined }>([
    { what: 'none', recordings: [], file: undefined },
    {
      what: "the customer's channel wins",
      recordings: [on('customer', 'c.wav'), on('phone-150', 'p.wav')],
      file: 'c.wav',
    },
    { what: 'the last one of it', recordings: [on('customer', 'c1.wav'), on('customer', 'c2.wav')], file: 'c2.wav' },
    {
      what: 'then the channel that began the call',
      recordings: [on('phone-150', 'p.wav'), on('first', 'f.wav')],
      file: 'f.wav',
    },
    { what: 'then any', recordings: [on('phone-150', 'p.wav'), on('phone-151', 'q.wav')], file: 'p.wav' },
  ])('$what: $file', ({ recordings, file }) => {
    expect(recordingOf(endedCall({ recordings, firstUniqueid: 'first' }))?.file).toBe(file);
  });

  test('an unanswered call has none, though a file was named', () => {
    expect(recordingOf(missed({ recordings: [on('customer', 'c.wav')] }))).toBeUndefined();
  });
});

test.each<{ customer: Call['customer']; direction: Call['direction']; is: string | null }>([
  { customer: { kind: 'phone', e164: '+375290000001' }, direction: 'in', is: '+375290000001' },
  { customer: { kind: 'extension', number: '103' }, direction: 'out', is: '103' },
  { customer: { kind: 'extension', number: '151' }, direction: 'internal', is: null },
  { customer: { kind: 'unparsable', raw: '12345678' }, direction: 'in', is: '12345678' },
  { customer: { kind: 'anonymous' }, direction: 'in', is: null },
])('a customer of kind $customer.kind ($direction) is told as $is', ({ customer, direction, is }) => {
  expect(customerPhone(newCall({ customer, direction }))).toBe(is);
});

describe('the record', () => {
  test('of a live call says what is known so far', () => {
    expect(recordOf(talkingCall(), defaultPolicies)).toMatchObject({
      result: 'answered',
      endedAt: null,
      talkSeconds: 0,
      answeredBy: '150',
    });
    expect(recordOf(newCall(), defaultPolicies)).toMatchObject({
      result: 'unknown',
      answeredAt: null,
      answeredBy: null,
      handledBy: [],
    });
  });

  test('of an internal call names nobody the CRM could mistake for a customer', () => {
    const call = endedCall({
      direction: 'internal',
      initiatedBy: '152',
      rang: [ring('150', { outcome: 'answered' })],
      customer: { kind: 'anonymous' },
    });
    expect(recordOf(call, defaultPolicies)).toMatchObject({
      logToCrm: false,
      customerPhone: null,
      handledBy: null,
      recording: null,
    });
    expect(answeredBy(call)).toBe('150');
  });
});
