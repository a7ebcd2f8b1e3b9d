/** kill -9 at any moment while changes of the CRM are applied: every effect is there once, and no call is made twice. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { projectRoot } from '../../src/root.ts';
import { startSyncHarness, type SyncHarness } from './syncHarness.ts';

let h: SyncHarness;
let dir: string;
let program: string;
const calls: string[] = [];
const phone = createServer((request, response) => {
  calls.push((request.url ?? '').slice(1));
  response.end();
});

beforeAll(async () => {
  // Inside the checkout: the bundle finds its packages there.
  const cache = join(projectRoot(), '.cache');
  await mkdir(cache, { recursive: true });
  dir = await mkdtemp(join(cache, 'killed-'));
  program = join(dir, 'syncProcess.mjs');
  const script = `const { bundle } = await import(process.argv[1]); await bundle(process.argv[2], process.argv[3], 'external');`;
  const source = join(projectRoot(), 'test/support/syncProcess.ts');
  const bundler = join(projectRoot(), 'scripts/bundle.mjs');
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, bundler, source, program]);
  phone.listen(0, '127.0.0.1');
  await once(phone, 'listening');
  h = await startSyncHarness();
});
afterAll(async () => {
  phone.close();
  phone.closeAllConnections();
  await rm(dir, { recursive: true, force: true });
  await h.reset();
  await h.close();
});

async function follower(): Promise<ChildProcess> {
  const { port } = phone.address() as AddressInfo;
  const child = spawn(process.execPath, [program, h.url, h.emulator.url, `http://127.0.0.1:${port}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

const kills = 8;
const ordersPerLife = 8;

test('eight lives of a process, each ended in the middle', async () => {
  await h.sync().drain();
  let ids = 88;
  for (let life = 0; life < kills; life += 1) {
    const child = await follower();
    const before = h.emulator.requests().length;
    for (let n = 0; n < ordersPerLife; n += 1, ids += 1) {
      await h.ui('orders', { order: { managerId: 7, phone: '80290000101' } });
      await h.ui(`orders/${ids}`, { order: { status: 'call-back' } });
    }
    // The moment of death: after so many of its requests, and a little later each time.
    await h.until(() => h.emulator.requests().length >= before + life * 3, 'it is at work');
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const last = await follower();
  const unfinished = "select 1 from order_rule_runs where state = 'pending' union all select 1 from dirty_entities";
  const known = async (): Promise<number> => (await h.query('select 1 from orders')).length;
  const noted = async (): Promise<number> => (await h.query('select 1 from order_statuses')).length;
  await h.until(async () => (await known()) === kills * ordersPerLife, 'every order is known');
  // The last order may be known as it was before its change: then nothing is left to do, and yet something is to come.
  await h.until(async () => (await noted()) >= kills * ordersPerLife * 2, 'every change is known');
  await h.until(async () => (await h.query(unfinished)).length === 0, 'nothing is left to do');
  last.kill('SIGKILL');
  await once(last, 'exit');

  const changes = await h.query(
    "select order_id, string_agg(status, ' ' order by at, id) as statuses from order_statuses group by order_id",
  );
  expect(changes).toHaveLength(kills * ordersPerLife);
  expect(new Set(changes.map(({ statuses }) => statuses))).toEqual(new Set(['new call-back']));

  expect(new Set(calls).size).toBe(calls.length);
  const runs = await h.query("select state, 'rule-' || change_id || '-call' as id from order_rule_runs");
  expect(runs).toHaveLength(kills * ordersPerLife);
  const done = runs.filter(({ state }) => state === 'done').map(({ id }) => String(id));
  expect(calls).toEqual(expect.arrayContaining(done));
  // Only what was being begun at the moment of death is open: at most one per life.
  expect(runs.filter(({ state }) => state === 'started').length).toBeLessThanOrEqual(kills);
  expect(runs.every(({ state }) => state === 'done' || state === 'started')).toBe(true);
}, 120_000);
