/**
 * End-to-end tests: npm run test:e2e -- [--version 22|16|all] [--only NAME[,NAME]] [--jobs N] [--record DIR] [--list]
 * [--json] [--keep] [--no-daemon] [--second-try]. Plays every scenario on a fresh Asterisk with our daemon beside it and
 * prints a line per test. With --second-try what failed is played once more, alone, and both are told: a loaded machine may
 * let a phone ring out. Exit code 0 if nothing failed; 0 as well where Asterisk cannot be had, after a line that says SKIPPED.
 */
import { parseArgs } from 'node:util';
import { join } from 'node:path';
import { type AsteriskVersion, installAsterisk, NoAsterisk, type Tree } from './lab/install.ts';
import { killAll } from './lab/process.ts';
import { openStage, type Stage } from './daemon.ts';
import { playScenario, type Test, type TestResult } from './player.ts';
import { scenarios } from './scenarios/index.ts';

const { values: args } = parseArgs({
  options: {
    version: { type: 'string', default: 'all' },
    only: { type: 'string' },
    jobs: { type: 'string', default: '3' },
    record: { type: 'string' },
    list: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    'no-daemon': { type: 'boolean', default: false },
    'second-try': { type: 'boolean', default: false },
  },
});

const withDaemon = !args['no-daemon'];

/** For people; with --json everything but the results goes to stderr. */
function say(line: string): void {
  (args.json ? process.stderr : process.stdout).write(`${line}\n`);
}

function versionsAsked(): AsteriskVersion[] {
  if (args.version === 'all') return [22, 16];
  if (args.version === '22') return [22];
  if (args.version === '16') return [16];
  throw new Error(`--version ${args.version}: 22, 16 or all`);
}

/** Every test of one version: each scenario with PJSIP, some once more with chan_sip on 16. */
function testsOf(version: AsteriskVersion): Test[] {
  const wanted = args.only?.split(',');
  const tests = scenarios.flatMap((scenario): Test[] => [
    { scenario, version, driver: 'pjsip', name: scenario.name },
    ...(version === 16 && scenario.chansip === true
      ? [{ scenario, version, driver: 'sip' as const, name: `${scenario.name}@chansip` }]
      : []),
  ]);
  return tests
    .filter(({ scenario }) => scenario.daemonOnly !== true || withDaemon)
    .filter(({ name, scenario }) => wanted === undefined || wanted.includes(name) || wanted.includes(scenario.name));
}

function report(result: TestResult): void {
  const { test, outcome, seconds, problems, stallMs } = result;
  if (args.json) {
    const { name, version, driver } = test;
    process.stdout.write(`${JSON.stringify({ name, version, driver, outcome, seconds, stallMs, problems })}\n`);
    return;
  }
  const mark = { passed: 'ok  ', failed: 'FAIL', skipped: 'skip' }[outcome];
  const time = outcome === 'skipped' ? '' : `${seconds.toFixed(1)} s`;
  say(`${mark}  ${String(test.version)}  ${test.name.padEnd(28)} ${time.padStart(7)}  ${test.scenario.what}`);
  if (stallMs >= 500)
    say(`          the machine stood still for ${(stallMs / 1000).toFixed(1)} s: so much more may moments differ`);
  for (const problem of problems) say(`          ${problem.replaceAll('\n', '\n          ')}`);
}

async function play(tree: Tree, test: Test, stage: Stage | undefined): Promise<TestResult> {
  const record = args.record === undefined ? undefined : join(args.record, `ast${test.version}`);
  const result = await playScenario(tree, test, { record, keep: args.keep, stage });
  report(result);
  return result;
}

/** Plays one version's tests, `jobs` at a time, each on its own Asterisk. */
async function playAll(tree: Tree, tests: Test[], jobs: number, stage: Stage | undefined): Promise<TestResult[]> {
  const waiting = [...tests];
  const results: TestResult[] = [];
  const worker = async (): Promise<void> => {
    for (let test = waiting.shift(); test !== undefined && !stopping; test = waiting.shift()) {
      results.push(await play(tree, test, stage));
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return results;
}

async function runVersion(
  version: AsteriskVersion,
  jobs: number,
  stage: (() => Promise<Stage>) | undefined,
): Promise<TestResult[]> {
  const tests = testsOf(version);
  try {
    const tree = await installAsterisk(version, (line) => say(`[${version}] ${line}`));
    return await playAll(tree, tests, jobs, await stage?.());
  } catch (error) {
    if (!(error instanceof NoAsterisk)) throw error;
    say(`SKIPPED: NO ASTERISK ${version} ON THIS MACHINE, ${tests.length} TESTS WERE NOT RUN: ${error.message}`);
    return tests.map((test) => ({ test, outcome: 'skipped', seconds: 0, problems: [], stallMs: 0 }));
  }
}

/** What failed once more, one at a time; the outcome that counts is the second one. */
async function playAgain(results: TestResult[], stage: Stage | undefined): Promise<TestResult[]> {
  const after: TestResult[] = [];
  const mended: string[] = [];
  for (const first of results) {
    if (first.outcome !== 'failed' || stopping) {
      after.push(first);
      continue;
    }
    say(`once more, alone: ${first.test.version} ${first.test.name}`);
    const second = await play(await installAsterisk(first.test.version, say), first.test, stage);
    if (second.outcome === 'passed') mended.push(`${first.test.version} ${first.test.name}`);
    after.push(second);
  }
  if (mended.length > 0) say(`ONLY ON THE SECOND TRY: ${mended.join(', ')}`);
  return after;
}

let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stopping = true;
    killAll();
    process.exit(130);
  });
}
process.on('exit', killAll);

const versions = versionsAsked();
if (args.list) {
  for (const version of versions)
    for (const { name, scenario } of testsOf(version)) say(`${version}  ${name.padEnd(28)} ${scenario.what}`);
} else {
  const begun = Date.now();
  let stage: Promise<Stage> | undefined;
  // At the first wish: without an Asterisk nothing is built.
  const wish = withDaemon ? (): Promise<Stage> => (stage ??= openStage(say)) : undefined;
  const played = (await Promise.all(versions.map((version) => runVersion(version, Number(args.jobs), wish)))).flat();
  const results = args['second-try'] ? await playAgain(played, await stage) : played;
  await (await stage)?.stop();
  const count = (outcome: TestResult['outcome']): number =>
    results.filter((result) => result.outcome === outcome).length;
  const failed = count('failed');
  say(
    `${count('passed')} passed, ${failed} failed, ${count('skipped')} skipped in ${((Date.now() - begun) / 1000).toFixed(0)} s`,
  );
  process.exitCode = failed > 0 || results.length === 0 ? 1 : 0;
  killAll();
  // Fires only if a failed test has left something open.
  setTimeout(() => process.exit(), 3000).unref();
}
