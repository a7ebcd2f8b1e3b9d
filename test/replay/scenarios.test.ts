/**
 * The scenarios of the specification of calls, each with the captures it is shown on, on both generations of Asterisk.
 * What a row expects are decisions: who sees which popup, what the history gets, what is dropped and why. The fields of
 * each call against the phones' clock are `captures.test.ts`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { HostEvent } from '../../src/calls/events.ts';
import type { EnterpriseSettings } from '../../src/config/settings.ts';
import { projectRoot } from '../../src/root.ts';
import { capture, type Capture, captures, eventsOf } from '../support/callsCaptures.ts';
import { type Told, toldOf, withMobiles } from '../support/callsTold.ts';

interface Row {
  /** Number in the specification; undefined for the kinds of call the issue names beyond them. */
  number?: number;
  words: string;
  capture: string;
  popups: string[];
  history: string[];
  drops?: string[];
  /** Not the example as it is. */
  over?: (enterprise: EnterpriseSettings, one: Capture) => EnterpriseSettings;
  /** The stream is changed before it is replayed. */
  events?: (events: HostEvent[]) => HostEvent[];
  /** What else must hold. */
  also?: (told: Told, one: Capture) => void;
  /** Recorded on one generation only; played on both by the end-to-end tests. */
  only?: 'ast22';
}

const answered150 = { popups: ['in 150', 'hangup 150: answered'], history: ['in answered 150'] };
const fiveTimes = <T>(list: T[]): T[] => Array.from({ length: 5 }, () => list).flat();

