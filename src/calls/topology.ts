import type { ChannelSnapshot, ChannelState, Instant } from './events.ts';
import type { HostRules, Side } from './rules.ts';

/** A live channel and what must be remembered of it: its first event tells number and DID, later ones overwrite them. */
export interface Channel {
  readonly uniqueid: string;
  /** `PJSIP/150-00000001`. */
  name: string;
  side: Side;
  /** Key of the group the channel is in. */
  group: string;
  linkedid: string;
  state: ChannelState;
  readonly createdAt: Instant;
  /** `CallerIDNum`, `CallerIDName`, `Exten` of the first event. */
  readonly firstNum: string | undefined;
  readonly firstName: string | undefined;
  readonly firstExten: string | undefined;
  /** `CallerIDNum` of the latest event; a click-to-call shows the customer here. */
  num: string | undefined;
  upAt: Instant | undefined;
  /** Uniqueid of the channel that dialled this one; `''` = an Originate; undefined = not dialled. */
  dialledBy: string | undefined;
  dialString: string | undefined;
  dialStatus: string | undefined;
  forward: string | undefined;
  bridge: string | undefined;
  /** It went through a context that says "outside working hours". */
  offHours: boolean;
  /** The channel was seen for the first time in a snapshot or in the middle of its life. */
  late: boolean;
}

/** Channels that belong together: one or several Linkedids. */
export interface Group {
  readonly key: string;
  readonly linkedids: Set<string>;
  /** Live channels. */
  readonly channels: Set<string>;
  /** External ids of the live calls of this group. */
  readonly calls: Set<string>;
  readonly since: Instant;
  /** The group once had a call, or merged with one: its end is then no internal traffic of its own. */
  hadCall: boolean;
}

interface Bridge {
  readonly id: string;
  technology: string | undefined;
  readonly members: Set<string>;
}

/**
 * Who exists on one host and who is wired to whom: channels, bridges, groups. It only keeps books; what a change means
 * for a call is decided elsewhere. Its memory is the host's live channels, no more.
 */
export class Topology {
  readonly #rules: HostRules;
  readonly #channels = new Map<string, Channel>();
  readonly #byName = new Map<string, Channel>();
  readonly #bridges = new Map<string, Bridge>();
  readonly #groups = new Map<string, Group>();
  /** Linkedid → key of the group it was folded into. */
  readonly #groupOf = new Map<string, string>();

  constructor(rules: HostRules) {
    this.#rules = rules;
  }

  get size(): number {
    return this.#channels.size;
  }

  /** Entries in all tables: back to 0 when the host is idle. */
  get weight(): number {
    return this.#channels.size + this.#byName.size + this.#bridges.size + this.#groups.size + this.#groupOf.size;
  }

  channel(uniqueid: string): Channel | undefined {
    return this.#channels.get(uniqueid);
  }

  channelByName(name: string): Channel | undefined {
    return this.#byName.get(name);
  }

  channels(): IterableIterator<Channel> {
    return this.#channels.values();
  }

  group(channel: Channel): Group {
    const group = this.#groups.get(channel.group);
    if (group === undefined) throw new Error(`channel ${channel.uniqueid} without a group`);
    return group;
  }

  /** The group a Linkedid belongs to now. */
  groupByLinkedid(linkedid: string): Group | undefined {
    const key = this.#groupOf.get(linkedid);
    return key === undefined ? undefined : this.#groups.get(key);
  }

