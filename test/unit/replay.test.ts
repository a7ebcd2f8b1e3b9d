import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { HostEvent } from '../../src/calls/events.ts';
import { CaptureError, type CaptureSegment, hostEvents, readCapture } from '../../src/capture.ts';
import { type ReplayLine, replay } from '../../src/replay.ts';
import { capture, eventsOf, example } from '../support/callsCaptures.ts';
import { EPOCH, Script } from '../support/callsScript.ts';

const { rules, settings } = example();

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'capture-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Writes a capture; `index` as the lines of its `.idx.jsonl`. */
function file(name: string, stream: string, index?: readonly unknown[]): string {
  const path = join(dir, name);
  writeFileSync(path, stream);
  const lines = index?.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
  if (lines !== undefined) writeFileSync(path.replace('.ami', '.idx.jsonl'), `${lines.join('\n')}\n`);
  return path;
}

const newchannel = (uniqueid: string, more = ''): string =>
  `Event: Newchannel\r\n${more}Channel: PJSIP/provider-by-0000000${uniqueid}\r\nChannelStateDesc: Ring\r\nCallerIDNum: +375290000001\r\nContext: from-trunk\r\nExten: +375171234501\r\nUniqueid: 1.${uniqueid}\r\nLinkedid: 1.${uniqueid}\r\n\r\n`;

