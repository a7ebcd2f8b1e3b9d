import type { ChannelSnapshot, HostEvent, Instant, SnapshotChannel } from './events.ts';
import type { Channel, Topology } from './topology.ts';

type Snapshot = Extract<HostEvent, { event: 'Resync' }>;

/** Live channels we knew that the host has no more; after a fresh boot that is all of them. */
export function goneChannels({ channels, fresh }: Snapshot, topology: Topology): Channel[] {
  const live = new Set(channels.map((chan) => chan.uniqueid));
  return [...topology.channels()].filter((channel) => fresh || !live.has(channel.uniqueid));
}

/** Channels of the snapshot we do not know, as their first event would have shown them. */
export function newChannels({ channels, at }: Snapshot, topology: Topology): { chan: SnapshotChannel; at: Instant }[] {
  const unknown = channels.filter((chan) => topology.channel(chan.uniqueid) === undefined);
  return unknown.map((chan) => ({ chan: { ...chan, ...asFirstSeen(chan) }, at: bornAt(chan, at) }));
}

/**
 * Who dialled whom and who is bridged with whom, as events, once all channels are known. Lazy: each event is applied
 * before the next is thought of. Outside legs come last: whether one is a consultation of a call or a call of its own
 * is told by who talks with whom.
 * @param born uniqueids of the channels the snapshot showed first
 */
export function* rewired(
  { channels, at }: Snapshot,
  topology: Topology,
  born: ReadonlySet<string>,
): Generator<HostEvent> {
  const isOutsideLeg = (chan: SnapshotChannel): boolean =>
    born.has(chan.uniqueid) && isDialled(chan) && topology.channel(chan.uniqueid)?.side.side === 'trunk';
  const outside = channels.filter(isOutsideLeg);
  const others = channels.filter((chan) => !isOutsideLeg(chan));
  for (const chan of others) if (born.has(chan.uniqueid) && isDialled(chan)) yield dialled(chan, channels, at);
  for (const chan of others) yield* stateOf(chan, at, topology);
  for (const chan of outside) {
    yield dialled(chan, channels, at);
    yield* stateOf(chan, at, topology);
  }
}

function dialled(chan: SnapshotChannel, channels: readonly SnapshotChannel[], at: Instant): HostEvent {
  return { event: 'DialBegin', at: bornAt(chan, at), chan: dialler(chan, channels), dest: chan, dialString: undefined };
}

/** Its state, and its bridge if that changed. */
function* stateOf(chan: SnapshotChannel, at: Instant, topology: Topology): Generator<HostEvent> {
  yield { event: 'Newstate', at, chan };
  const bridge = topology.channel(chan.uniqueid)?.bridge;
  if (chan.bridgeId !== undefined && chan.bridgeId !== bridge) {
    const technology = chan.application === 'Park' || chan.application === 'ParkedCall' ? 'holding_bridge' : undefined;
    // Of a phone that was dialled the CDR knows when it answered.
    const enteredAt = isDialled(chan) ? (chan.cdrAnswer ?? at) : at;
    yield { event: 'BridgeEnter', at: enteredAt, chan, bridgeId: chan.bridgeId, technology, swapUniqueid: undefined };
  } else if (chan.bridgeId === undefined && bridge !== undefined) {
    yield { event: 'BridgeLeave', at, chan, bridgeId: bridge };
  }
}

function bornAt(chan: SnapshotChannel, at: Instant): Instant {
  return chan.cdrStart ?? (chan.seconds === undefined ? at : at - chan.seconds * 1000);
}

/** A channel that another one dialled shows the application `AppDial` (Dial, Queue) or `AppDial2` (Originate). */
function isDialled(chan: SnapshotChannel): boolean {
  return chan.application === 'AppDial' || chan.application === 'AppDial2';
}

/** The snapshot does not say who dialled: in the same group the one that runs Dial or Queue, else the group's first. */
function dialler(chan: SnapshotChannel, channels: readonly SnapshotChannel[]): ChannelSnapshot | undefined {
  if (chan.application === 'AppDial2') return undefined;
  const group = channels.filter(
    (one) => one.linkedid === chan.linkedid && one.uniqueid !== chan.uniqueid && !isDialled(one),
  );
  return group.find((one) => one.application === 'Dial' || one.application === 'Queue') ?? group[0];
}

/** An incoming line is recognised by state Ring, its DID by the first Exten: both are given back from the snapshot. */
function asFirstSeen(chan: SnapshotChannel): ChannelSnapshot {
  if (isDialled(chan)) return { ...chan, state: 'Down', exten: chan.exten };
  return { ...chan, state: 'Ring', exten: chan.dnid ?? chan.exten };
}
