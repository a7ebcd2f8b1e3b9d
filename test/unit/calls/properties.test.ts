import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Call, Fact } from '../../../src/calls/call.ts';
import type { HostEvent } from '../../../src/calls/events.ts';
import { HostCalls } from '../../../src/calls/hostCalls.ts';
import { recordOf } from '../../../src/calls/record.ts';
import { byTime, callKinds, generate, oneCall, random, snapshot } from '../../support/callsGenerator.ts';
import { EPOCH, rulesWith } from '../../support/callsScript.ts';

const rules = rulesWith();

/** All facts of a stream, with the ticks the daemon would give and an end of everything. */
function facts(events: readonly HostEvent[], host = new HostCalls(rules)): Fact[] {
  const told: Fact[] = [];
  for (const event of events) {
    for (let due = host.wakeAt(); due !== undefined && due < event.at; due = host.wakeAt()) {
      told.push(...host.apply({ event: 'Tick', at: due }));
    }
    told.push(...host.apply(event));
  }
  return told;
}

/**
 * The stream, then a restart of the PBX that ends whatever still lives, then some time.
 * @param since the host's time so far: there may be no event left to tell it
 */
function toTheEnd(events: readonly HostEvent[], host = new HostCalls(rules), since = EPOCH): Fact[] {
  const last = Math.max(since, ...events.map((event) => event.at));
  const told = facts(events, host);
  told.push(...host.apply({ event: 'Disconnected', at: last + 1 }));
  told.push(...host.apply({ event: 'Resync', at: last + 2, channels: [], fresh: true }));
  told.push(...host.apply({ event: 'Tick', at: last + 60_000 }));
  return told;
}

/** The channel an event is about. */
function channelOf(event: HostEvent): string | undefined {
  if (event.event === 'DialBegin' || event.event === 'DialEnd') return event.dest.uniqueid;
  return 'chan' in event ? event.chan.uniqueid : undefined;
}

/** What no stream may break, as sentences; empty = all is well. */
function troubles(told: readonly Fact[]): string[] {
  const found: string[] = [];
  const begun = new Map<string, number>();
  const ended = new Map<string, number>();
  const answered = new Set<string>();
  const count = (map: Map<string, number>, id: string): void => void map.set(id, (map.get(id) ?? 0) + 1);
  for (const fact of told) {
    const call = 'call' in fact ? fact.call : undefined;
    if (call === undefined || fact.fact === 'dropped') continue;
    const id = call.externalId;
    if (ended.has(id)) found.push(`${id}: ${fact.fact} after the end`);
    if (fact.fact === 'call.incoming' || fact.fact === 'call.outgoing') count(begun, id);
    if (fact.fact === 'call.answered') {
      if (answered.has(id)) found.push(`${id}: answered twice`);
      answered.add(id);
    }
    if (fact.fact !== 'call.finished' && fact.fact !== 'call.missed') continue;
    count(ended, id);
    // A click whose employee never picked up ends without having begun: the customer was never called.
    if (call.originated && call.customerUniqueid === undefined) count(begun, id);
    found.push(...inRecord(call, answered.has(id), fact.fact));
  }
  for (const id of new Set([...begun.keys(), ...ended.keys()])) {
    if (begun.get(id) !== 1 || ended.get(id) !== 1) {
      found.push(`${id}: began ${String(begun.get(id) ?? 0)} times, ended ${String(ended.get(id) ?? 0)} times`);
    }
  }
  return found;
}

function inRecord(call: Call, answered: boolean, fact: Fact['fact']): string[] {
  const record = recordOf(call, rules.policies);
  const { externalId: id, waitSeconds: wait, talkSeconds: talk, result } = record;
  const found: string[] = [];
  if (answered !== (result === 'answered'))
    found.push(`${id}: answered ${String(answered)}, but the result is ${result}`);
  if (answered !== (fact === 'call.finished')) found.push(`${id}: answered ${String(answered)}, but ${fact}`);
  if (wait < 0 || talk < 0) found.push(`${id}: waited ${wait} s, talked ${talk} s`);
  const lasted = ((call.endedAt ?? 0) - call.startedAt) / 1000;
  if (wait + talk > Math.max(0, lasted) + 0.1) found.push(`${id}: ${wait} + ${talk} s within ${lasted} s`);
  if (Object.values(call.popups).includes('open')) found.push(`${id}: a popup is left open`);
  if (call.transfers.some((transfer) => transfer.result === 'pending')) found.push(`${id}: a transfer is left pending`);
  if (call.rang.some((ring) => ring.outcome === undefined)) found.push(`${id}: a ring without an outcome`);
  return found;
}

