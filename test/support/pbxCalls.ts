import type { Pbx } from './pbx.ts';
import type { Chance } from './pbxRandom.ts';
import type { PbxBridge, PbxChannel } from './pbxWire.ts';

/** What really happened in one simulated call: the oracle's side of the comparison. */
export interface CallTruth {
  kind: CallKind;
  direction: 'in' | 'out' | 'internal';
  /** False for internal calls. */
  logToCrm: boolean;
  /** Uniqueid the externalId is made of: the customer's channel (in), the employee's (out, internal). */
  uniqueid: string;
  /** E.164; undefined for internal calls. */
  customerPhone: string | undefined;
  /** Epoch milliseconds on the PBX's clock, as all times here. */
  startedAt: number;
  answeredAt: number | undefined;
  endedAt: number | undefined;
  result: 'answered' | 'no answer' | 'busy';
  /** Phones that rang for an incoming call, and when their bell began. */
  rings: { ext: string; at: number }[];
  /** Employees who talked with the customer, in order. */
  talkers: string[];
  /** The PBX went down under the call. */
  interrupted: boolean;
}

/** How long things take, milliseconds, from–to. */
export interface Pace {
  ring: readonly [number, number];
  talk: readonly [number, number];
}

/** What a script works with. */
export interface Stage {
  pbx: Pbx;
  chance: Chance;
  pace: Pace;
  /** Our numbers, without +; the first one is shown to whom we call. */
  dids: readonly string[];
  /** Every second call is with one of these, E.164; default: nobody calls twice, as good as. */
  customers?: readonly string[];
  /** Who is on the other side, E.164; default: anybody. */
  phone?: string;
}

/** A call under way: each yield is a pause in milliseconds. */
export type Script = Generator<number, void>;

/** The kinds of calls the simulator knows. */
export type CallKind =
  | 'in answered'
  | 'in abandoned'
  | 'in ring group'
  | 'in queue'
  | 'in queue abandoned'
  | 'in transferred'
  | 'out answered'
  | 'out busy'
  | 'internal';

/** Extensions of the simulated shop: 100 to 399. */
export const extensions: readonly string[] = Array.from({ length: 300 }, (_, n) => String(100 + n));
/** The trunk every outside call takes. */
export const trunk = 'PJSIP/provider-by';
/** Our numbers, as the provider dials them, unless a test has others. */
export const usualDids: readonly string[] = ['375171234501', '375171234503', '375171234504'];

/** Begins a call. The truth is complete when the script has ended; until then it holds what has happened so far. */
export function call(kind: CallKind, stage: Stage): { truth: CallTruth; script: Script } {
  const { chance, customers } = stage;
  const phone =
    stage.phone ??
    (customers !== undefined && chance.next() < 0.5
      ? chance.pick(customers)
      : `+37529${1 + chance.integer(9)}${String(chance.integer(1_000_000)).padStart(6, '0')}`);
  const truth: CallTruth = {
    kind,
    direction: kind.startsWith('in ') ? 'in' : kind.startsWith('out ') ? 'out' : 'internal',
    logToCrm: kind !== 'internal',
    uniqueid: '',
    customerPhone: kind === 'internal' ? undefined : phone,
    startedAt: 0,
    answeredAt: undefined,
    endedAt: undefined,
    result: 'no answer',
    rings: [],
    talkers: [],
    interrupted: false,
  };
  switch (kind) {
    case 'in answered':
    case 'in ring group':
    case 'in transferred':
    case 'in abandoned':
      return { truth, script: direct(stage, truth, phone) };
    case 'in queue':
    case 'in queue abandoned':
      return { truth, script: queue(stage, truth, phone) };
    case 'out answered':
    case 'out busy':
      return { truth, script: outgoing(stage, truth, phone) };
    case 'internal':
      return { truth, script: internal(stage, truth) };
  }
}

const pause = ({ chance }: Stage, [from, to]: readonly [number, number]): number => chance.between(from, to);

