import { describe, expect, test } from '@jest/globals';
import { neededEvents, noticedEvents, toHostEvent } from '../../../src/ami/events.ts';
import type { HostEvent } from '../../../src/calls/events.ts';
import { capture, frames, message, readText } from './support.ts';

const arrived = 5_000;
const chan = ['Channel: PJSIP/150-0001', 'ChannelStateDesc: Up', 'Uniqueid: 1.1', 'Linkedid: 1.0'];
const translate = (...lines: string[]) => toHostEvent(message(...lines), arrived);
const eventsOf = (name: string): HostEvent[] =>
  frames(capture(name), 65_536).texts.flatMap((text) => {
    const read = readText(text);
    return (read && toHostEvent(read, arrived)) ?? [];
  });

describe('a channel', () => {
  const full = {
    uniqueid: '1795342645.1',
    linkedid: 'crm-1-a',
    channel: 'PJSIP/150-00000000',
    state: 'Ring',
    callerNum: '150',
    callerName: "O'Brien",
    connectedNum: '+375290000190',
    context: 'from-internal',
    exten: 's',
    variables: { X_CRM_ID: '42' },
  };
  test('is read whole, names unescaped, set variables only', () => {
    expect(
      translate(
        'Event: Newchannel',
        'Timestamp: 1795342645.347293',
        'Channel: PJSIP/150-00000000',
        'ChannelStateDesc: Ring',
        'CallerIDNum: 150',
        "CallerIDName: O\\'Brien",
        'ConnectedLineNum: +375290000190',
        'Context: from-internal',
        'Exten: s',
        'Uniqueid: 1795342645.1',
        'Linkedid: crm-1-a',
        'ChanVariable: X_CRM_ID=42',
        'ChanVariable: REC_FILE=',
      ),
    ).toEqual({ event: 'Newchannel', at: 1795342645347.293, chan: full });
  });

  test.each(['', '<unknown>'])('%j in a field is undefined', (value) => {
    const fields = ['CallerIDNum', 'CallerIDName', 'ConnectedLineNum', 'Context', 'Exten'].map(
      (key) => `${key}: ${value}`,
    );
    expect(translate('Event: Newstate', ...chan, ...fields)).toEqual({
      event: 'Newstate',
      at: arrived,
      chan: {
        uniqueid: '1.1',
        linkedid: '1.0',
        channel: 'PJSIP/150-0001',
        state: 'Up',
        callerNum: undefined,
        callerName: undefined,
        connectedNum: undefined,
        context: undefined,
        exten: undefined,
        variables: undefined,
      },
    });
  });

  test('in a state we do not know is in state Other', () => {
    expect(translate('Event: Newstate', 'Uniqueid: 1.1', 'ChannelStateDesc: Pre-ring')).toMatchObject({
      chan: { state: 'Other', linkedid: '1.1' },
    });
  });
});

