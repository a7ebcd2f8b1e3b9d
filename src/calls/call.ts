import type { Instant } from './events.ts';
import type { Phone } from './rules.ts';
import type { StoryLine } from './story.ts';

/** Outcome of one employee's phone being called (`captures/README.md`, field `rang`). */
export type RingOutcome =
  | 'answered'
  | 'answered elsewhere'
  | 'cancelled'
  | 'no answer'
  | 'busy'
  | 'declined'
  | 'forwarded';

/** Result of a call in the upload's words (`retailcrm-api.md` 4.2). */
export type CallResult = 'answered' | 'no answer' | 'busy' | 'failed' | 'not allowed' | 'unknown';

/** What is behind the result; for people, not for the CRM. */
export type ResultDetail =
  | 'abandoned'
  | 'abandoned in queue'
  | 'ivr only'
  | 'off hours'
  | 'ring timeout'
  | 'queue timeout'
  | 'voicemail'
  | 'caller gave up'
  | 'employee did not answer'
  | 'pbx restarted'
  | 'connection lost'
  | 'trunk failed'
  | 'declined';

/** Why something is not told to the CRM: the reason codes of the drop ledger (`calls.md` 4). */
export type DropReason =
  | 'internal'
  | 'employee_mobile'
  | 'blacklisted'
  | 'did_off'
  | 'no_enterprise'
  | 'employee_did_not_answer'
  | 'anonymous_off'
  | 'too_short'
  | 'number_unparsable'
  | 'off_hours_off'
  | 'ivr_only_off'
  | 'voicemail_off'
  | 'part_of_call';

/** One phone that was called. */
export interface Ring {
  uniqueid: string;
  ext: string;
  /** When it was called (DialBegin). */
  at: Instant;
  /** When its bell rang (state Ringing), if it did. */
  ringingAt: Instant | undefined;
  endedAt: Instant | undefined;
  outcome: RingOutcome | undefined;
  /** Channel that stands at the root of the dial, to tell the calls of one group apart. */
  root: string;
}

/** Somebody the customer was connected with, from `from` to `to` (undefined: still). */
export interface Talk {
  /** Extension, E.164 of an outside party, or the bare name of an unknown end point. */
  party: string;
  kind: 'employee' | 'outside' | 'unknown';
  from: Instant;
  to: Instant | undefined;
}

/** One hand-over of the customer. */
export interface Transfer {
  type: 'blind' | 'attended' | 'redirect' | 'park';
  from: string;
  /** Extension or E.164; the dialled text while nobody has been reached yet. */
  to: string | undefined;
  at: Instant;
  result: 'pending' | 'answered' | 'busy' | 'no answer' | 'declined' | 'cancelled' | 'failed';
}

export type Direction = 'in' | 'out' | 'internal';

/**
 * One call. Plain data, replaced and never changed in place, so that what was saved is what was true.
 *
 * `new`: the first leg exists; nobody has been called yet (IVR, queue entry, employee still dialling).
 * `ringing`: at least one phone (in) or outside leg (out) has been called; nobody has talked.
 * `talking`: customer and a human have been connected once. There is no way back: no later leg downgrades the result.
 * `ended`: the customer is gone (or the attempt is over); nothing changes any more.
 */
