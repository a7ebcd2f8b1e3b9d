/** A small PBX written down by hand: what happens to channels, told as the events Asterisk would send. */
import type { Fact } from '../../src/calls/call.ts';
import type { ChannelSnapshot, ChannelState, HostEvent, SnapshotChannel } from '../../src/calls/events.ts';
import { HostCalls } from '../../src/calls/hostCalls.ts';
import type { CallRecord } from '../../src/calls/record.ts';
import type { HostRules, Policies } from '../../src/calls/rules.ts';
import type { PlanSettings } from '../../src/delivery/plan.ts';
import { type ReplayLine, replay } from '../../src/replay.ts';
import { example } from './callsCaptures.ts';

const shipped = example();

/** 2026-11-22T09:00:00Z: scripts begin here; their own times are milliseconds after it. */
export const EPOCH = Date.UTC(2026, 10, 22, 9, 0, 0);

/** A channel event's snapshot, with what matters on top. */
export function chan(uniqueid: string, over: Partial<ChannelSnapshot> = {}): ChannelSnapshot {
  return {
    uniqueid,
    linkedid: uniqueid,
    channel: `PJSIP/150-${uniqueid.padStart(8, '0')}`,
    state: 'Down',
    callerNum: undefined,
    callerName: undefined,
    connectedNum: undefined,
    context: undefined,
    exten: undefined,
    variables: undefined,
    ...over,
  };
}

/** Where a dialled channel leads to: a phone (a click-to-call `shows` the customer there), an outside number, or one half of a Local pair. */
export type Target =
  | { ext: string; shows?: string }
  | { number: string; trunk?: string; shown?: string; dialString?: string }
  | { name: string };

/** Records events while it keeps each channel's name, state and Linkedid as Asterisk would. Ids are Uniqueids. */
export class Script {
  readonly events: HostEvent[] = [];
  readonly #channels = new Map<string, ChannelSnapshot>();
  readonly #bridges = new Map<string, string>();
  readonly #technology = new Map<string, string>();
  readonly #born = new Map<string, number>();
  readonly #dialled = new Set<string>();
  #serial = 0;
  #at: number;

  /** `serial`: first number of channel names, so that scripts played side by side do not share names. */
  constructor(at = 0, serial = 0) {
    this.#at = EPOCH + at;
    this.#serial = serial;
  }

  /** Milliseconds since the epoch of scripts. */
  get now(): number {
    return this.#at - EPOCH;
  }

