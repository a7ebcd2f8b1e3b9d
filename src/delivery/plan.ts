import type { Call, CallResult, Fact } from '../calls/call.ts';
import type { Instant } from '../calls/events.ts';
import { customerPhone, dropReason, ownerOf, recordingOf, talkSeconds, waitSeconds } from '../calls/record.ts';
import type { Policies } from '../calls/rules.ts';
import { toAccountTime } from '../retailcrm/time.ts';
import type { FollowUpSettings } from './followUps.ts';

/** What planning must know of the enterprise. Everything else is in the fact. */
export interface PlanSettings {
  policies: Policies;
  /** IANA zone of the account's zone-less times (`retailcrm-api.md` 1); undefined while nobody knows it yet. */
  zone: string | undefined;
  /** Which popups are sent. */
  popups: { readonly in: boolean; readonly out: boolean; readonly hangup: boolean };
  /** Our number when a call tells none; undefined = none is sent. */
  defaultDid: string | undefined;
  /** Sent as the phone of a hidden number. */
  anonymousPhone: string;
  /** The code the CRM knows an extension by. */
  codeOf(ext: string): string;
  /** Site (shop) of a DID, if any is configured. */
  siteOf(externalPhone: string | undefined): string | undefined;
  /** Link to the recording of an answered call; `file` is the name given to MixMonitor, if it was told. undefined = not linked. */
  recordUrl(call: Call, file: string | undefined): string | undefined;
  /** Where the file of this name appears; undefined = the link is sent without looking. */
  recordingPath(call: Call, file: string): string | undefined;
  /** Seconds an upload waits for the recording's file. */
  recordingWait: number;
  /** Extension of the responsible manager of the customer with this number (E.164), as far as it is known without asking. */
  responsible(phone: string): string | undefined;
  /** What else calls leave behind; undefined = nothing. */
  followUps: FollowUpSettings | undefined;
}

/** One request to be. `payload` becomes the form field `event`, or an element of the form field `calls`. */
export interface PlannedRequest {
  kind: 'event' | 'upload';
  type: 'in' | 'out' | 'hangup' | undefined;
  /** Unique per account and kind: the same fact planned twice is one request. */
  dedupKey: string;
  /** externalId of the call. */
  callId: string;
  payload: Readonly<Record<string, unknown>>;
  /** Employees' CRM codes a popup goes to. */
  codes: readonly string[];
  dueAt: Instant;
  /** Popups are worthless later than this (promise P5). */
  expiresAt: Instant | undefined;
  /** The upload waits for this file until then; it is sent with `recordUrl` when the file is there. */
  recording: { path: string; url: string; until: Instant } | undefined;
  /** The upload waits for the account's zone: `date` is missing in the payload, this is its instant. */
  undated: Instant | undefined;
}

/** An `in` popup lives this long from the ring's start (P5); an `out` popup from the dial (`retailcrm-api.md` 4.1). */
const POPUP_MS = 10_000;
/** A `hangup` event lives this long (P5). */
const HANGUP_MS = 60_000;

/**
 * The two vocabularies of the CRM for one outcome (`retailcrm-api.md` 4.3). The core speaks the upload's words; this table
 * is the only place that knows the events' words.
 */
export function hangupStatus(result: CallResult, gaveUp: boolean): string {
  switch (result) {
    case 'answered':
      return 'answered';
    case 'no answer':
      return gaveUp ? 'cancel' : 'no answered';
    case 'busy':
      return 'busy';
    case 'failed':
    case 'not allowed':
    case 'unknown':
      return 'failed';
  }
}

/**
 * The fact with what is decided once, when the call has ended: whose a missed call is by the customer's manager. Who asks
 * again later may get another answer; the call in this fact keeps this one.
 */
export function decided<F extends Fact>(fact: F, settings: Pick<PlanSettings, 'responsible'>): F {
  if (fact.fact === 'unknown channel' || fact.call === undefined) return fact;
  const { call } = fact;
  if (call.state !== 'ended' || call.direction !== 'in' || call.answeredAt !== undefined) return fact;
  if (call.customer.kind !== 'phone') return fact;
  const responsible = settings.responsible(call.customer.e164);
  return responsible === undefined ? fact : { ...fact, call: { ...call, responsible } };
}

