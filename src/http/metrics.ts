/** The text Prometheus reads, and the list of everything in it; `docs/metrics.md` explains each and a test compares the two. */
import type { Buckets } from './figures.ts';

/** What a metric is. */
export interface MetricDefinition {
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
}

const own = 'asterisk_retailcrm';

/** Every metric there is, in the order of the page. No label ever holds a number, a name or a secret. */
export const METRICS = {
  [`${own}_build_info`]: gauge('1; which program this is', 'version', 'node'),
  [`${own}_database_up`]: gauge('1 when the database answered the last query'),
  [`${own}_host_up`]: gauge('1 when the host is watched: logged in and in sync', 'enterprise', 'host'),
  [`${own}_host_state`]: gauge('1 for the state the link is in: down, syncing, live', 'enterprise', 'host', 'state'),
  [`${own}_host_clock_skew_seconds`]: gauge("the host's clock minus ours, at the last login", 'enterprise', 'host'),
  [`${own}_host_received_bytes_total`]: counter('bytes read from the manager interface', 'enterprise', 'host'),
  [`${own}_host_messages_total`]: counter('messages read, unused ones included', 'enterprise', 'host'),
  [`${own}_host_anomalies_total`]: counter('messages with doubled or unknown parts', 'enterprise', 'host'),
  [`${own}_calls_live`]: gauge('calls under way', 'enterprise'),
  [`${own}_writes_waiting`]: gauge('rows kept in memory until the database takes them', 'enterprise'),
  [`${own}_event_durable_seconds`]: histogram('from an event on the PBX until it is on disk', 'enterprise'),
  [`${own}_outbox_rows`]: gauge('rows not settled: pending, or waiting for a recording', 'account', 'kind', 'state'),
  [`${own}_outbox_overdue_seconds`]: gauge('how long the longest-waiting row has been due', 'account', 'kind'),
  [`${own}_dead_letters`]: gauge('requests the CRM refused and nobody has looked at', 'account', 'kind'),
  [`${own}_deliveries_total`]: counter('requests settled: done, later, dead, expired', 'account', 'kind', 'outcome'),
  [`${own}_drops_total`]: counter('calls left out on purpose', 'enterprise', 'host', 'reason'),
  [`${own}_gap_open`]: gauge('1 while a host is not watched', 'enterprise', 'host'),
  [`${own}_gaps_last_day`]: gauge('periods of the last 24 hours in which it was not watched', 'enterprise', 'host'),
  [`${own}_gap_seconds_last_day`]: gauge(
    'seconds of the last 24 hours in which it was not watched',
    'enterprise',
    'host',
  ),
  [`${own}_crm_mode`]: gauge(
    '1 for the mode of the account: closed (well), open, parked, telephonyOff',
    'enterprise',
    'mode',
  ),
  [`${own}_errands_mode`]: gauge(
    '1 for the mode of the lane of cards, orders, tasks and notes; as crm_mode',
    'enterprise',
    'mode',
  ),
  [`${own}_webhook_mode`]: gauge(
    '1 for how a receiver of webhooks stands: closed (well), open (fails), gone (said 410)',
    'enterprise',
    'receiver',
    'mode',
  ),
  [`${own}_users_map`]: gauge(
    "1 for how the CRM's list of users is taken: new, good, guarded (not believed), stale (not to be had)",
    'enterprise',
    'mode',
  ),
  [`${own}_sync_troubles`]: gauge("parts of following the CRM's changes that do not work now", 'enterprise'),
  [`${own}_http_requests_total`]: counter('requests answered', 'route', 'method', 'status'),
  [`${own}_http_request_seconds`]: histogram('how long the answer took', 'route'),
  [`${own}_http_refused_total`]: counter('requests whose credential or address was refused', 'reason'),
  [`${own}_http_connections_refused_total`]: counter('connections refused because there were too many'),
  [`${own}_http_broken_total`]: counter('requests that were no HTTP or never ended, by the status they got', 'status'),
  process_resident_memory_bytes: gauge('memory of the process'),
  process_cpu_seconds_total: counter('processor time, user and system'),
  process_start_time_seconds: gauge('when the process began, seconds since 1970'),
  nodejs_heap_size_used_bytes: gauge('JavaScript heap in use'),
  nodejs_eventloop_lag_p99_seconds: gauge("event loop's delay since the last look, 99th percentile"),
  nodejs_eventloop_lag_max_seconds: gauge("event loop's delay since the last look, longest"),
} as const satisfies Record<string, MetricDefinition>;

/** One value. */
export interface Sample {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number | Buckets;
}

/** A sample of one of our own metrics: the prefix is added. */
export function sample(name: string, value: number | Buckets, labels?: Readonly<Record<string, string>>): Sample {
  const whole = Object.hasOwn(METRICS, name) ? name : `${own}_${name}`;
  return { name: whole, value, ...(labels === undefined ? {} : { labels }) };
}

/** Content type of the text. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** The text: each metric with its help, type and values. Throws on a value whose metric or labels are not in the list. */
export function exposition(samples: readonly Sample[]): string {
  const definitions: Readonly<Record<string, MetricDefinition>> = METRICS;
  const byName = new Map<string, Sample[]>();
  for (const one of samples) {
    const labels = Object.keys(one.labels ?? {}).join();
    if (definitions[one.name]?.labels.join() !== labels) throw new Error(`no metric ${one.name}{${labels}}`);
    const list = byName.get(one.name);
    if (list) list.push(one);
    else byName.set(one.name, [one]);
  }
  let text = '';
  for (const [name, { type, help }] of Object.entries(definitions)) {
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    for (const { labels = {}, value } of byName.get(name) ?? []) {
      text += typeof value === 'number' ? line(name, labels, value) : buckets(name, labels, value);
    }
  }
  return text;
}

function buckets(name: string, labels: Readonly<Record<string, string>>, value: Buckets): string {
  let below = 0;
  let text = '';
  for (const [at, count] of value.counts.entries()) {
    below += count;
    const limit = value.limits[at];
    text += line(`${name}_bucket`, { ...labels, le: limit === undefined ? '+Inf' : String(limit) }, below);
  }
  return `${text}${line(`${name}_sum`, labels, value.sum)}${line(`${name}_count`, labels, below)}`;
}

function line(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const inside = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
  return `${name}${inside.length === 0 ? '' : `{${inside.join(',')}}`} ${Number.isFinite(value) ? value : 'NaN'}\n`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function gauge(help: string, ...labels: string[]): MetricDefinition {
  return { type: 'gauge', help, labels };
}

function counter(help: string, ...labels: string[]): MetricDefinition {
  return { type: 'counter', help, labels };
}

function histogram(help: string, ...labels: string[]): MetricDefinition {
  return { type: 'histogram', help, labels };
}
