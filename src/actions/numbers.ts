import { isDialable } from '../ami/control.ts';
import { type Refusal, refusal } from './reply.ts';

/** What numbers mean in this enterprise, and which may be called. All functions are pure and quick. */
export interface NumberRules {
  /** As the configuration normalises numbers on the wire. */
  normalise(raw: string): { readonly kind: string; readonly e164?: string };
  /** Whether the allow list has it. */
  allowed(e164: string): boolean;
  /** Whether the enterprise wants nothing to do with it. */
  blacklisted(e164: string): boolean;
  /** As the dial plan wants it. */
  dial(e164: string): string;
  /** Whether a short number is somebody inside. */
  isExtension(number: string): boolean;
}

/** A number that may be called. */
export interface Callable {
  readonly e164: string;
  /** What goes into `Exten`. */
  readonly exten: string;
}

const badPhone = refusal(400, 'bad_phone', 'this is not a telephone number');

/**
 * An outside number somebody wants to have called. Refused: what is no number in full (short service and emergency
 * numbers too), what the allow list does not have, what is blacklisted.
 */
export function callable(raw: string, rules: NumberRules): Callable | Refusal {
  // A number from a card may have any separators, but no line of a protocol.
  if (raw.length > 40 || /[\p{Cc}\p{Cf}]/u.test(raw)) return badPhone;
  const phone = rules.normalise(raw);
  if (phone.kind === 'extension') {
    return refusal(403, 'not_allowed', 'short numbers are not called by a click');
  }
  if (phone.kind !== 'phone' || phone.e164 === undefined) return badPhone;
  const { e164 } = phone;
  if (!rules.allowed(e164)) return refusal(403, 'not_allowed', 'this number is not on the list of numbers to call');
  if (rules.blacklisted(e164)) return refusal(403, 'not_allowed', 'this number is blacklisted');
  const exten = rules.dial(e164);
  return isDialable(exten) ? { e164, exten } : badPhone;
}

/** Where a call may be handed: an extension, or an outside number that may be called. */
export function destination(raw: string, rules: NumberRules): string | Refusal {
  if (isDialable(raw) && rules.isExtension(raw)) return raw;
  const outside = callable(raw, rules);
  return 'exten' in outside ? outside.exten : outside;
}
