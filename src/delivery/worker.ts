import { setMaxListeners } from 'node:events';
import { isNativeError } from 'node:util/types';
import PQueue from 'p-queue';
import type { Logger } from '../log.ts';
import type { RetailCrmClient } from '../retailcrm/client.ts';
import { CrmError } from '../retailcrm/errors.ts';
import type { Db } from '../store/database.ts';
import {
  type ClaimedRow,
  type OutboxKind,
  type Settlement,
  type Settlements,
  createWatermark,
} from '../store/outbox.ts';
import { AccountState, type Pass } from './account.ts';
import { classify } from './classify.ts';
import { type Lane } from './lane.ts';
import { Ledger } from './ledger.ts';
import { type AccountPacers, PacerStopped, accountPacers } from './pacer.ts';
import { withPatience } from './patience.ts';
import { sendPopup } from './popups.ts';
import { sendUploads } from './uploads.ts';

/** What one account's deliveries need. One worker per account and process: it holds the account's rate budget. */
export interface DeliveryOptions {
  /** Its commits need not wait for the disk: what a crash of the server forgets is sent again or known to `Lane.shown`. */
  readonly db: Db;
  readonly client: RetailCrmClient;
  /** Account key of the outbox rows. */
  readonly account: string;
  /** For log lines. */
  readonly enterprise: string;
  readonly log: Logger;
  /** Name in leases; unique per process and start. */
  readonly owner: string;
  /** Where settlements are written, when other lanes of the owner write there, too. Default: its own. */
  readonly settlements?: Settlements | undefined;
  /** Told of each row once its settlement is written. Must not throw. */
  readonly onSettled?: ((row: ClaimedRow, outcome: Settlement) => void) | undefined;
  /** Told once when the CRM says that telephony is off, again only after it was on. */
  readonly onTelephonyOff?: (() => void) | undefined;
  /** Rate budgets, when others talk to the same account too. Default: own ones, nothing sent in the first second. */
  readonly pacers?: AccountPacers | undefined;
  /** Pause before an ambiguous upload is sent again, ms; doubled at random. Default 2,000. */
  readonly retryMs?: number | undefined;
  /** How often the outbox is looked at without being woken, ms. Default 500. */
  readonly pollMs?: number | undefined;
  /** How long `stop` waits for answers before it gives rows back, ms. Default 8,000. */
  readonly patienceMs?: number | undefined;
  /** Monotonic ms, for breaker and leases. Default `performance.now`. */
  readonly now?: (() => number) | undefined;
}

/** The loop looks at the outbox at most this often, ms: about the pacer's interval. */
const lookEveryMs = 15;
const allKinds = ['event', 'upload'] as const satisfies readonly OutboxKind[];
/** Rows of one claim, and uploads of one request: the API's limit. */
const batchLimit = 50;
/** Upload requests under way at once: a slow CRM then still takes what its rate allows, nearly in order. */
const uploadsAtOnce = 4;
/** Longer than any row needs: three times the deadline of an upload. */
const leaseSeconds = 120;
/** No upload request starts later than this after the claim: its deadline of 30 s must end inside the lease. */
const startWithinMs = 85_000;
/** Popups under way at once; with the uploads well below 200 jobs in memory. */
const popupsAtOnce = 100;

/**
 * Carries one account's outbox to the CRM: claims due rows, sends each once, settles. Started by `start`, woken by `wake` after
 * each commit that enqueued something, ended by `stop`. Nothing here holds a transaction while a request is under way.
 */
