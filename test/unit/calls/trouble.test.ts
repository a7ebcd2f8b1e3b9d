import { describe, expect, test } from '@jest/globals';
import type { Call } from '../../../src/calls/call.ts';
import type { HostEvent } from '../../../src/calls/events.ts';
import { HostCalls } from '../../../src/calls/hostCalls.ts';
import { EPOCH, outcome, rulesWith, Script, script, sentence, story } from '../../support/callsScript.ts';

/** 150 (phone `p`) rings for the customer `c` from 1.0 s. */
function ringing(): Script {
  return script().incoming('c').at(1000).dial('c', 'p', { ext: '150' }).ring('p');
}

/** … and has talked with her since 3.0 s. */
function talking(): Script {
  return ringing().at(3000).answer('p').up('c').bridge('b', 'p', 'c');
}

describe('resync after a connection that was away', () => {
  test('a call that spans the gap loses nothing', () => {
    const stream = talking().at(5000).disconnected().at(9000).resync().at(12_000).hangup('p').hangup('c');
    expect(outcome(stream).uploads).toEqual(['c: in answered 3+9 of 150']);
  });

  test('answered inside the gap: the moment comes from CDR(answer,u) of the phone', () => {
    const stream = ringing().at(2000).disconnected();
    stream.unheard((gap) => gap.at(3500).answer('p').up('c').bridge('b', 'p', 'c'));
    stream.at(6000).resync({ p: 3500 }).at(12_000).hangup('p').hangup('c');
    expect(outcome(stream).calls).toMatchObject([
      { result: 'answered', answeredBy: '150', waitSeconds: 3.5, talkSeconds: 8.5 },
    ]);
  });

  test('vanished before an answer: unknown, ended when the connection was lost', () => {
    const stream = ringing().at(2000).disconnected();
    stream.unheard((gap) => gap.at(3000).hangup('p').hangup('c'));
    expect(story(stream.at(6000).resync())).toContain('2 call.missed c unknown (connection lost)');
  });

  test('vanished after an answer: answered, ended when the connection was lost', () => {
    const stream = talking().at(5000).disconnected();
    stream.unheard((gap) => gap.at(6000).hangup('p').hangup('c'));
    expect(story(stream.at(9000).resync())).toContain('5 call.finished c answered (connection lost)');
  });

  test("joined late: a call that was running when we came is marked, its start is the channel's", () => {
    const stream = new Script();
    stream.unheard((before) =>
      before
        .incoming('c')
        .at(1000)
        .dial('c', 'p', { ext: '150' })
        .ring('p')
        .at(3000)
        .answer('p')
        .up('c')
        .bridge('b', 'p', 'c'),
    );
    const host = new HostCalls(rulesWith());
    for (const event of stream.at(10_000).resync({ p: 3000 }).events) host.apply(event);
    expect(host.calls()).toMatchObject([
      { externalId: 'pbx1-c', state: 'talking', startedAt: EPOCH, answeredAt: EPOCH + 3000, joinedLate: true },
    ]);
    const facts = stream
      .at(12_000)
      .hangup('p')
      .hangup('c')
      .events.slice(1)
      .flatMap((event) => host.apply(event));
    expect(facts.map(sentence)).toContain('12 call.finished c answered');
  });

  test('joined late, in a queue: the snapshot names the queue and since when she waits', () => {
    const stream = new Script();
    stream.unheard((before) => before.incoming('c').up('c'));
    const snapshot = stream.at(20_000).resync().events.at(-1);
    if (snapshot?.event !== 'Resync') throw new Error('no snapshot');
    const host = new HostCalls(rulesWith());
    const queued = [{ uniqueid: 'c', queue: 'sales', seconds: 15 }];
    host.apply({ ...snapshot, queued });
    const [call] = host.calls();
    expect(call).toMatchObject({ queue: 'sales', offeredAt: EPOCH + 5000 });
    expect(call?.story.map(({ says }) => says)).toEqual([
      'begins on PJSIP/provider-by-00000001; it ran already when we came',
      'the line is up; nobody talks yet',
      'waits in queue sales',
    ]);
    expect(host.apply({ ...snapshot, queued })).toEqual([]);
    expect(host.calls()).toEqual([call]);
  });

  test('the same snapshot twice changes nothing', () => {
    const host = new HostCalls(rulesWith());
    for (const event of talking().events) host.apply(event);
    const snapshot = talking().at(5000).resync().events.at(-1);
    if (snapshot === undefined) throw new Error('no snapshot');
    expect(host.apply(snapshot)).toEqual([]);
    const before = host.calls();
    expect(host.apply(snapshot)).toEqual([]);
    expect(host.calls()).toEqual(before);
  });

  test('events that are older than the snapshot come again and change nothing', () => {
    const stream = talking();
    const again = [...stream.events];
    stream.at(5000).resync();
    stream.events.push(...again);
    expect(outcome(stream.at(12_000).hangup('p').hangup('c'))).toMatchObject({
      uploads: ['c: in answered 3+9 of 150'],
      popups: ['1.15 in 150', '12 hangup 150 answered'],
    });
  });

  test('29: the PBX restarts in mid-call: the calls are closed with that detail', () => {
    expect(story(talking().at(5000).disconnected().at(7000).restarted())).toContain(
      '5 call.finished c answered (pbx restarted)',
    );
    expect(story(ringing().at(2000).disconnected().at(7000).restarted())).toContain(
      '2 call.missed c unknown (pbx restarted)',
    );
  });
});

