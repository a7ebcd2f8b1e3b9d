/** One API request from arrival to reply: host, key, path, verb, rights, rate, faults, handler. Behaviours 1–13. */

import type { IncomingHttpHeaders } from 'node:http';
import type { Account, ApiKey } from './account.ts';
import { type Fields, noFields, parseFields, parseMultipart, textOf } from './fields.ts';
import { json, type Reply, refusal, Refusal, serverPage } from './reply.ts';
import type { RecordedRequest } from './requests.ts';
import { matchPath, type Route } from './routes.ts';
import type { Switches } from './switches.ts';
import { LIMITS } from './window.ts';
import type { World } from './world.ts';

/** A request as read from the socket. */
export interface Incoming {
  method: string;
  path: string;
  rawQuery: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** Epoch milliseconds at arrival. */
  at: number;
  /** Monotonic milliseconds at arrival. */
  arrivedMs: number;
  /** Monotonic nanoseconds at arrival. */
  arrivedNs: bigint;
}

/** What to do with the connection: a reply to write, or undefined to cut it. */
export interface Answer {
  reply: Reply | undefined;
  switches: Switches;
}

/** Answers one request under `/api`, and records it. */
export function answerApi(world: World, incoming: Incoming): Answer {
  const query = parseFields(incoming.rawQuery);
  const flags: string[] = [];
  const form = readForm(incoming, flags);
  const given = givenKey(incoming, query, form, flags);
  const owner = given === undefined ? undefined : world.keys.get(given);
  const account = owner?.account.name;
  const switches = world.switches(account);
  const matches = matchPath(incoming.path);
  const match = matches.find((each) => each.route.method === incoming.method);
  const bucket = incoming.path.startsWith('/api/v5/telephony/') ? 'telephony' : 'general';
  const recorded = world.log.add({
    ...{ at: incoming.at, arrivedNs: incoming.arrivedNs, method: incoming.method, path: incoming.path },
    ...{
      rawQuery: incoming.rawQuery,
      rawBody: bodyText(incoming),
      bodyBytes: incoming.body.length,
      headers: incoming.headers,
    },
    ...{ account, bucket: owner ? bucket : undefined, flags, status: 0, outcome: 'open' },
  });
  world.version++;

  const carryOut = (): Reply => {
    if (!owner || switches.authOff) throw noEntry(given, switches);
    return handle(world, { incoming, query, form, recorded, switches, ...owner }, match, matches.length > 0);
  };
  const settle = (outcome: RecordedRequest['outcome'], reply: Reply | undefined): Answer => {
    recorded.outcome = outcome;
    recorded.status = reply?.status ?? 0;
    world.log.count(match ? `${match.route.method} ${match.route.pattern}` : 'unknown method', recorded.status);
    return { reply, switches };
  };

  if (switches.down) return settle('down', undefined);
  if (owner && !withinRate(owner.key, bucket, incoming.arrivedMs, switches))
    return settle('rate limited', tooMany(switches));
  const scripted = world.takeScripted(incoming.path, account);
  if (scripted) {
    if (scripted.process === true) replyOf(carryOut);
    const reply =
      typeof scripted.body === 'string'
        ? page(scripted.status, scripted.body)
        : json(scripted.status, scripted.body ?? {});
    return settle('scripted', { ...reply, headers: scripted.headers ?? {} });
  }
  if (switches.html200)
    return settle('html200', page(200, '<!doctype html><title>Sign in</title><h1>Please sign in</h1>'));
  if (world.isNth('fail5xxEvery', account)) return settle('failed', serverPage(500, 'Internal Server Error'));
  if (switches.accountGone || !knownHost(world, incoming.headers.host)) {
    const gone = json(404, { success: false, errorMsg: 'Account does not exist.' });
    return settle('replied', incoming.method === 'GET' ? gone : serverPage(405, 'Not Allowed'));
  }
  const lost = world.isNth('loseReplyEvery', account);
  const reply = replyOf(carryOut);
  return lost ? settle('lost', undefined) : settle('replied', reply);
}

