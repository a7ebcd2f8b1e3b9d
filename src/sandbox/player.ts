/** Plays recorded AMI streams over TCP as a PBX would: login, snapshot, then the recorded bytes in their recorded rhythm. */

import { type AddressInfo, createServer, type Server } from 'node:net';
import { type Capture, loadCaptures, messagesOf, type Segment } from './capture.ts';
import { Session } from './player-session.ts';
import { renumber, rewrite, startsBooted } from './rewrite.ts';

/** Times as fast as life for `speed: 'fast'`. */
export const FAST = 20;

/** What is happening now. */
export interface Progress {
  /** Name of the recording. */
  capture: string;
  /** 1 for the first. */
  number: number;
  /** How many there are. */
  of: number;
  /** `waiting` for a login, `playing`, or `played` to the end. */
  state: 'waiting' | 'playing' | 'played';
}

/** How to play. */
export interface PlayerOptions {
  /** Paths of `.ami` files, played one after another as one stream. */
  captures: readonly string[];
  /** TCP port, 0 for any free one. */
  port: number;
  /** Address to listen on, default `127.0.0.1`. */
  host?: string;
  /** `paced` as recorded, `fast` 20 times that, or a factor. Order and relative distances always stay. */
  speed: 'paced' | 'fast' | number;
  /** AMI user name. */
  user: string;
  /** AMI secret. */
  secret: string;
  /** Start over after the last recording; default false. */
  loop?: boolean;
  /** Pause between two recordings, seconds of the player's clock, default 2. */
  pauseSeconds?: number;
  /** Move the epoch part of all Uniqueids and Linkedids to now and go on counting behind the dot; default false. Needed when one database sees a recording twice. */
  renumber?: boolean;
  /** The classes the AMI user may read, for example `['call', 'system']`; default: everything recorded. */
  classes?: readonly string[];
  /** How long to wait for the client's snapshot (`Status`) after login, milliseconds, default 1000. */
  snapshotGraceMs?: number;
  /** Told when a recording starts and ends. */
  onProgress?: (progress: Progress) => void;
}

/** A running player. */
export interface Player {
  /** The port it listens on. */
  readonly port: number;
  /** Resolves when everything has been sent, or on `stop`. Never rejects. */
  readonly done: Promise<void>;
  /** Closes all connections. */
  stop(): Promise<void>;
}

/** Starts a player. @throws Error for a recording that cannot be read, or the listen error. */
export async function startPlayer(options: PlayerOptions): Promise<Player> {
  const captures = await loadCaptures(options.captures);
  const [first] = captures;
  if (!first) throw new Error('nothing to play');
  const playing = new Playing(options, captures, first);
  await playing.listen();
  return playing;
}

/**
 * The stream goes to the first session that is logged in and wants events; others are only answered. While there is none,
 * the recording stands still; after a lost connection it goes on with the message that was cut.
 * The player's clock starts now and runs `speed` times as fast as the wall clock: the times in the stream never go back.
 */
class Playing implements Player {
  readonly done: Promise<void>;
  readonly #options: PlayerOptions;
  readonly #captures: readonly Capture[];
  readonly #speed: number;
  readonly #server: Server;
  readonly #sessions = new Set<Session>();
  readonly #startedAt = Date.now();
  readonly #startedMs = performance.now();
  readonly #stopped = new AbortController();
  #finished: () => void = () => undefined;
  /** Wakes whoever waits for a login, a snapshot or the end. */
  #wake: () => void = () => undefined;
  /** The segment being played or waited for: it tells the greeting. */
  #segment: Segment;
  /** true where a login is told at once that Asterisk is up. */
  #booted = true;
  /** true between two segments: the PBX is gone. */
  #away = false;
  readonly #snapshots = new WeakSet<Session>();

  constructor(options: PlayerOptions, captures: readonly Capture[], first: Capture) {
    this.#options = options;
    this.#captures = captures;
    this.#segment = first.segments[0];
    this.#speed = options.speed === 'paced' ? 1 : options.speed === 'fast' ? FAST : options.speed;
    if (!(this.#speed > 0)) throw new Error('speed must be above 0');
    this.done = new Promise((resolve) => {
      this.#finished = resolve;
    });
    const classes = options.classes ? new Set(options.classes) : undefined;
    this.#server = createServer((socket) => {
      if (this.#away) {
        socket.destroy();
        return;
      }
      const session = new Session(socket, {
        ...{ user: options.user, secret: options.secret, classes, now: () => this.#now() },
        banner: () => this.#segment.banner,
        onLogin: (session) => {
          this.#greet(session);
          this.#wake();
        },
        onSnapshot: (session) => {
          this.#snapshots.add(session);
          this.#wake();
        },
        onClose: (session) => {
          this.#sessions.delete(session);
          this.#wake();
        },
      });
      this.#sessions.add(session);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#options.port, this.#options.host ?? '127.0.0.1', resolve);
    });
    void this.#playAll().finally(() => this.#finished());
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#wake();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const { socket } of this.#sessions) socket.destroy();
    await Promise.all([closed, this.done]);
  }

  /** A method, not a field: it changes while we wait. */
  #isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  /** Epoch milliseconds on the player's clock. */
  #now(): number {
    return this.#startedAt + (performance.now() - this.#startedMs) * this.#speed;
  }

