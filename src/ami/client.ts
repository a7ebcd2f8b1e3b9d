import { isIP } from 'node:net';
import type { Logger } from '../log.ts';
import type { ActionOutcome, ListOutcome } from './actions.ts';
import { type Clock, systemClock } from './clock.ts';
import {
  type AmiAddress,
  AmiConnection,
  type CloseReason,
  type ConnectionLimits,
  newStreamCounters,
  type StreamCounters,
} from './connection.ts';
import type { AmiMessage } from './message.ts';
import type { ActionFields } from './outgoing.ts';

/** When to try again, in milliseconds. */
export interface RetryTimes {
  /** Upper bound of the first pause; it doubles with every failure. Default 200. */
  firstMs: number;
  /** Upper bound of all pauses. Default 30,000. */
  longestMs: number;
  /** A session that lived this long starts the pauses over; a TCP connect alone proves nothing. Default 30,000. */
  stableMs: number;
  /** Pause after a refused login, ± a fifth: at most two attempts a minute, no fail2ban. Default 60,000. */
  refusedMs: number;
}

export const defaultRetryTimes: RetryTimes = { firstMs: 200, longestMs: 30_000, stableMs: 30_000, refusedMs: 60_000 };

/** One login, from `onUp` to `onDown`. Actions after its end are `notSent`. */
export type AmiSession = Pick<AmiConnection, 'action' | 'list' | 'banner' | 'bootUptime' | 'abort'>;

/** What the client tells, synchronously and in the order of the stream. A throw is logged and stops nothing. */
export interface AmiListener {
  onUp(session: AmiSession): void;
  /** `heardAt` is when the last byte of the lost connection came. Only for a connection that told something before. */
  onDown(reason: CloseReason, heardAt: number): void;
  /** One live event. Those between login and FullyBooted come before `onUp`. */
  onMessage(message: AmiMessage, arrivedAt: number): void;
  /** All events of one piece of the stream have been given: the moment to store a batch. */
  onChunkEnd?(arrivedAt: number): void;
  /** The server refuses our login. Once, until a login succeeds again: somebody has to be woken. */
  onAuthRefused?(reason: CloseReason): void;
}

/** Everything a client needs; what is optional has the daemon's default. */
export interface AmiClientOptions extends AmiAddress {
  log: Logger;
  /** Names of the events to decode; `undefined` decodes all. */
  wanted?: Iterable<string> | undefined;
  /** Names of the variables whose `VarSet` is decoded; `undefined` decodes all. */
  variables?: Iterable<string> | undefined;
  limits?: Partial<ConnectionLimits> | undefined;
  retry?: Partial<RetryTimes> | undefined;
  clock?: Clock | undefined;
  /** 0 ≤ x < 1, for the jitter. */
  random?: (() => number) | undefined;
}

/**
 * Pause before the next connect, "full jitter": anywhere between nothing and the bound, so that twenty hosts that come
 * back together are not visited together.
 * @param failures connections without a stable session in a row, 0 for the first.
 */
export function backoffMs(failures: number, random: number, times: RetryTimes = defaultRetryTimes): number {
  return random * Math.min(times.longestMs, times.firstMs * 2 ** failures);
}

/** Pause after a refused login: `refusedMs` ± 20 %. */
export function refusedPauseMs(random: number, times: RetryTimes = defaultRetryTimes): number {
  return Math.round(times.refusedMs * (0.8 + 0.4 * random));
}

const nameErrors = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL']);

/**
 * Keeps one login on one Asterisk: connects, reconnects with pauses, and hands on what the connection tells.
 * It keeps nothing for later: an action is sent now or never, since a parked Originate would ring phones minutes late.
 */
export class AmiClient {
  readonly counters: StreamCounters = newStreamCounters();
  readonly #options: AmiClientOptions;
  readonly #listener: AmiListener;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #retry: RetryTimes;
  #connection: AmiConnection | undefined;
  #running = false;
  #up = false;
  /** This connection has given an `onUp` or an `onMessage`. */
  #told = false;
  #failures = 0;
  #refusalTold = false;
  #lastAddress: string | undefined;
  #useLastAddress = false;
  #cancelRetry: () => void = () => undefined;
  #cancelStable: () => void = () => undefined;

  constructor(options: AmiClientOptions, listener: AmiListener) {
    this.#options = options;
    this.#listener = listener;
    this.#log = options.log;
    this.#clock = options.clock ?? systemClock;
    this.#retry = { ...defaultRetryTimes, ...options.retry };
  }

