import type { Crms } from '../test/faults/crms.ts';
import type { DaemonProcess } from '../test/faults/daemon.ts';
import type { BenchResult } from './ami.ts';
import { type BenchHost, pass, tenants, underLoad } from './stage.ts';

/**
 * The load alone, and in a full run once more with a look-up of every caller: every second one is a customer the CRM knows, hardly
 * any has called before. Some two requests more per call.
 */
export async function run({ smoke }: { smoke: boolean }): Promise<BenchResult[]> {
  const alone = await measure(smoke, false);
  if (smoke) return figures(alone);
  const asked = await measure(smoke, true);
  const p99 = rank(asked.popups, 0.99);
  return [
    ...figures(alone),
    { name: 'load, every caller looked up: event → durable p99', value: asked.vitals.commitP99Ms, unit: 'ms' },
    { name: 'load, every caller looked up: ring → popup p99', value: p99, unit: 'ms' },
    { name: 'load, every caller looked up: resident memory', value: asked.vitals.rssMiB, unit: 'MiB' },
    atMost('load: ring → popup p99, look-ups / none', p99 / rank(alone.popups, 0.99), 1.1, '×'),
  ];
}

interface Measured {
  events: number;
  live: number;
  popups: number[];
  vitals: Vitals;
}

function measure(smoke: boolean, lookup: boolean): Promise<Measured> {
  return underLoad({ lookup, level: 'debug' }, async (stage) => {
    const { hosts, crms, daemon } = stage;
    await stage.start();
    await stage.warmUp();
    const from = Date.now();
    daemon.lines.length = 0;
    const before = stage.events();
    let live = 0;
    for (let second = 0; second < (smoke ? 10 : 60); second++) {
      await pass(1000);
      live = Math.max(
        live,
        hosts.reduce((sum, { load }) => sum + load.live, 0),
      );
    }
    const to = Date.now();
    const events = stage.events() - before;
    await daemon.says(/^vitals$/, 11_000);
    return {
      events: events / ((to - from) / 1000),
      live,
      popups: popupDelays(hosts, crms, from, to),
      vitals: vitalsOf(daemon),
    };
  });
}

/** From the moment a bell began on the PBX to the popup's arrival at the CRM, milliseconds, sorted. */
function popupDelays(hosts: readonly BenchHost[], crms: Crms, from: number, to: number): number[] {
  const delays: number[] = [];
  for (const { id, load } of hosts) {
    const calls = new Map(load.calls.map((call) => [`pbx-${id}-${call.uniqueid}`, call]));
    for (const event of crms.account(id).events) {
      if (event.type !== 'in' || event.at < from || event.at > to) continue;
      for (const code of event.codes) {
        const ring = calls.get(event.callExternalId ?? '')?.rings.find((one) => one.ext === code);
        if (ring !== undefined) delays.push(event.at - ring.at);
      }
    }
  }
  return delays.sort((a, b) => a - b);
}

interface Vitals {
  rssMiB: number;
  loopP99Ms: number;
  commitP99Ms: number;
}

/** The worst of what the daemon's log told of itself, window by window. */
function vitalsOf(daemon: DaemonProcess): Vitals {
  const worst = { rssMiB: 0, loopP99Ms: 0, commitP99Ms: 0 };
  for (const { text } of daemon.said(/^vitals$/)) {
    const record: unknown = JSON.parse(text.replace(/^<\d>/, ''));
    if (typeof record !== 'object' || record === null) continue;
    for (const [name, value] of Object.entries(record)) {
      if (typeof value === 'number' && name in worst) {
        const key = name as keyof Vitals;
        worst[key] = Math.max(worst[key], value);
      }
    }
  }
  return worst;
}

const rank = (sorted: readonly number[], share: number): number =>
  sorted[Math.floor(sorted.length * share)] ?? Number.NaN;

function figures({ events, live, popups, vitals }: Measured): BenchResult[] {
  return [
    {
      name: `load: events, ${tenants} PBXs and accounts`,
      value: events,
      unit: 'events/s',
      target: '≥ 1900',
      ok: events >= 1900,
    },
    { name: 'load: calls under way at most', value: live, unit: 'calls' },
    atMost('load: event → durable p99, worst 10 s', vitals.commitP99Ms, 100, 'ms'),
    { name: 'load: ring → popup p50 (150 ms of it gather a ring round)', value: rank(popups, 0.5), unit: 'ms' },
    atMost('load: ring → popup p99', rank(popups, 0.99), 300, 'ms'),
    atMost('load: resident memory', vitals.rssMiB, 256, 'MiB'),
    atMost('load: event-loop delay p99, worst 10 s', vitals.loopP99Ms, 50, 'ms'),
  ];
}

function atMost(name: string, value: number, target: number, unit: string): BenchResult {
  return { name, value, unit, target: `≤ ${target}`, ok: value <= target };
}