describe('reading a capture', () => {
  test('the clock is Timestamp where the stream has it', () => {
    const stream = newchannel('1', 'Timestamp: 1795338000.250000\r\n');
    expect(
      readCapture(file('a.ami', stream, [{ opened: 1, closed: null }, [0, stream.length, 5]])).events,
    ).toMatchObject([{ event: 'Newchannel', at: 1_795_338_000_250 }]);
  });

  test('… else the time of arrival of the chunk that completes the event', () => {
    const [one, other] = [newchannel('1'), newchannel('2')];
    const index = [
      { opened: 100, closed: null },
      [0, one.length + 10, 101.5],
      [one.length + 10, other.length - 10, 102.25],
    ];
    const { events } = readCapture(file('a.ami', one + other, index));
    expect(events.map((event) => event.at)).toEqual([101_500, 102_250]);
  });

  test('bytes after the last chunk of the index are read too', () => {
    const stream = newchannel('1') + newchannel('2');
    const { events } = readCapture(file('a.ami', stream, [{ opened: 100, closed: null }, [0, 10, 101]]));
    expect(events).toHaveLength(2);
  });

  test('uptime is what FullyBooted says; events the core does not need are skipped', () => {
    const stream = `Event: FullyBooted\r\nUptime: 7\r\n\r\nEvent: RTCPSent\r\nUniqueid: 1.1\r\n\r\n${newchannel('1')}`;
    expect(readCapture(file('a.ami', stream))).toMatchObject({ uptime: 7, events: [{ event: 'Newchannel' }] });
  });

  test.each([
    { what: 'a header without a time', index: [{ closed: 5 }], says: /a\.idx\.jsonl:1: needs \{"opened"/ },
    { what: 'a chunk that is no triple', index: [{ opened: 1 }, [0, 10]], says: /a\.idx\.jsonl:2: needs \[offset/ },
    { what: 'text that is no JSON', index: [{ opened: 1 }, '{oops'], says: /a\.idx\.jsonl:2: is not JSON/ },
  ])('$what in the index is told with file and line', ({ index, says }) => {
    const path = file('a.ami', newchannel('1'), index);
    expect(() => readCapture(path)).toThrow(says);
    expect(() => readCapture(path)).toThrow(CaptureError);
  });

  test('a file that is not there', () => {
    expect(() => readCapture(join(dir, 'none.ami'))).toThrow(/none\.ami: cannot be read/);
  });
});

describe('segments of one host', () => {
  const segment = (events: HostEvent[], index: CaptureSegment['index'], uptime?: number): CaptureSegment => ({
    path: 'x.ami',
    events,
    index,
    uptime,
  });
  const first = new Script().incoming('c').events;
  const then = new Script(60_000).incoming('d').events;
  const closedAt = EPOCH / 1000 + 10;
  const kinds = (segments: CaptureSegment[]): string[] => [...hostEvents(segments)].map((event) => event.event);

  test.each([
    { what: 'an uptime shorter than the gap means a restart', uptime: 3, resync: ['Resync'] },
    { what: 'an uptime that is a little longer too: it is told in whole seconds', uptime: 42, resync: ['Resync'] },
    { what: 'a longer one means only the connection was lost', uptime: 4000, resync: [] },
    { what: 'nor does an unknown one end anything', uptime: undefined, resync: [] },
  ])('$what', ({ uptime, resync }) => {
    const segments = [
      segment(first, { opened: EPOCH / 1000, closed: closedAt, chunks: [] }),
      segment(then, { opened: closedAt + 40, closed: null, chunks: [] }, uptime),
    ];
    expect(kinds(segments)).toEqual(['Newchannel', 'Disconnected', ...resync, 'Newchannel']);
  });

  test('a connection that ended under the recorder ends what lived', () => {
    const events = [...hostEvents([segment(first, { opened: EPOCH / 1000, closed: closedAt, chunks: [] })])];
    expect(events.slice(1)).toEqual([
      { event: 'Disconnected', at: EPOCH + 10_000 },
      { event: 'Resync', at: EPOCH + 10_000, channels: [], fresh: true },
    ]);
  });

  test('a recorder that was stopped ends nothing', () => {
    expect(kinds([segment(first, { opened: EPOCH / 1000, closed: null, chunks: [] })])).toEqual(['Newchannel']);
    expect(kinds([segment(first, undefined)])).toEqual(['Newchannel']);
  });
});

describe('the lines of replay', () => {
  const short = (line: ReplayLine): string =>
    line.type === 'request' ? `${line.method} ${line.path} ${Object.keys(line.form).join()}` : line.type;

  test('requests in the order they would be sent, the call when it is over', () => {
    const lines = [...replay(eventsOf(capture('ast22/in_direct_answer')), rules, settings)];
    expect(lines.map(short)).toEqual([
      'POST /api/v5/telephony/call/event event',
      'POST /api/v5/telephony/call/event event',
      'POST /api/v5/telephony/calls/upload calls',
      'call',
    ]);
  });

  test('a call that lives when the stream ends is told with what is known', () => {
    const stream = new Script().incoming('c').wait(500).dial('c', 'p', { ext: '150' }).ring('p');
    const lines = [...replay(stream.events, rules, settings)];
    expect(lines.map(short)).toEqual(['POST /api/v5/telephony/call/event event', 'call']);
    expect(lines.at(-1)).toMatchObject({ result: 'unknown', endedAt: null });
  });

  test('deadlines fall due between events, not with the next one', () => {
    const stream = new Script()
      .incoming('c')
      .dial('c', 'p', { ext: '150' })
      .ring('p')
      .wait(20_000)
      .hangup('p')
      .hangup('c');
    const [popup] = [...replay(stream.events, rules, settings)];
    expect(popup).toMatchObject({ type: 'request', at: new Date(EPOCH + 150).toISOString() });
  });

  test('without a disk to look at, the recording is taken to be there', () => {
    const lines = [
      ...replay(eventsOf(capture('ast22/in_direct_answer')), rules, {
        ...settings,
        recordingPath: () => '/monitor/c.wav',
      }),
    ];
    const uploads = lines.flatMap((line) =>
      line.type === 'request' && line.form['calls'] !== undefined ? [line.form['calls']] : [],
    );
    expect(uploads).toHaveLength(1);
    expect(JSON.parse(uploads[0] ?? '[]')).toMatchObject([
      { recordUrl: expect.stringMatching(/^https:\/\/rec\.example\/.*\.wav$/) },
    ]);
  });

  test('an empty stream says nothing', () => {
    expect([...replay([], rules, settings)]).toEqual([]);
  });
});

describe('what a recorded call leaves behind', () => {
  const told = (when: readonly ('in_missed' | 'in_answered')[], name: string): string[] => {
    const { rules: of, settings: by } = example((shipped) => ({
      ...shipped,
      customers: {
        ...shipped.customers,
        create: { ...shipped.customers.create, when },
        missed: { order: undefined, task: { text: 't', withinMinutes: 5, performer: 'responsible' }, note: undefined },
      },
    }));
    const lines = [...replay(eventsOf(capture(name)), of, by)];
    return lines.flatMap((line) => (line.type === 'errand' ? [line.errand.do] : []));
  };
  test.each<{ name: string; capture: string; when: ('in_missed' | 'in_answered')[]; leaves: string[] }>([
    {
      name: 'answered: a card, told once',
      capture: 'ast22/in_direct_answer',
      when: ['in_answered'],
      leaves: ['customer'],
    },
    { name: 'answered, by another rule: nothing', capture: 'ast22/in_direct_answer', when: ['in_missed'], leaves: [] },
    {
      name: 'missed: a card and a task',
      capture: 'ast22/in_direct_abandon',
      when: ['in_missed'],
      leaves: ['customer', 'task'],
    },
    { name: 'hidden number: nothing', capture: 'ast22/in_anonymous', when: ['in_missed', 'in_answered'], leaves: [] },
    { name: 'internal: nothing', capture: 'ast22/internal_call', when: ['in_missed', 'in_answered'], leaves: [] },
  ])('$name', ({ capture: name, when, leaves }) => {
    expect(told(when, name)).toEqual(leaves);
  });
});
