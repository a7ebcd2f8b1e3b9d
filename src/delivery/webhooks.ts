import { isNativeError } from 'node:util/types';
import type { Logger } from '../log.ts';
import type { Db } from '../store/database.ts';
import type { ClaimedRow, Settlement } from '../store/outbox.ts';
import { createWatermark } from '../store/watermark.ts';
import { giveUpWebhooks } from '../store/webhooks.ts';
import { version } from '../version.ts';
import { type Breaker, allowed, closed, failed, succeeded } from './breaker.ts';
import { Ledger } from './ledger.ts';
import { type Answered, type ReceiverAddress, WebhookHttp } from './webhookHttp.ts';
import { type WebhookVerdict, webhookVerdict } from './webhookRetry.ts';
import { signedHeaders, webhookId } from './webhookSign.ts';

/** One receiver of webhooks. */
export interface WebhookLaneOptions extends ReceiverAddress {
  /** Its commits need not wait for the disk: what is forgotten is sent again under the same id. */
  readonly db: Db;
  /** Account key of its outbox rows. */
  readonly account: string;
  /** Its name, for log lines. */
  readonly id: string;
  /** Signing keys: the new one first, during a rotation a second one. */
  readonly keys: readonly Buffer[];
  readonly log: Logger;
  /** Name in leases; unique per process and start. */
  readonly owner: string;
  /** Told of each row once its settlement is written. Must not throw. */
  readonly onSettled?: ((row: ClaimedRow, outcome: Settlement) => void) | undefined;
  /** How often the outbox is looked at without being woken, ms. Default 1,000. */
  readonly pollMs?: number | undefined;
  /** Pause after a failure before the same row is tried again, ms. Default 1,000; while the receiver stays away the breaker says. */
  readonly retryMs?: number | undefined;
  /** How long `stop` waits for answers, ms. Default 8,000. */
  readonly patienceMs?: number | undefined;
  /** Monotonic ms. Default `performance.now`. */
  readonly now?: (() => number) | undefined;
}

/** `closed`: all is well. `open`: it does not answer, one probe at a time. `gone`: it said 410, nothing is sent until a restart. */
export type ReceiverMode = 'closed' | 'open' | 'gone';

/** Twelve times the deadline: also a claim of several rows ends inside. */
const leaseSeconds = 120;
/** A receiver that stays away is asked at least this often, ms. */
const longestProbeMs = 300_000;
/** A row this old when it is claimed means that we are behind, ms. */
const behindMs = 5_000;
/** Requests at once while behind; of one call never two. */
const atOnceWhenBehind = 8;
/** How often rows are looked for whose time is over, ms. */
const giveUpEveryMs = 600_000;
/** The row that met a 410 is not to blame. */
const untouched: WebhookVerdict = { counts: false, blamesReceiver: false, asideMs: undefined };

/**
 * Tells one receiver, in order: one request at a time, oldest first. Only when it is more than 5 s behind are several
 * calls told at once; the messages of one call never overtake each other. A receiver in trouble stops nobody else.
 */
export class WebhookLane {
  readonly #options: WebhookLaneOptions;
  readonly #log: Logger;
  readonly #http: WebhookHttp;
  readonly #ledger: Ledger;
  readonly #now: () => number;
  readonly #stop = new AbortController();
  #breaker: Breaker = closed;
  #gone = false;
  #behind = false;
  /** Monotonic time before which nothing is sent. */
  #notBefore = Number.NEGATIVE_INFINITY;
  #gaveUpAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  #rouse: (() => void) | undefined;
  #awake = false;
  /** Looks at the outbox that found nothing to do. */
  #idle = 0;

