/** Numbers as the CRM compares and shows them. Only Belarus and Russia are known, which is all the sandbox needs. */

/** Every look-up compares all cards: the same numbers are read again and again. */
const seen = new Map<string, string>();
const MAX_SEEN = 100_000;

/** Only the digits of a number. */
export function digitsOf(text: string): string {
  return text.replace(/\D/g, '');
}

/**
 * The international digits of a number written in any usual way, or undefined when it is not a number.
 * A leading space is an undecoded `+`: not repaired.
 */
export function international(text: string): string | undefined {
  const known = seen.get(text);
  if (known !== undefined) return known;
  const digits = read(text);
  if (seen.size > MAX_SEEN) seen.clear();
  if (digits !== undefined) seen.set(text, digits);
  return digits;
}

function read(text: string): string | undefined {
  if (!/^\+?[0-9(][0-9 ()\-.]*$/.test(text)) return undefined;
  const digits = digitsOf(text);
  if (text.startsWith('+')) return digits;
  if (/^80\d{9}$/.test(digits)) return `375${digits.slice(2)}`;
  if (/^8\d{10}$/.test(digits)) return `7${digits.slice(1)}`;
  if (/^\d{9}$/.test(digits)) return `375${digits}`;
  if (/^[3-9]\d{9}$/.test(digits)) return `7${digits}`;
  return digits;
}

/** The ways a number may stand on a card: with brackets, with the trunk prefix, bare. Other countries stay as they are. */
export function spellings(number: string): readonly string[] {
  const digits = international(number) ?? '';
  const by = /^375(\d{2})(\d{3})(\d{2})(\d{2})$/.exec(digits);
  if (by) return [`+375 (${by[1]}) ${by[2]}-${by[3]}-${by[4]}`, `80${digits.slice(3)}`, digits.slice(3)];
  const ru = /^7(\d{3})(\d{3})(\d{2})(\d{2})$/.exec(digits);
  if (ru) return [`+7 (${ru[1]}) ${ru[2]}-${ru[3]}-${ru[4]}`, `8${digits.slice(1)}`, digits.slice(1)];
  return [number];
}