  /**
   * Any event of a channel: creates it if unknown (`late` unless `fresh`), refreshes state and Linkedid.
   * Returns the channel and the group that was folded into another one by a changed Linkedid, if so.
   */
  see(chan: ChannelSnapshot, at: Instant, fresh: boolean): { channel: Channel; merged: Merge | undefined } {
    const known = this.#channels.get(chan.uniqueid);
    if (known === undefined) {
      const group = this.#groupFor(chan.linkedid, at);
      const channel: Channel = {
        uniqueid: chan.uniqueid,
        name: chan.channel,
        side: this.#rules.side(chan.channel, chan.context),
        group: group.key,
        linkedid: chan.linkedid,
        state: chan.state,
        createdAt: at,
        firstNum: chan.callerNum,
        firstName: chan.callerName,
        firstExten: chan.exten,
        num: chan.callerNum,
        upAt: chan.state === 'Up' ? at : undefined,
        dialledBy: undefined,
        dialString: undefined,
        dialStatus: undefined,
        forward: undefined,
        bridge: undefined,
        offHours: chan.context !== undefined && this.#rules.offHours(chan.context),
        late: !fresh,
      };
      this.#channels.set(channel.uniqueid, channel);
      this.#byName.set(channel.name, channel);
      group.channels.add(channel.uniqueid);
      return { channel, merged: undefined };
    }
    known.state = chan.state;
    if (chan.state === 'Up') known.upAt ??= at;
    if (chan.callerNum !== undefined) known.num = chan.callerNum;
    if (chan.context !== undefined && this.#rules.offHours(chan.context)) known.offHours = true;
    if (known.name !== chan.channel) {
      this.#byName.delete(known.name);
      known.name = chan.channel;
      known.side = this.#rules.side(chan.channel, chan.context);
      this.#byName.set(known.name, known);
    }
    let merged: Merge | undefined;
    if (known.linkedid !== chan.linkedid) {
      known.linkedid = chan.linkedid;
      merged = this.#join(this.group(known), this.#groupFor(chan.linkedid, at));
    }
    return { channel: known, merged };
  }

  /** Folds the groups of two channels into the older one. */
  join(one: Channel, other: Channel): Merge | undefined {
    return this.#join(this.group(one), this.group(other));
  }

  enter(channel: Channel, bridgeId: string, technology: string | undefined): void {
    this.leave(channel);
    let bridge = this.#bridges.get(bridgeId);
    if (bridge === undefined) {
      bridge = { id: bridgeId, technology, members: new Set() };
      this.#bridges.set(bridgeId, bridge);
    }
    if (technology !== undefined) bridge.technology = technology;
    bridge.members.add(channel.uniqueid);
    channel.bridge = bridgeId;
  }

  leave(channel: Channel): void {
    if (channel.bridge === undefined) return;
    const bridge = this.#bridges.get(channel.bridge);
    channel.bridge = undefined;
    if (bridge === undefined) return;
    bridge.members.delete(channel.uniqueid);
    if (bridge.members.size === 0) this.#bridges.delete(bridge.id);
  }

  /** Technology of the bridge the channel is in: `simple_bridge`, `holding_bridge` (a parking lot), … */
  technology(channel: Channel): string | undefined {
    return channel.bridge === undefined ? undefined : this.#bridges.get(channel.bridge)?.technology;
  }

  /** The other half of a Local channel. */
  otherHalf(channel: Channel): Channel | undefined {
    const half = channel.name.slice(-2);
    if (half !== ';1' && half !== ';2') return undefined;
    return this.#byName.get(channel.name.slice(0, -1) + (half === ';1' ? '2' : '1'));
  }

  /** Everybody a channel can talk with now: its bridge's members, through Local halves; parking lots do not connect. */
  peers(from: Channel): Channel[] {
    const found: Channel[] = [];
    const seen = new Set<string>([from.uniqueid]);
    const walk = (channel: Channel): void => {
      if (channel.bridge === undefined) return;
      const bridge = this.#bridges.get(channel.bridge);
      if (bridge === undefined || bridge.technology === 'holding_bridge') return;
      for (const uniqueid of bridge.members) {
        if (seen.has(uniqueid)) continue;
        seen.add(uniqueid);
        const member = this.#channels.get(uniqueid);
        if (member === undefined) continue;
        if (member.side.side !== 'local') {
          found.push(member);
          continue;
        }
        const half = this.otherHalf(member);
        if (half === undefined || seen.has(half.uniqueid)) continue;
        seen.add(half.uniqueid);
        walk(half);
      }
    };
    walk(from);
    return found;
  }

  /** Follows "was dialled by" upwards, through Local halves, to the channel that began it. */
  root(channel: Channel): Channel {
    let current = channel;
    for (let steps = 0; steps < 64; steps++) {
      if (current.dialledBy !== undefined && current.dialledBy !== '') {
        const up = this.#channels.get(current.dialledBy);
        if (up === undefined || up === current) return current;
        current = up;
        continue;
      }
      if (current.side.side !== 'local') return current;
      const half = this.otherHalf(current);
      if (half?.dialledBy === undefined || half.dialledBy === '') return current;
      current = half;
    }
    return current;
  }

  /** Forgets a channel; returns its group if that group is now empty (and forgets the group). */
  remove(channel: Channel): Group | undefined {
    this.leave(channel);
    this.#channels.delete(channel.uniqueid);
    if (this.#byName.get(channel.name) === channel) this.#byName.delete(channel.name);
    const group = this.#groups.get(channel.group);
    if (group === undefined) return undefined;
    group.channels.delete(channel.uniqueid);
    if (group.channels.size > 0) return undefined;
    this.#groups.delete(group.key);
    for (const linkedid of group.linkedids) this.#groupOf.delete(linkedid);
    return group;
  }

  #groupFor(linkedid: string, at: Instant): Group {
    const known = this.groupByLinkedid(linkedid);
    if (known !== undefined) return known;
    const group: Group = {
      key: linkedid,
      linkedids: new Set([linkedid]),
      channels: new Set(),
      calls: new Set(),
      since: at,
      hadCall: false,
    };
    this.#groups.set(group.key, group);
    this.#groupOf.set(linkedid, group.key);
    return group;
  }

  #join(one: Group, other: Group): Merge | undefined {
    if (one === other) return undefined;
    const [into, from] = one.since <= other.since ? [one, other] : [other, one];
    for (const uniqueid of from.channels) {
      const channel = this.#channels.get(uniqueid);
      if (channel !== undefined) channel.group = into.key;
      into.channels.add(uniqueid);
    }
    for (const linkedid of from.linkedids) {
      into.linkedids.add(linkedid);
      this.#groupOf.set(linkedid, into.key);
    }
    for (const call of from.calls) into.calls.add(call);
    into.hadCall ||= from.hadCall;
    this.#groups.delete(from.key);
    return { into, from };
  }
}

/** Two groups became one. */
export interface Merge {
  into: Group;
  from: Group;
}
