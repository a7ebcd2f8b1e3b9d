/** The daemon under test: a process of its own, between the lab's Asterisk and the CRM emulator. */
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { EXIT } from '../../src/cli/errors.ts';
import { silentLog } from '../../src/log.ts';
import { projectRoot } from '../../src/root.ts';
import { type Emulator, startEmulator } from '../../src/sandbox/emulator.ts';
import { type Embedded, startEmbedded } from '../../src/store/embedded.ts';
import { portToBe } from '../support/ports.ts';
import { crmDisagreements, type KnownCall, logged } from './crm.ts';
import { agiPort } from './lab/conf/example.ts';
import type { ManagerUser } from './lab/conf/setup.ts';
import { adopt, output, type Running, start } from './lab/process.ts';
import { type Line, openProxy, type Proxy } from './lab/proxy.ts';
import { deadline, type Later, later, pass } from './lab/wait.ts';

/** The PBX the daemon shall watch, and the test's name for its directories. */
export interface DaemonOptions {
  ami: ManagerUser & { host: string; port: number };
  /** How Asterisk dials a phone, `{extension}` filled in by the daemon. */
  phones: string;
  /** Address for FastAGI: the one the dial plan asks. */
  agi: string;
  name: string;
  /** Further keys of `click_to_call`, as YAML; they win over those of every test. */
  click: Readonly<Record<string, unknown>>;
}

/** Where the daemons of a run live: one database server, one directory, one build. */
export interface Stage {
  /** Starts emulator and daemon and resolves when the daemon has the host in sync. */
  startDaemon(options: DaemonOptions): Promise<DaemonUnderTest>;
  /** Stops the database server and removes the directory. */
  stop(): Promise<void>;
}

// On a busy machine Node alone needs seconds to start.
const syncMs = 40_000;
const deliverMs = 30_000;
const commandMs = 60_000;
/** What the CRM's triggers send along. */
const hookSecret = 'e2e-trigger-secret-of-the-shop';
/** It says so when it listens for HTTP and for the dial plan: hosts may be in sync before. */
const ready = 'ready: 1 enterprises';
/** Anything doubled or invented would arrive within this time after the last expected record, milliseconds. */
const settleMs = 500;