/** The story is for people; a repeated event may be told there twice. */
function withoutStory(fact: Fact): unknown {
  return 'call' in fact && fact.call !== undefined ? { ...fact, call: { ...fact.call, story: [] } } : fact;
}

/** What is told of each call at its end, by id. */
function records(told: readonly Fact[]): string[] {
  return told
    .filter((fact) => fact.fact === 'call.finished' || fact.fact === 'call.missed')
    .map(({ call }) => JSON.stringify(recordOf(call, rules.policies)))
    .sort();
}

const streams = fc
  .record({ seed: fc.nat(), count: fc.integer({ min: 1, max: 10 }) })
  .map(({ seed, count }) => generate(seed, count));
const RUNS = { numRuns: 100, verbose: fc.VerbosityLevel.None };

/** Each event of a stream gets a number of fate; the same numbers, the same fate. */
const fates = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 997, maxLength: 997 });

describe('no order of events may break', () => {
  test('a legal stream: begins are ends, nothing left open, no downgrade, no negative duration', () => {
    fc.assert(
      fc.property(streams, (events) => {
        expect(troubles(toTheEnd(events))).toEqual([]);
      }),
      RUNS,
    );
  });

  test('every event twice in a row: the same facts', () => {
    fc.assert(
      fc.property(streams, (events) => {
        const twice = events.flatMap((event) => [event, event]);
        expect(toTheEnd(twice).map(withoutStory)).toEqual(toTheEnd(events).map(withoutStory));
      }),
      { ...RUNS, numRuns: 40 },
    );
  });

  test('some events told again within the next five seconds: the same records', () => {
    fc.assert(
      fc.property(streams, fates, (events, fate) => {
        const again = events.flatMap((event, i): HostEvent[] => {
          const dice = fate[i % fate.length] ?? 1;
          // What puts a channel somewhere is only old news while it is still there.
          if (dice > 0.2 || event.event === 'BridgeEnter' || event.event === 'BridgeLeave') return [];
          if (event.event === 'BlindTransfer' || event.event === 'AttendedTransfer') return [];
          return event.event === 'Hangup' || event.event === 'DialEnd'
            ? [{ ...event, at: event.at + dice * 25_000 }]
            : [];
        });
        expect(records(toTheEnd(byTime([...events, ...again])))).toEqual(records(toTheEnd(events)));
      }),
      RUNS,
    );
  });

  test('neighbours within 2 ms of different channels swapped: nothing breaks', () => {
    fc.assert(
      fc.property(streams, fates, (events, fate) => {
        const swapped = [...events];
        for (let i = 0; i + 1 < swapped.length; i++) {
          const [one, other] = [swapped[i], swapped[i + 1]];
          if (one === undefined || other === undefined || (fate[i % fate.length] ?? 1) > 0.3) continue;
          if (other.at - one.at > 2 || channelOf(one) === channelOf(other)) continue;
          if (one.event === 'Newchannel' || other.event === 'Newchannel') continue;
          swapped[i] = other;
          swapped[++i] = one;
        }
        const told = toTheEnd(swapped);
        expect(troubles(told)).toEqual([]);
        const ids = (list: readonly Fact[]): string[] => records(list).map((record) => record.slice(0, 60));
        expect(ids(told)).toEqual(ids(toTheEnd(events)));
      }),
      RUNS,
    );
  });

  test('Hangup before DialEnd: the same records', () => {
    fc.assert(
      fc.property(streams, (events) => {
        const reordered = [...events];
        for (let i = 0; i + 1 < reordered.length; i++) {
          const [end, hangup] = [reordered[i], reordered[i + 1]];
          if (end?.event !== 'DialEnd' || hangup?.event !== 'Hangup' || end.dest.uniqueid !== hangup.chan.uniqueid)
            continue;
          reordered[i] = hangup;
          reordered[i + 1] = end;
        }
        expect(records(toTheEnd(reordered))).toEqual(records(toTheEnd(events)));
      }),
      RUNS,
    );
  });

  test('cut at any point', () => {
    fc.assert(
      fc.property(streams, fc.double({ min: 0, max: 1, noNaN: true }), (events, where) => {
        expect(troubles(toTheEnd(events.slice(0, Math.floor(where * events.length))))).toEqual([]);
      }),
      RUNS,
    );
  });

  test('begun at any point', () => {
    fc.assert(
      fc.property(streams, fc.double({ min: 0, max: 1, noNaN: true }), (events, where) => {
        expect(troubles(toTheEnd(events.slice(Math.floor(where * events.length))))).toEqual([]);
      }),
      RUNS,
    );
  });

  test('a connection that is away for a while: after the snapshot we know the calls the PBX knows', () => {
    const fraction = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(streams, fraction, fraction, (events, one, other) => {
        const [lost, back] = [one, other].map((where) => Math.floor(where * events.length)).sort((a, b) => a - b);
        const heard = events.slice(0, lost);
        const at = events[(back ?? 0) - 1]?.at ?? EPOCH;
        const host = new HostCalls(rules);
        const told = facts(heard, host);
        told.push(...host.apply({ event: 'Disconnected', at: heard.at(-1)?.at ?? EPOCH }));
        told.push(...host.apply(snapshot(events.slice(0, back), at)));
        const witness = new HostCalls(rules);
        facts(events.slice(0, back), witness);
        const incoming = (of: HostCalls): string[] =>
          of.calls().flatMap((call) => (call.direction === 'in' ? [call.externalId] : []));
        expect(incoming(host).sort()).toEqual(incoming(witness).sort());
        told.push(...toTheEnd(events.slice(back), host, at));
        expect(troubles(told)).toEqual([]);
        expect(host.weight).toBe(0);
      }),
      RUNS,
    );
  });

  test('with events lost at random', () => {
    fc.assert(
      fc.property(streams, fates, fc.double({ min: 0, max: 0.5, noNaN: true }), (events, fate, loss) => {
        const left = events.filter((_, i) => (fate[i % fate.length] ?? 1) > loss);
        expect(troubles(toTheEnd(left))).toEqual([]);
      }),
      RUNS,
    );
  });

  test('in any order at all: it never throws, and nothing is left behind', () => {
    fc.assert(
      fc.property(streams, fates, (events, fate) => {
        const shuffled = events
          .map((event, i) => ({ event, key: fate[(i * 7) % fate.length] ?? 0 }))
          .sort((a, b) => a.key - b.key)
          .map(({ event }) => event);
        const host = new HostCalls(rules);
        toTheEnd(shuffled, host);
        expect(host.calls()).toEqual([]);
      }),
      RUNS,
    );
  });
});

