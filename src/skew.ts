/** A maximum older than this is forgotten: the host's clock may have been set back. */
const WINDOW_MS = 30_000;
/** Nothing is known yet, or the clocks agree this well: then it is not worth a correction. */
const NEGLIGIBLE_MS = 5;

/**
 * The host's clock minus ours, from the moments its events carry. An event arrives late, never early, so the largest
 * difference of the last half minute is the nearest to the truth; a burst of old events after a stall changes nothing.
 */
export class ClockSkew {
  #current: { from: number; max: number } | undefined;
  #previous: number | undefined;

  /** Milliseconds; 0 while nothing is known. */
  get ms(): number {
    const max = Math.max(this.#current?.max ?? -Infinity, this.#previous ?? -Infinity);
    return Number.isFinite(max) && Math.abs(max) > NEGLIGIBLE_MS ? max : 0;
  }

  /** An event that says it happened at `at` (host's clock) arrived at `now` (ours). */
  seen(at: number, now: number): void {
    const difference = at - now;
    if (this.#current === undefined || now - this.#current.from > WINDOW_MS) {
      this.#previous = this.#current?.max;
      this.#current = { from: now, max: difference };
    } else if (difference > this.#current.max) this.#current.max = difference;
  }
}
