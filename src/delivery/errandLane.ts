import { isNativeError } from 'node:util/types';
import type { Logger } from '../log.ts';
import { CrmError } from '../retailcrm/errors.ts';
import type { Db } from '../store/database.ts';
import type { ErrandEnd, ErrandJob, Errands } from '../store/errands.ts';
import { beginErrand, ErrandLost, isErrandPending, undoErrand } from '../store/errands.ts';
import type { ClaimedRow, Settlement, Settlements } from '../store/outbox.ts';
import { createWatermark } from '../store/watermark.ts';
import { type Breaker, allowed, closed, failed, refused, succeeded } from './breaker.ts';
import { classify, keepUploadsMs, uploadRetryMs } from './classify.ts';
import { Ledger } from './ledger.ts';
import { type Pacer, PacerStopped } from './pacer.ts';
import { withPatience } from './patience.ts';

/** What the lane of one account needs. */
export interface ErrandLaneOptions {
  readonly db: Db;
  readonly account: string;
  /** Name in leases; unique per process and start. */
  readonly owner: string;
  /** As in `DeliveryOptions`. */
  readonly settlements?: Settlements | undefined;
  /** The account's general budget. Each request of an errand takes its own permit; here it is only slowed down. */
  readonly pacer: Pick<Pacer, 'slowDown' | 'fine'>;
  readonly log: Logger;
  /** Told of each row once its settlement is written. Must not throw. */
  readonly onSettled?: ((row: ClaimedRow, outcome: Settlement) => void) | undefined;
  /** How often the outbox is looked at without being woken, ms. Default 1,000. */
  readonly pollMs?: number | undefined;
  /** Pause before an errand nobody knows the fate of is tried again, ms; doubled at random. Default 2,000. */
  readonly retryMs?: number | undefined;
  /** How long `stop` waits for errands under way, ms. Default 8,000. */
  readonly patienceMs?: number | undefined;
}

/** Errands under way at once: a slow CRM then still gets what its rate allows. */
const atOnce = 4;
/** Longer than the longest errand: six requests, each with its deadline of at most 30 s. */
const leaseSeconds = 240;
/** An errand the account refused as such waits so long; others try meanwhile, one a minute. */
const refusedMs = 300_000;

/**
 * Carries one account's errands to the CRM, as the delivery worker carries popups and uploads: claim, run, settle. It has
 * a breaker of its own: errands use the other budget and other rights of the key.
 */
export class ErrandLane {
  readonly #options: ErrandLaneOptions;
  readonly #ledger: Ledger;
  readonly #stop = new AbortController();
  readonly #jobs = new Set<Promise<void>>();
  readonly #held = new Map<string, ClaimedRow>();
  #errands: Errands = {};
  #breaker: Breaker = closed;
  #running: Promise<void> | undefined;
  #rouse: (() => void) | undefined;
  #awake = false;
  #looking = false;
  #looks = 0;

