/**
 * What our manager user may do against what it needs. What it may do is told by `ListCommands`, which names only the
 * actions the user may use; what it hears, by the events themselves.
 */
import type { EnterpriseSettings } from '../config/settings.ts';
import type { Findings } from './finding.ts';
import { some } from './finding.ts';

/** Classes of manager.conf that we need. */
export interface NeededRights {
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/** Events with these are handed to us only with the class `agent`. */
export function neededRights(enterprise: EnterpriseSettings): NeededRights {
  const { clickToCall, statuses } = enterprise;
  const read = ['call', 'system', ...(statuses.toCrm ? ['agent'] : [])];
  const write = [
    'reporting',
    // Click-to-call; and, of live calls, listening (an Originate), transfer and hang-up.
    ...(clickToCall === undefined ? [] : ['call', 'originate']),
    ...(statuses.toPbx || enterprise.customers.orderRules.some(({ action }) => action === 'pause') ? ['agent'] : []),
  ];
  return { read, write };
}

/** An action that only this class opens: who may use it has the class. */
const telling: readonly (readonly [klass: string, action: string])[] = [
  ['reporting', 'CoreStatus'],
  ['call', 'Redirect'],
  ['originate', 'Originate'],
  ['agent', 'QueuePause'],
];

/** What a telephony bridge must never hold: each lets its owner take the PBX over. */
const dangerous: readonly (readonly [klass: string, action: string, why: string])[] = [
  ['command', 'Command', 'run any console command'],
  ['config', 'UpdateConfig', 'rewrite the configuration'],
  ['system', 'DBDel', 'read manager.conf with all passwords and run programs'],
];

/** Judges the write classes. @param actions names from `ListCommands`; undefined = it was not answered */
export function judgeWrite(
  actions: ReadonlySet<string> | undefined,
  needed: NeededRights,
  user: string,
  findings: Findings,
): void {
  if (actions === undefined) {
    findings.warn(
      'rights',
      'Asterisk does not tell what the user may do',
      `compare [${user}] with --print-manager-conf`,
    );
    return;
  }
  const has = (action: string): boolean => actions.has(action.toLowerCase());
  const missing = telling.filter(([klass, action]) => needed.write.includes(klass) && !has(action));
  const lacksQueues = missing.some(([klass]) => klass === 'agent');
  if (missing.length > 0) {
    findings.fail(
      'rights',
      `user ${user} lacks in write: ${missing.map(([klass]) => klass).join(', ')}`,
      `in manager.conf set write = ${needed.write.join(',')} for [${user}] and run "manager reload"${lacksQueues ? '; for agent app_queue must be loaded too' : ''}`,
    );
  }
  const surplus = dangerous.filter(([, action]) => has(action));
  const all = surplus.length === dangerous.length;
  if (surplus.length > 0) {
    findings[all ? 'fail' : 'warn'](
      'rights',
      all
        ? `user ${user} has write = all: who knows its password owns the PBX`
        : `user ${user} has more than it needs: with ${surplus.map(([klass, , why]) => `${klass} it may ${why}`).join(', with ')}`,
      `in manager.conf set write = ${needed.write.join(',')} for [${user}] and run "manager reload"`,
    );
  }
  if (missing.length === 0 && surplus.length === 0) {
    findings.ok('rights', `user ${user} may do what is needed (${needed.write.join(', ')}) and nothing dangerous`);
  }
}

/** What was heard while we listened. */
export interface Heard {
  /** Classes of the events that came (`Privilege`), without `all`. */
  readonly classes: ReadonlySet<string>;
  /** How long was listened, seconds. */
  readonly seconds: number;
  /** Calls moved meanwhile, by Asterisk's own counter or its live channels; undefined = unknown. */
  readonly callsMoved: boolean | undefined;
  /** When the daemon last stored a call of this host. */
  readonly lastCall: Date | undefined;
  /** `read` of the user in manager.conf, where the file could be read. */
  readonly configured: readonly string[] | undefined;
}

/** A call stored within this time shows that the events arrive, ms. */
const RECENT_MS = 24 * 3600_000;

/** Judges the read classes: those needed must be shown to arrive. */
export function judgeRead(heard: Heard, needed: NeededRights, user: string, now: Date, findings: Findings): void {
  const fix = `in manager.conf set read = ${needed.read.join(',')} for [${user}], run "manager reload", and let the daemon log in anew`;
  const { classes, configured } = heard;
  const configuredAll = configured?.includes('all') ?? false;
  const known = (klass: string): boolean =>
    classes.has(klass) || configuredAll || (configured?.includes(klass) ?? false);
  if (!known('system'))
    findings.fail('events', `user ${user} hears no class system: no FullyBooted came after the login`, fix);
  const lastCall = heard.lastCall !== undefined && now.getTime() - heard.lastCall.getTime() < RECENT_MS;
  if (known('call') || lastCall) {
    const how = classes.has('call')
      ? `came within ${heard.seconds} s`
      : lastCall
        ? `arrive: the daemon stored a call ${minutesAgo(heard.lastCall, now)}`
        : 'are granted in manager.conf';
    findings.ok('events', `events of class call ${how}`);
  } else if (heard.callsMoved === true || configured !== undefined) {
    findings.fail(
      'events',
      `no event of class call came to user ${user} although ${configured === undefined ? 'calls are under way' : 'it should: manager.conf does not grant it'}`,
      fix,
    );
  } else {
    findings.warn(
      'events',
      `no call passed within ${heard.seconds} s, so it is not shown that events of class call arrive`,
      'make a call while "doctor --watch 30" runs',
    );
  }
  if (needed.read.includes('agent') && !known('agent')) {
    findings.warn(
      'events',
      'no event of class agent was heard; pauses of queue members reach the CRM only with it',
      `${fix}; or pause a member while "doctor --watch 30" runs`,
    );
  }
  const surplus = configuredAll
    ? ['all']
    : [...classes].filter((klass) => !needed.read.includes(klass) && klass !== 'agent');
  if (surplus.length > 0) {
    findings.warn(
      'events',
      `user ${user} hears more than it needs: ${some(surplus)}`,
      `${fix}: the rest is four fifths of the traffic, and dialplan and user may carry forged events`,
    );
  }
}

function minutesAgo(at: Date | undefined, now: Date): string {
  const minutes = Math.round((now.getTime() - (at?.getTime() ?? 0)) / 60_000);
  return minutes < 120 ? `${minutes} min ago` : `${Math.round(minutes / 60)} h ago`;
}
