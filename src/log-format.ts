import { types } from 'node:util';
import { isPhoneName, isSecretName, maskPhoneValue, maskSecret, maskText } from './log-mask.ts';

/** One record, before it becomes a line. */
export interface LogRecord {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly at: Date;
}

/** journald priorities (sd-daemon(3)). */
const PRIORITY = { error: '<3>', warn: '<4>', info: '<6>', debug: '<7>' } as const;
const COLOUR = { error: '\u001b[31m', warn: '\u001b[33m', info: '\u001b[32m', debug: '\u001b[90m' } as const;
const GREY = '\u001b[90m';
const BOLD = '\u001b[1m';
const RESET = '\u001b[0m';

/** Said first in the pretty form, in this order. */
const CONTEXT = ['enterprise', 'host', 'linkedid'];

/** A log must not eat the memory or the disk: longer texts and lists are cut. */
const LONGEST_TEXT = 4_000;
const LONGEST_LIST = 50;
const DEEPEST = 6;

/** Characters that are or start a new line, colour a terminal, or turn the reading direction: never raw in a line. */
// eslint-disable-next-line no-control-regex -- these are what it looks for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** `<6>{"time":…,"level":…,"enterprise":…,"message":…}`: one line whatever the fields hold. */
export function jsonLine(record: LogRecord): string {
  const line: Record<string, unknown> = { time: record.at.toISOString(), level: record.level };
  const fields = safeFields(record.fields);
  for (const name of CONTEXT) if (fields[name] !== undefined) line[name] = fields[name];
  line['message'] = safeText(record.message);
  for (const [name, value] of Object.entries(fields))
    line[Object.hasOwn(line, name) && !CONTEXT.includes(name) ? `${name}_` : name] = value;
  return `${PRIORITY[record.level]}${JSON.stringify(line).replace(UNSAFE, escape)}`;
}

/** `12:03:44.120 info  acme pbx1 1795339498.0 answered by 150 after 2.5 s  wait=2.5`. */
export function prettyLine(record: LogRecord, colours: boolean): string {
  const paint = (colour: string, text: string): string => (colours ? `${colour}${text}${RESET}` : text);
  const fields = safeFields(record.fields);
  const context = CONTEXT.flatMap((name) => (typeof fields[name] === 'string' ? [fields[name]] : []));
  const rest = Object.entries(fields).filter(([name, value]) => !CONTEXT.includes(name) && value !== undefined);
  return [
    paint(GREY, clock(record.at)),
    paint(COLOUR[record.level], record.level.padEnd(5)),
    ...(context.length > 0 ? [paint(BOLD, visible(context.join(' ')))] : []),
    visible(safeText(record.message)),
    ...(rest.length > 0
      ? [paint(GREY, rest.map(([name, value]) => `${visible(name)}=${visible(brief(value))}`).join(' '))]
      : []),
  ].join(' ');
}

function clock(at: Date): string {
  const two = (part: number): string => String(part).padStart(2, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}

/** A field's value in a terminal: errors by their sentence only. */
function brief(value: unknown): string {
  if (typeof value === 'string') return /[\s"=]/.test(value) ? JSON.stringify(value) : value;
  if (typeof value === 'object' && value !== null && 'stack' in value && 'message' in value) {
    const code = 'code' in value && typeof value.code === 'string' ? ` (${value.code})` : '';
    return JSON.stringify(`${String(value.message)}${code}`);
  }
  return JSON.stringify(value);
}

function visible(text: string): string {
  return text.replace(UNSAFE, (character) => (character === '\n' ? '\\n' : escape(character)));
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function safeText(text: string): string {
  const masked = maskText(text.length > 2 * LONGEST_TEXT ? text.slice(0, 2 * LONGEST_TEXT) : text);
  return text.length > LONGEST_TEXT ? `${masked.slice(0, LONGEST_TEXT)}… (${String(text.length)} characters)` : masked;
}

function safeFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const safe: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of Object.entries(fields)) safe[name] = safeValue(name, value, [fields]);
  return safe;
}

/** A copy JSON can hold and everybody may read. `above` are the objects this one is inside of. */
function safeValue(name: string, value: unknown, above: readonly object[]): unknown {
  if (isSecretName(name)) return maskSecret(value);
  if (typeof value === 'string') return isPhoneName(name) ? maskPhoneValue(safeText(value)) : safeText(value);
  if (typeof value === 'number') {
    return isPhoneName(name) ? maskPhoneValue(String(value)) : Number.isFinite(value) ? value : String(value);
  }
  if (typeof value === 'bigint') return maskPhoneValue(String(value));
  if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`;
  if (typeof value !== 'object' || value === null) return value;
  if (above.includes(value)) return '[circular]';
  if (above.length > DEEPEST) return '[deep]';
  try {
    return safeObject(name, value, [...above, value]);
  } catch {
    return '[unreadable]';
  }
}

function safeObject(name: string, value: object, above: readonly object[]): unknown {
  if (types.isNativeError(value) || value instanceof Error) return safeError(value, above);
  if (types.isDate(value)) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${String(value.byteLength)} bytes]`;
  if (value instanceof Map) return safeObject(name, Object.fromEntries(value as Map<string, unknown>), above);
  const items: object = value instanceof Set ? [...(value as Set<unknown>)] : value;
  if (Array.isArray(items)) {
    const kept = items.slice(0, LONGEST_LIST).map((item: unknown) => safeValue(name, item, above));
    return items.length > LONGEST_LIST ? [...kept, `… (${String(items.length)} entries)`] : kept;
  }
  const safe: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [inner, held] of Object.entries(items).slice(0, LONGEST_LIST)) safe[inner] = safeValue(inner, held, above);
  return safe;
}

/** Only what errors say about themselves: an AxiosError carries the request, its key and its parameters. */
function safeError(error: Error, above: readonly object[]): Record<string, unknown> {
  const safe: Record<string, unknown> = { name: error.name, message: safeText(error.message) };
  for (const name of ['code', 'status', 'retryable', 'syscall', 'address', 'port']) {
    const value: unknown = Reflect.get(error, name);
    if (['string', 'number', 'boolean'].includes(typeof value)) safe[name] = safeValue(name, value, above);
  }
  if (error.cause !== undefined) safe['cause'] = safeValue('cause', error.cause, above);
  safe['stack'] = safeText(error.stack ?? '');
  return safe;
}
