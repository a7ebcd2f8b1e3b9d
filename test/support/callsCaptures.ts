/** Recorded streams of real Asterisk with their hand-checked truth (test/captures/README.md). */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostEvent } from '../../src/calls/events.ts';
import { hostEvents, readCapture } from '../../src/capture.ts';
import { loadEnterpriseFile } from '../../src/config/load.ts';
import type { EnterpriseSettings, HostSettings } from '../../src/config/settings.ts';
import { planSettings } from '../../src/planSettings.ts';
import type { PlanSettings } from '../../src/delivery/plan.ts';
import { projectRoot } from '../../src/root.ts';
import { hostRules } from '../../src/rules.ts';
import type { HostRules } from '../../src/calls/rules.ts';

/** What is known of one call of a capture; the fields the tests compare. */
export interface TruthCall {
  direction: 'in' | 'out' | 'internal';
  logToCrm: boolean;
  customerPhone: string | null;
  externalPhone: string | null;
  result: string;
  startedAt: string;
  answeredAt: string | null;
  endedAt: string;
  waitSeconds: number;
  talkSeconds: number;
  answeredBy: string | null;
  handledBy: string[] | null;
  initiatedBy: string | null;
  rang: { ext: string; at: string; outcome: string }[];
  transfers?: { type: string; from: string; to: string | null; at: string; result: string }[];
  /** Who was responsible for the customer when, in order. */
  talked?: { party: string }[];
  recording: string | null;
  firstUniqueid: string;
  linkedid: string;
  extra?: { resultAlternatives?: string[]; endTolerance?: number };
}

/** One capture's truth file. */
export interface Truth {
  scenario: string;
  calls: TruthCall[];
  extra?: { optionalCalls?: TruthCall[] };
}

/** A capture: its name (`ast22/in_queue@rich`), its segments in order, its truth. */
export interface Capture {
  name: string;
  segments: string[];
  truth: Truth;
}

const root = join(projectRoot(), 'test', 'captures');

/** Every capture of both Asterisk generations, in order of name. */
export function captures(): Capture[] {
  return ['ast22', 'ast16'].flatMap((version) =>
    readdirSync(join(root, version))
      .filter((file) => file.endsWith('.truth.json'))
      .sort()
      .map((file) => capture(`${version}/${file.replace('.truth.json', '')}`)),
  );
}

/** One capture by its name. */
export function capture(name: string): Capture {
  const segments = [join(root, `${name}.ami`)];
  for (let n = 2; existsSync(join(root, `${name}.seg${n}.ami`)); n++) segments.push(join(root, `${name}.seg${n}.ami`));
  const truth = JSON.parse(readFileSync(join(root, `${name}.truth.json`), 'utf8')) as Truth;
  return { name, segments, truth };
}

/** The capture as the core hears it, segments joined. */
export function eventsOf(one: Capture): HostEvent[] {
  return [...hostEvents(one.segments.map(readCapture))];
}

/** The shipped example's enterprise and host, and what the core and the planner know of them. */
export function example(over: (enterprise: EnterpriseSettings) => EnterpriseSettings = (same) => same): {
  enterprise: EnterpriseSettings;
  host: HostSettings;
  rules: HostRules;
  settings: PlanSettings;
} {
  const enterprise = over(loadEnterpriseFile(join(projectRoot(), 'config', 'enterprises', 'example.yaml')));
  const host = enterprise.hosts.find((one) => one.id === 'pbx1');
  if (host === undefined) throw new Error('the example has no host pbx1');
  const rules = hostRules(enterprise, host);
  return { enterprise, host, rules, settings: planSettings(enterprise, host, rules, undefined) };
}
