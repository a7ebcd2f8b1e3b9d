/** What the CRM and the dial plan ask of one enterprise besides calls: the module, employees' statuses, who is responsible. */
import type { Account } from './accounts.ts';
import type { AuditLog } from './actions/audit.ts';
import { startAgiServer, type AgiServer } from './agi/server.ts';
import type { HostLink } from './ami/link.ts';
import { managerExtension } from './callers.ts';
import { UnavailableError } from './cli/errors.ts';
import type { EnterpriseSettings, HostSettings, Settings } from './config/settings.ts';
import type { Customers } from './customers/customers.ts';
import type { UsersMap } from './customers/usersMap.ts';
import type { ResponsibleReply, Tenant } from './http/tenant.ts';
import type { Logger } from './log.ts';
import { ModuleKeeper } from './moduleKeeper.ts';
import { agiAnswers, Responsible } from './responsible.ts';
import { Statuses } from './statuses.ts';
import type { Db } from './store/database.ts';

/** What these features need of the enterprise. */
export interface CrmSideParts {
  readonly settings: EnterpriseSettings;
  readonly account: Account;
  readonly publicUrl: string | undefined;
  readonly db: Db;
  readonly log: Logger;
  readonly users: UsersMap;
  readonly customers: Customers;
  readonly audit: AuditLog;
  readonly hosts: readonly { readonly settings: HostSettings; readonly link: Pick<HostLink, 'action' | 'list'> }[];
}

/** The CRM's side of one enterprise. */
export interface CrmSide {
  /** For `Enterprise.doors`. */
  readonly doors: Pick<Tenant, 'credentials' | 'responsible' | 'userStatus' | 'activity'>;
  readonly module: ModuleKeeper;
  readonly statuses: Statuses;
  /** Before the links start. */
  start(): Promise<void>;
  stop(): void;
}

/** Builds the CRM's side of an enterprise. */
export function crmSide(parts: CrmSideParts): CrmSide {
  const { settings, account, publicUrl, db, log, users, customers, audit, hosts } = parts;
  const { client, worker } = account;
  const pace = (): Promise<void> => worker.pacers.general.take();
  const module = new ModuleKeeper({ enterprise: settings, publicUrl, db, client, pace }, log);
  const statuses = new Statuses({
    settings: settings.statuses,
    employees: settings.employees,
    hosts: () =>
      hosts.map(({ settings: { id }, link }) => ({
        id,
        action: (fields) => link.action(fields),
        list: (fields) => link.list(fields),
      })),
    userOf: (extension) =>
      settings.employees.find((one) => one.extension === extension)?.user ?? users.userOfExtension(extension),
    extensionOf: (user) => users.extensionOfUser(user),
    tellCrm: async (user, status) => {
      await pace();
      await client.setUserStatus(user, status);
    },
    onStatus: (user, status) => users.noteStatus(user, status),
    log,
  });
  const responsible = new Responsible({
    enterprise: settings,
    customers: settings.customers.lookup ? customers : undefined,
    extensionOf: managerExtension(settings, users),
    users,
    agreed: (extension) => statuses.agreed(extension),
  });
  account.whenTelephonyOff(() => module.telephonyOff());
  return {
    doors: {
      credentials: () => module.credentials(),
      responsible: (phone) => responsible.of(phone),
      userStatus: (request) => {
        void statuses.changedInCrm(request); // the CRM need not wait for a PBX
        return Promise.resolve();
      },
      activity: ({ active, freeze, systemUrl, from }) => {
        module.activity({ active, freeze, systemUrl });
        const outcome = active && !freeze ? 'on' : 'off';
        // The CRM need not wait for our database either.
        void audit.note({ enterprise: settings.id, who: 'crm', what: 'module', subject: 'activity', from, outcome });
        return Promise.resolve();
      },
    },
    module,
    statuses,
    start: () => module.start(),
    stop: () => {
      module.stop();
      statuses.stop();
    },
  };
}

/**
 * Opens the FastAGI server of the daemon, if it is configured.
 * @throws UnavailableError when its address cannot be had
 */
export async function startDialplanServer(
  settings: Settings,
  responsible: (enterprise: string, phone: string) => Promise<ResponsibleReply>,
  log: Logger,
): Promise<AgiServer | undefined> {
  const { agi } = settings.daemon;
  if (agi === undefined) return undefined;
  const routed = settings.enterprises.map((one) => ({
    settings: one,
    responsible: (phone: string) => responsible(one.id, phone),
  }));
  try {
    return await startAgiServer({ ...agi, answer: agiAnswers(routed), log });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UnavailableError(`cannot listen on ${agi.address}:${agi.port} (agi): ${why}`, { cause: error });
  }
}