const rows: Row[] = [
  { number: 1, words: 'direct call, answered', capture: 'in_direct_answer', ...answered150 },
  { number: 1, words: 'the employee hangs up first', capture: 'in_direct_agent_hangup', ...answered150 },
  {
    number: 2,
    words: 'ring-all queue: the losers close at the answer, one record, owner who answered',
    capture: 'in_queue',
    popups: ['in 150+151+152', 'hangup 150+152: answered', 'hangup 151: answered'],
    history: ['in answered 151'],
  },
  {
    number: 2,
    words: 'ring group: the same',
    capture: 'in_ringgroup',
    popups: ['in 150+151', 'hangup 150: answered', 'hangup 151: answered'],
    history: ['in answered 151'],
  },
  {
    number: 3,
    words: 'ring-all, nobody answers, the caller leaves: one record for all',
    capture: 'in_queue_abandon',
    popups: ['in 150+151+152', 'hangup 150+151+152: cancel'],
    history: ['in no answer 152'],
  },
  {
    number: 3,
    words: 'one phone, nobody answers, the caller leaves',
    capture: 'in_direct_abandon',
    popups: ['in 150', 'hangup 150: cancel'],
    history: ['in no answer 150'],
  },
  {
    number: 4,
    words: "hunt group: the first popup closes when the phone stops, the next one's is her own",
    capture: 'in_hunt',
    // 151 is busy at once. The first popup waits half a second: was the call taken elsewhere, or is the ring over?
    popups: ['in 150', 'in 152', 'hangup 150: no answered', 'hangup 152: answered'],
    history: ['in answered 152'],
  },
  {
    number: 4,
    words: 'queue that asks one after another: the same',
    capture: 'in_queue_linear',
    popups: ['in 150', 'hangup 150: no answered', 'in 151', 'hangup 151: answered'],
    history: ['in answered 151'],
  },
  {
    number: 5,
    words: 'queue, nobody in round 1, 152 in round 2: nobody sees the call twice',
    capture: 'in_queue_second_round',
    popups: ['in 150+151+152', 'hangup 150+151+152: no answered'],
    history: ['in answered 152'],
    also: ({ uploads, calls }) => expect(uploads[0]?.recordUrl).toContain(calls[0]?.recording),
  },
  {
    number: 6,
    words: 'the caller hangs up in the menu: not answered, though the PBX picked up',
    capture: 'in_ivr_abandon',
    popups: [],
    history: ['in no answer nobody'],
    also: ({ uploads }) => expect(uploads[0]?.duration).toBe(0),
  },
  {
    number: 7,
    words: 'closed hours, an announcement only',
    capture: 'in_off_hours',
    popups: [],
    history: ['in no answer nobody'],
    also: ({ uploads }) => expect(uploads[0]).toMatchObject({ duration: 0 }),
  },
  {
    number: 8,
    words: 'voice mail took it: nobody answered',
    capture: 'in_voicemail',
    popups: ['in 150', 'hangup 150: no answered'],
    history: ['in no answer 150'],
    also: ({ uploads }) => expect(uploads[0]).not.toHaveProperty('recordUrl'),
  },
  {
    number: 9,
    words: 'blind transfer, answered: the new one sees it when she rings, one record',
    capture: 'in_blind_refer',
    popups: ['in 150', 'in 151', 'hangup 150+151: answered'],
    history: ['in answered 151'],
  },
  {
    number: 9,
    words: 'blind transfer by keys',
    capture: 'in_blind_dtmf',
    popups: ['in 150', 'in 151', 'hangup 150+151: answered'],
    history: ['in answered 151'],
  },
  {
    number: 10,
    words: 'attended transfer by the phone: the consultation is internal, one record',
    capture: 'in_attended_refer',
    popups: ['in 150', 'hangup 150: answered'],
    history: ['in answered 151'],
  },
  {
    number: 10,
    words: 'attended transfer by keys',
    capture: 'in_attended_dtmf',
    popups: ['in 150', 'in 152', 'hangup 150+152: answered'],
    history: ['in answered 152'],
  },
  {
    number: 11,
    words: 'attended transfer refused, 150 takes the customer back: no phantom record',
    capture: 'in_attended_refused',
    ...answered150,
    drops: ['part_of_call'],
  },
  {
    number: 12,
    words: 'transfer to a queue, second round answers: one record, the recording that covers the talk',
    capture: 'in_blind_queue',
    popups: ['in 150', 'in 151+152', 'hangup 150+151+152: answered'],
    history: ['in answered 152'],
    also: ({ uploads, calls }) => expect(uploads[0]?.recordUrl).toContain(calls[0]?.recording),
  },
  {
    number: 13,
    words: 'pickup: the owner is who picked up',
    capture: 'in_pickup',
    popups: ['in 150', 'hangup 150: answered'],
    history: ['in answered 151'],
  },
  {
    number: 13,
    words: 'directed pickup',
    capture: 'in_pickup_directed',
    popups: ['in 150', 'hangup 150: answered'],
    history: ['in answered 152'],
  },
  {
    number: 14,
    words: "forward to the employee's mobile by the dial plan: hers, still incoming, no outgoing call",
    capture: 'in_forward_external',
    over: withMobiles('150', ['+375290000783']),
    popups: [],
    history: ['in answered 150'],
  },
  {
    number: 14,
    words: "forward to the employee's mobile by her phone (302)",
    capture: 'in_forward_302_external',
    over: withMobiles('150', ['+375290000782']),
    popups: [],
    history: ['in answered 150'],
  },
  {
    number: 14,
    words: 'follow-me: phone and mobile ring together, the mobile answers',
    capture: 'in_follow_me',
    over: withMobiles('150', ['+375290000309']),
    popups: ['in 150', 'hangup 150: answered'],
    history: ['in answered 150'],
  },
  {
    number: 14,
    words: 'forward to a number nobody knows: incoming all the same, of nobody',
    capture: 'in_forward_external',
    popups: [],
    history: ['in answered nobody'],
  },
  {
    number: 15,
    words: 'one extension on two devices: one popup, closed once',
    capture: 'in_two_devices',
    popups: ['in 152', 'hangup 152: answered'],
    history: ['in answered 152'],
  },
  {
    number: 16,
    words: 'an employee calls from her own mobile: not a customer',
    capture: 'in_direct_answer',
    over: (enterprise, one) => withMobiles('151', [one.truth.calls[0]?.customerPhone ?? ''])(enterprise),
    popups: [],
    history: [],
    drops: ['employee_mobile'],
  },
  {
    number: 17,
    words: 'internal call: nothing',
    capture: 'internal_call',
    popups: [],
    history: [],
    drops: ['internal'],
  },
  {
    number: 17,
    words: "a supervisor listens to a customer's call: nothing extra",
    capture: 'monitor_chanspy',
    ...answered150,
    drops: ['internal'],
  },
  {
    number: 18,
    words: 'click-to-call, the employee does not pick up: no record',
    capture: 'click_agent_noanswer',
    popups: [],
    history: [],
    drops: ['employee_did_not_answer'],
  },
  {
    number: 18,
    words: 'click-to-call, the employee declines: no record',
    capture: 'click_agent_declined',
    popups: [],
    history: [],
    drops: ['employee_did_not_answer'],
  },
  {
    number: 18,
    words: "click-to-call, both pick up: outgoing, its duration from the customer's answer",
    capture: 'click_answer',
    popups: ['out 150', 'hangup 150: answered'],
    history: ['out answered 150'],
  },
  {
    number: 18,
    words: 'click-to-call, the customer is busy',
    capture: 'click_customer_busy',
    popups: ['out 150', 'hangup 150: busy'],
    history: ['out busy 150'],
  },
  {
    number: 20,
    words: 'overlapping calls of one customer: each its own record',
    capture: 'concurrent_same_customer',
    popups: ['in 150', 'in 151', 'hangup 150: cancel', 'hangup 151: answered', 'in 150', 'hangup 150: answered'],
    history: ['in no answer 150', 'in answered 151', 'in answered 150'],
    also: ({ uploads }) => expect(new Set(uploads.map(({ phone }) => phone)).size).toBe(1),
  },
  {
    number: 20,
    words: 'calls of several customers at once do not mix',
    capture: 'concurrent_mix',
    popups: [
      ...['out 152', 'in 150', 'in 151', 'in 150+151', 'hangup 150+151: cancel'],
      ...['hangup 152: answered', 'hangup 150: answered', 'hangup 151: answered'],
    ],
    history: ['in no answer 151', 'out answered 152', 'in answered 150', 'in answered 151'],
  },
  {
    number: 21,
    words: 'hidden number: the placeholder',
    capture: 'in_anonymous',
    ...answered150,
    also: ({ uploads }) => expect(uploads[0]?.phone).toBe('anonymous'),
  },
  {
    number: 21,
    words: 'unknown, restricted, unavailable, private, none at all: the placeholder',
    capture: 'in_anonymous_kinds',
    only: 'ast22',
    popups: fiveTimes(answered150.popups),
    history: fiveTimes(answered150.history),
    also: ({ uploads }) => expect(uploads.map(({ phone }) => phone)).toEqual(fiveTimes(['anonymous'])),
  },
  {
    number: 21,
    words: 'hidden from phones, told by the provider: the number',
    capture: 'in_anonymous_pai',
    ...answered150,
    also: ({ uploads }) => expect(uploads[0]?.phone).toMatch(/^\+375/),
  },
  {
    number: 22,
    words: 'five spellings of numbers of two countries: E.164',
    capture: 'in_number_formats',
    popups: ['150', '150', '150', '151', '151'].flatMap((ext) => [`in ${ext}`, `hangup ${ext}: answered`]),
    history: ['150', '150', '150', '151', '151'].map((ext) => `in answered ${ext}`),
    also: ({ uploads }, one) =>
      expect(uploads.map(({ phone }) => phone)).toEqual(one.truth.calls.map(({ customerPhone }) => customerPhone)),
  },
  {
    number: 29,
    words: 'Asterisk restarts in mid-call: the call is closed, the next one is its own',
    capture: 'fault_restart',
    popups: ['in 150', 'hangup 150: answered', 'in 151', 'hangup 151: answered'],
    history: ['in answered 150', 'in answered 151'],
  },
  {
    number: 29,
    words: 'Asterisk crashes in mid-call: the same',
    capture: 'fault_crash',
    popups: ['in 150', 'hangup 150: answered', 'in 151', 'hangup 151: answered'],
    history: ['in answered 150', 'in answered 151'],
  },
  {
    number: 33,
    words: 'a talk of five hours: nothing expires under it',
    capture: 'in_direct_answer',
    events: (events) => laterAfter(events, 'BridgeEnter', 2, 5 * 3_600_000),
    ...answered150,
    also: ({ uploads }, one) => {
      const talk = one.truth.calls[0]?.talkSeconds ?? 0;
      expect(Math.abs((uploads[0]?.duration ?? 0) - talk - 5 * 3600)).toBeLessThanOrEqual(1);
    },
  },
  {
    number: 36,
    words: "each Hangup before its phone's DialEnd, and the recording told last: the same",
    capture: 'in_queue',
    events: (events) => recordingLast(hangupsFirst(events)),
    popups: ['in 150+151+152', 'hangup 150+152: answered', 'hangup 151: answered'],
    history: ['in answered 151'],
  },
  {
    number: 37,
    words: 'an extension without a CRM user answers: told with its code',
    capture: 'in_hunt',
    over: (enterprise) => ({
      ...enterprise,
      employees: enterprise.employees.filter(({ extension }) => extension !== '152'),
    }),
    popups: ['in 150', 'in 152', 'hangup 150: no answered', 'hangup 152: answered'],
    history: ['in answered 152'],
  },
  {
    number: 38,
    words: 'missed, then called back: two calls, each with its own name and times',
    capture: 'missed_then_callback',
    popups: ['in 150', 'hangup 150: cancel', 'out 150', 'hangup 150: answered'],
    history: ['in no answer 150', 'out answered 150'],
    also: ({ uploads: [missed, back], calls: [first, second] }) =>
      expect({ phone: back?.phone, later: (second?.startedAt ?? '') > (first?.endedAt ?? '~') }).toEqual({
        phone: missed?.phone,
        later: true,
      }),
  },

  // Beyond the numbered ones.
  {
    words: 'the phone is busy: over before a popup is due',
    capture: 'in_direct_busy',
    popups: [],
    history: ['in busy 150'],
  },
  {
    words: 'the phone rings and declines',
    capture: 'in_direct_declined',
    popups: ['in 150', 'hangup 150: busy'],
    history: ['in busy 150'],
  },
  {
    words: 'nobody answers, the PBX hangs up',
    capture: 'in_direct_noanswer',
    popups: ['in 150', 'hangup 150: no answered'],
    history: ['in no answer 150'],
  },
  {
    words: 'a menu, then a ring group',
    capture: 'in_ivr',
    popups: ['in 150+151', 'hangup 151: answered', 'hangup 150: answered'],
    history: ['in answered 150'],
  },
  { words: 'hold and music are part of the talk', capture: 'in_hold', ...answered150 },
  {
    words: 'queue, two rounds in vain',
    capture: 'in_queue_timeout',
    popups: ['in 150+151+152', 'hangup 150+151+152: no answered'],
    history: ['in no answer 152'],
  },
  {
    words: 'queue members are Local channels',
    capture: 'in_queue_local',
    popups: ['in 150+151', 'hangup 151: answered', 'hangup 150: answered'],
    history: ['in answered 150'],
  },
  {
    words: 'queue members are Local channels that optimise away',
    capture: 'in_queue_local_optimised',
    popups: ['in 150+151', 'hangup 150: answered', 'hangup 151: answered'],
    history: ['in answered 151'],
  },
  {
    words: 'outgoing, answered',
    capture: 'out_answer',
    popups: ['out 150', 'hangup 150: answered'],
    history: ['out answered 150'],
  },
  {
    words: 'outgoing, answered, through the other provider',
    capture: 'out_russian',
    popups: ['out 151', 'hangup 151: answered'],
    history: ['out answered 151'],
  },
  { words: 'outgoing, busy', capture: 'out_busy', popups: ['out 150', 'hangup 150: busy'], history: ['out busy 150'] },
  {
    words: 'outgoing, the employee gives up',
    capture: 'out_noanswer',
    popups: ['out 150', 'hangup 150: cancel'],
    history: ['out no answer 150'],
  },
  {
    words: 'outgoing, 480',
    capture: 'out_unavailable',
    popups: ['out 150', 'hangup 150: no answered'],
    history: ['out no answer 150'],
  },
  {
    words: 'outgoing, 404',
    capture: 'out_unknown_number',
    popups: ['out 150', 'hangup 150: failed'],
    history: ['out failed 150'],
  },
  {
    words: 'outgoing, 403',
    capture: 'out_forbidden',
    popups: ['out 150', 'hangup 150: failed'],
    history: ['out failed 150'],
  },
  {
    words: 'trunk failover: two dialled trunk legs are one call',
    capture: 'out_failover',
    popups: ['out 150', 'hangup 150: answered'],
    history: ['out answered 150'],
  },
  {
    words: 'trunk failover in vain',
    capture: 'out_failover_failed',
    popups: ['out 150', 'hangup 150: failed'],
    history: ['out failed 150'],
  },
  {
    words: 'early media is no answer',
    capture: 'out_early_media',
    popups: ['out 150', 'hangup 150: answered'],
    history: ['out answered 150'],
  },
  {
    words: 'early media, then refused',
    capture: 'out_early_media_refused',
    popups: ['out 150', 'hangup 150: no answered'],
    history: ['out no answer 150'],
    also: ({ uploads }) => expect(uploads[0]?.duration).toBe(0),
  },
  { words: 'blind transfer to a busy phone', capture: 'in_blind_busy', ...answered150 },
  {
    words: 'blind transfer to nobody',
    capture: 'in_blind_noanswer',
    popups: ['in 150', 'in 151', 'hangup 150+151: answered'],
    history: ['in answered 150'],
  },
  { words: 'blind transfer to an outside number: no outgoing call', capture: 'in_blind_external', ...answered150 },
  {
    words: 'a chain of transfers: the last one has it',
    capture: 'in_blind_chain',
    popups: ['in 150', 'in 151', 'in 152', 'hangup 150+151+152: answered'],
    history: ['in answered 152'],
  },
  {
    words: 'attended transfer completed while the other phone rings',
    capture: 'in_attended_ringing',
    popups: ['in 150', 'hangup 150: answered'],
    history: ['in answered 151'],
  },
  {
    words: 'an outgoing call is transferred',
    capture: 'out_blind_refer',
    popups: ['out 150', 'hangup 150: answered'],
    history: ['out answered 151'],
  },
  {
    words: 'AMI Redirect',
    capture: 'in_ami_redirect',
    popups: ['in 150', 'in 151', 'hangup 150+151: answered'],
    history: ['in answered 151'],
  },
  {
    words: 'AMI BlindTransfer',
    capture: 'in_ami_blind',
    popups: ['in 150', 'in 151', 'hangup 150+151: answered'],
    history: ['in answered 151'],
  },
  {
    words: 'AMI Atxfer',
    capture: 'in_ami_atxfer',
    popups: ['in 150', 'in 152', 'hangup 150+152: answered'],
    history: ['in answered 152'],
  },
  {
    words: 'parked and taken by a colleague',
    capture: 'in_park_retrieve',
    popups: ['in 150', 'hangup 150: answered'],
    history: ['in answered 151'],
  },
  { words: 'parked and come back: no second popup', capture: 'in_park_timeout', ...answered150 },
  {
    words: 'two customers parked in one lot do not talk to each other',
    capture: 'in_two_parked',
    popups: ['in 150', 'in 150', 'hangup 150: answered', 'hangup 150: answered'],
    history: ['in answered 151', 'in answered 152'],
  },
  {
    words: 'a conference: one call, of the last who joined',
    capture: 'in_conference',
    popups: ['in 150', 'hangup 150: answered'],
    history: ['in answered 152'],
    drops: ['internal', 'internal'],
  },
  {
    words: 'the phone forwards to a colleague (302)',
    capture: 'in_forward_302',
    popups: ['in 151', 'hangup 151: answered'],
    history: ['in answered 151'],
  },
  {
    words: 'two phones forward to each other: one missed call',
    capture: 'in_forward_loop',
    only: 'ast22',
    popups: [],
    history: ['in no answer 151'],
  },
  { words: 'reload in mid-call', capture: 'fault_reload', ...answered150 },
  { words: 'a caller name in UTF-8 with quotes', capture: 'in_utf8_name', ...answered150 },
  {
    words: 'caller names that look like SQL, HTML, AMI, an escape sequence; one very long',
    capture: 'in_hostile_names',
    only: 'ast22',
    popups: fiveTimes(answered150.popups),
    history: fiveTimes(answered150.history),
  },
  {
    words: 'a line end inside the number',
    capture: 'in_hostile_number',
    ...answered150,
    also: ({ uploads }) => expect(uploads[0]?.phone).toMatch(/^\+\d+$/),
  },
  ...['in_direct_answer', 'in_hold', 'in_queue', 'in_ringgroup', 'in_attended_refer', 'in_blind_refer', 'out_answer']
    .concat('in_direct_busy', 'internal_call', 'click_answer', 'out_noanswer')
    .map((name): Row => ({ ...sameAs(name), words: `chan_sip: ${name}`, capture: `${name}@chansip` })),
];

