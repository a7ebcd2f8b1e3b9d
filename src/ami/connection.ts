import { createHash, randomBytes } from 'node:crypto';
import { connect as connectTcp, isIP, type LookupFunction, type Socket, type TcpSocketConnectOpts } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { type ActionOutcome, type ListOutcome, PendingActions } from './actions.ts';
import { type Clock, systemClock } from './clock.ts';
import { EventFilter } from './filter.ts';
import { Framer, type FramerLimits } from './framer.ts';
import { AmiMessage } from './message.ts';
import { type ActionFields, encodeAction } from './outgoing.ts';

/** Where an Asterisk listens for managers, and who we are there. */
export interface AmiAddress {
  host: string;
  /** Usually 5038, 5039 with TLS. */
  port: number;
  username: string;
  /** `secret` of the user in manager.conf. Leaves the process only as an MD5 answer, unless plaintext is allowed. */
  secret: string;
  /** Set for TLS. The certificate is always verified; a self-signed one is its own `ca`. `servername` defaults to `host`. */
  tls?: { ca?: string | Buffer; servername?: string } | undefined;
  /** Event classes to ask for (`Events` header). Default `call,system`; `dialplan` and `user` can carry forged events. */
  events?: string | undefined;
  /** Resolver to use instead of the system's. */
  lookup?: LookupFunction | undefined;
  /** Lets the secret go out readable without TLS when the server refuses the MD5 challenge. Default false. */
  allowPlaintext?: boolean | undefined;
}

/** Times and limits of one connection, in milliseconds where they are times. */
export interface ConnectionLimits extends FramerLimits {
  /** From the start of the connect to the greeting line. */
  greetingMs: number;
  /** How long an answer to an action may take; also Challenge and Login. */
  actionMs: number;
  /** How long a list may take from request to `EventList: Complete`. */
  listMs: number;
  /** How long FullyBooted is awaited after the login. It never comes without the class `system`. */
  bootedMs: number;
  /** Pause between pings. */
  pingMs: number;
  /** A ping must be followed by a byte, any byte, within this time: a dead peer is found in `pingMs + pongMs`. */
  pongMs: number;
  /** Most events of one list. */
  listItems: number;
  /** Most unanswered actions. */
  pendingActions: number;
  /** Most unsent bytes: a server that reads nothing gets no more actions. */
  unsentBytes: number;
}

export const defaultConnectionLimits: ConnectionLimits = {
  lineBytes: 64 * 1024,
  messageBytes: 8 * 1024 * 1024,
  greetingMs: 5_000,
  actionMs: 5_000,
  listMs: 10_000,
  bootedMs: 10_000,
  pingMs: 10_000,
  pongMs: 5_000,
  listItems: 10_000,
  pendingActions: 256,
  unsentBytes: 1024 * 1024,
};

/** Why a connection ended. `authRefused` means the server knows us and said no: trying again at once would be hammering. */
export type CloseCause =
  | 'connectFailed'
  | 'noGreeting'
  | 'notAsterisk'
  | 'authRefused'
  | 'loginUnanswered'
  | 'silent'
  | 'badStream'
  | 'unsynced'
  | 'ended'
  | 'socketError'
  | 'stopped';

/** The one reason of a close. `detail` is for people and free of secrets. */
export interface CloseReason {
  cause: CloseCause;
  detail: string;
}

/** What has passed through, added up over all connections of a client. */
export interface StreamCounters {
  bytes: number;
  /** Messages cut from the stream, filtered ones included. */
  messages: number;
  /** Events nobody asked for, dropped before decoding. */
  filtered: number;
  /** Blocks that start with neither `Event` nor `Response`. */
  unknownBlocks: number;
  /** Responses to actions we do not wait for (any more). */
  strayResponses: number;
  /** `Event` or `Uniqueid` headers beyond the first of a message. */
  anomalies: number;
}

export function newStreamCounters(): StreamCounters {
  return { bytes: 0, messages: 0, filtered: 0, unknownBlocks: 0, strayResponses: 0, anomalies: 0 };
}

/** What a connection tells its owner, always synchronously and in the order of the stream. */
export interface ConnectionListener {
  /** Logged in and booted: actions may be sent from now on. */
  up(): void;
  /** One live event. It may come before `up`: between the login and FullyBooted. */
  event(message: AmiMessage, arrivedAt: number): void;
  /** All events of one piece of the stream have been given. */
  chunkEnd(arrivedAt: number): void;
  /** The end, once. `heardAt` is when the last byte came (when the connect began, if none did). */
  closed(reason: CloseReason, heardAt: number): void;
}

