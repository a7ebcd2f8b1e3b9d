import { stat } from 'node:fs/promises';
import type { EnterpriseSettings } from './config/settings.ts';
import type { Logger } from './log.ts';
import { toAccountTime } from './retailcrm/time.ts';
import type { WaitingPayload } from './rows.ts';
import type { Db } from './store/database.ts';
import type { WaitingRow } from './store/outbox.ts';
import { freeze, waiting } from './store/outbox.ts';

/** How often the files are looked at, milliseconds; a file is stable when two looks agree. */
const LOOK_MS = 2_000;
/** A WAV file without a single sample has 44 bytes (`ami-events.md` trap 17). */
const EMPTY_BYTES = 44;

/** What the watcher needs. */
export interface RecordingOptions {
  db: Db;
  enterprise: EnterpriseSettings;
  log: Logger;
  /** The account's zone, once it is known. */
  zone: () => string | undefined;
  /** Uploads became due. */
  onReady: () => void;
  /** Default 2,000 ms. */
  lookMs?: number;
}

/**
 * Completes uploads that wait (`calls.md` 3.32): for their recording's file to be there and stable, or for the account's
 * time zone. A recording that never comes costs its wait and no more. The row is frozen once and never changes again.
 */
export class Recordings {
  readonly #options: RecordingOptions;
  readonly #sizes = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #stopped = false;

  constructor(options: RecordingOptions) {
    this.#options = options;
  }

  start(): void {
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  /** Looks once at everything that waits. */
  async look(): Promise<void> {
    const { db, enterprise } = this.#options;
    const rows = await waiting(db, enterprise.id);
    const names = new Set(rows.map((row) => row.externalId));
    for (const known of this.#sizes.keys()) if (!names.has(known)) this.#sizes.delete(known);
    let ready = 0;
    for (const row of rows) if (await this.#complete(row)) ready += 1;
    if (ready > 0) this.#options.onReady();
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.look()
        .catch((error: unknown) =>
          this.#options.log.error('recordings: the waiting uploads cannot be read', { err: error }),
        )
        .finally(() => {
          this.#looking = undefined;
          this.#schedule();
        });
    }, this.#options.lookMs ?? LOOK_MS);
  }

  async #complete(row: WaitingRow): Promise<boolean> {
    const { db, log } = this.#options;
    const waits = readPayload(row.payload);
    if (waits === undefined) {
      log.error('a waiting upload cannot be read; it goes as it is', { call: row.callId });
      return freeze(db, { account: row.account, externalId: row.externalId, payload: row.payload, dueAt: new Date() });
    }
    const zone = this.#options.zone();
    if (waits.undated !== null && zone === undefined) return false;
    const dated = waits.undated === null || zone === undefined ? {} : { date: toAccountTime(waits.undated, zone) };
    let link = {};
    if (waits.recording !== null) {
      const stable = await this.#isStable(row.externalId, waits.recording.path);
      const over = row.dueAt.getTime() <= Date.now();
      if (!stable && !over) return false;
      if (stable) link = { recordUrl: waits.recording.url };
      else log.warn('the recording did not appear in time; the call is told without a link', { call: row.callId });
    }
    const payload = JSON.stringify({ ...dated, ...waits.record, ...link });
    return freeze(db, { account: row.account, externalId: row.externalId, payload, dueAt: new Date() });
  }

  async #isStable(id: string, path: string): Promise<boolean> {
    const size = await stat(path).then(
      (found) => (found.isFile() ? found.size : 0),
      () => 0,
    );
    const before = this.#sizes.get(id);
    this.#sizes.set(id, size);
    return size > EMPTY_BYTES && before === size;
  }
}

function readPayload(text: string): WaitingPayload | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('record' in value)) return undefined;
  const { record, recording, undated } = value as Partial<WaitingPayload>;
  if (typeof record !== 'object') return undefined;
  const named =
    typeof recording === 'object' &&
    recording !== null &&
    typeof recording.path === 'string' &&
    typeof recording.url === 'string';
  return { record, recording: named ? recording : null, undated: typeof undated === 'number' ? undated : null };
}
