/**
 * The local RetailCRM: strict where the real one is strict, and different on command where accounts differ.
 * Plain HTTP, state in memory, seeded from JSON. A client that is wrong against the CRM is wrong here.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Account } from './account.ts';
import { answerAdmin } from './admin.ts';
import { type Answer, answerApi, type Incoming } from './api.ts';
import type { Callbacks } from './callbacks.ts';
import { answerPage } from './page.ts';
import { json, type Reply, serverPage } from './reply.ts';
import type { RecordedRequest } from './requests.ts';
import type { Seed } from './seed.ts';
import { type Stats, statsOf } from './stats.ts';
import type { Switches } from './switches.ts';
import { World } from './world.ts';

const MAX_BODY_BYTES = 32 * 1024 * 1024;

/** How to start an emulator. */
export interface EmulatorOptions {
  /** TCP port, 0 for any free one. */
  port: number;
  /** Address to listen on, default `127.0.0.1`. */
  host?: string;
  /** Accounts, users, customers; default: one account `demo` with key `demo-key`. */
  seed?: Seed;
  /** Switches that differ from the defaults; `reset` returns to them. */
  switches?: Partial<Switches>;
  /** Wall clock, epoch milliseconds; default `Date.now`. Dates and pop-ups go by it. */
  now?: () => number;
  /** Monotonic clock, milliseconds; default `performance.now`. The rate limits go by it. */
  monotonic?: () => number;
  /** Most requests kept in the log, default 10,000. Counters stay exact. */
  requestLogCap?: number;
  /** Most bytes of bodies and queries kept in the log, default 32 MiB. */
  requestLogBytes?: number;
  /** Most closed pop-ups, events and placed callbacks kept per account, default 10,000. */
  historyCap?: number;
  /** How long a receiver of a callback may take, milliseconds, default 5000. */
  callbackTimeoutMs?: number;
  /** Told of errors inside the emulator itself, which are answered with 500. */
  onError?: (error: unknown) => void;
}

/** A running emulator. */
export class Emulator {
  readonly #world: World;
  readonly #server: Server;
  readonly #host: string;

  constructor(world: World, server: Server, host: string) {
    this.#world = world;
    this.#server = server;
    this.#host = host;
  }

  /** The port it listens on. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Base URL for a client, without a trailing slash; the page is at its root. */
  get url(): string {
    return `http://${this.#host.includes(':') ? `[${this.#host}]` : this.#host}:${this.port}`;
  }

  /** An account's state, live; the first account without a name. @throws Error for an unknown name. */
  account(name?: string): Account {
    return this.#world.account(name);
  }

  /** The names of all accounts. */
  accountNames(): string[] {
    return [...this.#world.accounts.keys()];
  }

  /** The kept requests, oldest first; `path` matches a part of the path. */
  requests(only: { account?: string; path?: string } = {}): RecordedRequest[] {
    const { account, path } = only;
    return this.#world.log
      .all()
      .filter(
        (each) =>
          (account === undefined || each.account === account) && (path === undefined || each.path.includes(path)),
      );
  }

  /** Places callbacks as the CRM would. */
  get callbacks(): Callbacks {
    return this.#world.callbacks;
  }

  /** The switches in force, for one account if named. */
  switches(account?: string): Readonly<Switches> {
    return this.#world.switches(account);
  }

  /** Changes switches from the next request on, for all or for one account. */
  setSwitches(patch: Partial<Switches>, account?: string): void {
    this.#world.setSwitches(patch, account);
  }

  /** Counters and the rate gauge. */
  stats(): Stats {
    return statsOf(this.#world);
  }

  /** Forgets everything and starts over, from another seed if given. */
  reset(seed?: Seed): void {
    this.#world.reset(seed);
  }

  /** Closes all connections and waits for callbacks under way. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await Promise.all([closed, this.#world.callbacks.settled()]);
  }
}

/** Starts an emulator. @throws the listen error, for example `EADDRINUSE`, or Error for a contradictory seed. */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const host = options.host ?? '127.0.0.1';
  const world = new World({
    seed: options.seed ?? {},
    switches: options.switches ?? {},
    now: options.now ?? Date.now,
    monotonic: options.monotonic ?? (() => performance.now()),
    requestLogCap: options.requestLogCap ?? 10_000,
    requestLogBytes: options.requestLogBytes ?? 32 * 1024 * 1024,
    historyCap: options.historyCap ?? 10_000,
    callbackTimeoutMs: options.callbackTimeoutMs ?? 5000,
    ownHost: host,
  });
  const server = createServer((request, response) => {
    serve(world, request, response).catch((error: unknown) => {
      options.onError?.(error);
      if (response.headersSent) response.destroy();
      else write(response, serverPage(500, 'Internal Server Error'), request.method);
    });
  });
  server.keepAliveTimeout = 30_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return new Emulator(world, server, host);
}

async function serve(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const at = world.options.now();
  const arrivedMs = world.options.monotonic();
  const arrivedNs = process.hrtime.bigint();
  const [path = '', rawQuery = ''] = splitOnce(request.url ?? '/', '?');
  const body = await readBody(request);
  if (body === 'aborted') return;
  if (body === 'too big') {
    write(response, serverPage(413, 'Request Entity Too Large'), request.method);
    return;
  }
  const incoming: Incoming = {
    method: request.method ?? 'GET',
    path,
    rawQuery,
    headers: request.headers,
    body,
    at,
    arrivedMs,
    arrivedNs,
  };
  if (path.startsWith('/api/') || path === '/api') await finish(response, answerApi(world, incoming), incoming.method);
  else if (path.startsWith('/__emu/')) write(response, await answerAdmin(world, incoming), incoming.method);
  else
    write(
      response,
      answerPage(world, incoming) ?? json(404, { error: 'nothing here; the page is at /' }),
      incoming.method,
    );
}

async function finish(response: ServerResponse, { reply, switches }: Answer, method: string): Promise<void> {
  if (switches.delayMs > 0) await pause(switches.delayMs);
  if (!reply) {
    response.destroy();
    return;
  }
  if (switches.dripBytes === 0) {
    write(response, reply, method);
    return;
  }
  const body = Buffer.from(reply.body);
  response.writeHead(reply.status, { ...reply.headers, 'content-type': reply.type, 'content-length': body.length });
  for (let sent = 0; sent < body.length && !response.destroyed; sent += switches.dripBytes) {
    response.write(body.subarray(sent, sent + switches.dripBytes));
    await pause(switches.dripEveryMs);
  }
  response.end();
}

function write(response: ServerResponse, reply: Reply, method: string | undefined): void {
  const body = Buffer.from(reply.body);
  response.writeHead(reply.status, { ...reply.headers, 'content-type': reply.type, 'content-length': body.length });
  response.end(method === 'HEAD' ? undefined : body);
}

function readBody(request: IncomingMessage): Promise<Buffer | 'aborted' | 'too big'> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let size = 0;
    request.on('data', (piece: Buffer) => {
      size += piece.length;
      if (size <= MAX_BODY_BYTES) pieces.push(piece);
    });
    request.on('end', () => resolve(size > MAX_BODY_BYTES ? 'too big' : Buffer.concat(pieces)));
    request.on('error', () => resolve('aborted'));
    request.on('close', () => resolve('aborted'));
  });
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** Does not keep the process alive: a delayed reply is no reason to go on living. */
function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}
