import { isIP } from 'node:net';
import { isSupportedCountry } from 'libphonenumber-js/max';
import { z } from 'zod';

/** Words `{…}` a recording link may hold; `date` is `YYYY-MM-DD`, all dates are in the enterprise's zone. */
export const RECORDING_PLACEHOLDERS = ['uniqueid', 'linkedid', 'host', 'file', 'date', 'year', 'month', 'day'] as const;

/** Lower-case name that never changes once rows carry it. */
export const slug = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,30}$/,
    'must be 1 to 31 lower-case letters, digits and dashes, such as "acme" or "pbx-1"',
  );

/** A short text for people or codes. */
export const text = z.string().trim().min(1, 'must not be empty').max(255, 'must be at most 255 characters');

/** A phone number as the CRM and the rest of the daemon write it. */
export const e164 = z
  .string()
  .regex(/^\+[1-9]\d{6,14}$/, 'must be a number in full, quoted, with + and country code: "+375171234503"');

/** A number employees dial to reach each other. */
export const extension = z.string().regex(/^[0-9*#]{1,20}$/, 'must be digits, quoted: "150"');

/** ISO 3166 alpha-2, as far as numbering plans are known. */
export const country = z
  .string()
  .refine((code) => isSupportedCountry(code), 'must be a country as two capital letters, such as BY or RU');

/** IANA zone. */
export const timezone = z.string().refine(isTimezone, 'must be a time zone such as Europe/Minsk');

/** Host name or address, without scheme and port. */
export const address = z
  .string()
  .regex(
    /^(?=.{1,253}$)([A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$/,
    'must be a host name or an IP address without port and scheme: "pbx.example" with "port: 5038" beside it',
  );

/** An address or a range of them. */
export const ipRange = z
  .string()
  .refine(isIpRange, 'must be an IP address or a range: "203.0.113.7", "203.0.113.0/24"');

/** Regular expression of extensions. */
export const extensionPattern = z
  .string()
  .max(100, 'must be at most 100 characters')
  .superRefine((source, context) => {
    const wrong = extensionPatternError(source);
    if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong });
  });

/** Pattern of channel names. */
export const channelPattern = z
  .string()
  .max(100, 'must be at most 100 characters')
  .regex(
    /^[A-Za-z0-9*]+\/[^\s,;]+$/,
    'must be a channel name without its -xxxxxxxx end, such as "PJSIP/provider" or "SIP/line*"',
  );

/** E.164 with `*` for any digits. */
export const numberPattern = z
  .string()
  .regex(/^\+?[0-9*]*\d[0-9*]*$/, 'must be a number in full, quoted, where * stands for any digits: "+37529000*"');

/** Where a secret is found; the three ways of `SecretRef`. */
export const secret = z
  .strictObject(
    {
      env: z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of an environment variable, such as ACME_CRM_KEY')
        .optional()
        .describe('Name of the environment variable that holds the secret.'),
      file: z
        .string()
        .min(1, 'must be the path of a file')
        .optional()
        .describe('Path of a file that holds nothing but the secret; relative to this YAML file.'),
      credential: z
        .string()
        .regex(/^[A-Za-z0-9._-]{1,255}$/, 'must be the name of a systemd credential (LoadCredential=NAME:/path)')
        .optional()
        .describe('Name of a systemd credential (LoadCredential=), read from $CREDENTIALS_DIRECTORY.'),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? SECRET_HINT : undefined) },
  )
  .refine((ref) => Object.keys(ref).length === 1, 'must have exactly one of env, file and credential')
  .meta({ minProperties: 1, maxProperties: 1 });

const SECRET_HINT =
  'secrets are not written in this file; say where it is: {env: NAME}, {file: PATH} or {credential: NAME}';

/** A bounded list; that nothing is in it twice is `checks.ts`'s business. */
export function list<T extends z.ZodType>(item: T, most = 5_000): z.ZodArray<T> {
  return z.array(item).max(most, `must have at most ${most} entries`);
}

/** Why `source` cannot be a pattern of extensions; undefined = it can. */
function extensionPatternError(source: string): string | undefined {
  if (/^_/.test(source)) {
    const words: Record<string, string> = { X: '[0-9]', Z: '[1-9]', N: '[2-9]' };
    const regexp = source.slice(1).replace(/[XZN]/gi, (letter) => words[letter.toUpperCase()] ?? letter);
    return `must be a regular expression, not a dial plan pattern: write "${regexp}"`;
  }
  // Nested quantifiers are what makes a regular expression slow; extensions need none.
  if (!/^[\d*#[\]^\-()|?+{},\\.:]*(?:\\d[\d*#[\]^\-()|?+{},\\.:]*)*$/.test(source) || /[+*}]\)?[+*{]/.test(source)) {
    return 'must be a simple regular expression over digits, such as "1[0-9][0-9]" or "[0-9]{3}"';
  }
  try {
    const whole = new RegExp(`^(?:${source})$`, 'u');
    return whole.test('') ? 'must not match an empty number' : undefined;
  } catch {
    return 'is not a regular expression; such as "1[0-9][0-9]" or "[0-9]{3}" would be';
  }
}

function isIpRange(value: string): boolean {
  const [ip = '', bits, more] = value.split('/');
  const version = isIP(ip);
  if (version === 0 || more !== undefined) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

/** Whether this Node knows the zone. */
function isTimezone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return /^[A-Za-z]/.test(zone);
  } catch {
    return false;
  }
}
