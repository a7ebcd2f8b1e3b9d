import type { Call, CallResult, Fact, ResultDetail, Ring, RingOutcome, Talk, Transfer } from './call.ts';
import { RING_ROUND_MS, SILENT_RING_MS, STOP_GRACE_MS } from './call.ts';
import type { Instant } from './events.ts';
import { handOver, labelTransfer, parkTransfer, settleTransfers } from './transfers.ts';
import type { Policies } from './rules.ts';

/** Somebody the customer is connected with at this moment. */
export interface Party {
  party: string;
  kind: Talk['kind'];
}

/**
 * What can happen to one call, told in the call's own words. `HostCalls` translates channels and bridges into these;
 * the machine below knows no channel names, no AMI and no host.
 */
export type CallInput =
  /** An employee's phone is called; `root` = channel that began the dial. */
  | { input: 'phone called'; at: Instant; uniqueid: string; ext: string; root: string; ringing: boolean }
  /** Her phone rings. */
  | { input: 'phone rings'; at: Instant; uniqueid: string }
  /** Her phone is no longer called. `settled`: the outcome is final (hung up), not only the end of the ringing. */
  | { input: 'phone over'; at: Instant; uniqueid: string; outcome: RingOutcome; settled: boolean }
  /** out: an outside leg is called. in: the call is forwarded to an outside number (`party`). */
  | { input: 'outside called'; at: Instant; party: string }
  | { input: 'queued'; at: Instant; queue: string }
  /** The customer's channel is Up: perhaps only the PBX answered. */
  | { input: 'pbx answered'; at: Instant }
  /** The set of parties connected with the customer is now this one. `since`: known earlier moment (snapshot). */
  | { input: 'connected'; at: Instant; parties: readonly Party[] }
  /** Asterisk named a transfer. `party`: who did it. */
  | { input: 'transferred'; at: Instant; type: 'blind' | 'attended'; party: string; to: string | undefined }
  | { input: 'parked'; at: Instant }
  | { input: 'recorded'; at: Instant; uniqueid: string; file: string }
  /** Time passed. */
  | { input: 'tick'; at: Instant }
  /** The customer is gone, or the attempt is over. `result` counts only if nobody talked. */
  | {
      input: 'gone';
      at: Instant;
      cause: number | undefined;
      result: CallResult;
      detail: ResultDetail | undefined;
    };

/** The call after an input, and what is to be told. */
export interface Step {
  call: Call;
  facts: Fact[];
}

/**
 * One call, one input. Total: an input that means nothing in this state changes nothing.
 * The rows of the transition table in docs/architecture.md are the rows of its test.
 */
export function advance(call: Call, input: CallInput, policies: Policies): Step {
  if (call.state === 'ended') return { call, facts: [] };
  switch (input.input) {
    case 'phone called': {
      // The snapshot after a restart tells again of phones that were called before it.
      if (call.rang.some((one) => one.uniqueid === input.uniqueid)) {
        return input.ringing ? bell(call, input.uniqueid, input.at) : { call, facts: [] };
      }
      const ring: Ring = {
        uniqueid: input.uniqueid,
        ext: input.ext,
        at: input.at,
        ringingAt: undefined,
        endedAt: undefined,
        outcome: undefined,
        root: input.root,
      };
      const called: Call = {
        ...call,
        state: call.state === 'new' ? 'ringing' : call.state,
        offeredAt: call.offeredAt ?? input.at,
        rang: [...call.rang, ring],
      };
      return input.ringing ? bell(called, input.uniqueid, input.at) : { call: called, facts: [] };
    }
    case 'phone rings':
      return bell(call, input.uniqueid, input.at);
    case 'phone over':
      return phoneOver(call, input);
    case 'outside called': {
      const transfers = labelTransfer(call.transfers, input.party);
      const state = call.state === 'new' ? 'ringing' : call.state;
      return { call: { ...call, state, transfers, offeredAt: call.offeredAt ?? input.at }, facts: [] };
    }
    case 'queued':
      // A snapshot tells of the queue after the phones it rings.
      return {
        call: { ...call, queue: input.queue, offeredAt: Math.min(call.offeredAt ?? input.at, input.at) },
        facts: [],
      };
    case 'pbx answered':
      return { call: { ...call, pbxAnsweredAt: call.pbxAnsweredAt ?? input.at }, facts: [] };
    case 'connected':
      return connected(call, input.parties, input.at, policies);
    case 'transferred':
      return { call: { ...call, transfers: namedTransfer(call, input) }, facts: [] };
    case 'parked':
      return { call: { ...call, transfers: parkTransfer(call.transfers, lastParty(call), input.at) }, facts: [] };
    case 'recorded':
      return recorded(call, input.uniqueid, input.file, input.at);
    case 'tick':
      return tick(call, input.at);
    case 'gone':
      return gone(call, input);
  }
}

