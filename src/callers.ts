import type { Account } from './accounts.ts';
import { isExtension } from './config/match.ts';
import { nationalDigits, normalisePhone } from './config/phones.ts';
import type { EnterpriseSettings } from './config/settings.ts';
import { Customers } from './customers/customers.ts';
import { customerErrands } from './customers/errands.ts';
import { notify } from './customers/notify.ts';
import type { UsersMap } from './customers/usersMap.ts';
import type { Logger } from './log.ts';
import type { Db } from './store/database.ts';
import type { Errands } from './store/errands.ts';

/** Who calls, of one enterprise. */
export function customersOf(
  settings: EnterpriseSettings,
  account: Account,
  users: UsersMap,
  db: Db,
  log: Logger,
): Customers {
  const { lookup, freshMinutes, missMinutes } = settings.customers;
  return new Customers({
    db,
    saves: account.saves,
    client: account.client,
    paces: account.worker.pacers,
    enterpriseNumber: settings.number,
    numbering: {
      normalise: (raw) => {
        const phone = normalisePhone(raw, [settings.country]);
        return phone.kind === 'phone' ? phone.e164 : undefined;
      },
      national: nationalDigits,
    },
    extensionOf: managerExtension(settings, users),
    enabled: lookup,
    open: () => account.worker.mode !== 'parked',
    freshMs: freshMinutes * 60_000,
    missMs: missMinutes * 60_000,
    log,
  });
}

/**
 * The extension of a manager: by the code the CRM knows her by, else by her user. A code nobody of the configuration has
 * counts if it looks like an extension of one of the hosts.
 */
export function managerExtension(
  settings: EnterpriseSettings,
  users: Pick<UsersMap, 'extensionOfUser'>,
): (manager: { id: number | undefined; code: string | undefined }) => string | undefined {
  const byCode = new Map(settings.employees.map(({ code, extension }) => [code, extension]));
  const byUser = new Map(
    settings.employees.flatMap(({ user, extension }) => (user === undefined ? [] : [[user, extension] as const])),
  );
  return ({ id, code }) => {
    const known =
      (code === undefined ? undefined : byCode.get(code)) ??
      (id === undefined ? undefined : (byUser.get(id) ?? users.extensionOfUser(id)));
    if (known !== undefined || code === undefined) return known;
    return settings.hosts.some((host) => isExtension(host, code)) ? code : undefined;
  };
}

/** What the account's errands lane can do for this enterprise. */
export function callErrands(
  settings: EnterpriseSettings,
  account: Account,
  customers: Customers,
  users: Pick<UsersMap, 'userOfExtension'>,
  zone: () => string | undefined,
  signal: AbortSignal,
): Errands {
  const configured = new Map(settings.employees.map(({ extension, user }) => [extension, user]));
  const { client, worker } = account;
  return {
    ...customerErrands({
      client,
      paces: worker.pacers,
      customers,
      zone: () => settings.retailcrm.timezone ?? zone(),
      userOf: (extension) => configured.get(extension) ?? users.userOfExtension(extension),
      signal,
    }),
    notify: (job) => notify(client, worker.pacers.general, job),
  };
}
