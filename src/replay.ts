import type { Call, Fact } from './calls/call.ts';
import type { HostEvent, Instant } from './calls/events.ts';
import { HostCalls } from './calls/hostCalls.ts';
import type { CallRecord } from './calls/record.ts';
import { iso, recordOf } from './calls/record.ts';
import type { HostRules } from './calls/rules.ts';
import { type Errand, followUps } from './delivery/followUps.ts';
import type { PlannedRequest, PlanSettings } from './delivery/plan.ts';
import { decided, plan } from './delivery/plan.ts';

/** One line of `replay --json`. */
export type ReplayLine =
  | ({ type: 'call' } & CallRecord)
  | { type: 'request'; at: string; method: 'POST'; path: string; form: Record<string, string> }
  /** What the call leaves behind besides its record: customer, order, task, note. Nobody is known in a replay. */
  | { type: 'errand'; at: string; key: string; errand: Errand }
  | { type: 'dropped'; linkedid: string; reason: string }
  /** With `explain` only: what happened to the call and what was decided, after its `call` line. */
  | { type: 'story'; externalId: string; lines: { at: string; says: string; state: string }[] };

/**
 * Runs recorded events through the core and the planner as the daemon would, without database and network: what would
 * be sent when, and what is known of each call at its end. Time is the stream's own.
 */
export function* replay(
  events: Iterable<HostEvent>,
  rules: HostRules,
  settings: PlanSettings,
  explain = false,
): Generator<ReplayLine> {
  const host = new HostCalls(rules);
  const errands = new Set<string>();
  const tell = (facts: readonly Fact[]): Generator<ReplayLine> => linesOf(facts, rules, settings, explain, errands);
  for (const event of events) {
    for (let due = host.wakeAt(); due !== undefined && due < event.at; due = host.wakeAt()) {
      yield* tell(host.apply({ event: 'Tick', at: due }));
    }
    yield* tell(host.apply(event));
  }
  for (let due = host.wakeAt(); due !== undefined; due = host.wakeAt()) {
    yield* tell(host.apply({ event: 'Tick', at: due }));
  }
  for (const call of host.calls())
    if (call.direction !== 'internal') yield { type: 'call', ...recordOf(call, rules.policies) };
}

function* linesOf(
  facts: readonly Fact[],
  rules: HostRules,
  settings: PlanSettings,
  explain: boolean,
  /** Keys of the errands told so far: each is planned once. */
  errands: Set<string>,
): Generator<ReplayLine> {
  for (const told of facts) {
    const fact = decided(told, settings);
    for (const request of plan(fact, settings)) yield requestLine(request);
    for (const { key, errand } of settings.followUps === undefined ? [] : followUps(fact, settings.followUps)) {
      if (errands.has(key) || fact.fact === 'unknown channel') continue;
      errands.add(key);
      yield { type: 'errand', at: iso(fact.at), key, errand };
    }
    const ended = endedCall(fact);
    if (ended !== undefined) {
      yield { type: 'call', ...recordOf(ended, rules.policies) };
      if (explain) yield storyLine(ended);
    }
    if (fact.fact === 'dropped') yield { type: 'dropped', linkedid: fact.linkedid, reason: fact.reason };
  }
}

function storyLine(call: Call): ReplayLine {
  const lines = call.story.map(({ at, says, state }) => ({ at: iso(at), says, state }));
  return { type: 'story', externalId: call.externalId, lines };
}

/** The call a fact ends. Internal calls are told by their `dropped` fact only; consultations during a customer's call not at all. */
function endedCall(fact: Fact): Call | undefined {
  if (fact.fact === 'call.finished' || fact.fact === 'call.missed') return fact.call;
  if (fact.fact === 'dropped' && fact.call?.direction === 'internal' && fact.reason === 'internal') return fact.call;
  return undefined;
}

function requestLine(request: PlannedRequest): ReplayLine {
  const at: Instant = request.dueAt;
  const upload = request.kind === 'upload';
  // Without a disk to look at, the recording is taken to be there.
  const payload =
    request.recording === undefined ? request.payload : { ...request.payload, recordUrl: request.recording.url };
  return {
    type: 'request',
    at: iso(at),
    method: 'POST',
    path: upload ? '/api/v5/telephony/calls/upload' : '/api/v5/telephony/call/event',
    form: upload ? { calls: JSON.stringify([payload]) } : { event: JSON.stringify(payload) },
  };
}
