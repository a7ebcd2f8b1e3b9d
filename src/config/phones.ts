import {
  type CountryCode,
  type PhoneNumber,
  getCountryCallingCode,
  isSupportedCountry,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/max';

/** What a number on the wire turned out to be. */
export type NormalisedPhone =
  /** `country` is the ISO code the number belongs to, where the numbering plan tells. */
  | { readonly kind: 'phone'; readonly e164: string; readonly country?: string }
  | { readonly kind: 'anonymous' }
  /** Five digits or fewer, without plus: somebody inside, or a short service number. */
  | { readonly kind: 'extension'; readonly number: string }
  | { readonly kind: 'unparsable'; readonly raw: string };

/** What PBXs write when the caller hid his number or had none (`stack-notes`, `ami-events`). */
const ANONYMOUS = new Set([
  '',
  's',
  'anonymous',
  'unknown',
  '<unknown>',
  'unavailable',
  'restricted',
  'private',
  'withheld',
  'asterisk',
]);

/** Countries whose national forms appear on each other's lines: same trunk prefix 8, much traffic. */
const NEIGHBOURS: Readonly<Partial<Record<CountryCode, readonly CountryCode[]>>> = { BY: ['RU'], RU: ['BY'] };

/** Longest text that can be a number with separators; ITU E.164 has at most 15 digits. */
const LONGEST = 40;

/** Bounded: a PBX sees the same few thousand numbers again and again, a flood of new ones must not stay. */
const CACHE_LIMIT = 5_000;
const cache = new Map<string, NormalisedPhone>();

/**
 * The one spelling of a number. Attempts in this order, first with numbers a numbering plan knows, and if none does, with any of
 * the right length (a real number must not be lost because the metadata is older than it): national form of `countries[0]`,
 * `00`, `810`, `+`, bare digits as if with plus, then national forms of the other countries and of the neighbour (BY–RU).
 * @param raw as on the wire: with or without plus, trunk prefix, spaces, brackets, dashes
 * @param countries ISO 3166 alpha-2, home first (the trunk's, then the enterprise's); unknown ones are skipped
 */
export function normalisePhone(raw: string | undefined, countries: readonly string[]): NormalisedPhone {
  const key = `${countries.join(' ')} ${raw ?? ''}`;
  const known = cache.get(key);
  if (known) return known;
  const result = Object.freeze(normalise(raw ?? '', countries));
  if (key.length > 2 * LONGEST) return result;
  if (cache.size >= CACHE_LIMIT) for (const oldest of cache.keys()) if (cache.delete(oldest)) break;
  cache.set(key, result);
  return result;
}

/** `+375` of `BY`; `+` of a country whose numbering plan is not known. */
export function callingCode(country: string): string {
  return isSupportedCountry(country) ? `+${getCountryCallingCode(country)}` : '+';
}

function normalise(raw: string, countries: readonly string[]): NormalisedPhone {
  const trimmed = raw.trim();
  if (ANONYMOUS.has(trimmed.toLowerCase())) return { kind: 'anonymous' };
  if (trimmed.length > LONGEST || !/^\+?[\d\s().\-/\u00a0\u2010-\u2015]+$/.test(trimmed))
    return { kind: 'unparsable', raw };
  const digits = trimmed.replace(/\D/g, '');
  const plus = trimmed.startsWith('+');
  if (digits === '') return { kind: 'unparsable', raw };
  if (!plus && digits.length <= 5) return { kind: 'extension', number: digits };
  const seen: PhoneNumber[] = [];
  for (const number of attempts(digits, plus, countries)) {
    if (number?.isValid()) return phone(number);
    if (number) seen.push(number);
  }
  const possible = seen.find(hasRightLength);
  return possible ? phone(possible) : { kind: 'unparsable', raw };
}

function phone(number: PhoneNumber): NormalisedPhone {
  return { kind: 'phone', e164: number.number, ...(number.country && { country: number.country }) };
}

/** Right length, and no trunk prefix taken for a part of the number (only Italy keeps a leading zero). */
function hasRightLength(number: PhoneNumber): boolean {
  return number.isPossible() && (!number.nationalNumber.startsWith('0') || number.country === 'IT');
}

/** All readings of the digits, likeliest first. */
function* attempts(digits: string, plus: boolean, countries: readonly string[]): Generator<PhoneNumber | undefined> {
  const known = countries.filter((code): code is CountryCode => isSupportedCountry(code));
  const home = known[0];
  // After a plus only the international reading is right; the others are for PBXs that put a plus before anything.
  if (plus) yield parsePhoneNumberFromString(`+${digits}`);
  if (home) yield national(digits, home);
  if (digits.startsWith('00')) yield parsePhoneNumberFromString(`+${digits.slice(2)}`);
  if (digits.startsWith('810')) yield parsePhoneNumberFromString(`+${digits.slice(3)}`);
  if (!plus) yield parsePhoneNumberFromString(`+${digits}`);
  for (const other of new Set([...known.slice(1), ...(home ? (NEIGHBOURS[home] ?? []) : [])])) {
    if (other !== home) yield national(digits, other);
  }
}

/** The reading as a national number; what starts with an international prefix is none. */
function national(digits: string, country: CountryCode): PhoneNumber | undefined {
  return /^(00|810)/.test(digits) ? undefined : parsePhoneNumberFromString(digits, country);
}

/**
 * The digits of a number without its country code: what customers' cards have in common, however they spell it.
 * @param e164 with plus; of anything else all digits
 */
export function nationalDigits(e164: string): string {
  return parsePhoneNumberFromString(e164)?.nationalNumber ?? e164.replace(/\D/g, '');
}

/**
 * A number as a dial plan wants it: `e164` +375291112233, `digits` 375291112233, `national` 80291112233. Numbers of other
 * countries than `home` have no national form here: they stay as E.164.
 */
export function dialForm(e164: string, form: 'e164' | 'digits' | 'national', home: string): string {
  if (form === 'e164') return e164;
  const number = form === 'national' ? parsePhoneNumberFromString(e164) : undefined;
  if (form === 'digits') return e164.replace(/\D/g, '');
  return number?.country === home ? number.formatNational().replace(/\D/g, '') : e164;
}
