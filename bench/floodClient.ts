/**
 * The crowd of `bench/flood.ts`, as a process of its own: its sockets and its event loop are not those that measure. One argument,
 * JSON of `FloodOrder`; one line on standard output, JSON of `FloodReport`.
 */
import { connect } from 'node:net';

/** What the crowd does. */
export interface FloodOrder {
  /** `slow`: never end their headers, a byte a second. `burst`: one honest request each, all at once. */
  readonly kind: 'slow' | 'burst';
  readonly port: number;
  readonly sockets: number;
  /** From so many loopback addresses, evenly. */
  readonly addresses: number;
  /** Path and query of an honest request. */
  readonly target: string;
  /** When it is over, whatever is still open, ms. */
  readonly limitMs: number;
}

/** What became of them. */
export interface FloodReport {
  /** Connections by status of the answer; `none` = closed or reset without one, `open` = neither till the end. */
  readonly by: Readonly<Record<string, number>>;
  /** From the call of `connect` to the answer's first byte, ms: half of them, 99 %, the longest. */
  readonly ms: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Answered within a second, of all. */
  readonly withinSecond: number;
  /** Until the last of them was closed, from the first `connect`, ms. */
  readonly lastClosedMs: number;
  /** Longest this process itself was busy between two connects, ms: part of `ms` is ours. */
  readonly openedMs: number;
}

const order = JSON.parse(process.argv[2] ?? '') as FloodOrder;
const report = await flood();
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));

async function flood(): Promise<FloodReport> {
  const { kind, port, sockets, addresses, target, limitMs } = order;
  const by: Record<string, number> = {};
  const waits: number[] = [];
  const begun = performance.now();
  let lastClosedMs = 0;
  let open = 0;
  let done: () => void = () => undefined;
  const over = new Promise<void>((resolve) => (done = resolve));
  const head = `GET ${target} HTTP/1.1\r\nHost: a\r\n`;
  for (let n = 0; n < sockets; n++) {
    const at = n % addresses;
    const from = performance.now();
    const socket = connect({ port, host: '127.0.0.1', localAddress: `127.7.${at >> 8}.${(at & 255) + 1}` });
    let status = 'none';
    let drip: NodeJS.Timeout | undefined;
    open += 1;
    socket.once('connect', () => {
      socket.write(kind === 'slow' ? head : `${head}\r\n`);
      if (kind === 'slow') drip = setInterval(() => socket.write('x'), 1_000);
    });
    socket.once('data', (bytes: Buffer) => {
      status = bytes.toString('latin1', 9, 12);
      waits.push(performance.now() - from);
      // Held till all are through: so many at once is what is measured.
      if (kind === 'burst' && waits.length >= sockets) done();
    });
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearInterval(drip);
      lastClosedMs = performance.now() - begun;
      by[status] = (by[status] ?? 0) + 1;
      open -= 1;
      if (open === 0) done();
    });
    // A turn of the loop now and then: what is answered is read while others still connect.
    if (n % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
  }
  const openedMs = performance.now() - begun;
  const limit = setTimeout(done, Math.max(0, limitMs - openedMs));
  await over;
  clearTimeout(limit);
  const answered = Object.values(by).reduce((sum, count) => sum + count, 0);
  waits.sort((a, b) => a - b);
  const quantile = (q: number): number =>
    Math.round(waits[Math.min(waits.length - 1, Math.floor(waits.length * q))] ?? 0);
  const held = waits.length - Object.entries(by).reduce((sum, [key, count]) => sum + (key === 'none' ? 0 : count), 0);
  return {
    by: { ...by, held, open: sockets - answered - held },
    ms: { p50: quantile(0.5), p99: quantile(0.99), max: quantile(1) },
    withinSecond: waits.filter((ms) => ms <= 1_000).length,
    lastClosedMs: Math.round(lastClosedMs),
    openedMs: Math.round(openedMs),
  };
}
