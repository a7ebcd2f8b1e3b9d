/** A daemon between simulated PBXs and the CRM emulator, with calls coming in. */
import { silentLog } from '../../src/log.ts';

import { openStore, type Store } from '../../src/store/database.ts';
import { Pbx } from '../support/pbx.ts';
import type { Pace } from '../support/pbxCalls.ts';
import { PbxLoad } from '../support/pbxLoad.ts';
import { Chance } from '../support/pbxRandom.ts';
import { Crms } from './crms.ts';
import { DaemonProcess, didsOf } from './daemon.ts';
import type { Lab } from './lab.ts';
import { until } from './wait.ts';

/** One PBX of a scene, in its tenant. */
export interface SceneHost {
  tenant: string;
  id: string;
  pbx: Pbx;
  load: PbxLoad;
}

/** What a scene is made of. */
export interface SceneOptions {
  name: string;
  seed: number;
  /** Default 1; each has a CRM account of its own. */
  tenants?: number;
  /** Of each tenant, default 1. */
  hostsPerTenant?: number;
  /** On each host, default 3. */
  callsPerSecond?: number;
  pace?: Pace;
  /** Default: a new database on the shared server. */
  databaseUrl?: string;
  /** The port the daemon takes for a PBX, given the real one. */
  amiPort?: (port: number) => Promise<number>;
  /** Index of the host whose PBX is not there yet. */
  awayHost?: number;
}

/** Everything of one test. */
export class Scene {
  readonly crm: Crms;
  readonly hosts: readonly SceneHost[];
  readonly daemon: DaemonProcess;
  readonly databaseUrl: string;
  readonly chance: Chance;
  #store: Store | undefined;

  private constructor(parts: {
    crm: Crms;
    hosts: SceneHost[];
    daemon: DaemonProcess;
    databaseUrl: string;
    chance: Chance;
  }) {
    this.crm = parts.crm;
    this.hosts = parts.hosts;
    this.daemon = parts.daemon;
    this.databaseUrl = parts.databaseUrl;
    this.chance = parts.chance;
  }

  /** Sets the stage; the daemon is not started and no call comes. */
  static async set(lab: Lab, options: SceneOptions): Promise<Scene> {
    const { name, seed, tenants = 1, hostsPerTenant = 1, callsPerSecond = 3, pace } = options;
    const ids = Array.from({ length: tenants }, (_, index) => `tenant${index + 1}`);
    const crm = await Crms.start(ids);
    const hosts: SceneHost[] = [];
    for (const [index, tenant] of ids.entries()) {
      for (let number = 0; number < hostsPerTenant; number++) {
        const pbx = await Pbx.start({ away: options.awayHost === hosts.length });
        const chance = new Chance(seed * 1000 + hosts.length);
        const load = new PbxLoad({
          pbx,
          chance,
          callsPerSecond,
          dids: didsOf(index),
          ...(pace === undefined ? {} : { pace }),
        });
        hosts.push({ tenant, id: `pbx${index * hostsPerTenant + number + 1}`, pbx, load });
      }
    }
    const databaseUrl = options.databaseUrl ?? (await lab.database());
    const ports = await Promise.all(hosts.map(async ({ pbx }) => (await options.amiPort?.(pbx.port)) ?? pbx.port));
    const daemon = await DaemonProcess.prepare({
      main: lab.main,
      dir: await lab.directory(name),
      databaseUrl,
      tenants: ids.map((id) => ({
        ...{ id, crmUrl: crm.url(id), crmKey: `${id}-key` },
        hosts: hosts.flatMap((host, at) =>
          host.tenant === id
            ? [{ id: host.id, port: ports[at] ?? 0, user: host.pbx.user, secret: host.pbx.secret }]
            : [],
        ),
      })),
    });
    return new Scene({ crm, hosts, daemon, databaseUrl, chance: new Chance(seed) });
  }

  /** The first host: most tests have one. */
  get host(): SceneHost {
    const [host] = this.hosts;
    if (host === undefined) throw new Error('a scene without hosts');
    return host;
  }

  /** Starts the daemon and waits until it hears every host. */
  async begin(): Promise<void> {
    this.daemon.start();
    await this.heard(60_000);
  }

  /** Calls come on every host. */
  busy(): void {
    for (const { load } of this.hosts) load.start();
  }

  /** Resolves when every host is in sync. */
  async heard(limitMs: number): Promise<number> {
    return until(() => this.hosts.every(({ pbx }) => pbx.deaf.at(-1)?.to !== Infinity), limitMs, 'hearing every host');
  }

  /** A pool of our own on the daemon's database. */
  async store(): Promise<Store> {
    return (this.#store ??= await openStore({
      url: this.databaseUrl,
      log: silentLog,
      poolSize: 2,
      application: 'faults',
    }));
  }

  /** Records the CRM holds, of all tenants. */
  get held(): number {
    return this.crm.tenants.reduce((sum, name) => sum + this.crm.account(name).calls.size, 0);
  }

  /** Ends everything, kindly first. */
  async strike(): Promise<void> {
    for (const { load } of this.hosts) load.abandon();
    try {
      if (this.daemon.running) await this.daemon.terminate();
    } finally {
      await this.daemon.kill();
      await this.#store?.close().catch(() => undefined);
      for (const { pbx } of this.hosts) await pbx.close();
      await this.crm.stop();
    }
  }
}