/** The next moment at which `tick` would change something. */
export function deadline(call: Call): Instant | undefined {
  let due = call.ringRound === undefined ? undefined : call.ringRound.since + RING_ROUND_MS;
  if (call.justStopped !== undefined) {
    const stopped = call.justStopped.since + STOP_GRACE_MS;
    if (due === undefined || stopped < due) due = stopped;
  }
  for (const ring of call.rang) {
    if (ring.ringingAt !== undefined || ring.endedAt !== undefined) continue;
    const silent = ring.at + SILENT_RING_MS;
    if (due === undefined || silent < due) due = silent;
  }
  return due;
}

/** Everybody who talked with the customer, in order; one who comes back after somebody else is named again. */
export function handledBy(call: Call): string[] {
  const parties = call.talks.map((talk) => talk.party);
  return parties.filter((party, index) => party !== parties[index - 1]);
}

function bell(call: Call, uniqueid: string, at: Instant): Step {
  const ring = call.rang.find((one) => one.uniqueid === uniqueid);
  if (ring === undefined || ring.ringingAt !== undefined || ring.endedAt !== undefined) return { call, facts: [] };
  const rang = replaceRing(call.rang, { ...ring, ringingAt: at });
  call = { ...call, justStopped: without(call.justStopped, ring.ext) };
  const shown = call.popups[ring.ext] !== undefined || call.ringRound?.exts.includes(ring.ext) === true;
  if (shown || call.direction !== 'in') return { call: { ...call, rang }, facts: [] };
  const ringRound = call.ringRound ?? { exts: [], since: at };
  return { call: { ...call, rang, ringRound: { ...ringRound, exts: [...ringRound.exts, ring.ext] } }, facts: [] };
}

function phoneOver(call: Call, input: Extract<CallInput, { input: 'phone over' }>): Step {
  const ring = call.rang.find((one) => one.uniqueid === input.uniqueid);
  if (ring === undefined) return { call, facts: [] };
  const firstEnd = ring.endedAt === undefined;
  const outcome = ring.outcome === undefined || input.settled ? settledOutcome(ring, input.outcome) : ring.outcome;
  if (!firstEnd && outcome === ring.outcome) return { call, facts: [] };
  const ended: Ring = { ...ring, endedAt: ring.endedAt ?? input.at, outcome };
  let next: Call = { ...call, rang: replaceRing(call.rang, ended) };
  if (!firstEnd || outcome === 'answered' || next.answeredAt !== undefined) return { call: next, facts: [] };
  // Two devices of one employee: the popup closes when the last one stops.
  const stillCalled = next.rang.some((one) => one.ext === ring.ext && one.endedAt === undefined);
  if (stillCalled) return { call: next, facts: [] };
  if (next.ringRound?.exts.includes(ring.ext) === true) {
    const exts = next.ringRound.exts.filter((ext) => ext !== ring.ext);
    next = { ...next, ringRound: exts.length === 0 ? undefined : { ...next.ringRound, exts } };
  }
  if (next.popups[ring.ext] !== 'open') return { call: next, facts: [] };
  const { exts, since } = next.justStopped ?? { exts: [], since: input.at };
  return { call: { ...next, justStopped: { exts: [...exts, ring.ext], since } }, facts: [] };
}

