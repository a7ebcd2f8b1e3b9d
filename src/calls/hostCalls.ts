import type { Call, Fact } from './call.ts';
import { recorded, seen } from './channels.ts';
import { dialBegin, dialEnd } from './dialling.ts';
import { endOrphans, hangup, hangupKnown } from './endings.ts';
import type { HostEvent, Instant, QueuedCaller } from './events.ts';
import { type LiveCall, liveCalls } from './live.ts';
import { callsWith, legCall, partyOf } from './lookup.ts';
import { deadline } from './machine.ts';
import { goneChannels, newChannels, rewired } from './resync.ts';
import type { HostRules } from './rules.ts';
import type { HostState } from './state.ts';
import { joinByTalk, foldGroups, reconnect, refresh, unbridge } from './talking.ts';
import { keep, passTime, tell, tellLeg } from './telling.ts';
import { Topology } from './topology.ts';

/**
 * All calls of one host: channels and bridges in, facts about calls out. Pure: the same events give the same facts.
 *
 * It finds out which call an event belongs to (`ami-events.md` 1, rules 1–6) and tells it in the call's own words;
 * what that means is `advance`'s business. A new PBX oddity belongs beside this file
 * (`channels`, `dialling`, `talking`, `endings`) if it is about who is wired to whom, into `machine.ts` if it is about
 * what a call is.
 */
export class HostCalls {
  readonly #state: HostState;

