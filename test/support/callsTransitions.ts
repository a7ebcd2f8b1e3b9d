/**
 * The transition table of one call: its rows are the rows of `test/unit/calls/machine.test.ts` and of
 * docs/architecture.md, which is rendered from here.
 */
import type { Call, Fact, Ring } from '../../src/calls/call.ts';
import type { CallInput, Party } from '../../src/calls/machine.ts';
import type { Policies } from '../../src/calls/rules.ts';

/** One row: a call in this state hears this; it is in state `to` afterwards and these facts are told. */
export interface Transition {
  from: Call['state'];
  input: CallInput['input'];
  /** The row's sentence. */
  when: string;
  to: Call['state'];
  facts: Fact['fact'][];
  call: Call;
  given: CallInput;
  policies: Policies;
}

/** The defaults of the shipped configuration. */
export const defaultPolicies: Policies = {
  owner: 'last_talker',
  defaultOwner: undefined,
  closeLosers: 'on_answer',
  forwardedLegs: 'part_of_call',
  anonymous: true,
  voicemail: true,
  offHours: true,
  ivrOnly: true,
  employeeMobiles: 'ignore',
  clickNotAnswered: 'ignore',
  minimumSeconds: 0,
};

/** A ring of this extension; the phone's channel is called `phone-EXT`. */
export function ring(ext: string, over: Partial<Ring> = {}): Ring {
  return {
    uniqueid: `phone-${ext}`,
    ext,
    at: 1000,
    ringingAt: 1010,
    endedAt: undefined,
    outcome: undefined,
    root: 'customer',
    ...over,
  };
}

/** An incoming call nobody has been called for. */
export function newCall(over: Partial<Call> = {}): Call {
  return {
    state: 'new',
    externalId: 'pbx1-customer',
    direction: 'in',
    linkedid: 'customer',
    firstUniqueid: 'customer',
    customerUniqueid: 'customer',
    customer: { kind: 'phone', e164: '+375290000001' },
    customerRaw: '+375290000001',
    customerName: undefined,
    externalPhone: '+375171234501',
    trunk: 'provider-by',
    initiatedBy: undefined,
    originated: false,
    startedAt: 0,
    customerLegAt: 0,
    offeredAt: undefined,
    pbxAnsweredAt: undefined,
    answeredAt: undefined,
    endedAt: undefined,
    queue: undefined,
    rang: [],
    talks: [],
    transfers: [],
    recordings: [],
    popups: {},
    ringRound: undefined,
    justStopped: undefined,
    story: [],
    result: undefined,
    detail: undefined,
    cause: undefined,
    joinedLate: false,
    excluded: undefined,
    ...over,
  };
}

/** It rings at 150 and 151, both see the popup. */
export function ringingCall(over: Partial<Call> = {}): Call {
  return newCall({
    state: 'ringing',
    offeredAt: 1000,
    rang: [ring('150'), ring('151')],
    popups: { 150: 'open', 151: 'open' },
    ...over,
  });
}

/** 150 took it at 5 s; the popup of 151 is closed. */
export function talkingCall(over: Partial<Call> = {}): Call {
  return ringingCall({
    state: 'talking',
    answeredAt: 5000,
    pbxAnsweredAt: 5000,
    rang: [ring('150', { endedAt: 5000, outcome: 'answered' }), ring('151', { endedAt: 5010, outcome: 'cancelled' })],
    popups: { 150: 'open', 151: 'closed' },
    talks: [{ party: '150', kind: 'employee', from: 5000, to: undefined }],
    ...over,
  });
}

/** It was answered and is over. */
export function endedCall(over: Partial<Call> = {}): Call {
  return talkingCall({
    state: 'ended',
    endedAt: 9000,
    result: 'answered',
    popups: { 150: 'closed', 151: 'closed' },
    talks: [{ party: '150', kind: 'employee', from: 5000, to: 9000 }],
    ...over,
  });
}