/** The phones that stopped ringing were not beaten by anybody: their popups close. */
function closeStopped(call: Call, at: Instant): Step {
  if (call.justStopped === undefined) return { call, facts: [] };
  const { exts } = call.justStopped;
  const next: Call = { ...call, justStopped: undefined, popups: closed(call.popups, exts) };
  return { call: next, facts: [{ fact: 'stopped ringing', at, call: next, exts }] };
}

function without(stopped: Call['justStopped'], ext: string): Call['justStopped'] {
  if (stopped?.exts.includes(ext) !== true) return stopped;
  const exts = stopped.exts.filter((one) => one !== ext);
  return exts.length === 0 ? undefined : { ...stopped, exts };
}

/** A later word on an ended ring refines it, but never takes an answer back. */
function settledOutcome(ring: Ring, outcome: RingOutcome): RingOutcome {
  if (ring.outcome === 'answered' || ring.outcome === 'forwarded') return ring.outcome;
  return outcome;
}

function connected(call: Call, parties: readonly Party[], at: Instant, policies: Policies): Step {
  const now = new Set(parties.map((one) => one.party));
  const talkingWith = call.talks.filter((talk) => talk.to === undefined).map((talk) => talk.party);
  if (talkingWith.length === now.size && talkingWith.every((party) => now.has(party))) return { call, facts: [] };

  const before = lastParty(call);
  const talks: Talk[] = call.talks.map((talk) =>
    talk.to === undefined && !now.has(talk.party) ? { ...talk, to: at } : talk,
  );
  const known = new Set(handledBy(call));
  const joined = parties.filter((one) => !talkingWith.includes(one.party));
  for (const one of joined) talks.push({ ...one, from: at, to: undefined });
  let next: Call = { ...call, talks };
  const facts: Fact[] = [];

  const first = joined[0];
  if (first === undefined) return { call: next, facts };
  if (next.answeredAt === undefined) {
    const flushed = showRound(next, at);
    facts.push(...flushed.facts);
    next = { ...flushed.call, state: 'talking', answeredAt: at, justStopped: undefined };
    const losers = openPopups(next).filter((ext) => !now.has(ext));
    if (policies.closeLosers === 'on_answer') next = { ...next, popups: closed(next.popups, losers) };
    const shown = policies.closeLosers === 'on_answer' ? losers : [];
    facts.push({ fact: 'call.answered', at, call: next, by: first.party, losers: shown });
    return { call: next, facts };
  }
  const alone = parties.every((one) => joined.includes(one));
  next = { ...next, transfers: handOver(next, before, first.party, alone, at) };
  for (const one of joined) {
    if (!known.has(one.party)) facts.push({ fact: 'handed over', at, call: next, to: one.party });
  }
  return { call: next, facts };
}

function namedTransfer(call: Call, input: Extract<CallInput, { input: 'transferred' }>): readonly Transfer[] {
  const last = call.transfers.at(-1);
  if (input.type === 'attended') {
    // The bridges have told it already, a moment ago: the label only names it.
    if (last !== undefined && Math.abs(last.at - input.at) < 2000 && last.from === input.party) {
      return [...call.transfers.slice(0, -1), { ...last, type: 'attended' }];
    }
    const open = call.talks.findLast((talk) => talk.to === undefined && talk.party !== input.party);
    const ringing = call.rang.findLast((ring) => ring.endedAt === undefined);
    const result = open === undefined ? 'pending' : 'answered';
    const to = open?.party ?? ringing?.ext ?? input.to;
    return [...call.transfers, { type: 'attended', from: input.party, to, at: input.at, result }];
  }
  if (last?.result === 'pending' && last.from === input.party && input.at - last.at < 2000) return call.transfers;
  return [...call.transfers, { type: 'blind', from: input.party, to: input.to, at: input.at, result: 'pending' }];
}

