import type { CrmError } from '../retailcrm/errors.ts';

/**
 * What a failed telephony request means for its rows and its account.
 *
 * | verdict | rows | account |
 * |---|---|---|
 * | `rejected` | a batch is bisected, a single row is dead | goes on |
 * | `kept` | the same ids and bytes again (popups: see `popupAfter`) | counts against the breaker |
 * | `parkAccount` | untouched | stops, one GET a minute |
 * | `slowLane` | untouched | the lane halves its rate; counts against the breaker |
 * | `telephonyOff` | untouched | stops, one request a minute |
 */
export type Verdict = 'rejected' | 'kept' | 'parkAccount' | 'slowLane' | 'telephonyOff';

/**
 * | kind | verdict | why |
 * |---|---|---|
 * | VALIDATION, PARTIAL | rejected | the CRM named the content |
 * | BUG with 400 | rejected | one row may be what it cannot read |
 * | BUG with 404, 405 | parkAccount | the address does not speak this API: no row is to blame |
 * | AUTH, ACCOUNT, PAYMENT | parkAccount | somebody has to act |
 * | TELEPHONY_OFF | telephonyOff | the module is inactive |
 * | RATE | slowLane | too fast, or maintenance |
 * | RETRY, NETWORK, NOTFOUND | kept | nobody can tell whether it was applied |
 */
export function classify(error: Pick<CrmError, 'kind' | 'status'>): Verdict {
  switch (error.kind) {
    case 'VALIDATION':
    case 'PARTIAL':
      return 'rejected';
    case 'BUG':
      return error.status === 404 || error.status === 405 ? 'parkAccount' : 'rejected';
    case 'AUTH':
    case 'ACCOUNT':
    case 'PAYMENT':
      return 'parkAccount';
    case 'TELEPHONY_OFF':
      return 'telephonyOff';
    case 'RATE':
      return 'slowLane';
    case 'RETRY':
    case 'NETWORK':
    case 'NOTFOUND':
      return 'kept';
  }
}

/**
 * What becomes of a popup after a failure. At most once: when the CRM may have shown it, it is given up, not repeated.
 *
 * | verdict | sent | popup |
 * |---|---|---|
 * | rejected | – | dead |
 * | kept | maybe | given up |
 * | kept | no | again, until it expires |
 * | parkAccount, slowLane, telephonyOff | – | again, until it expires: a refusal shows nothing |
 */
export function popupAfter(error: Pick<CrmError, 'kind' | 'status' | 'sent'>): 'dead' | 'givenUp' | 'again' {
  const verdict = classify(error);
  if (verdict === 'rejected') return 'dead';
  return verdict === 'kept' && error.sent ? 'givenUp' : 'again';
}

/** An upload is not given up before this age, ms. */
export const keepUploadsMs = 14 * 24 * 3_600_000;

/** From this many counted attempts on a row is on its own: neighbours and breaker do not pay for it any more. */
export const lonelyAttempts = 6;

/**
 * How many uploads a row with so many ambiguous answers behind it may share a request with: a row that breaks the server, and
 * not just its own batch, is narrowed down without anybody saying which one it is.
 */
export function batchSize(attempts: number): number {
  if (attempts < 2) return 50;
  if (attempts >= lonelyAttempts) return 1;
  return [25, 13, 7, 3][attempts - 2] ?? 1;
}

/** When an upload with so many counted attempts is tried again, ms from now. `random` in [0, 1). */
export function uploadRetryMs(attempts: number, littleMs: number, random: number): number {
  const lonely = Math.max(0, attempts - lonelyAttempts + 1);
  return Math.min(600_000, littleMs * 2 ** lonely) * (1 + random);
}
