/** Questions about a host: whose channel is this, which call does it belong to, who is on the other end. */
import type { Call } from './call.ts';
import type { Party } from './machine.ts';
import type { HostState } from './state.ts';
import type { Channel } from './topology.ts';

/** The live call whose customer's or first channel this is. */
export function legCall(host: HostState, uniqueid: string): Call | undefined {
  const id = host.legs.get(uniqueid);
  return id === undefined ? undefined : host.calls.get(id);
}

/** The call a dial belongs to: its root's own call, else the call of the root's group its caller talked in last. */
export function callOfRoot(host: HostState, root: Channel): string | undefined {
  const own = host.legs.get(root.uniqueid);
  if (own !== undefined) return own;
  const group = host.topology.group(root);
  const calls = [...group.calls].map((id) => host.calls.get(id)).filter((call) => call !== undefined);
  const customers = calls.filter((call) => call.direction !== 'internal');
  const pool = customers.length > 0 ? customers : calls;
  if (pool.length <= 1) return pool[0]?.externalId;
  const ext = root.side.side === 'employee' ? root.side.ext : undefined;
  const talked = pool.filter((call) => call.talks.some((talk) => talk.party === ext));
  return (talked.at(-1) ?? pool.at(-1))?.externalId;
}

/** The customer call this employee is talking in right now: what she dials meanwhile is a consultation. */
export function talksWithCustomer(host: HostState, ext: string): Call | undefined {
  for (const call of host.calls.values()) {
    if (call.direction === 'internal') continue;
    if (call.talks.some((talk) => talk.party === ext && talk.to === undefined)) return call;
  }
  return undefined;
}

/** Calls whose customer is this channel or is connected with it now, and those of its group. */
export function callsWith(host: HostState, channel: Channel): Set<string> {
  const ids = new Set<string>();
  if (host.topology.channel(channel.uniqueid) !== undefined)
    for (const id of host.topology.group(channel).calls) ids.add(id);
  const own = host.legs.get(channel.uniqueid);
  if (own !== undefined) ids.add(own);
  for (const peer of host.topology.peers(channel)) {
    const leg = host.legs.get(peer.uniqueid);
    if (leg !== undefined) ids.add(leg);
  }
  return ids;
}

/** What a channel is called as a party of a call: extension, number, or the bare name of an unknown end point. */
export function partyOf(host: HostState, channel: Channel): Party {
  const { side } = channel;
  switch (side.side) {
    case 'employee':
      return { party: side.ext, kind: 'employee' };
    case 'trunk':
    case 'interhost': {
      const dialled = host.outside.get(channel.uniqueid);
      if (dialled !== undefined) return { party: dialled, kind: !dialled.startsWith('+') ? 'employee' : 'outside' };
      const phone = host.rules.phone(channel.firstNum, side.side === 'trunk' ? side.country : undefined);
      if (phone.kind === 'phone') return { party: phone.e164, kind: 'outside' };
      return { party: channel.firstNum ?? 'anonymous', kind: side.side === 'interhost' ? 'employee' : 'outside' };
    }
    case 'unknown':
      return { party: side.name, kind: 'unknown' };
    case 'local':
    case 'service':
      return { party: channel.name, kind: 'unknown' };
  }
}

/** The employee behind the channel that began a dial, through Local halves if need be. */
export function employeeOf(host: HostState, root: Channel): string | undefined {
  if (root.side.side === 'employee') return root.side.ext;
  for (const peer of host.topology.peers(root)) if (peer.side.side === 'employee') return peer.side.ext;
  const half = host.topology.otherHalf(root);
  for (const channel of host.topology.channels()) {
    if (channel.side.side !== 'employee' || channel.dialledBy === undefined) continue;
    if (channel.dialledBy === root.uniqueid || channel.dialledBy === half?.uniqueid) return channel.side.ext;
  }
  return undefined;
}
