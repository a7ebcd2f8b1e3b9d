import { createHash, randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import { message } from './pbxWire.ts';

/** An action as it was read; names in lower case. */
export type Action = ReadonlyMap<string, string>;

/** What a session asks its PBX. */
export interface SessionOwner {
  readonly user: string;
  /** The password now: a test may change it under a running session. */
  secret(): string;
  /** Answers an action of a logged-in session other than login and log-off; text to write. */
  answer(name: string, action: Action, session: PbxSession): string;
  /** The session is logged in; its first events may follow. */
  loggedIn(session: PbxSession): void;
  closed(session: PbxSession): void;
}

/** One connection to the simulated manager: greeting, MD5 login, actions. */
export class PbxSession {
  readonly socket: Socket;
  readonly #owner: SessionOwner;
  readonly #challenge = String(randomInt(100_000_000, 999_999_999));
  /** Receives events. */
  listens = false;
  /** Since then it knows every channel: its `Status` was answered, epoch milliseconds. */
  syncedAt: number | undefined;
  #pending = '';
  #loggedIn = false;

  constructor(socket: Socket, owner: SessionOwner) {
    this.socket = socket;
    this.#owner = owner;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.listens = false;
      owner.closed(this);
    });
    socket.on('data', (bytes: Buffer) => this.#read(bytes.toString('latin1')));
    socket.write('Asterisk Call Manager/11.0.0\r\n');
  }

  #read(text: string): void {
    this.#pending += text;
    for (let end = this.#pending.indexOf('\r\n\r\n'); end >= 0; end = this.#pending.indexOf('\r\n\r\n')) {
      const lines = this.#pending.slice(0, end).split('\r\n');
      this.#pending = this.#pending.slice(end + 4);
      const headers = lines.map((line) => /^([^:]*): ?(.*)$/.exec(line));
      this.#act(new Map(headers.map((header) => [(header?.[1] ?? '').toLowerCase(), header?.[2] ?? ''])));
    }
  }

  #act(action: Action): void {
    const name = (action.get('action') ?? '').toLowerCase();
    if (name === 'challenge') this.reply(action, [['Challenge', this.#challenge]]);
    else if (name === 'login') this.#login(action);
    else if (!this.#loggedIn) this.refuse(action, 'Permission denied');
    else if (name === 'logoff') {
      this.socket.end(message([['Response', 'Goodbye'], ...idOf(action), ['Message', 'Thanks for all the fish.']]));
    } else this.socket.write(this.#owner.answer(name, action, this));
  }

  #login(action: Action): void {
    const key = createHash('md5').update(`${this.#challenge}${this.#owner.secret()}`).digest('hex');
    if (action.get('username') !== this.#owner.user || action.get('key') !== key) {
      this.refuse(action, 'Authentication failed');
      this.socket.end();
      return;
    }
    this.#loggedIn = true;
    this.listens = action.get('events')?.toLowerCase() !== 'off';
    this.reply(action, [['Message', 'Authentication accepted']]);
    this.#owner.loggedIn(this);
  }

  reply(action: Action, headers: readonly (readonly [string, string])[]): void {
    this.socket.write(message([['Response', 'Success'], ...idOf(action), ...headers]));
  }

  refuse(action: Action, text: string): void {
    this.socket.write(message([['Response', 'Error'], ...idOf(action), ['Message', text]]));
  }
}

/** The `ActionID` to give back, if there was one. */
export function idOf(action: Action): (readonly [string, string])[] {
  const id = action.get('actionid');
  return id === undefined ? [] : [['ActionID', id]];
}
