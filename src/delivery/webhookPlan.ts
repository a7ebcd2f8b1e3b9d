import type { Call, Fact } from '../calls/call.ts';
import type { Instant } from '../calls/events.ts';
import {
  answeredBy,
  customerPhone,
  dropReason,
  iso,
  ownerOf,
  recordingOf,
  talkSeconds,
  waitSeconds,
} from '../calls/record.ts';
import { handledBy } from '../calls/machine.ts';
import type { PlanSettings } from './plan.ts';

/** What a receiver can be told: the facts of the same names. */
export type WebhookType = 'call.incoming' | 'call.outgoing' | 'call.answered' | 'call.finished' | 'call.missed';

/** Who is told, and of what. */
export interface WebhookReceiver {
  /** Account column of its outbox rows, `webhook:<enterprise>/<id>`. */
  readonly account: string;
  readonly events: readonly WebhookType[];
}

/** The call whose fact it is, and where it happened. */
export interface WebhookOrigin {
  readonly enterprise: string;
  readonly host: string;
}

/** One message to one receiver. */
export interface PlannedWebhook {
  readonly account: string;
  readonly type: WebhookType;
  /** Unique per receiver: the same fact planned twice is one message. */
  readonly dedupKey: string;
  /** externalId of the call. */
  readonly callId: string;
  /** The body, byte for byte the same at each attempt. */
  readonly body: string;
  /** Not sent any more after this; then it is a dead letter. */
  readonly expiresAt: Instant;
}

/** The `data` of a message: the call as it was known at its `timestamp`. Documented in `docs/webhooks.md`; fields may be added. */
export interface WebhookCall {
  /** The same in every message of the call, and in the CRM (`externalId`). */
  callId: string;
  enterprise: string;
  host: string;
  direction: 'in' | 'out';
  state: 'ringing' | 'talking' | 'ended';
  /** The outside party. `phone`: E.164 where the number is one, else as it came; null when hidden. */
  customer: { phone: string | null; name: string | null };
  /** Our own number the call came in or went out by. */
  ourNumber: string | null;
  queue: string | null;
  /** Extension: who dialled, who answered, at the end whose call it is. */
  employee: string | null;
  /** First who talked with the customer; an extension, or an outside number the call was forwarded to. */
  answeredBy: string | null;
  /** All who talked, in order. */
  handledBy: string[];
  /** Extensions that rang. */
  rang: string[];
  startedAt: string;
  answeredAt: string | null;
  endedAt: string | null;
  /** Seconds to the answer or the end; null while nobody has answered. */
  waitSeconds: number | null;
  /** Seconds of talk; null before the end. */
  talkSeconds: number | null;
  /** `answered`, `no answer`, `busy`, `failed`, `not allowed`, `unknown`; null before the end. */
  result: string | null;
  /** What is behind the result, such as `abandoned in queue`. */
  detail: string | null;
  transfers: { type: string; from: string; to: string | null; at: string; result: string }[];
  /** Link to the recording, if there is to be one; its file may appear a little later. */
  recordUrl: string | null;
  /** Why the CRM is not told of this call, at its end; null = it is told. */
  notInCrm: string | null;
}

/** A message is tried for this long. */
export const WEBHOOK_LIFE_MS = 3 * 24 * 3_600_000;

/** The messages a fact makes, one for each receiver that wants it. Pure: the same fact gives the same bytes. */
export function webhookPlan(
  fact: Fact,
  receivers: readonly WebhookReceiver[],
  settings: PlanSettings,
  origin: WebhookOrigin,
): PlannedWebhook[] {
  if (receivers.length === 0) return [];
  if (!isTold(fact)) return [];
  const { at, call, fact: type } = fact;
  const { direction } = call;
  // Traffic that is nobody's business outside: among ourselves, or with a number that is kept secret from the CRM too.
  if (direction === 'internal' || call.excluded !== undefined) return [];
  const wanting = receivers.filter(({ events }) => events.includes(type));
  if (wanting.length === 0) return [];
  const body = JSON.stringify({ type, timestamp: iso(at), data: dataOf(call, type, direction, settings, origin) });
  return wanting.map(({ account }) => ({
    account,
    type,
    dedupKey: `${call.externalId}/${type}`,
    callId: call.externalId,
    body,
    expiresAt: at + WEBHOOK_LIFE_MS,
  }));
}

function isTold(fact: Fact): fact is Extract<Fact, { fact: WebhookType }> {
  switch (fact.fact) {
    case 'call.incoming':
    case 'call.outgoing':
    case 'call.answered':
    case 'call.finished':
    case 'call.missed':
      return true;
    case 'rung':
    case 'stopped ringing':
    case 'handed over':
    case 'dropped':
    case 'unknown channel':
      return false;
  }
}

function dataOf(
  call: Call,
  type: WebhookType,
  direction: 'in' | 'out',
  settings: PlanSettings,
  origin: WebhookOrigin,
): WebhookCall {
  const ended = type === 'call.finished' || type === 'call.missed';
  const first = answeredBy(call) ?? null;
  return {
    callId: call.externalId,
    enterprise: origin.enterprise,
    host: origin.host,
    direction,
    state: ended ? 'ended' : type === 'call.answered' ? 'talking' : 'ringing',
    customer: { phone: customerPhone(call), name: call.customerName ?? null },
    ourNumber: call.externalPhone ?? settings.defaultDid ?? null,
    queue: call.queue ?? null,
    employee: ended ? ownerOf(call, settings.policies) : direction === 'out' ? (call.initiatedBy ?? null) : first,
    answeredBy: first,
    handledBy: handledBy(call),
    rang: [...new Set(call.rang.map(({ ext }) => ext))],
    startedAt: iso(call.startedAt),
    answeredAt: call.answeredAt === undefined ? null : iso(call.answeredAt),
    endedAt: call.endedAt === undefined ? null : iso(call.endedAt),
    waitSeconds: ended || call.answeredAt !== undefined ? waitSeconds(call) : null,
    talkSeconds: ended ? talkSeconds(call) : null,
    result: ended ? (call.result ?? 'unknown') : null,
    detail: ended ? (call.detail ?? null) : null,
    transfers: call.transfers.map(({ type: kind, from, to, at, result }) => ({
      type: kind,
      from,
      to: to ?? null,
      at: iso(at),
      result,
    })),
    recordUrl: (ended ? recordLink(call, settings) : undefined) ?? null,
    notInCrm: (ended ? dropReason(call, settings.policies) : undefined) ?? null,
  };
}

function recordLink(call: Call, settings: PlanSettings): string | undefined {
  return call.answeredAt === undefined ? undefined : settings.recordUrl(call, recordingOf(call)?.file);
}
