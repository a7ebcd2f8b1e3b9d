/**
 * The crowd of `bench/flood.ts`, as a process of its own: its sockets and its event loop are not those that measure. One argument,
 * JSON of `FloodOrder`. Says `ready`, begins when its input ends, and then says JSON of `FloodReport`.
 */
import { once } from 'node:events';
import { connect } from 'node:net';

/** What the crowd does. */
export interface FloodOrder {
  /** `slow`: never end their headers, a byte a second. `burst`: one honest request each; they keep the connection. */
  readonly kind: 'slow' | 'burst';
  readonly port: number;
  readonly sockets: number;
  /** How many of them come in a second; 0 = all at once. */
  readonly perSecond: number;
  /** From so many loopback addresses, evenly. */
  readonly addresses: number;
  /** Path and query of an honest request. */
  readonly target: string;
  /** When it is over, whatever is still open, milliseconds. */
  readonly limitMs: number;
}

/** What became of them. */
export interface FloodReport {
  /** How many were answered, by status. */
  readonly answers: Readonly<Record<string, number>>;
  /** How many ended how: by status of the answer, `none` = closed or reset without one, `open` = neither, till the end. */
  readonly by: Readonly<Record<string, number>>;
  /** From the call of `connect` to the answer's first byte, milliseconds. */
  readonly p99: number;
  /** Answered within a second of their `connect`. */
  readonly withinSecond: number;
  /** Longest from `connect` to the end of the connection, milliseconds. */
  readonly longestMs: number;
}

const order = JSON.parse(process.argv[2] ?? '') as FloodOrder;
process.stdout.write('ready\n');
process.stdin.resume();
await once(process.stdin, 'end');
const report = await flood(order);
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));

async function flood({ kind, port, sockets, perSecond, addresses, target, limitMs }: FloodOrder): Promise<FloodReport> {
  const by: Record<string, number> = {};
  const answers: Record<string, number> = {};
  const waits: number[] = [];
  let longestMs = 0;
  let left = sockets;
  let done: () => void = () => undefined;
  const over = new Promise<void>((resolve) => (done = resolve));
  const limit = setTimeout(done, limitMs);
  const head = `GET ${target} HTTP/1.1\r\nHost: a\r\n`;

  const one = (n: number): void => {
    const at = n % addresses;
    const from = performance.now();
    const socket = connect({
      port,
      host: '127.0.0.1',
      localAddress: `127.7.${Math.floor(at / 250)}.${(at % 250) + 1}`,
    });
    let status = 'none';
    let drip: NodeJS.Timeout | undefined;
    let settled = false;
    const settle = (): void => {
      if (settled) return;
      settled = true;
      by[status] = (by[status] ?? 0) + 1;
      left -= 1;
      if (left === 0) done();
    };
    socket.once('connect', () => {
      socket.write(kind === 'slow' ? head : `${head}\r\n`);
      if (kind === 'slow') drip = setInterval(() => socket.write('x'), 1_000);
    });
    socket.once('data', (bytes: Buffer) => {
      status = bytes.toString('latin1', 9, 12);
      answers[status] = (answers[status] ?? 0) + 1;
      waits.push(performance.now() - from);
      if (kind === 'burst') settle(); // it stays connected: so many at once is what is measured
    });
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearInterval(drip);
      if (kind === 'slow') longestMs = Math.max(longestMs, performance.now() - from);
      settle();
    });
  };

  const begun = performance.now();
  for (let n = 0; n < sockets; n++) {
    one(n);
    // A turn of the loop now and then: what is answered is read while others still connect.
    if (n % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
    const due = perSecond === 0 ? 0 : begun + (n * 1000) / perSecond;
    while (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await over;
  clearTimeout(limit);
  waits.sort((a, b) => a - b);
  return {
    answers,
    by: { ...by, open: left },
    p99: waits[Math.min(waits.length - 1, Math.floor(waits.length * 0.99))] ?? NaN,
    withinSecond: waits.filter((ms) => ms <= 1_000).length,
    longestMs,
  };
}
