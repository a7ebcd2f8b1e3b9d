import { describe, expect, test } from '@jest/globals';
import {
  atxfer,
  blindTransfer,
  type Built,
  callerName,
  cancelAtxfer,
  chanSpy,
  deviceState,
  hangup,
  isDialable,
  originate,
  phoneChannel,
  queuePause,
  redirect,
} from '../../../src/ami/control.ts';
import { encodeAction } from '../../../src/ami/outgoing.ts';
import { hostileStrings } from '../../support/hostileStrings.ts';

/** The action as it goes over the wire; what is wrong with it in its place. */
function wire(built: Built): string[] {
  if (built.refused !== undefined) return [built.refused];
  const { bytes, refused } = encodeAction(built.action, 'id-1');
  return bytes === undefined
    ? [refused]
    : bytes
        .toString()
        .split('\r\n')
        .filter((line) => line !== '');
}

const click = {
  ...{ channel: 'PJSIP/150', context: 'from-internal', exten: '+375291112233', priority: 1, timeoutMs: 30_000 },
  ...{ callerNumber: '+375291112233', callerName: 'Anna', channelId: 'crm-1', variables: { __X_CRM_ID: 'crm-1' } },
};
const spy = {
  ...{ channel: 'PJSIP/152', target: 'PJSIP/150-00000001', mode: 'listen' as const, timeoutMs: 30_000 },
  ...{ callerNumber: '150', channelId: 'spy-1' },
};

describe('what is written', () => {
  test.each<{ words: string; built: Built; lines: string[] }>([
    {
      words: 'a click',
      built: originate(click),
      lines: [
        ...['Action: Originate', 'Channel: PJSIP/150', 'Context: from-internal', 'Exten: +375291112233', 'Priority: 1'],
        ...['Timeout: 30000', 'CallerID: "Anna" <+375291112233>', 'Async: true', 'ChannelId: crm-1'],
        'Variable: __X_CRM_ID=crm-1',
      ],
    },
    {
      words: 'a click that her PJSIP phone answers by itself',
      built: originate({
        ...click,
        variables: { 'PJSIP_HEADER(add,Alert-Info)': '<info@shop>;info=alert-autoanswer' },
      }),
      lines: [
        ...['Action: Originate', 'Channel: PJSIP/150', 'Context: from-internal', 'Exten: +375291112233', 'Priority: 1'],
        ...['Timeout: 30000', 'CallerID: "Anna" <+375291112233>', 'Async: true', 'ChannelId: crm-1'],
        'Variable: PJSIP_HEADER(add,Alert-Info)=<info@shop>;info=alert-autoanswer',
      ],
    },
    {
      words: 'somebody listens',
      built: chanSpy(spy),
      lines: [
        ...['Action: Originate', 'Channel: PJSIP/152', 'Application: ChanSpy', 'Data: PJSIP/150-00000001,qEb'],
        ...['Timeout: 30000', 'CallerID: "Monitor 150" <150>', 'Async: true', 'ChannelId: spy-1'],
      ],
    },
    {
      words: 'a blind transfer',
      built: blindTransfer('PJSIP/150-00000001', 'from-internal', '151'),
      lines: ['Action: BlindTransfer', 'Channel: PJSIP/150-00000001', 'Exten: 151', 'Context: from-internal'],
    },
    {
      words: 'a consultation',
      built: atxfer('SIP/150-00000001', 'from-internal', '*97'),
      lines: ['Action: Atxfer', 'Channel: SIP/150-00000001', 'Exten: *97', 'Context: from-internal'],
    },
    {
      words: 'its end',
      built: cancelAtxfer('PJSIP/150-00000001'),
      lines: ['Action: CancelAtxfer', 'Channel: PJSIP/150-00000001'],
    },
    {
      words: 'a redirect',
      built: redirect('Local/150@from-queue-00000001;2', 'shop', '600', 2),
      lines: [
        ...['Action: Redirect', 'Channel: Local/150@from-queue-00000001;2', 'Context: shop', 'Exten: 600'],
        'Priority: 2',
      ],
    },
    {
      words: 'a hangup',
      built: hangup('PJSIP/provider-by-00000001'),
      lines: ['Action: Hangup', 'Channel: PJSIP/provider-by-00000001', 'Cause: 16'],
    },
    {
      words: 'a pause in one queue',
      built: queuePause('PJSIP/150', true, 'sales', 'dinner'),
      lines: ['Action: QueuePause', 'Interface: PJSIP/150', 'Paused: true', 'Queue: sales', 'Reason: dinner'],
    },
    {
      words: 'its end in all',
      built: queuePause('Local/150@from-queue/n', false, undefined, ''),
      lines: ['Action: QueuePause', 'Interface: Local/150@from-queue/n', 'Paused: false', 'Reason: '],
    },
    {
      words: 'the state of a phone',
      built: deviceState('PJSIP/150'),
      lines: ['Action: Getvar', 'Variable: DEVICE_STATE(PJSIP/150)'],
    },
  ])('$words', ({ built, lines }) => {
    expect(wire(built).filter((line) => line !== 'ActionID: id-1')).toEqual(lines);
  });

  test.each([
    ['whisper', 'qEbw'],
    ['barge', 'qEbB'],
  ] as const)('%s is an option of ChanSpy, and no other text is', (mode, options) => {
    expect(wire(chanSpy({ ...spy, mode }))).toContain(`Data: PJSIP/150-00000001,${options}`);
  });

  test('a name nobody has is left out', () => {
    expect(wire(originate({ ...click, callerName: undefined }))).toContain('CallerID: <+375291112233>');
    expect(wire(originate({ ...click, callerName: '"<>\\\u0000' }))).toContain('CallerID: <+375291112233>');
  });
});

