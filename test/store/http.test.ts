import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import { Buckets, HttpFigures, Tally } from '../../src/http/figures.ts';
import { type DeliveryTally, type EnterpriseHealth, healthHttp } from '../../src/http/health.ts';
import { silentLog } from '../../src/log.ts';
import { recordDrops } from '../../src/store/drops.ts';
import { gapFigures, outboxFigures } from '../../src/store/figures.ts';
import { closeGap, openGap } from '../../src/store/gaps.ts';
import { enqueue } from '../../src/store/outbox.ts';
import { type TestDatabase, createTestDatabase } from '../support/database.ts';
import { dropRow, eventRow, uploadRow } from '../support/rows.ts';

let t: TestDatabase;
beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.drop());
beforeEach(() => t.query('truncate outbox, drops, drop_totals, gaps'));

const live = (more: Partial<EnterpriseHealth> = {}): EnterpriseHealth => ({
  ...{ id: 'acme', liveCalls: 2, waiting: 0, crmMode: 'closed', errandsMode: 'closed', usersMode: 'good' },
  ...{ receivers: { bi: 'closed' }, syncTroubles: [] },
  durable: [new Buckets([0.1, 1])],
  hosts: [
    {
      ...{ id: 'pbx1', state: 'live', since: Date.UTC(2026, 10, 20), skewMs: 1500, lastFault: undefined },
      counters: { bytes: 10, messages: 2, anomalies: 0 },
    },
  ],
  ...more,
});

