/** Values on their way into PostgreSQL. */

/** PostgreSQL text cannot hold NUL; one such character from the wire must not fail a whole group commit. */
export function text(value: string): string {
  return value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value;
}

/** As `text`, for a column that may be null. */
export function textOrNull(value: string | null): string | null {
  return value === null ? null : text(value);
}

/**
 * JSON text that `jsonb` accepts. `JSON.stringify` writes NUL and halves of surrogate pairs as escapes, which jsonb
 * refuses; they become U+FFFD. `undefined` becomes null.
 */
export function json(value: unknown): string {
  return JSON.stringify(value ?? null).replace(/\\(?:u0000|ud[89a-f][0-9a-f]{2}|.)/g, (escape) =>
    escape === '\\u0000' || escape.startsWith('\\ud') ? '\\ufffd' : escape,
  );
}

/** As `json`, null and undefined become SQL null. */
export function jsonOrNull(value: unknown): string | null {
  return value === null || value === undefined ? null : json(value);
}

/** True for the text of a positive bigint: a row id typed by a person may be anything. */
export function isRowId(id: string): boolean {
  return /^[1-9]\d{0,17}$/.test(id);
}

/** `items` in slices of at most `size`: one statement carries at most 65,535 parameters. */
export function chunks<T>(items: readonly T[], size: number): T[][] {
  const out: T[][] = [];
  for (let at = 0; at < items.length; at += size) out.push(items.slice(at, at + size));
  return out;
}
