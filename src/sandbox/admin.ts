/** `/__emu/`: what a test or a curious person asks of the emulator itself, and the actions of people in the CRM. JSON in, JSON out. */

import type { Account } from './account.ts';
import type { Incoming } from './api.ts';
import { asObject, integer, text } from './ask.ts';
import type { Subject } from './callbacks.ts';
import * as customers from './customers.ts';
import { zoneless } from './dates.ts';
import { parseFields, textOf } from './fields.ts';
import { moduleOf, view as moduleView } from './modules.ts';
import * as orders from './orders.ts';
import { json, type Problems, type Reply } from './reply.ts';
import { readSeed } from './seed-reader.ts';
import { statsOf } from './stats.ts';
import { readSwitches } from './switches.ts';
import { isStatus } from './users.ts';
import { view } from './view.ts';
import type { World } from './world.ts';

type Given = Record<string, unknown>;

/** Answers a request under `/__emu/`. Mistakes are 400 with `error` telling what is wrong. */
export async function answerAdmin(world: World, incoming: Incoming): Promise<Reply> {
  const [, , area = '', ...rest] = incoming.path.split('/');
  try {
    if (incoming.method === 'GET') return json(200, read(world, area, incoming.rawQuery));
    if (incoming.method !== 'POST') return json(405, { error: 'GET to look, POST to act' });
    const given = readBody(incoming.body);
    const account = world.account(text(given['account']));
    world.version++;
    if (area === 'reset') world.reset(given['seed'] === undefined ? undefined : readSeed(given['seed']));
    else if (area === 'switches') {
      const { account: named, ...switches } = given;
      world.setSwitches(readSwitches(switches), text(named));
      return json(200, world.switches(text(named)));
    } else if (area === 'callbacks') return json(200, await placeCallback(world, account, rest[0] ?? '', given));
    else if (area === 'ui') return json(200, act(world, account, rest, given));
    else return json(404, { error: `no command ${area}` });
    return json(200, { done: area });
  } catch (error) {
    return json(400, { error: error instanceof Error ? error.message : 'bad request' });
  }
}

function read(world: World, area: string, rawQuery: string): unknown {
  const query = parseFields(rawQuery);
  const named = textOf(query, 'account');
  const limit = Number(textOf(query, 'limit') ?? 1000);
  const offset = Number(textOf(query, 'offset') ?? 0);
  if (area === 'stats') return statsOf(world);
  if (area === 'switches') return world.switches(named);
  if (area === 'requests') {
    const since = Number(textOf(query, 'since') ?? 0);
    const path = textOf(query, 'path') ?? '';
    const found = world.log
      .all()
      .filter(
        (each) => each.seq > since && each.path.includes(path) && (named === undefined || each.account === named),
      );
    return {
      requests: found.slice(offset, offset + limit).map((each) => ({ ...each, arrivedNs: String(each.arrivedNs) })),
    };
  }
  const account = world.account(named);
  switch (area) {
    case 'view':
      return view(world, account);
    case 'state':
      return { accounts: [...world.accounts.keys()], ...stateOf(world, account) };
    case 'popups':
      return { open: [...account.openPopups.values()], history: account.popupHistory.slice(-limit) };
    case 'events':
      return { events: account.events.slice(-limit) };
    case 'calls': {
      const externalId = textOf(query, 'externalId');
      const calls =
        externalId === undefined
          ? [...account.calls.values()]
          : [account.calls.get(externalId)].filter((call) => call !== undefined);
      return { total: account.calls.size, calls: calls.slice(offset, offset + limit) };
    }
    case 'customers':
      return { customers: [...account.customers.values()].slice(offset, offset + limit) };
    case 'orders':
      return { orders: [...account.orders.values()].slice(offset, offset + limit) };
    case 'callbacks':
      return { callbacks: account.callbacks.slice(-limit) };
    default:
      throw new Error(`nothing called ${area}`);
  }
}

function stateOf(world: World, account: Account): Given {
  return {
    name: account.name,
    timezone: account.timezone,
    users: [...account.users.values()],
    modules: [...account.modules.values()].map((module) => ({ ...moduleView(module), clientId: module.clientId })),
    sites: [...account.sites.keys()],
    openPopups: [...account.openPopups.values()],
    counts: {
      calls: account.calls.size,
      customers: account.customers.size,
      orders: account.orders.size,
      notes: account.notes.length,
    },
    totals: account.totals,
    fileCredit: account.fileCredit,
    tasks: account.tasks,
    notifications: account.notifications,
    switches: world.switches(account.name),
  };
}

