import { EventEmitter } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { cpuUsage } from 'node:process';
import { setImmediate as nextTurn } from 'node:timers/promises';
import AsteriskManager from 'asterisk-manager';
import { defaultVariables, neededEvents, toHostEvent } from '../src/ami/events.ts';
import { EventFilter } from '../src/ami/filter.ts';
import { Framer } from '../src/ami/framer.ts';
import { AmiMessage } from '../src/ami/message.ts';
import { projectRoot } from '../src/root.ts';

/** One figure of a benchmark. `ok` is there where a target is. */
export interface BenchResult {
  name: string;
  value: number;
  unit: string;
  target?: string;
  ok?: boolean;
}

const chunkBytes = 64 * 1024;

/**
 * Reads one stream in five ways: asterisk-manager, our full decode (every value of every message), our real way (name
 * filter, then typed events), and the bare search for message ends, which nothing can beat. All in one process, on the
 * same chunks, in turn, best of some rounds, by processor time: the ratios mean something on any machine and on a busy
 * one, the speeds only here.
 */
export async function run({ smoke }: { smoke: boolean }): Promise<BenchResult[]> {
  const chunks = streamChunks((smoke ? 10 : 100) * 1e6);
  const megabytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0) / 1e6;
  const best = { scan: Infinity, full: Infinity, filtered: Infinity, reference: Infinity, bytewise: Infinity };
  const singleBytes = slice(chunks, 1e6, 1);
  for (let round = 0; round < 3; round++) {
    best.scan = Math.min(best.scan, await timed(() => scanEnds(chunks)));
    best.full = Math.min(best.full, await timed(() => decodeAll(chunks)));
    best.filtered = Math.min(best.filtered, await timed(() => decodeNeeded(chunks)));
    best.reference = Math.min(best.reference, await timed(() => feedAsteriskManager(chunks)));
    best.bytewise = Math.min(best.bytewise, await timed(() => decodeAll(singleBytes)));
  }
  const { scan, full, filtered, reference, bytewise } = best;
  const growth = median(Array.from({ length: 7 }, () => longMessage(40_000) / longMessage(20_000)));
  const speed = (ms: number) => megabytes / (ms / 1000);
  const events = chunks.reduce((sum, chunk) => sum + count(chunk), 0);
  const bytewiseRatio = bytewise / (full / megabytes);
  return [
    { name: 'bare search for message ends', value: speed(scan), unit: 'MB/s' },
    { name: 'asterisk-manager', value: speed(reference), unit: 'MB/s' },
    { name: 'full decode', value: speed(full), unit: 'MB/s' },
    { name: 'filter and typed events', value: speed(filtered), unit: 'MB/s' },
    { name: 'filter and typed events, rate', value: events / (filtered / 1000), unit: 'events/s' },
    atLeast('full decode / asterisk-manager', reference / full, 5, '×'),
    atLeast('filter / asterisk-manager', reference / filtered, 12, '×'),
    atLeast('full decode / bare search', (100 * scan) / full, 4, '%'),
    atLeast('filter / bare search', (100 * scan) / filtered, 10, '%'),
    atMost('one long message, time(2n) / time(n)', growth, 2.3, ''),
    atMost('one byte per chunk / 64 KiB chunks', bytewiseRatio, 40, '×'),
  ];
}

function atLeast(name: string, value: number, target: number, unit: string): BenchResult {
  return { name, value, unit, target: `≥ ${target}`, ok: value >= target };
}

function atMost(name: string, value: number, target: number, unit: string): BenchResult {
  return { name, value, unit, target: `≤ ${target}`, ok: value <= target };
}

/** The captures, one after the other and again from the start, cut as a socket would. */
function streamChunks(bytes: number): Buffer[] {
  const root = join(projectRoot(), 'test', 'captures');
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ami'));
  const whole = Buffer.concat(names.sort().map((name) => readFileSync(join(root, name))));
  const stream = Buffer.alloc(Math.floor(bytes / whole.length + 1) * whole.length);
  for (let at = 0; at < stream.length; at += whole.length) whole.copy(stream, at);
  return slice([stream], stream.length, chunkBytes);
}

