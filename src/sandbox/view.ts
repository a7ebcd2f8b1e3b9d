/** What the page shows of one account: managers with their pop-ups, the newest calls and customers, the gauges. */

import type { Account, Call, Popup } from './account.ts';
import { codeOf } from './account.ts';
import { customerByPhone, nameOf } from './telephony.ts';
import type { World } from './world.ts';

const CALLS_SHOWN = 60;
const CUSTOMERS_SHOWN = 40;
/** Per manager; of more only the number is told. */
const POPUPS_SHOWN = 6;
/** Closed pop-ups stay visible for a moment, so that a person sees how the call ended. */
const FAREWELL_MS = 6000;

/** The data of `/__emu/view`. */
export function view(world: World, account: Account): Record<string, unknown> {
  const now = world.options.now();
  const popups = [...account.openPopups.values(), ...recentlyClosed(account, now)];
  const managers = [...account.users.values()]
    .filter((user) => user.active && user.isManager)
    .map((user) => ({
      id: user.id,
      name: [user.firstName, user.lastName].filter(Boolean).join(' '),
      code: codeOf(account, user.id),
      status: user.online ? user.status : 'offline',
      popups: popups.filter((popup) => popup.userId === user.id),
    }))
    .map((manager) => ({
      ...manager,
      popups: manager.popups.slice(-POPUPS_SHOWN).map(popupView),
      hidden: Math.max(0, manager.popups.length - POPUPS_SHOWN),
    }));
  const customers = [...account.customers.values()].filter((customer) => customer.combinedTo === undefined);
  return {
    now,
    account: account.name,
    accounts: [...world.accounts.keys()],
    managers,
    calls: account.recentCalls
      .slice(-CALLS_SHOWN)
      .toReversed()
      .map((call) => callView(account, call)),
    callCount: account.calls.size,
    customers: customers
      .slice(-CUSTOMERS_SHOWN)
      .toReversed()
      .map((customer) => ({
        id: customer.id,
        name: nameOf(customer) ?? '',
        phones: customer.phones.map((phone) => phone.number),
        manager: managerName(account, customer.managerId),
        vip: customer.vip,
      })),
    customerCount: customers.length,
    totals: account.totals,
    requests: world.log.total,
    peak: {
      telephony: Math.max(0, ...account.keys.map((key) => key.telephony.peak)),
      general: Math.max(0, ...account.keys.map((key) => key.general.peak)),
    },
    refused: account.keys.reduce((sum, key) => sum + key.telephony.refused + key.general.refused, 0),
  };
}

function recentlyClosed(account: Account, now: number): Popup[] {
  const recent: Popup[] = [];
  for (const popup of account.popupHistory.toReversed()) {
    if (popup.closedAt !== undefined && popup.closedAt < now - FAREWELL_MS) break;
    recent.push(popup);
  }
  return recent;
}

function popupView(popup: Popup): Record<string, unknown> {
  const { id, type, phone, externalPhone, customer, openedAt, closedAt, hangupStatus } = popup;
  return { id, type, phone, externalPhone, customer, openedAt, closedAt, hangupStatus };
}

function callView(account: Account, call: Call): Record<string, unknown> {
  const { externalId, date, type, phone, result, duration, durationWaiting, recordUrl, externalPhone, code } = call;
  return {
    ...{ externalId, date, type, phone, result, duration, durationWaiting, externalPhone },
    recordUrl: recordUrl !== undefined && /^https?:\/\//.test(recordUrl) ? recordUrl : undefined,
    customer: nameOf(customerByPhone(account, phone)),
    manager: managerName(account, call.userId) ?? code,
  };
}

function managerName(account: Account, userId: number | undefined): string | undefined {
  const user = userId === undefined ? undefined : account.users.get(userId);
  return user && [user.firstName, user.lastName].filter(Boolean).join(' ');
}
