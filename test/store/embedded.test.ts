import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { type Logger, silentLog } from '../../src/log.ts';
import { projectRoot } from '../../src/root.ts';
import { defaultDataDir, type Embedded, EmbeddedError, startEmbedded } from '../../src/store/embedded.ts';

let dataDir: string;
let running: Embedded | undefined;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'embedded-test-'));
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

async function start(log: Logger = silentLog): Promise<Embedded> {
  running = await startEmbedded({ dataDir, log });
  return running;
}

async function query(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

/** Asks again until the server answers. */
async function answer(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    try {
      return await query(url, statement);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

/** A logger, and a promise of its first line at `level`. */
function listen(level: 'warn' | 'error'): { log: Logger; said: Promise<string> } {
  let hear: (message: string) => void = () => undefined;
  const said = new Promise<string>((resolve) => (hear = resolve));
  return { log: { ...silentLog, [level]: (message: string) => hear(message) }, said };
}

describe('the embedded server', () => {
  test('is made on first use, listens on loopback only, and lets nobody in without its password', async () => {
    const server = await start();
    expect(server.attached).toBe(false);
    const settings = `select current_setting('listen_addresses') as listen, current_setting('unix_socket_directories') as sockets,
      current_setting('server_encoding') as encoding, current_setting('data_checksums') as checksums`;
    expect(await query(server.url, settings)).toEqual([
      { listen: '127.0.0.1', sockets: '', encoding: 'UTF8', checksums: 'on' },
    ]);
    expect((await stat(join(dataDir, 'password'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(dataDir, 'cluster'))).mode & 0o077).toBe(0);
    const wrong = new URL(server.url);
    wrong.password = 'guess';
    await expect(query(wrong.href, 'select 1')).rejects.toMatchObject({ code: '28P01' });
    await query(server.url, 'create table kept (n int)');
  });

  test('keeps its data and its port from one start to the next', async () => {
    const before = await start();
    await query(before.url, 'insert into kept values (1)');
    await before.stop();
    expect(await before.pid()).toBeUndefined();
    const after = await start();
    expect(after).toMatchObject({ attached: false, url: before.url });
    expect(await query(after.url, 'select n from kept')).toEqual([{ n: 1 }]);
  });

  test('D2: killed, it is started again by itself with all that was committed', async () => {
    const { log, said } = listen('error');
    const server = await start(log);
    await query(server.url, 'insert into kept values (2)');
    const pid = await server.pid();
    process.kill(pid ?? 0, 'SIGKILL');
    expect(await said).toMatch(/died/);
    expect(await answer(server.url, 'select n from kept order by n')).toEqual([{ n: 1 }, { n: 2 }]);
    expect(await server.pid()).not.toBe(pid);
  });

  test('outlives a killed daemon, and the next daemon attaches to it', async () => {
    const program = join(projectRoot(), 'scripts/run-ts.mjs');
    const holder = spawn(process.execPath, [program, 'test/support/embeddedHolder.ts', dataDir], {
      cwd: projectRoot(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(holder.stdout, 'data')) as [Buffer];
    const url = line.toString().trim();
    await query(url, 'insert into kept values (3)');
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const server = await start();
    expect(server).toMatchObject({ attached: true, url });
    expect(await query(server.url, 'select max(n) as n from kept')).toEqual([{ n: 3 }]);
  });

  test('that is just shutting down is waited for', async () => {
    const dying = await start();
    const [stopped, next] = await Promise.all([dying.stop(), start()]);
    expect(stopped).toBeUndefined();
    expect(await answer(next.url, 'select count(*)::int as n from kept')).toEqual([{ n: 3 }]);
  });

  test('starts though the process id in its lock file is another program’s, as after a reboot', async () => {
    const lock = join(dataDir, 'cluster', 'postmaster.pid');
    const server = await start();
    const lines = (await readFile(lock, 'utf8')).split('\n');
    await server.stop();
    await writeFile(lock, [String(process.ppid), ...lines.slice(1)].join('\n'));
    const { log, said } = listen('warn');
    expect((await start(log)).attached).toBe(false);
    expect(await said).toMatch(/not shut down/);
  });

  test('takes another port when its own was taken meanwhile', async () => {
    await writeFile(join(dataDir, 'port'), new URL(process.env['TEST_DATABASE_URL'] ?? '').port);
    const server = await start();
    expect(await query(server.url, 'select count(*)::int as n from kept')).toEqual([{ n: 3 }]);
  });
});

// A newcomer's checkout under /root: PostgreSQL's user can run nothing from there.
(process.getuid?.() === 0 && process.platform === 'linux' ? describe : describe.skip)(
  'a program only root can reach',
  () => {
    test('runs the npm package from a copy in its data directory', async () => {
      const home = await mkdtemp(join(tmpdir(), 'embedded-locked-'));
      const data = await mkdtemp(join(tmpdir(), 'embedded-copy-'));
      try {
        const script = `const { bundle } = await import(process.argv[1]); await bundle(process.argv[2], process.argv[3], 'external');`;
        const program = join(home, 'dist', 'main.mjs');
        const source = join(projectRoot(), 'test/support/embeddedHolder.ts');
        const bundler = join(projectRoot(), 'scripts/bundle.mjs');
        await once(spawn(process.execPath, ['--input-type=module', '-e', script, bundler, source, program]), 'exit');
        await symlink(join(projectRoot(), 'node_modules'), join(home, 'node_modules'));
        const holder = spawn(process.execPath, [program, data, 'package'], { stdio: ['ignore', 'pipe', 'inherit'] });
        const [line] = (await once(holder.stdout, 'data')) as [Buffer];
        const [version] = await query(line.toString().trim(), 'show server_version_num');
        holder.kill('SIGTERM');
        await once(holder, 'exit');
        expect(version).toEqual({ server_version_num: expect.stringMatching(/^18/) });
        expect(await readdir(data)).toContainEqual(expect.stringMatching(/^postgresql-18/));
      } finally {
        await rm(home, { recursive: true });
        await rm(data, { recursive: true });
      }
    });
  },
);

describe('a data directory that will not do', () => {
  test('of a version that is not installed is refused with the version', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'embedded-old-'));
    try {
      await mkdir(join(dir, 'cluster'));
      await writeFile(join(dir, 'cluster', 'PG_VERSION'), '11\n');
      const refused = startEmbedded({ dataDir: dir, log: silentLog });
      await expect(refused).rejects.toThrow(EmbeddedError);
      await expect(refused).rejects.toThrow(/made by PostgreSQL 11, but PostgreSQL 11 is not here/);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  // Nothing keeps another user's server out of its own directories: only root can meet this.
  if (process.getuid?.() === 0) {
    test('under a directory only root may enter is refused with its name', async () => {
      const dir = await mkdtemp(join(tmpdir(), 'embedded-root-'));
      try {
        await chmod(dir, 0o700);
        const refused = startEmbedded({ dataDir: join(dir, 'data'), log: silentLog });
        await expect(refused).rejects.toThrow(`cannot enter ${dir}`);
      } finally {
        await rm(dir, { recursive: true });
      }
    });
  }
});

const ownDefault =
  process.getuid?.() === 0 ? '/var/lib/asterisk-retailcrm' : join(homedir(), '.local/state/asterisk-retailcrm');
test.each([
  ['systemd’s state directory', '/var/lib/one:/var/lib/two', '/var/lib/one'],
  ['root’s, or the user’s', '', ownDefault],
])('the data live in %s unless configured', (_name, fromSystemd, expected) => {
  const before = process.env['STATE_DIRECTORY'];
  process.env['STATE_DIRECTORY'] = fromSystemd;
  const found = defaultDataDir();
  if (before === undefined) delete process.env['STATE_DIRECTORY'];
  else process.env['STATE_DIRECTORY'] = before;
  expect(found).toBe(expected);
});
