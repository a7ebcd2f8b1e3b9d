import { maskNumbers } from '../retailcrm/errors.ts';

/** What a protocol for other eyes must not hold, by the name of the field. */
const secretName = /^(clientId|apiKey|.*secret|.*token|password)$/i;
const nameName = /^(firstName|lastName|patronymic|nickName)$/;
const phoneName = /phone|^number$/i;
const idName = /^id$|Id$/;
const urlName = /url$|^activity$|^settings$/i;
const addressName = /^(text|street|city|building|flat|index)$/;

const email = /[\w.+-]+@([\w-]+\.)+[\w-]+/g;
/** Left as they are: `2026-11-23`, with or without a time. */
const dates = /(\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2})?)?)/;

/** Free text without phone numbers and mailboxes. */
export function maskFree(text: string): string {
  return text
    .split(dates)
    .map((part) => (dates.test(part) ? part : maskNumbers(part)))
    .join('')
    .replace(email, (address) => `${address.slice(0, 1)}***${address.slice(address.indexOf('@'))}`);
}

/**
 * A JSON value as it may be shown: secrets, numbers, mailboxes, names and addresses masked, long lists and texts cut.
 * @param mark texts that hold it are our own and stay readable
 */
export function maskJson(value: unknown, mark: string, name = '', parent = ''): unknown {
  if (Array.isArray(value)) return maskList(value, mark, name);
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value);
    const shown = entries
      .slice(0, MOST_FIELDS)
      .map(([key, inner]: [string, unknown]) => [key, maskJson(inner, mark, key, name)]);
    if (entries.length > MOST_FIELDS) shown.push(['…', `${entries.length - MOST_FIELDS} more`]);
    return Object.fromEntries(shown) as unknown;
  }
  if (typeof value === 'number') return phoneName.test(name) && value >= 1_000_000 ? maskNumbers(String(value)) : value;
  return typeof value === 'string' ? maskString(value, mark, name, parent) : value;
}

const MOST_FIELDS = 40;
const MOST_ITEMS = 2;
const MOST_TEXT = 160;

function maskList(list: readonly unknown[], mark: string, name: string): unknown {
  // Lists of plain words (methods, versions, codes) say more than two of them do.
  const plain = list.every((item) => typeof item !== 'object' || item === null);
  const most = plain ? 60 : MOST_ITEMS;
  const shown = list.slice(0, most).map((item) => maskJson(item, mark, name, name));
  return list.length > most ? [...shown, `… ${list.length - most} more`] : shown;
}

function maskString(text: string, mark: string, name: string, parent: string): string {
  if (text === '') return text;
  if (text.includes(mark)) return text.slice(0, MOST_TEXT);
  if (secretName.test(name)) return '***';
  if (urlName.test(name) || /^https?:\/\//.test(text)) return maskUrl(text);
  if (nameName.test(name)) return `${text.slice(0, 1)}***`;
  if (parent === 'address' && addressName.test(name)) return '***';
  if (idName.test(name) && /^\d+$/.test(text)) return text;
  const masked = maskFree(text);
  return masked.length > MOST_TEXT ? `${masked.slice(0, MOST_TEXT)}… (${masked.length} characters)` : masked;
}

/** Where, not how: paths of ours hold tokens, queries of the CRM's links hold numbers. */
function maskUrl(text: string): string {
  if (!URL.canParse(text)) return text.startsWith('/') ? '/***' : maskFree(text);
  const { origin, pathname, search } = new URL(text);
  return `${origin}${pathname === '/' ? '' : '/***'}${search === '' ? '' : '?***'}`;
}
