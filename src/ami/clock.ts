/** The time of this room, so that tests can own it. */
export interface Clock {
  /** Milliseconds since 1970, for stamping arrivals. */
  now(): number;
  /** Calls `run` once after `ms` milliseconds, unless the returned function was called before. */
  after(ms: number, run: () => void): () => void;
}

/** Wall clock for stamps, Node's monotonic timers for deadlines: a step of the clock moves no deadline. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    let cancelled = false;
    // A loop that was blocked runs its timers before it reads its sockets. One more turn lets bytes that arrived in time
    // count before a deadline speaks.
    const timer = setTimeout(() => setImmediate(() => (cancelled ? undefined : run())), ms);
    return () => {
      cancelled = true;
      clearTimeout(timer);
    };
  },
};
