import type { Call, CallResult, ResultDetail, RingOutcome } from './call.ts';
import type { Instant } from './events.ts';

/** What is known about a dialled leg when it is over. */
export interface DialOver {
  /** `DialStatus` of its first DialEnd, if any. */
  dialStatus: string | undefined;
  /** `Forward` of the DialEnd: the phone answered 302. */
  forward: string | undefined;
  /** Q.850 cause of its Hangup. */
  cause: number | undefined;
  /** The leg was Up. */
  up: boolean;
}

/**
 * Outcome of a phone that was called (`ami-events.md` 3). `answered elsewhere` is not decided here except by cause 26:
 * the call machine knows whether somebody else took the call.
 */
export function ringOutcome(over: DialOver): RingOutcome {
  if (over.forward !== undefined) return 'forwarded';
  if (over.dialStatus === 'ANSWER' || over.up) return 'answered';
  if (over.cause === 26) return 'answered elsewhere';
  if (over.dialStatus === 'CANCEL') return 'cancelled';
  switch (over.cause) {
    case 17:
      return 'busy';
    case 21:
      return 'declined';
    case 19:
      return 'no answer';
    default:
      if (over.dialStatus === undefined) return 'cancelled'; // taken away without a word: pickup, or the caller is gone
      return over.dialStatus === 'BUSY' ? 'busy' : 'no answer';
  }
}

/**
 * Result of an outgoing call nobody answered: CANCEL first, then the cause, the dial status last (`ami-events.md` 3):
 * 16 and 22, PJSIP and chan_sip name the same refusal differently, the cause is the same everywhere.
 */
export function outgoingResult(over: DialOver): CallResult {
  if (over.dialStatus === 'CANCEL') return 'no answer';
  switch (over.cause) {
    case 17:
      return 'busy';
    case 18:
    case 19:
      return 'no answer';
    case 1:
    case 2:
    case 3:
    case 20:
    case 21:
    case 22:
    case 27:
    case 28:
    case 34:
    case 38:
    case 41:
    case 42:
    case 44:
    case 58:
    case 66:
    case 88:
      return 'failed';
    default:
      break;
  }
  switch (over.dialStatus) {
    case 'BUSY':
      return 'busy';
    case 'CONGESTION':
    case 'CHANUNAVAIL':
      return 'failed';
    default:
      return 'no answer';
  }
}

/** Causes with which a PBX ends an incoming call it could not deliver to anybody. */
const undeliverable = new Set([1, 2, 3, 20, 27, 34, 38, 41, 42, 58]);

/** Result of an incoming call nobody answered, from the phones that were called and the cause of the customer's hangup. */
export function incomingResult(outcomes: readonly (RingOutcome | undefined)[], cause: number | undefined): CallResult {
  if (outcomes.length === 0) return cause !== undefined && undeliverable.has(cause) ? 'failed' : 'no answer';
  if (outcomes.every((outcome) => outcome === 'busy' || outcome === 'declined')) return 'busy';
  return 'no answer';
}

/**
 * Why an incoming call was missed; for people and for the policies that drop some kinds. Asterisk names none of these:
 * voice mail is a PBX that answered after the phones had stopped. `offHours`: the channel went through such a context.
 */
export function missedDetail(call: Call, cause: number | undefined, offHours: boolean, at: Instant): ResultDetail {
  const last = call.rang.at(-1);
  const gaveUp = last === undefined || last.outcome === 'cancelled' || last.outcome === undefined;
  if (call.queue !== undefined) return gaveUp ? 'abandoned in queue' : 'queue timeout';
  if (last === undefined) {
    if (offHours) return 'off hours';
    return call.pbxAnsweredAt === undefined || cause === undefined ? 'abandoned' : 'ivr only';
  }
  if (call.pbxAnsweredAt !== undefined && call.pbxAnsweredAt >= (last.endedAt ?? at)) return 'voicemail';
  if (call.rang.every((ring) => ring.outcome === 'declined' || ring.outcome === 'busy')) return 'declined';
  return gaveUp ? 'abandoned' : 'ring timeout';
}