test('two hosts with the same Uniqueids never mix', () => {
  fc.assert(
    fc.property(streams, fc.nat({ max: 5000 }), (events, shift) => {
      const hosts = ['pbx1', 'pbx2'].map((hostId) => new HostCalls(rulesWith({}, { hostId })));
      const both = byTime([
        ...events.map((event) => ({ ...event, host: 0 })),
        ...events.map((event) => ({ ...event, at: event.at + shift, host: 1 })),
      ]);
      const told = both.map((event) => hosts['host' in event ? Number(event.host) : 0]?.apply(event) ?? []).flat();
      const ids = (prefix: string): string[] =>
        told.flatMap((fact) =>
          (fact.fact === 'call.finished' || fact.fact === 'call.missed') && fact.call.externalId.startsWith(prefix)
            ? [fact.call.externalId.slice(prefix.length)]
            : [],
        );
      expect(ids('pbx2-').sort()).toEqual(ids('pbx1-').sort());
      expect(ids('pbx1-').length + ids('pbx2-').length).toBe(
        told.filter((fact) => fact.fact === 'call.finished' || fact.fact === 'call.missed').length,
      );
    }),
    { numRuns: 40 },
  );
});

describe('memory', () => {
  test('of an idle host returns to nothing', () => {
    fc.assert(
      fc.property(streams, (events) => {
        const host = new HostCalls(rules);
        const last = facts(events, host).at(-1)?.at ?? EPOCH;
        expect(host.calls()).toEqual([]);
        host.apply({ event: 'Tick', at: last + 11_000 });
        expect({ weight: host.weight, wakeAt: host.wakeAt() }).toEqual({ weight: 0, wakeAt: undefined });
      }),
      RUNS,
    );
  });

  test('stays flat over 10,000 calls of all kinds', () => {
    const host = new HostCalls(rules);
    const dice = random(7);
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const heap = (): number => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    let ended = 0;
    let heaviest = 0;
    let base = 0;
    let at = 0;
    for (let n = 0; n < 10_000; n++) {
      const kind = callKinds[n % callKinds.length] ?? 'answered';
      const events = oneCall(kind, dice, `m${n}`, at, n);
      for (const fact of facts(events, host)) if (fact.fact === 'call.finished' || fact.fact === 'call.missed') ended++;
      at = (events.at(-1)?.at ?? EPOCH) - EPOCH + 1000;
      heaviest = Math.max(heaviest, host.weight);
      if (n === 1000) base = heap();
    }
    const grown = heap() - base;
    host.apply({ event: 'Tick', at: EPOCH + at + 20_000 });
    expect(host.weight).toBe(0);
    expect(heaviest).toBeLessThan(200);
    // Every kind but the internal one is a customer call.
    expect(ended).toBe(10_000 - Math.floor(10_000 / callKinds.length));
    expect(grown).toBeLessThan(10 * 1024 * 1024);
  });
});