/** Builds the daemon and starts the database server that all daemons of the run share. */
export async function openStage(say: (line: string) => void): Promise<Stage> {
  const root = projectRoot();
  say('building the daemon');
  await output(process.execPath, [join(root, 'scripts/build.mjs')]);
  // Somebody may build again while we run. Below the checkout, where it finds db/ and node_modules/.
  const own = join(root, '.cache', 'e2e', String(process.pid));
  await mkdir(own, { recursive: true });
  process.once('exit', () => rmSync(own, { recursive: true, force: true }));
  const main = join(own, 'main.mjs');
  await copyFile(join(root, 'dist/main.js'), main);
  const dir = await mkdtemp(join(tmpdir(), 'e2e-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  await chmod(dir, 0o755); // PostgreSQL does not run as root: its user must get through
  say('starting the database');
  // Six daemons and more, and a machine that may lose what it likes when it loses power.
  const settings = { max_connections: '400', fsync: 'off', full_page_writes: 'off' };
  const database = await startEmbedded({ dataDir: join(dir, 'postgres'), log: silentLog, settings });
  const pid = await database.pid();
  const release = pid === undefined ? () => undefined : adopt(pid);
  let count = 0;
  return {
    startDaemon: async (options) => {
      const id = ++count;
      const url = await createDatabase(database, `e2e_${id}`);
      const daemon = new DaemonUnderTest(main, join(dir, `${id}-${options.name}`), url, options);
      try {
        await daemon.start();
      } catch (error) {
        await daemon.stop();
        throw error;
      }
      return daemon;
    },
    stop: async () => {
      await database.stop();
      release();
      await rm(dir, { recursive: true, force: true });
      await rm(own, { recursive: true, force: true });
    },
  };
}

async function createDatabase(server: Embedded, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  try {
    await client.query(`create database ${name}`);
  } finally {
    await client.end();
  }
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return url.href;
}

/** What the daemon answered to a request. */
export interface HttpAnswer {
  status: number;
  body: string;
}

/** A daemon process with its emulator. */
export class DaemonUnderTest {
  readonly #main: string;
  readonly #dir: string;
  readonly #url: string;
  readonly #ami: DaemonOptions['ami'];
  readonly #phones: string;
  readonly #agi: string;
  readonly #click: DaemonOptions['click'];
  #port = 0;
  #crm: Emulator | undefined;
  /** The way to the CRM. */
  #crmProxy: Proxy | undefined;
  #process: Running | undefined;
  /** How often it said that the host is in sync, and who waits for the next time. */
  #syncs = 0;
  #onSync: (() => void) | undefined;
  /** Who waits for a line of its log. */
  readonly #listening = new Map<Later<undefined>, string>();

  constructor(main: string, dir: string, databaseUrl: string, options: DaemonOptions) {
    this.#main = main;
    this.#dir = dir;
    this.#url = databaseUrl;
    this.#ami = options.ami;
    this.#phones = options.phones;
    this.#agi = options.agi;
    this.#click = options.click;
  }

  /** The emulated CRM, for switches and further questions. */
  get crm(): Emulator {
    if (this.#crm === undefined) throw new Error('the daemon was not started');
    return this.#crm;
  }

  async start(): Promise<void> {
    const users = [5, 6, 7].map((id) => ({ id }));
    const accounts = [{ name: 'e2e', key: 'e2e-key', users, codes: null }];
    this.#crm = await startEmulator({ port: 0, seed: { accounts } });
    this.#crmProxy = await openProxy({ host: '127.0.0.1', port: this.#crm.port }, await portToBe());
    await mkdir(join(this.#dir, 'enterprises'), { recursive: true });
    // The CRM is told the address before the daemon listens, and it stays over a restart.
    this.#port = await portToBe();
    await writeFile(
      join(this.#dir, 'daemon.yaml'),
      `database:
  url: { env: E2E_DATABASE_URL }
log:
  level: debug
http: { port: ${this.#port}, public_url: 'http://127.0.0.1:${this.#port}', health: { port: 0 } }
agi: { address: ${this.#agi}, port: ${agiPort} }
`,
    );
    await writeFile(join(this.#dir, 'enterprises/e2e.yaml'), this.#enterprise());
    // The zone comes from the CRM: popups are on their way from then on.
    await this.#run(['connected and synced', "the CRM account's time zone is", 'in the CRM', ready]);
  }

  /** Somebody clicks on a number in the CRM; resolves with what the daemon answered. */
  async click(userId: number, phone: string): Promise<HttpAnswer> {
    const { status, body, error } = await this.crm.callbacks.click(this.crm.account(), { userId, phone });
    if (status === undefined) throw new Error(`the daemon did not answer a click: ${error ?? ''}`);
    return { status, body };
  }

  /** A trigger of the CRM, as docs/api.md has it built, tells of an edited order. */
  async hint(orderId: number): Promise<HttpAnswer> {
    const account = this.crm.account();
    const order = account.orders.get(orderId);
    if (order === undefined) throw new Error(`the CRM has no order ${orderId}`);
    const [module] = account.modules.values();
    const trigger = {
      url: `http://127.0.0.1:${this.#port}/retailcrm/webhook`,
      method: 'POST' as const,
      parameters: {
        ...{ event: 'order.edit', id: '{{ order.getId() }}' },
        ...{ clientId: module?.clientId ?? '', secret: hookSecret },
      },
    };
    const { status, body, error } = await this.crm.callbacks.trigger(account, trigger, { order });
    if (status === undefined) throw new Error(`the daemon did not answer a trigger: ${error ?? ''}`);
    return { status, body };
  }

  /** How the CRM is to be reached from now on. */
  async crmLine(line: Line): Promise<void> {
    await this.#crmProxy?.turn(line);
  }

  /** Resolves with the next line of its log, from now on, that holds the text. */
  says(text: string): Promise<void> {
    const said = later<undefined>();
    this.#listening.set(said, text);
    return deadline(said.promise, syncMs, `the daemon to say "${text}"`, () => this.#listening.delete(said));
  }

  /** A script of the shop asks the daemon's API. */
  async api(path: string, parameters: Readonly<Record<string, string>>): Promise<HttpAnswer> {
    const [module] = this.crm.account().modules.values();
    const query = new URLSearchParams({ clientId: module?.clientId ?? '', ...parameters });
    const url = `http://127.0.0.1:${this.#port}/api/${path}`;
    const reply = await (path === 'responsible'
      ? fetch(`${url}?${query.toString()}`)
      : fetch(url, { method: 'POST', body: query }));
    return { status: reply.status, body: await reply.text() };
  }

  /** Runs another command of the program on the daemon's configuration; what it printed and its exit code. */
  command(...args: string[]): Promise<{ code: number; out: string }> {
    const words = [this.#main, ...args, '--config', this.#dir];
    return new Promise((resolve, reject) => {
      execFile(process.execPath, words, { env: this.#env, timeout: commandMs }, (error, out) => {
        const code = error === null ? 0 : error.code;
        if (typeof code === 'number') resolve({ code, out });
        else reject(new Error(`${args.join(' ')} did not end: ${error?.message ?? ''}`));
      });
    });
  }

  /** SIGKILL; `restart` starts it again on the same database. */
  async kill(): Promise<void> {
    this.#process?.signal('SIGKILL');
    await this.#process?.exited;
    this.#process = undefined;
  }

  /** Starts it again after a kill and waits until the host is in sync and it can be asked. */
  restart(): Promise<void> {
    return this.#run(['connected and synced', ready]);
  }

  /** How often it came in sync with the host so far, over all its lives. */
  get syncs(): number {
    return this.#syncs;
  }

  /** Resolves when it was in sync more than `before` times: after a restart of Asterisk, when calls are seen again. */
  async synced(before: number): Promise<void> {
    if (this.#syncs > before) return;
    const next = later<undefined>();
    this.#onSync = () => next.resolve(undefined);
    await deadline(next.promise, syncMs, 'the daemon to be in sync with Asterisk again');
    await this.synced(before);
  }

  /** Waits until the CRM holds every expected call and shows no popup, then says what is wrong, extra or missing. */
  async disagreements(known: KnownCall[], stallMs: number): Promise<string[]> {
    const { calls, openPopups } = this.crm.account();
    const wanted = logged(known.map(({ expected }) => expected)).length;
    const until = Date.now() + deliverMs;
    // The emulator lives in this process and has no event for a stored call: look until it is there.
    while ((calls.size < wanted || openPopups.size > 0) && Date.now() < until) await pass(50);
    await pass(settleMs);
    const problems = crmDisagreements(this.crm, known, stallMs);
    if (problems.length === 0) return problems;
    return [...problems, await this.logTail()];
  }

  /** Orderly stop of daemon and emulator. A daemon that does not end within 16 s is killed, and that is a problem. */
  async stop(): Promise<string[]> {
    const process = this.#process;
    this.#process = undefined;
    process?.signal('SIGTERM');
    const ended = process === undefined ? Promise.resolve(0) : deadline(process.exited, 16_000, 'the end');
    const late = await ended.then(
      () => false,
      () => true,
    );
    process?.signal('SIGKILL');
    await process?.exited;
    this.#crmProxy?.close();
    await this.#crm?.stop();
    return late ? [`the daemon did not end within 16 s of SIGTERM\n${await this.logTail()}`] : [];
  }

  /** Starts the process, as a service manager does: a daemon whose database did not answer in time is started again. */
  async #run(words: string[]): Promise<void> {
    let code: number | string | undefined = EXIT.unavailable;
    for (let tries = 0; code === EXIT.unavailable && tries < 3; tries++) code = await this.#launch(words);
    if (code !== undefined) throw new Error(`the daemon ended while starting (${code})\n${await this.logTail()}`);
  }

  /** Starts the process once; resolves when it has said all of this, or with its exit code. */
  async #launch(words: string[]): Promise<number | string | undefined> {
    const synced = later<undefined>();
    const missing = new Set(words);
    let unfinished = '';
    const daemon = start(process.execPath, [this.#main, 'run', '--config', this.#dir, '--log', 'json'], {
      logFile: join(this.#dir, 'log'),
      env: this.#env,
      onOutput: (text) => {
        const lines = `${unfinished}${text}`.split('\n');
        unfinished = lines.pop() ?? '';
        for (const line of lines) {
          for (const word of missing) if (line.includes(word)) missing.delete(word);
          for (const [said, text] of this.#listening) if (line.includes(text)) said.resolve(undefined);
          if (!line.includes('connected and synced')) continue;
          this.#syncs += 1;
          this.#onSync?.();
        }
        if (missing.size === 0) synced.resolve(undefined);
      },
    });
    this.#process = daemon;
    try {
      const over = Promise.race([synced.promise, daemon.exited]);
      return await deadline(over, syncMs, 'the daemon to be in sync with Asterisk');
    } catch (error) {
      daemon.signal('SIGKILL');
      await daemon.exited;
      throw new Error(`${String(error)}\n${await this.logTail()}`, { cause: error });
    }
  }

  get #env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      E2E_DATABASE_URL: this.#url,
      E2E_CRM_KEY: 'e2e-key',
      E2E_AMI_SECRET: this.#ami.secret,
      E2E_HOOK_SECRET: hookSecret,
    };
  }

  /** The end of what it said. */
  async logTail(): Promise<string> {
    const log = await readFile(join(this.#dir, 'log'), 'utf8').catch(() => '');
    return `the daemon's log ends:\n${log.trimEnd().split('\n').slice(-15).join('\n')}`;
  }

  #enterprise(): string {
    const dids = Array.from({ length: 14 }, (_, index) => `+3751712345${String(index + 1).padStart(2, '0')}`);
    return `id: e2e
number: '1'
name: E2E
country: BY
timezone: Europe/Minsk
retailcrm:
  url: http://127.0.0.1:${this.#crmProxy?.port}
  allow_insecure: true
  key: { env: E2E_CRM_KEY }
  webhook_secret: { env: E2E_HOOK_SECRET }
  module: {}
statuses: { to_pbx: true, to_crm: true, interface: '${this.#phones}' }
click_to_call: ${JSON.stringify({ channel: this.#phones, timeout_seconds: 12, ...this.#click })}
customers:
  order_rules:
    - { status: call-back, action: call }
    - { status: complete, action: pause }
    - { status: cancel-other, action: notify, text: '{customer} cancelled order {order} ({status})' }
hosts:
  - id: pbx1
    ami: { address: ${this.#ami.host}, port: ${this.#ami.port}, user: ${this.#ami.user}, secret: { env: E2E_AMI_SECRET } }
    trunks:
      - { name: provider-by, channels: [PJSIP/provider-by, SIP/provider-by] }
      - { name: provider-ru, channels: [PJSIP/provider-ru, SIP/provider-ru], country: RU }
    extensions: ['1[0-9][0-9]']
dids:
${[...dids, '+74950000601'].map((number) => `  - { number: '${number}' }`).join('\n')}
default_did: '+375171234501'
employees:
  - { extension: '150', user: 5 }
  - { extension: '151', user: 6 }
  - { extension: '152', user: 7, role: supervisor }
recordings:
  url: https://rec.example/{file}
  wait_seconds: 1
`;
  }
}
