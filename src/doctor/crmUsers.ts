/** Our module in the account, and which CRM user belongs to which extension. */
import type { EmployeeSettings, EnterpriseSettings } from '../config/settings.ts';
import type { AdditionalCode, IntegrationModule, User } from '../retailcrm/account.ts';
import { type Findings, many, some } from './finding.ts';

/** Judges the module as the account has it. */
export function judgeModule(
  module: IntegrationModule,
  enterprise: EnterpriseSettings,
  publicUrl: string | undefined,
  findings: Findings,
): void {
  const again = 'run "module register"';
  if (module.freeze === true) {
    findings.fail(
      'module',
      `module ${module.code} is frozen by the CRM`,
      'the owner of the account sees why in Settings, Integration',
    );
    return;
  }
  if (module.active === false) {
    findings.fail(
      'module',
      `module ${module.code} is switched off: the CRM takes no popups from us`,
      `switch it on in the CRM, or ${again}`,
    );
    return;
  }
  const { telephony } = module;
  if (telephony === undefined) {
    findings.fail('module', `module ${module.code} has no telephony part`, again);
    return;
  }
  const addresses = [
    ['click-to-call', telephony.makeCallUrl, enterprise.clickToCall !== undefined],
    ['statuses', telephony.changeUserStatusUrl, enterprise.statuses.toPbx],
  ] as const;
  const wrong = addresses.filter(
    ([, url, on]) => on && (url === undefined || (publicUrl !== undefined && !url.startsWith(`${publicUrl}/`))),
  );
  if (wrong.length > 0) {
    findings.warn(
      'module',
      `module ${module.code} calls another address for ${wrong.map(([what]) => what).join(' and ')} than http.public_url says`,
      again,
    );
  } else findings.ok('module', `module ${module.code} is on`);
}

/**
 * Judges the map extension → user: by `employees[].user`, or by the codes of our module. Codes typed into the users'
 * profiles are not told by the API.
 */
export function judgeUsers(
  users: readonly User[],
  codes: readonly AdditionalCode[],
  enterprise: EnterpriseSettings,
  owners: readonly { readonly owner: string; readonly calls: number }[],
  findings: Findings,
): void {
  const { employees } = enterprise;
  const byId = new Map(users.map((user) => [user.id, user]));
  const userOf = (one: EmployeeSettings): number | undefined =>
    one.user ?? codes.find(({ code }) => code === one.code)?.userId;
  const mapped = employees.filter((one) => userOf(one) !== undefined);
  const gone = mapped.filter((one) => byId.get(userOf(one) ?? 0)?.active !== true);
  if (gone.length > 0) {
    findings.warn(
      'users',
      `${many(gone.length, 'extension')} belong${gone.length === 1 ? 's' : ''} to a CRM user who is not there or not active: ${some(gone.map((one) => `${one.extension} (${userOf(one) ?? ''})`))}`,
      'correct employees[].user, or take the employee out',
    );
  }
  const without = employees.filter((one) => userOf(one) === undefined);
  if (employees.length > 0 && without.length === employees.length) {
    findings.warn(
      'users',
      'no extension is known to belong to a CRM user',
      'set employees[].user and run "module register"; or give each user her extension in her CRM profile, which the API does not show us',
    );
  } else if (without.length > 0) {
    findings.warn(
      'users',
      `extensions without a CRM user: ${some(without.map(({ extension }) => extension))}`,
      'set employees[].user and run "module register"',
    );
  }
  const listed = new Set(employees.map(({ extension }) => extension));
  const strangers = owners.filter(({ owner }) => !listed.has(owner) && !codes.some(({ code }) => code === owner));
  for (const { owner, calls } of strangers.toSorted((a, b) => b.calls - a.calls).slice(0, 5)) {
    findings.warn(
      'users',
      `extension ${owner} had ${many(calls, 'call')} within 30 days without a CRM user`,
      `add it to employees with its user`,
    );
  }
  if (gone.length + without.length + strangers.length === 0) {
    findings.ok(
      'users',
      `${many(employees.length, 'employee')}, each with a CRM user (${users.length} in the account)`,
    );
  }
}
