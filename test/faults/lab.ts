/** What all tests of a run share: one build of the daemon, one database server, one directory. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { silentLog } from '../../src/log.ts';
import { projectRoot } from '../../src/root.ts';
import { type Embedded, startEmbedded } from '../../src/store/embedded.ts';

/** The shared part of a run. */
export interface Lab {
  /** The built daemon: a copy of our own, so that another build does not change it under us. */
  readonly main: string;
  /** A new directory for one test. */
  directory(name: string): Promise<string>;
  /** URL of a new, empty database on the shared server. */
  database(): Promise<string>;
  /** A database server of the test's own, which it may kill. Undefined with DATABASE_URL: that server is not ours to kill. */
  server(dataDir: string): Promise<Embedded> | undefined;
  close(): Promise<void>;
}

/**
 * Machines do not crash here, only processes: nothing is lost by leaving the disk out. A commit must still reach the kernel, or a
 * killed server would forget it: synchronous_commit stays on.
 */
const settings = { fsync: 'off', full_page_writes: 'off', max_connections: '100' };

/** Builds the daemon and starts the server. `keep` leaves the directory for a look at the logs. */
export async function openLab(options: { keep: boolean; say: (line: string) => void }): Promise<Lab> {
  const root = projectRoot();
  const { say } = options;
  say('building the daemon');
  await promisify(execFile)(process.execPath, [join(root, 'scripts/build.mjs')]);
  const own = join(root, '.cache', 'faults', String(process.pid));
  await mkdir(own, { recursive: true });
  const main = join(own, 'main.mjs');
  await copyFile(join(root, 'dist/main.js'), main);
  const dir = await mkdtemp(join(tmpdir(), 'faults-'));
  await chmod(dir, 0o755); // PostgreSQL does not run as root: its user must get through
  const given = process.env['DATABASE_URL'];
  say(given === undefined || given === '' ? 'starting the database' : 'using the database of DATABASE_URL');
  const embedded = given
    ? undefined
    : await startEmbedded({ dataDir: join(dir, 'postgres'), log: silentLog, settings });
  const url = given || embedded?.url || '';
  const names: string[] = [];
  return {
    main,
    directory: async (name) => {
      const path = join(dir, name.replace(/[^a-z0-9]+/gi, '-').slice(0, 60));
      await mkdir(path, { recursive: true });
      return path;
    },
    database: async () => {
      const name = `faults_${process.pid}_${names.length + 1}`;
      names.push(name);
      await administer(url, `create database ${name}`);
      const at = new URL(url);
      at.pathname = `/${name}`;
      return at.href;
    },
    server: (dataDir) => (given ? undefined : startEmbedded({ dataDir, log: silentLog, settings })),
    close: async () => {
      if (embedded === undefined)
        for (const name of names) await administer(url, `drop database if exists ${name} with (force)`);
      await embedded?.stop();
      await rm(own, { recursive: true, force: true });
      if (options.keep) say(`logs are kept in ${dir}`);
      else await rm(dir, { recursive: true, force: true });
    },
  };
}

/** One statement as an administrator. */
export async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end().catch(() => undefined);
  }
}
