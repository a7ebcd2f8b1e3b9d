/**
 * What an AMI stream says about a scenario, read the plain way: keep who is in which bridge, and after each event look
 * whom the customer's channel is connected to. It judges the lab (and recordings), never the daemon.
 */
import type { ExpectedCall } from '../scenarios/expect.ts';
import { trunks } from './conf/sip.ts';
import { field, type Message } from './manager.ts';

/** Milliseconds by which phones and Asterisk may differ. */
const toleranceMs = 700;

interface Seen {
  uniqueid: string;
  channel: string;
  /** `150`, `provider-by`, … */
  endpoint: string;
  at: number;
  callerNum: string;
  exten: string;
  /** DialString, if the channel was dialled. */
  dialled: string | undefined;
  endedAt: number | undefined;
  /** Who was connected with it, in order, with the moment. */
  talked: { party: string; at: number }[];
}

/**
 * What the stream has that the scenario did not mean, and the other way round; empty if they agree.
 * @param stallMs how long the machine was seen to stand still: moments may differ by so much more
 */
export function disagreements(events: Message[], expected: ExpectedCall[], cut: boolean, stallMs: number): string[] {
  const near = (a: number, b: number): boolean => Math.abs(a - b) <= toleranceMs + stallMs;
  const channels = reconstruct(events);
  const problems: string[] = [];
  if (!cut) {
    for (const seen of channels) if (seen.endedAt === undefined) problems.push(`${seen.channel} never hung up`);
  }
  const trunkLegs = channels.filter(({ endpoint }) => endpoint in trunks);
  const used = new Set<Seen>();
  const rung = new Set<Seen>();
  for (const call of expected) {
    const number = call.customerPhoneRaw ?? '';
    for (const { ext, at, outcome } of call.rang) {
      const leg = channels.find((seen) => !rung.has(seen) && seen.endpoint === ext && near(seen.at, at));
      if (leg === undefined) problems.push(`${ext} was rung (${outcome}), the stream shows no channel then`);
      else rung.add(leg);
    }
    if (!call.logToCrm) continue;
    const leg = trunkLegs.find(
      (seen) =>
        !used.has(seen) &&
        (call.direction === 'in'
          ? seen.dialled === undefined && seen.callerNum === number && sameDigits(seen.exten, call.externalPhone)
          : seen.dialled?.includes(call.customerPhone ?? '?') === true &&
            (call.answeredAt === null) === (seen.talked.length === 0)),
    );
    if (leg === undefined) {
      problems.push(`no trunk channel for the ${call.direction} call of ${number}`);
      continue;
    }
    used.add(leg);
    const talked = leg.talked.map(({ party }) => party).filter((party, i, all) => party !== all[i - 1]);
    if (talked.join() !== call.handledBy.join()) {
      problems.push(`${number} talked to ${talked.join() || 'nobody'}, meant was ${call.handledBy.join() || 'nobody'}`);
    }
    const first = leg.talked[0]?.at;
    if (call.answeredAt !== null && first !== undefined && !near(first, call.answeredAt)) {
      problems.push(`${number} was answered ${Math.round(first - call.answeredAt)} ms away from the phone's clock`);
    }
    const tolerance = call.endTolerance * 1000 + stallMs;
    const attemptOnly = call.direction === 'out' && call.answeredAt === null; // several trunk legs may follow each other
    if (leg.endedAt !== undefined && !attemptOnly && Math.abs(leg.endedAt - call.endedAt) > tolerance) {
      problems.push(`${number} ended ${Math.round(leg.endedAt - call.endedAt)} ms away from the phone's clock`);
    }
  }
  const incoming = trunkLegs.filter(({ dialled }) => dialled === undefined).length;
  const meant = expected.filter(({ direction, logToCrm }) => direction === 'in' && logToCrm).length;
  if (incoming !== meant) problems.push(`${incoming} inbound trunk channels, meant were ${meant}`);
  if (expected.every(({ logToCrm }) => !logToCrm) && trunkLegs.length > 0) problems.push('a trunk was used');
  return problems;
}

