/** What a replay would tell the CRM, in words a test row can hold. */
import type { CallRecord } from '../../src/calls/record.ts';
import type { EnterpriseSettings, PolicySettings } from '../../src/config/settings.ts';
import { type ReplayLine, replay } from '../../src/replay.ts';
import { hostRules } from '../../src/rules.ts';
import type { HostEvent } from '../../src/calls/events.ts';
import { example } from './callsCaptures.ts';

/** One element of a history upload. */
export interface Upload {
  externalId: string;
  date: string;
  type: 'in' | 'out';
  phone: string;
  result: string;
  code?: string;
  duration: number;
  durationWaiting: number;
  recordUrl?: string;
  externalPhone?: string;
}

/** Everything a stream leads to. */
export interface Told {
  /** In order: `in 150+151`, `hangup 150: answered`. */
  popups: string[];
  /** In order: `in answered 151`, `in no answer nobody`. */
  history: string[];
  /** Reason codes of the drop ledger, in order. */
  drops: string[];
  uploads: Upload[];
  calls: CallRecord[];
}

/** Replays a stream as the shipped example's enterprise, changed by `over`, on a host of this id. */
export function toldOf(
  events: readonly HostEvent[],
  over: (enterprise: EnterpriseSettings) => EnterpriseSettings = (same) => same,
  hostId = 'pbx1',
): Told {
  const { enterprise, host, settings } = example(over);
  const rules = hostRules(enterprise, { ...host, id: hostId });
  return inWords([...replay(events, rules, settings)]);
}

/** The example with some policies changed. */
export function withPolicies(
  policies: Partial<PolicySettings>,
): (enterprise: EnterpriseSettings) => EnterpriseSettings {
  return (enterprise) => ({ ...enterprise, policies: { ...enterprise.policies, ...policies } });
}

/** The example with one employee's own mobile phones listed. */
export function withMobiles(
  extension: string,
  mobiles: string[],
): (enterprise: EnterpriseSettings) => EnterpriseSettings {
  return (enterprise) => ({
    ...enterprise,
    employees: enterprise.employees.map((one) => (one.extension === extension ? { ...one, mobiles } : one)),
  });
}

function inWords(lines: readonly ReplayLine[]): Told {
  const told: Told = { popups: [], history: [], drops: [], uploads: [], calls: [] };
  for (const line of lines) {
    if (line.type === 'dropped') told.drops.push(line.reason);
    if (line.type === 'call') told.calls.push(line);
    if (line.type !== 'request') continue;
    if (line.form['event'] !== undefined) {
      const event = JSON.parse(line.form['event']) as { type: string; codes: string[]; hangupStatus?: string };
      const status = event.hangupStatus === undefined ? '' : `: ${event.hangupStatus}`;
      told.popups.push(`${event.type} ${[...event.codes].sort().join('+')}${status}`);
    }
    for (const upload of JSON.parse(line.form['calls'] ?? '[]') as Upload[]) {
      told.uploads.push(upload);
      told.history.push(`${upload.type} ${upload.result} ${upload.code ?? 'nobody'}`);
    }
  }
  return told;
}
