import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { silentLog } from '../src/log.ts';
import { projectRoot } from '../src/root.ts';
import { startEmulator } from '../src/sandbox/emulator.ts';
import { startEmbedded } from '../src/store/embedded.ts';
import { DaemonProcess } from '../test/faults/daemon.ts';
import { Pbx } from '../test/support/pbx.ts';
import type { BenchResult } from './ami.ts';

const perSecond = 100;
const phoneOf = (index: number): string => `+37529${String(7_000_000 + index)}`;

/**
 * What a call waits for when its dial plan asks who is responsible: FastAGI from the connection to its end, as Asterisk plays it,
 * against the daemon as a process with its database and the CRM emulator. An open loop: a late answer delays nobody else.
 */
export async function run({ smoke }: { smoke: boolean }): Promise<BenchResult[]> {
  const customers = smoke ? 60 : 200;
  const root = projectRoot();
  await promisify(execFile)(process.execPath, [join(root, 'scripts/build.mjs')]);
  const dir = await mkdtemp(join(tmpdir(), 'asterisk-retailcrm-agi-'));
  await chmod(dir, 0o755); // PostgreSQL does not run as root: its user must get through
  const server = await startEmbedded({ dataDir: join(dir, 'postgres'), log: silentLog });
  const known = Array.from({ length: customers }, (_, index) => ({
    ...{ id: 1_000 + index, firstName: 'Customer', lastName: String(index), managerId: 7 },
    phones: [phoneOf(index)],
  }));
  const crm = await startEmulator({
    port: 0,
    seed: { accounts: [{ name: 'tenant1', key: 'tenant1-key', customers: known }] },
  });
  const pbx = await Pbx.start();
  const daemon = await DaemonProcess.prepare({
    ...{ main: join(root, 'dist/main.js'), dir, databaseUrl: server.url },
    tenants: [
      {
        ...{ id: 'tenant1', crmUrl: crm.url, crmKey: 'tenant1-key' },
        hosts: [{ id: 'pbx1', port: pbx.port, user: pbx.user, secret: pbx.secret }],
      },
    ],
  });
  const yaml = join(dir, 'daemon.yaml');
  await writeFile(yaml, `${await readFile(yaml, 'utf8')}agi: { port: 0 }\n`);
  try {
    const port = await started(daemon);
    for (let index = 0; index < customers; index++) await until(async () => (await ask(port, phoneOf(index))).known);

    const seconds = smoke ? 3 : 20;
    const memory = await steady(port, (n) => phoneOf(n % customers), perSecond * seconds);
    // The second look at each card goes at the general rate; what it does not come to is not in the table.
    await until(async () => (await saved(server.url)) === customers);
    await daemon.terminate();
    const again = await started(daemon);
    const table = await steady(again, phoneOf, customers);
    crm.setSwitches({ delayMs: 5_000 });
    const slow = await steady(again, (n) => `+37529${String(8_000_000 + n)}`, perSecond * (smoke ? 2 : 5));
    crm.setSwitches({ delayMs: 0, down: true });
    const down = await steady(again, (n) => `+37529${String(9_000_000 + n)}`, perSecond * (smoke ? 2 : 5));
    return [
      atMost('agi: who is responsible, from memory, p99 at 100/s', quantile(memory.ms, 0.99), 20, 'ms'),
      { name: 'agi: from memory, p50', value: quantile(memory.ms, 0.5), unit: 'ms' },
      atMost('agi: from memory, not known', memory.unknown, 0, ''),
      { name: 'agi: from the table after a restart, p99', value: quantile(table.ms, 0.99), unit: 'ms' },
      atMost('agi: from the table after a restart, not known', table.unknown, 0, ''),
      atMost('agi: unknown numbers, the CRM takes 5 s, longest', Math.max(...slow.ms), 150, 'ms'),
      atMost('agi: unknown numbers, the CRM is down, longest', Math.max(...down.ms), 150, 'ms'),
    ];
  } finally {
    await daemon.terminate().finally(() => daemon.kill());
    await Promise.all([pbx.close(), crm.stop()]);
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Starts the daemon; its FastAGI port. */
/** How many numbers the customers' table holds. */
async function saved(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ count: string }>('select count(*) from retailcrm_customers where complete');
    return Number(rows[0]?.count);
  } finally {
    await client.end();
  }
}

async function started(daemon: DaemonProcess): Promise<number> {
  const before = daemon.said(/^agi: listening$/).length;
  daemon.start();
  await until(() => Promise.resolve(daemon.said(/^ready/).length > before));
  const text = daemon.said(/^agi: listening$/).at(-1)?.text ?? '';
  return Number(/"port":(\d+)/.exec(text)?.[1]);
}

/** One call's question: how long it took, and whether the customer was known. */
function ask(port: number, phone: string): Promise<{ ms: number; known: boolean }> {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let heard = '';
    socket.on('data', (bytes) => {
      heard += bytes.toString();
      socket.write('200 result=1\n');
    });
    socket.once('error', reject);
    socket.once('close', () => resolve({ ms: performance.now() - begun, known: heard.includes('CUSTOMER_KNOWN "1"') }));
    socket.write(`agi_network: yes\nagi_network_script: responsible\nagi_callerid: ${phone}\n\n`);
  });
}

/** Question `n` leaves at its time, however many are still under way. */
async function steady(
  port: number,
  phone: (n: number) => string,
  count: number,
): Promise<{ ms: number[]; unknown: number }> {
  const begun = performance.now();
  const under: Promise<{ ms: number; known: boolean }>[] = [];
  for (let n = 0; n < count; n++) {
    const due = begun + (n * 1000) / perSecond;
    if (due > performance.now()) await pass(due - performance.now());
    under.push(ask(port, phone(n)));
  }
  const answers = await Promise.all(under);
  return { ms: answers.map(({ ms }) => ms), unknown: answers.filter(({ known }) => !known).length };
}

async function until(so: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    if (await so()) return;
    await pass(30);
  }
  throw new Error('it never came');
}

function quantile(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
}

function atMost(name: string, value: number, target: number, unit: string): BenchResult {
  return { name, value, unit, target: `≤ ${target}`, ok: value <= target };
}

function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
