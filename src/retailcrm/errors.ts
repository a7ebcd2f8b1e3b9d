/**
 * What kind of failure a request met; the caller decides by this and by nothing else.
 * AUTH, ACCOUNT: no request of this account can work until somebody acts. TELEPHONY_OFF: the telephony module is inactive.
 * VALIDATION: the CRM refuses this content. BUG: we asked in a way the API does not know. NOTFOUND: no such entity.
 * PARTIAL: a batch was taken in part. PAYMENT: file storage is not paid for. RATE: slow down. RETRY: the server is in trouble or
 * answered nonsense. NETWORK: no complete answer came.
 */
export type CrmErrorKind =
  | 'AUTH'
  | 'ACCOUNT'
  | 'TELEPHONY_OFF'
  | 'VALIDATION'
  | 'BUG'
  | 'NOTFOUND'
  | 'PARTIAL'
  | 'PAYMENT'
  | 'RATE'
  | 'RETRY'
  | 'NETWORK';

/** Field → text, as the CRM said it, numbers masked. For showing to people: the texts are in the account's language. */
export type FieldErrors = Readonly<Record<string, string>>;

/** The parts of a failure that `CrmError` carries. */
export interface CrmFailure {
  readonly kind: CrmErrorKind;
  /** HTTP status, null when no answer came. */
  readonly status: number | null;
  readonly errorMsg: string;
  readonly errors?: FieldErrors;
  /** `Retry-After` of the answer, at most 60 s. */
  readonly retryAfterMs?: number | undefined;
  readonly sent: boolean;
  readonly latencyMs: number;
  /** The customer this one was merged into (`combinedTo`, next to NOTFOUND). */
  readonly combinedTo?: number | undefined;
  /** Ids or external ids of a batch's failed part (next to PARTIAL). */
  readonly failed?: readonly string[] | undefined;
}

/** A request that was not a success. Holds neither the key nor the request; phone numbers in the CRM's words are masked. */
export class CrmError extends Error {
  override readonly name = 'CrmError';
  readonly kind: CrmErrorKind;
  /** HTTP status, null when no answer came. */
  readonly status: number | null;
  /** The CRM's `errorMsg`, or our sentence when there was none. */
  readonly errorMsg: string;
  /** Empty when the answer had none. */
  readonly errors: FieldErrors;
  /** How long the server asked us to wait, ms, at most 60,000. */
  readonly retryAfterMs: number | undefined;
  /** May the request have reached the server? False only when no connection was made. */
  readonly sent: boolean;
  /** Time from the call to the failure, ms. */
  readonly latencyMs: number;
  /** Id of the customer this one was merged into. */
  readonly combinedTo: number | undefined;
  /** Ids of a batch's failed elements. */
  readonly failed: readonly string[];

  constructor(failure: CrmFailure) {
    super(`${failure.kind}${failure.status === null ? '' : ` ${failure.status}`}: ${failure.errorMsg}`);
    this.kind = failure.kind;
    this.status = failure.status;
    this.errorMsg = failure.errorMsg;
    this.errors = failure.errors ?? {};
    this.retryAfterMs = failure.retryAfterMs;
    this.sent = failure.sent;
    this.latencyMs = failure.latencyMs;
    this.combinedTo = failure.combinedTo;
    this.failed = failure.failed ?? [];
  }
}

/** Texts that decide whatever the status is: some accounts are known to send them with another one. */
const byText: readonly (readonly [RegExp, CrmErrorKind])[] = [
  [/^"apiKey" is missing\.?$/, 'AUTH'],
  [/^Wrong "apiKey" value\.?$/, 'AUTH'],
  [/^Access denied\.?$/, 'AUTH'],
  [/^Account does not exist\.?$/, 'ACCOUNT'],
  [/^Telephony not enabled/, 'TELEPHONY_OFF'],
  [/^API method not found/, 'BUG'],
  [/^Method Not Allowed$/, 'BUG'],
  [/^Parameter '[\w\][_-]+' is missing$/, 'BUG'],
  [/^Expected array, but got NULL/, 'BUG'],
  [/^Parameter '[^']+' in '[^']+' is missing$/, 'VALIDATION'],
  [/^Errors in the entity format/, 'VALIDATION'],
  [/^Validation error/, 'VALIDATION'],
  [/^Errors in the input parameters/, 'VALIDATION'],
  [/^Invalid input parameters/, 'VALIDATION'],
  [/enough money/, 'PAYMENT'],
  [/^Rate limit exceeded/, 'RATE'],
];

/** What is known of an answer that is not a success. */
export interface FailedAnswer {
  readonly status: number;
  /** The body was a JSON object. */
  readonly json: boolean;
  /** Its `errorMsg`, empty when absent. */
  readonly errorMsg: string;
  /** Its `errors` held something. */
  readonly hasErrors: boolean;
}

/**
 * The class of an answer that is not a success: first by the stable texts, then by status.
 *
 * | status | body | kind |
 * |---|---|---|
 * | any | a stable text | as `byText` says |
 * | 429, 503 | any | RATE |
 * | 3xx | any | ACCOUNT: the base URL is not the CRM itself |
 * | 401, 403 | any | AUTH |
 * | 402 | any | ACCOUNT |
 * | 404, 405 | not JSON | ACCOUNT: the web server of no account answered |
 * | 404 | JSON | NOTFOUND |
 * | 405 | JSON | BUG |
 * | 408, 425 | any | RETRY |
 * | 413, 414 | any | VALIDATION |
 * | 460 | JSON | PARTIAL |
 * | other 4xx | JSON | VALIDATION |
 * | 2xx | JSON with `errors` | VALIDATION |
 * | everything else, also HTML and empty bodies | | RETRY |
 */
export function kindOf({ status, json, errorMsg, hasErrors }: FailedAnswer): CrmErrorKind {
  if (json) for (const [text, kind] of byText) if (text.test(errorMsg)) return kind;
  if (status === 429 || status === 503) return 'RATE';
  if (status >= 300 && status < 400) return 'ACCOUNT';
  if (status === 401 || status === 403) return 'AUTH';
  if (status === 402) return 'ACCOUNT';
  if (status === 404 || status === 405) return json ? (status === 404 ? 'NOTFOUND' : 'BUG') : 'ACCOUNT';
  if (status === 408 || status === 425) return 'RETRY';
  if (status === 413 || status === 414) return 'VALIDATION';
  if (status === 460 && json) return 'PARTIAL';
  if (status >= 400 && status < 500 && json) return 'VALIDATION';
  if (status >= 200 && status < 300 && json && hasErrors) return 'VALIDATION';
  return 'RETRY';
}

/**
 * Replaces every run of seven or more digits (also with separators, as on customer cards) by its last two.
 * A Uniqueid (`1795339498.12`) is left alone: it is how an operator finds the call.
 */
export function maskNumbers(text: string): string {
  return text.replaceAll(/\+?\d(?:[ ()-]*\d){6,}(?!\.?\d)/g, (run) => `***${run.slice(-2)}`);
}

/** `Retry-After` in ms: seconds or an HTTP date, at most 60 s; undefined when absent or unreadable. */
export function retryAfter(header: unknown, nowMs: number): number | undefined {
  if (typeof header !== 'string' || header.trim() === '') return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - nowMs;
  return Number.isFinite(ms) ? Math.min(60_000, Math.max(0, ms)) : undefined;
}
