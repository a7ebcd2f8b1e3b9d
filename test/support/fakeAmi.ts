import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { testTls } from './testTls.ts';

/** Headers of one message, in order. Values are written as they are: a fake may lie as it likes. */
export type Headers = Readonly<Record<string, string | number | readonly string[]>>;

/** An action as the server read it; header names in lower case, the first value of a repeated header. */
export interface ReceivedAction {
  action: string;
  get(name: string): string | undefined;
  all(name: string): string[];
  /** The action as it came over the wire, without the blank line. */
  text: string;
}

/** Answers an action: headers to send (ActionID is added), nothing to stay silent, or write with `session` yourself. */
export type ActionHandler = (action: ReceivedAction, session: FakeSession) => Headers | undefined;

/** How a fake differs from a plain Asterisk 22 with the user `crm`, secret `secret`. */
export interface FakeAmiOptions {
  users?: Readonly<Record<string, string>>;
  tls?: boolean;
  /** The first line; `false` says nothing at all. */
  greeting?: string | false;
  /** `atOnce` (default), `never` (no class `system`), or `held` until `session.boot()`. */
  fullyBooted?: 'atOnce' | 'never' | 'held';
  /** `false`: the server refuses Challenge. */
  md5?: boolean;
  /** `Uptime` of FullyBooted, seconds. */
  uptime?: number;
  /** 0 = an ephemeral port. */
  port?: number;
}

/**
 * An Asterisk that exists on one loopback port and does what a test tells it: greeting, MD5 login, Ping, Status and
 * other lists, events in any bytes and any pieces, and every way a connection can die.
 *
 *     const ami = await FakeAmi.start();
 *     const session = await ami.nextLogin();       // the client has logged in
 *     session.event('Hangup', { Uniqueid: '1.1' });
 *     await ami.received('Originate');
 *     session.cut();                                // reset in mid-air
 *     await ami.stop();
 */
export class FakeAmi {
  readonly options: FakeAmiOptions;
  /** Live sessions, logged in or not. */
  readonly sessions = new Set<FakeSession>();
  /** All actions of all sessions, in order. */
  readonly actions: ReceivedAction[] = [];
  /** Connections accepted since the start. */
  connections = 0;
  /** Channels that `Status` shows: headers of its events. */
  channels: Headers[] = [];
  /** `CoreStartupDate` and `CoreStartupTime` of CoreStatus. */
  startup = { date: '2026-11-01', time: '08:00:00' };
  /** Added to the clock that Ping answers, milliseconds. */
  clockOffsetMs = 0;
  readonly #server: Server;
  readonly #handlers = new Map<string, ActionHandler>();
  #waiting: { done: () => boolean; resolve: () => void }[] = [];
  #logins: FakeSession[] = [];

  private constructor(options: FakeAmiOptions) {
    this.options = options;
    const accept = (socket: Socket): void => {
      this.connections++;
      this.sessions.add(new FakeSession(this, socket));
      this.changed();
    };
    this.#server = options.tls ? createTlsServer(testTls, accept) : createServer(accept);
    this.#server.on('tlsClientError', () => undefined);
  }