  /** Throws ForbiddenAddress when the URL must not be called at all. */
  constructor(options: WebhookLaneOptions) {
    this.#options = options;
    this.#log = options.log.child({ receiver: options.id });
    this.#http = new WebhookHttp(options);
    this.#now = options.now ?? ((): number => performance.now());
    this.#ledger = new Ledger({
      db: options.db,
      account: options.account,
      owner: options.owner,
      leaseSeconds,
      log: this.#log,
      watermark: createWatermark(),
      pauseMs: options.pollMs ?? 1_000,
      onSettled: options.onSettled,
    });
  }

  /** Its name in the configuration. */
  get id(): string {
    return this.#options.id;
  }

  /** How it stands, for metrics and health. */
  get mode(): ReceiverMode {
    if (this.#gone) return 'gone';
    return this.#breaker.mode === 'closed' ? 'closed' : 'open';
  }

  /** Begins to send. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Something was enqueued: look now, not at the next poll. */
  wake(): void {
    this.#awake = true;
    this.#rouse?.();
  }

  /** Starts nothing more and waits for answers under way; what is unanswered then is sent again by the next run. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#rouse?.();
    const patience = setTimeout(() => this.#http.stop(), this.#options.patienceMs ?? 8_000);
    await this.#running;
    clearTimeout(patience);
    this.#http.stop();
  }

  /** For tests and commands: sends until nothing is due any more, or until the receiver is in trouble. */
  async drain(): Promise<void> {
    this.start();
    for (const from = this.#idle; this.#idle < from + 2 && !this.#stopping; ) {
      this.wake();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  get #stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      this.#awake = false;
      let sent = 0;
      try {
        sent = await this.#turn();
      } catch (error) {
        this.#log.error('webhooks stumbled', { reason: isNativeError(error) ? error.message : String(error) });
      }
      if (sent > 0) continue;
      this.#idle += 1;
      if (!this.#isAwake()) await this.#rest();
    }
  }

  /** A call of its own: what happens during an `await` is not seen by the compiler. */
  #isAwake(): boolean {
    return this.#awake || this.#stopping;
  }

  /** Sends what may go now. Returns how many requests it made. */
  async #turn(): Promise<number> {
    const now = this.#now();
    if (now - this.#gaveUpAt >= giveUpEveryMs) await this.#giveUp(now);
    if (this.#gone || now < this.#notBefore) return 0;
    const may = allowed(this.#breaker, now, 0);
    if (may === 'wait') return 0;
    const rows = await this.#ledger.claim('webhook', may === 'flow' && this.#behind ? atOnceWhenBehind : 1);
    const [oldest] = rows;
    this.#behind = oldest !== undefined && Date.now() - oldest.createdAt.getTime() > behindMs;
    if (this.#stopping) {
      await this.#ledger.release(rows);
      return 0;
    }
    await Promise.all(rows.map((row) => this.#send(row)));
    return rows.length;
  }

  async #send(row: ClaimedRow): Promise<void> {
    const { account, keys } = this.#options;
    const started = this.#now();
    const messageId = webhookId(account, row.externalId);
    const headers = signedHeaders(messageId, Math.floor(Date.now() / 1000), row.payload, keys);
    const answer = await this.#http.post(row.payload, { ...headers, 'user-agent': `asterisk-retailcrm/${version}` });
    const { status } = answer;
    const latencyMs = Math.round(answer.latencyMs);
    const key = { id: row.id, leaseEpoch: row.leaseEpoch };
    if (status !== null && status >= 200 && status < 300) {
      this.#took(started);
      return this.#ledger.settle([{ row, settlement: { ...key, outcome: 'done', status, latencyMs } }]);
    }
    const verdict = status === 410 ? untouched : webhookVerdict(status, row.attempts, Math.random());
    if (status === 410) this.#left();
    else this.#failed(answer, verdict, started);
    // Its old due time keeps it the first.
    const retryAt = verdict.asideMs === undefined ? row.dueAt : new Date(Date.now() + verdict.asideMs);
    const reason = words(answer);
    const again = {
      ...key,
      outcome: 'later',
      retryAt,
      status,
      reason,
      latencyMs,
      countAttempt: verdict.counts,
    } as const;
    return this.#ledger.settle([{ row, settlement: again }]);
  }

  #took(started: number): void {
    const before = this.#breaker;
    this.#breaker = succeeded(before, started);
    if (before.mode !== 'closed' && this.#breaker.mode === 'closed') {
      this.#log.warn(`receiver ${this.id} takes webhooks again`);
    }
  }

  #left(): void {
    if (!this.#gone)
      this.#log.error(
        `receiver ${this.id} says that it is gone (410): it is told nothing more until the daemon starts anew`,
      );
    this.#gone = true;
  }

  #failed(answer: Answered, { blamesReceiver, asideMs }: WebhookVerdict, started: number): void {
    const { random } = Math;
    if (asideMs === undefined) {
      const pause = (this.#options.retryMs ?? 1_000) * (0.5 + random());
      const asked = answer.status === null ? undefined : answer.retryAfterMs;
      this.#notBefore = Math.max(this.#notBefore, this.#now() + (asked ?? pause));
    }
    if (!blamesReceiver) return;
    const before = this.#breaker;
    this.#breaker = failed(before, started, this.#now(), random(), longestProbeMs);
    if (before.mode === 'closed' && this.#breaker.mode === 'open') {
      this.#log.warn(`receiver ${this.id} does not take webhooks: one try at a time`, {
        status: answer.status,
        reason: words(answer),
      });
    }
  }

  async #giveUp(now: number): Promise<void> {
    try {
      const count = await giveUpWebhooks(this.#options.db, this.#options.account);
      this.#gaveUpAt = now;
      if (count > 0)
        this.#log.error(`receiver ${this.id} did not take ${count} webhooks for 3 days: they are dead letters now`);
    } catch {
      // The claim tells when the database is away.
    }
  }

  /** Until woken, the next poll, or the next probe. */
  async #rest(): Promise<void> {
    const now = this.#now();
    const probeAt =
      this.#breaker.mode === 'closed' ? this.#notBefore : Math.max(this.#breaker.probeAt, this.#notBefore);
    const pollMs = this.#options.pollMs ?? 1_000;
    const ms = probeAt > now ? Math.min(pollMs, probeAt - now) : pollMs;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.ceil(ms));
      this.#rouse = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#rouse = undefined;
  }
}

function words(answer: Answered): string {
  if (answer.status === null) return answer.text;
  return `answered ${answer.status}${answer.text === '' ? '' : `: ${answer.text}`}`;
}
