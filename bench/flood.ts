import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { projectRoot } from '../src/root.ts';
import type { BenchResult } from './ami.ts';
import type { FloodOrder, FloodReport } from './floodClient.ts';
import { type HttpStage, httpStage, knownPhone, pass, quantile } from './httpStage.ts';

/**
 * `delivery.md` H6 and H7: what an honest client, from an address of its own, sees of the whole daemon while a crowd has it under
 * siege. The crowd is a process of its own (`floodClient.ts`); the honest one asks fifty times a second from here, each time over
 * a new connection, at its appointed time: a late answer counts from when it was due.
 */
export async function run({ smoke }: { smoke: boolean }): Promise<BenchResult[]> {
  const stage = await httpStage();
  const [keys] = stage.keys;
  const target = `/api/responsible?${new URLSearchParams({ clientId: keys?.clientId ?? '', phone: knownPhone }).toString()}`;
  try {
    while ((await ask(stage.port, target)) !== 200) await pass(100);
    await pass(1_000);
    const part = smoke ? 10 : 1;
    const siege = (order: Omit<FloodOrder, 'port' | 'target'>): Promise<Siege> =>
      besieged(stage, { ...order, port: stage.port, target });
    const slow = { kind: 'slow', sockets: 4_000 / part, perSecond: 1_000, limitMs: 15_000 } as const;
    const one = await siege({ ...slow, addresses: 1 });
    const many = await siege({ ...slow, addresses: 80 });
    const crowd = { kind: 'burst', sockets: 10_000 / part, perSecond: 0, limitMs: 20_000 } as const;
    const wrk = await siege({ ...crowd, addresses: 1 });
    const people = await siege({ ...crowd, addresses: 200 });
    const sessions = stage.pbx.sessions.size;
    return [
      ...slowFigures(`${slow.sockets} slow sockets of one address`, one),
      ...slowFigures(`${slow.sockets} slow sockets of 80 addresses`, many),
      ...crowdFigures(`${crowd.sockets} at once from one address`, wrk, crowd.sockets),
      ...crowdFigures(`${crowd.sockets} at once from 200 addresses`, people, crowd.sockets),
      { name: 'flood: the PBX was let go', value: 1 - sessions, unit: '', target: '0', ok: sessions === 1 },
      atMost('flood: largest resident memory', Math.max(...[one, many, wrk, people].map(({ rss }) => rss)), 512, 'MiB'),
    ];
  } finally {
    await stage.end();
  }
}

/** What came of one siege. */
interface Siege {
  readonly crowd: FloodReport;
  /** The honest client: answer times, and requests that got no 200. */
  readonly ms: readonly number[];
  readonly refused: number;
  /** Resident memory of the daemon, the most of ten looks a second, MiB. */
  readonly rss: number;
}

async function besieged(stage: HttpStage, order: FloodOrder): Promise<Siege> {
  const script = [join(projectRoot(), 'scripts/run-ts.mjs'), join(projectRoot(), 'bench/floodClient.ts')];
  const crowd = spawn(process.execPath, [...script, JSON.stringify(order)], { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  crowd.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  await once(crowd.stdout, 'data'); // it is ready
  const over = once(crowd, 'close');
  const siege = { lasts: true };
  void over.then(() => (siege.lasts = false));
  crowd.stdin.end();
  let rss = 0;
  const look = setInterval(() => void stage.daemon.rss().then((mib) => (rss = Math.max(rss, mib))), 100);
  const ms: number[] = [];
  let refused = 0;
  const under: Promise<void>[] = [];
  const begun = performance.now();
  for (let n = 0; siege.lasts; n++) {
    const due = begun + n * 20;
    while (performance.now() < due) await pass(Math.max(0, due - performance.now()));
    under.push(
      ask(stage.port, order.target).then((status) => {
        ms.push(performance.now() - due);
        if (status !== 200) refused += 1;
      }),
    );
  }
  await Promise.all(under);
  clearInterval(look);
  const crowdReport = JSON.parse(text.slice(text.indexOf('{'))) as FloodReport;
  return { crowd: crowdReport, ms, refused, rss };
}

function slowFigures(what: string, { crowd, ms, refused }: Siege): BenchResult[] {
  return [
    atMost(`flood: ${what}: the last one closed after it came`, crowd.longestMs, 8_200, 'ms'),
    atMost(`flood: ${what}: still open at the end`, crowd.by['open'] ?? 0, 0, ''),
    {
      name: `flood: ${what}: honest requests not answered with 200, of ${ms.length}`,
      value: refused,
      unit: 'requests',
    },
    { name: `flood: ${what}: honest p50`, value: quantile(ms, 0.5), unit: 'ms' },
    atMost(`flood: ${what}: honest p99`, quantile(ms, 0.99), 200, 'ms'),
  ];
}

function crowdFigures(what: string, { crowd, ms }: Siege, sockets: number): BenchResult[] {
  const answered = sockets - (crowd.by['none'] ?? 0) - (crowd.by['open'] ?? 0);
  const atLeast = (name: string, value: number, target: number): BenchResult => ({
    ...{ name, value, unit: 'per cent', target: `≥ ${target}`, ok: value >= target },
  });
  return [
    atLeast(`flood: ${what}: answered`, (answered / sockets) * 100, 99),
    { name: `flood: ${what}: with 200`, value: ((crowd.answers['200'] ?? 0) / sockets) * 100, unit: 'per cent' },
    atLeast(`flood: ${what}: answered within a second`, (crowd.withinSecond / sockets) * 100, 99),
    { name: `flood: ${what}: p99`, value: crowd.p99, unit: 'ms' },
    { name: `flood: ${what}: honest p99 meanwhile`, value: quantile(ms, 0.99), unit: 'ms' },
  ];
}

function atMost(name: string, value: number, target: number, unit: string): BenchResult {
  return { name, value, unit, target: `≤ ${target}`, ok: value <= target };
}

/** The status of the answer; 0 = none. */
function ask(port: number, path: string): Promise<number> {
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', localAddress: '127.9.0.1', port, path, agent: false } as const;
    const sent = request({ ...options, headers: { connection: 'close' } }, (reply) => {
      reply.resume();
      reply.once('end', () => resolve(reply.statusCode ?? 0));
    });
    sent.once('error', () => resolve(0));
    sent.end();
  });
}