/** The callbacks of sections 5 and 13, answered with what came of them. */
async function placeCallback(world: World, account: Account, kind: string, given: Given): Promise<unknown> {
  const { callbacks } = world;
  const module = moduleOf(account, text(given['module']));
  switch (kind) {
    case 'click': {
      const spelling = oneOf(['stored', 'brackets', 'trunk', 'national'] as const, given, 'spelling');
      const method = oneOf(['GET', 'POST'] as const, given, 'method');
      const userId = need(integer(given['userId']), 'userId');
      return callbacks.click(account, {
        userId,
        phone: text(given['phone']),
        customerId: integer(given['customerId']),
        spelling,
        site: text(given['site']),
        method,
      });
    }
    case 'user-status': {
      const user = need(account.users.get(integer(given['userId']) ?? 0), 'userId');
      if (!isStatus(given['status'])) throw new Error('status: free, busy, dinner or break expected');
      user.status = given['status'];
      return need(callbacks.userStatus(account, user), 'a module with changeUserStatusUrl');
    }
    case 'activity': {
      const changed = need(module, 'module');
      if (typeof given['active'] === 'boolean') changed.active = given['active'];
      if (typeof given['freeze'] === 'boolean') changed.freeze = given['freeze'];
      return callbacks.activity(account, changed, text(given['systemUrl']) ?? '');
    }
    case 'account-url':
      return callbacks.accountUrl(account, need(module, 'module'));
    case 'trigger':
      return fireTriggers(world, account, given);
    default:
      throw new Error('callbacks: click, user-status, activity, account-url or trigger expected');
  }
}

/** Behaviour 61: `repeat` sends each trigger several times; `order` is given, reversed or shuffled. One after another. */
async function fireTriggers(world: World, account: Account, given: Given): Promise<unknown> {
  const listed = Array.isArray(given['triggers']) ? given['triggers'].map((each) => asObject(each) ?? {}) : [given];
  const repeat = integer(given['repeat']) ?? 1;
  const order = oneOf(['given', 'reversed', 'shuffled'] as const, given, 'order') ?? 'given';
  let queue = Array.from({ length: repeat }, () => listed).flat();
  if (order === 'reversed') queue = queue.toReversed();
  if (order === 'shuffled')
    queue = queue
      .map((each) => ({ each, at: Math.random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ each }) => each);
  const results: unknown[] = [];
  for (const each of queue) {
    const parameters = Object.fromEntries(
      Object.entries(asObject(each['parameters']) ?? {}).map(([name, value]) => [name, String(value)]),
    );
    const subject: Subject = {
      customer: account.customers.get(integer(each['customerId']) ?? 0),
      order: account.orders.get(integer(each['orderId']) ?? 0),
      call: account.calls.get(text(each['callExternalId']) ?? ''),
    };
    const method = oneOf(['GET', 'POST'] as const, each, 'method') ?? 'POST';
    results.push(
      await world.callbacks.trigger(account, { url: need(text(each['url']), 'url'), method, parameters }, subject),
    );
  }
  return { results };
}

/** What people do in the CRM's own pages: history rows with `source: user`. */
function act(world: World, account: Account, path: readonly string[], given: Given): unknown {
  const [area, id, verb] = path;
  const now = world.options.now();
  const author = { userId: integer(given['userId']) ?? [...account.users.keys()][0] ?? 0 };
  const reader = { account, switches: world.switches(account.name), recorded: { flags: [] } };
  const stamp = zoneless(now, account.timezone);
  const site = text(given['site']) ?? [...account.sites.keys()][0] ?? '';
  const problems: Problems = {};
  if (area === 'customers') {
    const changes = customers.read(reader, asObject(given['customer']) ?? {}, problems);
    if (Object.keys(problems).length > 0) throw new Error(JSON.stringify(problems));
    if (id === undefined) return customers.view(customers.add(account, site, stamp, changes, author, now));
    const customer = need(account.customers.get(Number(id)), 'customer');
    if (verb === 'merge')
      customers.merge(account, customer, need(account.customers.get(integer(given['into']) ?? 0), 'into'), author, now);
    else customers.change(account, customer, changes, author, now);
    return customers.view(customer);
  }
  if (area === 'orders') {
    const changes = orders.read(reader, asObject(given['order']) ?? {}, problems);
    if (Object.keys(problems).length > 0) throw new Error(JSON.stringify(problems));
    if (id === undefined) return orders.view(orders.add(account, site, stamp, changes, author, now));
    const order = need(account.orders.get(Number(id)), 'order');
    orders.change(account, order, changes, author, now, stamp);
    return orders.view(order);
  }
  if (area === 'users') {
    const user = need(account.users.get(Number(id)), 'user');
    if (isStatus(given['status'])) user.status = given['status'];
    for (const name of ['online', 'active'] as const) if (typeof given[name] === 'boolean') user[name] = given[name];
    return user;
  }
  if (area === 'account') {
    account.fileCredit = integer(given['fileCredit']) ?? account.fileCredit;
    return { fileCredit: account.fileCredit };
  }
  throw new Error('ui: customers, orders, users or account expected');
}

function readBody(body: Buffer): Given {
  if (body.length === 0) return {};
  const given = asObject(JSON.parse(body.toString()));
  if (!given) throw new Error('a JSON object expected');
  return given;
}

function need<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is missing or unknown`);
  return value;
}

function oneOf<T extends string>(choices: readonly T[], given: Given, name: string): T | undefined {
  if (given[name] === undefined) return undefined;
  const found = choices.find((choice) => choice === given[name]);
  if (found === undefined) throw new Error(`${name}: ${choices.join(', ')} expected`);
  return found;
}
