import type { Call, Fact } from './calls/call.ts';
import { customerPhone, ownerOf, recordOf } from './calls/record.ts';
import type { Policies } from './calls/rules.ts';
import type { PlannedErrand } from './delivery/followUps.ts';
import type { PlannedRequest } from './delivery/plan.ts';
import type { PlannedWebhook } from './delivery/webhookPlan.ts';
import type { CallRow } from './store/calls.ts';
import type { DropRow } from './store/drops.ts';
import type { NewOutboxRow } from './store/outbox.ts';

/** Whose rows these are. */
export interface Origin {
  enterprise: string;
  host: string;
  /** Key of the CRM account. */
  account: string;
}

/** Whose an extension was at an instant, milliseconds since 1970: id of a CRM user. */
export type UserAt = (extension: string, at: number) => number | undefined;

/**
 * The call's row: what people see of it, and while it lives what the core needs to take it up again.
 * @param userAt with it an ended call keeps the CRM user its owner was when it began, whoever has her extension later
 */
export function callRow(call: Call, origin: Origin, policies: Policies, userAt?: UserAt): CallRow {
  const ended = call.state === 'ended';
  const owner = ended ? ownerOf(call, policies) : null;
  const crmUser = owner === null ? null : (userAt?.(owner, call.startedAt) ?? null);
  return {
    enterprise: origin.enterprise,
    host: origin.host,
    externalId: call.externalId,
    linkedid: call.linkedid,
    direction: call.direction,
    state: ended ? 'ended' : 'live',
    result: call.result ?? null,
    customerPhone: customerPhone(call),
    externalPhone: call.externalPhone ?? null,
    owner,
    crmUser,
    startedAt: new Date(call.startedAt),
    answeredAt: call.answeredAt === undefined ? null : new Date(call.answeredAt),
    endedAt: call.endedAt === undefined ? null : new Date(call.endedAt),
    record: {
      ...recordOf(call, policies),
      resultDetail: call.detail ?? null,
      customerName: call.customerName ?? null,
      joinedLate: call.joinedLate,
      // While it lives, `live` has them.
      ...(ended ? { crmUser, talks: call.talks, story: call.story } : {}),
    },
    live: ended ? null : call,
  };
}

/** An upload that waits for its recording or for the account's time zone keeps what completes it beside the record. */
export interface WaitingPayload {
  record: Record<string, unknown>;
  recording: { path: string; url: string } | null;
  /** Milliseconds; the instant of the missing `date`. */
  undated: number | null;
}

/** An undated upload waits as long as uploads live at all. */
const UNDATED_MS = 14 * 24 * 3600_000;

/**
 * The outbox row of a planned request.
 * @param skewMs the host's clock minus ours: due and expiry are told in the host's time, the outbox keeps ours
 */
export function outboxRow(request: PlannedRequest, origin: Origin, skewMs: number): NewOutboxRow {
  const ours = (at: number): Date => new Date(at - skewMs);
  const { recording, undated } = request;
  const row: NewOutboxRow = {
    ...origin,
    kind: request.kind,
    externalId: request.dedupKey,
    callId: request.callId,
    payload: JSON.stringify(request.payload),
    // Due at once, by the database's own clock: what happened cannot be due in the future, whatever the host's clock says.
    expiresAt: request.expiresAt === undefined ? null : ours(request.expiresAt),
  };
  if (request.type !== undefined) {
    row.type = request.type;
    row.codes = [...request.codes];
  }
  if (recording === undefined && undated === undefined) return row;
  const waiting: WaitingPayload = {
    record: request.payload,
    recording: recording === undefined ? null : { path: recording.path, url: recording.url },
    undated: undated ?? null,
  };
  const until = recording === undefined ? request.dueAt + UNDATED_MS : recording.until;
  return { ...row, state: 'waiting', payload: JSON.stringify(waiting), dueAt: ours(until) };
}

/** The outbox row of a message to a receiver of webhooks; `skewMs` as for `outboxRow`. */
export function webhookRow(hook: PlannedWebhook, origin: Origin, skewMs: number): NewOutboxRow {
  return {
    enterprise: origin.enterprise,
    host: origin.host,
    account: hook.account,
    kind: 'webhook',
    externalId: hook.dedupKey,
    callId: hook.callId,
    payload: hook.body,
    expiresAt: new Date(hook.expiresAt - skewMs),
  };
}

/** The outbox row of an errand. */
export function errandRow({ key, callId, errand }: PlannedErrand, origin: Origin): NewOutboxRow {
  return { ...origin, kind: 'errand', externalId: key, callId, payload: JSON.stringify(errand) };
}

/** The ledger's row of something that is not told to the CRM. */
export function dropRow(fact: Extract<Fact, { fact: 'dropped' }>, origin: Origin): DropRow {
  return {
    enterprise: origin.enterprise,
    host: origin.host,
    linkedid: fact.linkedid,
    externalId: fact.call?.externalId ?? null,
    reason: fact.reason,
    at: new Date(fact.at),
    detail: fact.call === undefined ? null : { direction: fact.call.direction, detail: fact.call.detail ?? null },
  };
}
