const CR = 13;
const eventPrefix = Buffer.from('event:');
/** Longer names exist nowhere in Asterisk; a block with one is left to the decoder. */
const longestName = 64;

/**
 * Tells from the raw bytes whether a message is worth decoding: an event with one of the names, or no event at all.
 * Nothing is decoded or allocated, so the eight of ten events nobody asked for cost a few dozen byte comparisons.
 */
export class EventFilter {
  /** Names by the hash of their lower-cased bytes; a shared hash only means one more comparison. */
  readonly #names = new Map<number, Buffer[]>();

  /** @param names event names as Asterisk writes them; letter case does not matter. */
  constructor(names: Iterable<string>) {
    for (const name of names) {
      const bytes = Buffer.from(name.toLowerCase(), 'latin1');
      let hash = 0;
      for (const byte of bytes) hash = (Math.imul(hash, 31) + byte) | 0;
      this.#names.set(hash, [...(this.#names.get(hash) ?? []), bytes]);
    }
  }

  /** `bytes[start, end)` is one message as the framer gives it. Blocks that are no event always pass. */
  passes(bytes: Buffer, start: number, end: number): boolean {
    let at = start;
    for (let i = 0; i < eventPrefix.length; i++) if (fold(bytes[at++] ?? 0) !== eventPrefix[i]) return true;
    if (bytes[at] === 0x20) at++;
    const from = at;
    const limit = Math.min(end, from + longestName);
    let hash = 0;
    for (; at < limit; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === CR) break;
      hash = (Math.imul(hash, 31) + fold(byte)) | 0;
    }
    const candidates = this.#names.get(hash);
    return candidates?.some((name) => same(name, bytes, from, at)) ?? false;
  }
}

function fold(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

function same(name: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== fold(bytes[start + i] ?? 0)) return false;
  return true;
}
