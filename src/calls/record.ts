import type { Call, CallResult, Direction, DropReason, RingOutcome, Transfer } from './call.ts';
import type { Instant } from './events.ts';
import { handledBy } from './machine.ts';
import type { Policies } from './rules.ts';

/** A finished call as people and the CRM see it. Instants in ISO 8601 UTC, durations in seconds. */
export interface CallRecord {
  externalId: string;
  linkedid: string;
  direction: Direction;
  /** False: not told to the CRM; the drop ledger says why. */
  logToCrm: boolean;
  /** E.164; null for hidden numbers and internal calls. */
  customerPhone: string | null;
  /** Our number: DID (in) or the number shown to the customer (out). */
  externalPhone: string | null;
  result: CallResult;
  startedAt: string;
  answeredAt: string | null;
  endedAt: string | null;
  /** From the customer's leg to the answer, or to the end. */
  waitSeconds: number;
  /** From the answer to the end: hold, parking and transfers inside, ringing never. */
  talkSeconds: number;
  /** First human who talked with the customer. */
  answeredBy: string | null;
  /** All who did, in order. */
  handledBy: string[] | null;
  /** out and internal: who began the call; of a leg that was forwarded or transferred, who gave the customer away. */
  initiatedBy: string | null;
  rang: { ext: string; at: string; outcome: RingOutcome }[];
  transfers: { type: Transfer['type']; from: string; to: string | null; at: string; result: Transfer['result'] }[];
  /** File name given to MixMonitor, for answered calls. */
  recording: string | null;
}

/** ISO 8601 with milliseconds, UTC. */
export function iso(at: Instant): string {
  return new Date(at).toISOString();
}

/** Seconds with milliseconds, never negative. */
function seconds(from: Instant, to: Instant): number {
  return Math.max(0, Math.round(to - from) / 1000);
}

/** Why an ended call is not told to the CRM, by the enterprise's policies; undefined = it is told. */
export function dropReason(call: Call, policies: Policies): DropReason | undefined {
  if (call.direction === 'internal') return call.excluded ?? 'internal';
  if (call.excluded !== undefined) return call.excluded;
  if (call.customer.kind === 'anonymous' && !policies.anonymous) return 'anonymous_off';
  if (call.customer.kind === 'unparsable' && !/\d{3}/.test(call.customer.raw)) return 'number_unparsable';
  if (call.direction === 'out' || call.answeredAt !== undefined) return undefined;
  if (call.detail === 'voicemail' && !policies.voicemail) return 'voicemail_off';
  if (call.detail === 'off hours' && !policies.offHours) return 'off_hours_off';
  if (call.detail === 'ivr only' && !policies.ivrOnly) return 'ivr_only_off';
  if (call.endedAt !== undefined && seconds(call.startedAt, call.endedAt) < policies.minimumSeconds) return 'too_short';
  return undefined;
}

/** Seconds from the customer's leg to the answer or the end: the CRM's `durationWaiting`. */
export function waitSeconds(call: Call): number {
  return seconds(call.customerLegAt ?? call.startedAt, call.answeredAt ?? call.endedAt ?? call.startedAt);
}

/** Seconds from the answer to the end: the CRM's `duration`. */
export function talkSeconds(call: Call): number {
  return call.answeredAt === undefined ? 0 : seconds(call.answeredAt, call.endedAt ?? call.answeredAt);
}

/**
 * The recording that belongs to the talk: the last one set on the customer's channel, else on the channel that began
 * the call, else any (`ami-events.md` trap 16: bound to the customer's channel it covers everything).
 */
export function recordingOf(call: Call): { uniqueid: string; file: string } | undefined {
  if (call.answeredAt === undefined) return undefined;
  const of = (uniqueid: string | undefined): { uniqueid: string; file: string } | undefined =>
    call.recordings.findLast((one) => one.uniqueid === uniqueid);
  return of(call.customerUniqueid) ?? of(call.firstUniqueid) ?? call.recordings[0];
}

/** The number the CRM gets: E.164 where there is one, the digits as they came where there is not. */
export function customerPhone(call: Call): string | null {
  switch (call.customer.kind) {
    case 'phone':
      return call.customer.e164;
    case 'extension':
      return call.direction === 'internal' ? null : call.customer.number;
    case 'unparsable':
      return call.customer.raw;
    case 'anonymous':
      return null;
  }
}

/** Whose call it is in the CRM (`calls.md` 1, Owner): an extension, or null. Decided once, at the end. */
export function ownerOf(call: Call, policies: Policies): string | null {
  const talks = call.talks.filter((talk) => talk.kind !== 'outside');
  if (talks.length > 0) {
    switch (policies.owner) {
      case 'first_talker':
        return talks[0]?.party ?? null;
      case 'last_talker':
        return talks.at(-1)?.party ?? null;
      case 'longest_talker': {
        const total = new Map<string, number>();
        for (const talk of talks) {
          total.set(talk.party, (total.get(talk.party) ?? 0) + ((talk.to ?? call.endedAt ?? talk.from) - talk.from));
        }
        return [...total].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
      }
    }
  }
  if (call.direction === 'out') return call.initiatedBy ?? null;
  return call.responsible ?? call.rang.at(-1)?.ext ?? policies.defaultOwner ?? null;
}

/** The record of a call; for a live call with what is known so far. */
export function recordOf(call: Call, policies: Policies): CallRecord {
  const internal = call.direction === 'internal';
  const parties = handledBy(call);
  return {
    externalId: call.externalId,
    linkedid: call.linkedid,
    direction: call.direction,
    logToCrm: dropReason(call, policies) === undefined,
    customerPhone: customerPhone(call) ?? null,
    externalPhone: call.externalPhone ?? null,
    result: call.result ?? (call.answeredAt === undefined ? 'unknown' : 'answered'),
    startedAt: iso(call.startedAt),
    answeredAt: call.answeredAt === undefined ? null : iso(call.answeredAt),
    endedAt: call.endedAt === undefined ? null : iso(call.endedAt),
    waitSeconds: waitSeconds(call),
    talkSeconds: talkSeconds(call),
    answeredBy: answeredBy(call) ?? null,
    handledBy: internal || (call.originated && call.customerUniqueid === undefined) ? null : parties,
    initiatedBy: call.initiatedBy ?? null,
    rang: call.rang.map((ring) => ({ ext: ring.ext, at: iso(ring.at), outcome: ring.outcome ?? 'no answer' })),
    transfers: call.transfers.map((one) => ({ ...one, to: one.to ?? null, at: iso(one.at) })),
    recording: internal ? null : (recordingOf(call)?.file ?? null),
  };
}

/** First human who talked with the customer. Of an internal call: who took it. */
export function answeredBy(call: Call): string | undefined {
  return call.direction === 'internal' && call.answeredAt !== undefined
    ? (call.rang.find((ring) => ring.outcome === 'answered')?.ext ?? call.talks[0]?.party)
    : call.talks[0]?.party;
}