function incoming({ pbx, chance, dids }: Stage, truth: CallTruth, phone: string, application: string): PbxChannel {
  const did = chance.pick(dids);
  const channel = pbx.begin({
    ...{ endpoint: trunk, state: 4, num: phone, callerName: 'Test Customer', context: 'from-trunk' },
    ...{ exten: did, dnid: did, application },
  });
  truth.uniqueid = channel.uniqueid;
  truth.startedAt = channel.createdAt;
  return channel;
}

/** Somebody's telephone is called and rings. */
function ring({ pbx }: Stage, truth: CallTruth, from: PbxChannel, ext: string): PbxChannel {
  const phone = pbx.begin({
    ...{ endpoint: `PJSIP/${ext}`, state: 0, num: ext, callerName: `Operator ${ext}`, context: 'from-internal' },
    ...{ exten: 's', linkedid: from.linkedid, application: 'AppDial' },
  });
  phone.data = '(Outgoing Line)';
  pbx.connectedLine(phone, from.num, from.callerName);
  pbx.dialBegin(from, phone, ext);
  const at = pbx.state(phone, 5);
  pbx.dialState(from, phone, 'RINGING');
  if (truth.direction === 'in') truth.rings.push({ ext, at });
  return phone;
}

/** `phone` answers the call of `from`, others stop ringing. */
function answer(
  { pbx }: Stage,
  truth: CallTruth,
  from: PbxChannel,
  phone: PbxChannel,
  losers: PbxChannel[],
): PbxBridge {
  pbx.state(phone, 6);
  for (const loser of losers) {
    pbx.dialEnd(from, loser, 'CANCEL');
    pbx.hangup(loser, 26);
  }
  phone.exten = '';
  pbx.dialEnd(from, phone, 'ANSWER');
  if (from.state !== 6) pbx.state(from, 6);
  const bridge = pbx.bridge();
  pbx.enter(bridge, phone);
  const at = pbx.enter(bridge, from);
  truth.answeredAt ??= at;
  truth.result = 'answered';
  return bridge;
}

/** Caller and called hang up after a talk. */
function part({ pbx }: Stage, truth: CallTruth, caller: PbxChannel, called: PbxChannel): void {
  pbx.hangupRequest(caller, 16);
  pbx.leave(caller);
  pbx.leave(called);
  pbx.softHangup(caller);
  pbx.hangup(called, 16);
  caller.exten = 'h';
  truth.endedAt = pbx.hangup(caller, 16);
}

function* direct(stage: Stage, truth: CallTruth, number: string): Script {
  const { pbx, chance, pace } = stage;
  const customer = incoming(stage, truth, number, 'Dial');
  yield 2;
  const exts = several(stage, truth.kind === 'in ring group' ? 3 : 1);
  const phones = exts.map((ext) => ring(stage, truth, customer, ext));
  yield pause(stage, pace.ring);
  if (truth.kind === 'in abandoned') {
    giveUp(stage, truth, customer, phones);
    return;
  }
  const first = chance.pick(phones);
  const bridge = answer(
    stage,
    truth,
    customer,
    first,
    phones.filter((phone) => phone !== first),
  );
  truth.talkers.push(extOf(first));
  yield pause(stage, pace.talk);
  if (truth.kind !== 'in transferred') {
    part(stage, truth, customer, first);
    return;
  }
  const [other = ''] = several(stage, 1);
  customer.context = 'from-internal';
  customer.exten = other;
  pbx.leave(customer);
  pbx.leave(first);
  pbx.blindTransfer(first, customer, bridge, other);
  pbx.hangup(first, 16);
  yield 2;
  const second = ring(stage, truth, customer, other);
  yield pause(stage, pace.ring);
  answer(stage, truth, customer, second, []);
  truth.talkers.push(other);
  yield pause(stage, pace.talk);
  part(stage, truth, customer, second);
}

/** A queue that rings everybody: the customer hears music, her channel is Up without a human. */
function* queue(stage: Stage, truth: CallTruth, number: string): Script {
  const { pbx, chance, pace } = stage;
  const customer = incoming(stage, truth, number, 'Queue');
  yield 2;
  pbx.state(customer, 6);
  const phones = several(stage, 3).map((ext) => ring(stage, truth, customer, ext));
  yield pause(stage, pace.ring);
  if (truth.kind === 'in queue abandoned') {
    giveUp(stage, truth, customer, phones);
    return;
  }
  const first = chance.pick(phones);
  answer(
    stage,
    truth,
    customer,
    first,
    phones.filter((phone) => phone !== first),
  );
  truth.talkers.push(extOf(first));
  yield pause(stage, pace.talk);
  part(stage, truth, customer, first);
}

