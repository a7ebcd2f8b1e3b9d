/**
 * A second, slow and obvious reconstruction of calls: it looks at the whole finished stream as often as it likes and
 * follows the rules of the measured AMI facts one by one. It shares nothing with `src/calls` but the words.
 */
import type { ChannelSnapshot, HostEvent } from '../../src/calls/events.ts';

/** What both implementations must agree on. */
export interface NaiveCall {
  firstUniqueid: string;
  direction: 'in' | 'out';
  customer: string | undefined;
  answered: boolean;
  answeredAt: number | undefined;
  endedAt: number;
  handledBy: string[];
}

/** E.164 of a number as seen on a trunk, or the text itself. */
export type ReadNumber = (raw: string | undefined, channel: string) => string | undefined;

interface Leg {
  uniqueid: string;
  name: string;
  first: ChannelSnapshot;
  last: ChannelSnapshot;
  wasRing: boolean;
  wasUp: boolean;
  bornAt: number;
  goneAt: number;
  /** undefined: nobody dialled it; `originate`. */
  dialledBy: string | undefined;
  dialledAt: number;
  dialString: string | undefined;
}

/** Who is connected with whom between this event and the next. */
interface Moment {
  at: number;
  /** Uniqueid → bridge. */
  bridges: Map<string, string>;
}

/** Extension of a phone's channel. */
function extOf(name: string): string | undefined {
  return /^(?:PJSIP|SIP)\/(1\d\d)(?:\D|$)/.exec(name)?.[1];
}

function isTrunk(name: string): boolean {
  return /^(?:PJSIP|SIP)\/provider-/.test(name);
}

/** All customer calls of a finished stream. */
export function naiveCalls(events: readonly HostEvent[], numberOf: ReadNumber): NaiveCall[] {
  const legs = legsOf(events);
  const moments = momentsOf(events, legs);
  const parking = new Set(
    events.flatMap((event) =>
      event.event === 'BridgeEnter' && event.technology === 'holding_bridge' ? [event.bridgeId] : [],
    ),
  );
  const groups = groupsOf(events, legs);
  const incoming = legs.filter((leg) => isTrunk(leg.name) && leg.wasRing && leg.dialledBy === undefined);

  const partyName = (leg: Leg): string => {
    const ext = extOf(leg.name);
    if (ext !== undefined) return ext;
    if (!isTrunk(leg.name)) return leg.name;
    const raw = leg.dialString === undefined ? leg.first.callerNum : dialled(leg.dialString);
    return numberOf(raw, leg.name) ?? raw ?? 'anonymous';
  };
  const talkOf = (customer: Leg, from: number): { at: number; parties: string[] }[] =>
    moments
      .filter((moment) => moment.at >= from && moment.at < customer.goneAt)
      .map((moment) => ({
        at: moment.at,
        parties: reach(customer, moment, legs, parking).map(partyName),
      }));

  const calls: NaiveCall[] = incoming.map((leg) => ({
    firstUniqueid: leg.uniqueid,
    direction: 'in',
    customer: numberOf(leg.first.callerNum, leg.name),
    ...told(talkOf(leg, leg.bornAt), leg.goneAt),
  }));

  // Outside legs by the channel at the root of their dial; a group with an incoming customer has no outgoing calls.
  const roots = new Map<Leg, Leg[]>();
  for (const leg of legs.filter((one) => isTrunk(one.name) && one.dialledBy !== undefined)) {
    if (incoming.some((one) => groups.get(one.uniqueid) === groups.get(leg.uniqueid))) continue;
    const root = rootOf(leg, legs);
    roots.set(root, [...(roots.get(root) ?? []), leg]);
  }
  for (const [root, dialledLegs] of roots) {
    let attempts: Leg[] = [];
    const flush = (nextAt: number | undefined): void => {
      const last = attempts.at(-1);
      if (last === undefined) return;
      const over = told(talkOf(last, last.bornAt), last.goneAt);
      calls.push({
        firstUniqueid: root.uniqueid,
        direction: 'out',
        customer: numberOf(dialled(last.dialString ?? ''), last.name),
        ...over,
        endedAt: over.answered ? last.goneAt : Math.min(nextAt ?? Infinity, Math.max(root.goneAt, last.goneAt)),
      });
      attempts = [];
    };
    for (const leg of dialledLegs) {
      const last = attempts.at(-1);
      const wasAnswered = last !== undefined && told(talkOf(last, last.bornAt), last.goneAt).answered;
      const same = last !== undefined && partyName(last) === partyName(leg);
      if (wasAnswered || !same) flush(leg.dialledAt);
      attempts.push(leg);
    }
    flush(undefined);
  }

  // Click-to-call whose employee never picked up: the phone shows the customer.
  for (const leg of legs) {
    if (leg.dialledBy !== 'originate' || extOf(leg.name) === undefined || leg.wasUp) continue;
    const customer = numberOf(leg.last.callerNum, leg.name);
    if (customer?.startsWith('+') !== true) continue;
    calls.push({
      firstUniqueid: leg.uniqueid,
      direction: 'out',
      customer,
      answered: false,
      answeredAt: undefined,
      endedAt: leg.goneAt,
      handledBy: [],
    });
  }
  return calls;
}

