import { isAscii } from 'node:buffer';

/** What a message is, told by its first line alone: `OriginateResponse` is an event that has a `Response` header. */
export type MessageKind = 'Event' | 'Response';

interface Key {
  name: string;
  lower: string;
  /** `Name:`, as it stands in a stream; empty for names that are not remembered. */
  head: string;
  /** The header that followed this one last time. Asterisk writes each event's headers in one order: a good guess. */
  next: Key | undefined;
}

/** Asterisk uses some hundred header names: each is lower-cased once. Bounded, since a stream may invent names. */
const knownKeys = new Map<string, Key>();
const mostKnownKeys = 4096;
const longestKnownKey = 64;
/** Stands before the first header of a message. */
const firstKey: Key = { name: '', lower: '', head: '', next: undefined };
const aboveAscii = /[\u0080-\u00ff]/;
const utf8 = new TextDecoder('utf-8', { fatal: true });
const windows1251 = new TextDecoder('windows-1251');

/**
 * One AMI message: an ordered list of headers, a key may repeat.
 *
 * The bytes are kept one to one as a latin1 string, cut into headers when the first one is asked for, and a value is
 * decoded when it is read. Keys are data and nothing else: `__proto__` and `constructor` are names like any other.
 */
export class AmiMessage {
  readonly kind: MessageKind;
  readonly #text: string;
  /** All bytes are ASCII: the values need no decoding. */
  readonly #plain: boolean;
  #keys: Key[] | undefined;
  #values: string[] = [];

  private constructor(kind: MessageKind, text: string, plain: boolean) {
    this.kind = kind;
    this.#text = text;
    this.#plain = plain;
  }

  /** Reads `bytes[start, end)`; `undefined` if the block starts with neither `Event:` nor `Response:`. */
  static read(bytes: Buffer, start: number, end: number): AmiMessage | undefined {
    const piece = bytes.subarray(start, end);
    const text = piece.toString('latin1');
    const kind = kindOf(text);
    return kind && new AmiMessage(kind, text, isAscii(piece));
  }

  /** The event's name, or what the response says (`Success`, `Error`, `Goodbye`, …). */
  get name(): string {
    this.#split();
    return this.#value(0);
  }

  /** The first value of a header; letter case of the name does not matter (Cdr writes `UniqueID`). */
  get(name: string): string | undefined {
    const keys = this.#split();
    const { lower } = keyOf(name);
    for (let i = 0; i < keys.length; i++) {
      if (keys[i]?.lower === lower) return this.#value(i);
    }
    return undefined;
  }