export interface Call {
  state: 'new' | 'ringing' | 'talking' | 'ended';
  externalId: string;
  direction: Direction;
  /** Linkedid of the first channel when the call began. */
  linkedid: string;
  /** Channel the call began with: the customer's (in) or the one that dialled (out, internal). */
  firstUniqueid: string;
  /** The outside party's channel; for internal calls the called phone's. Undefined until it exists. */
  customerUniqueid: string | undefined;
  customer: Phone;
  /** As on the wire (in) or as dialled (out). */
  customerRaw: string | undefined;
  customerName: string | undefined;
  /** Our number: the DID (in) or the number shown to the customer (out). E.164 where it could be read. */
  externalPhone: string | undefined;
  trunk: string | undefined;
  /** out, internal: extension of the employee who began the call. */
  initiatedBy: string | undefined;
  /** out: the call was started by an Originate (click-to-call). */
  originated: boolean;
  /**
   * out: a forwarded or transferred leg that the policy makes a call of its own. Nobody dialled it, so nobody is shown a
   * popup; `initiatedBy` is who gave the customer away. Absent in calls stored by 0.1.0.
   */
  forwarded?: boolean;
  startedAt: Instant;
  customerLegAt: Instant | undefined;
  /** First ring or queue entry; IVR excluded. */
  offeredAt: Instant | undefined;
  /** The customer's channel went Up, possibly with no human behind it. */
  pbxAnsweredAt: Instant | undefined;
  answeredAt: Instant | undefined;
  endedAt: Instant | undefined;
  queue: string | undefined;
  rang: readonly Ring[];
  talks: readonly Talk[];
  transfers: readonly Transfer[];
  /** File names given to MixMonitor with the channel they were set on, in order. */
  recordings: readonly { uniqueid: string; file: string; at: Instant }[];
  /** Popups: extensions that were shown the call, and whether the popup is still open. */
  popups: Readonly<Record<string, 'open' | 'closed'>>;
  /** Ring round being collected for one popup request: extensions and the first ring's time. */
  ringRound: { exts: readonly string[]; since: Instant } | undefined;
  /** Phones that stopped ringing a moment ago: whether somebody else took the call is told by events still to come. */
  justStopped: { exts: readonly string[]; since: Instant } | undefined;
  result: CallResult | undefined;
  detail: ResultDetail | undefined;
  /**
   * Extension of the customer's responsible manager, of an incoming call nobody answered. Filled in once, when the call
   * has ended, by who knows the customers (`decided`); the core itself knows none.
   */
  responsible?: string;
  /** Cause of the hangup that ended it. */
  cause: number | undefined;
  /** True if the first events of the call were not seen (it was running when we connected). */
  joinedLate: boolean;
  /** What happened and what was decided, in order. */
  story: readonly StoryLine[];
  /** Known from the first event: this call is not told to the CRM, and no popup is shown. */
  excluded: DropReason | undefined;
}

/**
 * What happened, in the wish list's words plus what popups need. The receiver saves the call and plans requests from it;
 * `call` is the state after the fact.
 */
export type Fact =
  | { fact: 'call.incoming'; at: Instant; call: Call }
  | { fact: 'call.outgoing'; at: Instant; call: Call }
  /** Phones of these employees ring for the first time in this call (starts within 150 ms are one round). */
  | { fact: 'rung'; at: Instant; call: Call; exts: readonly string[]; since: Instant }
  /** Phones of these employees stopped before anybody answered. */
  | { fact: 'stopped ringing'; at: Instant; call: Call; exts: readonly string[] }
  /** `losers`: employees whose popup closes because somebody else has the call. */
  | { fact: 'call.answered'; at: Instant; call: Call; by: string; losers: readonly string[] }
  /** Somebody new talks with the customer: transfer, pickup from parking, conference. */
  | { fact: 'handed over'; at: Instant; call: Call; to: string }
  /** `open`: employees whose popup is still open and closes now. */
  | { fact: 'call.finished'; at: Instant; call: Call; open: readonly string[] }
  | { fact: 'call.missed'; at: Instant; call: Call; open: readonly string[] }
  /** Not told to the CRM, and why. `call` is absent for traffic that never became a call. */
  | { fact: 'dropped'; at: Instant; linkedid: string; reason: DropReason; call: Call | undefined }
  /** A channel that fits no pattern took part in a call. */
  | { fact: 'unknown channel'; at: Instant; linkedid: string; channel: string };

/** A called phone that never reports Ringing (early media) counts as ringing after this many milliseconds. */
export const SILENT_RING_MS = 1000;

/**
 * A phone that stops ringing is cancelled some milliseconds before the winner is connected (`ami-events.md` trap 3): so
 * long its popup waits to know whether the call was answered or the ring is merely over.
 */
export const STOP_GRACE_MS = 500;

/** Milliseconds in which ring starts are collected into one popup request (`calls.md` 2). */
export const RING_ROUND_MS = 150;
