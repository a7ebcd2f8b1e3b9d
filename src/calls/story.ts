import type { Call, Fact } from './call.ts';
import type { Instant } from './events.ts';
import type { CallInput } from './machine.ts';
import { dropReason, ownerOf } from './record.ts';
import type { Policies } from './rules.ts';

/** One line of a call's story: what happened or was decided, and the state after it. */
export interface StoryLine {
  at: Instant;
  says: string;
  state: Call['state'];
}

/** A call cannot tell more lines than this; a forwarding loop of 60 legs stays below. */
const MOST_LINES = 500;

/** The call with what this input did to it added to its story: `calls show` and `replay --explain` print it. */
export function withStory(
  before: Call,
  input: CallInput,
  after: Call,
  facts: readonly Fact[],
  policies: Policies,
): Call {
  const lines = [
    ...(happened(before, input) ?? []),
    ...facts.flatMap((fact) => decided(fact)),
    ...(after.state === 'ended' ? verdict(after, policies) : []),
  ];
  if (lines.length === 0 || before.story.length >= MOST_LINES) return after;
  return { ...after, story: [...before.story, ...lines.map((says) => ({ at: input.at, says, state: after.state }))] };
}

function happened(call: Call, input: CallInput): string[] | undefined {
  switch (input.input) {
    case 'phone called':
      return [`phone ${input.ext} is called`];
    case 'phone rings':
      return [`phone ${extOf(call, input.uniqueid)} rings`];
    case 'phone over':
      return [`phone ${extOf(call, input.uniqueid)}: ${input.outcome}`];
    case 'outside called':
      return [`outside party ${input.party} is dialled`];
    case 'queued':
      return [`waits in queue ${input.queue}`];
    case 'pbx answered':
      return call.direction === 'in' ? ['the line is up; nobody talks yet'] : ['the outside party picked up'];
    case 'connected':
      return [input.parties.length === 0 ? 'connected with nobody' : `connected with ${names(input.parties)}`];
    case 'transferred':
      return [`${input.party} transfers ${input.type}${input.to === undefined ? '' : ` to ${input.to}`}`];
    case 'parked':
      return ['parked'];
    case 'recorded':
      return [`recording ${input.file} was announced`];
    case 'tick':
      return undefined;
    case 'gone':
      return [`over${input.cause === undefined ? '' : `, hangup cause ${input.cause}`}`];
  }
}

function decided(fact: Fact): string[] {
  switch (fact.fact) {
    case 'rung':
      return [`popup for ${fact.exts.join(', ')}: the phone rings for the first time in this call`];
    case 'stopped ringing':
      return [`popup of ${fact.exts.join(', ')} closes: the phone stopped and nobody took the call`];
    case 'call.answered':
      return [
        `answered: the customer and ${fact.by} are connected`,
        ...(fact.losers.length === 0 ? [] : [`popup of ${fact.losers.join(', ')} closes: ${fact.by} has the call`]),
      ];
    case 'handed over':
      return [`handed over to ${fact.to}`];
    case 'call.incoming':
    case 'call.outgoing':
    case 'call.finished':
    case 'call.missed':
    case 'dropped':
    case 'unknown channel':
      return [];
  }
}

function verdict(call: Call, policies: Policies): string[] {
  const result = `result ${call.result ?? 'unknown'}${call.detail === undefined ? '' : ` (${call.detail})`}`;
  const reason = dropReason(call, policies);
  if (reason !== undefined) return [result, `not told to the CRM: ${reason}`];
  const owner = ownerOf(call, policies);
  const why =
    call.answeredAt !== undefined
      ? `policy ${policies.owner}`
      : call.direction === 'out'
        ? 'she dialled'
        : 'rung last, or the default';
  return [result, owner === null ? 'nobody owns it' : `owner ${owner}: ${why}`];
}

function extOf(call: Call, uniqueid: string): string {
  return call.rang.find((ring) => ring.uniqueid === uniqueid)?.ext ?? uniqueid;
}

function names(parties: readonly { party: string }[]): string {
  return parties.map((one) => one.party).join(', ');
}
