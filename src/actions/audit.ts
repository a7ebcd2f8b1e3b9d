import type { Logger } from '../log.ts';
import { appendAudit, type AuditEntry } from '../store/audit.ts';
import type { Db } from '../store/database.ts';

/** Entries that may wait for a database that is slow: beyond that they are only logged. */
const MOST_WAITING = 10_000;

const SOON_MS = 300;

/**
 * Writes the audit log. Entries that come while a write is under way go together with the next one, in their order. What
 * the database does not take is said in the log instead: nobody is kept from calling by it.
 */
export class AuditLog {
  readonly #db: Db;
  readonly #log: Logger;
  #waiting: { entry: AuditEntry; written: () => void }[] = [];
  #writing: Promise<void> | undefined;

  constructor(db: Db, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  /** Resolves when the entry is durable, or was logged because it could not be. Never rejects. */
  note(entry: AuditEntry): Promise<void> {
    if (this.#waiting.length >= MOST_WAITING) {
      this.#log.error('audit: the log is full, this entry was not written', { ...entry });
      return Promise.resolve();
    }
    const written = new Promise<void>((resolve) => this.#waiting.push({ entry, written: resolve }));
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    return written;
  }

  /** As `note`, for who has somebody waiting for an answer: not longer than 0.3 s. */
  async noteSoon(entry: AuditEntry): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, SOON_MS);
    });
    await Promise.race([this.note(entry), enough]).finally(() => clearTimeout(timer));
  }

  /** Resolves when everything noted so far is settled. */
  async drain(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, 1_000);
      const entries = batch.map(({ entry }) => entry);
      await appendAudit(this.#db, entries).catch((error: unknown) => {
        this.#log.error('audit: entries could not be written', { err: error, entries });
      });
      for (const { written } of batch) written();
    }
  }
}
