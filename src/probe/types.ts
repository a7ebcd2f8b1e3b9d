import type { CrmErrorKind } from '../retailcrm/errors.ts';
import type { WireExchange } from '../retailcrm/http.ts';

/** The parts of the protocol, in their order. */
export const AREAS = [
  'Access',
  'Account',
  'People',
  'Customers',
  'Telephony',
  'Orders',
  'Files',
  'Deliberate mistakes',
] as const;
export type Area = (typeof AREAS)[number];

/** What became of one check. */
export interface CheckResult {
  /** Short name, such as `customers.search`. */
  readonly id: string;
  readonly area: Area;
  /** What is asked, a phrase. */
  readonly title: string;
  /** `ok`: as the daemon needs it; for a deliberate mistake: refused as it should be. */
  readonly outcome: 'ok' | 'failed' | 'skipped';
  /** What came of it, a sentence. */
  readonly says: string;
  /** What went over the wire the first time. */
  readonly exchanges: readonly WireExchange[];
  /** Of all answered requests of all repetitions, ms. */
  readonly latencies: readonly number[];
  /** How it was refused. */
  readonly error: { readonly kind: CrmErrorKind; readonly status: number | null; readonly message: string } | undefined;
}

/** Something the probe left in the account. */
export interface Created {
  /** `customer`, `order`, `call`, … */
  readonly what: string;
  readonly id: string;
  /** How to find it. */
  readonly hint: string;
}

/** Everything a run found out; what the report is made of. */
export interface Protocol {
  /** Of this run, part of every mark. */
  readonly id: string;
  /** Everything created holds this text. */
  readonly mark: string;
  /** Base URL of the account. */
  readonly account: string;
  readonly enterprise: string;
  readonly mode: 'read-only' | 'write';
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly results: readonly CheckResult[];
  readonly created: readonly Created[];
  /** Where this account differs from what one would expect. */
  readonly peculiarities: readonly string[];
  readonly conclusions: readonly string[];
  /** 0: all well, 1: something failed, 2: the account cannot be reached or does not let us in. */
  readonly verdict: 0 | 1 | 2;
}
