/** Why a stream cannot be read any further. The connection that carried it must be closed. */
export type FramingFault = 'line too long' | 'message too long';

/** Limits that keep a broken or hostile stream from eating memory. */
export interface FramerLimits {
  /** Longest run of bytes without a line feed. Default 64 KiB; real values of 3.6 KB in one line were seen. */
  lineBytes: number;
  /** Longest message. Default 8 MiB: the answer of a long `Command` is one message. */
  messageBytes: number;
}

export const defaultFramerLimits: FramerLimits = { lineBytes: 64 * 1024, messageBytes: 8 * 1024 * 1024 };

const CR = 13;
const LF = 10;
const terminator = Buffer.from('\r\n\r\n');
/** Below this many bytes a loop over them is cheaper than a call into native code. */
const fewBytes = 32;
/** How much of a chunk is joined to a message begun in an earlier one, per step: bounds the carry-over buffer. */
const pieceBytes = 64 * 1024;
const firstCarryBytes = 16 * 1024;

/**
 * Cuts the byte stream of one connection into messages.
 *
 * A message ends at CR LF CR LF and nowhere else: a bare LF or CR is part of a value (`ami-client.md` 1, "bare LF").
 * `Response: Follows` (old `Command` answers) ends at the first CR LF CR LF after `--END COMMAND--`.
 * Time is linear in the bytes, whatever the chunks: messages that lie inside a chunk are never copied, the rest is
 * copied once into a buffer that belongs to this object and dies with it. Never reuse a framer for another socket.
 */
export class Framer {
  readonly #take: (bytes: Buffer, start: number, end: number) => void;
  readonly #limits: FramerLimits;
  #fault: FramingFault | undefined;
  #stopped = false;
  /** Beginning of a message whose end has not arrived: `#carry[0, #held)`. */
  #carry = Buffer.allocUnsafe(firstCarryBytes);
  #held = 0;
  /** Where the search for the end of the carried message goes on. */
  #searchFrom = 0;
  /** Start of the last line of the carried message, and how far its lines have been measured. */
  #lineStart = 0;
  #linesMeasured = 0;

  /**
   * @param take gets each message as `bytes[start, end)`, without the terminator and without leading blank lines. The
   *   bytes are valid only during the call.
   */
  constructor(take: (bytes: Buffer, start: number, end: number) => void, limits: Partial<FramerLimits> = {}) {
    this.#take = take;
    this.#limits = { ...defaultFramerLimits, ...limits };
  }

  /** Bytes of an unfinished message that are being held. */
  get held(): number {
    return this.#held;
  }

  /** No message leaves this framer any more, not even those of a chunk that is being cut right now. */
  stop(): void {
    this.#stopped = true;
    this.#held = 0;
    this.#carry = Buffer.alloc(0);
  }

  /** Cuts `chunk`. Returns the fault that ends the stream; after one nothing is taken any more. */
  push(chunk: Buffer): FramingFault | undefined {
    let from = 0;
    while (this.#held > 0 && from < chunk.length && !this.#ended()) from = this.#continue(chunk, from);
    while (from < chunk.length && !this.#ended()) {
      const end = findEnd(chunk, from, from);
      if (end === -1) {
        this.#keep(chunk, from, chunk.length);
        break;
      }
      this.#give(chunk, from, end);
      from = end + terminator.length;
    }
    return this.#fault;
  }

  #ended(): boolean {
    return this.#stopped || this.#fault !== undefined;
  }