export class DeliveryWorker {
  readonly #options: DeliveryOptions;
  readonly #log: Logger;
  readonly #pacers: AccountPacers;
  readonly #state: AccountState;
  readonly #ledger: Ledger;
  readonly #lane: Lane;
  readonly #jobs = new PQueue({ concurrency: popupsAtOnce + uploadsAtOnce + 1 });
  readonly #stop = new AbortController();
  /** Claimed rows whose job is not over, by id. */
  readonly #held = new Map<string, ClaimedRow>();
  readonly #inFlight = { event: 0, upload: 0, ask: 0 };
  #running: Promise<void> | undefined;
  /** Ends the present pause; set while the loop rests. */
  #rouse: (() => void) | undefined;
  #awake = false;
  /** How often somebody said that popups may have come. */
  #popupsTold = 0;
  /** Kinds of rows that may have come or become free since the last look. */
  readonly #due = new Set<OutboxKind>(allKinds);
  /** Looks at the outbox so far, and whether one is under way: `drain` must not mistake a claim for an empty outbox. */
  #pumps = 0;
  #pumping = false;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#log = options.log.child({ enterprise: options.enterprise, account: options.account });
    this.#pacers = options.pacers ?? accountPacers();
    const pacer = this.#pacers.telephony;
    const now = options.now ?? ((): number => performance.now());
    const { random } = Math;
    const { onTelephonyOff } = options;
    this.#state = new AccountState({ log: this.#log, pacer, onTelephonyOff, now, random });
    setMaxListeners(0, this.#stop.signal); // one per job that waits for a permit
    this.#ledger = new Ledger({
      db: options.db,
      account: options.account,
      owner: options.owner,
      settlements: options.settlements,
      leaseSeconds,
      log: this.#log,
      watermark: createWatermark(),
      pauseMs: options.pollMs ?? 500,
      onSettled: options.onSettled,
    });
    this.#lane = {
      client: options.client,
      pacer,
      account: this.#state,
      ledger: this.#ledger,
      stopping: this.#stop.signal,
      shown: new Map(),
      littleMs: options.retryMs ?? 2_000,
      now,
      random,
    };
  }

  /** `closed` = all is well; else what stops this account, see breaker.ts. */
  get mode(): AccountState['mode'] {
    return this.#state.mode;
  }

  /** The account's rate budgets, for everybody else who talks to it. */
  get pacers(): AccountPacers {
    return this.#pacers;
  }

  /** Begins to deliver. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Something was enqueued: look now, not at the next poll. */
  wake(kinds: readonly OutboxKind[] = allKinds): void {
    if (kinds.includes('event')) this.#popupsTold += 1;
    this.#again(kinds);
  }

  #again(kinds: readonly OutboxKind[]): void {
    for (const kind of kinds) this.#due.add(kind);
    this.#awake = true;
    this.#rouse?.();
  }

  /**
   * Starts nothing more, waits for answers under way, gives every other row back; at most 10 s. The client stays open. Rows of a
   * request that is still unanswered then are given back too: uploads may be repeated.
   */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#rouse?.();
    await this.#running;
    await withPatience(this.#jobs.onIdle(), this.#options.patienceMs ?? 8_000);
    // A popup under way may be shown already: its lease ends after its time, so nobody repeats it.
    await this.#ledger.release([...this.#held.values()].filter((row) => row.kind === 'upload'));
  }

  /**
   * For tests and commands: delivers until nothing is due any more within `withinMs` from now, then resolves. Waits as long as the
   * account or the database is in trouble. Rejects when stopped meanwhile.
   */
  async drain(withinMs = 0): Promise<void> {
    this.start();
    const moment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));
    while (!this.#stopping) {
      const before = this.#pumps;
      this.wake();
      while (!this.#lookedSince(before)) await moment();
      await this.#jobs.onIdle();
      const pumps = this.#pumps;
      const next = await this.#ledger.nextDue(allKinds);
      const quiet = this.#lookedSince(pumps - 1) && this.#pumps === pumps && this.#held.size === 0;
      if (quiet && (next === null || (next && next.getTime() > Date.now() + withinMs))) return;
      await moment();
    }
    throw new Error('delivery was stopped before the outbox was empty');
  }

  /** Has a look at the outbox ended that began after the one numbered `pumps`? No more are to come once stopped. */
  #lookedSince(pumps: number): boolean {
    return this.#stopping || (this.#pumps > pumps && !this.#pumping);
  }

  get #stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  async #run(): Promise<void> {
    // A popup claimed while nothing may be sent yet would be given up by the next run if this one is killed meanwhile.
    // A timer, not AbortSignal.any with a timeout: Node's garbage collector takes those away while somebody waits for them.
    const opensInMs = Math.ceil(this.#pacers.telephony.opensInMs);
    if (opensInMs > 0) await this.#nap(opensInMs, false);
    while (!this.#stopping) {
      const looked = performance.now();
      this.#awake = false;
      this.#pumps += 1;
      this.#pumping = true;
      try {
        await this.#pump();
      } catch (error) {
        this.#log.error('delivery stumbled', { reason: isNativeError(error) ? error.message : String(error) });
      }
      this.#pumping = false;
      if (this.#mayRest()) await this.#rest();
      // The pacer lets one request go per interval: looking more often finds nothing it could start.
      const early = lookEveryMs - (performance.now() - looked);
      if (early > 1) await this.#nap(early, false);
    }
  }

  /** False when something happened while the outbox was looked at. */
  #mayRest(): boolean {
    return !this.#awake && !this.#stopping;
  }

  /** Starts what may start now. */
  async #pump(): Promise<void> {
    const busy = this.#inFlight.event + this.#inFlight.upload + this.#inFlight.ask;
    switch (this.#state.allowed(busy)) {
      case 'wait':
        return;
      case 'ask':
        this.#job('ask', [], () => this.#ask());
        return;
      case 'probe':
        // Uploads first: one more try cannot harm them, while an ambiguous answer costs a popup.
        for (const kind of ['upload', 'event'] as const) {
          const rows = await this.#claim(kind, 1);
          this.#send(kind, rows, 'probe');
          if (rows.length > 0) return;
        }
        return;
      case 'flow': {
        const popups = Math.min(popupsAtOnce - this.#inFlight.event, batchLimit);
        if (popups > 0 && this.#due.delete('event')) {
          const rows = await this.#claim('event', popups);
          this.#send('event', rows, 'flow');
          if (rows.length === popups) this.#again(['event']);
        }
        while (this.#inFlight.upload < uploadsAtOnce && this.#due.delete('upload')) {
          const rows = await this.#claim('upload', batchLimit);
          this.#send('upload', rows, 'flow');
          if (rows.length === batchLimit) this.#again(['upload']);
        }
      }
    }
  }

  async #claim(kind: OutboxKind, limit: number): Promise<HeldRow[]> {
    const told = this.#popupsTold;
    const rows = await this.#ledger.claim(kind, limit);
    for (const row of rows) this.#held.set(row.id, row);
    return rows.map((row) => ({ ...row, told }));
  }

  #send(kind: OutboxKind, rows: HeldRow[], pass: Pass): void {
    if (rows.length === 0) return;
    const until = this.#lane.now() + startWithinMs;
    if (kind === 'event') for (const row of rows) this.#job('event', [row], () => sendPopup(this.#lane, row, pass));
    else this.#job('upload', rows, () => sendUploads(this.#lane, rows, { until, pass }));
  }

  #job(kind: 'event' | 'upload' | 'ask', rows: HeldRow[], work: () => Promise<void>): void {
    this.#inFlight[kind] += 1;
    const run = async (): Promise<void> => {
      try {
        await work();
      } catch (error) {
        // Not an answer of the CRM: a defect of ours. The rows come again when their lease ends.
        this.#log.error('a delivery broke off', { kind, reason: isNativeError(error) ? error.message : String(error) });
      }
      this.#inFlight[kind] -= 1;
      for (const row of rows) this.#held.delete(row.id);
      // The next event of this call, or the next batch, may go now. Most popups have nothing behind them: no look then.
      const nothingBehind = (row: HeldRow): boolean => !row.followed && row.told === this.#popupsTold;
      const idle = kind === 'event' && this.#state.mode === 'closed' && rows.every(nothingBehind);
      if (!idle) this.#again(kind === 'ask' ? allKinds : [kind]);
    };
    void this.#jobs.add(run, { priority: kind === 'upload' ? 0 : 1 });
  }

  /** The GET of a parked account: may the key do again what we need? */
  async #ask(): Promise<void> {
    try {
      await this.#pacers.general.take({ signal: this.#stop.signal });
      const { credentials } = await this.#options.client.credentials();
      const missing = needed.filter((method) => credentials.length > 0 && !credentials.includes(method));
      if (missing.length > 0) {
        this.#log.warn('the API key lacks rights', { missing });
        this.#state.stillParked();
      } else this.#state.answered();
    } catch (error) {
      if (error instanceof PacerStopped) return;
      if (!(error instanceof CrmError)) throw error;
      // An account that has no such method but answers in its own voice is alive.
      if (classify(error) === 'rejected' || error.kind === 'NOTFOUND') this.#state.answered();
      else this.#state.stillParked();
    }
  }

  /** Until woken, the next poll, or the next probe. */
  async #rest(): Promise<void> {
    const pollMs = this.#options.pollMs ?? 500;
    const probeAt = this.#state.probeAt;
    const roused = await this.#nap(
      probeAt === undefined ? pollMs : Math.min(pollMs, Math.max(1, probeAt - this.#lane.now())),
    );
    if (!roused) for (const kind of allKinds) this.#due.add(kind);
  }

  /** Sleeps, at most until `stop`, and if `light` until the next `wake`. True when it was ended by one of them. */
  #nap(ms: number, light = true): Promise<boolean> {
    return new Promise((resolve) => {
      const over = (roused: boolean): void => {
        clearTimeout(timer);
        if (this.#rouse === rouse) this.#rouse = undefined;
        resolve(roused);
      };
      const rouse = (): void => {
        if (light || this.#stopping) over(true);
      };
      const timer = setTimeout(() => over(false), ms);
      this.#rouse = rouse;
    });
  }
}

/** A row we hold, and what had been told of popups before it was claimed. */
interface HeldRow extends ClaimedRow {
  readonly told: number;
}

/** What the key must allow, as `/api/credentials` spells it. */
const needed = ['/api/telephony/call/event', '/api/telephony/calls/upload'];
