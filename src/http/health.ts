/** The listener for those who watch the daemon: is it alive, is it ready, how is it. Loopback unless configured otherwise (H21). */
import type { FastifyInstance } from 'fastify';
import type { Logger } from '../log.ts';
import type { Db } from '../store/database.ts';
import { type DropTotal, dropTotals } from '../store/drops.ts';
import { type GapFigure, type OutboxFigure, answers, gapFigures, outboxFigures } from '../store/figures.ts';
import { within } from './deadline.ts';
import type { Buckets, HttpFigures, Tally } from './figures.ts';
import { METRICS_TYPE, exposition, sample, type Sample } from './metrics.ts';
import { ProcessFigures } from './process.ts';
import { createHttp, refuse } from './server.ts';

/** One host, as its link tells. */
export interface HostHealth {
  readonly id: string;
  readonly state: 'down' | 'syncing' | 'live';
  /** When that state began, ms since 1970. */
  readonly since: number;
  readonly skewMs: number | undefined;
  readonly lastFault: string | undefined;
  readonly counters: { readonly bytes: number; readonly messages: number; readonly anomalies: number };
}

/** One enterprise at a glance. */
export interface EnterpriseHealth {
  readonly id: string;
  readonly liveCalls: number;
  /** Rows kept in memory until the database takes them. */
  readonly waiting: number;
  /** From an event on the PBX until it is on disk, seconds; one per host. */
  readonly durable: readonly Buckets[];
  readonly hosts: readonly HostHealth[];
  /** `closed` = requests flow. */
  readonly crmMode: 'closed' | 'open' | 'parked' | 'telephonyOff';
  /** Whether errands (cards, orders, tasks, notes) get through. */
  readonly errandsMode: 'closed' | 'open' | 'parked' | 'telephonyOff';
  /** By receiver of our webhooks: `closed` = it takes them, `open` = it fails, `gone` = it said 410. */
  readonly receivers: Readonly<Record<string, 'closed' | 'open' | 'gone'>>;
  /** How much the list of the CRM's users is believed; `guarded`: its last answer was not. */
  readonly usersMode: 'new' | 'good' | 'guarded' | 'stale';
  /** Parts of following the CRM's changes that do not work now, in words. */
  readonly syncTroubles: readonly string[];
}

/** Requests settled since the start. */
export type DeliveryTally = Tally<{ account: string; kind: string; outcome: string }>;

/** What the health listener needs. */
export interface HealthOptions {
  readonly log: Logger;
  readonly version: string;
  readonly figures: HttpFigures;
  readonly deliveries: DeliveryTally;
  readonly db: Db;
  readonly enterprises: () => readonly EnterpriseHealth[];
  /** How long figures from the database hold, milliseconds. Default 15,000. */
  readonly freshMs?: number | undefined;
}

const modes: readonly EnterpriseHealth['crmMode'][] = ['closed', 'open', 'parked', 'telephonyOff'];
const receiverModes = ['closed', 'open', 'gone'] as const;
const usersModes: readonly EnterpriseHealth['usersMode'][] = ['new', 'good', 'guarded', 'stale'];
const states: readonly HostHealth['state'][] = ['down', 'syncing', 'live'];

/** Load balancers like to ask with HEAD. */
const probed = { exposeHeadRoute: true } as const;

/** Longest a probe may wait for the database: orchestrators give up after a few seconds. */
const PROBE_MS = 2_000;

/** What is read from the database, at most every `freshMs`. */
interface Stored {
  readonly outbox: readonly OutboxFigure[];
  readonly gaps: readonly GapFigure[];
  readonly drops: readonly DropTotal[];
}

/** The listener for health and metrics, ready to listen. */
export async function healthHttp(options: HealthOptions): Promise<FastifyInstance> {
  const { db, log, version, enterprises } = options;
  const app = createHttp({ log, figures: options.figures });
  const usage = new ProcessFigures();
  let databaseUp = true;
  const stored = kept<Stored>(options.freshMs ?? 15_000, async () => ({
    outbox: await outboxFigures(db),
    gaps: await gapFigures(db),
    drops: await dropTotals(db),
  }));
  const ping = kept(1_000, () => within(PROBE_MS, answers(db), () => false));

  app.get('/livez', probed, (_request, reply) => reply.type('text/plain').send('ok\n'));

  app.get('/readyz', probed, async (_request, reply) => {
    databaseUp = await ping();
    // The configuration was checked before anything listened. The CRM and the PBXs are not asked: they stop nobody here.
    return reply.code(databaseUp ? 200 : 503).send({ ready: databaseUp, database: databaseUp, config: true });
  });

  app.get('/healthz', probed, async (request, reply) => {
    databaseUp = await ping();
    const all = enterprises();
    const well = all.every(
      ({ crmMode, hosts }) => crmMode === 'closed' && hosts.every(({ state }) => state === 'live'),
    );
    const status = !databaseUp ? 'down' : well ? 'ok' : 'degraded';
    const code = databaseUp ? 200 : 503;
    if (!request.given().has('verbose')) return reply.code(code).send({ status });
    const { outbox, gaps } = await stored().catch((): Stored => ({ outbox: [], gaps: [], drops: [] }));
    return reply.code(code).send({
      ...{ status, version, database: databaseUp, uptimeSeconds: Math.round(process.uptime()) },
      enterprises: all.map(told),
      queues: outbox.map(({ account, kind, state, count, dueSince }) => ({ account, kind, state, count, dueSince })),
      gaps: gaps.map((gap) => ({ ...gap, seconds: Math.round(gap.seconds) })),
    });
  });

  app.get('/metrics', async (request, reply) => {
    const fromDatabase = await stored().then(
      (value) => ((databaseUp = true), value),
      (error: unknown) => {
        log.debug('http: no figures from the database', { err: error });
        databaseUp = false;
        return undefined;
      },
    );
    try {
      const samples = [
        sample('build_info', 1, { version, node: process.version }),
        sample('database_up', Number(databaseUp)),
        ...enterprises().flatMap(enterpriseSamples),
        ...(fromDatabase === undefined ? [] : storedSamples(fromDatabase, Date.now())),
        ...options.deliveries.rows().map(({ labels, value }) => sample('deliveries_total', value, labels)),
        ...httpSamples(options.figures),
        ...usage.samples(),
      ];
      return await reply.type(METRICS_TYPE).send(exposition(samples));
    } catch (error) {
      log.error('http: metrics cannot be written', { err: error });
      return refuse(request, reply, 500, 'internal', 'a fault of ours; the log tells more');
    }
  });

  app.addHook('onClose', () => usage.stop());
  await app.ready();
  return app;
}