  constructor(rules: HostRules) {
    this.#state = {
      rules,
      topology: new Topology(rules),
      calls: new Map(),
      legs: new Map(),
      rings: new Map(),
      outside: new Map(),
      begun: new Map(),
      failedLegs: new Map(),
      departed: new Map(),
      waiting: new Set(),
      stashed: [],
      disconnectedAt: undefined,
    };
  }

  /** Live calls, internal ones included. */
  calls(): readonly Call[] {
    return [...this.#state.calls.values()];
  }

  /** Live calls with the channels somebody may act on: listen to, transfer, hang up. */
  live(): LiveCall[] {
    return liveCalls(this.#state);
  }

  /** Entries in all tables; back to 0 when the host has been idle for a while. */
  get weight(): number {
    const { topology, calls, legs, rings, outside, begun, failedLegs, departed, waiting, stashed } = this.#state;
    const tables = [calls, legs, rings, outside, begun, failedLegs, departed, waiting];
    return tables.reduce((sum, table) => sum + table.size, topology.weight + stashed.length);
  }

  /** When a `Tick` is due, if nothing else happens before. */
  wakeAt(): Instant | undefined {
    let due: Instant | undefined;
    for (const id of this.#state.waiting) {
      const call = this.#state.calls.get(id);
      const at = call === undefined ? undefined : deadline(call);
      if (at !== undefined && (due === undefined || at < due)) due = at;
    }
    return due;
  }

  /** Takes back calls that were live when the process stopped. A `Resync` must follow before any other event. */
  restore(calls: readonly Call[]): void {
    for (const call of calls) keep(this.#state, call);
  }

  /** Applies one event; never throws; returns what happened. */
  apply(event: HostEvent): Fact[] {
    const facts: Fact[] = [];
    passTime(this.#state, event.at, facts);
    switch (event.event) {
      case 'Newchannel':
      case 'Newstate':
        seen(this.#state, event.chan, event.at, event.event === 'Newchannel', facts);
        break;
      case 'DialBegin':
        dialBegin(this.#state, event, facts);
        break;
      case 'DialEnd':
        dialEnd(this.#state, event, facts);
        break;
      case 'BridgeEnter': {
        const channel = seen(this.#state, event.chan, event.at, false, facts);
        if (channel === undefined) break;
        if (event.swapUniqueid !== undefined) unbridge(this.#state, event.swapUniqueid, event.at, facts);
        this.#state.topology.enter(channel, event.bridgeId, event.technology);
        joinByTalk(this.#state, channel, event.at, facts);
        if (event.technology === 'holding_bridge')
          tellLeg(this.#state, channel, { input: 'parked', at: event.at }, facts);
        reconnect(this.#state, channel, event.at, facts);
        break;
      }
      case 'BridgeLeave': {
        const channel = seen(this.#state, event.chan, event.at, false, facts);
        if (channel === undefined) break;
        const peers = this.#state.topology.peers(channel);
        if (channel.bridge === event.bridgeId) this.#state.topology.leave(channel);
        reconnect(this.#state, channel, event.at, facts);
        for (const peer of peers) reconnect(this.#state, peer, event.at, facts);
        break;
      }
      case 'Hangup':
        hangup(this.#state, event.chan, event.cause, event.at, facts, undefined);
        break;
      case 'VarSet':
        if (this.#state.rules.recordingVariables.includes(event.name)) {
          recorded(this.#state, event.uniqueid, event.value, event.at, facts);
        }
        break;
      case 'BlindTransfer': {
        const transferer = seen(this.#state, event.transferer, event.at, false, facts);
        if (transferer === undefined) break;
        const party = partyOf(this.#state, transferer).party;
        const number = this.#state.rules.phone(event.exten, undefined);
        const to = number.kind === 'phone' ? number.e164 : event.exten;
        for (const call of callsWith(this.#state, transferer)) {
          tell(this.#state, call, { input: 'transferred', at: event.at, type: 'blind', party, to }, facts);
        }
        break;
      }
      case 'AttendedTransfer': {
        const transferer = seen(this.#state, event.transferer, event.at, false, facts);
        if (transferer === undefined) break;
        const second = event.secondTransferer && seen(this.#state, event.secondTransferer, event.at, false, facts);
        const merged = second && this.#state.topology.join(transferer, second);
        if (merged !== undefined) foldGroups(this.#state, merged, event.at, facts);
        const party = partyOf(this.#state, transferer).party;
        for (const id of this.#state.topology.group(transferer).calls) {
          const call = this.#state.calls.get(id);
          if (call === undefined || call.answeredAt === undefined || call.direction === 'internal') continue;
          if (!call.talks.some((talk) => talk.party === party)) continue;
          tell(this.#state, id, { input: 'transferred', at: event.at, type: 'attended', party, to: undefined }, facts);
        }
        break;
      }
      case 'QueueCallerJoin': {
        const channel = seen(this.#state, event.chan, event.at, false, facts);
        if (channel !== undefined)
          tellLeg(this.#state, channel, { input: 'queued', at: event.at, queue: event.queue }, facts);
        break;
      }
      case 'Shutdown':
      case 'Tick':
        break;
      case 'Disconnected':
        this.#state.disconnectedAt ??= event.at;
        break;
      case 'Resync':
        this.#resync(event, facts);
        break;
    }
    return facts;
  }

  /**
   * Makes the books equal to a snapshot by what must have happened meanwhile: channels ended, others began, calls
   * without a channel are over; only then who dialled whom and who talks with whom.
   */
  #resync(event: Extract<HostEvent, { event: 'Resync' }>, facts: Fact[]): void {
    const { topology } = this.#state;
    const gap = this.#state.disconnectedAt ?? event.at;
    this.#state.disconnectedAt = undefined;
    const lost = event.fresh ? 'pbx restarted' : 'connection lost';
    for (const channel of goneChannels(event, topology)) hangupKnown(this.#state, channel, undefined, gap, facts, lost);
    const born = newChannels(event, topology);
    for (const { chan, at } of born) seen(this.#state, chan, at, false, facts);
    endOrphans(this.#state, gap, event.fresh, facts);
    for (const change of rewired(event, topology, new Set(born.map(({ chan }) => chan.uniqueid)))) {
      facts.push(...this.apply(change));
    }
    for (const caller of event.queued ?? []) this.#waits(caller, event.at, facts);
    for (const id of [...this.#state.calls.keys()]) refresh(this.#state, id, event.at, facts);
  }

  /** A snapshot found a caller in a queue: news only if we did not hear her enter it. */
  #waits({ uniqueid, queue, seconds }: QueuedCaller, at: Instant, facts: Fact[]): void {
    const call = legCall(this.#state, uniqueid);
    const channel = this.#state.topology.channel(uniqueid);
    if (channel === undefined || call === undefined || call.queue === queue || call.answeredAt !== undefined) return;
    const since = Math.max(channel.createdAt, at - (seconds ?? 0) * 1000);
    tellLeg(this.#state, channel, { input: 'queued', at: since, queue }, facts);
  }
}