/** Optional parts of a connection; defaults are those of the daemon. */
export interface ConnectionParts {
  limits?: Partial<ConnectionLimits> | undefined;
  clock?: Clock | undefined;
  /** Names of the events to decode; `undefined` decodes all. */
  wanted?: Iterable<string> | undefined;
  /** Names of the variables whose `VarSet` is decoded, if `VarSet` is wanted at all; `undefined` decodes all. */
  variables?: Iterable<string> | undefined;
  counters?: StreamCounters | undefined;
  /** Gets every message after the login as it came, `bytes[start, end)` without its blank line: for recordings. */
  tap?: ((bytes: Buffer, start: number, end: number) => void) | undefined;
}

type State = 'connecting' | 'greeting' | 'login' | 'booting' | 'booted' | 'closing';

const longestGreeting = 256;
/** How long a Logoff may take to leave. */
const farewellMs = 1_000;

/**
 * One TCP or TLS connection to a manager, from connect to close. It is never used again: unfinished messages, pending
 * actions and the login die with it, so nothing of an old connection can glue itself to a new one.
 *
 * `connecting` → (TCP, TLS) → `greeting` → (`Asterisk Call Manager/…`) → `login` → (Challenge, Login accepted) →
 * `booting` → (FullyBooted or `bootedMs`) → `booted`; from anywhere → `closing`, with exactly one reason.
 */
export class AmiConnection {
  readonly counters: StreamCounters;
  readonly #address: AmiAddress;
  readonly #limits: ConnectionLimits;
  readonly #clock: Clock;
  readonly #listener: ConnectionListener;
  readonly #filter: EventFilter | undefined;
  readonly #framer: Framer;
  readonly #pending: PendingActions;
  readonly #tap: ConnectionParts['tap'];
  readonly #socket: Socket;
  readonly #idPrefix = randomBytes(6).toString('hex');
  #lastId = 0;
  #state: State = 'connecting';
  #greeting = Buffer.alloc(0);
  #heardAt: number;
  #arrivedAt: number;
  #bootUptime: number | undefined;
  #cancelTimer: () => void = () => undefined;
  #closed: Promise<void>;

  /** Connects at once. */
  constructor(address: AmiAddress, listener: ConnectionListener, options: ConnectionParts = {}) {
    this.#address = address;
    this.#listener = listener;
    this.#limits = { ...defaultConnectionLimits, ...options.limits };
    this.#clock = options.clock ?? systemClock;
    this.counters = options.counters ?? newStreamCounters();
    this.#filter = options.wanted && new EventFilter([...options.wanted, 'FullyBooted'], options.variables);
    this.#tap = options.tap;
    this.#framer = new Framer((bytes, start, end) => this.#take(bytes, start, end), this.#limits);
    this.#pending = new PendingActions(this.#clock, this.#limits.listItems);
    this.#heardAt = this.#arrivedAt = this.#clock.now();
    this.#socket = openSocket(address);
    this.#socket.setNoDelay(true);
    this.#socket.setKeepAlive(true, 30_000);
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.on('end', () => this.#close('ended', 'the server closed the connection'));
    this.#socket.on('error', (error) => this.#failed(error));
    this.#socket.once(address.tls ? 'secureConnect' : 'connect', () => {
      if (this.#state === 'connecting') this.#state = 'greeting';
    });
    this.#closed = new Promise((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.once('close', () => this.#close('ended', 'the connection closed'));
    this.#deadline(this.#limits.greetingMs, () => this.#close('noGreeting', 'no greeting in time'));
  }

  /** The address the host name led to, for a later try when the resolver is down. */
  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  /** The server's greeting, e.g. `Asterisk Call Manager/11.0.0`; empty before it came. */
  get banner(): string {
    return this.#greeting.toString('latin1');
  }

  /** Seconds since Asterisk was started, as FullyBooted told at the login; `undefined` without the class `system`. */
  get bootUptime(): number | undefined {
    return this.#bootUptime;
  }

  get booted(): boolean {
    return this.#state === 'booted';
  }

