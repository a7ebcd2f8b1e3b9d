/** The embedded server's processes and files: initdb, postgres, postmaster.pid. */
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, chown, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Logger } from '../log.ts';
import { EmbeddedError } from './binaries.ts';
import { look } from './serverProbe.ts';

/** Where a cluster lives and who runs it. */
export interface Place {
  /** Our directory: password, port, log and the cluster. */
  dir: string;
  /** PostgreSQL's data directory. */
  cluster: string;
  password: string;
  /** User and group id of the server; undefined: ours. */
  runAs: number | undefined;
}

const LOG_LIMIT_BYTES = 10 * 1024 * 1024;
/** How long a dying server may hold the lock on its data. */
const LOCK_MS = 20_000;
const STOP_MS = 30_000;

/** Makes the cluster. It gets its name when it is complete: an interrupted initdb leaves nothing that looks like one. */
export async function initCluster(place: Place, bin: string): Promise<void> {
  const unfinished = `${place.cluster}.new`;
  const passwordFile = join(place.dir, 'initdb-password');
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  await writeFile(passwordFile, place.password, { mode: 0o600 });
  try {
    if (place.runAs !== undefined) {
      await chown(unfinished, place.runAs, place.runAs);
      await chown(passwordFile, place.runAs, place.runAs);
    }
    const args = ['-D', unfinished, '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8', '--auth=scram-sha-256', '-k'];
    await run(join(bin, 'initdb'), [...args, `--pwfile=${passwordFile}`, '--no-instructions'], place.runAs);
    await rename(unfinished, place.cluster);
  } finally {
    await rm(passwordFile, { force: true });
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** How to run the server. */
export interface ServerOptions {
  /** It must be this one; default the port of the last time, or any free one. */
  port: number | undefined;
  settings: Readonly<Record<string, string>>;
  timeoutMs: number;
  log: Logger;
}

/** Starts the server and waits until it answers. Returns its port. */
export async function runServer(place: Place, bin: string, options: ServerOptions): Promise<number> {
  const lockDeadline = performance.now() + LOCK_MS;
  await removeForeignLock(place.cluster, options.log);
  for (;;) {
    const port = options.port ?? (await choosePort(place.dir));
    const failure = await attempt(place, bin, port, options);
    if (failure === undefined) {
      await writeFile(join(place.dir, 'port'), `${port}\n`, { mode: 0o600 });
      return port;
    }
    // A server that is still dying holds the lock; one that was killed leaves children that hold the shared memory.
    const passing = /lock file|shared memory block|Address already in use|could not create any TCP/.test(failure);
    if (!passing || performance.now() > lockDeadline) {
      throw new EmbeddedError(`PostgreSQL does not start in ${place.dir}: ${failure}`);
    }
    await pause(200);
  }
}

/** One start. Returns what the server said when it ended instead of answering. */
async function attempt(place: Place, bin: string, port: number, options: ServerOptions): Promise<string | undefined> {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // Statements and error details carry phone numbers.
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    log_checkpoints: 'off',
    ...options.settings,
  };
  const args = [
    '-D',
    place.cluster,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  const logFile = join(place.dir, 'postgres.log');
  const size = await stat(logFile).then(
    (found) => found.size,
    () => 0,
  );
  if (size > LOG_LIMIT_BYTES) await rename(logFile, `${logFile}.old`);
  const log = await open(logFile, 'a', 0o600);
  const from = (await log.stat()).size;
  try {
    // A group of its own: Ctrl-C at the terminal is for the daemon, which stops the server last.
    const server = spawn(join(bin, 'postgres'), args, {
      ...identity(place.runAs),
      cwd: '/',
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    let ended: string | undefined;
    server.once('error', (error) => (ended = error.message));
    server.once('exit', (code, signal) => (ended ??= `ended with ${signal ?? `code ${String(code)}`}`));
    server.unref();
    const deadline = performance.now() + options.timeoutMs;
    for (;;) {
      await pause(50);
      if (ended !== undefined) return `${ended}: ${await readFrom(logFile, from)}`;
      if ((await look(port, place.password, place.cluster)) === 'ours') return undefined;
      if (performance.now() > deadline) {
        server.kill('SIGQUIT');
        throw new EmbeddedError(`PostgreSQL in ${place.dir} does not answer after ${options.timeoutMs / 1000} s`);
      }
    }
  } finally {
    await log.close();
  }
}

/** Fast shutdown of the cluster's server, if it runs. */
export async function stopServer(cluster: string, log: Logger): Promise<void> {
  const pid = await readServerPid(cluster);
  if (pid === undefined) return;
  process.kill(pid, 'SIGINT');
  if (await gone(cluster, pid, STOP_MS)) return;
  log.warn('embedded database does not shut down, stopping it at once; it will recover at its next start', { pid });
  process.kill(pid, 'SIGQUIT');
  if (!(await gone(cluster, pid, STOP_MS))) throw new EmbeddedError(`PostgreSQL (process ${pid}) does not stop`);
}

async function gone(cluster: string, pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while ((await readServerPid(cluster)) === pid) {
    if (performance.now() > deadline) return false;
    await pause(25);
  }
  return true;
}

/** Process id of the cluster's server, if it runs. */
export async function readServerPid(cluster: string): Promise<number | undefined> {
  const pid = Number((await readLock(cluster))[0]);
  return Number.isInteger(pid) && pid > 1 && isPostgres(await commandOf(pid)) ? pid : undefined;
}

/** The port in the cluster's lock file. The file may be a dead server's. */
export async function readPort(cluster: string): Promise<number | undefined> {
  const port = Number((await readLock(cluster))[3]);
  return Number.isInteger(port) && port > 0 ? port : undefined;
}

/** Lines of postmaster.pid: pid, data directory, start time, port, … */
async function readLock(cluster: string): Promise<string[]> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '');
  return text.split('\n');
}

/**
 * After a reboot the lock file's pid may be anybody's; PostgreSQL would wait for that process for ever. A dead pid is
 * left to PostgreSQL: it knows whether children of the killed server still work on the data.
 */
async function removeForeignLock(cluster: string, log: Logger): Promise<void> {
  const pid = Number((await readLock(cluster))[0]);
  if (!Number.isInteger(pid) || pid <= 1) return;
  const command = await commandOf(pid);
  if (command === '' || isPostgres(command)) return;
  log.warn('the embedded database was not shut down and its process id is another program’s now; recovering', {
    cluster,
  });
  await rm(join(cluster, 'postmaster.pid'), { force: true });
}

/** Command line of a process; empty when there is none, also for a killed one its parent has not looked at. */
async function commandOf(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
}

function isPostgres(command: string): boolean {
  return /(^|\/)postgres(\0|:|$)/.test(command);
}

/** The remembered port if it is free, else any. */
async function choosePort(dir: string): Promise<number> {
  const remembered = Number(await readFile(join(dir, 'port'), 'utf8').catch(() => '0'));
  if (remembered > 0 && remembered < 65_536 && (await listenOnce(remembered)) !== undefined) return remembered;
  const free = await listenOnce(0);
  if (free === undefined) throw new EmbeddedError('no free port on 127.0.0.1');
  return free;
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((found) => {
    const server = createServer();
    server.once('error', () => found(undefined));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => found(typeof address === 'object' && address ? address.port : undefined));
    });
  });
}

async function run(program: string, args: string[], runAs: number | undefined): Promise<void> {
  await access(program, constants.X_OK);
  await new Promise<void>((done, fail) => {
    const child = spawn(program, args, { ...identity(runAs), cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const hear = (chunk: Buffer): void => void (said = (said + chunk.toString()).slice(-2_000));
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', (error) => fail(new EmbeddedError(`${program}: ${error.message}`)));
    child.once('close', (code) => (code === 0 ? done() : fail(new EmbeddedError(`initdb failed: ${said.trim()}`))));
  });
}

/** English messages and UTC whatever the daemon's own environment is; nothing of its secrets. */
function identity(runAs: number | undefined) {
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', TZ: 'UTC' };
  return runAs === undefined ? { env } : { env, uid: runAs, gid: runAs };
}

async function readFrom(file: string, from: number): Promise<string> {
  const text = await readFile(file);
  return text.subarray(from).toString().trim().slice(-2_000);
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
