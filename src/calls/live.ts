/** What somebody outside the core may do something about: the live calls, with the channels to do it to. Only looks. */
import type { HostState } from './state.ts';
import type { Channel } from './topology.ts';

/** An employee's phone that takes part in a call. */
export interface LiveLeg {
  readonly ext: string;
  /** Name of the channel, `PJSIP/150-00000001`. */
  readonly channel: string;
  readonly uniqueid: string;
  /** She answered, or it is she who dialled. */
  readonly up: boolean;
  /** She is connected with the customer now; false while she consults somebody. */
  readonly talking: boolean;
}

/** One live call. */
export interface LiveCall {
  readonly externalId: string;
  readonly direction: 'in' | 'out' | 'internal';
  /** The outside party's channel; of an internal call the called phone's. Undefined until it exists. */
  readonly customer: { readonly channel: string; readonly uniqueid: string } | undefined;
  /** Channel the call began with, while it lives. */
  readonly first: { readonly channel: string; readonly uniqueid: string } | undefined;
  /** Extension of who began it (out, internal). */
  readonly initiatedBy: string | undefined;
  readonly legs: readonly LiveLeg[];
}

/** Live calls of a host: those of its books, and clicks whose employee has not picked up yet. */
export function liveCalls(host: HostState): LiveCall[] {
  const { topology } = host;
  const found: LiveCall[] = [];
  for (const call of host.calls.values()) {
    const customer = call.customerUniqueid === undefined ? undefined : topology.channel(call.customerUniqueid);
    const first = topology.channel(call.firstUniqueid);
    const anchor = customer ?? first;
    if (anchor === undefined) continue;
    const peers = customer === undefined ? [] : topology.peers(customer);
    const legs = [...topology.group(anchor).channels].flatMap((uniqueid) => {
      const channel = topology.channel(uniqueid);
      if (channel === undefined) return [];
      // The called phone of an internal call is both its customer and an employee.
      const talking = peers.includes(channel) || (channel === customer && peers.length > 0);
      return leg(channel, talking);
    });
    found.push({
      externalId: call.externalId,
      direction: call.direction,
      customer: customer && named(customer),
      first: first && named(first),
      initiatedBy: call.initiatedBy,
      legs,
    });
  }
  for (const channel of topology.channels()) {
    if (channel.dialledBy !== '' || channel.side.side !== 'employee' || host.legs.has(channel.uniqueid)) continue;
    if (topology.group(channel).calls.size > 0 || topology.peers(channel).length > 0) continue;
    found.push({
      externalId: `${host.rules.hostId}-${channel.uniqueid}`,
      direction: 'out',
      customer: undefined,
      first: named(channel),
      initiatedBy: channel.side.ext,
      legs: leg(channel, false),
    });
  }
  return found;
}

function named(channel: Channel): { channel: string; uniqueid: string } {
  return { channel: channel.name, uniqueid: channel.uniqueid };
}

function leg(channel: Channel, talking: boolean): LiveLeg[] {
  if (channel.side.side !== 'employee') return [];
  const up = channel.state === 'Up' || channel.dialledBy === undefined;
  return [{ ext: channel.side.ext, channel: channel.name, uniqueid: channel.uniqueid, up, talking }];
}
