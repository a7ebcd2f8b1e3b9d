/** Query strings and forms as PHP reads them: `a[b][]=1` nests, `+` is a space, and every value is text. */

/** One value: text, or a map made by brackets (a list has the keys `0`, `1`, …). */
export type Field = string | Fields;
/** Fields by name. Has no prototype, so that a name such as `constructor` is only a name. */
export interface Fields {
  [name: string]: Field;
}

const MAX_FIELDS = 5000;

/** An empty set of fields. */
export function noFields(): Fields {
  return Object.create(null) as Fields;
}

/** Parses `application/x-www-form-urlencoded` text. Bytes that are not UTF-8 become U+FFFD; nothing throws. */
export function parseFields(text: string): Fields {
  const fields = noFields();
  let count = 0;
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    if (++count > MAX_FIELDS) break;
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    put(fields, name, equals < 0 ? '' : decode(pair.slice(equals + 1)));
  }
  return fields;
}

/** Puts one value under a name that may carry brackets. */
export function put(fields: Fields, name: string, value: string): void {
  const open = name.indexOf('[');
  if (open <= 0) {
    if (name !== '') fields[name] = value;
    return;
  }
  const path = [name.slice(0, open)];
  for (const match of name.slice(open).matchAll(/\[([^\]]*)\]/g)) path.push(match[1] ?? '');
  let at = fields;
  for (const [depth, step] of path.entries()) {
    const key = step === '' ? String(Object.keys(at).length) : step;
    if (depth === path.length - 1) {
      at[key] = value;
      return;
    }
    const next = at[key];
    if (typeof next === 'object') at = next;
    else at = at[key] = noFields();
  }
}

/** The text under `name`, or undefined when it is absent or nested. */
export function textOf(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' ? value : undefined;
}

/** The values of a list filter: `x[]=1`, `x[0]=1`, or a single `x=1`. */
export function listOf(field: Field | undefined): string[] {
  if (field === undefined) return [];
  if (typeof field === 'string') return [field];
  return Object.values(field).filter((value) => typeof value === 'string');
}

/** Reads a multipart form as the CRM does for its oldest client. Files are kept as text; nothing throws. */
export function parseMultipart(contentType: string, body: Buffer): Fields {
  const fields = noFields();
  const boundary = /boundary="?([^";]+)"?/i.exec(contentType)?.[1];
  if (boundary === undefined) return fields;
  for (const part of body.toString('latin1').split(`--${boundary}`)) {
    const blank = part.indexOf('\r\n\r\n');
    const name = /name="([^"]*)"/i.exec(part.slice(0, Math.max(blank, 0)))?.[1];
    if (name === undefined) continue;
    const value = part.slice(blank + 4).replace(/\r\n$/, '');
    put(fields, Buffer.from(name, 'latin1').toString(), Buffer.from(value, 'latin1').toString());
  }
  return fields;
}

function decode(text: string): string {
  const spaced = text.replaceAll('+', ' ');
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    const bytes = spaced.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
    return Buffer.from(bytes, 'latin1').toString();
  }
}
