import type { CrmError } from '../retailcrm/errors.ts';
import type { RetailCrmClient } from '../retailcrm/client.ts';
import type { ClaimedRow, Settlement } from '../store/outbox.ts';
import type { AccountState } from './account.ts';
import type { Ledger } from './ledger.ts';
import type { Pacer } from './pacer.ts';

/** What sending popups and uploads of one account shares. */
export interface Lane {
  readonly client: RetailCrmClient;
  readonly pacer: Pacer;
  readonly account: AccountState;
  readonly ledger: Ledger;
  /** Aborted when nothing more may start. */
  readonly stopping: AbortSignal;
  /**
   * Popups that left, by row, until their time is over (epoch ms). A crash of the database server may forget a claim of
   * the last half second; this process does not.
   */
  readonly shown: Map<string, number>;
  /** Pause before an ambiguous upload is sent again, ms. */
  readonly littleMs: number;
  /** Monotonic ms. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Name of a row in the table of settlements. */
const key = ({ id, leaseEpoch }: ClaimedRow): { id: string; leaseEpoch: string } => ({ id, leaseEpoch });

/** The row reached the CRM. */
export const done = (row: ClaimedRow, latencyMs: number, reply: string): Settlement => ({
  ...key(row),
  outcome: 'done',
  status: 200,
  reply,
  latencyMs: Math.round(latencyMs),
});

/** The row is sent again, not before `inMs` from now. */
export const later = (row: ClaimedRow, error: CrmError, inMs: number, countAttempt: boolean): Settlement => ({
  ...key(row),
  outcome: 'later',
  retryAt: new Date(Date.now() + inMs),
  status: error.status,
  reason: words(error),
  latencyMs: Math.round(error.latencyMs),
  countAttempt,
});

/** The row goes to the dead letters with the CRM's words. */
export const dead = (row: ClaimedRow, error: CrmError, why = ''): Settlement => ({
  ...key(row),
  outcome: 'dead',
  status: error.status,
  reason: why + words(error),
  errors: error.errors,
  latencyMs: Math.round(error.latencyMs),
});

/** The row was not sent, or nobody knows whether it was, and its time is over. */
export const expired = (row: ClaimedRow, reason: string): Settlement => ({ ...key(row), outcome: 'expired', reason });

const words = (error: CrmError): string => `${error.kind}: ${error.errorMsg}`;
