/** One RetailCRM account: does it know us, may the key do what is switched on, does it fit the configuration. */
import { resolveSecret } from '../config/secrets.ts';
import type { EnterpriseSettings } from '../config/settings.ts';
import { silentLog } from '../log.ts';
import type { User } from '../retailcrm/account.ts';
import { RetailCrmClient } from '../retailcrm/client.ts';
import { CrmError } from '../retailcrm/errors.ts';
import { judgeCredentials } from './crmRights.ts';
import { judgeModule, judgeUsers } from './crmUsers.ts';
import { type Finding, Findings, secretFix, some, wordsOf } from './finding.ts';

/** What looking at one account needs beside its settings. */
export interface CrmOptions {
  /** https address the CRM calls us at. */
  readonly publicUrl: string | undefined;
  /** A number to look a manager up by, E.164. */
  readonly phone: string | undefined;
  /** Extensions that owned calls lately, with how many. */
  readonly owners: readonly { readonly owner: string; readonly calls: number }[];
}

/** Beneath the 10 requests a second of an account, which other software shares, ms. */
const PAUSE_MS = 150;
/** A popup names the customer only if the look-up is quicker, ms. */
const SLOW_MS = 1_000;
/** Most pages of users that are read. */
const PAGES = 20;

/** Looks at one account. Throws nothing; writes nothing into the account. */
export async function examineCrm(enterprise: EnterpriseSettings, options: CrmOptions): Promise<readonly Finding[]> {
  const findings = new Findings('crm', enterprise.id);
  const { url, key, allowInsecure } = enterprise.retailcrm;
  let client: RetailCrmClient;
  try {
    client = new RetailCrmClient({ url, key: resolveSecret(key), log: silentLog, allowInsecure });
  } catch (error) {
    findings.fail('key', `the API key cannot be had: ${wordsOf(error)}`, secretFix(key));
    return findings.all;
  }
  try {
    if (await enter(client, url, findings)) await look(client, enterprise, options, findings);
  } finally {
    client.stop();
  }
  return findings.all;
}

/** The first request tells whether there is a way at all. */
async function enter(client: RetailCrmClient, url: string, findings: Findings): Promise<boolean> {
  const versions = await asked(() => client.apiVersions());
  if (versions.error !== undefined) {
    findings.fail('api', `${url} does not let us in: ${said(versions.error)}`, remedy(versions.error));
    return false;
  }
  if (!versions.value.some((version) => version.startsWith('5'))) {
    findings.fail(
      'api',
      `${url} has no API version 5 (${versions.value.join(', ')})`,
      'this program speaks version 5 only: ask RetailCRM for an upgrade of the account',
    );
    return false;
  }
  findings.ok('api', `${url} answers, API versions ${versions.value.join(', ')}`);
  return true;
}

async function look(
  client: RetailCrmClient,
  enterprise: EnterpriseSettings,
  options: CrmOptions,
  findings: Findings,
): Promise<void> {
  const { retailcrm, dids } = enterprise;
  const credentials = await asked(() => client.credentials());
  if (credentials.error !== undefined) trouble('rights', credentials.error, findings);
  else judgeCredentials(credentials.value, enterprise, findings);

  const settings = await asked(() => client.settings());
  if (settings.error !== undefined) trouble('settings', settings.error, findings);
  else judgeZone(settings.value.timezone, retailcrm.timezone, findings);

  const sites = await asked(() => client.sites());
  if (sites.error !== undefined) trouble('site', sites.error, findings);
  else {
    const configured = [retailcrm.site, ...dids.map(({ site }) => site)].filter((site) => site !== undefined);
    judgeSites([...sites.value.keys()], [...new Set(configured)], retailcrm.site, findings);
  }
  await judgeBooks(client, enterprise, findings);

  const users = await askUsers(client);
  const module =
    retailcrm.module === undefined
      ? undefined
      : await asked(() => client.integrationModule(retailcrm.module?.code ?? ''));
  if (users.error !== undefined) trouble('users', users.error, findings);
  if (module !== undefined) {
    if (module.error === undefined) judgeModule(module.value, enterprise, options.publicUrl, findings);
    else if (module.error.kind === 'NOTFOUND') {
      findings.warn(
        'module',
        `the account has no module ${retailcrm.module?.code ?? ''} yet`,
        '"module register" makes it; and the daemon does at its start, unless retailcrm.module.at_start is false',
      );
    } else trouble('module', module.error, findings);
  }
  const codes = module?.error === undefined ? (module?.value.telephony?.additionalCodes ?? []) : [];
  if (users.error === undefined) judgeUsers(users.value, codes, enterprise, options.owners, findings);
  await judgeLookUp(client, options.phone, enterprise.customers.lookup, findings);
}

function judgeZone(theirs: string | undefined, ours: string | undefined, findings: Findings): void {
  if (theirs === undefined && ours === undefined) {
    findings.fail(
      'settings',
      'the account names no time zone, and none is configured: records wait',
      'set retailcrm.timezone',
    );
  } else if (theirs !== undefined && ours !== undefined && theirs !== ours) {
    findings.warn(
      'settings',
      `the account lives in ${theirs}, retailcrm.timezone says ${ours}: dates of calls would be shifted`,
      'take retailcrm.timezone out: the account is asked',
    );
  } else findings.ok('settings', `dates are told in ${ours ?? theirs ?? ''}`);
}

