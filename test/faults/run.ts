/**
 * Fault tests: npm run test:faults -- [--smoke] [--only TEXT[,TEXT]] [--list] [--cycles N] [--seed N] [--json] [--keep].
 * The daemon as a process between simulated PBXs and the CRM emulator, with real PostgreSQL; a line per test. Exit code 0 if
 * nothing failed.
 */
import { parseArgs } from 'node:util';
import { type FaultCase, Skip, type Trial } from './case.ts';
import { asteriskCases } from './cases/asterisk.ts';
import { crmCases } from './cases/crm.ts';
import { databaseCases } from './cases/database.ts';
import { garbageCases } from './cases/garbage.ts';
import { processCases } from './cases/process.ts';
import { killAll } from './daemon.ts';
import { type Lab, openLab } from './lab.ts';
import { Finding } from './wait.ts';

const { values: args } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    only: { type: 'string' },
    list: { type: 'boolean', default: false },
    cycles: { type: 'string' },
    seed: { type: 'string' },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});

const all: FaultCase[] = [...processCases, ...asteriskCases, ...crmCases, ...databaseCases, ...garbageCases];
const seed = args.seed === undefined ? Date.now() % 1_000_000 : Number(args.seed);
const cycles = args.cycles === undefined ? (args.smoke ? 10 : 100) : Number(args.cycles);
const totals = { passed: 0, failed: 0, skipped: 0 };

/** For people; with --json everything but the results goes to stderr. */
function say(line: string): void {
  (args.json ? process.stderr : process.stdout).write(`${line}\n`);
}

/** On a terminal the line of the running test shows where it stands. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K     ${text}`);
}

function report(name: string, outcome: keyof typeof totals, seconds: number, text: string): void {
  totals[outcome]++;
  progress('');
  if (args.json) {
    process.stdout.write(`${JSON.stringify({ name, outcome, seconds: Math.round(seconds * 10) / 10, text })}\n`);
    return;
  }
  const mark = { passed: 'ok  ', failed: 'FAIL', skipped: 'skip' }[outcome];
  say(`${mark} ${`${seconds.toFixed(1)} s`.padStart(8)}  ${name}`);
  if (text !== '') say(`${' '.repeat(15)}${text}`);
}

function wanted(one: FaultCase): boolean {
  if (args.only !== undefined)
    return args.only.split(',').some((text) => one.name.toLowerCase().includes(text.toLowerCase()));
  return !args.smoke || one.smoke === true;
}

async function play(one: FaultCase, lab: Lab): Promise<void> {
  const begun = performance.now();
  const trial: Trial = {
    ...{ lab, seed, smoke: args.smoke, progress },
    cycles: (share = 1) => Math.max(2, Math.round(cycles * share)),
  };
  const seconds = (): number => (performance.now() - begun) / 1000;
  try {
    const text = await one.run(trial);
    report(one.name, 'passed', seconds(), text);
  } catch (error) {
    if (error instanceof Skip) report(one.name, 'skipped', seconds(), error.message);
    else if (error instanceof Finding) report(one.name, 'failed', seconds(), error.message);
    else report(one.name, 'failed', seconds(), error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}

async function main(): Promise<number> {
  const chosen = all.filter(wanted);
  if (args.list) {
    for (const one of chosen) say(`${one.smoke === true ? 'smoke' : '     '}  ${one.name}`);
    return 0;
  }
  const begun = performance.now();
  say(`seed ${seed}, ${cycles} cycles`);
  const lab = await openLab({ keep: args.keep, say });
  try {
    for (const one of chosen) await play(one, lab);
  } finally {
    killAll();
    await lab.close();
  }
  const { passed, failed, skipped } = totals;
  say(`${passed} passed, ${failed} failed, ${skipped} skipped in ${Math.round((performance.now() - begun) / 1000)} s`);
  return failed === 0 && passed + skipped > 0 ? 0 : 1;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killAll();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  });
}
process.exitCode = await main();