describe('28: our own restart', () => {
  /** Applies until here, then a new HostCalls takes the saved calls up. */
  function restart(
    before: Script,
    after: (script: Script) => Script,
  ): { host: HostCalls; facts: string[]; saved: Call[] } {
    const rules = rulesWith();
    const first = new HostCalls(rules);
    for (const event of before.events) first.apply(event);
    const saved = JSON.parse(JSON.stringify(first.calls())) as Call[];
    const host = new HostCalls(rules);
    host.restore(saved);
    const heard = before.events.length;
    const facts = after(before)
      .events.slice(heard)
      .flatMap((event) => host.apply(event));
    return { host, facts: facts.map(sentence), saved };
  }

  test('a call that still lives is finished as if nothing had happened', () => {
    const { facts, host } = restart(talking(), (script) => script.at(9000).resync().at(12_000).hangup('p').hangup('c'));
    expect(facts).toEqual(['12 call.finished c answered']);
    host.apply({ event: 'Tick', at: EPOCH + 60_000 });
    expect(host.weight).toBe(0);
  });

  test('what an employee dials after her call ended unheard is a call of its own, no consultation', () => {
    const { facts } = restart(talking(), (script) => {
      script
        .at(5000)
        .unheard((gap) =>
          gap
            .hangup('p')
            .hangup('c')
            .at(7000)
            .employee('e', '150', '80290000170')
            .dial('e', 't', { trunk: 'provider-by', number: '80290000170' }),
        );
      return script.at(9000).resync().at(12_000).hangup('t').hangup('e');
    });
    expect(facts).toEqual([
      expect.stringMatching(/call\.finished c answered \(connection lost\)/),
      expect.stringMatching(/call\.outgoing e/),
      expect.stringMatching(/call\.missed e/),
    ]);
  });

  test('a call that rang is answered afterwards', () => {
    const { facts } = restart(ringing().at(1500).tick(), (script) =>
      script.at(2000).resync().at(3000).answer('p').up('c').bridge('b', 'p', 'c').at(9000).hangup('p').hangup('c'),
    );
    expect(facts).toEqual(['3 call.answered by 150', '9 call.finished c answered']);
  });

  test('a call that ended meanwhile is closed once', () => {
    const { facts, host } = restart(talking().at(5000), (script) => {
      script.unheard((gap) => gap.at(6000).hangup('p').hangup('c'));
      return script.at(9000).resync();
    });
    expect(facts).toEqual(['9 call.finished c answered (connection lost)']);
    expect(host.weight).toBe(0);
  });

  test('a consultation that was under way is no call of the CRM', () => {
    const { facts } = restart(
      talking().at(5000).employee('k', '152', '151').dial('k', 't', { ext: '151' }).ring('t'),
      (script) => script.at(9000).resync().at(10_000).hangup('t').hangup('k').at(12_000).hangup('p').hangup('c'),
    );
    expect(facts.filter((fact) => fact.includes('call.'))).toEqual(['12 call.finished c answered']);
  });
});