function reconstruct(events: Message[]): Seen[] {
  const channels = new Map<string, Seen>();
  const bridgeOf = new Map<string, string>();
  for (const message of events) {
    const id = field(message, 'Uniqueid');
    switch (message.event ?? '') {
      case 'Newchannel':
        channels.set(id, newSeen(message, id));
        break;
      case 'DialBegin': {
        const dest = channels.get(field(message, 'DestUniqueid'));
        if (dest !== undefined) dest.dialled = field(message, 'DialString');
        break;
      }
      case 'BridgeEnter':
        // A parking lot: its customers sit in one bridge and hear music, not each other.
        if (field(message, 'BridgeTechnology') === 'holding_bridge') bridgeOf.delete(id);
        else bridgeOf.set(id, field(message, 'BridgeUniqueid'));
        break;
      case 'BridgeLeave':
        if (bridgeOf.get(id) === field(message, 'BridgeUniqueid')) bridgeOf.delete(id);
        break;
      case 'Hangup': {
        const seen = channels.get(id);
        if (seen !== undefined) seen.endedAt = message.at;
        bridgeOf.delete(id);
        break;
      }
      default:
        continue;
    }
    note(channels, bridgeOf, message.at);
  }
  return [...channels.values()];
}

function newSeen(message: Message, uniqueid: string): Seen {
  const channel = field(message, 'Channel');
  return {
    uniqueid,
    channel,
    endpoint: /^(?:PJSIP|SIP)\/(.+)-[0-9a-f]{8}$/.exec(channel)?.[1] ?? '',
    at: message.at,
    callerNum: field(message, 'CallerIDNum'),
    exten: field(message, 'Exten'),
    dialled: undefined,
    endedAt: undefined,
    talked: [],
  };
}

/** Adds to each trunk channel whoever it is newly connected with. */
function note(channels: Map<string, Seen>, bridgeOf: Map<string, string>, at: number): void {
  const live = [...channels.values()].filter(({ endedAt }) => endedAt === undefined);
  for (const trunk of live.filter(({ endpoint }) => endpoint in trunks)) {
    const parties = connected(trunk, live, bridgeOf)
      .filter((seen) => seen.endpoint !== '' && (!(seen.endpoint in trunks) || seen.dialled !== undefined))
      .map((seen) => (seen.endpoint in trunks ? (/\+\d+/.exec(seen.dialled ?? '')?.[0] ?? '') : seen.endpoint));
    if (trunk.dialled !== undefined && live.some((seen) => seen.endpoint in trunks && seen.dialled === undefined))
      continue;
    const before = new Set(present.get(trunk) ?? []);
    for (const party of parties) if (!before.has(party)) trunk.talked.push({ party, at });
    present.set(trunk, parties);
  }
}

/** Who was connected with a trunk channel after the last event. */
const present = new WeakMap<Seen, string[]>();

/** Everybody reachable through common bridges and through the two halves of Local channels. */
function connected(from: Seen, live: Seen[], bridgeOf: Map<string, string>): Seen[] {
  const found = new Set([from]);
  const todo = [from];
  for (let seen = todo.pop(); seen !== undefined; seen = todo.pop()) {
    const bridge = bridgeOf.get(seen.uniqueid);
    const half = /^(Local\/.*);([12])$/.exec(seen.channel);
    const otherHalf = half === null ? undefined : `${half[1] ?? ''};${half[2] === '1' ? '2' : '1'}`;
    for (const other of live) {
      const together = bridge !== undefined && bridgeOf.get(other.uniqueid) === bridge;
      if (found.has(other) || (!together && other.channel !== otherHalf)) continue;
      found.add(other);
      todo.push(other);
    }
  }
  found.delete(from);
  return [...found];
}

function sameDigits(a: string, b: string | null): boolean {
  return a.replace(/\D/g, '') === (b ?? '').replace(/\D/g, '');
}