/** Only the old generation has chan_sip: what it leads to is read off the same call with PJSIP. */
function sameAs(name: string): Omit<Row, 'words' | 'capture'> {
  const told = toldOf(eventsOf(capture(`ast16/${name}`)));
  return { popups: told.popups, history: told.history, drops: told.drops };
}

/** Where the scenarios are proven that no recorded stream can show: the file and the test's name or a part of it. */
const elsewhere: { number: number; words: string; file: string; named: string }[] = [
  { number: 24, words: 'the CRM is away for 40 minutes', file: 'test/store/scenariosCrm.test.ts', named: '24:' },
  {
    number: 23,
    words: 'two customers share one phone: one card is chosen, both are kept',
    file: 'test/store/customers.test.ts',
    named: '23: two customers share one phone',
  },
  {
    number: 23,
    words: 'and the call is one record',
    file: 'test/store/callers.test.ts',
    named: '23: two customers share one phone',
  },
  { number: 19, words: 'the same click twice', file: 'test/store/clicks.test.ts', named: '19: the same click twice' },
  { number: 19, words: 'on real phones', file: 'test/e2e/scenarios/clicks.ts', named: "'crm_click_twice'" },
  { number: 25, words: 'one bad item in a batch', file: 'test/store/scenariosCrm.test.ts', named: '25:' },
  { number: 26, words: 'an empty list of users', file: 'test/store/scenariosUsers.test.ts', named: '26:' },
  {
    number: 27,
    words: 'half-open connection',
    file: 'test/faults/cases/asterisk.ts',
    named: 'A1: half-open connection',
  },
  { number: 27, words: 'connection cut in mid-call', file: 'test/e2e/scenarios/trouble.ts', named: "'daemon_ami_cut'" },
  { number: 28, words: 'kill -9 while talking', file: 'test/e2e/scenarios/trouble.ts', named: "'daemon_killed'" },
  { number: 28, words: 'while ringing', file: 'test/e2e/scenarios/trouble.ts', named: "'daemon_killed_ringing'" },
  { number: 28, words: 'ended meanwhile', file: 'test/e2e/scenarios/trouble.ts', named: "'daemon_dead_at_the_end'" },
  { number: 32, words: 'the file is stable', file: 'test/store/intake.test.ts', named: 'two looks agree on its size' },
  { number: 32, words: 'the file never comes', file: 'test/store/intake.test.ts', named: 'told without a link' },
  { number: 34, words: 'many events', file: 'test/faults/cases/garbage.ts', named: 'A25: 20,000 events/s' },
  { number: 35, words: 'an extension moves at noon', file: 'test/store/scenariosUsers.test.ts', named: '35:' },
];

