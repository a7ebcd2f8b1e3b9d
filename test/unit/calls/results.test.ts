import { describe, expect, test } from '@jest/globals';
import { dialledNumber } from '../../../src/calls/dialled.ts';
import { incomingResult, missedDetail, outgoingResult, ringOutcome } from '../../../src/calls/result.ts';
import { newCall, ring } from '../../support/callsTransitions.ts';

/** One refusal on both generations and drivers: what the called side answered, what AMI says, what it means. */
const refusals = [
  { answer: '486 busy', driver: 'PJSIP', dialStatus: 'BUSY', cause: 17, out: 'busy', ring: 'busy' },
  { answer: '486 busy', driver: 'chan_sip', dialStatus: 'BUSY', cause: 17, out: 'busy', ring: 'busy' },
  {
    answer: '480 unavailable',
    driver: 'PJSIP',
    dialStatus: 'NOANSWER',
    cause: 19,
    out: 'no answer',
    ring: 'no answer',
  },
  { answer: '480 unavailable', driver: 'chan_sip', dialStatus: 'BUSY', cause: 19, out: 'no answer', ring: 'no answer' },
  { answer: '404 not found', driver: 'PJSIP', dialStatus: 'NOANSWER', cause: 1, out: 'failed', ring: 'no answer' },
  { answer: '404 not found', driver: 'chan_sip', dialStatus: 'NOANSWER', cause: 1, out: 'failed', ring: 'no answer' },
  { answer: '484 incomplete', driver: 'PJSIP', dialStatus: 'NOANSWER', cause: 28, out: 'failed', ring: 'no answer' },
  { answer: '403 forbidden', driver: 'PJSIP', dialStatus: 'NOANSWER', cause: 21, out: 'failed', ring: 'declined' },
  { answer: '603 declined', driver: 'PJSIP', dialStatus: 'NOANSWER', cause: 21, out: 'failed', ring: 'declined' },
  { answer: '603 declined', driver: 'chan_sip', dialStatus: 'BUSY', cause: 21, out: 'failed', ring: 'declined' },
  { answer: '503 no service', driver: 'PJSIP', dialStatus: 'CONGESTION', cause: 34, out: 'failed', ring: 'no answer' },
  { answer: '500 error', driver: 'PJSIP', dialStatus: 'NOANSWER', cause: 38, out: 'failed', ring: 'no answer' },
  { answer: '500 error', driver: 'chan_sip', dialStatus: 'CONGESTION', cause: 38, out: 'failed', ring: 'no answer' },
  { answer: 'ringing out', driver: 'any', dialStatus: 'NOANSWER', cause: 0, out: 'no answer', ring: 'no answer' },
  { answer: 'ringing out', driver: 'any', dialStatus: 'NOANSWER', cause: 19, out: 'no answer', ring: 'no answer' },
  {
    answer: '487 the caller gives up',
    driver: 'PJSIP',
    dialStatus: 'CANCEL',
    cause: 127,
    out: 'no answer',
    ring: 'cancelled',
  },
  {
    answer: '487 the caller gives up',
    driver: 'chan_sip',
    dialStatus: 'CANCEL',
    cause: 0,
    out: 'no answer',
    ring: 'cancelled',
  },
  {
    answer: '487 the caller gives up',
    driver: 'any',
    dialStatus: 'CANCEL',
    cause: 16,
    out: 'no answer',
    ring: 'cancelled',
  },
  {
    answer: 'answered elsewhere',
    driver: 'any',
    dialStatus: 'CANCEL',
    cause: 26,
    out: 'no answer',
    ring: 'answered elsewhere',
  },
  { answer: 'a lost DialEnd, busy', driver: 'any', dialStatus: undefined, cause: 17, out: 'busy', ring: 'busy' },
  {
    answer: 'a lost DialEnd, no cause',
    driver: 'any',
    dialStatus: undefined,
    cause: undefined,
    out: 'no answer',
    ring: 'cancelled',
  },
  { answer: 'busy without a cause', driver: 'any', dialStatus: 'BUSY', cause: undefined, out: 'busy', ring: 'busy' },
  {
    answer: 'congestion without a cause',
    driver: 'any',
    dialStatus: 'CONGESTION',
    cause: undefined,
    out: 'failed',
    ring: 'no answer',
  },
  {
    answer: 'no channel without a cause',
    driver: 'any',
    dialStatus: 'CHANUNAVAIL',
    cause: undefined,
    out: 'failed',
    ring: 'no answer',
  },
] as const;

