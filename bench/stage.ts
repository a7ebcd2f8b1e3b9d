import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { silentLog } from '../src/log.ts';
import { projectRoot } from '../src/root.ts';
import { startEmbedded } from '../src/store/embedded.ts';
import { Crms } from '../test/faults/crms.ts';
import { DaemonProcess, didsOf, type Tenant } from '../test/faults/daemon.ts';
import { Pbx } from '../test/support/pbx.ts';
import type { Pace } from '../test/support/pbxCalls.ts';
import { PbxLoad } from '../test/support/pbxLoad.ts';
import { Chance } from '../test/support/pbxRandom.ts';

/** The CRM takes 40 popups and uploads a second of one account: with 20 accounts its limit is not what is measured. */
export const tenants = 20;
/** All tenants together; a call says about 32 events in about 15 s, so that 1,000 calls are under way at 2,000 events/s. */
const eventsPerSecond = 2_000;
const eventsPerCall = 32;
const pace: Pace = { ring: [3_000, 7_000], talk: [4_000, 14_000] };
/** Longest calls of this pace: after so long as many end as begin. */
const warmUpMs = 20_000;

/** Customers each CRM knows, with `lookup`: every second call is with one of them. */
const customers = Array.from({ length: 400 }, (_, index) => `+375299${String(990_000 + index)}`);

/** One simulated PBX and what it is made to say. */
export interface BenchHost {
  id: string;
  pbx: Pbx;
  load: PbxLoad;
}

/** What a bench under load works with. */
export interface LoadStage {
  readonly hosts: readonly BenchHost[];
  readonly crms: Crms;
  readonly daemon: DaemonProcess;
  readonly databaseUrl: string;
  /** Events all PBXs have said so far. */
  events(): number;
  /** Starts the daemon; resolves when all hosts are in sync. */
  start(): Promise<void>;
  /** Lets the calls begin; resolves when as many end as begin. */
  warmUp(): Promise<void>;
}

/**
 * The daemon as a process of its own against a real PostgreSQL (fsync on), 20 simulated PBXs in 20 enterprises with a CRM emulator
 * each, everything else of the bench in this process. Nothing of it is left when `work` is over.
 * @param options what the tenants and the daemon are besides
 */
export async function underLoad<T>(
  options: Pick<Tenant, 'clicks' | 'lookup'> & { readonly level: 'debug' | 'info' },
  work: (stage: LoadStage) => Promise<T>,
): Promise<T> {
  const { level, ...tenant } = options;
  const root = projectRoot();
  await promisify(execFile)(process.execPath, [join(root, 'scripts/build.mjs')]);
  const dir = await mkdtemp(join(tmpdir(), 'asterisk-retailcrm-load-'));
  await chmod(dir, 0o755); // PostgreSQL does not run as root: its user must get through
  const server = await startEmbedded({ dataDir: join(dir, 'postgres'), log: silentLog });
  const ids = Array.from({ length: tenants }, (_, index) => `tenant${index + 1}`);
  const known = tenant.lookup === false ? undefined : customers;
  const crms = await Crms.start(ids, known);
  const hosts = await Promise.all(ids.map((id, index) => host(id, index, known)));
  const daemon = await DaemonProcess.prepare({
    ...{ main: join(root, 'dist/main.js'), dir, databaseUrl: server.url, level },
    tenants: hosts.map(({ id, pbx }) => ({
      ...{ id, crmUrl: crms.url(id), crmKey: `${id}-key`, ...tenant },
      hosts: [{ id: `pbx-${id}`, port: pbx.port, user: pbx.user, secret: pbx.secret }],
    })),
  });
  try {
    return await work({
      ...{ hosts, crms, daemon, databaseUrl: server.url },
      events: () => hosts.reduce((sum, { pbx }) => sum + pbx.events, 0),
      start: async () => {
        daemon.start();
        await Promise.all(hosts.map(({ pbx }) => pbx.synced()));
      },
      warmUp: async () => {
        for (const { load } of hosts) load.start();
        await pass(warmUpMs);
      },
    });
  } finally {
    for (const { load } of hosts) load.abandon();
    await daemon.terminate().finally(() => daemon.kill());
    await Promise.all(hosts.map(({ pbx }) => pbx.close()));
    await crms.stop();
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

async function host(id: string, index: number, known: readonly string[] | undefined): Promise<BenchHost> {
  const pbx = await Pbx.start();
  const callsPerSecond = eventsPerSecond / eventsPerCall / tenants;
  return {
    id,
    pbx,
    load: new PbxLoad({
      ...{ pbx, chance: new Chance(index + 1), callsPerSecond, pace, dids: didsOf(index) },
      ...(known === undefined ? {} : { customers: known }),
    }),
  };
}

/** Lets time pass; none, if `ms` is over already. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
