/** What must not be read in a log: secrets by the name of their key, phone numbers by their looks. */

/** Shown instead of a secret. */
const HIDDEN = '***';

/** Names (lower case, without `_` and `-`) whose values are secrets. */
const SECRET_NAME = /secret|token|authorization|passw|clientid|apikey|credential|cookie|^key$|privatekey/;

/** Names whose values are people's numbers. */
const PHONE_NAME = /phone|caller|callee|customer|mobile|msisdn|^from$|^to$|^did$|dialled/;

/** Country codes of one and two digits; all others have three (ITU E.164 list). */
const SHORT_COUNTRY_CODE = /^(?:[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58])/;

/** Digits from which on a number is a person's and no longer an extension. */
const SHORTEST_PHONE = 7;

/** Whether a value under this key is a secret, whatever it looks like. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(plain(name));
}

/** Whether a value under this key is a phone number, whatever it looks like. */
export function isPhoneName(name: string): boolean {
  return PHONE_NAME.test(plain(name));
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[_-]/g, '');
}

/**
 * A number that can be recognised by who knows it and dialled by nobody: `+375290000116` → `+375***0116`,
 * `80290000116` → `***0116`. Fewer than 7 digits (extensions) stay as they are.
 */
export function maskPhone(phone: string): string {
  const digits = phone.replace(/\D/g, '');
  if (digits.length < SHORTEST_PHONE) return phone;
  const last = digits.slice(-4);
  if (!phone.trimStart().startsWith('+')) return `${HIDDEN}${last}`;
  const code = SHORT_COUNTRY_CODE.exec(digits)?.[0] ?? digits.slice(0, 3);
  return `+${code}${HIDDEN}${last}`;
}

/**
 * What a run of digits can be, at the first of them: UUID, the `-xxxxxxxx` of a channel name, Asterisk's uniqueid, a time or date
 * with a year; or a number with plus and separators, or seven digits and more. Bounded quantifiers only: callers write these texts.
 */
const RUNS =
  /(?<keep>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|-(?<=\/[^\s/]{1,80}-)[0-9a-f]{8}(?![0-9a-f])|(?<!\d)\d{9,10}\.\d{1,9}(?!\d)|(?<!\d|\+)(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d))|\+\d(?:[ ().\u00a0-]{0,2}\d){6,18}|\d{7,}/gi;

/** Before a run of digits: it is a name for a thing, not for a person. */
const ID_BEFORE = /(?:#|\b(?:id|ids|row|pid|port|offset|order)[ =:]{1,2})$/i;

/** After it: it is an amount. */
const UNIT_AFTER = /^ ?(?:bytes|[km]i?b|ms|µs|s|rows|events|lines)\b/i;

const SECRET_IN_TEXT =
  /((?:api[_-]?key|token|secret|password|passwd|client[_-]?id|authorization)["']?\s{0,3}[=:]\s{0,3}["']?(?:bearer |basic )?)[^\s&"',;]+/gi;
const USER_INFO = /(\/\/[^\s/:@]{0,100}:)[^\s/@]{1,200}@/g;

/** The text with numbers and secrets masked; ids, dates, channel names and amounts stay. */
export function maskText(text: string): string {
  if (text.length < SHORTEST_PHONE) return text;
  const open = text.replace(USER_INFO, `$1${HIDDEN}@`).replace(SECRET_IN_TEXT, `$1${HIDDEN}`);
  return open.replace(RUNS, (run, keep: string | undefined, offset: number) => {
    if (keep !== undefined) return run;
    const before = open.slice(Math.max(0, offset - 12), offset);
    if (
      !run.startsWith('+') &&
      (ID_BEFORE.test(before) || UNIT_AFTER.test(open.slice(offset + run.length, offset + run.length + 8)))
    ) {
      return run;
    }
    return maskPhone(run);
  });
}

/** A value under a phone's name: every string of digits in it, however short of a number it looks, except extensions. */
export function maskPhoneValue(text: string): string {
  return text.replace(/\+?\d(?:[ ().\u00a0-]{0,2}\d){6,18}/g, maskPhone);
}

/** The value of a secret key: that there is one may be known. */
export function maskSecret(value: unknown): unknown {
  return value === undefined || value === null || value === '' ? value : HIDDEN;
}