async function health(
  enterprises: readonly EnterpriseHealth[] = [live()],
  more: { deliveries?: DeliveryTally; freshMs?: number; figures?: HttpFigures } = {},
): Promise<FastifyInstance> {
  return healthHttp({
    ...{ log: silentLog, version: '1.2.3', db: t.db, enterprises: () => enterprises },
    ...{ figures: new HttpFigures(), deliveries: new Tally(), freshMs: 0, ...more },
  });
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

test('alive is whoever answers', async () => {
  const reply = await (await health()).inject('/livez');
  expect([reply.statusCode, reply.body]).toEqual([200, 'ok\n']);
});

test.each(['/livez', '/readyz', '/healthz'])('%s may be asked with HEAD', async (url) => {
  const reply = await (await health()).inject({ method: 'HEAD', url });
  expect([reply.statusCode, reply.body]).toEqual([200, '']);
});

describe('ready', () => {
  test('with a database, whatever the CRM and the PBXs do', async () => {
    const hosts = live().hosts.map((host) => ({ ...host, state: 'down' as const }));
    const app = await health([live({ crmMode: 'parked', hosts })]);
    const reply = await app.inject('/readyz');
    expect([reply.statusCode, reply.json()]).toEqual([200, { ready: true, database: true, config: true }]);
  });

  test('not without one', async () => {
    const own = await createTestDatabase();
    const app = await healthHttp({
      ...{ log: silentLog, version: '1', db: own.db, enterprises: () => [live()], figures: new HttpFigures() },
      ...{ deliveries: new Tally(), freshMs: 0 },
    });
    await own.drop();
    const ready = await app.inject('/readyz');
    expect([ready.statusCode, ready.json()]).toEqual([503, { ready: false, database: false, config: true }]);
    expect((await app.inject('/livez')).statusCode).toBe(200);
    const verbose = await app.inject('/healthz?verbose');
    expect([verbose.statusCode, verbose.json<{ status: string }>().status]).toEqual([503, 'down']);
    const metrics = await app.inject('/metrics');
    expect(metrics.statusCode).toBe(200);
    expect(lines(metrics.body)).toContain('asterisk_retailcrm_database_up 0');
    expect(metrics.body).not.toMatch(/^asterisk_retailcrm_outbox_rows\{/m);
  });
});

describe('how it is', () => {
  test.each([
    { says: 'ok', one: live() },
    { says: 'degraded', one: live({ crmMode: 'open' }) },
    { says: 'degraded', one: live({ hosts: live().hosts.map((host) => ({ ...host, state: 'syncing' as const })) }) },
  ])('$says is never red for others', async ({ says, one }) => {
    const reply = await (await health([one])).inject('/healthz');
    expect([reply.statusCode, reply.json()]).toEqual([200, { status: says }]);
  });

  test('in detail: hosts, accounts, queues, gaps', async () => {
    await enqueue(t.db, [uploadRow('pbx1-1.1'), uploadRow('pbx1-1.2')]);
    await openGap(t.db, { enterprise: 'acme', host: 'pbx1', from: new Date(Date.now() - 60_000), cause: 'test' });
    const reply = await (await health()).inject('/healthz?verbose');
    expect(reply.json()).toMatchObject({
      ...{ status: 'ok', version: '1.2.3', database: true },
      enterprises: [
        {
          ...{
            id: 'acme',
            crm: { mode: 'closed', errands: 'closed', users: 'good', troubles: [] },
            liveCalls: 2,
            waiting: 0,
          },
          webhooks: { bi: 'closed' },
          hosts: [{ id: 'pbx1', state: 'live', since: '2026-11-20T00:00:00.000Z', skewMs: 1500 }],
        },
      ],
      queues: [{ account: 'acme-crm', kind: 'upload', state: 'pending', count: 2, dueSince: expect.any(String) }],
      gaps: [{ enterprise: 'acme', host: 'pbx1', open: true, count: 1, seconds: expect.any(Number) }],
    });
  });
});

describe('metrics', () => {
  test('tell what the database, the hosts and this process count', async () => {
    await enqueue(t.db, [uploadRow('pbx1-1.1'), uploadRow('pbx1-1.2'), eventRow('pbx1-1.3', '1')]);
    await t.query(`update outbox set state = 'dead' where external_id = 'pbx1-1.2'`);
    await recordDrops(t.db, [dropRow('1.1'), dropRow('1.2')]);
    const deliveries: DeliveryTally = new Tally();
    deliveries.add({ account: 'acme-crm', kind: 'event', outcome: 'done' }, 5);
    const figures = new HttpFigures();
    figures.answered('/crm/:token/makecall', 'GET', 200, 0.004);
    figures.refused.add({ reason: 'wrong clientId' });
    const troubles = { receivers: { bi: 'gone' }, syncTroubles: ['history of orders: AUTH'] } as const;
    const one = live({ crmMode: 'parked', errandsMode: 'open', usersMode: 'guarded', ...troubles });
    one.durable[0]?.add(0.05);
    const text = lines((await (await health([one], { deliveries, figures })).inject('/metrics')).body);
    for (const line of [
      'build_info{version="1.2.3",node="' + process.version + '"} 1',
      'database_up 1',
      'host_up{enterprise="acme",host="pbx1"} 1',
      'host_state{enterprise="acme",host="pbx1",state="down"} 0',
      'host_clock_skew_seconds{enterprise="acme",host="pbx1"} 1.5',
      'calls_live{enterprise="acme"} 2',
      'event_durable_seconds_bucket{enterprise="acme",le="0.1"} 1',
      'outbox_rows{account="acme-crm",kind="upload",state="pending"} 1',
      'outbox_rows{account="acme-crm",kind="event",state="pending"} 1',
      'dead_letters{account="acme-crm",kind="upload"} 1',
      'deliveries_total{account="acme-crm",kind="event",outcome="done"} 5',
      'drops_total{enterprise="acme",host="pbx1",reason="internal"} 2',
      'crm_mode{enterprise="acme",mode="parked"} 1',
      'crm_mode{enterprise="acme",mode="closed"} 0',
      'errands_mode{enterprise="acme",mode="open"} 1',
      'webhook_mode{enterprise="acme",receiver="bi",mode="gone"} 1',
      'webhook_mode{enterprise="acme",receiver="bi",mode="closed"} 0',
      'users_map{enterprise="acme",mode="guarded"} 1',
      'sync_troubles{enterprise="acme"} 1',
      'http_requests_total{route="/crm/:token/makecall",method="GET",status="200"} 1',
      'http_refused_total{reason="wrong clientId"} 1',
    ]) {
      expect(text).toContain(`asterisk_retailcrm_${line}`);
    }
    expect(text.find((line) => line.startsWith('process_resident_memory_bytes'))).toMatch(/ \d{7,}$/);
  });

  test('ask the database once, however often they are read', async () => {
    const app = await health([live()], { freshMs: 60_000 });
    const before = await app.inject('/metrics');
    await enqueue(t.db, [uploadRow('pbx1-1.1')]);
    const after = await app.inject('/metrics');
    for (const { body } of [before, after]) expect(body).not.toMatch(/^asterisk_retailcrm_outbox_rows\{/m);
    expect(lines(after.body)).toContain('asterisk_retailcrm_database_up 1');
  });

  test('a body or another method is refused here too', async () => {
    const app = await health();
    expect((await app.inject({ method: 'TRACE', url: '/metrics' })).statusCode).toBe(405);
    expect((await app.inject({ method: 'POST', url: '/metrics' })).statusCode).toBe(404);
  });
});

describe('the figures', () => {
  test('of the outbox read only what is open', async () => {
    await t.query(`insert into outbox (enterprise, account, host, kind, external_id, call_id, payload, state, due_at, next_at)
      select 'acme', 'acme-crm', 'pbx1', 'upload', n::text, n::text, '{}',
        case when n % 2000 = 0 then 'pending' when n % 2000 = 1 then 'dead' else 'done' end, now(), now()
      from generate_series(1, 40000) n`);
    await t.query('analyze outbox');
    expect((await outboxFigures(t.db)).map(({ state, count }) => ({ state, count }))).toEqual([
      { state: 'pending', count: 20 },
      { state: 'dead', count: 20 },
    ]);
    const plan = await t.query(
      `explain select account, kind, count(*), min(next_at) from outbox where state = 'pending' group by account, kind`,
    );
    expect(JSON.stringify(plan)).toContain('outbox_claim');
  });

  test('of gaps count the last 24 hours only', async () => {
    const ago = (hours: number): Date => new Date(Date.now() - hours * 3600_000);
    const host = { enterprise: 'acme', host: 'pbx1' };
    await openGap(t.db, { ...host, from: ago(72), cause: 'old' });
    await closeGap(t.db, { ...host, to: ago(48) });
    expect(await gapFigures(t.db)).toEqual([]);
    await openGap(t.db, { ...host, from: ago(30), cause: 'long' });
    await closeGap(t.db, { ...host, to: ago(23) });
    await openGap(t.db, { ...host, from: ago(1), cause: 'now' });
    const [figure] = await gapFigures(t.db);
    expect(figure).toMatchObject({ ...host, open: true, count: 2 });
    expect(figure?.seconds).toBeGreaterThan(7_190);
    expect(figure?.seconds).toBeLessThan(7_260);
  });
});