function told(
  talks: readonly { at: number; parties: string[] }[],
  endedAt: number,
): Pick<NaiveCall, 'answered' | 'answeredAt' | 'handledBy' | 'endedAt'> {
  const first = talks.find((talk) => talk.parties.length > 0);
  return {
    answered: first !== undefined,
    answeredAt: first?.at,
    handledBy: [...new Set(talks.flatMap((talk) => talk.parties))],
    endedAt,
  };
}

function dialled(dialString: string): string {
  return dialString
    .replace(/^PJSIP\//, '')
    .replace(/@.*$/, '')
    .replace(/^.*\//, '');
}

/** Every channel with what the whole stream says of it. */
function legsOf(events: readonly HostEvent[]): Leg[] {
  const legs = new Map<string, Leg>();
  const lastAt = Math.max(...events.map((event) => event.at));
  const see = (chan: ChannelSnapshot | undefined, at: number): Leg | undefined => {
    if (chan === undefined) return undefined;
    const leg = legs.get(chan.uniqueid) ?? {
      uniqueid: chan.uniqueid,
      name: chan.channel,
      first: chan,
      last: chan,
      wasRing: false,
      wasUp: false,
      bornAt: at,
      goneAt: lastAt,
      dialledBy: undefined,
      dialledAt: 0,
      dialString: undefined,
    };
    legs.set(chan.uniqueid, leg);
    leg.last = chan;
    leg.wasRing ||= chan.state === 'Ring';
    leg.wasUp ||= chan.state === 'Up';
    return leg;
  };
  for (const event of events) {
    if ('chan' in event) see(event.chan, event.at);
    if (event.event === 'DialBegin' || event.event === 'DialEnd') {
      const leg = see(event.dest, event.at);
      if (event.event === 'DialBegin' && leg?.dialledBy === undefined && leg !== undefined) {
        leg.dialledBy = event.chan?.uniqueid ?? 'originate';
        leg.dialledAt = event.at;
        leg.dialString = event.dialString;
      }
    }
    if (event.event === 'Hangup') {
      const leg = see(event.chan, event.at);
      if (leg !== undefined) leg.goneAt = event.at;
    }
  }
  // A host that crashed told no Hangup: what had none before the connection was lost ended then.
  const lost = events.findIndex((event) => event.event === 'Disconnected');
  const fresh = events.some((event) => event.event === 'Resync' && event.fresh);
  if (lost >= 0 && fresh) {
    const at = events[lost]?.at ?? lastAt;
    const hungUp = new Set(events.flatMap((event) => (event.event === 'Hangup' ? [event.chan.uniqueid] : [])));
    for (const leg of legs.values()) if (!hungUp.has(leg.uniqueid) && leg.bornAt < at) leg.goneAt = at;
  }
  return [...legs.values()];
}

/** The bridges after each event. */
function momentsOf(events: readonly HostEvent[], legs: readonly Leg[]): Moment[] {
  const bridges = new Map<string, string>();
  return events.map((event) => {
    if (event.event === 'BridgeEnter') {
      if (event.swapUniqueid !== undefined) bridges.delete(event.swapUniqueid);
      bridges.set(event.chan.uniqueid, event.bridgeId);
    }
    if (event.event === 'BridgeLeave' && bridges.get(event.chan.uniqueid) === event.bridgeId)
      bridges.delete(event.chan.uniqueid);
    if (event.event === 'Hangup') bridges.delete(event.chan.uniqueid);
    if (event.event === 'Resync') for (const leg of legs) if (leg.goneAt <= event.at) bridges.delete(leg.uniqueid);
    return { at: event.at, bridges: new Map(bridges) };
  });
}

/** Everybody the customer can talk with at this moment: her bridge's members, through Local halves, never a parking lot. */
function reach(from: Leg, moment: Moment, legs: readonly Leg[], parking: ReadonlySet<string>): Leg[] {
  const found: Leg[] = [];
  const seen = new Set([from.uniqueid]);
  let wave = [from];
  while (wave.length > 0) {
    const next: Leg[] = [];
    for (const leg of wave) {
      const bridge = moment.bridges.get(leg.uniqueid);
      if (bridge === undefined || parking.has(bridge)) continue;
      for (const other of legs) {
        if (seen.has(other.uniqueid) || moment.bridges.get(other.uniqueid) !== bridge) continue;
        seen.add(other.uniqueid);
        const half = halfOf(other, legs);
        if (half === undefined) {
          if (!other.name.startsWith('Local/') && /^(?:PJSIP|SIP)\//.test(other.name)) found.push(other);
        } else if (!seen.has(half.uniqueid)) {
          seen.add(half.uniqueid);
          next.push(half);
        }
      }
    }
    wave = next;
  }
  return found;
}

function halfOf(leg: Leg, legs: readonly Leg[]): Leg | undefined {
  if (!/^Local\/.*;[12]$/.test(leg.name)) return undefined;
  const other = leg.name.slice(0, -1) + (leg.name.endsWith('1') ? '2' : '1');
  return legs.find((one) => one.name === other);
}

/** The channel at the beginning of a chain of dials, through Local halves. */
function rootOf(leg: Leg, legs: readonly Leg[]): Leg {
  let current = leg;
  for (let i = 0; i < legs.length; i++) {
    const up = legs.find((one) => one.uniqueid === current.dialledBy);
    const half = up === undefined && current.dialledBy === undefined ? halfOf(current, legs) : undefined;
    const next = up ?? (half?.dialledBy !== undefined && half.dialledBy !== 'originate' ? half : undefined);
    if (next === undefined) return current;
    current = next;
  }
  return current;
}

/** Uniqueid → name of its group: channels with a common Linkedid or joined by a dial. */
function groupsOf(events: readonly HostEvent[], legs: readonly Leg[]): Map<string, string> {
  const group = new Map(legs.map((leg) => [leg.uniqueid, leg.uniqueid]));
  const byLinkedid = new Map<string, string>();
  const unite = (one: string, other: string): void => {
    const [from, into] = [group.get(one), group.get(other)];
    if (from === into || from === undefined || into === undefined) return;
    for (const [uniqueid, name] of group) if (name === from) group.set(uniqueid, into);
  };
  for (const event of events) {
    const chans = [
      ...('chan' in event && event.chan !== undefined ? [event.chan] : []),
      ...(event.event === 'DialBegin' || event.event === 'DialEnd' ? [event.dest] : []),
    ];
    for (const chan of chans) {
      const known = byLinkedid.get(chan.linkedid);
      if (known === undefined) byLinkedid.set(chan.linkedid, chan.uniqueid);
      else unite(chan.uniqueid, known);
    }
    const [one, other] = chans;
    if (one !== undefined && other !== undefined) unite(one.uniqueid, other.uniqueid);
  }
  return group;
}
