import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { claimQuery } from '../../src/store/claim.ts';
import { openStore } from '../../src/store/database.ts';
import type { OutboxKind } from '../../src/store/outbox.ts';
import { silentLog } from '../../src/log.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let t: TestDatabase;
beforeAll(async () => {
  t = await createTestDatabase();
  // By hand in this file: what autovacuum does in between is not under test.
  await t.query('alter table outbox set (autovacuum_enabled = off)');
  await t.query(`insert into outbox (enterprise, account, host, kind, external_id, call_id, type, codes, payload, state, due_at, next_at)
    select 'acme', 'crm' || n % 20, 'pbx1', case when n % 40 < 20 then 'event' else 'upload' end, 'x' || n, 'c' || n / 80, 'in', '{101}',
      '{}', case when n % 5 = 0 then 'pending' else 'done' end, now() - n * interval '1 second', now() - n * interval '1 second'
    from generate_series(1, 120000) n`);
  await t.query(`update outbox set state = 'pending' where account = 'crm1'`);
  await t.query('vacuum analyze outbox');
});
afterAll(() => t.drop());

interface Plan {
  'Node Type': string;
  'Index Name'?: string;
  'Subplan Name'?: string;
  'Shared Hit Blocks'?: number;
  'Shared Read Blocks'?: number;
  Plans?: Plan[];
}

async function planOf(kind: OutboxKind, since?: Date, analyze = false): Promise<Plan> {
  const options = { account: 'crm1', kinds: [kind], limit: 50, owner: 'me', leaseSeconds: 120 };
  const query = claimQuery(t.db, kind, 50, options, since).compile();
  const rolledBack = await openStore({ url: t.url, log: silentLog, poolSize: 1 });
  try {
    return await rolledBack.db.connection().execute(async (db) => {
      await sql`begin`.execute(db);
      const explain = sql.raw(`explain (format json${analyze ? ', analyze, buffers' : ''}) `);
      const parts = query.sql.split(/\$\d+/);
      const statement = sql`${explain}${sql.join(
        parts.map((part, n) =>
          n < query.parameters.length ? sql`${sql.raw(part)}${query.parameters[n]}` : sql.raw(part),
        ),
        sql.raw(''),
      )}`;
      const { rows } = await statement.execute(db);
      await sql`rollback`.execute(db);
      const [row] = rows as { 'QUERY PLAN': [{ Plan: Plan }] }[];
      if (!row) throw new Error('no plan');
      return row['QUERY PLAN'][0].Plan;
    });
  } finally {
    await rolledBack.close();
  }
}

function nodes(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodes)];
}

/** The part of the plan that picks the rows. */
function picked(plan: Plan): Plan[] {
  const cte = nodes(plan).find((node) => node['Subplan Name'] === 'CTE picked');
  if (!cte) throw new Error('no CTE picked in the plan');
  return nodes(cte);
}

const indexes = (plan: Plan[]): string[] => [...new Set(plan.flatMap((node) => node['Index Name'] ?? []))].sort();
const types = (plan: Plan[]): string[] => plan.map((node) => node['Node Type']);

describe('the claim among 120,000 rows', () => {
  test('of uploads walks the claim index in its order', async () => {
    const plan = picked(await planOf('upload'));
    expect(indexes(plan)).toEqual(['outbox_claim']);
    expect(types(plan)).toEqual(['Limit', 'LockRows', 'Index Scan']);
  });

  test('of events asks the index of open events once per row', async () => {
    const plan = picked(await planOf('event'));
    expect(indexes(plan)).toEqual(['outbox_claim', 'outbox_open_events']);
    expect(types(plan)).not.toContain('Sort');
    expect(types(plan).join()).not.toMatch(/Seq Scan|Hash|Bitmap/);
  });

  test('D12: from a watermark does not walk over the rows settled while a dump holds its snapshot', async () => {
    const dump = await openStore({ url: t.url, log: silentLog, poolSize: 1 });
    try {
      await dump.db
        .transaction()
        .setIsolationLevel('repeatable read')
        .execute(async (snapshot) => {
          await sql`select count(*) from outbox`.execute(snapshot);
          const head = `select id from outbox where account = 'crm1' and kind = 'upload' and state = 'pending' order by next_at limit 2000`;
          await t.query(`update outbox set state = 'done' where id in (${head})`);
          const [mark] = await t.query(
            `select min(next_at) as at from outbox where account = 'crm1' and kind = 'upload' and state = 'pending'`,
          );
          const since = mark?.['at'];
          if (!(since instanceof Date)) throw new Error('nothing left');
          const blocks = (plan: Plan[]): number =>
            Math.max(...plan.map((node) => (node['Shared Hit Blocks'] ?? 0) + (node['Shared Read Blocks'] ?? 0)));
          const fromHead = blocks(picked(await planOf('upload', undefined, true)));
          const fromMark = blocks(picked(await planOf('upload', since, true)));
          expect(fromHead).toBeGreaterThan(fromMark * 3);
        });
    } finally {
      await dump.close();
    }
  });
});
