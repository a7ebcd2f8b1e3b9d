import type { ChannelSnapshot, HostEvent, Instant, SnapshotChannel } from './events.ts';
import type { Channel, Topology } from './topology.ts';

/** A live channel we knew that the host no longer has. */
export interface Gone {
  event: 'Gone';
  channel: Channel;
  at: Instant;
}

/**
 * What must have happened between what we knew and the snapshot, as events in a sensible order: what vanished first,
 * then what is new, then who is bridged with whom. Applying them makes the books equal to the host's.
 * `gap`: when the connection was lost; the last moment at which a vanished channel was surely alive.
 */
export function resyncEvents(
  snapshot: Extract<HostEvent, { event: 'Resync' }>,
  topology: Topology,
  gap: Instant,
): (HostEvent | Gone)[] {
  const { at, fresh } = snapshot;
  const changes: (HostEvent | Gone)[] = [];
  const live = new Map(snapshot.channels.map((chan) => [chan.uniqueid, chan]));
  for (const channel of topology.channels()) {
    if (fresh || !live.has(channel.uniqueid)) changes.push({ event: 'Gone', channel, at: gap });
  }
  const known = (uniqueid: string): boolean => !fresh && topology.channel(uniqueid) !== undefined;
  for (const chan of snapshot.channels) {
    if (!known(chan.uniqueid)) changes.push({ event: 'Newchannel', at: bornAt(chan, at), chan: asFirstSeen(chan) });
  }
  for (const chan of snapshot.channels) {
    if (known(chan.uniqueid) || !isDialled(chan)) continue;
    changes.push({
      event: 'DialBegin',
      at: bornAt(chan, at),
      chan: dialler(chan, snapshot.channels),
      dest: chan,
      dialString: undefined,
    });
  }
  for (const chan of snapshot.channels) {
    changes.push({ event: 'Newstate', at, chan });
    const channel = topology.channel(chan.uniqueid);
    if (chan.bridgeId !== undefined && chan.bridgeId !== channel?.bridge) {
      const technology =
        chan.application === 'Park' || chan.application === 'ParkedCall' ? 'holding_bridge' : undefined;
      const enteredAt = isDialled(chan) ? (chan.cdrAnswer ?? at) : at;
      changes.push({
        event: 'BridgeEnter',
        at: enteredAt,
        chan,
        bridgeId: chan.bridgeId,
        technology,
        swapUniqueid: undefined,
      });
    } else if (chan.bridgeId === undefined && channel?.bridge !== undefined) {
      changes.push({ event: 'BridgeLeave', at, chan, bridgeId: channel.bridge });
    }
  }
  return changes;
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