describe.each(
  rows.map((row) => ({ ...row, title: row.number === undefined ? row.words : `${row.number}. ${row.words}` })),
)('$title', (row) => {
  const versions = row.only === undefined ? ['ast22', 'ast16'] : [row.only];
  const names = row.capture.endsWith('@chansip')
    ? [`ast16/${row.capture}`]
    : versions.map((v) => `${v}/${row.capture}`);

  test.each(names)('%s', (name) => {
    const one = capture(name);
    const events = eventsOf(one);
    const told = toldOf(row.events?.(events) ?? events, (enterprise) => row.over?.(enterprise, one) ?? enterprise);
    expect({ popups: told.popups, history: told.history, drops: told.drops }).toEqual({
      popups: row.popups,
      history: row.history,
      drops: row.drops ?? [],
    });
    expect(new Set(told.uploads.map(({ externalId }) => externalId)).size).toBe(told.uploads.length);
    row.also?.(told, one);
  });
});

describe('30. two hosts, the same Uniqueid: two calls', () => {
  test.each(['ast22/in_queue', 'ast16/in_queue'])('%s', (name) => {
    const events = eventsOf(capture(name));
    const [first, second] = [toldOf(events), toldOf(events, undefined, 'pbx2')];
    expect(first.uploads[0]?.externalId).toMatch(/^pbx1-/);
    expect(second.uploads[0]?.externalId).toBe(first.uploads[0]?.externalId.replace('pbx1-', 'pbx2-'));
  });
});