const employee = (party: string): Party => ({ party, kind: 'employee' });
const at = 10_000;
const gone: CallInput = { input: 'gone', at, cause: 16, result: 'no answer', detail: 'abandoned' };
const called: CallInput = {
  input: 'phone called',
  at,
  uniqueid: 'phone-152',
  ext: '152',
  root: 'customer',
  ringing: false,
};
const over: CallInput = { input: 'phone over', at, uniqueid: 'phone-151', outcome: 'no answer', settled: true };
const outside: CallInput = { input: 'outside called', at, party: '+375290000778' };
const queued: CallInput = { input: 'queued', at, queue: 'sales' };
const pbxAnswered: CallInput = { input: 'pbx answered', at };
const blind: CallInput = { input: 'transferred', at, type: 'blind', party: '150', to: '151' };
const parked: CallInput = { input: 'parked', at };
const recorded: CallInput = { input: 'recorded', at, uniqueid: 'customer', file: 'a.wav' };
const tick: CallInput = { input: 'tick', at };
const nobody: CallInput = { input: 'connected', at, parties: [] };
const rings: CallInput = { input: 'phone rings', at, uniqueid: 'phone-152' };

const connected = (...parties: string[]): CallInput => ({ input: 'connected', at, parties: parties.map(employee) });

function row(
  call: Call,
  given: CallInput,
  when: string,
  to: Call['state'],
  facts: Fact['fact'][] = [],
  policies: Partial<Policies> = {},
): Transition {
  return {
    from: call.state,
    input: given.input,
    when,
    to,
    facts,
    call,
    given,
    policies: { ...defaultPolicies, ...policies },
  };
}

const round = { exts: ['152'], since: at - 150 };
const silent = ring('152', { at: at - 1000, ringingAt: undefined });
const fresh = ring('152', { at, ringingAt: undefined });

