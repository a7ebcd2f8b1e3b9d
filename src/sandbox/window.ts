/** Rate limits as the CRM counts them: so many accepted requests inside any one second, per key and per bucket. */

/** General methods and methods under `/telephony` have separate budgets. */
export type Bucket = 'general' | 'telephony';

/** Requests per second of each bucket. */
export const LIMITS: Readonly<Record<Bucket, number>> = { general: 10, telephony: 40 };

const SPAN_MS = 1000;

/** One sliding second. Times come from a monotonic clock, in milliseconds with fractions. */
export class SlidingWindow {
  #accepted: number[] = [];
  #arrived: number[] = [];
  /** Most requests that ever arrived inside one sliding second, refused ones included. */
  peak = 0;
  /** Requests refused by this window. */
  refused = 0;
  /** Requests seen, refused ones included. */
  seen = 0;

  /** Counts a request that arrived at `at`; false means over `limit`. A refused request uses up no budget. */
  take(at: number, limit: number): boolean {
    this.seen++;
    this.#arrived = after(this.#arrived, at - SPAN_MS);
    this.#arrived.push(at);
    this.peak = Math.max(this.peak, this.#arrived.length);
    this.#accepted = after(this.#accepted, at - SPAN_MS);
    if (this.#accepted.length >= limit) {
      this.refused++;
      return false;
    }
    this.#accepted.push(at);
    return true;
  }

  /** Forgets the gauge, not the budget. */
  clearGauge(): void {
    this.peak = 0;
    this.refused = 0;
    this.seen = 0;
  }
}

function after(times: number[], edge: number): number[] {
  let first = 0;
  while (first < times.length && (times[first] ?? 0) <= edge) first++;
  return first === 0 ? times : times.slice(first);
}
