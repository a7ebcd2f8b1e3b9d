import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { silentLog } from '../src/log.ts';
import { projectRoot } from '../src/root.ts';
import { type AuditEntry, appendAudit, verifyAudit } from '../src/store/audit.ts';
import { type Db, openStore } from '../src/store/database.ts';
import { startEmbedded } from '../src/store/embedded.ts';
import { migrateDatabase } from '../src/store/migrations.ts';
import type { BenchResult } from './ami.ts';

/**
 * `security.md` 2: a log of a million rows (smoke: 50,000) is verified in 30 s, in bounded memory, and one changed, missing or
 * moved row is named. PostgreSQL of its own, fsync as in production.
 */
export async function run({ smoke }: { smoke: boolean }): Promise<BenchResult[]> {
  const rows = smoke ? 50_000 : 1_000_000;
  const dataDir = await mkdtemp(join(tmpdir(), 'asterisk-retailcrm-audit-'));
  const server = await startEmbedded({ dataDir, log: silentLog });
  try {
    await migrateDatabase({ url: server.url, dir: join(projectRoot(), 'db/migrations'), log: silentLog });
    const store = await openStore({ url: server.url, log: silentLog, poolSize: 2 });
    try {
      const written = await seconds(() => fill(store.db, rows));
      // As autovacuum leaves a table that was not filled within a minute.
      await sql`vacuum analyze audit_log`.execute(store.db);
      const before = process.memoryUsage.rss();
      let most = before;
      const look = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20);
      let found: (number | undefined)[] = [];
      const verified = await seconds(async () => void (found = [await brokenAt(store.db)]));
      clearInterval(look);
      const middle = rows / 2;
      const harms = [
        `update audit_log set outcome = 'x' where seq = ${rows}`,
        `update audit_log set seq = case seq when ${rows - 9} then -1 else seq end where seq = ${rows - 9};
         update audit_log set seq = ${rows - 9} where seq = ${rows - 8}; update audit_log set seq = ${rows - 8} where seq = -1`,
        `delete from audit_log where seq = ${middle}`,
      ];
      for (const harm of harms) {
        await sql.raw(`alter table audit_log disable trigger user; ${harm}`).execute(store.db);
        found.push(await brokenAt(store.db));
      }
      const expected = [undefined, rows, rows - 9, middle];
      const missed = expected.filter((seq, index) => found[index] !== seq).length;
      return [
        { name: 'audit: rows written', value: rows / written, unit: 'rows/s' },
        atMost(`audit: verify of ${rows.toLocaleString('en')} rows`, verified, 30, 's'),
        atMost('audit: memory it takes meanwhile', (most - before) / 2 ** 20, 128, 'MiB'),
        atMost('audit: a changed, a moved, a deleted row not named', missed, 0, ''),
      ];
    } finally {
      await store.close();
    }
  } finally {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function fill(db: Db, rows: number): Promise<void> {
  for (let from = 0; from < rows; from += 10_000) {
    await appendAudit(
      db,
      Array.from({ length: 10_000 }, (_, n): AuditEntry => {
        const who = String(100 + ((from + n) % 300));
        return {
          ...{ enterprise: 'shop', who, what: 'makecall', subject: `+375***${String((from + n) % 10_000)}` },
          ...{ from: '203.0.113.7', outcome: 'done' },
        };
      }),
    );
  }
}

async function brokenAt(db: Db): Promise<number | undefined> {
  const [verdict] = await verifyAudit(db);
  if (verdict === undefined) throw new Error('the log is empty');
  return verdict.brokenAt;
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
}

function atMost(name: string, value: number, target: number, unit: string): BenchResult {
  return { name, value, unit, target: `≤ ${target}`, ok: value <= target };
}
