/** Hangups, and what they end. */
import type { Call, Ring, Fact } from './call.ts';
import { seen } from './channels.ts';
import type { ChannelSnapshot, Instant } from './events.ts';
import { legCall } from './lookup.ts';
import { incomingResult, missedDetail, outgoingResult, ringOutcome } from './result.ts';
import type { HostState, Lost } from './state.ts';
import { reconnect } from './talking.ts';
import { keep, newCall, tell } from './telling.ts';
import type { Channel, Group } from './topology.ts';

/** `Hangup` of a channel. */
export function hangup(
  host: HostState,
  chan: ChannelSnapshot,
  cause: number | undefined,
  at: Instant,
  facts: Fact[],
  lost: Lost | undefined,
): void {
  // A channel that only its end was heard of tells nothing: its call was not seen.
  if (host.topology.channel(chan.uniqueid) === undefined) return;
  const channel = seen(host, chan, at, false, facts);
  if (channel !== undefined) hangupKnown(host, channel, cause, at, facts, lost);
}

/** A channel is gone, by its Hangup or because a snapshot has it no more (`lost`). */
export function hangupKnown(
  host: HostState,
  channel: Channel,
  cause: number | undefined,
  at: Instant,
  facts: Fact[],
  lost: Lost | undefined,
): void {
  const { uniqueid } = channel;
  const peers = host.topology.peers(channel);
  const up = channel.state === 'Up';
  const over = { dialStatus: channel.dialStatus, forward: channel.forward, cause, up };
  const ringOf = host.rings.get(uniqueid);
  const call = legCall(host, uniqueid);
  const group = host.topology.group(channel);

  if (ringOf !== undefined) {
    host.rings.delete(uniqueid);
    tell(host, ringOf, { input: 'phone over', at, uniqueid, outcome: ringOutcome(over), settled: true }, facts);
  }
  const clickNotAnswered = call === undefined && clickWithoutCall(host, channel, at, over, facts);
  if (clickNotAnswered) group.hadCall = true;

  host.departed.set(uniqueid, { at, call: ringOf, cause, up });
  host.topology.leave(channel);
  for (const peer of peers) reconnect(host, peer, at, facts);
  if (call !== undefined) legOver(host, call, channel, over, at, facts, lost);

  host.outside.delete(uniqueid);
  host.begun.delete(uniqueid);
  host.stashed = host.stashed.filter((one) => one.uniqueid !== uniqueid);
  const empty = host.topology.remove(channel);
  if (empty !== undefined) groupOver(host, empty, channel, at, facts);
}

/** The customer's leg or the first channel of a call is gone. */
function legOver(
  host: HostState,
  call: Call,
  channel: Channel,
  over: { dialStatus: string | undefined; cause: number | undefined },
  at: Instant,
  facts: Fact[],
  lost: Lost | undefined,
): void {
  const id = call.externalId;
  const isCustomer = call.customerUniqueid === channel.uniqueid;
  switch (call.direction) {
    case 'in': {
      const result =
        lost === undefined
          ? incomingResult(
              call.rang.map((ring) => ring.outcome),
              over.cause,
            )
          : 'unknown';
      tell(
        host,
        id,
        {
          input: 'gone',
          at,
          cause: over.cause,
          result,
          detail: lost ?? missedDetail(call, over.cause, channel.offHours, at),
        },
        facts,
      );
      return;
    }
    case 'out': {
      host.legs.delete(channel.uniqueid);
      if (isCustomer && call.answeredAt !== undefined) {
        tell(host, id, { input: 'gone', at, cause: over.cause, result: 'answered', detail: lost }, facts);
        return;
      }
      if (isCustomer) {
        host.failedLegs.set(id, over);
        if (host.topology.channel(call.firstUniqueid) === undefined) endOutgoing(host, id, at, lost, facts);
        return;
      }
      // The employee's channel: the attempt is over unless the customer's leg still lives (answered, or transferred while ringing).
      const leg = call.customerUniqueid === undefined ? undefined : host.topology.channel(call.customerUniqueid);
      if (leg === undefined || lost !== undefined) endOutgoing(host, id, at, lost, facts);
      return;
    }
    case 'internal': {
      host.legs.delete(channel.uniqueid);
      // Whoever is left may still be handed to somebody: a consultation completed while it rings.
      const others = [call.firstUniqueid, ...call.rang.map((ring) => ring.uniqueid)];
      if (others.some((uniqueid) => uniqueid !== channel.uniqueid && host.topology.channel(uniqueid) !== undefined))
        return;
      const last = call.rang.at(-1);
      const result = last?.outcome === 'busy' || last?.outcome === 'declined' ? 'busy' : 'no answer';
      tell(host, id, { input: 'gone', at, cause: over.cause, result, detail: lost }, facts);
    }
  }
}

