/** What a failed webhook means for its row and its receiver. */
export interface WebhookVerdict {
  /** Counts as an attempt of the row: there was an answer. */
  readonly counts: boolean;
  /** Counts against the receiver. */
  readonly blamesReceiver: boolean;
  /** The row steps aside for so long, ms, and other calls pass; undefined = it stays the first, the lane waits. */
  readonly asideMs: number | undefined;
}

/** From this many answered attempts on a row is on its own: neighbours and receiver do not pay for it any more. */
const lonelyAfter = 5;
const firstAsideMs = 1_000;
const longestAsideMs = 3_600_000;

/**
 * | what came back | the row | the receiver |
 * |---|---|---|
 * | nothing: refused, reset, no answer in time | stays the first | failed |
 * | 5xx, 408, 425, 429 | stays the first for five attempts, then steps aside | failed |
 * | 3xx, other 4xx | steps aside, 1 s doubled up to 1 h | failed |
 * | any answer after five attempts | steps aside | not to blame |
 *
 * @param status of the answer; null = none came
 * @param attempts answered ones before this
 * @param random in [0, 1)
 */
export function webhookVerdict(status: number | null, attempts: number, random: number): WebhookVerdict {
  if (status === null) return { counts: false, blamesReceiver: true, asideMs: undefined };
  const lonely = attempts >= lonelyAfter;
  const trouble = status >= 500 || status === 408 || status === 425 || status === 429;
  if (trouble && !lonely) return { counts: true, blamesReceiver: true, asideMs: undefined };
  const most = Math.min(longestAsideMs, firstAsideMs * 2 ** Math.min(attempts, 20));
  return { counts: true, blamesReceiver: !lonely, asideMs: most * (0.5 + random / 2) };
}