  /** Joins a piece of `chunk` to the carried message; returns how far the chunk has been used. */
  #continue(chunk: Buffer, from: number): number {
    const before = this.#held;
    const to = Math.min(chunk.length, from + pieceBytes);
    this.#append(chunk, from, to);
    const end = this.#findCarriedEnd();
    if (end === -1) {
      this.#measure();
      return to;
    }
    this.#held = 0;
    this.#give(this.#carry, 0, end);
    this.#release();
    return from + end + terminator.length - before;
  }

  #keep(chunk: Buffer, from: number, to: number): void {
    if (to - from > this.#limits.messageBytes) this.#fault = 'message too long';
    else {
      this.#append(chunk, from, to);
      this.#searchFrom = Math.max(0, this.#held - terminator.length + 1);
      this.#measure();
    }
  }

  #append(chunk: Buffer, from: number, to: number): void {
    const needed = this.#held + to - from;
    if (needed > this.#carry.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#carry.length * 2));
      this.#carry.copy(grown, 0, 0, this.#held);
      this.#carry = grown;
    }
    if (to - from < fewBytes) {
      for (let i = from, at = this.#held; i < to; i++, at++) this.#carry[at] = chunk[i] ?? 0;
    } else chunk.copy(this.#carry, this.#held, from, to);
    this.#held = needed;
  }

  #findCarriedEnd(): number {
    const carry = this.#carry;
    const held = this.#held;
    const from = this.#searchFrom;
    let end = -1;
    if (held - from < fewBytes) {
      for (let i = from + 3; i < held && end === -1; i++) {
        if (carry[i] === LF && carry[i - 1] === CR && carry[i - 2] === LF && carry[i - 3] === CR) {
          if (isWhole(carry, 0, i - 3)) end = i - 3;
        }
      }
    } else {
      // A view without the stale bytes behind the message: they may hold a terminator of an older one.
      end = findEnd(carry.subarray(0, held), 0, from);
    }
    if (end === -1) this.#searchFrom = Math.max(from, held - terminator.length + 1);
    return end;
  }

  /** Checks the limits of the unfinished message; each byte is looked at once. */
  #measure(): void {
    if (this.#held > this.#limits.messageBytes) this.#fault = 'message too long';
    if (this.#held <= this.#limits.lineBytes) return;
    const bytes = this.#carry.subarray(0, this.#held);
    for (let lf = bytes.indexOf(LF, this.#linesMeasured); lf !== -1; lf = bytes.indexOf(LF, lf + 1)) {
      if (lf - this.#lineStart > this.#limits.lineBytes) this.#fault = 'line too long';
      this.#lineStart = lf + 1;
    }
    this.#linesMeasured = this.#held;
    if (this.#held - this.#lineStart > this.#limits.lineBytes) this.#fault = 'line too long';
  }

  #give(bytes: Buffer, start: number, end: number): void {
    let from = start;
    while (from < end && bytes[from] === CR && bytes[from + 1] === LF) from += 2;
    if (end - from > this.#limits.lineBytes) {
      if (end - from > this.#limits.messageBytes) this.#fault = 'message too long';
      else if (longestLine(bytes.subarray(from, end)) > this.#limits.lineBytes) this.#fault = 'line too long';
      if (this.#fault) return;
    }
    if (end > from) this.#take(bytes, from, end);
  }

  /** Forgets the carried message, and the memory one long message took. */
  #release(): void {
    this.#searchFrom = 0;
    this.#lineStart = 0;
    this.#linesMeasured = 0;
    if (this.#carry.length > 4 * pieceBytes) this.#carry = Buffer.allocUnsafe(firstCarryBytes);
  }
}

/** Offset of the terminator that ends the message starting at `start`, searched from `from`; -1 if it is not there. */
function findEnd(bytes: Buffer, start: number, from: number): number {
  let end = bytes.indexOf(terminator, from);
  while (end !== -1 && !isWhole(bytes, start, end)) end = bytes.indexOf(terminator, end + 1);
  return end;
}

/** False while a `Response: Follows` still waits for its `--END COMMAND--`. */
function isWhole(bytes: Buffer, start: number, end: number): boolean {
  let from = start;
  while (from < end && bytes[from] === CR) from += 2;
  if (bytes[from] !== 0x52 && bytes[from] !== 0x72) return true;
  if (!/^response: ?follows/i.test(bytes.toString('latin1', from, Math.min(end, from + 17)))) return true;
  return bytes.toString('latin1', Math.max(from, end - 15), end) === '--END COMMAND--';
}

function longestLine(bytes: Buffer): number {
  let longest = 0;
  let start = 0;
  for (let lf = bytes.indexOf(LF); lf !== -1; lf = bytes.indexOf(LF, start)) {
    longest = Math.max(longest, lf - start);
    start = lf + 1;
  }
  return Math.max(longest, bytes.length - start);
}
