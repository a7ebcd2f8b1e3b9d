const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    const digits = '2-digit' as const;
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: digits,
      day: digits,
      hour: digits,
      minute: digits,
      second: digits,
    });
    formats.set(zone, format);
  }
  return format;
}

/**
 * The zone-less `Y-m-d H:i:s` the CRM reads in the account's own zone.
 * In the hour a clock change repeats, two instants share one text: the format cannot tell them apart.
 * @param instantMs milliseconds since 1970 UTC
 * @param zone IANA name, `settings.timezone.value` of the account; RangeError when unknown
 */
export function toAccountTime(instantMs: number, zone: string): string {
  const parts: Partial<Record<Intl.DateTimeFormatPartTypes, string>> = {};
  for (const part of formatOf(zone).formatToParts(instantMs)) parts[part.type] = part.value;
  const { year = '', month = '', day = '', hour = '', minute = '', second = '' } = parts;
  return `${year.padStart(4, '0')}-${month}-${day} ${hour}:${minute}:${second}`;
}

/**
 * The instant of a zone-less `Y-m-d H:i:s` of the CRM, milliseconds since 1970; undefined when the text is none.
 * Of the two instants of an hour that a clock change repeats it gives one; a time that a clock change left out becomes
 * the same distance after the change.
 * @param zone IANA name of the account's zone; RangeError when unknown
 */
export function fromAccountTime(text: string, zone: string): number | undefined {
  const wanted = asUtc(text);
  if (wanted === undefined) return undefined;
  let instant = wanted;
  // The first step finds the zone's offset near the instant, the second corrects it where a clock change lies between.
  for (let step = 0; step < 2; step += 1) instant += wanted - (asUtc(toAccountTime(instant, zone)) ?? wanted);
  return instant;
}

function asUtc(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?$/.test(text)) return undefined;
  const ms = Date.parse(`${text.replace(' ', 'T')}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}
