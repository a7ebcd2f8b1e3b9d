/** Recorded AMI streams: `NAME.ami` with the arrival times in `NAME.idx.jsonl`, and `NAME.segN.ami` after each reconnect. */

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** A piece of a stream as it once arrived. */
export interface Chunk {
  /** Byte position in the stream. */
  offset: number;
  /** Bytes. */
  length: number;
  /** Epoch seconds of arrival, with fractions. */
  at: number;
}

/** What was received over one connection. */
export interface Segment {
  path: string;
  /** The bytes, one character each (latin1). */
  text: string;
  chunks: Chunk[];
  /** The greeting, without line end. */
  banner: string;
  /** Epoch seconds at which the connection was opened. */
  opened: number;
  /** Epoch seconds at which it ended; undefined when the recording ended first. */
  closed: number | undefined;
}

/** One recording: a single connection, or several with the time between them lost. */
export interface Capture {
  name: string;
  segments: [Segment, ...Segment[]];
}

/**
 * Reads recordings in the given order. Segments of a recording are found by themselves; naming them too does no harm.
 * @throws Error naming the file that cannot be read.
 */
export async function loadCaptures(paths: readonly string[]): Promise<Capture[]> {
  const bases = new Set(paths.map((path) => path.replace(/(\.seg\d+)?\.ami$/, '')));
  const captures: Capture[] = [];
  for (const base of bases) {
    // The first connection is NAME.ami, or NAME.seg1.ami where the recorder numbered all of them.
    const files = existsSync(`${base}.ami`) ? [`${base}.ami`] : [`${base}.seg1.ami`];
    for (let n = 2; existsSync(`${base}.seg${n}.ami`); n++) files.push(`${base}.seg${n}.ami`);
    const [first, ...more] = await Promise.all(files.map(loadSegment));
    if (first) captures.push({ name: base.replace(/^.*\//, ''), segments: [first, ...more] });
  }
  return captures;
}

/** The messages of a stream as [start, end), blank line included. Bytes after the last blank line belong to no message. */
export function* messagesOf(text: string): Generator<{ start: number; end: number; text: string }> {
  let start = 0;
  for (;;) {
    const blank = text.indexOf('\r\n\r\n', start);
    if (blank < 0) return;
    const end = blank + 4;
    yield { start, end, text: text.slice(start, end) };
    start = end;
  }
}

async function loadSegment(path: string): Promise<Segment> {
  const text = await readFile(path, 'latin1');
  const lines = (await readFile(path.replace(/\.ami$/, '.idx.jsonl'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '');
  const [head, ...rest] = lines.map((line): unknown => JSON.parse(line));
  if (!isHead(head)) throw new Error(`${path}: the first line of its index must tell opened and banner`);
  const chunks = rest.map((row, index): Chunk => {
    if (!isRow(row)) throw new Error(`${path}: line ${index + 2} of its index is not [offset, length, time]`);
    return { offset: row[0], length: row[1], at: row[2] };
  });
  const { opened, banner, closed } = head;
  return { path, text, chunks, banner, opened, closed: typeof closed === 'number' ? closed : undefined };
}

function isHead(value: unknown): value is { opened: number; banner: string; closed?: unknown } {
  if (typeof value !== 'object' || value === null) return false;
  return 'opened' in value && typeof value.opened === 'number' && 'banner' in value && typeof value.banner === 'string';
}

function isRow(value: unknown): value is [number, number, number] {
  return Array.isArray(value) && value.length === 3 && value.every((each) => typeof each === 'number');
}