function recorded(call: Call, uniqueid: string, file: string, at: Instant): Step {
  if (call.recordings.some((one) => one.uniqueid === uniqueid && one.file === file)) return { call, facts: [] };
  return { call: { ...call, recordings: [...call.recordings, { uniqueid, file, at }] }, facts: [] };
}

function tick(call: Call, at: Instant): Step {
  let next = call;
  const facts: Fact[] = [];
  for (const ring of call.rang) {
    if (ring.ringingAt === undefined && ring.endedAt === undefined && ring.at + SILENT_RING_MS <= at) {
      next = bell(next, ring.uniqueid, ring.at + SILENT_RING_MS).call;
    }
  }
  if (next.ringRound !== undefined && next.ringRound.since + RING_ROUND_MS <= at) {
    const shown = showRound(next, next.ringRound.since + RING_ROUND_MS);
    next = shown.call;
    facts.push(...shown.facts);
  }
  if (next.justStopped !== undefined && next.justStopped.since + STOP_GRACE_MS <= at) {
    const stopped = closeStopped(next, next.justStopped.since + STOP_GRACE_MS);
    next = stopped.call;
    facts.push(...stopped.facts);
  }
  return { call: next, facts };
}

function gone(call: Call, input: Extract<CallInput, { input: 'gone' }>): Step {
  const { at } = input;
  const rang = call.rang.map((ring) => {
    if (ring.endedAt === undefined) return { ...ring, endedAt: at, outcome: ring.outcome ?? ('cancelled' as const) };
    return ring;
  });
  const talks = call.talks.map((talk) => (talk.to === undefined ? { ...talk, to: at } : talk));
  const open = openPopups(call);
  const answered = call.answeredAt !== undefined;
  const end: Call = {
    ...call,
    state: 'ended',
    rang: elsewhere({ ...call, rang }),
    talks,
    ringRound: undefined,
    justStopped: undefined,
    popups: closed(call.popups, open),
    endedAt: at,
    cause: input.cause,
    result: answered ? 'answered' : input.result,
    detail:
      answered && input.detail !== 'pbx restarted' && input.detail !== 'connection lost' ? undefined : input.detail,
  };
  const final = { ...end, transfers: settleTransfers(end) };
  return { call: final, facts: [{ fact: answered ? 'call.finished' : 'call.missed', at, call: final, open }] };
}

/** A phone that stopped within a second of somebody else taking the call was answered elsewhere, whatever its cause. */
function elsewhere(call: Call): readonly Ring[] {
  return call.rang.map((ring) => {
    if (ring.outcome !== 'cancelled' || ring.endedAt === undefined) return ring;
    const end = ring.endedAt;
    const taken = call.talks.some((talk) => talk.party !== ring.ext && Math.abs(talk.from - end) <= 1000);
    return taken ? { ...ring, outcome: 'answered elsewhere' as const } : ring;
  });
}

function showRound(call: Call, at: Instant): Step {
  const round = call.ringRound;
  if (round === undefined) return { call, facts: [] };
  const popups = { ...call.popups };
  for (const ext of round.exts) popups[ext] = 'open';
  const next: Call = { ...call, popups, ringRound: undefined };
  return { call: next, facts: [{ fact: 'rung', at, call: next, exts: round.exts, since: round.since }] };
}

/** Extensions whose popup is open. */
export function openPopups(call: Call): string[] {
  return Object.keys(call.popups).filter((ext) => call.popups[ext] === 'open');
}

function closed(popups: Call['popups'], exts: readonly string[]): Call['popups'] {
  const next = { ...popups };
  for (const ext of exts) next[ext] = 'closed';
  return next;
}

function replaceRing(rang: readonly Ring[], ring: Ring): readonly Ring[] {
  return rang.map((one) => (one.uniqueid === ring.uniqueid ? ring : one));
}

function lastParty(call: Call): string | undefined {
  return call.talks.findLast((talk) => talk.to === undefined)?.party ?? call.talks.at(-1)?.party;
}