/** Judges the shops. @param configured those of the account and of its numbers */
export function judgeSites(
  existing: readonly string[],
  configured: readonly string[],
  standard: string | undefined,
  findings: Findings,
): void {
  const unknown = configured.filter((site) => !existing.includes(site));
  if (unknown.length > 0) {
    findings.fail(
      'site',
      `the account has no site ${unknown.join(', ')}`,
      `its sites are ${some(existing)}: correct retailcrm.site and dids[].site`,
    );
  } else if (standard === undefined && existing.length > 1) {
    findings.warn(
      'site',
      `the account has ${existing.length} sites and retailcrm.site names none`,
      `name the one calls belong to when their number names none: ${some(existing)}`,
    );
  } else
    findings.ok(
      'site',
      configured.length === 0
        ? `the account's one site is ${existing.join('')}`
        : `site ${configured.join(', ')} is known`,
    );
}

/** Order statuses and methods the rules speak of. */
async function judgeBooks(
  client: RetailCrmClient,
  { customers }: EnterpriseSettings,
  findings: Findings,
): Promise<void> {
  const order = customers.missed.order;
  const statuses = [
    ...customers.orderRules.map(({ status }) => status),
    ...(order?.status === undefined ? [] : [order.status]),
  ];
  const checks = [
    { names: statuses, noun: 'order status', read: () => client.statuses() },
    { names: order === undefined ? [] : [order.method], noun: 'order method', read: () => client.orderMethods() },
  ];
  for (const { names, noun, read } of checks) {
    if (names.length === 0) continue;
    const book = await asked(read);
    if (book.error !== undefined) trouble('reference', book.error, findings);
    else {
      const { value } = book;
      const unknown = names.filter((name) => !value.has(name));
      if (unknown.length > 0) {
        findings.fail(
          'reference',
          `the account has no ${noun} ${unknown.join(', ')}`,
          `correct it under customers; there are ${some([...value.keys()])}`,
        );
      } else findings.ok('reference', `${noun} ${names.join(', ')} is known`);
    }
  }
}

async function askUsers(client: RetailCrmClient): Promise<Answer<User[]>> {
  const users: User[] = [];
  for (let page = 1; page <= PAGES; page++) {
    const listed = await asked(() => client.users({}, { page, limit: 100 }));
    if (listed.error !== undefined) return listed;
    users.push(...listed.value.items);
    if (page >= (listed.value.pagination?.totalPageCount ?? 1)) break;
  }
  return { value: users };
}

/** One look-up, as it is made when somebody calls. */
async function judgeLookUp(
  client: RetailCrmClient,
  phone: string | undefined,
  used: boolean,
  findings: Findings,
): Promise<void> {
  if (!used || phone === undefined) return;
  const began = performance.now();
  const reply = await asked(() => client.manager({ phone, details: true, ignoreStatus: true }));
  const ms = Math.round(performance.now() - began - PAUSE_MS);
  if (reply.error !== undefined) {
    trouble('lookup', reply.error, findings);
    return;
  }
  const who =
    reply.value.customer === undefined
      ? 'nobody the CRM knows'
      : reply.value.manager === undefined
        ? 'a customer without a manager'
        : 'a customer and her manager';
  if (ms > SLOW_MS) {
    findings.warn(
      'lookup',
      `a look-up by number took ${ms} ms (it found ${who})`,
      'popups do not wait for it, names on phones and routing come from the cache; tell RetailCRM if it stays so',
    );
  } else findings.ok('lookup', `a look-up by number took ${ms} ms and found ${who}`);
}

type Answer<T> = { value: T; error?: never } | { value?: never; error: CrmError };

/** One request, paced; its failure as a value. */
async function asked<T>(request: () => Promise<T>): Promise<Answer<T>> {
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  try {
    return { value: await request() };
  } catch (error) {
    if (error instanceof CrmError) return { error };
    throw error;
  }
}

function trouble(check: string, error: CrmError, findings: Findings): void {
  findings.fail(check, `the CRM does not tell: ${said(error)}`, remedy(error));
}

function said(error: CrmError): string {
  return error.status === null ? error.errorMsg : `${error.status} ${error.errorMsg}`;
}

function remedy(error: CrmError): string {
  switch (error.kind) {
    case 'AUTH':
      return 'make an API key in the CRM (Settings, Integration, API access keys), give it the methods named in docs/doctor.md and allow our address if its list of addresses is not empty';
    case 'ACCOUNT':
      return 'the account is blocked or unpaid: its owner must act';
    case 'TELEPHONY_OFF':
      return 'switch our module on in the CRM (Settings, Integration), or "module register"';
    case 'RATE':
      return "other software uses up the account's requests: wait a minute and run doctor again";
    case 'NETWORK':
      return 'is retailcrm.url right, and may this machine open https connections to it (DNS, firewall, certificate)';
    case 'VALIDATION':
    case 'BUG':
    case 'NOTFOUND':
    case 'PARTIAL':
    case 'PAYMENT':
    case 'RETRY':
      return 'run doctor again in some minutes; if it stays, "probe" writes a protocol for RetailCRM\'s support';
  }
}