describe('what is refused', () => {
  test.each<{ words: string; built: Built }>([
    { words: 'channel', built: originate({ ...click, channel: 'PJSIP/150&PJSIP/900' }) },
    { words: 'channel', built: originate({ ...click, channel: '150' }) },
    { words: 'context', built: originate({ ...click, context: 'from-internal,1' }) },
    { words: 'exten', built: originate({ ...click, exten: '' }) },
    { words: 'exten', built: originate({ ...click, exten: '1'.repeat(21) }) },
    { words: 'exten', built: originate({ ...click, exten: '${SHELL(id)}' }) },
    { words: 'exten', built: originate({ ...click, exten: '١٢٣' }) },
    { words: 'priority', built: originate({ ...click, priority: 0 }) },
    { words: 'priority', built: originate({ ...click, priority: 1.5 }) },
    { words: 'timeout', built: originate({ ...click, timeoutMs: Number.NaN }) },
    { words: 'callerNumber', built: originate({ ...click, callerNumber: '+375 29' }) },
    { words: 'channelId', built: originate({ ...click, channelId: 'crm 1' }) },
    { words: 'variables', built: originate({ ...click, variables: { A: '1,B=2' } }) },
    { words: 'variables', built: originate({ ...click, variables: { 'SHELL(id)': '1' } }) },
    { words: 'variables', built: originate({ ...click, variables: { 'PJSIP_HEADER(add,A),SHELL(id)': '1' } }) },
    { words: 'variables', built: originate({ ...click, variables: { 'PJSIP_HEADER(read,A)': '1' } }) },
    { words: 'target', built: chanSpy({ ...spy, target: 'PJSIP/150,qEbX' }) },
    { words: 'target', built: chanSpy({ ...spy, target: '' }) },
    { words: 'channel', built: hangup('/PJSIP.*/') },
    { words: 'cause', built: hangup('PJSIP/150-00000001', 999) },
    { words: 'queue', built: queuePause('PJSIP/150', true, 'a,b', '') },
    { words: 'reason', built: queuePause('PJSIP/150', true, undefined, 'x\r\nAction: Command') },
    { words: 'device', built: deviceState('PJSIP/150)})') },
  ])('a wrong $words', ({ words, built }) => {
    expect(built.refused).toBe(`${words} is not what it must be`);
  });

  const hostile = hostileStrings(10_000);
  const clean = /^[0-9+*#]{1,20}$/;

  test('ten thousand hostile texts in any place: refused, or digits', () => {
    const passed = hostile.filter((text) => {
      const builds: Built[] = [
        originate({ ...click, exten: text }),
        originate({ ...click, callerNumber: text }),
        blindTransfer('PJSIP/150-00000001', 'from-internal', text),
        atxfer('PJSIP/150-00000001', 'from-internal', text),
        redirect('PJSIP/150-00000001', 'from-internal', text, 1),
      ];
      const channel = phoneChannel('PJSIP/{extension}', text);
      return isDialable(text) || channel !== undefined || builds.some(({ refused }) => refused === undefined);
    });
    expect(passed.filter((text) => !clean.test(text))).toEqual([]);
  });

  test('ten thousand hostile names: one line, one pair of quotes, forty characters', () => {
    for (const text of hostile) {
      const name = callerName(text);
      expect(Array.from(name).length).toBeLessThanOrEqual(40);
      expect(name).not.toMatch(/["\\<>\p{Cc}]/u);
      const lines = wire(originate({ ...click, callerName: text }));
      expect(lines.filter((line) => line.startsWith('CallerID: '))).toHaveLength(1);
      expect(lines).toHaveLength(11);
    }
  });
});

describe('names', () => {
  test.each([
    ['Anna', 'Anna'],
    ['  Анна   Лисица ', 'Анна Лисица'],
    ['a\tb\nc', 'a b c'],
    ['"Bobby" <100>', 'Bobby 100'],
    ['x'.repeat(50), 'x'.repeat(40)],
    ['\u202egnp.exe', 'gnp.exe'],
    ['', ''],
  ])('%j is shown as %j', (given, shown) => {
    expect(callerName(given)).toBe(shown);
  });
});
