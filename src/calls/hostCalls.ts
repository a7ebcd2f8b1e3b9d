import type { Call, DropReason, Fact, Ring } from './call.ts';
import { dialledNumber } from './dialled.ts';
import type { ChannelSnapshot, HostEvent, Instant } from './events.ts';
import type { CallInput, Party } from './machine.ts';
import { advance, deadline } from './machine.ts';
import { dropReason } from './record.ts';
import { incomingResult, missedDetail, outgoingResult, ringOutcome } from './result.ts';
import { resyncEvents } from './resync.ts';
import type { HostRules } from './rules.ts';
import type { Channel, Group, Merge } from './topology.ts';
import { Topology, withoutSuffix } from './topology.ts';

/** What is remembered of a channel for a while after its Hangup, so that late events change nothing wrongly. */
interface Departed {
  at: Instant;
  /** Live call whose ring this was. */
  call: string | undefined;
  cause: number | undefined;
  up: boolean;
}

/** Departed channels are remembered this long: late `DialEnd`, `NewCallerid` and the like come within a second. */
const REMEMBER_MS = 10_000;

/**
 * All calls of one host: channels and bridges in, facts about calls out. Pure: the same events give the same facts.
 *
 * It finds out which call an event belongs to (`ami-events.md` 1, rules 1–6) and tells it in the call's own words;
 * what that means is `advance`'s business. A new PBX oddity belongs here if it is about who is wired to whom, into
 * `machine.ts` if it is about what a call is.
 */
export class HostCalls {
  readonly #rules: HostRules;
  readonly #topology: Topology;
  /** Live calls by externalId. */
  readonly #calls = new Map<string, Call>();
  /** Customer's channels and first channels of live calls → externalId. */
  readonly #legs = new Map<string, string>();
  /** Channel of a rung phone → externalId. */
  readonly #rings = new Map<string, string>();
  /** Party name of dialled outside legs. */
  readonly #outside = new Map<string, string>();
  /** How many customer calls a channel has begun: the second one's id gets `-2`. */
  readonly #begun = new Map<string, number>();
  /** Last outside leg of an outgoing call that ended unanswered. */
  readonly #failedLegs = new Map<string, { dialStatus: string | undefined; cause: number | undefined }>();
  readonly #departed = new Map<string, Departed>();
  /** Calls with a deadline. */
  readonly #waiting = new Set<string>();
  #disconnectedAt: Instant | undefined;

  constructor(rules: HostRules) {
    this.#rules = rules;
    this.#topology = new Topology(rules);
  }