  /** Ids of the live channels. */
  get live(): string[] {
    return [...this.#channels.keys()];
  }

  /** The script's clock stands at this many milliseconds now. */
  at(ms: number): this {
    this.#at = EPOCH + ms;
    return this;
  }

  /** Time passes. */
  wait(ms: number): this {
    this.#at += ms;
    return this;
  }

  /** A customer's channel comes in. */
  incoming(
    id: string,
    call: { from?: string; name?: string; did?: string; trunk?: string; context?: string } = {},
  ): this {
    return this.#create(id, `PJSIP/${call.trunk ?? 'provider-by'}`, {
      state: 'Ring',
      callerNum: call.from ?? '+375290000001',
      callerName: call.name,
      exten: call.did ?? '+375171234501',
      context: call.context ?? 'from-trunk',
    });
  }

  /** An employee lifts her phone and dials. */
  employee(id: string, ext: string, dials = '100'): this {
    return this.#create(id, `PJSIP/${ext}`, { state: 'Ring', callerNum: ext, exten: dials, context: 'from-internal' });
  }

  /** A Local pair `id;1`, `id;2`. */
  local(id: string, linkedid: string, exten = '150'): this {
    const name = `Local/${exten}@from-internal-${this.#hex()}`;
    this.#create(`${id};1`, `${name};1`, { linkedid, exten }, true);
    return this.#create(`${id};2`, `${name};2`, { linkedid, exten, state: 'Ring' }, true);
  }

  /** `from` (undefined: an Originate) dials: the new channel appears and DialBegin follows. */
  dial(from: string | undefined, id: string, target: Target): this {
    const dialler = from === undefined ? undefined : this.#channels.get(from);
    const linkedid = dialler?.linkedid ?? id;
    if ('ext' in target) this.#create(id, `PJSIP/${target.ext}`, { linkedid, callerNum: target.shows ?? target.ext });
    else if ('number' in target)
      this.#create(id, `PJSIP/${target.trunk ?? 'provider-by'}`, { linkedid, exten: target.number });
    else this.#create(id, target.name, { linkedid });
    return this.dialBegin(from, id, target);
  }

  /** DialBegin alone, for a channel that exists. */
  dialBegin(from: string | undefined, id: string, target: Target): this {
    const dialString =
      'ext' in target
        ? target.ext
        : 'number' in target
          ? (target.dialString ?? `${target.number}@${target.trunk ?? 'provider-by'}`)
          : target.name;
    const dialler = from === undefined ? undefined : this.#get(from);
    const shown = 'number' in target ? (target.shown ?? '+375171234501') : undefined;
    const seen = dialler === undefined || shown === undefined ? dialler : { ...dialler, callerNum: shown };
    this.#dialled.add(id);
    return this.push({ event: 'DialBegin', at: this.#at, chan: seen, dest: this.#get(id), dialString });
  }

  /** Phones ring. */
  ring(...ids: string[]): this {
    for (const id of ids) this.#state(id, 'Ringing');
    return this;
  }

  /** A channel is Up; only the PBX need have answered. */
  up(id: string): this {
    return this.#state(id, 'Up');
  }

  dialEnd(id: string, dialStatus: string, forward?: string): this {
    return this.push({ event: 'DialEnd', at: this.#at, chan: undefined, dest: this.#get(id), dialStatus, forward });
  }

  /** A called phone takes the call: Up, DialEnd ANSWER. */
  answer(id: string): this {
    return this.up(id).dialEnd(id, 'ANSWER');
  }

  /** Channels enter a bridge, in this order. */
  bridge(bridgeId: string, ...ids: string[]): this {
    for (const id of ids) this.enter(bridgeId, id);
    return this;
  }

  enter(bridgeId: string, id: string, technology = 'simple_bridge', swapUniqueid?: string): this {
    if (swapUniqueid !== undefined) this.#bridges.delete(swapUniqueid);
    this.#bridges.set(id, bridgeId);
    this.#technology.set(bridgeId, technology);
    return this.push({ event: 'BridgeEnter', at: this.#at, chan: this.#get(id), bridgeId, technology, swapUniqueid });
  }

  leave(...ids: string[]): this {
    for (const id of ids) {
      const bridgeId = this.#bridges.get(id);
      if (bridgeId === undefined) continue;
      this.#bridges.delete(id);
      this.push({ event: 'BridgeLeave', at: this.#at, chan: this.#get(id), bridgeId });
    }
    return this;
  }

  /** Channels leave their bridge and are gone. */
  hangup(id: string, cause = 16): this {
    this.leave(id);
    const channel = this.#get(id);
    this.#channels.delete(id);
    return this.push({ event: 'Hangup', at: this.#at, chan: channel, cause, techCause: undefined });
  }

  /** The channel shows another Linkedid from now on. */
  linked(id: string, linkedid: string): this {
    this.#channels.set(id, { ...this.#get(id), linkedid });
    return this.push({ event: 'Newstate', at: this.#at, chan: this.#get(id) });
  }

  /** The channel goes on in this context. */
  context(id: string, context: string): this {
    this.#channels.set(id, { ...this.#get(id), context });
    return this.push({ event: 'Newstate', at: this.#at, chan: this.#get(id) });
  }

  variable(id: string, name: string, value: string): this {
    return this.push({ event: 'VarSet', at: this.#at, uniqueid: id, linkedid: undefined, name, value });
  }

  queue(id: string, queue = 'sales'): this {
    return this.push({ event: 'QueueCallerJoin', at: this.#at, chan: this.#get(id), queue });
  }

  blind(transferer: string, exten: string): this {
    return this.push({
      event: 'BlindTransfer',
      at: this.#at,
      transferer: this.#get(transferer),
      transferee: undefined,
      exten,
    });
  }

  attended(transferer: string): this {
    return this.push({
      event: 'AttendedTransfer',
      at: this.#at,
      transferer: this.#get(transferer),
      secondTransferer: undefined,
    });
  }

  disconnected(): this {
    return this.push({ event: 'Disconnected', at: this.#at });
  }

  /** A snapshot of all channels as they are now; `answered`: `CDR(answer,u)` of a phone's channel, in script time. */
  resync(answered: Record<string, number> = {}): this {
    const channels = [...this.#channels.values()].map((one): SnapshotChannel => {
      const bridgeId = this.#bridges.get(one.uniqueid);
      const parked = bridgeId !== undefined && this.#technology.get(bridgeId) === 'holding_bridge';
      const answer = answered[one.uniqueid];
      return {
        ...one,
        bridgeId,
        application: parked ? 'Park' : this.#dialled.has(one.uniqueid) ? 'AppDial' : 'Dial',
        dnid: one.exten,
        seconds: Math.floor((this.#at - (this.#born.get(one.uniqueid) ?? this.#at)) / 1000),
        cdrStart: this.#born.get(one.uniqueid),
        cdrAnswer: answer === undefined ? undefined : EPOCH + answer,
      };
    });
    return this.push({ event: 'Resync', at: this.#at, channels, fresh: false });
  }

  /** The PBX was restarted: everything is gone, nothing was told. */
  restarted(): this {
    this.#channels.clear();
    this.#bridges.clear();
    return this.push({ event: 'Resync', at: this.#at, channels: [], fresh: true });
  }

  /** What follows is not heard by the recorder: the connection is away. */
  unheard(what: (script: this) => unknown): this {
    const heard = this.events.length;
    what(this);
    this.events.length = heard;
    return this;
  }

  tick(): this {
    return this.push({ event: 'Tick', at: this.#at });
  }

  push(event: HostEvent): this {
    this.events.push(event);
    return this;
  }

  /** A channel as it is now. */
  channel(id: string): ChannelSnapshot {
    return this.#get(id);
  }

  #hex(): string {
    this.#serial += 1;
    return this.#serial.toString(16).padStart(8, '0');
  }

  #create(id: string, stem: string, over: Partial<ChannelSnapshot>, whole = false): this {
    const name = whole ? stem : `${stem}-${this.#hex()}`;
    const channel = chan(id, { channel: name, ...over });
    this.#channels.set(id, channel);
    this.#born.set(id, this.#at);
    return this.push({ event: 'Newchannel', at: this.#at, chan: channel });
  }

  #state(id: string, state: ChannelState): this {
    this.#channels.set(id, { ...this.#get(id), state });
    return this.push({ event: 'Newstate', at: this.#at, chan: this.#get(id) });
  }

  #get(id: string): ChannelSnapshot {
    const channel = this.#channels.get(id);
    if (channel === undefined) throw new Error(`the script knows no live channel ${id}`);
    return channel;
  }
}

/** A script that begins at 0. */
export function script(): Script {
  return new Script();
}

/** The shipped example's rules with these policies on top. */
export function rulesWith(policies: Partial<Policies> = {}, over: Partial<HostRules> = {}): HostRules {
  const { rules } = shipped;
  return { ...rules, policies: { ...rules.policies, ...policies }, ...over };
}

/** What became of a stream, in the words of a person: ids without `pbx1-`, times in seconds of the script. */
export interface Outcome {
  calls: CallRecord[];
  /** `1.15 in 150+151`, `9 hangup 150 answered`. */
  popups: string[];
  /** `c: in answered 4+5 of 150`: wait + talk and owner. */
  uploads: string[];
  /** `c internal`. */
  drops: string[];
}

/** Replays a script as the daemon would. */
export function outcome(
  events: Script | readonly HostEvent[],
  policies: Partial<Policies> = {},
  over: Partial<HostRules> = {},
  settings: Partial<PlanSettings> = {},
): Outcome {
  const rules = rulesWith(policies, over);
  const plain = { ...shipped.settings, policies: rules.policies, ...settings };
  const lines: ReplayLine[] = [...replay(events instanceof Script ? events.events : events, rules, plain)];
  return {
    calls: lines.filter((line) => line.type === 'call'),
    popups: lines.flatMap(popupOf),
    uploads: lines.flatMap(uploadsOf),
    drops: lines.flatMap((line) => (line.type === 'dropped' ? [`${line.linkedid} ${line.reason}`] : [])),
  };
}

/** The facts of a stream as sentences: `5 call.answered by 150`. */
export function story(events: Script | readonly HostEvent[], rules: HostRules = rulesWith()): string[] {
  const host = new HostCalls(rules);
  const list = events instanceof Script ? events.events : events;
  return list.flatMap((event) => host.apply(event)).map(sentence);
}

/** One fact as a sentence. */
export function sentence(fact: Fact): string {
  const when = seconds(fact.at);
  const head = `${when} ${fact.fact}`;
  switch (fact.fact) {
    case 'call.incoming':
    case 'call.outgoing':
      return `${head} ${short(fact.call.externalId)}`;
    case 'rung':
    case 'stopped ringing':
      return `${head} ${fact.exts.join('+')}`;
    case 'call.answered':
      return `${head} by ${fact.by}`;
    case 'handed over':
      return `${head} to ${fact.to}`;
    case 'call.finished':
    case 'call.missed':
      return `${head} ${short(fact.call.externalId)} ${fact.call.result ?? '?'}${fact.call.detail === undefined ? '' : ` (${fact.call.detail})`}`;
    case 'dropped':
      return `${head} ${fact.linkedid} ${fact.reason}`;
    case 'unknown channel':
      return `${head} ${fact.channel}`;
  }
}

/** Seconds of the script, `1.15`. */
function seconds(at: number): string {
  return String(Math.round((at - EPOCH) / 10) / 100);
}

function short(externalId: string): string {
  return externalId.replace(/^pbx1-/, '');
}

function popupOf(line: ReplayLine): string[] {
  if (line.type !== 'request' || line.form['event'] === undefined) return [];
  const event = JSON.parse(line.form['event']) as { type: string; codes: string[]; hangupStatus?: string };
  const when = seconds(Date.parse(line.at));
  return [
    [when, event.type, event.codes.join('+'), ...(event.hangupStatus === undefined ? [] : [event.hangupStatus])].join(
      ' ',
    ),
  ];
}

function uploadsOf(line: ReplayLine): string[] {
  if (line.type !== 'request' || line.form['calls'] === undefined) return [];
  const list = JSON.parse(line.form['calls']) as Record<string, string | number>[];
  return list.map(
    (one) =>
      `${short(String(one['externalId']))}: ${String(one['type'])} ${String(one['result'])} ${String(one['durationWaiting'])}+${String(one['duration'])} of ${String(one['code'] ?? 'nobody')}`,
  );
}