describe('36: allowed reorderings give the same call', () => {
  const heard = outcome(talking().at(9000).hangup('p').hangup('c'));

  const kinds =
    (...names: HostEvent['event'][]) =>
    (event: HostEvent): boolean =>
      names.includes(event.event);
  const swap = (events: HostEvent[], one: number, other: number): HostEvent[] => {
    const [a, b] = [events[one], events[other]];
    if (a === undefined || b === undefined) throw new Error('nothing to swap');
    return events.with(one, b).with(other, a);
  };

  test('Hangup of a loser before her DialEnd', () => {
    const build = (late: boolean): Script => {
      const stream = script()
        .incoming('c')
        .at(1000)
        .dial('c', 'p', { ext: '150' })
        .ring('p')
        .dial('c', 'q', { ext: '151' })
        .ring('q');
      stream.at(3000).answer('p').up('c').bridge('b', 'p', 'c').dialEnd('q', 'CANCEL').hangup('q', 26);
      if (late) stream.events.push(...stream.events.splice(-2).reverse());
      return stream.at(9000).hangup('p').hangup('c');
    };
    expect(outcome(build(true))).toEqual(outcome(build(false)));
  });

  test('the phone enters the bridge after the customer', () => {
    const { events } = talking().at(9000).hangup('p').hangup('c');
    const enters = events.flatMap((event, i) => (kinds('BridgeEnter')(event) ? [i] : []));
    expect(outcome(swap(events, enters[0] ?? -1, enters[1] ?? -1))).toEqual(heard);
  });

  test('a DialEnd a second after everything is over', () => {
    const stream = talking().at(9000).hangup('p').hangup('c');
    const end = stream.events.find(kinds('DialEnd'));
    if (end === undefined) throw new Error('no DialEnd');
    expect(outcome([...stream.events, { ...end, at: EPOCH + 10_000 }])).toEqual(heard);
  });

  test("a recording told late is still the call's", () => {
    const stream = talking().at(8000).variable('c', 'MIXMONITOR_FILENAME', '/var/spool/asterisk/monitor/c.wav');
    expect(outcome(stream.at(9000).hangup('p').hangup('c')).calls).toMatchObject([{ recording: 'c.wav' }]);
  });

  test('events of channels that are gone do not bring them back', () => {
    const stream = talking();
    const stale = stream.events.slice(0, 4);
    stream.at(9000).hangup('p').hangup('c');
    const again = stale.map((event): HostEvent => ({ ...event, at: EPOCH + 10_000 }));
    expect(outcome([...stream.events, ...again])).toEqual(heard);
  });
});

test('30: two hosts with the same Uniqueids: two calls', () => {
  const stream = talking().at(9000).hangup('p').hangup('c');
  const ids = ['pbx1', 'pbx2'].flatMap((hostId) =>
    outcome(stream, {}, { hostId }).calls.map((call) => call.externalId),
  );
  expect(ids).toEqual(['pbx1-c', 'pbx2-c']);
});

test('31: a PBX whose clock goes back an hour: no negative duration', () => {
  const stream = talking()
    .at(3000 - 3_600_000)
    .hangup('p')
    .hangup('c');
  expect(outcome(stream).calls).toMatchObject([{ waitSeconds: 3, talkSeconds: 0 }]);
});
