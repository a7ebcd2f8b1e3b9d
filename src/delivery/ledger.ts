import { isNativeError } from 'node:util/types';
import type { Logger } from '../log.ts';
import type { Db } from '../store/database.ts';
import {
  type ClaimedRow,
  type OutboxKind,
  type Settlement,
  type Settlements,
  claim,
  nextDue,
  release,
  settlements,
} from '../store/outbox.ts';
import type { Watermark } from '../store/watermark.ts';

/** What the worker may do to one account's outbox rows. */
export interface LedgerOptions {
  readonly db: Db;
  readonly account: string;
  /** Unique per process and start. */
  readonly owner: string;
  readonly leaseSeconds: number;
  /** Of all lanes that share `owner` and database. Default: its own. */
  readonly settlements?: Settlements | undefined;
  readonly log: Logger;
  readonly watermark?: Watermark;
  /** Pause after a database error, ms; grows up to ten times. */
  readonly pauseMs: number;
  /** Told of each row once its settlement is written. Must not throw. */
  readonly onSettled?: ((row: ClaimedRow, outcome: Settlement) => void) | undefined;
}

/** A row and what became of it. */
export interface Settled {
  readonly row: ClaimedRow;
  readonly settlement: Settlement;
}

/** How often a settlement is tried; after that the lease ends by itself and the rows come again. */
const settleTries = 5;

/**
 * One account's rows in the database. A database error never leaves this place: it is logged once until the database answers
 * again, a claim then yields nothing and a settlement is tried again.
 */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly #settlements: Settlements;
  #troubles = 0;
  #quietUntil = 0;

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#settlements = options.settlements ?? settlements(options.db, options.owner);
  }

  /** Due rows, ours for the lease. Empty when there are none, also while the database is in trouble. */
  async claim(kind: OutboxKind, limit: number): Promise<ClaimedRow[]> {
    if (performance.now() < this.#quietUntil) return [];
    const { db, account, owner, leaseSeconds, watermark } = this.#options;
    const rows = await this.#guarded('claim', () =>
      claim(db, { account, kinds: [kind], limit, owner, leaseSeconds, ...(watermark ? { watermark } : {}) }),
    );
    return rows ?? [];
  }

  /** Writes down what became of rows. Rows whose lease was lost meanwhile keep what their new owner says. */
  async settle(items: readonly Settled[]): Promise<void> {
    if (items.length === 0) return;
    const { log, onSettled } = this.#options;
    for (let attempt = 1; attempt <= settleTries; attempt++) {
      const settled = await this.#guarded('settle', () => this.#settlements.add(items.map((item) => item.settlement)));
      if (settled === undefined) {
        await new Promise((resolve) => setTimeout(resolve, this.#pauseMs()));
        continue;
      }
      const lost = items.length - settled.length;
      if (lost > 0) log.warn('rows were settled by somebody else', { rows: lost });
      if (settled.length > 0) for (const item of items) onSettled?.(item.row, item.settlement);
      return;
    }
    log.error('a settlement was not written: the rows come again when their lease ends', { rows: items.length });
  }

  /** Gives unsent rows back. */
  async release(rows: readonly ClaimedRow[]): Promise<void> {
    if (rows.length === 0) return;
    const items = rows.map(({ id, leaseEpoch }) => ({ id, leaseEpoch }));
    await this.#guarded('release', () => release(this.#options.db, this.#options.owner, items));
  }

  /** When the next row of these kinds may be claimed; null when there is none, undefined when the database does not say. */
  async nextDue(kinds: readonly OutboxKind[]): Promise<Date | null | undefined> {
    return this.#guarded('next due', () => nextDue(this.#options.db, this.#options.account, kinds));
  }

  #pauseMs(): number {
    return this.#options.pauseMs * Math.min(10, this.#troubles) * (0.5 + Math.random() / 2);
  }

  async #guarded<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await work();
      if (this.#troubles > 0) this.#options.log.warn('the database answers delivery again', { errors: this.#troubles });
      this.#troubles = 0;
      return result;
    } catch (error) {
      this.#troubles += 1;
      this.#quietUntil = performance.now() + this.#pauseMs();
      const reason = isNativeError(error) ? error.message : String(error);
      if (this.#troubles === 1) this.#options.log.error('the database does not answer delivery', { what, reason });
      return undefined;
    }
  }
}