  async #playAll(): Promise<void> {
    let serial = 0;
    let first = true;
    do {
      for (const [index, capture] of this.#captures.entries()) {
        if (!first) await this.#sleep((this.#options.pauseSeconds ?? 2) * 1000);
        first = false;
        serial = await this.#playCapture(capture, index, serial);
        if (this.#isStopped()) return;
      }
    } while (this.#options.loop === true);
  }

  async #playCapture(capture: Capture, index: number, serial: number): Promise<number> {
    const tell = (state: Progress['state']): void =>
      this.#options.onProgress?.({ capture: capture.name, number: index + 1, of: this.#captures.length, state });
    let ids: Map<string, string> | undefined;
    let nextSerial = serial;
    for (const [part, segment] of capture.segments.entries()) {
      this.#segment = segment;
      this.#booted = part === 0 || startsBooted(segment);
      if (!this.#listener()) tell('waiting');
      await this.#ready();
      if (part === 0) {
        tell('playing');
        if (this.#options.renumber === true)
          ({ ids, nextSerial } = renumber(capture, this.#shift(segment.opened), serial));
      }
      await this.#playSegment(segment, ids);
      const next = capture.segments[part + 1];
      if (next && !this.#isStopped()) await this.#goAway((next.opened - (segment.closed ?? next.opened)) * 1000);
    }
    if (!this.#isStopped()) tell('played');
    return nextSerial;
  }

  /** Sends a segment to its end, over as many sessions as it takes. */
  async #playSegment(segment: Segment, ids: Map<string, string> | undefined): Promise<void> {
    const length = segment.chunks.reduce((end, chunk) => Math.max(end, chunk.offset + chunk.length), 0);
    let from = 0;
    while (from < length) {
      const session = await this.#ready();
      if (!session) return;
      from = borderBefore(segment.text, from);
      const base = segment.chunks.find((chunk) => chunk.offset + chunk.length > from)?.at ?? segment.opened;
      const begun = this.#now();
      const pieces = rewrite(segment, { shiftSeconds: this.#shift(base), ids, classes: session.classes, from });
      for (const piece of pieces) {
        if (piece.end <= from) continue;
        await this.#sleep(begun + (piece.at - base) * 1000 - this.#now());
        if (session.socket.destroyed || this.#isStopped()) break;
        await session.send(piece.bytes);
        if (session.socket.writable) from = piece.end;
      }
      this.#booted = true;
    }
  }

  /** The session to play to, once it is logged in and, if Asterisk is up, knows what is going on. */
  async #ready(): Promise<Session | undefined> {
    const grace = this.#options.snapshotGraceMs ?? 1000;
    while (!this.#isStopped()) {
      const session = this.#listener();
      if (!session) await this.#news();
      else if (!this.#booted || this.#snapshots.has(session)) return session;
      else {
        const limit = setTimeout(() => {
          this.#snapshots.add(session);
          this.#wake();
        }, grace);
        await this.#news();
        clearTimeout(limit);
      }
    }
    return undefined;
  }

  #listener(): Session | undefined {
    return [...this.#sessions].find((session) => session.listens);
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.#isStopped()) resolve();
    });
  }

  /** What a login to a running Asterisk is told first. */
  #greet(session: Session): void {
    if (!this.#booted || !session.listens || session.classes?.has('system') === false) return;
    const timestamp = this.#segment.text.includes('\r\nTimestamp: ')
      ? `Timestamp: ${(this.#now() / 1000).toFixed(6)}\r\n`
      : '';
    session.socket.write(
      `Event: FullyBooted\r\nPrivilege: system,all\r\n${timestamp}Uptime: 3600\r\nLastReload: 3600\r\nStatus: Fully Booted\r\n\r\n`,
    );
  }

  /** The PBX closes everything and is away for a while. */
  async #goAway(milliseconds: number): Promise<void> {
    this.#away = true;
    const closing = [...this.#sessions].map(
      ({ socket }) =>
        new Promise((resolve) => {
          socket.once('close', resolve);
          socket.destroySoon();
        }),
    );
    await Promise.all([...closing, this.#sleep(milliseconds)]);
    this.#away = false;
  }

  /** Whole seconds from a recorded moment to now. */
  #shift(recorded: number): number {
    return Math.floor(this.#now() / 1000 - recorded);
  }

  /** Waits on the player's clock; `stop` ends it. */
  #sleep(milliseconds: number): Promise<void> {
    const real = milliseconds / this.#speed;
    if (real < 0.5 || this.#isStopped()) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(end, real);
      const { signal } = this.#stopped;
      function end(): void {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      }
      signal.addEventListener('abort', end);
    });
  }
}

/** The last message border at or before a position: a message that was cut is sent again whole. */
function borderBefore(text: string, position: number): number {
  let border = 0;
  for (const { end } of messagesOf(text)) {
    if (end > position) break;
    border = end;
  }
  return border;
}
