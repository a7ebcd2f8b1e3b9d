import { CrmError } from '../retailcrm/errors.ts';
import type { HistoryStream } from '../store/cursors.ts';
import type { DirtyKind } from '../store/hints.ts';
import { isDirty, markDirty } from '../store/hints.ts';
import { readDirty } from './changes.ts';
import type { SyncContext } from './history.ts';
import { walk } from './history.ts';
import { withPatience } from './withPatience.ts';

/** What the synchronisation with one account needs. */
export interface CrmSyncOptions extends Omit<SyncContext, 'signal' | 'now'> {
  /** Between two polls of the histories, ms; 0 = none, only hints are followed. */
  readonly pollMs: number;
  /** The account is known to refuse us: nothing is asked until it lets us in again. Default never. */
  readonly refused?: (() => boolean) | undefined;
  /** First pause after a failure, ms; doubled up to five minutes, with full jitter. Default 5,000. */
  readonly retryMs?: number | undefined;
  /** Shortest time from one round to the next, ms: hints that come meanwhile share one. Default 1,000. */
  readonly roundMs?: number | undefined;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** A hint that something changed: a trigger of the CRM. Only a hint: what it says is read through the API. */
export interface SyncHint {
  readonly event: 'customer.create' | 'customer.edit' | 'order.create' | 'order.edit';
  readonly id: number;
}

/** One thing the rounds do, with its own trouble: a key may see customers and no orders. */
interface Job {
  readonly name: string;
  /** Monotonic ms before which it is not tried. */
  nextAt: number;
  failures: number;
  /** The trouble that was logged last; empty: none. */
  trouble: string;
}

const streams = ['customers', 'orders'] as const satisfies readonly HistoryStream[];
const kinds = ['customer', 'order'] as const satisfies readonly DirtyKind[];
/** Pause after the account refused us, and the longest after any failure, ms. */
const parkedMs = 300_000;
/** How often it is looked whether the account's zone has become known, ms. */
const zoneMs = 1_000;
/** Marks that rest after a failure are looked at this often, ms. */
const restMs = 30_000;

/**
 * Keeps customers and orders as the CRM has them: polls the change histories, follows hints, reads what changed and sets
 * the order rules going. One loop per account; what it has in hand survives a kill in the database.
 */
export class CrmSync {
  readonly #options: CrmSyncOptions;
  readonly #context: SyncContext;
  readonly #stop = new AbortController();
  readonly #jobs = new Map<string, Job>();
  /** Histories a hint wants looked at before their time. */
  readonly #hinted = new Set<HistoryStream>();
  #running: Promise<void> | undefined;
  #rouse: (() => void) | undefined;
  #awake = false;
  /** Rounds begun and ended. */
  #rounds = { begun: 0, ended: 0 };
  #roundEnded: (() => void)[] = [];

  constructor(options: CrmSyncOptions) {
    this.#options = options;
    this.#context = { ...options, signal: this.#stop.signal, now: options.now ?? Date.now };
  }

