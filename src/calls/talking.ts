/** Who talks with whom: the set of parties connected with a customer, and groups that become one because of it. */
import type { Fact } from './call.ts';
import type { Instant } from './events.ts';
import { callsWith, partyOf } from './lookup.ts';
import type { HostState } from './state.ts';
import { forget, keep, tell } from './telling.ts';
import type { Channel, Merge } from './topology.ts';

/** A call whose customer talks with somebody of another group: what was internal there is part of this call. */
export function joinByTalk(host: HostState, channel: Channel, at: Instant, facts: Fact[]): void {
  const technology = host.topology.technology(channel);
  if (technology === 'holding_bridge' || technology === 'softmix') return;
  for (const peer of host.topology.peers(channel)) {
    if (peer.group === channel.group) continue;
    const groups = [host.topology.group(channel), host.topology.group(peer)];
    const customers = groups.map(
      (group) => [...group.calls].filter((id) => host.calls.get(id)?.direction !== 'internal').length,
    );
    if (customers[0] !== 0 && customers[1] !== 0) continue;
    const merged = host.topology.join(channel, peer);
    if (merged !== undefined) foldGroups(host, merged, at, facts);
  }
}

/** Groups became one: an internal call in it is swallowed by the customer call (`calls.md` 3.10, 3.17). */
export function foldGroups(host: HostState, merge: Merge, at: Instant, facts: Fact[]): void {
  const calls = [...merge.into.calls].map((id) => host.calls.get(id)).filter((call) => call !== undefined);
  const target = calls.findLast((call) => call.direction !== 'internal');
  if (target === undefined) return;
  for (const call of calls) {
    if (call.direction !== 'internal') continue;
    forget(host, call);
    const current = host.calls.get(target.externalId) ?? target;
    keep(host, {
      ...current,
      rang: [...current.rang, ...call.rang].sort((a, b) => a.at - b.at),
      story: [...current.story, ...call.story].sort((a, b) => a.at - b.at),
    });
    for (const ring of call.rang)
      if (host.topology.channel(ring.uniqueid)) host.rings.set(ring.uniqueid, target.externalId);
  }
  refresh(host, target.externalId, at, facts);
}

/** The wires of a channel changed: every call it may belong to looks anew who is connected with its customer. */
export function reconnect(host: HostState, channel: Channel, at: Instant, facts: Fact[]): void {
  for (const id of callsWith(host, channel)) refresh(host, id, at, facts);
}

/** Tells a call who is connected with its customer now. */
export function refresh(host: HostState, id: string, at: Instant, facts: Fact[]): void {
  const call = host.calls.get(id);
  if (call?.customerUniqueid === undefined) return;
  const customer = host.topology.channel(call.customerUniqueid);
  if (customer === undefined) return;
  const parties = host.topology
    .peers(customer)
    .filter((peer) => peer.side.side !== 'service')
    .map((peer) => partyOf(host, peer));
  tell(host, id, { input: 'connected', at, parties }, facts);
}

/** A channel's place in its bridge was taken by another one (`SwapUniqueid`): it talks with nobody any more. */
export function unbridge(host: HostState, uniqueid: string, at: Instant, facts: Fact[]): void {
  const swapped = host.topology.channel(uniqueid);
  if (swapped === undefined) return;
  host.topology.leave(swapped);
  reconnect(host, swapped, at, facts);
}
