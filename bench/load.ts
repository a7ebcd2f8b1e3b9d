import { execFile } from 'node:child_process';
import { mkdtemp, rm, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { silentLog } from '../src/log.ts';
import { projectRoot } from '../src/root.ts';
import { startEmbedded } from '../src/store/embedded.ts';
import { Crms } from '../test/faults/crms.ts';
import { DaemonProcess, didsOf } from '../test/faults/daemon.ts';
import { Pbx } from '../test/support/pbx.ts';
import type { Pace } from '../test/support/pbxCalls.ts';
import { PbxLoad } from '../test/support/pbxLoad.ts';
import { Chance } from '../test/support/pbxRandom.ts';
import type { BenchResult } from './ami.ts';

/** The CRM takes 40 popups and uploads a second of one account: with 20 accounts its limit is not what is measured. */
const tenants = 20;
/** All tenants together; a call says about 32 events in about 15 s, so that 1,000 calls are under way at 2,000 events/s. */
const eventsPerSecond = 2_000;
const eventsPerCall = 32;
const pace: Pace = { ring: [3_000, 7_000], talk: [4_000, 14_000] };
/** Longest calls of this pace: after so long as many end as begin. */
const warmUpMs = 20_000;

/**
 * The load alone, and in a full run once more with a look-up of every caller, each a number the CRM is asked for the first time:
 * some three requests more per call.
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

/**
 * The daemon as a process of its own against a real PostgreSQL (fsync on), 20 simulated PBXs in 20 enterprises with a CRM emulator
 * each, everything else of the bench in this process.
 */
async function measure(smoke: boolean, lookup: boolean): Promise<Measured> {
  const root = projectRoot();
  await promisify(execFile)(process.execPath, [join(root, 'scripts/build.mjs')]);
  const dir = await mkdtemp(join(tmpdir(), 'asterisk-retailcrm-load-'));
  await chmod(dir, 0o755); // PostgreSQL does not run as root: its user must get through
  const server = await startEmbedded({ dataDir: join(dir, 'postgres'), log: silentLog });
  const ids = Array.from({ length: tenants }, (_, index) => `tenant${index + 1}`);
  const crms = await Crms.start(ids);
  const hosts = await Promise.all(ids.map(async (id, index) => host(id, index)));
  const daemon = await DaemonProcess.prepare({
    ...{ main: join(root, 'dist/main.js'), dir, databaseUrl: server.url, level: 'debug' },
    tenants: hosts.map(({ id, pbx }) => ({
      ...{ id, crmUrl: crms.url(id), crmKey: `${id}-key`, lookup },
      hosts: [{ id: `pbx-${id}`, port: pbx.port, user: pbx.user, secret: pbx.secret }],
    })),
  });
  try {
    daemon.start();
    await Promise.all(hosts.map(({ pbx }) => pbx.synced()));
    for (const { load } of hosts) load.start();
    await pass(warmUpMs);
    const from = Date.now();
    daemon.lines.length = 0;
    const before = hosts.reduce((sum, { pbx }) => sum + pbx.events, 0);
    let live = 0;
    for (let second = 0; second < (smoke ? 10 : 60); second++) {
      await pass(1000);
      live = Math.max(
        live,
        hosts.reduce((sum, { load }) => sum + load.live, 0),
      );
    }
    const to = Date.now();
    const events = hosts.reduce((sum, { pbx }) => sum + pbx.events, 0) - before;
    await daemon.says(/^vitals$/, 11_000);
    return {
      events: events / ((to - from) / 1000),
      live,
      popups: popupDelays(hosts, crms, from, to),
      vitals: vitalsOf(daemon),
    };
  } finally {
    for (const { load } of hosts) load.abandon();
    await daemon.terminate().finally(() => daemon.kill());
    await Promise.all(hosts.map(({ pbx }) => pbx.close()));
    await crms.stop();
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

interface BenchHost {
  id: string;
  pbx: Pbx;
  load: PbxLoad;
}

async function host(id: string, index: number): Promise<BenchHost> {
  const pbx = await Pbx.start();
  const callsPerSecond = eventsPerSecond / eventsPerCall / tenants;
  return {
    id,
    pbx,
    load: new PbxLoad({ pbx, chance: new Chance(index + 1), callsPerSecond, pace, dids: didsOf(index) }),
  };
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

function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