  static async start(options: FakeAmiOptions = {}): Promise<FakeAmi> {
    const ami = new FakeAmi(options);
    ami.#server.listen(options.port ?? 0, '127.0.0.1');
    await once(ami.#server, 'listening');
    return ami;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** What a client needs to get in. */
  get address(): { host: string; port: number; username: string; secret: string } {
    const [username = 'crm', secret = 'secret'] = Object.entries(this.options.users ?? {})[0] ?? [];
    return { host: '127.0.0.1', port: this.port, username, secret };
  }

  /** Answers `action` in the test's own way, until another handler is set. */
  on(action: string, handler: ActionHandler): this {
    this.#handlers.set(action.toLowerCase(), handler);
    return this;
  }

  /** The next session that logs in (or that has, and was not asked for yet). */
  async nextLogin(): Promise<FakeSession> {
    await this.until(() => this.#logins.length > 0);
    const session = this.#logins.shift();
    if (!session) throw new Error('unreachable');
    return session;
  }

  /** The first action of this name that came, or comes. */
  async received(action: string): Promise<ReceivedAction> {
    const find = () => this.actions.find((one) => one.action.toLowerCase() === action.toLowerCase());
    await this.until(() => find() !== undefined);
    const found = find();
    if (!found) throw new Error('unreachable');
    return found;
  }

  /** Resolves when `done` is true; asked whenever a connection, a byte or a close changes something. */
  until(done: () => boolean): Promise<void> {
    if (done()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ done, resolve }));
  }

  /** Cuts everybody off and stops listening. The port may be given to the next `start`. */
  async stop(): Promise<void> {
    for (const session of this.sessions) session.cut();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  /** @internal */
  changed(): void {
    const ready = this.#waiting.filter(({ done }) => done());
    this.#waiting = this.#waiting.filter((one) => !ready.includes(one));
    for (const { resolve } of ready) resolve();
  }

  /** @internal */
  loggedIn(session: FakeSession): void {
    this.#logins.push(session);
  }

  /** @internal */
  answer(action: ReceivedAction, session: FakeSession): void {
    this.actions.push(action);
    const name = action.action.toLowerCase();
    const handler = this.#handlers.get(name) ?? defaultHandlers[name] ?? unknownAction;
    const headers = handler(action, session);
    if (headers) session.reply(action, headers);
    this.changed();
  }
}

/** One connection to the fake. */
export class FakeSession {
  readonly ami: FakeAmi;
  readonly socket: Socket;
  /** Everything the client wrote, as latin1. */
  received = '';
  username: string | undefined;
  /** `Events` header of the login. */
  mask: string | undefined;
  closed = false;
  challenge: string | undefined;
  #rest = '';
  #frozen = false;

  constructor(ami: FakeAmi, socket: Socket) {
    this.ami = ami;
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#read(chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      ami.sessions.delete(this);
      ami.changed();
    });
    const greeting = ami.options.greeting ?? 'Asterisk Call Manager/11.0.0\r\n';
    if (greeting !== false) socket.write(greeting);
  }

