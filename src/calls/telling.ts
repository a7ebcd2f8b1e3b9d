/** Calls are told what happened to them here, and nowhere else: books, deadlines and the drop decision stay together. */
import type { Call, Fact } from './call.ts';
import type { Instant } from './events.ts';
import { legCall } from './lookup.ts';
import type { CallInput } from './machine.ts';
import { advance, deadline } from './machine.ts';
import { dropReason } from './record.ts';
import { withStory } from './story.ts';
import type { HostState } from './state.ts';
import { REMEMBER_MS } from './state.ts';
import type { Channel } from './topology.ts';

/** One call, one input: keeps the new state and its deadline, hands on the facts, lets an ended call go. */
export function tell(host: HostState, id: string, input: CallInput, facts: Fact[]): void {
  const call = host.calls.get(id);
  if (call === undefined) return;
  const step = advance(call, input, host.rules.policies);
  if (step.call === call) {
    // A tick that changes nothing must not stay due: it would be due for ever.
    if (input.input === 'tick') host.waiting.delete(id);
    return;
  }
  const after = withStory(call, input, step.call, step.facts, host.rules.policies);
  if (after.state === 'ended') forget(host, after);
  else {
    host.calls.set(id, after);
    if (deadline(after) === undefined) host.waiting.delete(id);
    else host.waiting.add(id);
  }
  if (after.direction !== 'internal') {
    for (const fact of step.facts)
      facts.push('call' in fact && fact.call !== undefined ? { ...fact, call: after } : fact);
  }
  if (after.state !== 'ended') return;
  const reason = dropReason(after, host.rules.policies);
  if (reason !== undefined)
    facts.push({ fact: 'dropped', at: input.at, linkedid: after.linkedid, reason, call: after });
}

/** Tells the call whose customer this channel is, if any. */
export function tellLeg(host: HostState, channel: Channel, input: CallInput, facts: Fact[]): void {
  const call = legCall(host, channel.uniqueid);
  if (call?.customerUniqueid === channel.uniqueid) tell(host, call.externalId, input, facts);
}

/** Tells the call that rings this phone, if any. */
export function tellRing(host: HostState, uniqueid: string, input: CallInput, facts: Fact[]): void {
  const id = host.rings.get(uniqueid);
  if (id !== undefined) tell(host, id, input, facts);
}

/** Moves the host's time: deadlines of calls fall due, long departed channels are forgotten. */
export function passTime(host: HostState, at: Instant, facts: Fact[]): void {
  for (const id of [...host.waiting]) {
    const call = host.calls.get(id);
    const due = call === undefined ? undefined : deadline(call);
    if (due !== undefined && due <= at) tell(host, id, { input: 'tick', at }, facts);
  }
  for (const [uniqueid, departed] of host.departed) {
    if (departed.at + REMEMBER_MS > at) break;
    host.departed.delete(uniqueid);
  }
}

/** A call that begins with this channel; its id carries `-2`, `-3` … from the channel's second call on. */
export function newCall(host: HostState, first: Channel, direction: Call['direction'], more: Partial<Call>): Call {
  const begun = (host.begun.get(first.uniqueid) ?? 0) + 1;
  host.begun.set(first.uniqueid, begun);
  const suffix = begun === 1 ? '' : `-${begun}`;
  return {
    state: 'new',
    externalId: `${host.rules.hostId}-${first.uniqueid}${suffix}`,
    direction,
    linkedid: first.linkedid,
    firstUniqueid: first.uniqueid,
    customerUniqueid: undefined,
    customer: { kind: 'anonymous' },
    customerRaw: undefined,
    customerName: undefined,
    externalPhone: undefined,
    trunk: undefined,
    initiatedBy: direction === 'internal' && first.side.side === 'employee' ? first.side.ext : undefined,
    originated: false,
    startedAt: first.createdAt,
    customerLegAt: undefined,
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
    result: undefined,
    detail: undefined,
    cause: undefined,
    joinedLate: first.late,
    story: [
      {
        at: first.createdAt,
        says: first.late ? `begins on ${first.name}; it ran already when we came` : `begins on ${first.name}`,
        state: 'new',
      },
    ],
    excluded: undefined,
    ...more,
  };
}

/** Enters a call into the books under its channels and its group. */
export function keep(host: HostState, call: Call): void {
  host.calls.set(call.externalId, call);
  host.legs.set(call.firstUniqueid, call.externalId);
  if (call.customerUniqueid !== undefined) host.legs.set(call.customerUniqueid, call.externalId);
  const first =
    host.topology.channel(call.customerUniqueid ?? call.firstUniqueid) ?? host.topology.channel(call.firstUniqueid);
  if (first === undefined) return;
  const group = host.topology.group(first);
  group.calls.add(call.externalId);
  group.hadCall = true;
}

/** Takes a call out of all books. */
export function forget(host: HostState, call: Call): void {
  const id = call.externalId;
  host.calls.delete(id);
  host.waiting.delete(id);
  host.failedLegs.delete(id);
  for (const uniqueid of [call.firstUniqueid, call.customerUniqueid]) {
    if (uniqueid !== undefined && host.legs.get(uniqueid) === id) host.legs.delete(uniqueid);
  }
  for (const ring of call.rang) if (host.rings.get(ring.uniqueid) === id) host.rings.delete(ring.uniqueid);
  let found = false;
  for (const uniqueid of [call.customerUniqueid, call.firstUniqueid]) {
    const channel = uniqueid === undefined ? undefined : host.topology.channel(uniqueid);
    if (channel !== undefined) found = host.topology.group(channel).calls.delete(id) || found;
  }
  if (found) return;
  // Its own channels are gone already, others of its group may still live.
  for (const channel of host.topology.channels()) if (host.topology.group(channel).calls.delete(id)) return;
}