function slice(chunks: readonly Buffer[], bytes: number, size: number): Buffer[] {
  const all = Buffer.concat(chunks, bytes);
  return Array.from({ length: Math.ceil(bytes / size) }, (_, i) =>
    all.subarray(i * size, Math.min(bytes, (i + 1) * size)),
  );
}

function count(chunk: Buffer): number {
  let found = 0;
  for (let at = chunk.indexOf('\r\n\r\n'); at !== -1; at = chunk.indexOf('\r\n\r\n', at + 4)) found++;
  return found;
}

function scanEnds(chunks: readonly Buffer[]): number {
  const end = Buffer.from('\r\n\r\n');
  let found = 0;
  for (const chunk of chunks) for (let at = chunk.indexOf(end); at !== -1; at = chunk.indexOf(end, at + 4)) found++;
  return found;
}

function decodeAll(chunks: readonly Buffer[]): number {
  let values = 0;
  const framer = new Framer((bytes, start, end) => {
    values += AmiMessage.read(bytes, start, end)?.entries().length ?? 0;
  });
  for (const chunk of chunks) framer.push(chunk);
  return values;
}

function decodeNeeded(chunks: readonly Buffer[]): number {
  const filter = new EventFilter(neededEvents, defaultVariables);
  let events = 0;
  const framer = new Framer((bytes, start, end) => {
    if (!filter.passes(bytes, start, end)) return;
    const message = AmiMessage.read(bytes, start, end);
    if (message && toHostEvent(message, 0)) events++;
  });
  for (const chunk of chunks) framer.push(chunk);
  return events;
}

/**
 * Feeds asterisk-manager's own reader through a socket that costs nothing but the UTF-8 decoding it asks for. Its events
 * leave by `process.nextTick`, so the loop turns once per chunk; `managerevent` has one listener, as it would in use.
 */
async function feedAsteriskManager(chunks: readonly Buffer[]): Promise<number> {
  const socket = Object.assign(new EventEmitter(), {
    setKeepAlive: () => undefined,
    setNoDelay: () => undefined,
    setEncoding: () => undefined,
    write: () => true,
    end: () => undefined,
    readyState: 'open',
  });
  const original = net.createConnection;
  Object.assign(net, { createConnection: () => socket });
  const manager = new AsteriskManager(1, 'nowhere', 'user', 'secret', true);
  Object.assign(net, { createConnection: original });
  let events = 0;
  manager.on('managerevent', () => events++);
  const decoder = new TextDecoder();
  for (const chunk of chunks) {
    socket.emit('data', decoder.decode(chunk, { stream: true }));
    await nextTurn();
  }
  return events;
}

/** Milliseconds to frame one `Command` answer of so many lines in segments of 1448 bytes. */
function longMessage(lines: number): number {
  const body = Array.from({ length: lines }, (_, i) => `Output: line ${i} of a long answer to a command`).join('\r\n');
  const bytes = Buffer.from(`Response: Success\r\n${body}\r\n\r\n`);
  const pieces = slice([bytes], bytes.length, 1448);
  const times = Array.from({ length: 5 }, () => {
    let values = 0;
    const framer = new Framer((all, start, end) => {
      values += AmiMessage.read(all, start, end)?.entries().length ?? 0;
    });
    const started = cpuUsage();
    for (const piece of pieces) framer.push(piece);
    const took = milliseconds(cpuUsage(started));
    if (values !== lines + 1) throw new Error('a line was lost');
    return took;
  });
  return Math.min(...times);
}

/** Milliseconds of processor time, garbage collection included. */
async function timed(work: () => number | Promise<number>): Promise<number> {
  const started = cpuUsage();
  if ((await work()) === 0) throw new Error('nothing was read');
  const took = milliseconds(cpuUsage(started));
  await nextTurn();
  return took;
}

function milliseconds({ user, system }: { user: number; system: number }): number {
  return (user + system) / 1000;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
