import { execFile } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Shown, admit, digest } from '../src/http/admission.ts';
import type { Tenant } from '../src/http/tenant.ts';
import { silentLog } from '../src/log.ts';
import { projectRoot } from '../src/root.ts';
import { startEmulator } from '../src/sandbox/emulator.ts';
import { ensureCredentials } from '../src/store/credentials.ts';
import { openStore } from '../src/store/database.ts';
import { startEmbedded } from '../src/store/embedded.ts';
import { DaemonProcess } from '../test/faults/daemon.ts';
import { Pbx } from '../test/support/pbx.ts';
import type { BenchResult } from './ami.ts';

/** Of the account page of the emulator: who calls. */
const knownPhone = '+375290000101';
const perSecond = 200;

/**
 * The daemon as a process of its own against a real PostgreSQL (fsync on) and the CRM emulator; the requests come from this process
 * over kept connections, at their appointed time whatever became of those before: a late answer counts from when it was due.
 */
export async function run({ smoke }: { smoke: boolean }): Promise<BenchResult[]> {
  const root = projectRoot();
  await promisify(execFile)(process.execPath, [join(root, 'scripts/build.mjs')]);
  const dir = await mkdtemp(join(tmpdir(), 'asterisk-retailcrm-http-'));
  await chmod(dir, 0o755); // PostgreSQL does not run as root: its user must get through
  const server = await startEmbedded({ dataDir: join(dir, 'postgres'), log: silentLog });
  const crm = await startEmulator({ port: 0, seed: { accounts: [{ name: 'tenant1', key: 'tenant1-key' }] } });
  const pbx = await Pbx.start();
  const secret = randomBytes(24).toString('hex');
  process.env['BENCH_WEBHOOK_SECRET'] = secret;
  const daemon = await DaemonProcess.prepare({
    ...{ main: join(root, 'dist/main.js'), dir, databaseUrl: server.url },
    tenants: [
      {
        ...{ id: 'tenant1', crmUrl: crm.url, crmKey: 'tenant1-key' },
        hosts: [{ id: 'pbx1', port: pbx.port, user: pbx.user, secret: pbx.secret }],
      },
    ],
  });
  await withModule(join(dir, 'enterprises/tenant1.yaml'));
  const agent = new Agent({ keepAlive: true, maxSockets: 40 });
  try {
    daemon.start();
    const { text } = await daemon.says(/^http: listening$/, 60_000);
    const port = Number(/"address":"127\.0\.0\.1:(\d+)"/.exec(text)?.[1]);
    const store = await openStore({ url: server.url, log: silentLog });
    const { clientId, pathToken } = await ensureCredentials(store.db, 'tenant1');
    await store.close();
    const ask = (path: string): Promise<number> => send(agent, port, path);
    const who = `/api/responsible?${new URLSearchParams({ clientId, phone: knownPhone }).toString()}`;
    while ((await ask(who)) !== 200) await pass(100); // until the daemon has read the credentials
    await pass(1_000); // its first look-up is in the cache then

    const seconds = smoke ? 3 : 20;
    const hook = (n: number): string =>
      `/retailcrm/webhook?${new URLSearchParams({ clientId, secret, event: 'customer.edit', id: String(1 + (n % 500)) }).toString()}`;
    const hooks = await steady(ask, hook, perSecond * seconds);
    const responsible = await steady(ask, () => who, perSecond * seconds);
    const forged = await forge(ask, { clientId, pathToken }, smoke ? 5_000 : 100_000);
    const after = await steady(ask, () => who, perSecond);
    return [
      atMost('http: webhook acknowledged and on disk, p99 at 200/s', quantile(hooks.ms, 0.99), 100, 'ms'),
      { name: 'http: webhook acknowledged, p50', value: quantile(hooks.ms, 0.5), unit: 'ms' },
      atMost('http: webhooks not answered with 200', hooks.refused, 0, ''),
      { name: 'http: who is responsible, p50', value: quantile(responsible.ms, 0.5), unit: 'ms' },
      atMost('http: who is responsible, p99 at 200/s', quantile(responsible.ms, 0.99), 20, 'ms'),
      atMost('http: who is responsible, longest', Math.max(...responsible.ms), 150, 'ms'),
      atMost(`http: forged callbacks accepted, of ${forged.sent}`, forged.accepted, 0, ''),
      { name: 'http: forged callbacks refused', value: forged.sent / forged.seconds, unit: 'requests/s' },
      atMost('http: who is responsible, refused right after them', after.refused, 0, ''),
      ...timing(smoke),
    ];
  } finally {
    agent.destroy();
    await daemon.terminate().finally(() => daemon.kill());
    await Promise.all([pbx.close(), crm.stop()]);
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** The module makes the daemon take callbacks; it is not registered. */
async function withModule(file: string): Promise<void> {
  const yaml = await readFile(file, 'utf8');
  const more = 'retailcrm:\n  webhook_secret: { env: BENCH_WEBHOOK_SECRET }\n  module: { at_start: false }\n';
  await writeFile(file, yaml.replace('retailcrm:\n', more));
}

interface Answers {
  /** From when each request was due to its answer, milliseconds. */
  ms: number[];
  /** Other answers than 200. */
  refused: number;
}

/** Open loop: request `n` leaves at its time, however many are still under way. */
async function steady(
  ask: (path: string) => Promise<number>,
  path: (n: number) => string,
  count: number,
): Promise<Answers> {
  const begun = performance.now();
  const under: Promise<void>[] = [];
  const answers: Answers = { ms: [], refused: 0 };
  for (let n = 0; n < count; ) {
    const due = begun + (n * 1000) / perSecond;
    if (performance.now() < due) {
      await pass(Math.max(0, due - performance.now()));
      continue;
    }
    under.push(
      ask(path(n)).then((status) => {
        answers.ms.push(performance.now() - due);
        if (status !== 200) answers.refused += 1;
      }),
    );
    n += 1;
  }
  await Promise.all(under);
  return answers;
}

/** Every kind of wrong credential, forty at once. */
async function forge(
  ask: (path: string) => Promise<number>,
  right: { clientId: string; pathToken: string },
  count: number,
): Promise<{ sent: number; accepted: number; seconds: number }> {
  const begun = performance.now();
  let accepted = 0;
  let sent = 0;
  const near = (text: string): string => text.slice(0, -6) + randomBytes(4).toString('base64url');
  const one = (n: number): string => {
    const clientId = n % 3 === 0 ? right.clientId : near(right.clientId);
    const token = n % 3 === 1 ? right.pathToken : near(right.pathToken);
    const secret = randomBytes(24).toString('hex');
    return n % 4 === 3
      ? `/retailcrm/webhook?${new URLSearchParams({ clientId, secret, event: 'order.edit', id: '5' }).toString()}`
      : `/crm/${token}/makecall?${new URLSearchParams({ clientId, code: '150', phone: knownPhone }).toString()}`;
  };
  const worker = async (): Promise<void> => {
    while (sent < count) {
      sent += 1;
      if ((await ask(one(sent))) < 400) accepted += 1;
    }
  };
  await Promise.all(Array.from({ length: 40 }, worker));
  return { sent, accepted, seconds: (performance.now() - begun) / 1000 };
}

/**
 * H4, H9: does the time of a refusal tell why? Welch's t of each wrong credential against an unknown one, over many tenants, the
 * slowest tenth of all samples cut off (they are the machine's, not ours). |t| above 4.5 would be a sign.
 */
function timing(smoke: boolean): BenchResult[] {
  const random = (): string => randomBytes(24).toString('base64url');
  const secrets = Array.from({ length: 20 }, () => ({ clientId: random(), pathToken: random() }));
  const tenants = secrets.map(({ clientId, pathToken }, n) => mute(`t${n}`, digest(clientId), digest(pathToken)));
  const own = secrets[7] ?? { clientId: '', pathToken: '' };
  const other = secrets[15] ?? own;
  // Every one is made in the same way, so that it is not its making that is measured.
  const shown: Record<string, [clientId: string | undefined, pathToken: string | undefined]> = {
    unknown: [undefined, undefined],
    "another tenant's clientId": [other.clientId, own.pathToken],
    'right clientId, wrong token': [own.clientId, undefined],
    'right token, wrong clientId': [undefined, own.pathToken],
  };
  const made = (text: string | undefined): string => {
    const guess = random();
    return Buffer.from(text ?? guess).toString('latin1');
  };
  const kinds = Object.keys(shown);
  const samples = new Map(kinds.map((kind) => [kind, [] as number[]]));
  const count = (smoke ? 20_000 : 200_000) * kinds.length;
  for (let n = 0; n < count; n++) {
    const kind = kinds[randomInt(kinds.length)] ?? 'unknown';
    const [clientId, pathToken] = shown[kind] ?? [];
    const one: Shown = { clientId: made(clientId), pathToken: made(pathToken) };
    const begun = process.hrtime.bigint();
    const admission = admit(tenants, one);
    const ns = Number(process.hrtime.bigint() - begun);
    if (admission.tenant !== undefined) throw new Error('somebody was let in');
    if (n > count / 10) samples.get(kind)?.push(ns);
  }
  const limit = quantile(
    [...samples.values()].flatMap((list) => list.slice(0, 100_000)),
    0.9,
  );
  const kept = new Map([...samples].map(([kind, list]) => [kind, list.filter((ns) => ns <= limit)]));
  const unknown = kept.get('unknown') ?? [];
  return kinds.slice(1).map((kind) => {
    const t = Math.abs(welch(kept.get(kind) ?? [], unknown));
    const result = { name: `http: |t| of the refusal's time, ${kind} against unknown`, value: t, unit: 't' };
    return { ...result, target: '< 4.5', ok: t < 4.5 };
  });
}

function mute(id: string, clientId: Buffer, pathToken: Buffer): Tenant {
  const never = (): Promise<never> => Promise.reject(new Error('not asked in a bench'));
  return {
    ...{ id, credentials: () => [{ clientId, pathToken }], webhookSecret: undefined, allowFrom: [] },
    ...{ makeCall: never, transfer: never, monitor: never, hangup: never, responsible: never },
    ...{ userStatus: never, activity: never, changed: never, refused: () => undefined },
  };
}

function welch(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [moments(a), moments(b)];
  return (x.mean - y.mean) / Math.sqrt(x.variance / a.length + y.variance / b.length);
}

function moments(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1) };
}

function quantile(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
}

function atMost(name: string, value: number, target: number, unit: string): BenchResult {
  return { name, value, unit, target: `≤ ${target}`, ok: value <= target };
}

/** The status of the answer. */
function send(agent: Agent, port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ agent, host: '127.0.0.1', port, path }, (reply) => {
      reply.resume();
      reply.once('end', () => resolve(reply.statusCode ?? 0));
    });
    sent.once('error', reject);
    sent.end();
  });
}

function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
