/** Users, reference data and facts about the account. Behaviours 54, 55 and 57. */

import type { User } from './account.ts';
import { type Ask, dateFilter, filters, flagFilter, integer, onePage, paging, without } from './ask.ts';
import { isDateTime } from './dates.ts';
import { listOf, textOf } from './fields.ts';
import { badParameters, invalid, ok, type Reply, refusal, texts } from './reply.ts';

const FILTERS = [
  'email',
  'status',
  'online',
  'active',
  'isManager',
  'isAdmin',
  'groups',
  'createdAtFrom',
  'createdAtTo',
];
const STATUSES = ['free', 'busy', 'dinner', 'break'] as const;

/** GET users */
export function listUsers(ask: Ask): Reply {
  const found = filters(ask, FILTERS);
  const pages = paging(ask);
  const active = flagFilter(ask, 'active', found['active']);
  const online = flagFilter(ask, 'online', found['online']);
  const isManager = flagFilter(ask, 'isManager', found['isManager']);
  const isAdmin = flagFilter(ask, 'isAdmin', found['isAdmin']);
  const from = dateFilter(ask, 'createdAtFrom', found['createdAtFrom'], isDateTime);
  const to = dateFilter(ask, 'createdAtTo', found['createdAtTo'], isDateTime);
  const status = found['status'];
  if (status !== undefined && !isStatus(status))
    throw badParameters(ask.switches, { status: texts(ask.switches).choice });
  const rows = [...ask.account.users.values()].filter(
    (user) =>
      (active === undefined || user.active === active) &&
      (online === undefined || user.online === online) &&
      (isManager === undefined || user.isManager === isManager) &&
      (isAdmin === undefined || user.isAdmin === isAdmin) &&
      (from === undefined || user.createdAt >= from) &&
      (to === undefined || user.createdAt <= to) &&
      (found['email'] === undefined || user.email === found['email']) &&
      listOf(found['groups']).every((group) => user.groups.some((each) => each.code === group)) &&
      (status === undefined || (user.online && user.status === status)),
  );
  const page = onePage(rows, pages);
  return ok({ pagination: page.pagination, users: page.rows.map(view) });
}

/** GET users/{id} */
export function getUser(ask: Ask): Reply {
  return ok({ user: view(find(ask)) });
}

/** POST users/{id}/status */
export function setUserStatus(ask: Ask): Reply {
  const user = find(ask);
  const status = textOf(ask.form, 'status');
  if (status === undefined) throw refusal(400, "Parameter 'status' is missing");
  if (!isStatus(status)) throw invalid(ask.switches, { status: texts(ask.switches).choice });
  user.status = status;
  void ask.callbacks.userStatus(ask.account, user);
  return ok();
}

/** true for a status a user may have. */
export function isStatus(status: unknown): status is User['status'] {
  return STATUSES.some((each) => each === status);
}

/** GET user-groups */
export function listGroups(ask: Ask): Reply {
  const groups = [...ask.account.users.values()].flatMap((user) => user.groups);
  const page = onePage([...new Map(groups.map((group) => [group.code, group])).values()], paging(ask));
  return ok({ pagination: page.pagination, groups: page.rows });
}

/** GET reference/sites: only those the key can see. */
export function sites(ask: Ask): Reply {
  return ok({ sites: Object.fromEntries([...ask.account.sites].filter(([code]) => ask.key.sites.includes(code))) });
}

/** GET reference/statuses */
export function statuses(ask: Ask): Reply {
  return ok({ statuses: Object.fromEntries(ask.account.statuses) });
}

/** GET reference/order-methods */
export function orderMethods(ask: Ask): Reply {
  return ok({ orderMethods: coded(ask.account.orderMethods) });
}

/** GET reference/order-types */
export function orderTypes(ask: Ask): Reply {
  return ok({ orderTypes: coded(ask.account.orderTypes) });
}

/** GET settings */
export function settings(ask: Ask): Reply {
  const updated_at = '2026-01-01 00:00:00';
  return ok({
    settings: {
      default_currency: { value: 'BYN', updated_at },
      system_language: { value: ask.switches.language, updated_at },
      timezone: { value: ask.account.timezone, updated_at },
      work_times: [{ day_type: 'Monday', start_time: '09:00', end_time: '18:00' }],
      non_working_days: [],
    },
  });
}

/** GET /api/credentials; `all` are the paths of every method. */
export function credentials(ask: Ask, all: readonly string[]): Reply {
  const selective = ask.key.sites.length < ask.account.sites.size || ask.key.credentials !== undefined;
  return ok({
    credentials: ask.key.credentials ?? all,
    scopes: ['order_read', 'order_write', 'customer_read', 'customer_write', 'reference_read', 'telephony_write'],
    siteAccess: selective ? 'access_selective' : 'access_full',
    ...(selective && { sitesAvailable: ask.key.sites }),
  });
}

/** GET /api/api-versions */
export function apiVersions(): Reply {
  return ok({ versions: ['3.0', '4.0', '5.0'] });
}

/** GET /api/system-info */
export function systemInfo(ask: Ask): Reply {
  return ok({ systemVersion: '8.7.77', publicUrl: ask.baseUrl, technicalUrl: ask.baseUrl });
}

function find(ask: Ask): User {
  const user = ask.account.users.get(integer(ask.path['id']) ?? 0);
  if (!user) throw refusal(404, 'Not found');
  return user;
}

function view(user: User): Record<string, unknown> {
  return { ...without(user, 'code'), patronymic: '', phone: '', position: '' };
}

function coded(codes: ReadonlyMap<string, string>): Record<string, unknown> {
  return Object.fromEntries([...codes].map(([code, name]) => [code, { code, name, active: true }]));
}
