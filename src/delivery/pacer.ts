/** The part of time a pacer needs; a test hands in its own. */
export interface Clock {
  /** Milliseconds that never step back. */
  now(): number;
  /** Calls `wake` once after at least `ms`; returns how to call it off. */
  after(ms: number, wake: () => void): () => void;
}

/** `performance.now` and `setTimeout`: the wall clock may step, this does not notice. */
export const monotonic: Clock = {
  now: () => performance.now(),
  after: (ms, wake) => {
    const timer = setTimeout(wake, Math.ceil(ms));
    return () => clearTimeout(timer);
  },
};

/** How a lane is paced. */
export interface PacerOptions {
  /** Shortest time between two permits, ms. */
  readonly intervalMs: number;
  /** Requests per second only urgent takers may use. Default 0. */
  readonly reservePerSecond?: number;
  /** No permit for this long after the start, ms: a process before us may have used the budget. Default 0. */
  readonly startDelayMs?: number;
  readonly clock?: Clock;
}

/** `take` was called off: by its signal or by `stop`. */
export class PacerStopped extends Error {
  override readonly name = 'PacerStopped';
}

interface Waiter {
  readonly granted: () => void;
  readonly stopped: (reason: PacerStopped) => void;
}

/** Telephony: 33 permits in any second. With 150 ms of jitter on the way a server still sees fewer than its 40. */
const telephonyIntervalMs = 30;
/** General requests: 9 permits in any second of the allowed 10. */
const generalIntervalMs = 120;
/** The slowest a lane gets without `Retry-After`. */
const slowestIntervalMs = 1_000;
/** One congestion is one slow-down, however many refusals come back from it. */
const congestionMs = 1_000;
/** Permits per second won back for each second that went well. */
const recoveryPerSecond = 2;

/**
 * One permit per interval. Whatever the arrivals, two permits are never closer than the interval: no window of any second sees a
 * burst. Urgent takers go first, and others leave them a reserve. A refused request halves the rate, success wins it back in
 * small steps.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #reserve: number;
  readonly #urgent: Waiter[] = [];
  readonly #others: Waiter[] = [];
  readonly #opensAt: number;
  #currentMs: number;
  #nextAt: number;
  #nextOtherAt = Number.NEGATIVE_INFINITY;
  #slowedAt = Number.NEGATIVE_INFINITY;
  #raisedAt = Number.NEGATIVE_INFINITY;
  #callOff: (() => void) | undefined;
  #stopped = false;

  constructor(options: PacerOptions) {
    this.#clock = options.clock ?? monotonic;
    this.#intervalMs = options.intervalMs;
    this.#currentMs = options.intervalMs;
    this.#reserve = options.reservePerSecond ?? 0;
    this.#opensAt = this.#clock.now() + (options.startDelayMs ?? 0);
    this.#nextAt = this.#opensAt;
  }

  /** Until the first permit can be had, ms; 0 once the start delay is over. */
  get opensInMs(): number {
    return Math.max(0, this.#opensAt - this.#clock.now());
  }

  /** Permits per second at present. */
  get rate(): number {
    return 1_000 / this.#currentMs;
  }

  /** Resolves when one request may start; rejects with `PacerStopped` when called off. Default urgent. */
  take(options: { urgent?: boolean; signal?: AbortSignal } = {}): Promise<void> {
    const { urgent = true, signal } = options;
    return new Promise((resolve, reject) => {
      if (this.#stopped || signal?.aborted) {
        reject(new PacerStopped('no permit: stopped'));
        return;
      }
      const queue = urgent ? this.#urgent : this.#others;
      const onAbort = (): void => {
        const place = queue.indexOf(waiter);
        if (place >= 0) queue.splice(place, 1);
        this.#arm(); // nobody waits any more: no timer keeps the process alive
        reject(new PacerStopped('no permit: called off'));
      };
      const waiter: Waiter = {
        granted: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
        stopped: (reason) => {
          signal?.removeEventListener('abort', onAbort);
          reject(reason);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      queue.push(waiter);
      this.#arm();
    });
  }

  /** The server said "too many": half the rate, and nothing before `retryAfterMs`. */
  slowDown(retryAfterMs = 0): void {
    const now = this.#clock.now();
    this.#nextAt = Math.max(this.#nextAt, now + retryAfterMs);
    if (now - this.#slowedAt >= congestionMs) {
      this.#currentMs = Math.max(this.#intervalMs, Math.min(slowestIntervalMs, this.#currentMs * 2));
      this.#nextAt = Math.max(this.#nextAt, now + this.#currentMs);
      this.#slowedAt = now;
    }
    this.#arm();
  }

  /** A request went well: at most once a second the rate rises a little, up to the full one. True when it became full. */
  fine(): boolean {
    const now = this.#clock.now();
    if (this.#currentMs === this.#intervalMs) return false;
    if (now - this.#slowedAt < congestionMs || now - this.#raisedAt < congestionMs) return false;
    this.#currentMs = Math.max(this.#intervalMs, 1_000 / (this.rate + recoveryPerSecond));
    this.#raisedAt = now;
    return this.#currentMs === this.#intervalMs;
  }

  /** Full rate at once: an outage ended, the refusals said nothing about our rate. */
  reset(): void {
    this.#currentMs = this.#intervalMs;
    this.#arm();
  }

  /** Wakes everybody who waits with `PacerStopped`; nobody gets a permit after it. */
  stop(): void {
    this.#stopped = true;
    this.#callOff?.();
    this.#callOff = undefined;
    for (const waiter of [...this.#urgent.splice(0), ...this.#others.splice(0)])
      waiter.stopped(new PacerStopped('no permit: stopped'));
  }

  /** Others may use what the reserve leaves, at least a quarter of the rate. */
  #otherIntervalMs(): number {
    return 1_000 / Math.max(this.rate - this.#reserve, this.rate / 4);
  }

  #arm(): void {
    this.#callOff?.();
    this.#callOff = undefined;
    if (this.#stopped || this.#urgent.length + this.#others.length === 0) return;
    const now = this.#clock.now();
    const at = this.#urgent.length > 0 ? this.#nextAt : Math.max(this.#nextAt, this.#nextOtherAt);
    if (at > now) {
      this.#callOff = this.#clock.after(at - now, () => {
        this.#callOff = undefined;
        this.#arm();
      });
      return;
    }
    const waiter = this.#urgent.shift();
    this.#nextAt = now + this.#currentMs;
    if (waiter) waiter.granted();
    else {
      this.#nextOtherAt = now + this.#otherIntervalMs();
      this.#others.shift()?.granted();
    }
    this.#arm();
  }
}

/** The two rate budgets of one account (base URL and key). Everybody who talks to the account shares them. */
export interface AccountPacers {
  readonly telephony: Pacer;
  readonly general: Pacer;
}

/** Popups keep this many requests per second of the telephony lane. */
const popupReserve = 8;

/** Pacers of an account with the API's limits, see the constants above. */
export function accountPacers(options: { startDelayMs?: number; clock?: Clock } = {}): AccountPacers {
  const { startDelayMs = 1_000, clock = monotonic } = options;
  return {
    telephony: new Pacer({ intervalMs: telephonyIntervalMs, reservePerSecond: popupReserve, startDelayMs, clock }),
    general: new Pacer({ intervalMs: generalIntervalMs, startDelayMs, clock }),
  };
}