  /** All values of a header, in order. The name `''` gives the lines that have no colon (output of old commands). */
  all(name: string): string[] {
    const keys = this.#split();
    const { lower } = keyOf(name);
    const found: string[] = [];
    for (let i = 0; i < keys.length; i++) {
      if (keys[i]?.lower === lower) found.push(this.#value(i));
    }
    return found;
  }

  /** All headers in order, names as they were written. */
  entries(): [name: string, value: string][] {
    const entries: [string, string][] = [];
    for (const key of this.#split()) entries.push([key.name, this.#value(entries.length)]);
    return entries;
  }

  /**
   * `NAME=value` headers as a record without a prototype, the first value of a name wins.
   * @param header `ChanVariable`, `DestChanVariable`, or `Variable` (answers of Status).
   */
  variables(header: string): Record<string, string> {
    const found = bareRecord();
    for (const line of this.all(header)) {
      const equals = line.indexOf('=');
      if (equals > 0) found[line.slice(0, equals)] ??= line.slice(equals + 1);
    }
    return found;
  }

  /** How many `Event` and `Uniqueid` headers there are beyond the first: a sign of forgery (`ami-events.md` trap 19). */
  get repeatedIdentity(): number {
    let events = 0;
    let uniqueids = 0;
    for (const { lower } of this.#split()) {
      if (lower === 'event') events++;
      else if (lower === 'uniqueid') uniqueids++;
    }
    return Math.max(0, events - 1) + Math.max(0, uniqueids - 1);
  }

  #value(index: number): string {
    const raw = this.#values[index] ?? '';
    return this.#plain ? raw : decodeValue(raw);
  }

  #split(): Key[] {
    if (this.#keys) return this.#keys;
    const text = this.#text;
    const keys: Key[] = [];
    const values = this.#values;
    // The next colon is searched once, not once per line without one: such lines may be a hundred thousand.
    let colon = -1;
    let last = firstKey;
    for (let start = 0; start < text.length; ) {
      let end = text.indexOf('\r\n', start);
      if (end === -1) end = text.length;
      let key = last.next;
      if (key && text.startsWith(key.head, start)) colon = start + key.head.length - 1;
      else {
        if (colon < start) colon = text.indexOf(':', start);
        if (colon === -1) colon = text.length;
        key = keyOf(colon < end ? text.slice(start, colon) : '');
        if (colon < end && key.head !== '') last.next = key;
      }
      keys.push(key);
      if (colon >= end) values.push(text.slice(start, end));
      else {
        // One blank after the colon is Asterisk's; a second one would be the value's own.
        values.push(text.slice(text.charCodeAt(colon + 1) === 0x20 ? colon + 2 : colon + 1, end));
        last = key;
      }
      start = end + 2;
    }
    this.#keys = keys;
    return keys;
  }
}

function kindOf(text: string): MessageKind | undefined {
  if (text.startsWith('Event:')) return 'Event';
  if (text.startsWith('Response:')) return 'Response';
  const first = text.slice(0, 9).toLowerCase();
  if (first.startsWith('event:')) return 'Event';
  return first === 'response:' ? 'Response' : undefined;
}

/** A record that inherits nothing: `__proto__` is a key like any other. */
export function bareRecord(): Record<string, string> {
  return Object.create(null) as Record<string, string>;
}

function keyOf(name: string): Key {
  const known = knownKeys.get(name);
  if (known) return known;
  const lower = name.toLowerCase();
  if (name.length > longestKnownKey || knownKeys.size >= mostKnownKeys)
    return { name, lower, head: '', next: undefined };
  // All spellings of a name share one lower-cased string, so that comparing them is comparing pointers.
  // `own` is a copy: a slice would keep the whole message it was cut from.
  const own = Buffer.from(name, 'latin1').toString('latin1');
  const key = { name: own, lower: lower === name ? own : keyOf(lower).lower, head: `${own}:`, next: undefined };
  knownKeys.set(own, key);
  return key;
}

/** Bytes (as latin1) to text: ASCII as it is, else UTF-8, else windows-1251, which old gateways send. */
export function decodeValue(raw: string): string {
  if (!aboveAscii.test(raw)) return raw;
  const bytes = Buffer.from(raw, 'latin1');
  return tryUtf8(bytes) ?? tryCutUtf8(bytes) ?? windows1251.decode(bytes);
}

function tryUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Asterisk's fixed buffers cut names at a byte: UTF-8 that is whole but for its last character loses only that. */
function tryCutUtf8(bytes: Uint8Array): string | undefined {
  for (let cut = 1; cut <= 3 && cut < bytes.length; cut++) {
    if ((bytes[bytes.length - cut] ?? 0) < 0xc2) continue;
    const text = tryUtf8(bytes.subarray(0, -cut));
    // A name in ASCII with one odd byte at its end is no cut UTF-8: another character must vouch for it.
    return text !== undefined && text.length < bytes.length - cut ? text : undefined;
  }
  return undefined;
}

const escapes: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/**
 * Undoes Asterisk's C escaping (`\"`, `\'`, `\?`, `\\`, `\n`, …). Only for what Asterisk escapes: CallerIDName,
 * ConnectedLineName, ChanVariable values, `Value` of VarSet. Quoting that SIP added stays, see `unquoteSip`.
 */
export function unescapeC(value: string): string {
  if (!value.includes('\\')) return value;
  return value.replace(/\\([abfnrtv\\'"?])/g, (_, letter: string) => escapes[letter] ?? letter);
}

/** Undoes the quoting a SIP display name keeps inside Asterisk: `\"` is a quote, `\\` a backslash. */
export function unquoteSip(name: string): string {
  return name.includes('\\') ? name.replace(/\\(.)/gs, '$1') : name;
}