  /** True between `onUp` and `onDown`. */
  get up(): boolean {
    return this.#up;
  }

  /** Connects, and goes on connecting until `stop`. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#connect();
  }

  /** Logs off and stays away. Pending actions settle as `unknown`; nothing is connected again. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#cancelRetry();
    this.#cancelStable();
    await this.#connection?.stop();
  }

  /** See `AmiConnection.action`. */
  action(fields: ActionFields, deadlineMs?: number): Promise<ActionOutcome> {
    return this.#connection?.action(fields, deadlineMs) ?? Promise.resolve(notConnected);
  }

  /** See `AmiConnection.list`. */
  list(fields: ActionFields, deadlineMs?: number): Promise<ListOutcome> {
    return this.#connection?.list(fields, deadlineMs) ?? Promise.resolve(notConnected);
  }

  #connect(): void {
    try {
      this.#open();
    } catch (error) {
      // A port out of range or a `ca` that is no certificate: thrown at once, and no better in a second.
      this.#log.error('ami: cannot connect', { err: error });
      this.#wentDown(
        { cause: 'connectFailed', detail: 'the settings of the connection are unusable' },
        this.#clock.now(),
      );
    }
  }

  #open(): void {
    const { limits, wanted, variables } = this.#options;
    const connection = new AmiConnection(
      this.#address(),
      {
        up: () => this.#wentUp(connection),
        event: (message, at) => {
          this.#told = true;
          this.#guard('onMessage', () => this.#listener.onMessage(message, at), message);
        },
        chunkEnd: (at) => this.#guard('onChunkEnd', () => this.#listener.onChunkEnd?.(at)),
        closed: (reason, heardAt) => this.#wentDown(reason, heardAt),
      },
      { limits, clock: this.#clock, wanted, variables, counters: this.counters },
    );
    this.#connection = connection;
  }

  /** While the resolver is down, the address that worked last is as good as the name (TLS still checks the name). */
  #address(): AmiAddress {
    const { host, tls } = this.#options;
    if (!this.#useLastAddress || this.#lastAddress === undefined) return this.#options;
    const named = tls && { ...tls, servername: tls.servername ?? host };
    return { ...this.#options, host: this.#lastAddress, tls: named };
  }

  #wentUp(connection: AmiConnection): void {
    this.#up = this.#told = true;
    this.#refusalTold = false;
    if (!isIP(this.#options.host)) this.#lastAddress = connection.remoteAddress;
    this.#cancelStable = this.#clock.after(this.#retry.stableMs, () => {
      this.#failures = 0;
    });
    this.#log.info('ami: connected', { banner: connection.banner });
    this.#guard('onUp', () => this.#listener.onUp(connection));
  }

  #wentDown(reason: CloseReason, heardAt: number): void {
    const told = this.#told;
    this.#up = this.#told = false;
    this.#connection = undefined;
    this.#cancelStable();
    if (this.#running) this.#connectLater(reason);
    if (told) this.#guard('onDown', () => this.#listener.onDown(reason, heardAt));
  }

  #connectLater(reason: CloseReason): void {
    const refused = reason.cause === 'authRefused';
    const random = (this.#options.random ?? Math.random)();
    const pause = refused ? refusedPauseMs(random, this.#retry) : backoffMs(this.#failures, random, this.#retry);
    this.#failures++;
    this.#useLastAddress = nameErrors.has(reason.detail) && !this.#useLastAddress;
    const fields = { ...reason, retryMs: Math.round(pause) };
    if (refused && !this.#refusalTold) {
      this.#refusalTold = true;
      this.#log.error('ami: login refused', fields);
      this.#guard('onAuthRefused', () => this.#listener.onAuthRefused?.(reason));
    } else if (this.#failures === 1) this.#log.warn('ami: connection lost', fields);
    else this.#log.debug('ami: still not connected', fields); // one line per outage, not one per attempt
    this.#cancelRetry = this.#clock.after(pause, () => this.#connect());
  }

  #guard(what: string, call: () => void, message?: AmiMessage): void {
    try {
      call();
    } catch (error) {
      this.#log.error(`ami: ${what} failed`, { err: error, event: message?.name });
    }
  }
}

const notConnected = { outcome: 'notSent', reason: 'not connected' } as const;
