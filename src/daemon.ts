import { hostname } from 'node:os';
import { join } from 'node:path';
import { Accounts, ownerName } from './accounts.ts';
import { SecretError, resolveSecret } from './config/secrets.ts';
import type { DaemonSettings, Settings } from './config/settings.ts';
import { startDialplanServer } from './crmSide.ts';
import type { Settled } from './deliveryLog.ts';
import { Enterprise } from './enterprise.ts';
import type { ResponsibleReply } from './http/tenant.ts';
import { groupCommit } from './groupCommit.ts';
import type { Logger } from './log.ts';
import { projectRoot } from './root.ts';
import type { Db } from './store/database.ts';
import { type Store, openStore } from './store/database.ts';
import { defaultDataDir, startEmbedded } from './store/embedded.ts';
import { migrateDatabase } from './store/migrations.ts';
import { chunks } from './store/values.ts';
import { startVitals } from './vitals.ts';
import { type Web, deliveryTally, startWeb } from './web.ts';

/** A running daemon. */
export interface Daemon {
  readonly db: Db;
  readonly enterprises: readonly Enterprise[];
  /** Its listeners; undefined when `http.enabled` is false. */
  readonly web: Web | undefined;
  /** Settles when everything heard so far is committed and everything due is delivered. */
  drain(): Promise<void>;
  /** In reverse of the start: listeners, hosts, intakes, delivery, database. At most about 10 s. */
  stop(): Promise<void>;
}

/**
 * Where the data are: a server somebody runs, or the embedded one.
 * @param guest a command beside the daemon: an embedded server that runs already is not ours to stop
 */
export async function openDatabase(
  settings: DaemonSettings,
  log: Logger,
  guest = false,
): Promise<{ url: string; stop(): Promise<void> }> {
  const fromEnv = process.env['DATABASE_URL'];
  const { database } = settings;
  if (database.kind === 'url') {
    const url = typeof database.url === 'string' ? database.url : resolveSecret(database.url);
    return { url, stop: () => Promise.resolve() };
  }
  if (fromEnv !== undefined && fromEnv !== '') return { url: fromEnv, stop: () => Promise.resolve() };
  const server = await startEmbedded({ dataDir: database.dir ?? join(defaultDataDir(), 'postgres'), log });
  return guest && server.attached ? { url: server.url, stop: () => Promise.resolve() } : server;
}

/** Reads as the list it is: secrets, database, schema, store, accounts, enterprises. */
export async function startDaemon(
  settings: Settings,
  log: Logger,
  onSettled?: (settled: Settled) => void,
): Promise<Daemon> {
  checkSecrets(settings);
  const database = await openDatabase(settings.daemon, log);
  try {
    await migrateDatabase({ url: database.url, dir: join(projectRoot(), 'db/migrations'), log });
    const [store, core, lanes, actions] = await openStores(database.url, log);
    const deliveries = deliveryTally();
    const settled = (one: Settled): void => {
      deliveries.settled(one);
      onSettled?.(one);
    };
    const accounts = new Accounts(lanes.db, log, ownerName(settings.daemon.instance ?? hostname()), settled);
    const commits = groupCommit(core.db);
    const enterprises = settings.enterprises.map(
      (one) =>
        new Enterprise(one, accounts.of(one), store.db, log, commits, settings.daemon.http.publicUrl, actions.db),
    );
    await accounts.takeBack();
    await startAll(enterprises, async () => {
      await Promise.allSettled(enterprises.map((enterprise) => enterprise.stop()));
      await accounts.stop();
    });
    const hosts = settings.enterprises.flatMap((one) => one.hosts).length;
    const curious = settings.daemon.log.level === 'debug';
    const endVitals = curious ? startVitals(log, () => enterprises.flatMap((one) => one.intakes)) : () => undefined;
    const inner = running(enterprises, accounts, [store, core, lanes, actions], database, endVitals);
    const web = await startWeb({ settings, enterprises, db: store.db, deliveries: deliveries.tally, log }).catch(
      async (error: unknown) => {
        await inner.stop();
        throw error;
      },
    );
    const daemon = { ...withDoor(inner, web), web };
    const ask = (id: string, phone: string): Promise<ResponsibleReply> =>
      enterprises.find((one) => one.id === id)?.doors.responsible?.(phone) ?? Promise.resolve({ known: false });
    const agi = await startDialplanServer(settings, ask, log).catch(async (error: unknown) => {
      await daemon.stop();
      throw error;
    });
    log.info(`ready: ${enterprises.length} enterprises, ${hosts} hosts`);
    return withDoor(daemon, agi);
  } catch (error) {
    await database.stop();
    throw error;
  }
}

/** A few at a time: they share a pool, and nobody may wait long for a connection. If one cannot, none goes on. */
async function startAll(enterprises: readonly Enterprise[], giveUp: () => Promise<void>): Promise<void> {
  try {
    for (const some of chunks(enterprises, 4)) await Promise.all(some.map((enterprise) => enterprise.start()));
  } catch (error) {
    await giveUp();
    throw error;
  }
}

/**
 * Four pools: for looking things up; for writing calls, over connections of their own, so that none waits for a
 * delivery (D6); for leases and settlements, whose commits need not wait for the disk; for clicks and the audit
 * log: who waits at a telephone waits behind nobody's look-ups.
 */
function openStores(url: string, log: Logger): Promise<[Store, Store, Store, Store]> {
  return Promise.all([
    openStore({ url, log, poolSize: 4, warm: true }),
    openStore({ url, log, poolSize: 2, application: 'asterisk-retailcrm calls' }),
    openStore({ url, log, poolSize: 8, application: 'asterisk-retailcrm delivery', relaxed: true }),
    openStore({ url, log, poolSize: 3, application: 'asterisk-retailcrm actions', warm: true }),
  ]);
}

function running(
  enterprises: readonly Enterprise[],
  accounts: Accounts,
  stores: readonly [Store, ...Store[]],
  database: { stop(): Promise<void> },
  endVitals: () => void,
): Daemon {
  return {
    db: stores[0].db,
    enterprises,
    web: undefined,
    async drain() {
      await Promise.all(enterprises.map((enterprise) => enterprise.drain()));
      await Promise.all(
        accounts.all().flatMap((one) => [one.worker.drain(), one.errands.drain(), one.webhooks.drain()]),
      );
    },
    async stop() {
      endVitals();
      await Promise.all(enterprises.map((enterprise) => enterprise.stop()));
      await accounts.stop();
      await Promise.all(stores.map((store) => store.close()));
      await database.stop();
    },
  };
}

/** The daemon with one more listener: it stops first. */
function withDoor(daemon: Daemon, door: { stop(): Promise<void> } | undefined): Daemon {
  return {
    ...daemon,
    async stop() {
      await door?.stop();
      await daemon.stop();
    },
  };
}

/** Reads every secret once, so that a missing one is told before anything is started, and all missing ones together. */
function checkSecrets(settings: Settings): void {
  const refs = settings.enterprises.flatMap((one) => [
    one.retailcrm.key,
    ...(one.retailcrm.webhookSecret === undefined ? [] : [one.retailcrm.webhookSecret]),
    ...one.hosts.map((host) => host.ami.secret),
    ...one.webhooks.map((hook) => hook.secret),
  ]);
  const problems = refs.flatMap((ref) => {
    try {
      resolveSecret(ref);
      return [];
    } catch (error) {
      if (error instanceof SecretError) return [error.message];
      throw error;
    }
  });
  if (problems.length > 0) throw new SecretError(problems.join('\n'));
}