function giveUp({ pbx }: Stage, truth: CallTruth, customer: PbxChannel, phones: readonly PbxChannel[]): void {
  pbx.hangupRequest(customer, 127);
  for (const phone of phones) {
    pbx.dialEnd(customer, phone, 'CANCEL');
    pbx.hangup(phone, 127);
  }
  customer.exten = 'h';
  truth.endedAt = pbx.hangup(customer, customer.state === 6 ? 16 : 127);
}

function* outgoing(stage: Stage, truth: CallTruth, number: string): Script {
  const { pbx, pace, dids } = stage;
  const shown = `+${dids[0] ?? ''}`;
  const [ext = ''] = several(stage, 1);
  const phone = pbx.begin({
    ...{ endpoint: `PJSIP/${ext}`, state: 4, num: ext, callerName: `Operator ${ext}`, context: 'from-internal' },
    ...{ exten: number, dnid: number, application: 'Dial' },
  });
  truth.uniqueid = phone.uniqueid;
  truth.startedAt = phone.createdAt;
  phone.context = 'outbound';
  pbx.callerId(phone, shown, number.slice(1));
  const line = pbx.begin({
    ...{ endpoint: trunk, state: 0, num: '<unknown>', context: 'from-trunk', exten: 's' },
    ...{ linkedid: phone.linkedid, application: 'AppDial' },
  });
  line.data = '(Outgoing Line)';
  pbx.callerId(line, number.slice(1), number.slice(1));
  pbx.connectedLine(line, shown, 'Shop');
  pbx.dialBegin(phone, line, `${number}@provider-by`);
  pbx.connectedLine(phone, number.slice(1));
  pbx.state(line, 5);
  pbx.dialState(phone, line, 'RINGING');
  yield pause(stage, pace.ring);
  if (truth.kind === 'out busy') {
    truth.result = 'busy';
    pbx.hangupRequest(line, 17);
    pbx.dialEnd(phone, line, 'BUSY');
    phone.exten = 'end-BUSY';
    pbx.softHangup(phone);
    pbx.hangup(line, 17);
    phone.exten = 'h';
    truth.endedAt = pbx.hangup(phone, 17);
    return;
  }
  answer(stage, truth, phone, line, []);
  truth.talkers.push(ext);
  yield pause(stage, pace.talk);
  part(stage, truth, phone, line);
}

function* internal(stage: Stage, truth: CallTruth): Script {
  const { pbx, pace } = stage;
  const [from = '', to = ''] = several(stage, 2);
  const caller = pbx.begin({
    ...{ endpoint: `PJSIP/${from}`, state: 4, num: from, callerName: `Operator ${from}`, context: 'from-internal' },
    ...{ exten: to, dnid: to, application: 'Dial' },
  });
  truth.uniqueid = caller.uniqueid;
  truth.startedAt = caller.createdAt;
  const phone = ring(stage, truth, caller, to);
  yield pause(stage, pace.ring);
  answer(stage, truth, caller, phone, []);
  yield pause(stage, pace.talk);
  part(stage, truth, caller, phone);
}

function extOf(channel: PbxChannel): string {
  return channel.name.slice(channel.name.indexOf('/') + 1, channel.name.lastIndexOf('-'));
}

/** Extensions whose handset is on the hook: who talks does not dial, and a second call to her is not this simulator's business. */
function several({ pbx, chance }: Stage, count: number): string[] {
  const found = new Set<string>();
  while (found.size < count) {
    const ext = chance.pick(extensions);
    if (!pbx.engaged.has(`PJSIP/${ext}`)) found.add(ext);
    else if (pbx.engaged.size >= extensions.length - count)
      throw new Error('nobody is free: fewer calls, or more extensions');
  }
  return [...found];
}