/** An outgoing call nobody answered is over; its last outside leg tells the result. */
export function endOutgoing(host: HostState, id: string, at: Instant, lost: Lost | undefined, facts: Fact[]): void {
  const leg = host.failedLegs.get(id);
  const over = { dialStatus: leg?.dialStatus, forward: undefined, cause: leg?.cause, up: false };
  const result = lost === undefined ? outgoingResult(over) : 'unknown';
  const detail = result === 'failed' ? 'trunk failed' : leg?.dialStatus === 'CANCEL' ? 'caller gave up' : undefined;
  tell(host, id, { input: 'gone', at, cause: over.cause, result, detail: lost ?? detail }, facts);
}

/** Click-to-call whose employee never picked up: no outside leg was ever dialled. The shown number is the customer. */
function clickWithoutCall(
  host: HostState,
  channel: Channel,
  at: Instant,
  over: Parameters<typeof ringOutcome>[0],
  facts: Fact[],
): boolean {
  if (channel.dialledBy !== '' || channel.side.side !== 'employee' || over.up) return false;
  const customer = host.rules.phone(channel.num, undefined);
  if (customer.kind !== 'phone') return false;
  const ring: Ring = {
    uniqueid: channel.uniqueid,
    ext: channel.side.ext,
    at: channel.createdAt,
    ringingAt: channel.createdAt,
    endedAt: at,
    // An Originate that times out has no DialEnd at all (trap 2): nobody cancelled it.
    outcome: over.dialStatus === undefined && over.cause !== 17 && over.cause !== 21 ? 'no answer' : ringOutcome(over),
    root: channel.uniqueid,
  };
  const call = newCall(host, channel, 'out', {
    customer,
    customerRaw: channel.num,
    initiatedBy: channel.side.ext,
    originated: true,
    rang: [ring],
    excluded: host.rules.policies.clickNotAnswered === 'log' ? undefined : 'employee_did_not_answer',
  });
  keep(host, call);
  tell(
    host,
    call.externalId,
    { input: 'gone', at, cause: over.cause, result: 'no answer', detail: 'employee did not answer' },
    facts,
  );
  return true;
}

function groupOver(host: HostState, group: Group, last: Channel, at: Instant, facts: Fact[]): void {
  for (const id of [...group.calls]) {
    // Calls that lost all their channels without a Hangup of the customer (events were missed).
    tell(host, id, { input: 'gone', at, cause: undefined, result: 'unknown', detail: 'connection lost' }, facts);
  }
  if (group.hadCall || last.side.side === 'service') return;
  facts.push({ fact: 'dropped', at, linkedid: group.key, reason: 'internal', call: undefined });
}

/** After a snapshot: restored calls find their channels again, those without a channel end. */
export function endOrphans(host: HostState, at: Instant, fresh: boolean, facts: Fact[]): void {
  for (const call of [...host.calls.values()]) {
    const leg = call.customerUniqueid ?? call.firstUniqueid;
    const alive =
      host.topology.channel(leg) ?? (call.direction === 'in' ? undefined : host.topology.channel(call.firstUniqueid));
    if (alive !== undefined) {
      adopt(host, call, alive);
      continue;
    }
    const detail = fresh ? 'pbx restarted' : 'connection lost';
    tell(host, call.externalId, { input: 'gone', at, cause: undefined, result: 'unknown', detail }, facts);
  }
}

/** A restored call finds its channels again. */
function adopt(host: HostState, call: Call, channel: Channel): void {
  const group = host.topology.group(channel);
  group.calls.add(call.externalId);
  group.hadCall = true;
  for (const ring of call.rang) {
    if (ring.endedAt === undefined && host.topology.channel(ring.uniqueid) !== undefined)
      host.rings.set(ring.uniqueid, call.externalId);
  }
}
