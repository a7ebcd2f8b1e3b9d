import { describe, expect, test } from '@jest/globals';
import type { LiveCall } from '../../../src/calls/live.ts';
import { HostCalls } from '../../../src/calls/hostCalls.ts';
import { capture, captures, eventsOf } from '../../support/callsCaptures.ts';
import { rulesWith, type Script, script } from '../../support/callsScript.ts';

function live(events: Script): LiveCall[] {
  const calls = new HostCalls(rulesWith());
  for (const event of events.events) calls.apply(event);
  return calls.live();
}

/** `pbx1-c in: customer c; 150 e talking`. */
function shape(calls: readonly LiveCall[]): string[] {
  return calls.map(({ externalId, direction, customer, legs }) => {
    const parts = legs.map(
      ({ ext, uniqueid, up, talking }) => `${ext} ${uniqueid} ${talking ? 'talking' : up ? 'up' : 'rings'}`,
    );
    return [`${externalId} ${direction}: customer ${customer?.uniqueid ?? '-'}`, ...parts].join('; ');
  });
}

const rings = (): Script =>
  script().incoming('c').dial('c', 'a', { ext: '150' }).dial('c', 'b', { ext: '151' }).ring('a', 'b');
const talks = (): Script => rings().answer('a').hangup('b').up('c').bridge('b1', 'a', 'c');
/** 150 dialled a customer, who answered. */
const dialled = (): Script =>
  script()
    .employee('e', '150', '80290000001')
    .dial('e', 'o', { number: '80290000001' })
    .answer('o')
    .up('e')
    .bridge('b1', 'e', 'o');
const click = (): Script => script().dial(undefined, 'k', { ext: '150', shows: '+375290000001' }).ring('k');

describe('live calls', () => {
  test.each<{ words: string; events: Script; calls: string[] }>([
    { words: 'nothing', events: script(), calls: [] },
    { words: 'a customer in the menu', events: script().incoming('c').up('c'), calls: ['pbx1-c in: customer c'] },
    { words: 'two phones ring', events: rings(), calls: ['pbx1-c in: customer c; 150 a rings; 151 b rings'] },
    { words: 'one took it', events: talks(), calls: ['pbx1-c in: customer c; 150 a talking'] },
    { words: 'who dialled talks', events: dialled(), calls: ['pbx1-e out: customer o; 150 e talking'] },
    {
      words: 'who dials is part of the call before the customer answers',
      events: script().employee('e', '150', '80290000001').dial('e', 'o', { number: '80290000001' }),
      calls: ['pbx1-e out: customer o; 150 e up'],
    },
    {
      words: "a click that rings at the employee's phone",
      events: click(),
      calls: ['pbx1-k out: customer -; 150 k rings'],
    },
    {
      words: 'a click that dials the customer is one call, not two',
      events: click().answer('k').dial('k', 'o', { number: '+375290000001' }),
      calls: ['pbx1-k out: customer o; 150 k up'],
    },
    {
      words: 'a consultation: she is up, but not with the customer',
      events: talks()
        .leave('a')
        .local('l', 'c', '152')
        .bridge('b2', 'a', 'l;1')
        .dial('l;2', 'd', { ext: '152' })
        .ring('d'),
      calls: ['pbx1-c in: customer c; 150 a up; 152 d rings'],
    },
    {
      words: 'the customer is parked: nobody talks',
      events: talks().hangup('a').leave('c').enter('park', 'c', 'holding_bridge'),
      calls: ['pbx1-c in: customer c'],
    },
    {
      words: 'employees among themselves',
      events: script().employee('e', '150', '151').dial('e', 'f', { ext: '151' }).answer('f').bridge('b', 'e', 'f'),
      calls: ['pbx1-e internal: customer f; 150 e talking; 151 f talking'],
    },
    {
      words: 'two calls of one employee',
      events: talks().incoming('c2', { from: '+375290000002' }).dial('c2', 'a2', { ext: '150' }).ring('a2'),
      calls: ['pbx1-c in: customer c; 150 a talking', 'pbx1-c2 in: customer c2; 150 a2 rings'],
    },
    { words: 'it is over', events: talks().hangup('c').hangup('a'), calls: [] },
  ])('$words', ({ events, calls }) => {
    expect(shape(live(events))).toEqual(calls);
  });

  test('channels have the names Asterisk knows them by', () => {
    const [call] = live(talks());
    expect(call?.customer?.channel).toMatch(/^PJSIP\/provider-by-[0-9a-f]{8}$/);
    expect(call?.legs[0]?.channel).toMatch(/^PJSIP\/150-[0-9a-f]{8}$/);
  });

  // Looking must not touch: with and without it the calls end the same way.
  test.each(captures().map(({ name }) => name))(
    'at every moment of %s: legs are channels that live, looking changes nothing',
    (name) => {
      const events = eventsOf(capture(name));
      const [watched, alone] = [new HostCalls(rulesWith()), new HostCalls(rulesWith())];
      const alive = new Set<string>();
      const ghosts: string[] = [];
      for (const event of events) {
        if ('chan' in event && event.chan !== undefined) {
          if (event.event === 'Hangup') alive.delete(event.chan.uniqueid);
          else alive.add(event.chan.uniqueid);
        }
        if ('dest' in event) alive.add(event.dest.uniqueid);
        if (event.event === 'Resync') for (const one of event.channels) alive.add(one.uniqueid);
        expect(watched.apply(event)).toEqual(alone.apply(event));
        ghosts.push(
          ...watched
            .live()
            .flatMap(({ legs }) => legs.map(({ uniqueid }) => uniqueid))
            .filter((id) => !alive.has(id)),
        );
      }
      expect(ghosts).toEqual([]);
    },
  );
});