  /** Live calls, internal ones included. */
  calls(): readonly Call[] {
    return [...this.#calls.values()];
  }

  /** Entries in all tables; back to 0 when the host has been idle for a while. */
  get weight(): number {
    return (
      this.#topology.weight +
      this.#calls.size +
      this.#legs.size +
      this.#rings.size +
      this.#outside.size +
      this.#begun.size +
      this.#failedLegs.size +
      this.#departed.size +
      this.#waiting.size
    );
  }

  /** When a `Tick` is due, if nothing else happens before. */
  wakeAt(): Instant | undefined {
    let due: Instant | undefined;
    for (const id of this.#waiting) {
      const call = this.#calls.get(id);
      const at = call === undefined ? undefined : deadline(call);
      if (at !== undefined && (due === undefined || at < due)) due = at;
    }
    return due;
  }

  /** Takes back calls that were live when the process stopped. A `Resync` must follow before any other event. */
  restore(calls: readonly Call[]): void {
    for (const call of calls) this.#keep(call);
  }

  /** Applies one event; never throws; returns what happened. */
  apply(event: HostEvent): Fact[] {
    const facts: Fact[] = [];
    this.#passTime(event.at, facts);
    switch (event.event) {
      case 'Newchannel':
      case 'Newstate':
        this.#seen(event.chan, event.at, event.event === 'Newchannel', facts);
        break;
      case 'DialBegin':
        this.#dialBegin(event, facts);
        break;
      case 'DialEnd':
        this.#dialEnd(event, facts);
        break;
      case 'BridgeEnter': {
        const channel = this.#seen(event.chan, event.at, false, facts);
        if (channel === undefined) break;
        if (event.swapUniqueid !== undefined) this.#unbridge(event.swapUniqueid, event.at, facts);
        this.#topology.enter(channel, event.bridgeId, event.technology);
        this.#joinByTalk(channel, event.at, facts);
        if (event.technology === 'holding_bridge') this.#tellLeg(channel, { input: 'parked', at: event.at }, facts);
        this.#reconnect(channel, event.at, facts);
        break;
      }
      case 'BridgeLeave': {
        const channel = this.#seen(event.chan, event.at, false, facts);
        if (channel === undefined) break;
        const peers = this.#topology.peers(channel);
        if (channel.bridge === event.bridgeId) this.#topology.leave(channel);
        this.#reconnect(channel, event.at, facts);
        for (const peer of peers) this.#reconnect(peer, event.at, facts);
        break;
      }
      case 'Hangup':
        this.#hangup(event.chan, event.cause, event.at, facts, undefined);
        break;
      case 'VarSet':
        if (this.#rules.recordingVariables.includes(event.name)) {
          this.#recorded(event.uniqueid, event.value, event.at, facts);
        }
        break;
      case 'BlindTransfer': {
        const transferer = this.#seen(event.transferer, event.at, false, facts);
        if (transferer === undefined) break;
        const party = this.#party(transferer).party;
        const number = this.#rules.phone(event.exten, undefined);
        const to = number.kind === 'phone' ? number.e164 : event.exten;
        for (const call of this.#callsWith(transferer)) {
          this.#tell(call, { input: 'transferred', at: event.at, type: 'blind', party, to }, facts);
        }
        break;
      }
      case 'AttendedTransfer': {
        const transferer = this.#seen(event.transferer, event.at, false, facts);
        if (transferer === undefined) break;
        const second = event.secondTransferer && this.#seen(event.secondTransferer, event.at, false, facts);
        const merged = second && this.#topology.join(transferer, second);
        if (merged !== undefined) this.#merged(merged, event.at, facts);
        const party = this.#party(transferer).party;
        for (const id of this.#topology.group(transferer).calls) {
          const call = this.#calls.get(id);
          if (call === undefined || call.answeredAt === undefined || call.direction === 'internal') continue;
          if (!call.talks.some((talk) => talk.party === party)) continue;
          this.#tell(id, { input: 'transferred', at: event.at, type: 'attended', party, to: undefined }, facts);
        }
        break;
      }
      case 'QueueCallerJoin': {
        const channel = this.#seen(event.chan, event.at, false, facts);
        if (channel !== undefined) this.#tellLeg(channel, { input: 'queued', at: event.at, queue: event.queue }, facts);
        break;
      }
      case 'OriginateResponse':
      case 'Shutdown':
      case 'Tick':
        break;
      case 'Disconnected':
        this.#disconnectedAt ??= event.at;
        break;
      case 'Resync': {
        const gap = this.#disconnectedAt ?? event.at;
        this.#disconnectedAt = undefined;
        for (const change of resyncEvents(event, this.#topology, gap)) {
          if (change.event === 'Gone') {
            this.#hangupKnown(
              change.channel,
              undefined,
              change.at,
              facts,
              event.fresh ? 'pbx restarted' : 'connection lost',
            );
          } else {
            facts.push(...this.apply(change));
          }
        }
        this.#endOrphans(gap, event.fresh, facts);
        for (const call of this.#calls.values()) this.#refresh(call.externalId, event.at, facts);
        break;
      }
    }
    return facts;
  }

  // ── channels ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Any event of a channel: keeps the books, finds new incoming calls, hears phones ring. */
  #seen(chan: ChannelSnapshot, at: Instant, fresh: boolean, facts: Fact[]): Channel | undefined {
    if (this.#departed.has(chan.uniqueid)) return undefined;
    const before = this.#topology.channel(chan.uniqueid)?.state;
    const { channel, merged } = this.#topology.see(chan, at, fresh);
    if (merged !== undefined) this.#merged(merged, at, facts);
    for (const name of this.#rules.recordingVariables) {
      const file = chan.variables?.[name];
      if (file !== undefined && file !== '') this.#recorded(chan.uniqueid, file, at, facts);
    }
    if (channel.state === 'Ring' && channel.side.side === 'trunk' && channel.dialledBy === undefined) {
      this.#incoming(channel, at, facts);
    }
    if (before !== channel.state) {
      if (channel.state === 'Ringing')
        this.#tellRing(channel.uniqueid, { input: 'phone rings', at, uniqueid: channel.uniqueid }, facts);
      if (channel.state === 'Up') this.#tellLeg(channel, { input: 'pbx answered', at }, facts);
    }
    return channel;
  }

  #incoming(channel: Channel, at: Instant, facts: Fact[]): void {
    if (this.#legs.has(channel.uniqueid) || channel.side.side !== 'trunk') return;
    const { country, trunk } = channel.side;
    const customer = this.#rules.phone(channel.firstNum, country);
    const did = this.#rules.phone(channel.firstExten, country);
    const externalPhone = did.kind === 'phone' ? did.e164 : undefined;
    const call = this.#newCall(channel, 'in', {
      customerUniqueid: channel.uniqueid,
      customer,
      customerRaw: channel.firstNum,
      customerName: channel.firstName,
      externalPhone,
      trunk,
      customerLegAt: channel.createdAt,
      excluded: this.#excluded(customer, externalPhone),
    });
    this.#keep(call);
    facts.push({ fact: 'call.incoming', at, call });
  }