interface Authorised {
  incoming: Incoming;
  query: Fields;
  form: Fields;
  recorded: RecordedRequest;
  switches: Switches;
  account: Account;
  key: ApiKey;
}

function handle(
  world: World,
  from: Authorised,
  match: { route: Route; path: Record<string, string> } | undefined,
  pathKnown: boolean,
): Reply {
  if (!match) throw pathKnown ? refusal(405, 'Method Not Allowed') : refusal(404, 'API method not found');
  const { incoming, account, key } = from;
  const { credential } = match.route;
  if (credential !== undefined && key.credentials && !key.credentials.includes(credential))
    throw refusal(403, 'Access denied.');
  return match.route.handler({
    ...{ account, key, switches: from.switches, query: from.query, form: from.form, body: incoming.body },
    ...{ path: match.path, now: incoming.at, recorded: from.recorded, callbacks: world.callbacks },
    baseUrl: `http://${incoming.headers.host ?? 'localhost'}`,
    historyCap: world.options.historyCap,
    takeFault: (name) => world.takeFault(name, account.name),
  });
}

function replyOf(carryOut: () => Reply): Reply {
  try {
    return carryOut();
  } catch (error) {
    if (error instanceof Refusal) return error.reply;
    throw error;
  }
}

function readForm(incoming: Incoming, flags: string[]): Fields {
  const type = incoming.headers['content-type'] ?? '';
  if (incoming.method !== 'POST') return noFields();
  if (/^multipart\/form-data/i.test(type)) {
    flags.push('multipart body');
    return parseMultipart(type, incoming.body);
  }
  if (/^application\/x-www-form-urlencoded/i.test(type)) return parseFields(incoming.body.toString());
  if (/json/i.test(type)) flags.push('JSON body');
  return noFields();
}

function bodyText({ headers, body }: Incoming): string {
  return body.toString(/octet-stream/i.test(headers['content-type'] ?? '') ? 'latin1' : 'utf8');
}

function givenKey(incoming: Incoming, query: Fields, form: Fields, flags: string[]): string | undefined {
  const inQuery = textOf(query, 'apiKey');
  const inForm = textOf(form, 'apiKey');
  if (inQuery !== undefined) flags.push('apiKey in query');
  if (inForm !== undefined) flags.push('apiKey in form');
  const header = incoming.headers['x-api-key'];
  return (typeof header === 'string' && header !== '' ? header : undefined) ?? inQuery ?? inForm;
}

function noEntry(given: string | undefined, switches: Switches): Refusal {
  if (given === undefined) return refusal(switches.missingKeyStatus, '"apiKey" is missing.');
  return refusal(403, 'Wrong "apiKey" value.');
}

function withinRate(key: ApiKey, bucket: 'general' | 'telephony', at: number, switches: Switches): boolean {
  const limit = Math.floor(LIMITS[bucket] * (1 - Math.min(1, switches.quotaTaken)));
  return key[bucket].take(at, limit);
}

function tooMany(switches: Switches): Reply {
  const errorMsg = 'Rate limit exceeded';
  if (switches.rateLimitReply === '503html') return serverPage(503, 'Service Temporarily Unavailable');
  if (switches.rateLimitReply === '503json') return json(503, { success: false, errorMsg });
  return json(429, { success: false, errorMsg }, { 'retry-after': String(switches.retryAfterSeconds) });
}

function page(status: number, body: string): Reply {
  return { status, type: 'text/html; charset=utf-8', body };
}

/** Loopback names and the hosts of the accounts; everything else is somebody else's account. */
function knownHost(world: World, host: string | undefined): boolean {
  const name = (host ?? '').replace(/:\d+$/, '').toLowerCase();
  if (name === 'localhost' || name === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(name)) return true;
  return name === world.options.ownHost || [...world.accounts.values()].some((account) => account.host === name);
}
