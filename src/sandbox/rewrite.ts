/** Brings a recorded stream into the present: times moved, ids made new, classes left out; everything else stays byte for byte. */

import { type Capture, messagesOf, type Segment } from './capture.ts';

/** What to change. */
export interface Rewriting {
  /** Seconds to add to every time the stream tells. Whole, so that the microseconds stay. */
  shiftSeconds: number;
  /** New ids by old ones; undefined leaves all ids. */
  ids: ReadonlyMap<string, string> | undefined;
  /** Event classes to keep (`call`, `system`, …); undefined keeps all. */
  classes: ReadonlySet<string> | undefined;
  /** Byte position to start at: a message border. */
  from: number;
}

/** A piece to send. */
export interface Piece {
  /** Epoch seconds at which its original arrived. */
  at: number;
  bytes: Buffer;
  /** Position in the original just behind the piece. */
  end: number;
}

interface Edit {
  start: number;
  end: number;
  text: string;
}

const TIMES =
  /^(?:Timestamp: (\d{10})(?=\.)|(?:EventTime|StartTime|AnswerTime|EndTime): (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d))/gm;
const IDS = /(?<![\d.])\d{10}\.\d+(?!\d)/g;
const ID_HEADERS = /^\w*(?:Uniqueid|Linkedid): (?:\S*-)?(\d{10}\.\d+)\r$/gim;

/** The chunks of a segment, rewritten. The cuts between chunks stay where they were in the text. */
export function rewrite(segment: Segment, how: Rewriting): Piece[] {
  const edits = [...editsOf(segment, how)];
  const pieces: Piece[] = [];
  let next = 0;
  for (const chunk of segment.chunks) {
    const end = chunk.offset + chunk.length;
    let at = chunk.offset;
    let out = '';
    // An edit that reaches over the end of a chunk is written whole by the chunk it begins in.
    for (;;) {
      const edit = edits[next];
      if (!edit || edit.start >= end) break;
      out += segment.text.slice(at, Math.max(at, edit.start));
      if (edit.start >= chunk.offset) out += edit.text;
      at = Math.max(at, Math.min(edit.end, end));
      if (edit.end > end) break;
      next++;
    }
    out += segment.text.slice(at, end);
    pieces.push({ at: chunk.at, bytes: Buffer.from(out, 'latin1'), end });
  }
  return pieces;
}

/**
 * New ids for a capture: the epoch part moves by `shiftSeconds`, and the number behind the dot goes on from `serial`
 * as the counter of a running Asterisk does. Returns the ids and the next free serial.
 */
export function renumber(
  capture: Capture,
  shiftSeconds: number,
  serial: number,
): { ids: Map<string, string>; nextSerial: number } {
  const ids = new Map<string, string>();
  for (const segment of capture.segments)
    for (const match of segment.text.matchAll(ID_HEADERS)) ids.set(match[1] ?? '', '');
  const serials = [...ids.keys()].map((id) => Number(id.split('.')[1]));
  const lowest = Math.min(...serials);
  for (const id of ids.keys()) {
    const [epoch, number] = id.split('.');
    ids.set(id, `${Number(epoch) + shiftSeconds}.${Number(number) - lowest + serial}`);
  }
  return { ids, nextSerial: ids.size === 0 ? serial : serial + Math.max(...serials) - lowest + 1 };
}

/** true if the stream begins with the FullyBooted that every login to a running Asterisk is told. */
export function startsBooted(segment: Segment): boolean {
  return segment.text.startsWith('Event: FullyBooted\r\n');
}

function* editsOf({ text }: Segment, how: Rewriting): Generator<Edit> {
  let first = true;
  for (const message of messagesOf(text)) {
    const greeting = first && message.text.startsWith('Event: FullyBooted\r\n');
    first = false;
    if (greeting || message.start < how.from || !isWanted(message.text, how.classes)) {
      yield { start: message.start, end: message.end, text: '' };
      continue;
    }
    const edits: Edit[] = [];
    for (const match of message.text.matchAll(TIMES)) {
      const told = match[1] ?? match[2] ?? '';
      const start = message.start + match.index + match[0].length - told.length;
      edits.push({ start, end: start + told.length, text: moved(told, how.shiftSeconds) });
    }
    if (how.ids) {
      for (const match of message.text.matchAll(IDS)) {
        const id = how.ids.get(match[0]);
        const start = message.start + match.index;
        if (id !== undefined) edits.push({ start, end: start + match[0].length, text: id });
      }
    }
    yield* edits.sort((a, b) => a.start - b.start);
  }
}

/** Asterisk sends an event only to a user who may read all of its classes. */
function isWanted(message: string, classes: ReadonlySet<string> | undefined): boolean {
  if (!classes) return true;
  const privilege = /^Privilege: (.*)\r$/m.exec(message)?.[1];
  return privilege === undefined || privilege.split(',').every((name) => name === 'all' || classes.has(name));
}

function moved(told: string, shiftSeconds: number): string {
  if (!told.includes('-')) return String(Number(told) + shiftSeconds);
  const at = Date.parse(`${told.replace(' ', 'T')}Z`) + shiftSeconds * 1000;
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ');
}
