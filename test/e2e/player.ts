/** Plays one scenario: fresh Asterisk, phones, and the daemon if asked for; then compares what was seen with what was meant. */
import { startAsterisk } from './lab/asterisk.ts';
import { type ChannelDriver, phoneDial } from './lab/conf/setup.ts';
import type { AsteriskVersion, Tree } from './lab/install.ts';
import { identities } from './lab/identity.ts';
import { type DaemonTrouble, type OpenLab, openLab } from './lab/lab.ts';
import { parseMessage, type Message, type Segment } from './lab/manager.ts';
import { openProxy, type Proxy } from './lab/proxy.ts';
import { writeCapture } from './lab/record.ts';
import { disagreements } from './lab/story.ts';
import { deadline, type Pulse, watchPulse } from './lab/wait.ts';
import type { DaemonUnderTest, Stage } from './daemon.ts';
import type { Scenario } from './scenarios/expect.ts';

/** One scenario on one Asterisk. */
export interface Test {
  scenario: Scenario;
  version: AsteriskVersion;
  driver: ChannelDriver;
  /** Scenario's name, with the configuration as suffix where it is not the usual one. */
  name: string;
}

/** How a test ended. */
export interface TestResult {
  test: Test;
  outcome: 'passed' | 'failed' | 'skipped';
  seconds: number;
  /** What was wrong, a sentence each. */
  problems: string[];
  /** How long the machine was seen to stand still while it was played, milliseconds; 0 when all is well. */
  stallMs: number;
}

/** How scenarios are played. */
export interface PlayOptions {
  /** Directory for captures; undefined for none. */
  record: string | undefined;
  /** Keep Asterisk's directories also of tests that passed. */
  keep: boolean;
  /** Where daemons are started; undefined plays without the daemon and judges the stream alone. */
  stage: Stage | undefined;
}

/** What Asterisk and this process take for an answer when all is well, milliseconds. */
const usualMs = 100;

/** A guard against a scenario that waits for ever; a busy machine makes some of them take a minute. */
const scenarioMs = 150_000;

/** Never rejects: whatever goes wrong is a problem of this test. */
export async function playScenario(tree: Tree, test: Test, options: PlayOptions): Promise<TestResult> {
  const begun = Date.now();
  const { problems, stallMs } = await play(tree, test, options).catch((error: unknown): Played => {
    return { problems: [error instanceof Error ? error.message : String(error)], stallMs: 0 };
  });
  const seconds = (Date.now() - begun) / 1000;
  return { test, outcome: problems.length === 0 ? 'passed' : 'failed', seconds, problems, stallMs };
}

type Played = Pick<TestResult, 'problems' | 'stallMs'>;

async function play(tree: Tree, test: Test, options: PlayOptions): Promise<Played> {
  const { scenario, driver } = test;
  const asterisk = await startAsterisk({ tree, name: `${process.pid}-${test.name}`, driver });
  let daemon: DaemonUnderTest | undefined;
  let proxy: Proxy | undefined;
  let phones: OpenLab | undefined;
  let pulse: Pulse | undefined;
  let passed = false;
  try {
    let trouble: DaemonTrouble | undefined;
    if (options.stage !== undefined) {
      const { ami } = asterisk;
      const network = await openProxy(ami);
      proxy = network;
      const under = await options.stage.startDaemon({
        ami: { ...ami, host: '127.0.0.1', port: network.port },
        phones: phoneDial(driver, '{extension}'),
        agi: asterisk.network.pbx,
        name: test.name,
        click: scenario.click?.(driver) ?? {},
      });
      daemon = under;
      trouble = {
        cutAmi: () => network.cut(),
        kill: () => under.kill(),
        restart: () => under.restart(),
        synced: (before) => under.synced(before),
        click: (user, phone) => under.click(user, phone),
        hint: (orderId) => under.hint(orderId),
        crmLine: (line) => under.crmLine(line),
        says: (text) => under.says(text),
        api: (path, parameters) => under.api(path, parameters),
        command: (...args) => under.command(...args),
        get crm() {
          return under.crm;
        },
        get syncs() {
          return under.syncs;
        },
      };
    }
    const opened = await openLab(asterisk, trouble);
    phones = opened;
    const { lab } = opened;
    const beat = watchPulse();
    pulse = beat;
    const expected = await deadline(scenario.play(lab), scenarioMs, 'the end of the scenario');
    await asterisk.idle(opened.calls());
    const segments = asterisk.segments;
    const cut = scenario.name === 'fault_crash';
    const events = segments.flatMap(eventsOf);
    const stallMs = Math.max(0, Math.round(Math.max(opened.slowestMs(), beat.slowestMs())) - usualMs);
    const problems = disagreements(events, expected, cut, stallMs);
    if (daemon !== undefined) {
      const ids = identities(events, expected);
      const known = expected.flatMap((call, index) => {
        const identity = ids[index];
        const logToCrm = call.logToCrm && call.unseen !== true;
        return identity === undefined ? [] : [{ expected: { ...call, logToCrm }, identity }];
      });
      problems.push(...(await daemon.disagreements(known, stallMs)), ...(await daemon.stop()));
    }
    if (options.record !== undefined) {
      await writeCapture(options.record, test.name, scenario.what, asterisk, segments, events, expected);
    }
    passed = problems.length === 0;
    return { problems, stallMs };
  } catch (error) {
    const log = await asterisk.logTail(12).catch(() => '');
    const said = daemon === undefined ? '' : `\n${await daemon.logTail()}`;
    throw new Error(`${error instanceof Error ? error.message : String(error)}\nAsterisk's log ends:\n${log}${said}`, {
      cause: error,
    });
  } finally {
    pulse?.stop();
    phones?.close();
    await daemon?.stop();
    proxy?.close();
    await asterisk.stop();
    if (passed && !options.keep) await asterisk.remove();
  }
}

/** The events of one connection, cut from the raw bytes as a recording holds them. */
function eventsOf(segment: Segment): Message[] {
  const messages: Message[] = [];
  let text = '';
  for (const { at, bytes } of segment.chunks) {
    text += bytes.toString('latin1');
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      messages.push(parseMessage(Buffer.from(text.slice(0, end), 'latin1').toString('utf8'), at));
      text = text.slice(end + 4);
    }
  }
  return messages.filter(({ event }) => event !== undefined);
}
