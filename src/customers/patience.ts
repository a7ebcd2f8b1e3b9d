import type { Logger } from '../log.ts';
import { CrmError } from '../retailcrm/errors.ts';

/** Failures in a row after which look-ups pause. */
const tries = 3;
const firstPauseMs = 1_000;
const longestPauseMs = 30_000;
/** An account that refuses us will not change its mind in seconds: no second question before that. */
const refusedPauseMs = 60_000;

/**
 * Whether asking is worth it: after some failures in a row nothing is asked for a while, so that a call never waits for a
 * CRM that is known to be away. One line in the log when that begins, one when it is over.
 */
export class Patience {
  readonly #log: Logger;
  readonly #now: () => number;
  #failures = 0;
  #quietUntil = Number.NEGATIVE_INFINITY;

  /** @param now monotonic ms */
  constructor(log: Logger, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  /** False: the CRM would not answer. */
  may(): boolean {
    return this.#now() >= this.#quietUntil;
  }

  answered(): void {
    if (this.#failures >= tries) this.#log.info('the CRM tells again who calls');
    this.#failures = 0;
    this.#quietUntil = Number.NEGATIVE_INFINITY;
  }

  failed(error: unknown): void {
    const refused = error instanceof CrmError && (error.kind === 'AUTH' || error.kind === 'ACCOUNT');
    const before = this.#failures;
    this.#failures = refused ? Math.max(tries, before + 1) : before + 1;
    if (this.#failures < tries) return;
    const pause = refused ? refusedPauseMs : Math.min(longestPauseMs, firstPauseMs * 2 ** (this.#failures - tries));
    this.#quietUntil = this.#now() + pause;
    if (before < tries) this.#log.warn('the CRM does not tell who calls: callers stay unknown', { err: error });
  }
}