describe('refusals', () => {
  test.each(refusals)(
    '$answer ($driver): an outgoing call is "$out", a ring is "$ring"',
    ({ dialStatus, cause, ...want }) => {
      const over = { dialStatus, cause, forward: undefined, up: false };
      expect({ out: outgoingResult(over), ring: ringOutcome(over) }).toEqual({ out: want.out, ring: want.ring });
    },
  );

  test.each([
    { what: '302', over: { dialStatus: 'CANCEL', forward: '80290000778', cause: 23, up: false }, outcome: 'forwarded' },
    {
      what: '302 on 16, without a cause',
      over: { dialStatus: 'CANCEL', forward: '778', cause: 0, up: false },
      outcome: 'forwarded',
    },
    {
      what: 'DialEnd ANSWER',
      over: { dialStatus: 'ANSWER', forward: undefined, cause: 16, up: false },
      outcome: 'answered',
    },
    {
      what: 'Up without a DialEnd',
      over: { dialStatus: undefined, forward: undefined, cause: 16, up: true },
      outcome: 'answered',
    },
  ])('$what is "$outcome"', ({ over, outcome }) => {
    expect(ringOutcome(over)).toBe(outcome);
  });
});

describe('an incoming call nobody answered', () => {
  test.each([
    { rang: [], cause: 16, result: 'no answer', why: 'nobody was called' },
    { rang: [], cause: 34, result: 'failed', why: 'the PBX had no circuit' },
    { rang: [], cause: undefined, result: 'no answer', why: 'the cause is unknown' },
    { rang: ['busy'], cause: 17, result: 'busy', why: 'the only phone was busy' },
    { rang: ['busy', 'declined'], cause: 17, result: 'busy', why: 'all were busy or declined' },
    { rang: ['busy', 'no answer'], cause: 17, result: 'no answer', why: 'one rang out' },
    { rang: ['cancelled'], cause: 34, result: 'no answer', why: 'the caller gave up' },
    { rang: [undefined], cause: 16, result: 'no answer', why: 'it was still ringing' },
  ] as const)('is "$result" when $why', ({ rang, cause, result }) => {
    expect(incomingResult(rang, cause)).toBe(result);
  });

  const rungOut = ring('150', { endedAt: 9000, outcome: 'no answer' });
  const givenUp = ring('150', { endedAt: 9000, outcome: 'cancelled' });
  test.each([
    { call: newCall(), offHours: false, detail: 'abandoned' },
    { call: newCall({ pbxAnsweredAt: 300 }), offHours: false, detail: 'ivr only' },
    { call: newCall({ pbxAnsweredAt: 300 }), offHours: true, detail: 'off hours' },
    { call: newCall({ rang: [rungOut] }), offHours: false, detail: 'ring timeout' },
    { call: newCall({ rang: [givenUp] }), offHours: false, detail: 'abandoned' },
    { call: newCall({ rang: [ring('150', { outcome: undefined })] }), offHours: false, detail: 'abandoned' },
    {
      call: newCall({ rang: [ring('150', { endedAt: 9000, outcome: 'declined' })] }),
      offHours: false,
      detail: 'declined',
    },
    { call: newCall({ rang: [rungOut], pbxAnsweredAt: 9500 }), offHours: false, detail: 'voicemail' },
    { call: newCall({ rang: [rungOut], pbxAnsweredAt: 300 }), offHours: false, detail: 'ring timeout' },
    {
      call: newCall({ rang: [givenUp], queue: 'sales', pbxAnsweredAt: 300 }),
      offHours: false,
      detail: 'abandoned in queue',
    },
    {
      call: newCall({ rang: [rungOut], queue: 'sales', pbxAnsweredAt: 300 }),
      offHours: false,
      detail: 'queue timeout',
    },
    { call: newCall({ queue: 'sales' }), offHours: true, detail: 'abandoned in queue' },
  ] as const)('was missed because: $detail', ({ call, offHours, detail }) => {
    expect(missedDetail(call, 16, offHours, 12_000)).toBe(detail);
  });
});

test.each([
  { dialString: '+375290000001@provider-by', number: '+375290000001' },
  { dialString: 'PJSIP/+375290000001@provider-by', number: '+375290000001' },
  { dialString: 'provider-by/+375290000001', number: '+375290000001' },
  { dialString: 'SIP/provider-by/80290000001', number: '80290000001' },
  { dialString: 'provider-by/sip:+375290000001@10.0.0.1:5060', number: '+375290000001' },
  { dialString: 'PJSIP/provider-by/sips:+375290000001@gw.example;user=phone', number: '+375290000001' },
  { dialString: 'DAHDI/g0/80290000001', number: '80290000001' },
  { dialString: '80290000001', number: '80290000001' },
  { dialString: '', number: undefined },
  { dialString: '@provider-by', number: undefined },
  { dialString: undefined, number: undefined },
])('DialString $dialString dials $number', ({ dialString, number }) => {
  expect(dialledNumber(dialString)).toBe(number);
});