  constructor(options: ErrandLaneOptions) {
    this.#options = options;
    const { db, account, owner, settlements, log, onSettled, pollMs = 1_000 } = options;
    const watermark = createWatermark();
    this.#ledger = new Ledger({
      db,
      account,
      owner,
      settlements,
      leaseSeconds,
      log,
      watermark,
      pauseMs: pollMs,
      onSettled,
    });
  }

  /** `closed` = all is well; else what stops errands, see breaker.ts. */
  get mode(): Breaker['mode'] {
    return this.#breaker.mode;
  }

  /** Begins to run errands. */
  start(errands: Errands): void {
    this.#errands = errands;
    this.#running ??= this.#run();
  }

  /** Something was enqueued: look now. */
  wake(): void {
    this.#awake = true;
    this.#rouse?.();
  }

  /** Starts nothing more and waits for errands under way; what does not end is run again by the next start. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#rouse?.();
    await this.#running;
    await withPatience(Promise.all(this.#jobs), this.#options.patienceMs ?? 8_000);
    await this.#ledger.release([...this.#held.values()]);
  }

  /** For tests and commands: resolves when no errand is due within `withinMs`. */
  async drain(withinMs = 0): Promise<void> {
    while (this.#running !== undefined && !this.#stop.signal.aborted) {
      const looks = this.#looks;
      this.wake();
      while (this.#looks === looks || this.#looking) await moment();
      await Promise.all(this.#jobs);
      const next = await this.#ledger.nextDue(['errand']);
      if (this.#jobs.size === 0 && (next === null || (next && next.getTime() > Date.now() + withinMs))) return;
      await moment();
    }
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#awake = false;
      this.#looks += 1;
      this.#looking = true;
      const room = this.#room();
      const rows = room > 0 ? await this.#ledger.claim('errand', room) : [];
      for (const row of rows) this.#start(row);
      this.#looking = false;
      if (!this.#isAwake()) await this.#rest();
    }
  }

  #isAwake(): boolean {
    return this.#awake || this.#stop.signal.aborted;
  }

  /** How many errands may start now. A parked account is tried with one errand a minute. */
  #room(): number {
    const mode = allowed(this.#breaker, performance.now(), this.#jobs.size);
    if (mode === 'wait') return 0;
    return mode === 'flow' ? atOnce - this.#jobs.size : 1;
  }

  #start(row: ClaimedRow): void {
    this.#held.set(row.id, row);
    const job = this.#job(row).finally(() => {
      this.#held.delete(row.id);
      this.#jobs.delete(job);
      this.wake();
    });
    this.#jobs.add(job);
  }

  async #job(row: ClaimedRow): Promise<void> {
    const started = performance.now();
    try {
      const payload = asObject(row.payload);
      const run = this.#errands[String(payload?.['do'])];
      const end: ErrandEnd =
        payload === undefined || run === undefined
          ? { end: 'dead', reason: 'nobody knows how to do this errand' }
          : await run(this.#asJob(row, payload));
      if (end.end === 'done') {
        this.#breaker = succeeded(this.#breaker, started);
        this.#options.pacer.fine();
      }
      await this.#settle(row, settlementOf(row, end, performance.now() - started));
    } catch (error) {
      if (error instanceof PacerStopped || error instanceof ErrandLost) {
        if (error instanceof PacerStopped) await this.#ledger.release([row]);
        return;
      }
      await this.#settle(row, this.#failure(row, error, started));
    }
  }

  #asJob(row: ClaimedRow, payload: Readonly<Record<string, unknown>>): ErrandJob {
    const { db, account, owner } = this.#options;
    return {
      payload,
      callId: row.callId,
      isPending: (key) => isErrandPending(db, account, key),
      begin: async () => {
        const begun = await beginErrand(db, row, owner);
        if (begun === 'lost') throw new ErrandLost('somebody else runs this errand now');
        return begun === 'first';
      },
      undo: () => undoErrand(db, row, owner),
    };
  }

  #failure(row: ClaimedRow, error: unknown, started: number): Settlement {
    const { log, retryMs = 2_000 } = this.#options;
    const now = performance.now();
    const latencyMs = Math.round(now - started);
    const key = { id: row.id, leaseEpoch: row.leaseEpoch };
    const retry = uploadRetryMs(row.attempts, retryMs, Math.random());
    const later = (inMs: number, reason: string, status: number | null, countAttempt: boolean): Settlement => ({
      ...key,
      ...{ outcome: 'later', retryAt: new Date(Date.now() + inMs), status, reason, latencyMs, countAttempt },
    });
    if (!(error instanceof CrmError)) {
      // The database, or a defect of ours.
      const reason = isNativeError(error) ? error.message : String(error);
      log.error('an errand broke off', { call: row.callId, reason });
      return later(retry, reason, null, true);
    }
    const reason = `${error.kind}: ${error.errorMsg}`;
    const tooOld = Date.now() - row.createdAt.getTime() > keepUploadsMs;
    switch (classify(error)) {
      case 'rejected':
        this.#breaker = succeeded(this.#breaker, started);
        return { ...key, outcome: 'dead', status: error.status, reason, errors: error.errors, latencyMs };
      case 'slowLane':
        this.#options.pacer.slowDown(error.retryAfterMs);
        this.#fail(failed(this.#breaker, started, now, Math.random()), error);
        return later(0, reason, error.status, false);
      case 'parkAccount':
        this.#fail(refused(this.#breaker, 'parked', now), error);
        return later(refusedMs, reason, error.status, false);
      case 'telephonyOff':
        return later(refusedMs, reason, error.status, false);
      case 'kept':
        this.#fail(failed(this.#breaker, started, now, Math.random()), error);
        if (tooOld) return { ...key, outcome: 'dead', status: error.status, reason, latencyMs };
        return later(retry, reason, error.status, true);
    }
  }

  /** One line when errands stop. */
  #fail(after: Breaker, error: CrmError): void {
    const before = this.#breaker;
    this.#breaker = after;
    if (before.mode === after.mode || after.mode === 'closed') return;
    this.#options.log.warn(
      after.mode === 'parked'
        ? 'the CRM refuses what calls leave behind (customers, orders, tasks, notes): one try a minute'
        : 'the CRM does not take what calls leave behind (customers, orders, tasks, notes): one try at a time',
      { err: error },
    );
  }

  async #settle(row: ClaimedRow, settlement: Settlement): Promise<void> {
    await this.#ledger.settle([{ row, settlement }]);
  }

  /** Until woken, the next poll, or the next try of a CRM in trouble. */
  #rest(): Promise<void> {
    const { pollMs = 1_000 } = this.#options;
    // While the one that tries is under way its end rouses us.
    const probeIn =
      this.#breaker.mode === 'closed' || this.#jobs.size > 0 ? pollMs : this.#breaker.probeAt - performance.now();
    return new Promise((resolve) => {
      const over = (): void => {
        clearTimeout(timer);
        this.#rouse = undefined;
        resolve();
      };
      const timer = setTimeout(over, Math.max(1, Math.min(pollMs, probeIn)));
      this.#rouse = over;
    });
  }
}

function settlementOf(row: ClaimedRow, end: ErrandEnd, ms: number): Settlement {
  const key = { id: row.id, leaseEpoch: row.leaseEpoch };
  const latencyMs = Math.round(ms);
  switch (end.end) {
    case 'done':
      return { ...key, outcome: 'done', status: 200, reply: end.reply, latencyMs };
    case 'later': {
      const retryAt = new Date(Date.now() + end.inMs);
      return { ...key, outcome: 'later', retryAt, status: null, reason: end.reason, latencyMs, countAttempt: false };
    }
    case 'dead':
      return { ...key, outcome: 'dead', status: null, reason: end.reason, latencyMs };
  }
}

function asObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : undefined;
  } catch {
    return undefined;
  }
}

const moment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));
