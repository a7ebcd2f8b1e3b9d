import { existsSync, readFileSync } from 'node:fs';
import { toHostEvent, neededEvents, numberOf } from './ami/events.ts';
import { EventFilter } from './ami/filter.ts';
import { Framer } from './ami/framer.ts';
import { AmiMessage } from './ami/message.ts';
import type { HostEvent, Instant } from './calls/events.ts';

/** A recorded stream cannot be read. */
export class CaptureError extends Error {
  override readonly name = 'CaptureError';
}

/** When the bytes of a capture arrived: `NAME.idx.jsonl` beside `NAME.ami`. */
export interface CaptureIndex {
  /** Seconds since 1970. */
  opened: number;
  /** When the connection ended; null = it was still open when recording stopped. */
  closed: number | null;
  /** Offset, length and time of arrival in seconds of each chunk. */
  chunks: readonly (readonly [offset: number, length: number, at: number])[];
}

/** One connection's recorded stream. */
export interface CaptureSegment {
  path: string;
  events: HostEvent[];
  index: CaptureIndex | undefined;
  /** Seconds Asterisk had been up when we logged in (`FullyBooted: Uptime`), if it said so. */
  uptime: number | undefined;
}

/** Reads one `.ami` file into events; the clock is `Timestamp` where the stream has it, else the index. */
export function readCapture(path: string): CaptureSegment {
  const bytes = readFile(path);
  const index = readIndex(path);
  const filter = new EventFilter(neededEvents);
  const events: HostEvent[] = [];
  let uptime: number | undefined;
  let at: Instant = (index?.opened ?? 0) * 1000;
  const framer = new Framer((buffer, start, end) => {
    if (!filter.passes(buffer, start, end)) return;
    const message = AmiMessage.read(buffer, start, end);
    if (message?.kind !== 'Event') return;
    if (message.name === 'FullyBooted') uptime ??= numberOf(message, 'Uptime');
    const event = toHostEvent(message, at, variables);
    if (event !== undefined) events.push(event);
  });
  const chunks = index?.chunks ?? [[0, bytes.length, index?.opened ?? 0]];
  let read = 0;
  for (const [offset, length, seconds] of chunks) {
    at = seconds * 1000;
    framer.push(bytes.subarray(offset, offset + length));
    read = offset + length;
  }
  if (read < bytes.length) framer.push(bytes.subarray(read));
  return { path, events, index, uptime };
}

const variables = new Set(['MIXMONITOR_FILENAME', 'REC_FILE', 'X_CRM_ID']);

function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    throw new CaptureError(`${path}: cannot be read; give the path of a recorded stream (.ami)`);
  }
}

function readIndex(path: string): CaptureIndex | undefined {
  const file = path.replace(/\.ami$/, '.idx.jsonl');
  if (file === path || !existsSync(file)) return undefined;
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  const header: unknown = parse(file, 1, lines[0] ?? '');
  if (!isRecord(header) || typeof header['opened'] !== 'number')
    throw new CaptureError(`${file}:1: needs {"opened": seconds, …}`);
  const closed = typeof header['closed'] === 'number' ? header['closed'] : null;
  const chunks = lines.slice(1).map((line, i) => {
    const chunk: unknown = parse(file, i + 2, line);
    if (!Array.isArray(chunk)) throw new CaptureError(`${file}:${i + 2}: needs [offset, length, seconds]`);
    const [offset, length, at] = chunk as unknown[];
    if (typeof offset !== 'number' || typeof length !== 'number' || typeof at !== 'number') {
      throw new CaptureError(`${file}:${i + 2}: needs [offset, length, seconds]`);
    }
    return [offset, length, at] as const;
  });
  return { opened: header['opened'], closed, chunks };
}

function parse(file: string, line: number, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CaptureError(`${file}:${line}: is not JSON`);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Seconds by which `Uptime` may exceed the time we were away and still mean "restarted meanwhile". */
const UPTIME_SLACK = 2;

/**
 * Several segments are one host that lost its connection in between. A segment that begins with a shorter uptime than
 * the gap means a restart: what lived before is gone. The captures hold no snapshots, so an ordinary gap ends nothing.
 */
export function* hostEvents(segments: readonly CaptureSegment[]): Generator<HostEvent> {
  for (const [i, segment] of segments.entries()) {
    const before = segments[i - 1];
    if (before !== undefined) {
      const lost = lastMoment(before);
      const opened = segment.index === undefined ? (segment.events[0]?.at ?? lost) : segment.index.opened * 1000;
      yield { event: 'Disconnected', at: lost };
      const restarted = segment.uptime !== undefined && segment.uptime <= (opened - lost) / 1000 + UPTIME_SLACK;
      if (restarted) yield { event: 'Resync', at: opened, channels: [], fresh: true };
    }
    yield* segment.events;
  }
  const last = segments.at(-1);
  if (last?.index !== undefined && last.index.closed !== null) {
    const at = lastMoment(last);
    yield { event: 'Disconnected', at };
    yield { event: 'Resync', at, channels: [], fresh: true };
  }
}

function lastMoment(segment: CaptureSegment): Instant {
  if (segment.index !== undefined && segment.index.closed !== null) return segment.index.closed * 1000;
  return segment.events.at(-1)?.at ?? 0;
}
