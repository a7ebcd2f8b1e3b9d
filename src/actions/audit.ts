import type { Logger } from '../log.ts';
import { appendAudit, type AuditEntry, type AuditHead, auditHead } from '../store/audit.ts';
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

const DAY_MS = 24 * 3600_000;

/**
 * Writes the seal of the last row into the log, now and every day: whoever can change the table cannot change the journal as well,
 * and `audit verify --head` finds by it what was cut off or written anew (`security.md` 2).
 * @param everyMs shorter in tests
 * @returns ends it
 */
export function anchorDaily(db: Db, enterprise: string, log: Logger, everyMs = DAY_MS): () => void {
  const anchor = async (): Promise<void> => {
    try {
      const head = await auditHead(db, enterprise);
      if (head !== undefined) log.info(`audit: the log ends at row ${spelled(head)}`);
    } catch (error) {
      log.warn('audit: today’s seal could not be read', { err: error });
    }
  };
  void anchor();
  const timer = setInterval(() => void anchor(), everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** `NO:SEAL`, as `audit verify --head` takes it; in groups of four, so that no run of digits in it looks like a phone number. */
function spelled({ seq, hash }: AuditHead): string {
  return `${seq}:${hash.replaceAll(/(.{4})(?!$)/g, '$1-')}`;
}
