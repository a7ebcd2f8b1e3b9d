const LF = 10;
const CR = 13;
const BLANK = 0x20;
const UNDERSCORE = 0x5f;
const eventPrefix = Buffer.from('event:');
const variablePrefix = Buffer.from('variable: ');
const varSet = Buffer.from('varset');
/** Longer names exist nowhere in Asterisk; a block with one is left to the decoder. */
const longestName = 64;

/**
 * Tells from the raw bytes whether a message is worth decoding: an event with one of the names, or no event at all.
 * Nothing is decoded or allocated, so the events nobody asked for cost a few dozen byte comparisons.
 */
export class EventFilter {
  readonly #names: ByteNames;
  readonly #variables: ByteNames | undefined;

  /**
   * @param names event names as Asterisk writes them; letter case does not matter.
   * @param variables names of channel variables: `VarSet` of others does not pass. Nearly half of a full stream is
   *   `VarSet`, and all but two or three names are of no interest.
   */
  constructor(names: Iterable<string>, variables?: Iterable<string>) {
    this.#names = new ByteNames(names);
    this.#variables = variables && new ByteNames(variables);
  }

  /** `bytes[start, end)` is one message as the framer gives it. Blocks that are no event always pass. */
  passes(bytes: Buffer, start: number, end: number): boolean {
    let at = start;
    for (let i = 0; i < eventPrefix.length; i++) if (fold(bytes[at++] ?? 0) !== eventPrefix[i]) return true;
    if (bytes[at] === BLANK) at++;
    const nameEnd = this.#names.match(bytes, at, end);
    if (nameEnd === -1) return false;
    return this.#variables === undefined || !isVarSet(bytes, at, nameEnd) || this.#setsWanted(bytes, end);
  }

  /** Asterisk writes `Variable` and `Value` as the last two lines of VarSet. Any other shape is left to the decoder. */
  #setsWanted(bytes: Buffer, end: number): boolean {
    let at = end - 1;
    for (let lines = 0; lines < 2; lines++) while (at > 0 && bytes[at--] !== LF);
    at += 2;
    for (let i = 0; i < variablePrefix.length; i++) if (fold(bytes[at++] ?? 0) !== variablePrefix[i]) return true;
    // An inherited variable bears one or two underscores.
    for (let i = 0; i < 2 && bytes[at] === UNDERSCORE; i++) at++;
    return this.#variables?.match(bytes, at, end) !== -1;
  }
}

/** A set of names that is asked with bytes. */
class ByteNames {
  /** Names by the hash of their lower-cased bytes; a shared hash only means one more comparison. */
  readonly #byHash = new Map<number, Buffer[]>();

  constructor(names: Iterable<string>) {
    for (const name of names) {
      const bytes = Buffer.from(name.toLowerCase(), 'latin1');
      let hash = 0;
      for (const byte of bytes) hash = (Math.imul(hash, 31) + byte) | 0;
      this.#byHash.set(hash, [...(this.#byHash.get(hash) ?? []), bytes]);
    }
  }

  /** Offset behind the name that starts at `from` and ends at a CR, if it is one of these; else -1. */
  match(bytes: Buffer, from: number, end: number): number {
    const limit = Math.min(end, from + longestName);
    let at = from;
    let hash = 0;
    for (; at < limit; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === CR) break;
      hash = (Math.imul(hash, 31) + fold(byte)) | 0;
    }
    const candidates = this.#byHash.get(hash);
    if (!candidates) return -1;
    for (const name of candidates) if (same(name, bytes, from, at)) return at;
    return -1;
  }
}

function isVarSet(bytes: Buffer, from: number, end: number): boolean {
  return end - from === varSet.length && same(varSet, bytes, from, end);
}

function fold(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

function same(name: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== fold(bytes[start + i] ?? 0)) return false;
  return true;
}