  /** Sends bytes as they are. */
  push(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** Sends bytes in pieces of `size`, each of which the client reads apart from the next (as far as TCP lets us). */
  async pushSlowly(bytes: string | Buffer, size: number): Promise<void> {
    const all = Buffer.from(bytes as string);
    for (let from = 0; from < all.length && !this.socket.destroyed; from += size) {
      this.socket.write(all.subarray(from, from + size));
      await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
    }
  }

  /** Sends bytes and waits until the kernel has taken them: how a flood does not pile up in this process. */
  async pushDrained(bytes: string | Buffer): Promise<void> {
    if (this.socket.write(bytes) || this.closed) return;
    await new Promise<void>((resolve) => {
      this.socket.once('drain', resolve);
      this.socket.once('close', () => resolve());
    });
  }

  /** Sends one event. */
  event(name: string, headers: Headers = {}): void {
    this.push(block({ Event: name, ...headers }));
  }

  /** Answers an action. */
  reply(action: ReceivedAction, { Response = 'Success', ...headers }: Headers): void {
    const actionId = action.get('ActionID');
    this.push(block({ Response, ...(actionId === undefined ? {} : { ActionID: actionId }), ...headers }));
  }

  /** Answers a list action: start, the items, and `Complete` unless it is left out. */
  replyList(action: ReceivedAction, name: string, items: readonly Headers[], complete = true): void {
    const ActionID = action.get('ActionID') ?? '';
    const start = block({ Response: 'Success', ActionID, EventList: 'start', Message: `${name} will follow` });
    const events = items.map((item) => block({ Event: name, ...item, ActionID }));
    const end = block({ Event: `${name}Complete`, ActionID, EventList: 'Complete', ListItems: items.length });
    this.push(start + events.join('') + (complete ? end : ''));
  }

  /** Sends the FullyBooted that `fullyBooted: 'held'` held back. */
  boot(): void {
    const { uptime = 3600 } = this.ami.options;
    this.push(block({ Event: 'FullyBooted', Privilege: 'system,all', Uptime: uptime, Status: 'Fully Booted' }));
  }

  /** Reads on, answers nothing any more: the process behind the socket hangs, or the network is gone. */
  freeze(): void {
    this.#frozen = true;
  }

  /** Closes properly (FIN), after what was pushed. */
  end(): void {
    this.socket.end();
  }

  /** Resets the connection. */
  cut(): void {
    this.socket.resetAndDestroy();
  }

  #read(text: string): void {
    this.received += text;
    this.#rest += text;
    // Asterisk takes a bare LF for a line end, and so do we: what a client smuggles must have its effect here.
    for (let end = /\r?\n\r?\n/.exec(this.#rest); end; end = /\r?\n\r?\n/.exec(this.#rest)) {
      const action = parseAction(this.#rest.slice(0, end.index));
      this.#rest = this.#rest.slice(end.index + end[0].length);
      if (!this.#frozen) this.ami.answer(action, this);
    }
    this.ami.changed();
  }
}

/** One message as bytes-to-be. */
export function block(headers: Headers): string {
  const lines: string[] = [];
  for (const [key, value] of Object.entries(headers)) {
    for (const one of typeof value === 'object' ? value : [String(value)]) lines.push(`${key}: ${one}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function parseAction(text: string): ReceivedAction {
  const headers = text.split(/\r?\n/).map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
  });
  const all = (name: string): string[] =>
    headers.filter(([key]) => key === name.toLowerCase()).map(([, value]) => value);
  const get = (name: string): string | undefined => all(name)[0];
  return { action: get('Action') ?? '', get, all, text };
}

const error = (Message: string): Headers => ({ Response: 'Error', Message });
const unknownAction: ActionHandler = () => error('Invalid/unknown command');

function login(action: ReceivedAction, session: FakeSession): Headers | undefined {
  const { users = { crm: 'secret' }, fullyBooted = 'atOnce' } = session.ami.options;
  const username = action.get('Username') ?? '';
  const secret = users[username];
  const key = createHash('md5')
    .update(`${session.challenge ?? ''}${secret ?? ''}`)
    .digest('hex');
  const good = action.get('AuthType') === 'MD5' ? action.get('Key') === key : action.get('Secret') === secret;
  if (secret === undefined || !good) {
    session.reply(action, error('Authentication failed'));
    session.end();
    return undefined;
  }
  session.username = username;
  session.mask = action.get('Events');
  session.reply(action, { Message: 'Authentication accepted' });
  if (fullyBooted === 'atOnce') session.boot();
  session.ami.loggedIn(session);
  return undefined;
}

const defaultHandlers: Readonly<Record<string, ActionHandler>> = {
  challenge: (_, session) => {
    if (session.ami.options.md5 === false) return error('Must specify AuthType');
    session.challenge = String(100000000 + session.ami.connections);
    return { Challenge: session.challenge };
  },
  login,
  ping: (_, { ami }) => ({ Ping: 'Pong', Timestamp: ((Date.now() + ami.clockOffsetMs) / 1000).toFixed(6) }),
  corestatus: (_, { ami }) => ({ CoreStartupDate: ami.startup.date, CoreStartupTime: ami.startup.time }),
  status: (action, session) => {
    session.replyList(action, 'Status', session.ami.channels);
    return undefined;
  },
  queuestatus: (action, session) => {
    session.replyList(action, 'QueueStatus', []);
    return undefined;
  },
  originate: () => ({ Message: 'Originate successfully queued' }),
  logoff: (action, session) => {
    session.reply(action, { Response: 'Goodbye', Message: 'Thanks for all the fish.' });
    session.end();
    return undefined;
  },
};
