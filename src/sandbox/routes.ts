/** Every API method the emulator knows. What is not here does not exist: 404 `API method not found`. */

import type { Ask } from './ask.ts';
import * as customers from './customers.ts';
import * as files from './files.ts';
import * as history from './history.ts';
import * as modules from './modules.ts';
import * as notes from './notes.ts';
import * as orders from './orders.ts';
import type { Reply } from './reply.ts';
import * as telephony from './telephony.ts';
import * as users from './users.ts';
import type { Bucket } from './window.ts';

type Handler = (ask: Ask) => Reply;

/** One API method. */
export interface Route {
  method: 'GET' | 'POST';
  /** Path with `{name}` for the variable parts, without the query. */
  pattern: string;
  segments: readonly string[];
  handler: Handler;
  bucket: Bucket;
  /** The path as `/api/credentials` lists it, or undefined for methods every key may use. */
  credential: string | undefined;
}

const VERSIONED: readonly (readonly ['GET' | 'POST', string, Handler])[] = [
  ['POST', 'telephony/call/event', telephony.callEvent],
  ['POST', 'telephony/calls/upload', telephony.uploadCalls],
  ['GET', 'telephony/manager', telephony.manager],
  ['GET', 'integration-modules/{code}', modules.getModule],
  ['POST', 'integration-modules/{code}/edit', modules.editModule],
  ['GET', 'customers', customers.listCustomers],
  ['POST', 'customers/create', customers.createCustomer],
  ['POST', 'customers/upload', customers.uploadCustomers],
  ['POST', 'customers/fix-external-ids', customers.fixExternalIds],
  ['GET', 'customers/history', history.customersHistory],
  ['GET', 'customers/notes', notes.listNotes],
  ['POST', 'customers/notes/create', notes.createNote],
  ['GET', 'customers/{id}', customers.getCustomer],
  ['POST', 'customers/{id}/edit', customers.editCustomer],
  ['GET', 'customers-corporate', notes.listCorporate],
  ['GET', 'customers-corporate/history', history.corporateHistory],
  ['GET', 'customers-corporate/{id}/contacts', notes.corporateContacts],
  ['GET', 'orders', orders.listOrders],
  ['POST', 'orders/create', orders.createOrder],
  ['POST', 'orders/upload', orders.uploadOrders],
  ['GET', 'orders/history', history.ordersHistory],
  ['GET', 'orders/statuses', orders.orderStatuses],
  ['GET', 'orders/{id}', orders.getOrder],
  ['POST', 'orders/{id}/edit', orders.editOrder],
  ['GET', 'users', users.listUsers],
  ['GET', 'users/{id}', users.getUser],
  ['POST', 'users/{id}/status', users.setUserStatus],
  ['GET', 'user-groups', users.listGroups],
  ['GET', 'reference/sites', users.sites],
  ['GET', 'reference/statuses', users.statuses],
  ['GET', 'reference/order-methods', users.orderMethods],
  ['GET', 'reference/order-types', users.orderTypes],
  ['GET', 'settings', users.settings],
  ['POST', 'files/upload', files.uploadFile],
  ['GET', 'files', files.listFiles],
  ['GET', 'files/{id}', files.getFile],
  ['POST', 'files/{id}/edit', files.editFile],
  ['POST', 'files/{id}/delete', files.deleteFile],
  ['GET', 'files/{id}/download', files.downloadFile],
  ['POST', 'tasks/create', files.createTask],
  ['POST', 'notifications/send', files.sendNotification],
];

const ALL_CREDENTIALS = VERSIONED.map(([, path]) => `/api/${path}`);

/** The table of methods, special paths before variable ones. */
export const ROUTES: readonly Route[] = [
  route('GET', '/api/credentials', (ask) => users.credentials(ask, ALL_CREDENTIALS), undefined),
  route('GET', '/api/api-versions', users.apiVersions, undefined),
  route('GET', '/api/system-info', users.systemInfo, undefined),
  ...VERSIONED.map(([method, path, handler]) => route(method, `/api/v5/${path}`, handler, `/api/${path}`)),
];

/** The methods a path belongs to, and its variable parts. An empty part of the path matches nothing. */
export function matchPath(path: string): { route: Route; path: Record<string, string> }[] {
  const parts = path.split('/').slice(1).map(decodeSegment);
  return ROUTES.flatMap((route) => {
    if (route.segments.length !== parts.length) return [];
    const named: Record<string, string> = {};
    for (const [index, segment] of route.segments.entries()) {
      const part = parts[index] ?? '';
      if (segment.startsWith('{') && part !== '') named[segment.slice(1, -1)] = part;
      else if (segment !== part) return [];
    }
    return [{ route, path: named }];
  });
}

function route(method: 'GET' | 'POST', pattern: string, handler: Handler, credential: string | undefined): Route {
  const bucket = pattern.startsWith('/api/v5/telephony/') ? 'telephony' : 'general';
  return { method, pattern, segments: pattern.split('/').slice(1), handler, bucket, credential };
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}
