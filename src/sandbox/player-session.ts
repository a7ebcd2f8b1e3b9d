/** One AMI connection to the player: greeting, login, and the few questions a recording can answer. */

import { createHash, randomInt, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';

const MAX_ACTION_BYTES = 64 * 1024;

/** What the player tells a session about itself. */
export interface SessionHost {
  banner: () => string;
  user: string;
  secret: string;
  /** Epoch milliseconds on the player's clock. */
  now: () => number;
  /** What the user may read; undefined for everything. */
  classes: ReadonlySet<string> | undefined;
  /** The session is logged in. */
  onLogin: (session: Session) => void;
  /** The session asked for the channels: whatever comes now is news to it. */
  onSnapshot: (session: Session) => void;
  onClose: (session: Session) => void;
}

/** Lists a recording answers, all empty: at its start nobody talks. */
const LISTS: Readonly<Record<string, { message: string; complete: string }>> = {
  status: { message: 'Channel status will follow', complete: 'StatusComplete' },
  coreshowchannels: { message: 'Channels will follow', complete: 'CoreShowChannelsComplete' },
  queuestatus: { message: 'Queue status will follow', complete: 'QueueStatusComplete' },
  queuesummary: { message: 'Queue summary will follow', complete: 'QueueSummaryComplete' },
  bridgelist: { message: 'Bridge listing will follow', complete: 'BridgeListComplete' },
  parkedcalls: { message: 'Parked calls will follow', complete: 'ParkedCallsComplete' },
};

/** A connection. */
export class Session {
  readonly socket: Socket;
  readonly #host: SessionHost;
  readonly #challenge = String(randomInt(100_000_000, 999_999_999));
  #pending = '';
  #challenged = false;
  /** true after a login. */
  loggedIn = false;
  /** Event classes this session receives; undefined for all; empty for none. */
  classes: ReadonlySet<string> | undefined;

  constructor(socket: Socket, host: SessionHost) {
    this.socket = socket;
    this.#host = host;
    this.classes = host.classes;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => host.onClose(this));
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.write(`${host.banner()}\r\n`);
  }

  /** true if the session wants events at all. */
  get listens(): boolean {
    return this.loggedIn && this.classes?.size !== 0 && !this.socket.destroyed;
  }

  /** Writes bytes and waits while the reader is slow. */
  async send(bytes: Buffer): Promise<void> {
    if (bytes.length === 0 || this.socket.destroyed || this.socket.write(bytes)) return;
    await new Promise<void>((resolve) => {
      this.socket.once('drain', resolve);
      this.socket.once('close', resolve);
    });
  }

  #read(bytes: Buffer): void {
    this.#pending += bytes.toString('latin1');
    for (let blank = this.#pending.indexOf('\r\n\r\n'); blank >= 0; blank = this.#pending.indexOf('\r\n\r\n')) {
      const lines = this.#pending.slice(0, blank).split('\r\n');
      this.#pending = this.#pending.slice(blank + 4);
      const headers = lines.map((line) => /^([^:]*): ?(.*)$/.exec(line));
      this.#act(new Map(headers.map((header) => [(header?.[1] ?? '').toLowerCase(), header?.[2] ?? ''])));
    }
    if (this.#pending.length > MAX_ACTION_BYTES) this.socket.destroy();
  }

  #act(action: ReadonlyMap<string, string>): void {
    const name = (action.get('action') ?? '').toLowerCase();
    const id = action.get('actionid');
    const reply = (response: string, headers: Record<string, string>): void =>
      this.#message({ Response: response, ...(id !== undefined && { ActionID: id }), ...headers });
    if (name === 'challenge' && action.get('authtype')?.toUpperCase() === 'MD5') {
      this.#challenged = true;
      reply('Success', { Challenge: this.#challenge });
    } else if (name === 'login') this.#login(action, reply);
    else if (name === 'logoff') {
      reply('Goodbye', { Message: 'Thanks for all the fish.' });
      this.socket.end();
    } else if (!this.loggedIn) reply('Error', { Message: 'Permission denied' });
    else this.#answer(name, action, id, reply);
  }

  #login(
    action: ReadonlyMap<string, string>,
    reply: (response: string, headers: Record<string, string>) => void,
  ): void {
    const { user, secret } = this.#host;
    const key = createHash('md5').update(`${this.#challenge}${secret}`).digest('hex');
    const proven =
      this.#challenged && action.get('authtype')?.toUpperCase() === 'MD5'
        ? same(action.get('key'), key)
        : same(action.get('secret'), secret);
    if (action.get('username') !== user || !proven) {
      reply('Error', { Message: 'Authentication failed' });
      this.socket.end();
      return;
    }
    this.loggedIn = true;
    this.#mask(action.get('events'));
    reply('Success', { Message: 'Authentication accepted' });
    this.#host.onLogin(this);
  }

  #answer(
    name: string,
    action: ReadonlyMap<string, string>,
    id: string | undefined,
    reply: (response: string, headers: Record<string, string>) => void,
  ): void {
    const list = Object.hasOwn(LISTS, name) ? LISTS[name] : undefined;
    if (list) {
      reply('Success', { EventList: 'start', Message: list.message });
      this.#message({
        Event: list.complete,
        ...(id !== undefined && { ActionID: id }),
        EventList: 'Complete',
        ListItems: '0',
      });
      if (name === 'status' || name === 'coreshowchannels') this.#host.onSnapshot(this);
      return;
    }
    const date = new Date(this.#host.now()).toISOString();
    switch (name) {
      case 'ping': {
        reply('Success', { Ping: 'Pong', Timestamp: (this.#host.now() / 1000).toFixed(6) });
        return;
      }
      case 'corestatus': {
        reply('Success', {
          CoreStartupDate: date.slice(0, 10),
          CoreStartupTime: date.slice(11, 19),
          CoreReloadDate: date.slice(0, 10),
          CoreReloadTime: date.slice(11, 19),
          CoreCurrentCalls: '0',
        });
        return;
      }
      case 'coresettings': {
        reply('Success', {
          AMIversion: this.#host.banner().replace(/^.*\//, ''),
          AsteriskVersion: 'recording',
          SystemName: '',
          CoreMaxCalls: '0',
          CoreMaxLoadAvg: '0.000000',
          CoreCDRenabled: 'Yes',
          CoreHTTPenabled: 'No',
        });
        return;
      }
      case 'events':
        this.#mask(action.get('eventmask'));
        {
          reply('Success', { Events: this.classes?.size === 0 ? 'Off' : 'On' });
          return;
        }
      case 'filter': {
        reply('Success', { Message: 'Filter added successfully' });
        return;
      }
      case 'originate': {
        reply('Error', { Message: 'A recording cannot call anybody' });
        return;
      }
      default: {
        reply('Error', { Message: 'Invalid/unknown command' });
        return;
      }
    }
  }

  /** `Events:` of a login narrows what the user may read, as in Asterisk. */
  #mask(events: string | undefined): void {
    const allowed = this.#host.classes;
    const wanted = (events ?? 'on')
      .toLowerCase()
      .split(',')
      .map((name) => name.trim());
    if (wanted.includes('off')) this.classes = new Set();
    else if (wanted.includes('on') || wanted.includes('all') || wanted.join('') === '') this.classes = allowed;
    else this.classes = new Set(wanted.filter((name) => !allowed || allowed.has(name)));
  }

  #message(headers: Record<string, string>): void {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.socket.write(Buffer.from(`${lines.join('')}\r\n`, 'latin1'));
  }
}

function same(given: string | undefined, wanted: string): boolean {
  const [a, b] = [Buffer.from(given ?? ''), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
