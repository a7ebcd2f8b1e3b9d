/** What the API key must be allowed for what is switched on. */
import type { EnterpriseSettings } from '../config/settings.ts';
import type { Credentials } from '../retailcrm/account.ts';
import { type Findings, some } from './finding.ts';

/** A method of the API as `/api/credentials` spells it, and what it is for. */
export interface NeededMethod {
  readonly path: string;
  readonly why: string;
}

/** Methods the key needs, in the order of their use. */
export function neededMethods(enterprise: EnterpriseSettings): NeededMethod[] {
  const { retailcrm, customers, statuses, dids } = enterprise;
  const creates =
    customers.create.when.length > 0 || dids.some(({ createCustomers }) => (createCustomers?.length ?? 0) > 0);
  const { order, task, note } = customers.missed;
  const wanted: [boolean, string, ...string[]][] = [
    [true, 'popups and records', 'telephony/call/event', 'telephony/calls/upload'],
    [true, 'time zone and sites', 'settings', 'reference/sites'],
    [true, 'who is who', 'users'],
    [customers.lookup, 'who calls', 'telephony/manager', 'customers'],
    [creates, 'new customers', 'customers/create'],
    [order !== undefined, 'orders of missed calls', 'orders/create', 'reference/order-methods'],
    [task !== undefined, 'tasks of missed calls', 'tasks/create'],
    [note !== undefined, 'notes of missed calls', 'customers/notes/create'],
    [customers.historyMinutes > 0, 'changes in the CRM', 'customers/history', 'orders/history'],
    [customers.orderRules.length > 0, 'rules on orders', 'orders/{id}', 'reference/statuses'],
    [customers.orderRules.some(({ action }) => action === 'notify'), 'notifications', 'notifications/send'],
    [retailcrm.module !== undefined, 'our module', 'integration-modules/{code}', 'integration-modules/{code}/edit'],
    [statuses.toCrm, 'employees’ statuses', 'users/{id}/status'],
  ];
  return wanted.flatMap(([on, why, ...paths]) => (on ? paths.map((path) => ({ path: `/api/${path}`, why })) : []));
}

/** Judges methods and sites of the key. An account that lists nothing is taken at its word elsewhere. */
export function judgeCredentials(credentials: Credentials, enterprise: EnterpriseSettings, findings: Findings): void {
  const { credentials: granted, siteAccess, sitesAvailable } = credentials;
  const needed = neededMethods(enterprise);
  if (granted.length === 0) {
    findings.warn(
      'rights',
      'the CRM does not list what the key may do',
      'look at the key in the CRM (Settings, Integration, API access keys)',
    );
  } else {
    const missing = needed.filter(({ path }) => !granted.some((one) => samePath(one, path)));
    if (missing.length > 0) {
      findings.fail(
        'rights',
        `the API key may not use ${some(
          missing.map(({ path, why }) => `${path} (${why})`),
          20,
        )}`,
        'give the key these methods in the CRM (Settings, Integration, API access keys)',
      );
    } else findings.ok('rights', `the API key may use all ${needed.length} methods that are needed`);
  }
  const { site } = enterprise.retailcrm;
  const sites = [...new Set([site, ...enterprise.dids.map((did) => did.site)])].filter((one) => one !== undefined);
  const closed = siteAccess === 'access_selective' ? sites.filter((one) => !sitesAvailable.includes(one)) : [];
  if (closed.length > 0) {
    findings.fail(
      'rights',
      `the API key has no access to site ${closed.join(', ')}`,
      `give it access in the CRM; it sees ${some(sitesAvailable) || 'none'}`,
    );
  }
}

/** `{id}` stands for any one part: accounts spell the variable parts differently. */
function samePath(granted: string, needed: string): boolean {
  const one = granted.split('/');
  const other = needed.split('/');
  const variable = (part: string | undefined): boolean => part?.startsWith('{') ?? false;
  return (
    one.length === other.length &&
    one.every((part, index) => part === other[index] || (variable(part) && variable(other[index])))
  );
}