describe("31. the clock goes back or forward in the account's zone, the PBX stands elsewhere", () => {
  // Berlin: 02:00 becomes 03:00 on 2026-03-29 at 01:00Z; 03:00 becomes 02:00 on 2026-10-25 at 01:00Z.
  test.each([
    ['2026-03-29T00:59:57Z', '2026-03-29 01:59:57'],
    ['2026-10-25T00:59:57Z', '2026-10-25 02:59:57'],
    ['2026-10-25T01:30:00Z', '2026-10-25 02:30:00'],
  ])('a call that begins at %s', (begins, date) => {
    const one = capture('ast22/in_direct_answer');
    const events = eventsOf(one);
    const shift = Date.parse(begins) - Date.parse(one.truth.calls[0]?.startedAt ?? '');
    const inBerlin = (enterprise: EnterpriseSettings): EnterpriseSettings => ({
      ...enterprise,
      retailcrm: { ...enterprise.retailcrm, timezone: 'Europe/Berlin' },
    });
    const [as, was] = [
      toldOf(
        events.map((event) => ({ ...event, at: event.at + shift })),
        inBerlin,
      ),
      toldOf(events),
    ];
    expect(as.uploads).toEqual(was.uploads.map((upload) => ({ ...upload, date, recordUrl: as.uploads[0]?.recordUrl })));
    expect(as.uploads[0]?.duration).toBeGreaterThan(0);
  });
});