/** What the CRM must be told because of this fact. Pure: the same fact gives the same requests, byte for byte. */
export function plan(fact: Fact, settings: PlanSettings): PlannedRequest[] {
  if (fact.fact === 'dropped' || fact.fact === 'unknown channel') return [];
  const { call } = fact;
  if (call.direction === 'internal' || call.excluded !== undefined) return [];
  switch (fact.fact) {
    case 'call.incoming':
    case 'handed over':
      return [];
    case 'call.outgoing':
      return call.initiatedBy === undefined || call.forwarded === true
        ? []
        : popup('out', [call.initiatedBy], fact.at, fact.at + POPUP_MS, call, settings, undefined);
    case 'rung':
      return popup('in', fact.exts, fact.at, fact.since + POPUP_MS, call, settings, undefined);
    case 'stopped ringing':
      return popup('hangup', fact.exts, fact.at, fact.at + HANGUP_MS, call, settings, 'no answered');
    case 'call.answered':
      return popup('hangup', fact.losers, fact.at, fact.at + HANGUP_MS, call, settings, 'answered');
    case 'call.finished':
    case 'call.missed': {
      const open = [...new Set([...dialler(call), ...fact.open])];
      const status = hangupStatus(call.result ?? 'unknown', gaveUp(call));
      return [
        ...popup('hangup', open, fact.at, fact.at + HANGUP_MS, call, settings, status),
        ...upload(fact.at, call, settings),
      ];
    }
  }
}

/** Who was shown the popup of an outgoing call: the employee who dialled, once an outside leg existed. */
function dialler(call: Call): string[] {
  const shown = call.direction === 'out' && call.customerUniqueid !== undefined && call.forwarded !== true;
  return shown && call.initiatedBy !== undefined ? [call.initiatedBy] : [];
}

/** The side that called gave up, rather than being let ring out. */
function gaveUp(call: Call): boolean {
  if (call.direction === 'out') return call.detail === 'caller gave up';
  return call.detail === 'abandoned' || call.detail === 'abandoned in queue' || call.detail === 'ivr only';
}

/** The number of ours the call came in or went out by. */
function ourNumber(call: Call, settings: PlanSettings): string | undefined {
  return call.externalPhone ?? settings.defaultDid;
}

function phoneOf(call: Call, settings: PlanSettings): string {
  return customerPhone(call) ?? settings.anonymousPhone;
}

function popup(
  type: 'in' | 'out' | 'hangup',
  exts: readonly string[],
  at: Instant,
  expiresAt: Instant,
  call: Call,
  settings: PlanSettings,
  status: string | undefined,
): PlannedRequest[] {
  if (exts.length === 0 || !settings.popups[type]) return [];
  // What was never shown needs no end.
  if (type === 'hangup' && call.direction !== 'internal' && !settings.popups[call.direction]) return [];
  const codes = exts.map((ext) => settings.codeOf(ext));
  const ours = ourNumber(call, settings);
  const site = settings.siteOf(ours);
  return [
    {
      kind: 'event',
      type,
      dedupKey: `${call.externalId}/${type}/${exts.join('+')}`,
      callId: call.externalId,
      payload: {
        phone: phoneOf(call, settings),
        type,
        codes,
        ...(status === undefined ? {} : { hangupStatus: status }),
        ...(ours === undefined ? {} : { externalPhone: ours }),
        callExternalId: call.externalId,
        ...(site === undefined ? {} : { site }),
      },
      codes,
      dueAt: at,
      expiresAt,
      recording: undefined,
      undated: undefined,
    },
  ];
}

function upload(at: Instant, call: Call, settings: PlanSettings): PlannedRequest[] {
  // The `dropped` fact comes right after this one: the ledger has the call, the CRM must not.
  if (dropReason(call, settings.policies) !== undefined) return [];
  const owner = ownerOf(call, settings.policies);
  const ours = ourNumber(call, settings);
  const site = settings.siteOf(ours);
  const file = recordingOf(call)?.file;
  const url = call.answeredAt === undefined ? undefined : settings.recordUrl(call, file);
  const path = file === undefined || url === undefined ? undefined : settings.recordingPath(call, file);
  const recording =
    path === undefined || url === undefined ? undefined : { path, url, until: at + settings.recordingWait * 1000 };
  return [
    {
      kind: 'upload',
      type: undefined,
      dedupKey: call.externalId,
      callId: call.externalId,
      payload: {
        ...(settings.zone === undefined ? {} : { date: toAccountTime(call.startedAt, settings.zone) }),
        type: call.direction,
        phone: phoneOf(call, settings),
        ...(owner === null ? {} : { code: settings.codeOf(owner) }),
        result: call.result ?? 'unknown',
        duration: Math.round(talkSeconds(call)),
        durationWaiting: Math.round(waitSeconds(call)),
        externalId: call.externalId,
        ...(url === undefined || recording !== undefined ? {} : { recordUrl: url }),
        ...(ours === undefined ? {} : { externalPhone: ours }),
        ...(site === undefined ? {} : { site }),
      },
      codes: [],
      dueAt: at,
      expiresAt: undefined,
      recording,
      undated: settings.zone === undefined ? call.startedAt : undefined,
    },
  ];
}
