import type { Account } from './accounts.ts';
import { normalisePhone } from './config/phones.ts';
import type { EnterpriseSettings } from './config/settings.ts';
import type { Customers } from './customers/customers.ts';
import { OrderRules, type RuleActions } from './customers/orderRules.ts';
import { CrmSync } from './customers/sync.ts';
import { UsersMap } from './customers/usersMap.ts';
import type { Tenant } from './http/tenant.ts';
import type { Logger } from './log.ts';
import type { Statuses } from './statuses.ts';
import type { Db } from './store/database.ts';

/** Later changes of status than this are not called about: polls further apart miss some without a trigger. */
const CALL_MINUTES = 3;

/** Who has which extension, of one enterprise. */
export function usersMap(settings: EnterpriseSettings, account: Account, db: Db, log: Logger): UsersMap {
  return new UsersMap({
    db,
    client: account.client,
    general: account.worker.pacers.general,
    enterprise: settings.id,
    employees: settings.employees,
    moduleCode: settings.retailcrm.module?.code,
    log,
  });
}

/** What keeping one enterprise's customers and orders as the CRM has them needs from the rest of it. */
export interface CrmSyncParts {
  account: Account;
  db: Db;
  log: Logger;
  users: UsersMap;
  customers: Customers;
  /** The account's zone, once it is known. */
  zone: () => string | undefined;
  /** What order rules can do with a telephone. */
  actions: RuleActions;
  /** Errands were enqueued: their lane should look. */
  onEnqueued: () => void;
}

/**
 * What order rules can do with a telephone.
 * @param makeCall click-to-call, where it is configured: its limits and its allow list hold for rules too
 */
export function ruleActions(makeCall: Tenant['makeCall'] | undefined, statuses: Pick<Statuses, 'pause'>): RuleActions {
  return {
    call:
      makeCall &&
      (async ({ extension, user, phone, requestId }) => {
        const request = { code: extension, userId: user, phone, externalPhone: undefined, requestId };
        const reply = await makeCall({ ...request, from: 'order rule', via: 'api' });
        return reply.outcome === 'done' ? { done: true } : { done: false, why: reply.message };
      }),
    async pause({ extension }) {
      const why = await statuses.pause(extension);
      return why === undefined ? { done: true } : { done: false, why };
    },
  };
}

/** Keeps one enterprise's customers and orders as the CRM has them. */
export function crmSync(settings: EnterpriseSettings, parts: CrmSyncParts): CrmSync {
  const { account, db, log, users, customers, zone, actions, onEnqueued } = parts;
  const { client } = account;
  const { general } = account.worker.pacers;
  const { historyMinutes, orderRules } = settings.customers;
  const quick = orderRules.filter(({ action }) => action !== 'notify');
  if (quick.length > 0 && (historyMinutes === 0 || historyMinutes > CALL_MINUTES)) {
    log.info(
      `order rules that call or pause depend on the CRM's trigger: its history is read every ${historyMinutes} minutes, and after ${CALL_MINUTES} it is too late`,
    );
  }
  const rules = new OrderRules({
    db,
    client,
    general,
    enterprise: settings.id,
    account: account.key,
    rules: orderRules,
    actions,
    extensionOfUser: (user) => users.extensionOfUser(user),
    log,
    onEnqueued,
  });
  return new CrmSync({
    db,
    client,
    general,
    enterprise: settings.id,
    enterpriseNumber: settings.number,
    site: settings.retailcrm.site,
    zone,
    normalise: (raw) => {
      const phone = normalisePhone(raw, [settings.country]);
      return phone.kind === 'phone' ? phone.e164 : undefined;
    },
    cards: customers,
    rules,
    log,
    refused: () => account.worker.mode === 'parked',
    pollMs: historyMinutes * 60_000,
  });
}
