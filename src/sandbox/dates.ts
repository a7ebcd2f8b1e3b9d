/** The CRM's dates: no zone, no `T`, in the account's own time zone. */

const formats = new Map<string, Intl.DateTimeFormat>();

/** Epoch milliseconds as `Y-m-d H:i:s` in an IANA zone. */
export function zoneless(at: number, timezone: string): string {
  let format = formats.get(timezone);
  if (!format) {
    format = new Intl.DateTimeFormat('sv-SE', { timeZone: timezone, dateStyle: 'short', timeStyle: 'medium' });
    formats.set(timezone, format);
  }
  return format.format(at);
}

/** true for a real `Y-m-d H:i:s`. */
export function isDateTime(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/.test(text) && isReal(text.replace(' ', 'T'));
}

/** true for a real `Y-m-d`. */
export function isDate(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && isReal(`${text}T00:00:00`);
}

function isReal(iso: string): boolean {
  const at = new Date(`${iso}Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().slice(0, 19) === iso;
}