const living: Transition[] = [
  row(newCall(), called, 'the first phone is called', 'ringing'),
  row(newCall(), rings, 'a phone rings that was not called for this call', 'new'),
  row(newCall(), over, 'a phone stops that was not called for this call', 'new'),
  row(newCall(), outside, 'the first outside leg is called', 'ringing'),
  row(newCall(), queued, 'the customer enters a queue', 'new'),
  row(newCall(), pbxAnswered, 'IVR, queue or announcement takes the line: no human', 'new'),
  row(newCall(), connected('150'), 'a human without a ring takes it (directed pickup)', 'talking', ['call.answered']),
  row(newCall(), nobody, 'still connected with nobody', 'new'),
  row(newCall(), blind, 'a transfer is named', 'new'),
  row(newCall(), parked, 'the customer is parked by the dial plan', 'new'),
  row(newCall(), recorded, 'recording begins', 'new'),
  row(newCall(), tick, 'nothing was due', 'new'),
  row(newCall(), gone, 'the customer leaves before anybody was called', 'ended', ['call.missed']),

  row(ringingCall(), called, 'another phone is called', 'ringing'),
  row(
    ringingCall({ rang: [ring('150'), fresh] }),
    rings,
    'the phone rings: the ring round waits 150 ms for others',
    'ringing',
  ),
  row(
    ringingCall(),
    over,
    'a phone stops: its popup waits 500 ms to learn whether somebody else took the call',
    'ringing',
  ),
  row(
    ringingCall({ justStopped: { exts: ['151'], since: at - 500 } }),
    tick,
    'a phone stopped and nobody took the call since',
    'ringing',
    ['stopped ringing'],
  ),
  row(
    ringingCall({ justStopped: { exts: ['151'], since: at - 20 } }),
    connected('150'),
    'a phone stopped because another human took the call',
    'talking',
    ['call.answered'],
  ),
  row(
    ringingCall({ rang: [ring('150'), ring('151'), ring('151', { uniqueid: 'second device' })] }),
    over,
    "one of an employee's two devices stops",
    'ringing',
  ),
  row(ringingCall(), outside, 'an outside leg is called as well', 'ringing'),
  row(ringingCall(), queued, 'the customer goes on into a queue', 'ringing'),
  row(ringingCall(), pbxAnswered, 'the PBX takes the line while phones ring', 'ringing'),
  row(ringingCall(), connected('150'), 'the first human and the customer are connected', 'talking', ['call.answered']),
  row(
    ringingCall({ rang: [ring('152')], popups: {}, ringRound: round }),
    connected('152'),
    'the answer comes before the ring round is over',
    'talking',
    ['rung', 'call.answered'],
  ),
  row(ringingCall(), nobody, 'still connected with nobody', 'ringing'),
  row(ringingCall(), blind, 'a transfer is named before the answer', 'ringing'),
  row(ringingCall(), parked, 'the customer is parked while phones ring', 'ringing'),
  row(ringingCall(), recorded, 'recording begins', 'ringing'),
  row(ringingCall({ rang: [ring('152')], popups: {}, ringRound: round }), tick, 'the ring round is over', 'ringing', [
    'rung',
  ]),
  row(
    ringingCall({ rang: [silent], popups: {} }),
    tick,
    'a phone that never reports Ringing was called 1 s ago',
    'ringing',
  ),
  row(ringingCall(), gone, 'the customer leaves while phones ring', 'ended', ['call.missed']),

  row(talkingCall(), called, 'a transfer target is called', 'talking'),
  row(
    talkingCall({ rang: [...talkingCall().rang, fresh] }),
    rings,
    "the target's phone rings: the ring round waits 150 ms for others",
    'talking',
  ),
  row(talkingCall(), over, 'a late word on a phone that did not get the call', 'talking'),
  row(talkingCall(), outside, 'the customer is sent to an outside number', 'talking'),
  row(talkingCall(), queued, 'the customer is sent to a queue', 'talking'),
  row(talkingCall(), pbxAnswered, 'the line is Up already', 'talking'),
  row(talkingCall(), connected('150'), 'the same human', 'talking'),
  row(talkingCall(), connected('152'), 'another human takes the customer over', 'talking', ['handed over']),
  row(talkingCall(), connected('150', '152'), 'somebody joins the conversation', 'talking', ['handed over']),
  row(
    talkingCall({
      talks: [
        { party: '150', kind: 'employee', from: 5000, to: 7000 },
        { party: '151', kind: 'employee', from: 7000, to: undefined },
      ],
    }),
    connected('150'),
    'somebody who talked before takes her back',
    'talking',
  ),
  row(talkingCall(), nobody, 'hold, parking or a transfer leaves the customer alone: the answer stands', 'talking'),
  row(talkingCall(), blind, 'a transfer is named: pending until somebody takes it', 'talking'),
  row(talkingCall(), parked, 'the customer is parked: a transfer pending', 'talking'),
  row(talkingCall(), recorded, 'recording begins', 'talking'),
  row(
    talkingCall({ rang: [...talkingCall().rang, ring('152')], ringRound: round }),
    tick,
    "the target's ring round is over",
    'talking',
    ['rung'],
  ),
  row(talkingCall(), gone, 'the customer leaves: answered, whatever the cause says', 'ended', ['call.finished']),
];

/** After the end nothing changes: every input of a living call, told once more. */
const afterTheEnd = new Map(living.map((one) => [one.input, one.given]));

/** All rows. Every state meets every input. */
export const transitions: readonly Transition[] = [
  ...living,
  ...[...afterTheEnd.values()].map((given) => row(endedCall(), given, `${given.input} after the end`, 'ended')),
];

/** The table as Markdown, for docs/architecture.md. */
export function renderTransitions(): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const lines = living.map(
    (one) =>
      `| ${one.from} | ${one.input} | ${cell(one.when)} | ${one.to === one.from ? '–' : `**${one.to}**`} | ${one.facts.join(', ') || '–'} |`,
  );
  return [
    '| state | input | when | next state | facts |',
    '|---|---|---|---|---|',
    ...lines,
    '| ended | any | nothing changes any more | – | – |',
  ].join('\n');
}