  /** Sends an action. Settles always, and throws never. Nothing is parked: before `up` and after the end it is `notSent`. */
  action(fields: ActionFields, deadlineMs = this.#limits.actionMs): Promise<ActionOutcome> {
    if (this.#state !== 'booted') return Promise.resolve({ outcome: 'notSent', reason: 'not connected' });
    return new Promise((settle) => this.#send(fields, deadlineMs, settle));
  }

  /** Sends a list action (`Status`, `QueueStatus`, …) and collects its events. */
  list(fields: ActionFields, deadlineMs = this.#limits.listMs): Promise<ListOutcome> {
    return new Promise((settle) => {
      const refused = this.#state === 'booted' ? undefined : 'not connected';
      const sent = refused === undefined ? this.#write(fields) : { refused };
      if (sent.refused !== undefined) settle({ outcome: 'notSent', reason: sent.refused });
      else this.#pending.expectList(sent.actionId, deadlineMs, settle);
    });
  }

  /** Closes at once with a reason of the owner. */
  abort(cause: CloseCause, detail: string): void {
    this.#close(cause, detail);
  }

  /** Says Logoff where there was a login, and closes. Resolves when the socket is gone, after a second at the latest. */
  async stop(): Promise<void> {
    const loggedIn = this.#state === 'booting' || this.#state === 'booted';
    if (loggedIn) this.#write({ Action: 'Logoff' });
    this.#close('stopped', 'stopped', loggedIn ? farewellMs : 0);
    await this.#closed;
  }

  #read(chunk: Buffer): void {
    if (this.#isClosing()) return;
    this.#heardAt = this.#arrivedAt = this.#clock.now();
    this.counters.bytes += chunk.length;
    const rest = this.#state === 'connecting' || this.#state === 'greeting' ? this.#readGreeting(chunk) : chunk;
    const fault = this.#framer.push(rest);
    if (this.#isClosing()) return;
    this.#listener.chunkEnd(this.#arrivedAt);
    if (fault) this.#close('badStream', fault);
  }

  /** The first line must be Asterisk's: until then nothing is said, least of all who we are. */
  #readGreeting(chunk: Buffer): Buffer {
    const soFar = Buffer.concat([this.#greeting, chunk]);
    const end = soFar.indexOf(10);
    const line = soFar.toString('latin1', 0, end === -1 ? Math.min(soFar.length, longestGreeting) : end).trimEnd();
    const wanted = 'Asterisk Call Manager/';
    if (end === -1 && soFar.length <= longestGreeting && wanted.startsWith(line.slice(0, wanted.length))) {
      this.#greeting = soFar;
      return Buffer.alloc(0);
    }
    if (end === -1 || !line.startsWith(wanted)) {
      this.#close('notAsterisk', 'the server did not greet as Asterisk does');
      return Buffer.alloc(0);
    }
    this.#greeting = Buffer.from(line, 'latin1');
    this.#cancelTimer();
    this.#state = 'login';
    this.#challenge();
    return soFar.subarray(end + 1);
  }

  #challenge(): void {
    this.#send({ Action: 'Challenge', AuthType: 'MD5' }, this.#limits.actionMs, (reply) => {
      if (reply.outcome !== 'answered') {
        this.#close('loginUnanswered', `Challenge: ${reply.reason}`);
        return;
      }
      const challenge = reply.response.get('Challenge');
      const { username, secret } = this.#address;
      if (challenge !== undefined) {
        const key = createHash('md5').update(challenge).update(secret).digest('hex');
        this.#login({ AuthType: 'MD5', Username: username, Key: key });
      } else if (this.#address.tls || this.#address.allowPlaintext === true) {
        this.#login({ Username: username, Secret: secret });
      } else this.#close('authRefused', `no challenge: ${said(reply.response)}`);
    });
  }

  #login(credentials: Record<string, string>): void {
    const fields = { Action: 'Login', ...credentials, Events: this.#address.events ?? 'call,system' };
    this.#send(fields, this.#limits.actionMs, (reply) => {
      if (reply.outcome === 'notSent') this.#close('authRefused', `Login: ${reply.reason}`);
      else if (reply.outcome === 'unknown') this.#close('loginUnanswered', `Login: ${reply.reason}`);
      else if (reply.response.name.toLowerCase() === 'success') {
        this.#state = 'booting';
        this.#deadline(this.#limits.bootedMs, () => this.#up());
      } else this.#close('authRefused', said(reply.response));
    });
  }

  #up(): void {
    if (this.#state !== 'booting') return;
    this.#state = 'booted';
    this.#deadline(this.#limits.pingMs, () => this.#ping());
    this.#listener.up();
  }

  #ping(): void {
    const bytes = this.counters.bytes;
    void this.action({ Action: 'Ping' }, this.#limits.pongMs);
    this.#deadline(this.#limits.pongMs, () => {
      if (this.counters.bytes === bytes) this.#close('silent', 'nothing was heard after a ping');
      else this.#deadline(Math.max(0, this.#limits.pingMs - this.#limits.pongMs), () => this.#ping());
    });
  }

  #take(bytes: Buffer, start: number, end: number): void {
    this.counters.messages++;
    if (this.#state === 'booting' || this.#state === 'booted') this.#tap?.(bytes, start, end);
    if (this.#filter && this.#pending.lists === 0 && !this.#filter.passes(bytes, start, end)) {
      this.counters.filtered++;
      return;
    }
    const message = AmiMessage.read(bytes, start, end);
    if (!message) this.counters.unknownBlocks++;
    else if (message.kind === 'Response') {
      if (!this.#pending.offer(message)) this.counters.strayResponses++;
    } else this.#takeEvent(message);
  }

  #takeEvent(message: AmiMessage): void {
    this.counters.anomalies += message.repeatedIdentity;
    // Nobody who has not let us in has anything to tell.
    if (this.#state === 'login' || this.#pending.offer(message)) return;
    if (message.name === 'FullyBooted') {
      const uptime = Number(message.get('Uptime') ?? Number.NaN);
      this.#bootUptime = Number.isFinite(uptime) ? uptime : undefined;
      this.#up();
    } else this.#listener.event(message, this.#arrivedAt);
  }

  #send(fields: ActionFields, deadlineMs: number, settle: (outcome: ActionOutcome) => void): void {
    const sent = this.#write(fields);
    if (sent.refused !== undefined) settle({ outcome: 'notSent', reason: sent.refused });
    else this.#pending.expect(sent.actionId, deadlineMs, settle);
  }

  #write(fields: ActionFields): { actionId: string; refused?: never } | { refused: string } {
    if (this.#pending.size >= this.#limits.pendingActions) return { refused: 'too many unanswered actions' };
    if (this.#socket.writableLength > this.#limits.unsentBytes) return { refused: 'the server does not read' };
    const actionId = `${this.#idPrefix}-${++this.#lastId}`;
    const { bytes, refused } = encodeAction(fields, actionId);
    if (refused !== undefined) return { refused };
    this.#socket.write(bytes);
    return { actionId };
  }

  /** The connection has one deadline at a time: greeting, then boot, then the pings. */
  #deadline(ms: number, run: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(ms, run);
  }

  #isClosing(): boolean {
    return this.#state === 'closing';
  }

  #failed(error: Error): void {
    const cause = this.#state === 'connecting' ? 'connectFailed' : 'socketError';
    const code = 'code' in error && typeof error.code === 'string' ? error.code : 'error';
    this.#close(cause, code);
  }

  /** @param lingerMs how long what was written may take to leave; 0 drops it. */
  #close(cause: CloseCause, detail: string, lingerMs = 0): void {
    if (this.#state === 'closing') return;
    this.#state = 'closing';
    this.#cancelTimer();
    this.#framer.stop();
    if (lingerMs > 0) {
      this.#socket.end();
      setTimeout(() => this.#socket.destroy(), lingerMs).unref();
    } else if (cause === 'silent' && !this.#address.tls) {
      // What is still unsent goes with the socket: a click must not reach the host when the network is back.
      this.#socket.resetAndDestroy();
    } else this.#socket.destroy();
    this.#pending.abandon(`connection lost: ${cause}`);
    this.#listener.closed({ cause, detail }, this.#heardAt);
  }
}

function openSocket({ host, port, tls, lookup }: AmiAddress): Socket {
  const target: TcpSocketConnectOpts = { host, port };
  if (lookup) target.lookup = lookup;
  if (!tls) return connectTcp(target);
  const options: ConnectionOptions = { ...target, minVersion: 'TLSv1.2' };
  if (tls.ca !== undefined) options.ca = tls.ca;
  const servername = tls.servername ?? (isIP(host) ? undefined : host);
  if (servername !== undefined) options.servername = servername;
  return connectTls(options);
}

function said(response: AmiMessage): string {
  return (response.get('Message') ?? response.name).slice(0, 200);
}
