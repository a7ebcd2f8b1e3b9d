import { randomBytes } from 'node:crypto';
import { isNativeError } from 'node:util/types';
import { CrmError } from '../retailcrm/errors.ts';
import { type Check, NotRefused, describe } from './check.ts';
import { conclusionsOf } from './conclusions.ts';
import { peculiaritiesOf } from './peculiarities.ts';
import { type ProbeOptions, Session, Skipped } from './session.ts';
import { accessChecks } from './checksAccess.ts';
import { accountChecks } from './checksAccount.ts';
import { customerChecks } from './checksCustomers.ts';
import { fileChecks } from './checksFiles.ts';
import { mistakeChecks } from './checksMistakes.ts';
import { orderChecks } from './checksOrders.ts';
import { telephonyChecks } from './checksTelephony.ts';
import type { CheckResult, Protocol } from './types.ts';

/** The whole test plan, in its order. */
export const CHECKS: readonly Check[] = [
  ...accessChecks,
  ...accountChecks,
  ...customerChecks,
  ...telephonyChecks,
  ...orderChecks,
  ...fileChecks,
  ...mistakeChecks,
];

/** The checks a run with these options makes. */
export function planned(options: Pick<ProbeOptions, 'write' | 'files'>): Check[] {
  return CHECKS.filter((check) => (check.writes !== true || options.write) && (check.files !== true || options.files));
}

/** Plays the test plan. `onResult` is told of each check as it is over. Throws TypeError when the address must not be called. */
export async function runProbe(options: ProbeOptions, onResult?: (result: CheckResult) => void): Promise<Protocol> {
  const now = options.now ?? Date.now;
  const session = new Session(options, options.id ?? randomBytes(4).toString('hex'));
  const startedAt = new Date(now());
  const results: CheckResult[] = [];
  try {
    for (const check of planned(options)) {
      const result =
        options.signal?.aborted === true
          ? leftOut(check, 'left out: the run was interrupted')
          : shutOut(results) && check.area !== 'Access'
            ? leftOut(check, 'left out: the account does not let us in')
            : await perform(check, session);
      results.push(result);
      onResult?.(result);
    }
  } finally {
    session.stop();
  }
  const wrong = options.signal?.aborted === true || results.some(({ outcome }) => outcome === 'failed');
  const verdict = shutOut(results) ? 2 : wrong ? 1 : 0;
  const peculiarities = peculiaritiesOf(results, session);
  return {
    id: session.id,
    mark: session.mark,
    account: options.url,
    enterprise: options.enterprise,
    mode: options.write ? 'write' : 'read-only',
    startedAt,
    endedAt: new Date(now()),
    results,
    created: session.created,
    peculiarities,
    conclusions: conclusionsOf(results, session, verdict),
    verdict,
  };
}

/** Nobody opened at any of the doors. */
function shutOut(results: readonly CheckResult[]): boolean {
  const access = results.filter(({ area }) => area === 'Access');
  return access.length === accessChecks.length && access.every(({ outcome }) => outcome === 'failed');
}

async function perform(check: Check, session: Session): Promise<CheckResult> {
  const about = { id: check.id, area: check.area, title: check.title };
  const times = check.writes === true || check.once === true ? 1 : (session.options.repeat ?? 3);
  session.takeWire();
  const first = await attempt(check, session);
  const exchanges = session.takeWire();
  const latencies = exchanges.filter(({ status }) => status !== null).map(({ latencyMs }) => latencyMs);
  if (first.outcome !== 'ok') return { ...about, ...first, exchanges, latencies };
  const failures: string[] = [];
  for (let time = 1; time < times; time++) {
    const again = await attempt(check, session);
    for (const { status, latencyMs } of session.takeWire()) if (status !== null) latencies.push(latencyMs);
    if (again.outcome === 'failed') failures.push(again.says);
  }
  if (failures.length === 0) return { ...about, ...first, exchanges, latencies };
  const says = `${first.says}; but ${failures.length} of ${times} times: ${failures[0] ?? ''}`;
  return { ...about, ...first, outcome: 'failed', says, exchanges, latencies };
}

type Attempt = Pick<CheckResult, 'outcome' | 'says' | 'error'>;

async function attempt(check: Check, session: Session): Promise<Attempt> {
  try {
    return { outcome: 'ok', says: await check.run(session), error: undefined };
  } catch (error) {
    if (error instanceof Skipped) return { outcome: 'skipped', says: error.message, error: undefined };
    if (error instanceof NotRefused) return { outcome: 'failed', says: error.message, error: undefined };
    if (error instanceof CrmError) {
      const { kind, status, errorMsg: message } = error;
      return { outcome: 'failed', says: describe(error), error: { kind, status, message } };
    }
    // A fault of ours: the other checks are worth their while all the same.
    const says = `the probe itself failed: ${isNativeError(error) ? error.message : String(error)}`;
    return { outcome: 'failed', says, error: undefined };
  }
}

function leftOut({ id, area, title }: Check, says: string): CheckResult {
  return { id, area, title, outcome: 'skipped', says, exchanges: [], latencies: [], error: undefined };
}
