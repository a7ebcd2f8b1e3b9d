/** One Asterisk with empty directories of its own, started in a second, ended by its process id. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { coreFiles } from './conf/core.ts';
import type { ChannelDriver, ManagerUser, Setup } from './conf/setup.ts';
import { shopFiles } from './conf/shop.ts';
import { sipFiles } from './conf/sip.ts';
import type { Tree } from './install.ts';
import { field, Manager, type Segment } from './manager.ts';
import { freeNetwork, type Network } from './network.ts';
import { type Running, start } from './process.ts';
import { deadline } from './wait.ts';

/** What may be chosen for an instance; the rest is generated. */
export interface AsteriskOptions {
  tree: Tree;
  /** Directory name inside the tree, unique among instances that run at once. */
  name: string;
  driver?: ChannelDriver;
  /** `timestampevents`; by default on in 22 and off in 16, so that both are tested. */
  timestamps?: boolean;
  /** `systemname`; by default none in 22 and `minsk2` in 16. */
  systemName?: string;
  /** `channelvars`; by default the recording's name and the click's id. */
  channelVars?: string;
  /** `Cdr` events on AMI; by default off in 22 and on in 16. */
  cdrEvents?: boolean;
}

/** A second when all is well. */
const startMs = 60_000;

/** Starts a fresh instance and waits until it is fully booted. */
export async function startAsterisk(options: AsteriskOptions): Promise<Asterisk> {
  const { tree, name } = options;
  const old = tree.version < 18;
  const setup: Setup = {
    tree,
    driver: options.driver ?? 'pjsip',
    network: await freeNetwork(),
    home: `/lab/${name}`,
    timestamps: options.timestamps ?? !old,
    systemName: options.systemName ?? (old ? 'minsk2' : ''),
    channelVars: options.channelVars ?? 'X_CRM_ID,REC_FILE',
    cdrEvents: options.cdrEvents ?? old,
    daemon: { user: 'daemon', secret: randomBytes(9).toString('hex') },
    full: { user: 'full', secret: randomBytes(9).toString('hex') },
  };
  const dir = join(tree.root, setup.home);
  await rm(dir, { recursive: true, force: true });
  for (const part of ['etc', 'lib', 'spool', 'run', 'log/cdr-csv', 'log/cdr-custom', 'log/cel-custom', 'cache']) {
    await mkdir(join(dir, part), { recursive: true });
  }
  const files = { ...coreFiles(setup), ...shopFiles(setup), ...sipFiles(setup) };
  for (const [file, content] of Object.entries(files)) await writeFile(join(dir, 'etc', file), content);
  const asterisk = new Asterisk(setup, dir);
  await asterisk.up();
  return asterisk;
}

/** A running Asterisk of the lab. */
export class Asterisk {
  /** Directory of the instance on this machine: etc, log, spool, … */
  readonly dir: string;
  readonly #setup: Setup;
  #process: Running | undefined;
  #manager: Manager | undefined;
  #past: Manager[] = [];

  constructor(setup: Setup, dir: string) {
    this.#setup = setup;
    this.dir = dir;
  }

  get version(): number {
    return this.#setup.tree.version;
  }

  get driver(): ChannelDriver {
    return this.#setup.driver;
  }

  get network(): Network {
    return this.#setup.network;
  }

