/**
 * Parameters as they come: from the query, a form or a flat JSON object. RetailCRM's requests differ in where they put them, so a
 * handler never asks. The first value of a name wins; what cannot be decoded is refused as a whole.
 */

/** Decoded parameters of one request. A Map: `__proto__` is a name like any other. */
export type Given = Map<string, string>;

/** Parameters a request may carry, unknown ones included. */
const MOST_PARAMETERS = 100;

/** The query, form or body cannot be read; the message is for who sent it and holds nothing of it. */
export class UnreadableError extends Error {
  override name = 'UnreadableError';
}

/**
 * Adds the pairs of `name=value&…` to `given`.
 * @throws UnreadableError on a broken escape, on bytes that are no UTF-8, and on too many pairs
 */
export function readPairs(text: string, given: Given): Given {
  if (text === '') return given;
  const pairs = text.split('&', MOST_PARAMETERS + 1);
  if (pairs.length > MOST_PARAMETERS) throw new UnreadableError('too many parameters');
  for (const pair of pairs) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    const name = decoded(at < 0 ? pair : pair.slice(0, at));
    if (!given.has(name)) given.set(name, at < 0 ? '' : decoded(pair.slice(at + 1)));
  }
  return given;
}

/**
 * Adds the members of a JSON object. Values must be texts, numbers or booleans; null counts as not given.
 * @throws UnreadableError when it is no such object, or has too many members
 */
export function readJson(text: string, given: Given): Given {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UnreadableError('the body is no JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UnreadableError('the body must be one JSON object');
  }
  const members = Object.entries(value as Record<string, unknown>);
  if (members.length > MOST_PARAMETERS) throw new UnreadableError('too many parameters');
  for (const [name, member] of members) {
    if (member === null || given.has(name)) continue;
    if (typeof member !== 'string' && typeof member !== 'number' && typeof member !== 'boolean') {
      throw new UnreadableError('a value is an object or a list');
    }
    given.set(name, String(member));
  }
  return given;
}

/** The text of a body. @throws UnreadableError when it is no UTF-8 */
export function utf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    throw new UnreadableError('the body is no UTF-8');
  }
}

function decoded(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    throw new UnreadableError('a parameter is not percent-encoded UTF-8');
  }
}