  /** Begins to poll. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the round under way before its next request; an unanswered one is not waited for: it will be repeated. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#rouse?.();
    await withPatience(this.#running);
  }

  /** Resolves after the hint is committed (P7). Doubled, reordered and missing hints do no harm. */
  async changed(hint: SyncHint): Promise<void> {
    const kind = hint.event.startsWith('order') ? 'order' : 'customer';
    await markDirty(this.#options.db, this.#options.enterprise, kind, [hint.id]);
    // The history tells who made the change and what else changed; without polling it is not kept.
    if (this.#options.pollMs > 0) this.#hinted.add(kind === 'order' ? 'orders' : 'customers');
    this.#wake();
  }

  /** Is a part of the synchronisation in trouble? In words, for health and doctor; empty = all is well. */
  get troubles(): readonly string[] {
    return [...this.#jobs.values()]
      .filter(({ trouble }) => trouble !== '')
      .map(({ name, trouble }) => `${name}: ${trouble}`);
  }

  /** For tests and commands: looks at everything now; resolves when a whole round has ended that began after the call. */
  async drain(): Promise<void> {
    for (const job of this.#jobs.values()) job.nextAt = Number.NEGATIVE_INFINITY;
    const wanted = this.#rounds.begun + 1;
    this.start();
    this.#wake();
    while (this.#rounds.ended < wanted && !this.#stop.signal.aborted) {
      await new Promise<void>((resolve) => this.#roundEnded.push(resolve));
    }
  }

  #wake(): void {
    this.#awake = true;
    this.#rouse?.();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#awake = false;
      this.#rounds.begun += 1;
      const began = performance.now();
      await this.#round();
      this.#rounds.ended = this.#rounds.begun;
      for (const tell of this.#roundEnded.splice(0)) tell();
      const early = (this.#options.roundMs ?? 1_000) - (performance.now() - began);
      if (early > 0) await this.#nap(early, false);
      if (!this.#isAwake()) await this.#nap(Math.max(1, this.#nextAt() - performance.now()), true);
    }
    for (const tell of this.#roundEnded.splice(0)) tell();
  }

  #isAwake(): boolean {
    return this.#awake;
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  async #round(): Promise<void> {
    const { pollMs, zone, enterprise, db, rules, refused } = this.#options;
    if (refused?.() === true) return;
    if (pollMs > 0) {
      for (const stream of streams) {
        await this.#attempt(`history of ${stream}`, this.#hinted.delete(stream), async () => {
          await walk(this.#context, stream);
          return zone() === undefined ? zoneMs : pollMs;
        });
      }
    }
    for (const kind of kinds) {
      await this.#attempt(`changed ${kind}s`, true, async () => {
        while ((await readDirty(this.#context, kind)) > 0 && !this.#stop.signal.aborted);
        return zone() === undefined ? zoneMs : restMs;
      });
    }
    await this.#attempt('order rules', true, async () => {
      await rules.run((orderId) => isDirty(db, enterprise, 'order', orderId), this.#stop.signal);
      return restMs;
    });
  }

  /**
   * Does one job if its time has come, or earlier if `hinted` and not in trouble.
   * @param work returns after how long it is to be done again, ms
   */
  async #attempt(name: string, hinted: boolean, work: () => Promise<number>): Promise<void> {
    const job: Job = this.#jobs.get(name) ?? { name, nextAt: Number.NEGATIVE_INFINITY, failures: 0, trouble: '' };
    this.#jobs.set(name, job);
    if (this.#stop.signal.aborted) return;
    if (performance.now() < job.nextAt && !(hinted && job.failures === 0)) return;
    try {
      const pause = await work();
      job.nextAt = performance.now() + pause;
      job.failures = 0;
      if (job.trouble !== '') this.#options.log.info(`${name}: the CRM answers again`);
      job.trouble = '';
    } catch (error) {
      if (this.#isStopped()) return;
      job.failures += 1;
      job.nextAt = performance.now() + this.#pauseAfter(error, job.failures);
      this.#complain(job, error);
    }
  }

  #pauseAfter(error: unknown, failures: number): number {
    const { retryMs = 5_000, general } = this.#options;
    const asked = error instanceof CrmError ? (error.retryAfterMs ?? 0) : 0;
    if (error instanceof CrmError && error.kind === 'RATE') general.slowDown(error.retryAfterMs);
    if (isRefusal(error)) return parkedMs;
    // Full jitter, and never less than a tenth: a server in trouble is not asked at once again.
    const most = Math.min(parkedMs, retryMs * 2 ** Math.min(failures - 1, 10));
    return Math.max(asked, most * (0.1 + 0.9 * Math.random()));
  }

  /** One line when trouble begins, or becomes another one. */
  #complain(job: Job, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const trouble = error instanceof CrmError ? error.kind : reason;
    if (job.trouble === trouble) return;
    job.trouble = trouble;
    const { log } = this.#options;
    if (isRefusal(error))
      log.error(`${job.name}: the CRM refuses this key; it is asked again every five minutes`, { reason });
    else log.warn(`${job.name}: not possible now, it is tried again`, { reason });
  }

  /** When something is to be done next, monotonic ms. */
  #nextAt(): number {
    return Math.min(performance.now() + restMs, ...[...this.#jobs.values()].map(({ nextAt }) => nextAt));
  }

  /** Sleeps, at most until `stop`, and if `light` until the next wake. */
  #nap(ms: number, light: boolean): Promise<void> {
    return new Promise((resolve) => {
      const over = (): void => {
        clearTimeout(timer);
        this.#rouse = undefined;
        resolve();
      };
      const timer = setTimeout(over, ms);
      this.#rouse = () => {
        if (light || this.#stop.signal.aborted) over();
      };
      if (this.#stop.signal.aborted) over();
    });
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof CrmError && (error.kind === 'AUTH' || error.kind === 'ACCOUNT');
}