function told(enterprise: EnterpriseHealth): object {
  const { id, liveCalls, waiting, hosts, crmMode, errandsMode, receivers, usersMode, syncTroubles } = enterprise;
  return {
    id,
    crm: { mode: crmMode, errands: errandsMode, users: usersMode, troubles: syncTroubles },
    webhooks: receivers,
    liveCalls,
    waiting,
    hosts: hosts.map(({ id: host, state, since, skewMs, lastFault }) => ({
      ...{ id: host, state, since: new Date(since).toISOString() },
      ...(skewMs === undefined ? {} : { skewMs: Math.round(skewMs) }),
      ...(lastFault === undefined ? {} : { lastFault }),
    })),
  };
}

function enterpriseSamples({
  id: enterprise,
  liveCalls,
  waiting,
  durable,
  hosts,
  crmMode,
  errandsMode,
  receivers,
  usersMode,
  syncTroubles,
}: EnterpriseHealth): Sample[] {
  const sum = durable.reduce<Buckets | undefined>(
    (total, one) => (total === undefined ? one : total.plus(one)),
    undefined,
  );
  return [
    ...hosts.flatMap(({ id: host, state, skewMs, counters }) => [
      sample('host_up', Number(state === 'live'), { enterprise, host }),
      ...states.map((one) => sample('host_state', Number(one === state), { enterprise, host, state: one })),
      ...(skewMs === undefined ? [] : [sample('host_clock_skew_seconds', skewMs / 1000, { enterprise, host })]),
      sample('host_received_bytes_total', counters.bytes, { enterprise, host }),
      sample('host_messages_total', counters.messages, { enterprise, host }),
      sample('host_anomalies_total', counters.anomalies, { enterprise, host }),
    ]),
    sample('calls_live', liveCalls, { enterprise }),
    sample('writes_waiting', waiting, { enterprise }),
    ...(sum === undefined ? [] : [sample('event_durable_seconds', sum, { enterprise })]),
    ...modes.map((mode) => sample('crm_mode', Number(mode === crmMode), { enterprise, mode })),
    ...modes.map((mode) => sample('errands_mode', Number(mode === errandsMode), { enterprise, mode })),
    ...Object.entries(receivers).flatMap(([receiver, now]) =>
      receiverModes.map((mode) => sample('webhook_mode', Number(mode === now), { enterprise, receiver, mode })),
    ),
    ...usersModes.map((mode) => sample('users_map', Number(mode === usersMode), { enterprise, mode })),
    sample('sync_troubles', syncTroubles.length, { enterprise }),
  ];
}

function storedSamples({ outbox, gaps, drops }: Stored, now: number): Sample[] {
  return [
    ...outbox.flatMap(({ account, kind, state, count, dueSince }) =>
      state === 'dead'
        ? [sample('dead_letters', count, { account, kind })]
        : [
            sample('outbox_rows', count, { account, kind, state }),
            ...(state === 'pending' && dueSince !== null
              ? [sample('outbox_overdue_seconds', Math.max(0, (now - dueSince.getTime()) / 1000), { account, kind })]
              : []),
          ],
    ),
    ...gaps.flatMap(({ enterprise, host, open, count, seconds }) => [
      sample('gap_open', Number(open), { enterprise, host }),
      sample('gaps_last_day', count, { enterprise, host }),
      sample('gap_seconds_last_day', seconds, { enterprise, host }),
    ]),
    ...drops.map(({ enterprise, host, reason, total }) => sample('drops_total', total, { enterprise, host, reason })),
  ];
}

function httpSamples(figures: HttpFigures): Sample[] {
  return [
    ...figures.requests.rows().map(({ labels, value }) => sample('http_requests_total', value, labels)),
    ...[...figures.seconds].map(([route, value]) => sample('http_request_seconds', value, { route })),
    ...figures.refused.rows().map(({ labels, value }) => sample('http_refused_total', value, labels)),
    sample('http_connections_refused_total', figures.connectionsRefused),
    ...figures.broken.rows().map(({ labels, value }) => sample('http_broken_total', value, labels)),
  ];
}

/** Asks again only after `ms`; who asks meanwhile gets, or waits for, the same answer. A failure is not kept. */
function kept<T>(ms: number, load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined;
  let until = -Infinity;
  return () => {
    if (loading === undefined || performance.now() >= until) {
      until = performance.now() + ms;
      loading = load();
      loading.catch(() => (until = -Infinity));
    }
    return loading;
  };
}
