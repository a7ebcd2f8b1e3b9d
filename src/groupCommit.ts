import type { HostBatch } from './batch.ts';
import { writeBatches } from './batch.ts';
import type { Db } from './store/database.ts';

interface Waiting {
  host: HostBatch;
  written: () => void;
  failed: (error: unknown) => void;
}

/**
 * One writer for all hosts: whatever comes while a transaction is under way goes into the next one. Twenty hosts then
 * cost fifty commits a second, not a thousand. If a transaction fails, each host's batch is tried alone: a row the
 * database refuses stops its own host only.
 */
export class GroupCommit {
  readonly #db: Db;
  #waiting: Waiting[] = [];
  #running = false;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Settles when the batch is committed; rejects with the database's error when it is not. */
  write(host: HostBatch): Promise<void> {
    return new Promise((written, failed) => {
      this.#waiting.push({ host, written, failed });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      const together = this.#waiting;
      this.#waiting = [];
      await this.#commit(together);
    }
    this.#running = false;
  }

  async #commit(together: readonly Waiting[]): Promise<void> {
    try {
      await writeBatches(
        this.#db,
        together.map(({ host }) => host),
      );
      for (const { written } of together) written();
    } catch (error) {
      const [only] = together;
      if (together.length === 1) only?.failed(error);
      else for (const one of together) await this.#commit([one]);
    }
  }
}
