/**
 * A PostgreSQL server of our own, for trial use and tests: made on first use, found again after a kill of the daemon,
 * started again after a kill of the server, stopped with the daemon.
 */
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Logger } from '../log.ts';
import { blockedFor, EmbeddedError, findBinaries } from './binaries.ts';
import { initCluster, type Place, readPort, readServerPid, runServer, stopServer } from './cluster.ts';
import { createDatabase, look } from './serverProbe.ts';

export { EmbeddedError } from './binaries.ts';

/** How to start. */
export interface EmbeddedOptions {
  /** A directory for us alone: holds the cluster, its password and its log. See `defaultDataDir`. */
  dataDir: string;
  log: Logger;
  /** Whose programs first; default the system's. An existing cluster decides by its version. */
  prefer?: 'system' | 'package';
  /** Server settings, for tests. */
  settings?: Readonly<Record<string, string>>;
}

/** A running server. */
export interface Embedded {
  /** Carries the password: never log it. Stays the same while this object lives. */
  url: string;
  /** True when the server was running already. */
  attached: boolean;
  /** Process id of the server now; undefined while it is being started again. */
  pid(): Promise<number | undefined>;
  /** Fast shutdown: open transactions roll back, committed ones are on disk. Resolves when the server is gone. */
  stop(): Promise<void>;
}

/** PostgreSQL refuses to run as root; then it runs as nobody. */
const NOBODY = 65534;
const DATABASE = 'asterisk_retailcrm';
const START_MS = 60_000;
const WATCH_MS = 500;

/** Where the daemon keeps its data unless told otherwise: systemd's state directory, root's, or the user's. */
export function defaultDataDir(): string {
  const fromSystemd = process.env['STATE_DIRECTORY']?.split(':')[0];
  if (fromSystemd) return fromSystemd;
  return process.getuid?.() === 0
    ? '/var/lib/asterisk-retailcrm'
    : join(homedir(), '.local', 'state', 'asterisk-retailcrm');
}

/**
 * Attaches to the server of `dataDir`, or starts it, making the cluster first if there is none. A server that dies is
 * started again on the same port. Throws EmbeddedError, which says what to do, when that is not possible here.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { log } = options;
  const home = await prepareHome(resolve(options.dataDir));
  const password = await keptPassword(home.dir);
  const place: Place = { ...home, cluster: join(home.dir, 'cluster'), password };
  const { port, attached } = await reach(place, options);
  log.info(attached ? 'embedded database was running, attached to it' : 'embedded database started', {
    dataDir: home.dir,
    port,
  });

  let stopping = false;
  let restarting: Promise<void> | undefined;
  const watch = setInterval(() => {
    restarting ??= restartIfGone().finally(() => (restarting = undefined));
  }, WATCH_MS);
  watch.unref();
  const restartIfGone = async (): Promise<void> => {
    if (stopping || (await readServerPid(place.cluster)) !== undefined) return;
    log.error('embedded database died, starting it again', { dataDir: home.dir });
    try {
      await start(place, options, port);
    } catch (error) {
      log.error('embedded database does not start', { error: error instanceof Error ? error.message : String(error) });
    }
  };

  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/${DATABASE}`,
    attached,
    pid: () => readServerPid(place.cluster),
    stop: async () => {
      stopping = true;
      clearInterval(watch);
      await restarting;
      await stopServer(place.cluster, log);
    },
  };
}

/** A server that answers and has our database. One found in its last moments is followed by one of our own. */
async function reach(place: Place, options: EmbeddedOptions): Promise<{ port: number; attached: boolean }> {
  const found = await findRunning(place);
  if (found !== undefined) {
    try {
      await createDatabase(found, place.password, DATABASE);
      return { port: found, attached: true };
    } catch (error) {
      options.log.debug('the server found is going away', {
        error: error instanceof Error ? error.message : String(error),
      });
    }
  }
  const port = await start(place, options);
  await createDatabase(port, place.password, DATABASE);
  return { port, attached: false };
}

/** Makes the directory, and sees to it that the server's user can get through it. */
async function prepareHome(wanted: string): Promise<{ dir: string; runAs: number | undefined }> {
  if (process.platform !== 'linux') {
    throw new EmbeddedError(`the embedded database runs on Linux only, this is ${process.platform}: set DATABASE_URL`);
  }
  await mkdir(wanted, { recursive: true, mode: 0o755 });
  const dir = await realpath(wanted);
  if (process.getuid?.() !== 0) return { dir, runAs: undefined };
  await chmod(dir, 0o711);
  const blocked = await blockedFor(dir, NOBODY);
  if (blocked !== undefined) {
    throw new EmbeddedError(
      `PostgreSQL refuses to run as root and its user (nobody) cannot enter ${blocked}. Choose a data directory elsewhere, e.g. /var/lib/asterisk-retailcrm, or run the daemon as a user of its own.`,
    );
  }
  return { dir, runAs: NOBODY };
}

/** The password of the cluster, made once; mode 0600 next to the cluster. */
async function keptPassword(home: string): Promise<string> {
  const file = join(home, 'password');
  try {
    await writeFile(file, randomBytes(24).toString('base64url'), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (!(typeof error === 'object' && error !== null && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  return (await readFile(file, 'utf8')).trim();
}

/** The port of the cluster's server if it runs. Waits while it starts up or shuts down. */
async function findRunning(place: Place): Promise<number | undefined> {
  const deadline = performance.now() + START_MS;
  for (;;) {
    const port = await readPort(place.cluster);
    if (port === undefined) return undefined;
    const state = await look(port, place.password, place.cluster);
    if (state === 'ours') return port;
    if (state !== 'busy' || performance.now() > deadline) return undefined;
    await pause(100);
  }
}

async function start(place: Place, options: EmbeddedOptions, port?: number): Promise<number> {
  const major = await readMajor(place.cluster);
  const { runAs } = place;
  const binaries = await findBinaries({ major, runAs, copyTo: place.dir, prefer: options.prefer });
  if (major === undefined) await initCluster(place, binaries.bin);
  if (runAs !== undefined) await chown(place.cluster, runAs, runAs);
  return runServer(place, binaries.bin, {
    port,
    settings: options.settings ?? {},
    timeoutMs: START_MS,
    log: options.log,
  });
}

async function readMajor(cluster: string): Promise<number | undefined> {
  const text = await readFile(join(cluster, 'PG_VERSION'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : Number.parseInt(text, 10);
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
