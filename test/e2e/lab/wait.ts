/** Waiting in scenarios: for an event with a deadline, or for the time people talk. */

/** The promise's value, or an error that says what was waited for in vain; `over` is called in either case. */
export function deadline<T>(promise: Promise<T>, ms: number, what: string, over?: () => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms in vain for ${what}`)), Math.max(ms, 1));
  });
  const result = Promise.race([promise, late]).finally(() => {
    clearTimeout(timer);
    over?.();
  });
  // A scenario that fails elsewhere leaves waits behind that nobody looks at any more.
  result.catch(() => undefined);
  return result;
}

/** Lets `ms` pass: people talk, a phone rings. A scripted duration, never a guess at how long something else takes. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** How long this process stood still since, by a clock that should tick every 20 ms. */
export interface Pulse {
  /** The longest time between two ticks beyond what was meant, milliseconds. */
  slowestMs(): number;
  stop(): void;
}

/** Begins to watch. */
export function watchPulse(): Pulse {
  const tickMs = 20;
  let last = performance.now();
  let slowest = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    slowest = Math.max(slowest, now - last - tickMs);
    last = now;
  }, tickMs);
  return { slowestMs: () => slowest, stop: () => clearInterval(timer) };
}

/** A promise and the function that resolves it. */
export interface Later<T> {
  promise: Promise<T>;
  resolve(value: T): void;
}

/** Something that happens once, later. */
export function later<T>(): Later<T> {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
