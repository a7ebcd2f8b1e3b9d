/**
 * Whether an account may be sent to. Plain data; `at` and `now` are monotonic milliseconds, `random` is in [0, 1).
 *
 * - `closed`: requests flow; `failures` in a row so far. The fifth opens it.
 * - `open`: one request at a time, not before `probeAt`. Each failed one doubles the wait up to 30 s (full jitter). The first
 *   success closes it.
 * - `parked`: the account refuses us. One GET a minute; when it is answered well the breaker is `open` with a probe due now.
 * - `telephonyOff`: the telephony module is inactive. One telephony request a minute.
 *
 * Answers to requests that started before the present mode began say nothing new: a burst under way when the breaker opens is one
 * failure, not twenty.
 */
export type Breaker =
  | { readonly mode: 'closed'; readonly failures: number }
  | { readonly mode: 'open'; readonly since: number; readonly probeAt: number; readonly waitMs: number }
  | { readonly mode: 'parked' | 'telephonyOff'; readonly since: number; readonly probeAt: number };

/** An account nothing is known against. */
export const closed: Breaker = { mode: 'closed', failures: 0 };

/** Failures in a row that open the breaker. */
export const openAfter = 5;
const firstWaitMs = 1_000;
const longestWaitMs = 30_000;
const parkedProbeMs = 60_000;

/** A request that started at `started` was answered well. */
export function succeeded(breaker: Breaker, started: number): Breaker {
  if (breaker.mode === 'closed') return breaker.failures === 0 ? breaker : closed;
  if (breaker.mode === 'open') return closed;
  return started < breaker.since ? breaker : closed;
}

/** A request that started at `started` got no usable answer. `mostMs`: the longest wait for the next probe. */
export function failed(
  breaker: Breaker,
  started: number,
  now: number,
  random: number,
  mostMs: number = longestWaitMs,
): Breaker {
  switch (breaker.mode) {
    case 'closed': {
      const failures = breaker.failures + 1;
      return failures < openAfter ? { mode: 'closed', failures } : open(now, firstWaitMs, random);
    }
    case 'open':
      return started < breaker.since ? breaker : open(now, Math.min(mostMs, breaker.waitMs * 2), random);
    case 'parked':
    case 'telephonyOff':
      return started < breaker.since ? breaker : { ...breaker, probeAt: now + parkedProbeMs };
  }
}

/** The account refused us (`parked`) or its telephony is off. */
export function refused(breaker: Breaker, mode: 'parked' | 'telephonyOff', now: number): Breaker {
  return { mode, since: breaker.mode === mode ? breaker.since : now, probeAt: now + parkedProbeMs };
}

/** The GET of a parked account was answered well: one real request may try. */
export function unparked(breaker: Breaker, now: number): Breaker {
  return breaker.mode === 'parked' ? { mode: 'open', since: now, probeAt: now, waitMs: firstWaitMs } : breaker;
}

/**
 * What may start with `inFlight` requests under way: `flow` any number, `probe` exactly one request, `ask` the GET of a parked
 * account, `wait` nothing.
 */
export function allowed(breaker: Breaker, now: number, inFlight: number): 'flow' | 'probe' | 'ask' | 'wait' {
  if (breaker.mode === 'closed') return 'flow';
  if (inFlight > 0 || now < breaker.probeAt) return 'wait';
  return breaker.mode === 'parked' ? 'ask' : 'probe';
}

function open(now: number, waitMs: number, random: number): Breaker {
  return { mode: 'open', since: now, waitMs, probeAt: now + waitMs * random };
}
