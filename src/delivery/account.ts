import type { Logger } from '../log.ts';
import type { CrmError } from '../retailcrm/errors.ts';
import { type Breaker, allowed, closed, failed, refused, succeeded, unparked } from './breaker.ts';
import { type Verdict, classify } from './classify.ts';
import type { Pacer } from './pacer.ts';

/** With which right a job was started: as one of many, or as the one that tries. */
export type Pass = 'flow' | 'probe';

/** What the state of an account needs from outside. */
export interface AccountStateOptions {
  readonly log: Logger;
  /** The telephony lane: slowed by refusals, back to full when an outage ends. */
  readonly pacer: Pacer;
  /** Called once when the CRM says that telephony is off, until it is on again. */
  readonly onTelephonyOff?: (() => void) | undefined;
  /** Monotonic ms. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
}

/** One account's breaker with the log lines of its changes: one when trouble begins, one when it is over. */
export class AccountState {
  readonly #options: AccountStateOptions;
  #breaker: Breaker = closed;
  /** The trouble reported and not over yet. */
  #reported: Breaker['mode'] = 'closed';
  #slowed = false;

  constructor(options: AccountStateOptions) {
    this.#options = options;
  }

  /** Present mode, for metrics and health. */
  get mode(): Breaker['mode'] {
    return this.#breaker.mode;
  }

  /** See `allowed`. */
  allowed(inFlight: number): ReturnType<typeof allowed> {
    return allowed(this.#breaker, this.#options.now(), inFlight);
  }

  /** May a job started with this pass still send? Trouble may have begun while it waited for its permit. */
  admits(pass: Pass): boolean {
    return pass === 'probe' || this.#breaker.mode === 'closed';
  }

  /** Monotonic time before which nothing may start; undefined when requests flow. */
  get probeAt(): number | undefined {
    return this.#breaker.mode === 'closed' ? undefined : this.#breaker.probeAt;
  }

  /** A telephony request that started at `started` was accepted. */
  succeeded(started: number): void {
    const before = this.#breaker;
    const after = succeeded(before, started);
    this.#breaker = after;
    const { pacer, log } = this.#options;
    if (before.mode !== 'closed' && after.mode === 'closed') {
      pacer.reset();
      this.#slowed = false;
      log.warn('the CRM takes requests again', { after: this.#reported });
      this.#reported = 'closed';
    } else if (pacer.fine() && this.#slowed) {
      this.#slowed = false;
      log.info('the telephony lane is back at its full rate');
    }
  }

  /**
   * A telephony request that started at `started` failed. `blame` is false for a request whose rows have failed alone before: it
   * says more about them than about the account.
   */
  failed(error: CrmError, started: number, blame = true): Verdict {
    const verdict = classify(error);
    const { now, random, pacer, log } = this.#options;
    switch (verdict) {
      case 'rejected':
        this.succeeded(started); // an answer about content: the account works
        break;
      case 'slowLane':
        pacer.slowDown(error.retryAfterMs);
        if (!this.#slowed)
          log.warn('the CRM asks to slow down', { status: error.status, rate: Math.round(pacer.rate * 10) / 10 });
        this.#slowed = true;
        this.#breaker = failed(this.#breaker, started, now(), random());
        break;
      case 'kept':
        if (blame) this.#breaker = failed(this.#breaker, started, now(), random());
        break;
      case 'parkAccount':
        this.#breaker = refused(this.#breaker, 'parked', now());
        break;
      case 'telephonyOff':
        this.#breaker = refused(this.#breaker, 'telephonyOff', now());
        break;
    }
    this.#report(error);
    return verdict;
  }

  /** The GET of a parked account was answered well. */
  answered(): void {
    this.#breaker = unparked(this.#breaker, this.#options.now());
  }

  /** The GET of a parked account failed: next one in a minute. */
  stillParked(): void {
    this.#breaker = refused(this.#breaker, 'parked', this.#options.now());
  }

  #report(error: CrmError): void {
    const { mode } = this.#breaker;
    if (mode === 'closed' || mode === this.#reported) return;
    // A parked account that is tried again is "open" for a moment: that is not news.
    if (mode === 'open' && this.#reported !== 'closed') return;
    this.#reported = mode;
    const { log, onTelephonyOff } = this.#options;
    const fields = { kind: error.kind, status: error.status, reason: error.errorMsg };
    if (mode === 'open') log.warn('the CRM does not answer: requests stop, one probe at a time', fields);
    if (mode === 'parked') log.error('the CRM refuses this account: requests stop until it lets us in again', fields);
    if (mode === 'telephonyOff') {
      log.error('telephony is switched off in the CRM: popups and uploads stop until it is on again', fields);
      onTelephonyOff?.();
    }
  }
}