  /** Process id of the running Asterisk. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Where and as whom the daemon logs in. */
  get ami(): ManagerUser & { host: string; port: number } {
    return { host: this.network.pbx, port: this.network.amiPort, ...this.#setup.daemon };
  }

  /** The settings a recording must tell about. */
  get profile(): { release: string; timestamps: boolean; systemName: string; cdrEvents: boolean; channelVars: string } {
    const { tree, timestamps, systemName, cdrEvents, channelVars } = this.#setup;
    return { release: tree.release, timestamps, systemName, cdrEvents, channelVars };
  }

  /** The lab's own AMI connection, user `full`. */
  get manager(): Manager {
    if (this.#manager === undefined) throw new Error('Asterisk is not running');
    return this.#manager;
  }

  /** The raw stream of each connection of user `full`, oldest first. */
  get segments(): Segment[] {
    return [...this.#past, ...(this.#manager === undefined ? [] : [this.#manager])].map((manager) => manager.segment);
  }

  /** Starts the process and logs in; rejects with the end of its log if it does not come up. */
  async up(): Promise<void> {
    const { tree, home, network, full } = this.#setup;
    const args = [tree.root, '/usr/sbin/asterisk', '-C', `${home}/etc/asterisk.conf`, '-f', '-n', '-U', 'root'];
    const process = start('chroot', args, {
      logFile: join(this.dir, 'log', 'console'),
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TZ: 'UTC', LANG: 'C.UTF-8' },
    });
    this.#process = process;
    const died = process.exited.then((code) => {
      throw new Error(`Asterisk ended while starting (${code})`);
    });
    died.catch(() => undefined);
    try {
      const login = Manager.login(network.pbx, network.amiPort, full.user, full.secret, startMs);
      login.catch(() => undefined);
      this.#manager = await Promise.race([login, died]);
    } catch (error) {
      process.signal('SIGKILL');
      throw new Error(`${String(error)}\n${await this.logTail()}`, { cause: error });
    }
  }

  /** `core stop now`: ends calls, process and connection. The directory stays until `remove`. */
  async stop(): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    this.#process = undefined;
    this.#retire();
    process.signal('SIGTERM');
    await deadline(process.exited, 5000, 'the end of Asterisk').catch(() => process.signal('SIGKILL'));
    await process.exited;
  }

  /** SIGKILL: a crash. Calls and connections just end. `up` starts it again on the same directories. */
  async kill(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    process?.signal('SIGKILL');
    await process?.exited;
    await this.#manager?.closed;
    this.#retire();
  }

  /** `core restart now`: Hangup of every call, Shutdown, the connection closes; resolves when it is back. */
  async restartNow(): Promise<void> {
    const before = this.manager;
    const { network, full } = this.#setup;
    // A session of its own: the one whose thread restarts Asterisk gets neither an answer nor the Shutdown event.
    const operator = await Manager.login(network.pbx, network.amiPort, full.user, full.secret, startMs);
    const shutdown = before.nextEvent('Shutdown');
    operator.action('Command', { Command: 'core restart now' }).catch(() => undefined);
    await shutdown;
    await deadline(before.closed, 15_000, 'the end of the AMI connection');
    await operator.close();
    this.#retire();
    this.#manager = await Manager.login(network.pbx, network.amiPort, full.user, full.secret, startMs);
  }

  /**
   * Resolves when the calls of the phones are over for AMI, too: a call of a few milliseconds may have ended at the phones before the first
   * event of it comes. @param calls how many calls the phones had with it, over all its lives
   */
  async idle(calls: number): Promise<void> {
    const before = this.#past.reduce((sum, { sipChannels }) => sum + sipChannels, 0);
    await this.manager.toldOf(calls - before);
    await this.manager.idle();
  }

  /** Runs a command of Asterisk's own console and returns its output lines. */
  async command(line: string): Promise<void> {
    const answer = await this.manager.action('Command', { Command: line });
    if (field(answer, 'Response') !== 'Success') throw new Error(`${line}: ${field(answer, 'Message')}`);
  }

  /** Rewrites one of its configuration files; a reload is up to the caller. */
  async configure(file: string, change: (text: string) => string): Promise<void> {
    const path = join(this.dir, 'etc', file);
    await writeFile(path, change(await readFile(path, 'utf8')));
  }

  /** The last lines of Asterisk's log. */
  async logTail(lines = 15): Promise<string> {
    const files = await readdir(join(this.dir, 'log'));
    const name = files.includes('full') ? 'full' : 'console';
    const text = await readFile(join(this.dir, 'log', name), 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** Removes the directories of a stopped instance. */
  async remove(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }

  #retire(): void {
    if (this.#manager === undefined) return;
    this.#past.push(this.#manager);
    this.#manager = undefined;
  }
}