describe('every numbered scenario has its proof', () => {
  test.each(elsewhere)('$number. $words: $file', ({ file, named }) => {
    const path = join(projectRoot(), file);
    expect(existsSync(path) && readFileSync(path, 'utf8').includes(named)).toBe(true);
  });

  test('1 to 38, none forgotten', () => {
    const proven = [...rows, ...elsewhere].map(({ number }) => number).filter((number) => number !== undefined);
    const all = new Set([...proven, 30, 31]);
    expect([...all].sort((a, b) => a - b)).toEqual(Array.from({ length: 38 }, (_, index) => index + 1));
  });

  test('every capture stands in a row', () => {
    const shown = new Set(rows.map((row) => row.capture));
    const plain = captures()
      .map(({ name }) => name.replace(/^.*\//, ''))
      .filter((name) => !name.includes('@'));
    expect(plain.filter((name) => !shown.has(name))).toEqual([]);
  });
});

/** Everything after the `nth` event of this kind happens `ms` later. */
function laterAfter(events: HostEvent[], kind: HostEvent['event'], nth: number, ms: number): HostEvent[] {
  const places = events.flatMap((event, index) => (event.event === kind ? [index] : []));
  const after = places[nth - 1];
  if (after === undefined) throw new Error(`the stream has no ${nth} events ${kind}`);
  return events.map((event, index) => (index > after ? { ...event, at: event.at + ms } : event));
}

/** Each phone's Hangup at the moment of its DialEnd, and before it. */
function hangupsFirst(events: HostEvent[]): HostEvent[] {
  return events.flatMap((event): HostEvent[] => {
    if (event.event === 'Hangup' && dialEnd(events, event.chan.uniqueid) !== undefined) return [];
    if (event.event !== 'DialEnd' || event.dialStatus === 'ANSWER') return [event];
    const hangup = events.find((one) => one.event === 'Hangup' && one.chan.uniqueid === event.dest.uniqueid);
    return hangup === undefined ? [event] : [{ ...hangup, at: event.at }, event];
  });
}

function dialEnd(events: HostEvent[], uniqueid: string): HostEvent | undefined {
  return events.find((one) => one.event === 'DialEnd' && one.dialStatus !== 'ANSWER' && one.dest.uniqueid === uniqueid);
}

/** VarSet events where the first Hangup of the customer was about to come. */
function recordingLast(events: HostEvent[]): HostEvent[] {
  const late = events.filter(({ event }) => event === 'VarSet');
  const rest = events.filter(({ event }) => event !== 'VarSet');
  const end = rest.findLastIndex(({ event }) => event === 'Hangup');
  const at = rest[end]?.at ?? 0;
  return [...rest.slice(0, end), ...late.map((event) => ({ ...event, at })), ...rest.slice(end)];
}
