/** Figures this process gathers itself, in the shape Prometheus wants them: they only grow. */

/** A histogram with fixed limits: how many values were at most so large. */
export class Buckets {
  readonly limits: readonly number[];
  /** Values above the limit before and at most this one; one more at the end for the rest. */
  readonly counts: number[];
  sum = 0;

  /** @param limits ascending upper limits, in the unit of the values */
  constructor(limits: readonly number[]) {
    this.limits = limits;
    this.counts = Array<number>(limits.length + 1).fill(0);
  }

  add(value: number): void {
    let at = 0;
    while (at < this.limits.length && value > (this.limits[at] ?? Infinity)) at += 1;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.sum += value;
  }

  /** Both together; the limits must be the same. */
  plus(other: Buckets): Buckets {
    const sum = new Buckets(this.limits);
    for (const at of sum.counts.keys()) sum.counts[at] = (this.counts[at] ?? 0) + (other.counts[at] ?? 0);
    sum.sum = this.sum + other.sum;
    return sum;
  }
}

/** Counters by a key of some labels. */
export class Tally<L extends Readonly<Record<string, string>>> {
  readonly #rows = new Map<string, { labels: L; value: number }>();

  add(labels: L, by = 1): void {
    const key = Object.values(labels).join('\u0000');
    const row = this.#rows.get(key);
    if (row) row.value += by;
    else this.#rows.set(key, { labels, value: by });
  }

  rows(): readonly { readonly labels: L; readonly value: number }[] {
    return [...this.#rows.values()];
  }
}

/** Upper limits of request durations, seconds. */
const REQUEST_LIMITS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2, 5] as const;

/** What the listeners count. */
export class HttpFigures {
  /** Requests by route pattern (never by path: that may hold a token), method and status. */
  readonly requests = new Tally<{ route: string; method: string; status: string }>();
  /** Durations by route pattern, seconds. */
  readonly seconds = new Map<string, Buckets>();
  /** Requests refused for what they showed, or where they came from. */
  readonly refused = new Tally<{ reason: string }>();
  /** Connections refused because there were too many. */
  connectionsRefused = 0;
  /** Requests that were no HTTP, or never came to an end. */
  readonly broken = new Tally<{ status: string }>();

  /** One request was answered. */
  answered(route: string, method: string, status: number, seconds: number): void {
    this.requests.add({ route, method, status: String(status) });
    let buckets = this.seconds.get(route);
    if (!buckets) this.seconds.set(route, (buckets = new Buckets(REQUEST_LIMITS)));
    buckets.add(seconds);
  }
}