  #excluded(customer: Call['customer'], externalPhone: string | undefined): DropReason | undefined {
    const listed = this.#rules.exclusion(customer, externalPhone);
    if (listed !== undefined) return listed;
    if (customer.kind !== 'phone' || this.#rules.policies.employeeMobiles === 'log') return undefined;
    return this.#rules.employeeByMobile(customer.e164) === undefined ? undefined : 'employee_mobile';
  }

  #dialBegin(event: Extract<HostEvent, { event: 'DialBegin' }>, facts: Fact[]): void {
    const { at } = event;
    const from = event.chan === undefined ? undefined : this.#seen(event.chan, at, false, facts);
    const dest = this.#seen(event.dest, at, false, facts);
    if (dest === undefined || dest.dialledBy !== undefined) return;
    dest.dialledBy = from?.uniqueid ?? '';
    dest.dialString = event.dialString;
    if (from !== undefined) {
      const merged = this.#topology.join(from, dest);
      if (merged !== undefined) this.#merged(merged, at, facts);
    }
    if (dest.side.side === 'employee') this.#phoneCalled(dest, at, facts);
    else if (dest.side.side === 'trunk') this.#outsideCalled(dest, event.chan?.callerNum, at, facts);
    else if (dest.side.side === 'unknown') {
      facts.push({ fact: 'unknown channel', at, linkedid: dest.linkedid, channel: withoutSuffix(dest.name) });
    }
  }

  #phoneCalled(dest: Channel, at: Instant, facts: Fact[]): void {
    if (dest.side.side !== 'employee' || dest.dialledBy === '') return;
    const root = this.#topology.root(dest);
    let id = this.#callOfRoot(root);
    if (id === undefined && root !== dest && root.side.side === 'employee' && root.dialledBy === undefined) {
      const call = this.#newCall(root, 'internal', {
        customerUniqueid: dest.uniqueid,
        customerLegAt: dest.createdAt,
        excluded: this.#talksWithCustomer(root.side.ext) === undefined ? undefined : 'part_of_call',
      });
      this.#keep(call);
      id = call.externalId;
    }
    if (id === undefined) return;
    this.#rings.set(dest.uniqueid, id);
    const ringing = dest.state === 'Ringing';
    this.#tell(
      id,
      { input: 'phone called', at, uniqueid: dest.uniqueid, ext: dest.side.ext, root: root.uniqueid, ringing },
      facts,
    );
  }

  /** The call a dial belongs to: its root's own call, else the call of the root's group its caller talked in last. */
  #callOfRoot(root: Channel): string | undefined {
    const own = this.#legs.get(root.uniqueid);
    if (own !== undefined) return own;
    const group = this.#topology.group(root);
    const calls = [...group.calls].map((id) => this.#calls.get(id)).filter((call) => call !== undefined);
    const customers = calls.filter((call) => call.direction !== 'internal');
    const pool = customers.length > 0 ? customers : calls;
    if (pool.length <= 1) return pool[0]?.externalId;
    const ext = root.side.side === 'employee' ? root.side.ext : undefined;
    const talked = pool.filter((call) => call.talks.some((talk) => talk.party === ext));
    return (talked.at(-1) ?? pool.at(-1))?.externalId;
  }

  #outsideCalled(dest: Channel, shown: string | undefined, at: Instant, facts: Fact[]): void {
    if (dest.side.side !== 'trunk') return;
    const { country, trunk } = dest.side;
    const raw = dialledNumber(dest.dialString) ?? dest.firstExten;
    const customer = this.#rules.phone(raw, country);
    const number = customer.kind === 'phone' ? customer.e164 : (raw ?? '');
    const mobileOf = customer.kind === 'phone' ? this.#rules.employeeByMobile(customer.e164) : undefined;
    const party = mobileOf ?? number;
    this.#outside.set(dest.uniqueid, party);
    const root = this.#topology.root(dest);
    const group = this.#topology.group(dest);

    const owner = this.#ownerOfOutsideLeg(root, group);
    const ownCall = owner?.direction === 'in' && this.#rules.policies.forwardedLegs === 'own_call';
    if (owner !== undefined && !ownCall) {
      group.hadCall = true;
      const sameCustomer =
        owner.direction === 'out' &&
        owner.answeredAt === undefined &&
        this.#legs.get(root.uniqueid) === owner.externalId;
      if (
        sameCustomer &&
        owner.customer.kind === 'phone' &&
        customer.kind === 'phone' &&
        owner.customer.e164 !== customer.e164
      ) {
        // The same channel tries another number: that is the next call.
        this.#endOutgoing(owner.externalId, at, undefined, facts);
      } else {
        if (sameCustomer) this.#relink(owner, dest);
        this.#tell(owner.externalId, { input: 'outside called', at, party }, facts);
        return;
      }
    }

    const first = ownCall ? dest : root;
    const externalPhone = this.#rules.phone(shown, country);
    const shownPhone = externalPhone.kind === 'phone' ? externalPhone.e164 : undefined;
    const internal = [...group.calls].map((id) => this.#calls.get(id)).find((call) => call?.direction === 'internal');
    const click = root.dialledBy === '' || (root.side.side === 'local' && root.dialledBy === undefined);
    const call = this.#newCall(first, 'out', {
      customerUniqueid: dest.uniqueid,
      customer,
      customerRaw: raw,
      customerName: undefined,
      externalPhone: shownPhone === number ? undefined : shownPhone,
      trunk,
      customerLegAt: dest.createdAt,
      initiatedBy: this.#employeeOf(root),
      originated: click,
      rang: internal?.rang ?? this.#originatedRings(root),
      recordings: internal?.recordings ?? [],
      excluded: this.#excluded(customer, shownPhone),
    });
    if (internal !== undefined) this.#forget(internal);
    const begun = { ...call, startedAt: root.createdAt };
    this.#keep(begun);
    for (const ring of begun.rang) this.#rings.set(ring.uniqueid, begun.externalId);
    this.#takeStashed(begun.externalId, at, facts);
    this.#tell(begun.externalId, { input: 'outside called', at, party }, facts);
    facts.push({ fact: 'call.outgoing', at, call: this.#calls.get(begun.externalId) ?? begun });
  }

  /** A dialled outside leg belongs to an incoming call of its group, to the outgoing call it repeats, or to a call its dialler is talking in. */
  #ownerOfOutsideLeg(root: Channel, group: Group): Call | undefined {
    const calls = [...group.calls].map((id) => this.#calls.get(id)).filter((call) => call !== undefined);
    const own = this.#legs.get(root.uniqueid);
    const owned = own === undefined ? undefined : this.#calls.get(own);
    if (owned !== undefined && owned.direction !== 'internal') return owned;
    const incoming =
      calls.findLast((call) => call.direction === 'in') ?? calls.findLast((call) => call.direction === 'out');
    if (incoming !== undefined) return incoming;
    if (root.side.side !== 'employee' || root.dialledBy === '') return undefined;
    const ext = root.side.ext;
    if (this.#rules.policies.forwardedLegs === 'own_call') return undefined;
    const call = this.#talksWithCustomer(ext);
    return call?.direction === 'in' ? call : undefined;
  }

  /** The customer call this employee is talking in right now: what she dials meanwhile is a consultation. */
  #talksWithCustomer(ext: string): Call | undefined {
    for (const call of this.#calls.values()) {
      if (call.direction === 'internal') continue;
      if (call.talks.some((talk) => talk.party === ext && talk.to === undefined)) return call;
    }
    return undefined;
  }

  /** Trunk failover: the outgoing call goes on over another outside leg. */
  #relink(call: Call, dest: Channel): void {
    if (call.customerUniqueid !== undefined && call.customerUniqueid !== call.firstUniqueid)
      this.#legs.delete(call.customerUniqueid);
    this.#legs.set(dest.uniqueid, call.externalId);
    this.#calls.set(call.externalId, { ...call, customerUniqueid: dest.uniqueid });
  }

  #employeeOf(root: Channel): string | undefined {
    if (root.side.side === 'employee') return root.side.ext;
    for (const peer of this.#topology.peers(root)) if (peer.side.side === 'employee') return peer.side.ext;
    const half = this.#topology.otherHalf(root);
    for (const channel of this.#topology.channels()) {
      if (channel.side.side !== 'employee' || channel.dialledBy === undefined) continue;
      if (channel.dialledBy === root.uniqueid || channel.dialledBy === half?.uniqueid) return channel.side.ext;
    }
    return undefined;
  }

  /** The phone a click-to-call rang before the customer was dialled. */
  #originatedRings(root: Channel): Ring[] {
    if (root.side.side !== 'employee' || root.dialledBy !== '') return [];
    const ended = root.upAt;
    return [
      {
        uniqueid: root.uniqueid,
        ext: root.side.ext,
        at: root.createdAt,
        ringingAt: root.createdAt,
        endedAt: ended,
        outcome: ended === undefined ? undefined : 'answered',
        root: root.uniqueid,
      },
    ];
  }

  #dialEnd(event: Extract<HostEvent, { event: 'DialEnd' }>, facts: Fact[]): void {
    const { at, dialStatus, forward } = event;
    const from = event.chan && this.#seen(event.chan, at, false, facts);
    const uniqueid = event.dest.uniqueid;
    const departed = this.#departed.get(uniqueid);
    if (departed !== undefined) {
      if (departed.call === undefined) return;
      const outcome = ringOutcome({ dialStatus, forward, cause: departed.cause, up: departed.up });
      this.#tell(departed.call, { input: 'phone over', at, uniqueid, outcome, settled: true }, facts);
      return;
    }
    const dest = this.#seen(event.dest, at, false, facts);
    if (dest === undefined) return;
    if (from !== undefined) {
      const merged = this.#topology.join(from, dest);
      if (merged !== undefined) this.#merged(merged, at, facts);
    }
    dest.dialStatus ??= dialStatus;
    dest.forward ??= forward;
    const outcome = ringOutcome({
      dialStatus: dest.dialStatus,
      forward: dest.forward,
      cause: undefined,
      up: dest.state === 'Up',
    });
    this.#tellRing(uniqueid, { input: 'phone over', at, uniqueid, outcome, settled: false }, facts);
  }

  // ── hangups ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #hangup(chan: ChannelSnapshot, cause: number | undefined, at: Instant, facts: Fact[], lost: Lost | undefined): void {
    // A channel that only its end was heard of tells nothing: its call was not seen.
    if (this.#topology.channel(chan.uniqueid) === undefined) return;
    const channel = this.#seen(chan, at, false, facts);
    if (channel !== undefined) this.#hangupKnown(channel, cause, at, facts, lost);
  }

  #hangupKnown(channel: Channel, cause: number | undefined, at: Instant, facts: Fact[], lost: Lost | undefined): void {
    const { uniqueid } = channel;
    const peers = this.#topology.peers(channel);
    const up = channel.state === 'Up';
    const over = { dialStatus: channel.dialStatus, forward: channel.forward, cause, up };
    const ringOf = this.#rings.get(uniqueid);
    const call = this.#legCall(uniqueid);
    const group = this.#topology.group(channel);

    if (ringOf !== undefined) {
      this.#rings.delete(uniqueid);
      this.#tell(ringOf, { input: 'phone over', at, uniqueid, outcome: ringOutcome(over), settled: true }, facts);
    }
    const clickNotAnswered = call === undefined && this.#clickWithoutCall(channel, at, over, facts);
    if (clickNotAnswered) group.hadCall = true;

    this.#departed.set(uniqueid, { at, call: ringOf, cause, up });
    this.#topology.leave(channel);
    for (const peer of peers) this.#reconnect(peer, at, facts);
    if (call !== undefined) this.#legOver(call, channel, over, at, facts, lost);

    this.#outside.delete(uniqueid);
    this.#begun.delete(uniqueid);
    const empty = this.#topology.remove(channel);
    if (empty !== undefined) this.#groupOver(empty, channel, at, facts);
  }

  /** The customer's leg or the first channel of a call is gone. */
  #legOver(
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
        this.#tell(
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
        this.#legs.delete(channel.uniqueid);
        if (isCustomer && call.answeredAt !== undefined) {
          this.#tell(id, { input: 'gone', at, cause: over.cause, result: 'answered', detail: lost }, facts);
          return;
        }
        if (isCustomer) {
          this.#failedLegs.set(id, over);
          if (this.#topology.channel(call.firstUniqueid) === undefined) this.#endOutgoing(id, at, lost, facts);
          return;
        }
        // The employee's channel: the attempt is over unless the customer's leg still lives (answered, or transferred while ringing).
        const leg = call.customerUniqueid === undefined ? undefined : this.#topology.channel(call.customerUniqueid);
        if (leg === undefined || lost !== undefined) this.#endOutgoing(id, at, lost, facts);
        return;
      }
      case 'internal': {
        this.#legs.delete(channel.uniqueid);
        // Whoever is left may still be handed to somebody: a consultation completed while it rings.
        const others = [call.firstUniqueid, ...call.rang.map((ring) => ring.uniqueid)];
        if (others.some((uniqueid) => uniqueid !== channel.uniqueid && this.#topology.channel(uniqueid) !== undefined))
          return;
        const last = call.rang.at(-1);
        const result = last?.outcome === 'busy' || last?.outcome === 'declined' ? 'busy' : 'no answer';
        this.#tell(id, { input: 'gone', at, cause: over.cause, result, detail: lost }, facts);
      }
    }
  }

  #endOutgoing(id: string, at: Instant, lost: Lost | undefined, facts: Fact[]): void {
    const leg = this.#failedLegs.get(id);
    const over = { dialStatus: leg?.dialStatus, forward: undefined, cause: leg?.cause, up: false };
    const result = lost === undefined ? outgoingResult(over) : 'unknown';
    const detail = result === 'failed' ? 'trunk failed' : leg?.dialStatus === 'CANCEL' ? 'caller gave up' : undefined;
    this.#tell(id, { input: 'gone', at, cause: over.cause, result, detail: lost ?? detail }, facts);
  }

  /** Click-to-call whose employee never picked up: no outside leg was ever dialled. The shown number is the customer. */
  #clickWithoutCall(channel: Channel, at: Instant, over: Parameters<typeof ringOutcome>[0], facts: Fact[]): boolean {
    if (channel.dialledBy !== '' || channel.side.side !== 'employee' || over.up) return false;
    const customer = this.#rules.phone(channel.num, undefined);
    if (customer.kind !== 'phone') return false;
    const ring: Ring = {
      uniqueid: channel.uniqueid,
      ext: channel.side.ext,
      at: channel.createdAt,
      ringingAt: channel.createdAt,
      endedAt: at,
      // An Originate that times out has no DialEnd at all (trap 2): nobody cancelled it.
      outcome:
        over.dialStatus === undefined && over.cause !== 17 && over.cause !== 21 ? 'no answer' : ringOutcome(over),
      root: channel.uniqueid,
    };
    const call = this.#newCall(channel, 'out', {
      customer,
      customerRaw: channel.num,
      initiatedBy: channel.side.ext,
      originated: true,
      rang: [ring],
      excluded: this.#rules.policies.clickNotAnswered === 'log' ? undefined : 'employee_did_not_answer',
    });
    this.#keep(call);
    this.#tell(
      call.externalId,
      { input: 'gone', at, cause: over.cause, result: 'no answer', detail: 'employee did not answer' },
      facts,
    );
    return true;
  }

  #groupOver(group: Group, last: Channel, at: Instant, facts: Fact[]): void {
    for (const id of [...group.calls]) {
      // Calls that lost all their channels without a Hangup of the customer (events were missed).
      this.#tell(id, { input: 'gone', at, cause: undefined, result: 'unknown', detail: 'connection lost' }, facts);
    }
    if (group.hadCall || last.side.side === 'service') return;
    facts.push({ fact: 'dropped', at, linkedid: group.key, reason: 'internal', call: undefined });
  }

  #endOrphans(at: Instant, fresh: boolean, facts: Fact[]): void {
    for (const call of [...this.#calls.values()]) {
      const leg = call.customerUniqueid ?? call.firstUniqueid;
      const alive =
        this.#topology.channel(leg) ??
        (call.direction === 'in' ? undefined : this.#topology.channel(call.firstUniqueid));
      if (alive !== undefined) {
        this.#adopt(call, alive);
        continue;
      }
      const detail = fresh ? 'pbx restarted' : 'connection lost';
      this.#tell(call.externalId, { input: 'gone', at, cause: undefined, result: 'unknown', detail }, facts);
    }
  }

  /** A restored call finds its channels again. */
  #adopt(call: Call, channel: Channel): void {
    const group = this.#topology.group(channel);
    group.calls.add(call.externalId);
    group.hadCall = true;
    for (const ring of call.rang) {
      if (ring.endedAt === undefined && this.#topology.channel(ring.uniqueid) !== undefined)
        this.#rings.set(ring.uniqueid, call.externalId);
    }
  }

  // ── who talks with whom ─────────────────────────────────────────────────────────────────────────────────────────

  /** A call whose customer talks with somebody of another group: what was internal there is part of this call. */
  #joinByTalk(channel: Channel, at: Instant, facts: Fact[]): void {
    const technology = this.#topology.technology(channel);
    if (technology === 'holding_bridge' || technology === 'softmix') return;
    for (const peer of this.#topology.peers(channel)) {
      if (peer.group === channel.group) continue;
      const groups = [this.#topology.group(channel), this.#topology.group(peer)];
      const customers = groups.map(
        (group) => [...group.calls].filter((id) => this.#calls.get(id)?.direction !== 'internal').length,
      );
      if (customers[0] !== 0 && customers[1] !== 0) continue;
      const merged = this.#topology.join(channel, peer);
      if (merged !== undefined) this.#merged(merged, at, facts);
    }
  }

  /** Groups became one: an internal call in it is swallowed by the customer call (`calls.md` 3.10, 3.17). */
  #merged(merge: Merge, at: Instant, facts: Fact[]): void {
    const calls = [...merge.into.calls].map((id) => this.#calls.get(id)).filter((call) => call !== undefined);
    const target = calls.findLast((call) => call.direction !== 'internal');
    if (target === undefined) return;
    for (const call of calls) {
      if (call.direction !== 'internal') continue;
      const rang = [...target.rang, ...call.rang].sort((a, b) => a.at - b.at);
      this.#forget(call);
      this.#keep({ ...(this.#calls.get(target.externalId) ?? target), rang });
      for (const ring of call.rang)
        if (this.#topology.channel(ring.uniqueid)) this.#rings.set(ring.uniqueid, target.externalId);
    }
    this.#refresh(target.externalId, at, facts);
  }

  #reconnect(channel: Channel, at: Instant, facts: Fact[]): void {
    for (const id of this.#callsWith(channel)) this.#refresh(id, at, facts);
  }

  /** Calls whose customer is this channel or is connected with it now, and those of its group. */
  #callsWith(channel: Channel): Set<string> {
    const ids = new Set<string>();
    if (this.#topology.channel(channel.uniqueid) !== undefined)
      for (const id of this.#topology.group(channel).calls) ids.add(id);
    const own = this.#legs.get(channel.uniqueid);
    if (own !== undefined) ids.add(own);
    for (const peer of this.#topology.peers(channel)) {
      const leg = this.#legs.get(peer.uniqueid);
      if (leg !== undefined) ids.add(leg);
    }
    return ids;
  }

  #refresh(id: string, at: Instant, facts: Fact[]): void {
    const call = this.#calls.get(id);
    if (call?.customerUniqueid === undefined) return;
    const customer = this.#topology.channel(call.customerUniqueid);
    if (customer === undefined) return;
    const parties = this.#topology
      .peers(customer)
      .filter((peer) => peer.side.side !== 'service')
      .map((peer) => this.#party(peer));
    this.#tell(id, { input: 'connected', at, parties }, facts);
  }

  #party(channel: Channel): Party {
    const { side } = channel;
    switch (side.side) {
      case 'employee':
        return { party: side.ext, kind: 'employee' };
      case 'trunk':
      case 'interhost': {
        const dialled = this.#outside.get(channel.uniqueid);
        if (dialled !== undefined) return { party: dialled, kind: this.#isExtension(dialled) ? 'employee' : 'outside' };
        const phone = this.#rules.phone(channel.firstNum, side.side === 'trunk' ? side.country : undefined);
        if (phone.kind === 'phone') return { party: phone.e164, kind: 'outside' };
        return { party: channel.firstNum ?? 'anonymous', kind: side.side === 'interhost' ? 'employee' : 'outside' };
      }
      case 'local':
      case 'service':
      case 'unknown':
        return { party: withoutSuffix(channel.name).replace(/^[^/]*\//, ''), kind: 'unknown' };
    }
  }

  #isExtension(party: string): boolean {
    return !party.startsWith('+');
  }

  #unbridge(uniqueid: string, at: Instant, facts: Fact[]): void {
    const swapped = this.#topology.channel(uniqueid);
    if (swapped === undefined) return;
    this.#topology.leave(swapped);
    this.#reconnect(swapped, at, facts);
  }

  // ── telling calls ───────────────────────────────────────────────────────────────────────────────────────────────

  #recorded(uniqueid: string, value: string, at: Instant, facts: Fact[]): void {
    const file = value.slice(value.lastIndexOf('/') + 1);
    const channel = this.#topology.channel(uniqueid);
    if (file === '' || channel === undefined) return;
    const id = this.#legs.get(uniqueid) ?? this.#rings.get(uniqueid) ?? this.#callOfRoot(channel);
    if (id !== undefined) this.#tell(id, { input: 'recorded', at, uniqueid, file }, facts);
    else if (!this.#stashed.some((one) => one.uniqueid === uniqueid && one.file === file))
      this.#stashed.push({ uniqueid, file, at });
  }

  /** Recordings announced before the call exists: an employee's channel records before it dials. */
  #stashed: { uniqueid: string; file: string; at: Instant }[] = [];

  #takeStashed(id: string, at: Instant, facts: Fact[]): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    for (const one of this.#stashed) {
      const channel = this.#topology.channel(one.uniqueid);
      if (channel !== undefined && this.#topology.group(channel).calls.has(id)) {
        this.#tell(id, { input: 'recorded', at, uniqueid: one.uniqueid, file: one.file }, facts);
      }
    }
    this.#stashed = this.#stashed.filter((one) => {
      const channel = this.#topology.channel(one.uniqueid);
      return channel !== undefined && !this.#topology.group(channel).calls.has(id);
    });
  }

  #legCall(uniqueid: string): Call | undefined {
    const id = this.#legs.get(uniqueid);
    return id === undefined ? undefined : this.#calls.get(id);
  }

  #tellLeg(channel: Channel, input: CallInput, facts: Fact[]): void {
    const call = this.#legCall(channel.uniqueid);
    if (call?.customerUniqueid === channel.uniqueid) this.#tell(call.externalId, input, facts);
  }

  #tellRing(uniqueid: string, input: CallInput, facts: Fact[]): void {
    const id = this.#rings.get(uniqueid);
    if (id !== undefined) this.#tell(id, input, facts);
  }

  #tell(id: string, input: CallInput, facts: Fact[]): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    const step = advance(call, input, this.#rules.policies);
    if (step.call === call) return;
    if (step.call.state === 'ended') this.#forget(step.call);
    else {
      this.#calls.set(id, step.call);
      if (deadline(step.call) === undefined) this.#waiting.delete(id);
      else this.#waiting.add(id);
    }
    if (step.call.direction !== 'internal') facts.push(...step.facts);
    if (step.call.state !== 'ended') return;
    const reason = dropReason(step.call, this.#rules.policies);
    if (reason !== undefined)
      facts.push({ fact: 'dropped', at: input.at, linkedid: step.call.linkedid, reason, call: step.call });
  }

  #passTime(at: Instant, facts: Fact[]): void {
    for (const id of [...this.#waiting]) {
      const call = this.#calls.get(id);
      const due = call === undefined ? undefined : deadline(call);
      if (due !== undefined && due <= at) this.#tell(id, { input: 'tick', at }, facts);
    }
    for (const [uniqueid, departed] of this.#departed) {
      if (departed.at + REMEMBER_MS > at) break;
      this.#departed.delete(uniqueid);
    }
  }

  #newCall(first: Channel, direction: Call['direction'], more: Partial<Call>): Call {
    const begun = (this.#begun.get(first.uniqueid) ?? 0) + 1;
    this.#begun.set(first.uniqueid, begun);
    const suffix = begun === 1 ? '' : `-${begun}`;
    return {
      state: 'new',
      externalId: `${this.#rules.hostId}-${first.uniqueid}${suffix}`,
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
      excluded: undefined,
      ...more,
    };
  }

  #keep(call: Call): void {
    this.#calls.set(call.externalId, call);
    this.#legs.set(call.firstUniqueid, call.externalId);
    if (call.customerUniqueid !== undefined) this.#legs.set(call.customerUniqueid, call.externalId);
    const first =
      this.#topology.channel(call.customerUniqueid ?? call.firstUniqueid) ?? this.#topology.channel(call.firstUniqueid);
    if (first === undefined) return;
    const group = this.#topology.group(first);
    group.calls.add(call.externalId);
    group.hadCall = true;
  }

  #forget(call: Call): void {
    const id = call.externalId;
    this.#calls.delete(id);
    this.#waiting.delete(id);
    this.#failedLegs.delete(id);
    for (const uniqueid of [call.firstUniqueid, call.customerUniqueid]) {
      if (uniqueid !== undefined && this.#legs.get(uniqueid) === id) this.#legs.delete(uniqueid);
    }
    for (const ring of call.rang) if (this.#rings.get(ring.uniqueid) === id) this.#rings.delete(ring.uniqueid);
    for (const uniqueid of [call.customerUniqueid, call.firstUniqueid]) {
      const channel = uniqueid === undefined ? undefined : this.#topology.channel(uniqueid);
      if (channel !== undefined) this.#topology.group(channel).calls.delete(id);
    }
    for (const channel of this.#topology.channels()) {
      const group = this.#topology.group(channel);
      if (group.calls.delete(id)) break;
    }
  }
}

type Lost = 'pbx restarted' | 'connection lost';