describe('one event each', () => {
  const dest = ['DestChannel: PJSIP/151-2', 'DestChannelStateDesc: Ringing', 'DestUniqueid: 1.2', 'DestLinkedid: 1.0'];
  test.each<{ name: string; lines: string[]; event: Record<string, unknown> | undefined }>([
    {
      name: 'DialBegin has both sides and the dialled string',
      lines: ['Event: DialBegin', ...chan, ...dest, 'DialString: PJSIP/151'],
      event: {
        event: 'DialBegin',
        chan: { uniqueid: '1.1' },
        dest: { uniqueid: '1.2', state: 'Ringing' },
        dialString: 'PJSIP/151',
      },
    },
    {
      name: 'DialBegin of an Originate has no dialling side',
      lines: ['Event: DialBegin', ...dest],
      event: { chan: undefined, dialString: undefined },
    },
    { name: 'DialBegin without a dialled side is none', lines: ['Event: DialBegin', ...chan], event: undefined },
    {
      name: 'DialEnd with a forward',
      lines: ['Event: DialEnd', ...chan, ...dest, 'DialStatus: CANCEL', 'Forward: Local/152@from-internal'],
      event: { dialStatus: 'CANCEL', forward: 'Local/152@from-internal' },
    },
    {
      name: 'BridgeEnter with technology and swap',
      lines: [
        'Event: BridgeEnter',
        ...chan,
        'BridgeUniqueid: b-1',
        'BridgeTechnology: holding_bridge',
        'SwapUniqueid: 1.9',
      ],
      event: { event: 'BridgeEnter', bridgeId: 'b-1', technology: 'holding_bridge', swapUniqueid: '1.9' },
    },
    { name: 'BridgeLeave', lines: ['Event: BridgeLeave', ...chan, 'BridgeUniqueid: b-1'], event: { bridgeId: 'b-1' } },
    { name: 'a bridge without an id is none', lines: ['Event: BridgeEnter', ...chan], event: undefined },
    {
      name: 'Hangup with causes',
      lines: ['Event: Hangup', ...chan, 'Cause: 17', 'TechCause: 486'],
      event: { cause: 17, techCause: '486' },
    },
    {
      name: 'Hangup without a cause',
      lines: ['Event: Hangup', ...chan],
      event: { cause: undefined, techCause: undefined },
    },
    { name: 'Hangup of no channel is none', lines: ['Event: Hangup', 'Cause: 16'], event: undefined },
    {
      name: 'VarSet of a wanted variable, unescaped',
      lines: ['Event: VarSet', ...chan, 'Variable: MIXMONITOR_FILENAME', "Value: /a/O\\'B.wav"],
      event: { event: 'VarSet', uniqueid: '1.1', linkedid: '1.0', name: 'MIXMONITOR_FILENAME', value: "/a/O'B.wav" },
    },
    {
      name: 'an inherited variable loses its underscores',
      lines: ['Event: VarSet', ...chan, 'Variable: __X_CRM_ID', 'Value: 42'],
      event: { name: 'X_CRM_ID' },
    },
    {
      name: 'another variable is none',
      lines: ['Event: VarSet', ...chan, 'Variable: FOO', 'Value: 1'],
      event: undefined,
    },
    {
      name: 'an emptied variable is none',
      lines: ['Event: VarSet', ...chan, 'Variable: X_CRM_ID', 'Value: '],
      event: undefined,
    },
    {
      name: 'a global is none',
      lines: ['Event: VarSet', 'Channel: none', 'Uniqueid: none', 'Variable: X_CRM_ID', 'Value: 1'],
      event: undefined,
    },
    { name: 'QueueCallerJoin', lines: ['Event: QueueCallerJoin', ...chan, 'Queue: sales'], event: { queue: 'sales' } },
    {
      name: "what became of an Originate is not the core's",
      lines: ['Event: OriginateResponse', ...chan, 'Response: Success', 'Reason: 4'],
      event: undefined,
    },
    {
      name: "who is paused in her queues is not the core's",
      lines: ['Event: QueueMemberPause', ...chan, 'Queue: sales', 'Paused: 1'],
      event: undefined,
    },
    {
      name: 'Shutdown for good',
      lines: ['Event: Shutdown', 'Shutdown: Cleanly', 'Restart: False'],
      event: { restart: false },
    },
    { name: 'Shutdown to come back', lines: ['Event: Shutdown', 'Restart: True'], event: { restart: true } },
    { name: 'an event the core has no use for is none', lines: ['Event: Newexten', ...chan], event: undefined },
    { name: 'an event called __proto__ is none', lines: ['Event: __proto__', ...chan], event: undefined },
    { name: 'an event called close is none', lines: ['Event: close', ...chan], event: undefined },
    { name: 'an event called error is none', lines: ['Event: error', ...chan], event: undefined },
    { name: 'a response is none', lines: ['Response: Hangup', ...chan], event: undefined },
  ])('$name', ({ lines, event }) => {
    const translated = translate(...lines);
    expect(translated === undefined).toBe(event === undefined);
    expect(translated ?? {}).toMatchObject(event ?? {});
  });
});

test.each([
  { header: 'Timestamp: 1795340067.211639', at: 1795340067211.639 },
  { header: 'Timestamp: 1795340067', at: 1795340067000 },
  { header: 'Timestamp: soon', at: arrived },
  { header: 'Timestamp: -1', at: arrived },
  { header: 'X: y', at: arrived },
])('$header means $at', ({ header, at }) => expect(translate('Event: Shutdown', header)?.at).toBe(at));

describe('real streams', () => {
  test('transfers name both parties', () => {
    const transfer = eventsOf('ast22/in_attended_dtmf').find(({ event }) => event === 'AttendedTransfer');
    expect(transfer).toMatchObject({
      transferer: { uniqueid: '1795339739.1', channel: 'PJSIP/150-00000001' },
      secondTransferer: { uniqueid: '1795339739.1' },
    });
  });

  test('a quoted name is undone as far as Asterisk quoted it', () => {
    const names = eventsOf('ast22/in_utf8_name').flatMap((one) => ('chan' in one ? (one.chan?.callerName ?? []) : []));
    expect(names).toContain('ООО \\"Ромашка\\" \\\\ Иван Щёткин');
  });

  test('channelvars come with every event, the click with its own id', () => {
    const hangups = eventsOf('ast16/click_answer@chanvars').filter((one) => one.event === 'Hangup');
    expect(hangups.map(({ chan: { uniqueid, variables } }) => ({ uniqueid, ...variables }))).toContainEqual({
      uniqueid: 'crm-1-a',
      X_CRM_ID: '42',
      REC_FILE: 'crm-1-a.wav',
    });
  });

  test.each([
    'ast22/in_direct_answer',
    'ast22/fault_restart',
    'ast16/in_attended_refer@chansip',
    'ast16/click_answer@chanvars',
  ])('every needed event of %s is translated, but for VarSet of other variables, notices and FullyBooted', (name) => {
    const read = frames(capture(name), 65_536).texts.map((text) => /^Event: (\w+)/.exec(text)?.[1] ?? '');
    const cores = (event: string) => neededEvents.has(event) && !noticedEvents.has(event);
    const expected = read.filter((event) => cores(event) && event !== 'VarSet' && event !== 'FullyBooted');
    const got = eventsOf(name).map(({ event }) => event as string);
    expect(got.filter((event) => event !== 'VarSet')).toEqual(expected);
    expect(got).toContain('Hangup');
  });
});
