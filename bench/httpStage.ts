import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { silentLog } from '../src/log.ts';
import { projectRoot } from '../src/root.ts';
import { startEmulator } from '../src/sandbox/emulator.ts';
import { ensureCredentials } from '../src/store/credentials.ts';
import { openStore } from '../src/store/database.ts';
import { startEmbedded } from '../src/store/embedded.ts';
import { DaemonProcess } from '../test/faults/daemon.ts';
import { Pbx } from '../test/support/pbx.ts';

/** Of the account page of the emulator: who calls. */
export const knownPhone = '+375290000101';

/** What a request of ours must show. */
export interface Keys {
  readonly clientId: string;
  readonly pathToken: string;
}

/** The daemon as a process of its own that takes callbacks, a real PostgreSQL (fsync on), the CRM emulator, a simulated PBX. */
export interface HttpStage {
  /** Of the listener for the CRM and for scripts. */
  readonly port: number;
  readonly daemon: DaemonProcess;
  /** Of the first tenant. */
  readonly pbx: Pbx;
  /** Credentials by tenant: `tenant1`, `tenant2`, …. */
  readonly keys: readonly Keys[];
  /** Webhook secret of all of them. */
  readonly secret: string;
  end(): Promise<void>;
}

/** Builds it. The daemon listens then; it may need a moment more until it has read its credentials. */
export async function httpStage(tenants = 1): Promise<HttpStage> {
  const root = projectRoot();
  await promisify(execFile)(process.execPath, [join(root, 'scripts/build.mjs')]);
  const dir = await mkdtemp(join(tmpdir(), 'asterisk-retailcrm-http-'));
  await chmod(dir, 0o755); // PostgreSQL does not run as root: its user must get through
  const ids = Array.from({ length: tenants }, (_, n) => `tenant${n + 1}`);
  const server = await startEmbedded({ dataDir: join(dir, 'postgres'), log: silentLog });
  const accounts = ids.map((name) => ({ name, key: `${name}-key` }));
  const crm = await startEmulator({ port: 0, seed: { accounts } });
  const [pbx, ...others] = [await Pbx.start(), ...(await Promise.all(ids.slice(1).map(() => Pbx.start())))];
  const secret = randomBytes(24).toString('hex');
  process.env['BENCH_WEBHOOK_SECRET'] = secret;
  const daemon = await DaemonProcess.prepare({
    ...{ main: join(root, 'dist/main.js'), dir, databaseUrl: server.url },
    tenants: [pbx, ...others].map(({ port, user, secret: password }, n) => ({
      ...{ id: `tenant${n + 1}`, crmUrl: crm.url, crmKey: `tenant${n + 1}-key` },
      hosts: [{ id: `pbx${n + 1}`, port, user, secret: password }],
    })),
  });
  for (const id of ids) await withModule(join(dir, `enterprises/${id}.yaml`));
  const end = async (): Promise<void> => {
    await daemon.terminate().finally(() => daemon.kill());
    await Promise.all([pbx, ...others].map((one) => one.close()).concat(crm.stop()));
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    daemon.start();
    const { text } = await daemon.says(/^http: listening$/, 60_000);
    const port = Number(/"address":"127\.0\.0\.1:(\d+)"/.exec(text)?.[1]);
    const store = await openStore({ url: server.url, log: silentLog });
    const keys: Keys[] = [];
    for (const id of ids) {
      const { clientId, pathToken } = await ensureCredentials(store.db, id);
      keys.push({ clientId, pathToken });
    }
    await store.close();
    return { port, daemon, pbx, keys, secret, end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** The module makes the daemon take callbacks; it is not registered. */
async function withModule(file: string): Promise<void> {
  const yaml = await readFile(file, 'utf8');
  const more = 'retailcrm:\n  webhook_secret: { env: BENCH_WEBHOOK_SECRET }\n  module: { at_start: false }\n';
  await writeFile(file, yaml.replace('retailcrm:\n', more));
}

/** The q-th quantile of values in any order. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
}

/** Resolves after so many milliseconds. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
