/**
 * The lab's own eyes on Asterisk: one AMI connection that keeps every byte with its time of arrival. Small on purpose and
 * independent of src/ami: what judges the daemon must not share its parser.
 */
import { connect, type Socket } from 'node:net';
import { deadline } from './wait.ts';

/** One AMI message. The first occurrence of a header wins, as in Asterisk. */
export interface Message {
  /** Arrival on our clock, milliseconds since 1970. */
  at: number;
  /** `Event`, or undefined for an action's answer. */
  event: string | undefined;
  /** Headers, value as sent without surrounding blanks. */
  fields: ReadonlyMap<string, string>;
}

/** What one connection brought: every byte after the answer to Login. */
export interface Segment {
  /** Greeting line of the server. */
  banner: string;
  user: string;
  /** Milliseconds since 1970; `closed` is undefined while the connection lives. */
  opened: number;
  closed: number | undefined;
  chunks: { at: number; bytes: Buffer }[];
}

/** Header of a message, empty text if it has none. */
export function field(message: Message, name: string): string {
  return message.fields.get(name) ?? '';
}

/** A logged-in AMI connection. */
export class Manager {
  /** The raw stream, for recordings. */
  readonly segment: Segment;
  /** Every event so far, in order of arrival. */
  readonly events: Message[] = [];
  /** Resolves when the connection is closed, by whichever side. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #live = new Set<string>();
  #text = '';
  #nextAction = 1;
  #answers = new Map<string, (message: Message) => void>();
  #watchers = new Set<(message: Message) => void>();

  private constructor(socket: Socket, segment: Segment, rest: Buffer) {
    this.#socket = socket;
    this.segment = segment;
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        segment.closed = Date.now();
        resolve();
      });
    });
    socket.on('data', (bytes) => this.#take(bytes));
    if (rest.length > 0) this.#take(rest);
  }

  /** Connects, logs in and waits for FullyBooted; tries again while nobody listens yet. Rejects after `ms`. */
  static async login(host: string, port: number, user: string, secret: string, ms: number): Promise<Manager> {
    const until = Date.now() + ms;
    for (;;) {
      try {
        const manager = await Manager.#once(host, port, user, secret, until - Date.now());
        const gone = manager.closed.then(() => {
          throw new Error('AMI closed the connection after the login');
        });
        gone.catch(() => undefined);
        // An Asterisk that is on its way down may still let us in.
        await Promise.race([manager.event('FullyBooted', () => true, until - Date.now()), gone]);
        return manager;
      } catch (error) {
        if (Date.now() >= until || (error instanceof Error && error.message.includes('refused the login'))) throw error;
        // Nobody listens yet: the only thing to wait for is that somebody does.
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    }
  }

  static #once(host: string, port: number, user: string, secret: string, ms: number): Promise<Manager> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true });
      const opened = Date.now();
      let head = Buffer.alloc(0);
      const fail = (error: Error): void => {
        clearTimeout(timer);
        socket.destroy();
        reject(error);
      };
      const timer = setTimeout(() => fail(new Error('AMI did not answer in time')), ms);
      socket.on('error', fail);
      socket.once('close', () => fail(new Error('AMI closed the connection before the login')));
      socket.write(`Action: Login\r\nUsername: ${user}\r\nSecret: ${secret}\r\n\r\n`);
      const onData = (bytes: Buffer): void => {
        head = Buffer.concat([head, bytes]);
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        const text = head.subarray(0, end).toString('utf8');
        if (!text.includes('Response: Success')) {
          fail(new Error('Asterisk refused the login'));
          return;
        }
        clearTimeout(timer);
        socket.off('data', onData);
        socket.removeAllListeners('close').removeAllListeners('error');
        socket.on('error', () => undefined); // 'close' follows and tells it
        const banner = text.slice(0, text.indexOf('\r\n'));
        resolve(new Manager(socket, { banner, user, opened, closed: undefined, chunks: [] }, head.subarray(end + 4)));
      };
      socket.on('data', onData);
    });
  }

  /** Sends an action and resolves with its answer. List actions: the first message only. */
  action(name: string, fields: Record<string, string> = {}): Promise<Message> {
    const id = `lab-${this.#nextAction++}`;
    const lines = [['Action', name], ['ActionID', id], ...Object.entries(fields)];
    const answer = new Promise<Message>((resolve) => this.#answers.set(id, resolve));
    this.#socket.write(`${lines.map(([key, value]) => `${key ?? ''}: ${value ?? ''}`).join('\r\n')}\r\n\r\n`);
    return deadline(answer, 10_000, `the answer to ${name}`);
  }

  /** The first event of that name, past or future, that the test accepts. */
  event(name: string, accept: (message: Message) => boolean, ms = 15_000): Promise<Message> {
    const seen = this.events.find((message) => message.event === name && accept(message));
    return seen === undefined ? this.nextEvent(name, accept, ms) : Promise.resolve(seen);
  }

  /** The next event of that name, from now on, that the test accepts. */
  nextEvent(name: string, accept: (message: Message) => boolean = () => true, ms = 15_000): Promise<Message> {
    return this.#watch((message) => (message.event === name && accept(message) ? message : undefined), ms, name);
  }

  /** SIP channels told of so far. */
  get sipChannels(): number {
    return this.events.filter(isSipChannel).length;
  }

  /** Resolves once this connection was told of so many SIP channels. */
  async toldOf(channels: number, ms = 15_000): Promise<void> {
    if (this.sipChannels >= channels) return;
    const all = (): true | undefined => (this.sipChannels >= channels ? true : undefined);
    await this.#watch(all, ms, `${channels} SIP channels; there were ${this.sipChannels}`);
  }

  /** Resolves once no channel lives. */
  async idle(ms = 30_000): Promise<void> {
    await this.action('Ping'); // everything Asterisk sent before the answer has arrived
    if (this.#live.size > 0) {
      await this.#watch(() => (this.#live.size === 0 ? true : undefined), ms, 'the end of all channels');
    }
    await this.action('Ping');
  }

  /** Ends the connection without a Logoff. */
  async close(): Promise<void> {
    this.#socket.destroy();
    await this.closed;
  }

  #watch<T>(pick: (message: Message) => T | undefined, ms: number, what: string): Promise<T> {
    let watcher: ((message: Message) => void) | undefined;
    const found = new Promise<T>((resolve) => {
      watcher = (message) => {
        const value = pick(message);
        if (value !== undefined) resolve(value);
      };
      this.#watchers.add(watcher);
    });
    return deadline(found, ms, what, () => {
      if (watcher !== undefined) this.#watchers.delete(watcher);
    });
  }

  #take(bytes: Buffer): void {
    const at = Date.now();
    this.segment.chunks.push({ at, bytes });
    this.#text += bytes.toString('latin1'); // names may be cut inside a character: decoded per message
    for (let end = this.#text.indexOf('\r\n\r\n'); end >= 0; end = this.#text.indexOf('\r\n\r\n')) {
      const message = parseMessage(Buffer.from(this.#text.slice(0, end), 'latin1').toString('utf8'), at);
      this.#text = this.#text.slice(end + 4);
      if (message.event === undefined) this.#answers.get(field(message, 'ActionID'))?.(message);
      else this.#see(message);
    }
  }

  #see(message: Message): void {
    this.events.push(message);
    if (message.event === 'Newchannel') this.#live.add(field(message, 'Uniqueid'));
    if (message.event === 'Hangup') this.#live.delete(field(message, 'Uniqueid'));
    for (const watcher of this.#watchers) watcher(message);
  }
}

function isSipChannel(message: Message): boolean {
  return message.event === 'Newchannel' && /^(?:PJSIP|SIP)\//.test(field(message, 'Channel'));
}

/** One message from its lines; what is not a header line is left out. */
export function parseMessage(text: string, at: number): Message {
  const fields = new Map<string, string>();
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon);
    if (!fields.has(name)) fields.set(name, line.slice(colon + 1).trim());
  }
  return { at, event: fields.get('Event'), fields };
}
