/** kill -9 at any moment while errands are run: one card per number, one order and one note per call, never two tasks. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type FollowUpSettings, followUps } from '../../src/delivery/followUps.ts';
import { projectRoot } from '../../src/root.ts';
import { errandRow } from '../../src/rows.ts';
import { enqueue } from '../../src/store/outbox.ts';
import { EPOCH } from '../support/callsScript.ts';
import { defaultPolicies, newCall } from '../support/callsTransitions.ts';
import { type Harness, startHarness } from './deliveryHarness.ts';

let h: Harness;
let dir: string;
let program: string;

beforeAll(async () => {
  // Inside the checkout: the bundle finds its packages there.
  const cache = join(projectRoot(), '.cache');
  await mkdir(cache, { recursive: true });
  dir = await mkdtemp(join(cache, 'killed-'));
  program = join(dir, 'errandProcess.mjs');
  const script = `const { bundle } = await import(process.argv[1]); await bundle(process.argv[2], process.argv[3], 'external');`;
  const source = join(projectRoot(), 'test/support/errandProcess.ts');
  const bundler = join(projectRoot(), 'scripts/bundle.mjs');
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, bundler, source, program]);
  h = await startHarness();
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
  await h.reset();
  await h.close();
});

async function runner(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [program, h.database.url, h.emulator.url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

const lives = 8;
const numbers = 16;
const callsPerNumber = 2;

const settings: FollowUpSettings = {
  policies: defaultPolicies,
  createWhen: () => ['in_missed'],
  card: { name: '{phone}', manager: 'none', source: undefined, externalIdPrefix: 'tel-' },
  missed: {
    order: { method: 'missed-call', status: undefined, comment: '{phone}' },
    task: { text: 'call {phone}, {time}', withinMinutes: 30, performer: '150' },
    note: 'missed at {time}',
  },
  defaultDid: undefined,
  siteOf: () => undefined,
  didName: () => undefined,
  hasCard: () => false,
};

const phoneOf = (n: number): string => `+37529777${String(n).padStart(4, '0')}`;

/** The errands of all missed calls, as their intake would have written them. */
async function plan(): Promise<void> {
  for (let n = 0; n < numbers * callsPerNumber; n++) {
    const startedAt = EPOCH + n * 60_000;
    const call = newCall({
      ...{ externalId: `pbx1-${n}`, state: 'ended', result: 'no answer', startedAt, endedAt: startedAt + 9000 },
      customer: { kind: 'phone', e164: phoneOf(n % numbers) },
    });
    const errands = followUps({ fact: 'call.missed', at: startedAt + 9000, call, open: [] }, settings);
    const origin = { enterprise: 'acme', host: 'pbx1', account: 'demo' };
    await enqueue(
      h.database.db,
      errands.map((errand) => errandRow(errand, origin)),
    ); // prettier-ignore
  }
}

test('eight lives of a process, each ended in the middle', async () => {
  await plan();
  for (let life = 0; life < lives; life++) {
    const before = h.emulator.requests().length;
    const child = await runner();
    // The moment of death: after so many of its requests, and a little later each time.
    await h.until(() => h.emulator.requests().length >= before + 3 + life * 3, 'it is at work');
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const open = async (): Promise<number> =>
    (await h.database.query("select 1 from outbox where state = 'pending'")).length;
  expect(await open()).toBeGreaterThan(0); // the last life has something to do, so that no kill came too late
  const last = await runner();
  await h.until(async () => (await open()) === 0, 'every errand is settled');
  last.kill('SIGKILL');
  await once(last, 'exit');

  const { customers, orders, notes, tasks } = h.emulator.account();
  const made = [...customers.values()].flatMap(({ phones }) => phones.map(({ number }) => number));
  const theirs = made.filter((number) => number.startsWith('+37529777')).sort();
  expect(theirs).toEqual(Array.from({ length: numbers }, (_, n) => phoneOf(n)));
  const calls = Array.from({ length: numbers * callsPerNumber }, (_, n) => `call-pbx1-${n}`);
  expect([...orders.values()].map(({ externalId }) => externalId ?? '').sort()).toEqual(calls.sort());
  expect(new Set(notes.map(({ customerId, text }) => `${customerId} ${text}`)).size).toBe(calls.length);
  expect(notes).toHaveLength(calls.length);
  // Of a task in hand at the moment of death nobody knows whether it was made: a person is asked, none is made twice.
  const dead = await h.database.query("select external_id from outbox where state = 'dead'");
  expect(dead.every(({ external_id: key }) => String(key).startsWith('task/'))).toBe(true);
  expect(dead.length).toBeLessThanOrEqual(lives * 4);
  const texts = tasks.map(({ text }) => String(text));
  expect(new Set(texts).size).toBe(texts.length);
  expect(texts.length + dead.length).toBeGreaterThanOrEqual(calls.length);
}, 90_000);
