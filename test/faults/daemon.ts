/** The daemon as an operator runs it: a process that is started, signalled and killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { extensions } from '../support/pbxCalls.ts';
import { Finding, within } from './wait.ts';

/** One tenant of the daemon's configuration. */
export interface Tenant {
  id: string;
  crmUrl: string;
  crmKey: string;
  /** With a module whose credentials are in the database, and clicks as many as the configuration lets. */
  clicks?: boolean;
  /** Whether the CRM is asked who calls. Default yes. */
  lookup?: boolean;
  hosts: readonly { id: string; port: number; user: string; secret: string }[];
}

/** A line of its log. */
export interface LogLine {
  level: string;
  message: string;
  text: string;
}

/** Our numbers of the n-th tenant, without +: each number belongs to one tenant only. */
export function didsOf(index: number): readonly string[] {
  return ['1', '3', '4'].map((last) => `3751712${String(index + 10)}50${last}`);
}

const alive = new Set<ChildProcess>();

/** Ends every daemon that still runs: the last thing a run does, whatever happened before. */
export function killAll(): void {
  for (const child of alive) child.kill('SIGKILL');
}

/** Several lives of one daemon: same configuration, same database, one log. */
export class DaemonProcess {
  /** Lives so far. */
  starts = 0;
  /** Lines of all lives, the newest 20,000. */
  readonly lines: LogLine[] = [];
  readonly #main: string;
  readonly #dir: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #log: WriteStream;
  #child: ChildProcess | undefined;
  #exited: Promise<number | string> = Promise.resolve('never started');

  private constructor(main: string, dir: string, env: NodeJS.ProcessEnv) {
    this.#main = main;
    this.#dir = dir;
    this.#env = env;
    this.#log = createWriteStream(join(dir, 'log'), { flags: 'a' });
  }

  /** Writes the configuration; starts nothing. */
  static async prepare(options: {
    main: string;
    dir: string;
    databaseUrl: string;
    tenants: readonly Tenant[];
    level?: 'debug' | 'info';
  }): Promise<DaemonProcess> {
    const { main, dir, databaseUrl, tenants, level = 'info' } = options;
    await mkdir(join(dir, 'enterprises'), { recursive: true });
    const yaml = `database:\n  url: { env: FAULTS_DATABASE_URL }\nlog:\n  level: ${level}\nhttp: { port: 0, health: { port: 0 } }\n`;
    await writeFile(join(dir, 'daemon.yaml'), yaml);
    const env: NodeJS.ProcessEnv = { ...process.env, FAULTS_DATABASE_URL: databaseUrl };
    for (const [index, tenant] of tenants.entries()) {
      env[`FAULTS_KEY_${index}`] = tenant.crmKey;
      await writeFile(join(dir, 'enterprises', `${tenant.id}.yaml`), enterprise(tenant, index, env));
    }
    return new DaemonProcess(main, dir, env);
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process and returns at once. */
  start(): void {
    if (this.#child !== undefined) throw new Error('it runs already');
    this.starts++;
    const child = spawn(process.execPath, [this.#main, 'run', '--config', this.#dir, '--log', 'json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: this.#env,
    });
    alive.add(child);
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) this.#listen(stream);
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', () => {
        alive.delete(child);
        if (this.#child === child) this.#child = undefined;
      });
      // Later than 'exit': its last words have been read.
      child.once('close', (code, signal) => resolve(code ?? signal ?? 'gone'));
    });
  }

  /** Resolves with the exit code, or the signal's name, of the present life. */
  get exited(): Promise<number | string> {
    return this.#exited;
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#exited;
  }

  /** SIGTERM; how it ended and after how many milliseconds. @throws Finding after 20 s */
  async terminate(): Promise<{ code: number | string; ms: number }> {
    const begun = performance.now();
    this.#child?.kill('SIGTERM');
    const code = await within(this.#exited, 20_000, 'the end after SIGTERM');
    return { code, ms: performance.now() - begun };
  }

  /** The first line, of any life, that matches; waits for it. @throws Finding after `limitMs` */
  async says(pattern: RegExp, limitMs: number): Promise<LogLine> {
    const found = (): LogLine | undefined => this.lines.find((line) => pattern.test(line.message));
    const deadline = performance.now() + limitMs;
    for (let line = found(); ; line = found()) {
      if (line !== undefined) return line;
      if (performance.now() > deadline)
        throw new Finding(`the log does not say ${String(pattern)} within ${limitMs / 1000} s`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Lines that match, so far. */
  said(pattern: RegExp): LogLine[] {
    return this.lines.filter((line) => pattern.test(line.message));
  }

  /** Resident memory in MiB, 0 when it does not run. */
  async rss(): Promise<number> {
    if (this.pid === undefined) return 0;
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8').catch(() => '');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  }

  #listen(stream: NodeJS.ReadableStream | null): void {
    let rest = '';
    stream?.on('data', (chunk: Buffer) => {
      this.#log.write(chunk);
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      for (const text of lines) this.lines.push(readLine(text));
      if (this.lines.length > 20_000) this.lines.splice(0, 10_000);
    });
  }
}

/** `<6>{"level":"info","message":…}`; anything else is taken as it is. */
function readLine(text: string): LogLine {
  try {
    const record: unknown = JSON.parse(text.replace(/^<\d>/, ''));
    if (typeof record === 'object' && record !== null && 'message' in record && 'level' in record) {
      return { level: String(record.level), message: String(record.message), text };
    }
  } catch {
    // a stack trace or the like
  }
  return { level: 'unknown', message: text, text };
}

const clickSections = `  module: { at_start: false }
click_to_call: { per_employee_per_minute: 60, per_enterprise_per_minute: 1000 }
`;

function enterprise(tenant: Tenant, index: number, env: NodeJS.ProcessEnv): string {
  const hosts = tenant.hosts.map((host, number) => {
    const name = `FAULTS_AMI_${index}_${number}`;
    env[name] = host.secret;
    return `  - id: ${host.id}
    ami: { address: 127.0.0.1, port: ${host.port}, user: ${host.user}, secret: { env: ${name} } }
    trunks:
      - { name: provider-by, channels: [PJSIP/provider-by] }
    extensions: ['[1-3][0-9][0-9]']
`;
  });
  return `id: ${tenant.id}
number: '${index + 1}'
name: ${tenant.id}
country: BY
timezone: Europe/Minsk
retailcrm:
  url: ${tenant.crmUrl}
  allow_insecure: true
  key: { env: FAULTS_KEY_${index} }
  timezone: Europe/Minsk
${tenant.clicks === true ? clickSections : ''}${tenant.lookup === false ? 'customers: { lookup: false }\n' : ''}hosts:
${hosts.join('')}dids:
${didsOf(index)
  .map((number) => `  - { number: '+${number}' }`)
  .join('\n')}
default_did: '+${didsOf(index)[0] ?? ''}'
employees:
${extensions.map((ext, n) => `  - { extension: '${ext}', user: ${n + 1} }`).join('\n')}
`;
}
