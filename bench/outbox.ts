import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { sql } from 'kysely';
import { silentLog } from '../src/log.ts';
import { projectRoot } from '../src/root.ts';
import { type Db, openStore } from '../src/store/database.ts';
import { startEmbedded } from '../src/store/embedded.ts';
import { migrateDatabase } from '../src/store/migrations.ts';
import { claim, createWatermark, enqueue, settle } from '../src/store/outbox.ts';

/** One figure of a benchmark. `ok` is there where a target is. */
export interface BenchResult {
  name: string;
  value: number;
  unit: string;
  target?: string;
  ok?: boolean;
}

const accounts = Array.from({ length: 20 }, (_, n) => `crm${n}`);
/** `calls/upload` takes this many. */
const batch = 50;
const workers = 4;

/**
 * Claim and settle on an embedded server of its own, fsync as in production: a million pending rows over 20 accounts
 * (smoke: 50,000), workers that each claim 50, settle 50. Uploads, then events with their order within the call.
 */
export async function run({ smoke }: { smoke: boolean }): Promise<BenchResult[]> {
  const rows = smoke ? 50_000 : 1_000_000;
  const drained = smoke ? 10_000 : 100_000;
  const dataDir = await mkdtemp(join(tmpdir(), 'asterisk-retailcrm-bench-'));
  const server = await startEmbedded({ dataDir, log: silentLog });
  try {
    await migrateDatabase({ url: server.url, dir: join(projectRoot(), 'db/migrations'), log: silentLog });
    const store = await openStore({ url: server.url, log: silentLog, poolSize: workers });
    try {
      const enqueued = await enqueueSpeed(store.db, smoke ? 2_000 : 20_000);
      await fill(server.url, rows);
      const uploads = await drain(store.db, 'upload', drained);
      const events = await drain(store.db, 'event', drained / 2);
      const floor = 5_000;
      return [
        { name: 'outbox: enqueue, 50 a statement, one connection', value: enqueued, unit: 'rows/s' },
        speed(`claim + settle of uploads, ${rows} pending`, uploads.perSecond, floor),
        { name: 'outbox: claim of uploads p99', value: uploads.p99, unit: 'ms', target: '≤ 50', ok: uploads.p99 <= 50 },
        speed(`claim + settle of events, ${rows} pending`, events.perSecond, floor),
        { name: 'outbox: claim of events p99', value: events.p99, unit: 'ms', target: '≤ 50', ok: events.p99 <= 50 },
        {
          name: 'outbox: last fifth of the drain / first fifth',
          value: uploads.ageing,
          unit: '×',
          target: '≥ 0.5',
          ok: uploads.ageing >= 0.5,
        },
      ];
    } finally {
      await store.close();
    }
  } finally {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

function speed(name: string, value: number, floor: number): BenchResult {
  return { name: `outbox: ${name}`, value, unit: 'rows/s', target: `≥ ${floor}`, ok: value >= floor };
}

/** Half uploads, half events, two events to a call; due within the last day, in the order they came. */
async function fill(url: string, rows: number): Promise<void> {
  const store = await openStore({ url, log: silentLog, poolSize: 1, timeoutMs: 600_000 });
  try {
    await sql`insert into outbox (enterprise, account, host, kind, external_id, call_id, type, codes, payload, due_at, next_at)
      select 'acme', 'crm' || n % 20, 'pbx1', case when n % 40 < 20 then 'event' else 'upload' end, 'pbx1-1795339498.' || n,
        'pbx1-' || n % 20 || '.' || n / 80, 'in', '{101,102}',
        '{"phone":"+375290000001","type":"in","codes":["101","102"],"externalId":"pbx1-1795339498.' || n || '"}', at, at
      from (select n, now() - interval '1 day' * (1 - n / ${sql.lit(rows)}::float) as at from generate_series(1, ${sql.lit(rows)}) n) x`.execute(
      store.db,
    );
    await sql`vacuum analyze outbox`.execute(store.db);
  } finally {
    await store.close();
  }
}

async function enqueueSpeed(db: Db, rows: number): Promise<number> {
  const begun = performance.now();
  for (let at = 0; at < rows; at += batch) {
    await enqueue(
      db,
      Array.from({ length: batch }, (_, n) => ({
        enterprise: 'acme',
        account: 'elsewhere',
        host: 'pbx1',
        kind: 'upload' as const,
        externalId: `pbx1-${at + n}`,
        callId: `pbx1-${at + n}`,
        payload: '{"phone":"+375290000001","duration":60}',
      })),
    );
  }
  return (rows / (performance.now() - begun)) * 1000;
}

interface Drained {
  perSecond: number;
  /** Of one claim, ms. */
  p99: number;
  /** Speed of the last fifth over that of the first: what settled rows at the head of the queue cost. */
  ageing: number;
}

/** `workers` lanes at once, each over its share of the accounts in turn, until `rows` are settled. */
async function drain(db: Db, kind: 'event' | 'upload', rows: number): Promise<Drained> {
  const claims: number[] = [];
  const fifths: number[] = [];
  let settled = 0;
  const begun = performance.now();
  const lane = async (worker: number): Promise<void> => {
    const mine = accounts
      .filter((_, n) => n % workers === worker)
      .map((account) => ({ account, watermark: createWatermark() }));
    while (settled < rows) {
      let found = 0;
      for (const { account, watermark } of mine) {
        const owner = `bench-${worker}`;
        const before = performance.now();
        const taken = await claim(db, { account, kinds: [kind], limit: batch, owner, leaseSeconds: 120, watermark });
        claims.push(performance.now() - before);
        const now = await settle(
          db,
          owner,
          taken.map(({ id, leaseEpoch }) => ({
            id,
            leaseEpoch,
            outcome: 'done',
            status: 200,
            latencyMs: 80,
            reply: '{"success":true}',
          })),
        );
        found += now.length;
      }
      settled += found;
      while (fifths.length < 5 && settled >= (rows / 5) * (fifths.length + 1)) fifths.push(performance.now());
      if (found === 0) return;
    }
  };
  await Promise.all(Array.from({ length: workers }, (_, worker) => lane(worker)));
  const seconds = (performance.now() - begun) / 1000;
  claims.sort((a, b) => a - b);
  const first = (fifths[0] ?? begun) - begun;
  const last = (fifths[4] ?? begun) - (fifths[3] ?? begun);
  return { perSecond: settled / seconds, p99: claims[Math.floor(claims.length * 0.99)] ?? 0, ageing: first / last };
}
