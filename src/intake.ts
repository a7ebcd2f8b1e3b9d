import { createHistogram } from 'node:perf_hooks';
import { systemClock } from './ami/clock.ts';
import type { Batch } from './batch.ts';
import { emptyBatch, isEmpty, merged, MOST_ROWS, shedWebhooks, withdraw } from './batch.ts';
import type { Call, Fact } from './calls/call.ts';
import type { HostEvent } from './calls/events.ts';
import { HostCalls } from './calls/hostCalls.ts';
import type { LiveCall } from './calls/live.ts';
import type { HostRules } from './calls/rules.ts';
import type { PlanSettings } from './delivery/plan.ts';
import { followUps } from './delivery/followUps.ts';
import { decided, plan } from './delivery/plan.ts';
import { type WebhookReceiver, webhookPlan } from './delivery/webhookPlan.ts';
import { type GroupCommit, groupCommit } from './groupCommit.ts';
import { Buckets } from './http/figures.ts';
import type { Logger } from './log.ts';
import { milestone } from './milestones.ts';
import type { Origin, UserAt } from './rows.ts';
import { dropRow, errandRow, outboxRow, webhookRow } from './rows.ts';
import { ClockSkew } from './skew.ts';
import type { CallRow } from './store/calls.ts';
import { openCalls } from './store/calls.ts';
import type { Db } from './store/database.ts';
import type { OutboxKind } from './store/outbox.ts';

/** What one host's intake needs. */
export interface IntakeOptions extends Origin {
  rules: HostRules;
  /** Asked at each fact: the account's zone may become known later. */
  settings: () => PlanSettings;
  /** Who else is told of calls. */
  webhooks?: readonly WebhookReceiver[];
  /** A call with this number (E.164) began: whoever looks customers up may start. Must return at once. */
  expect?: (phone: string) => void;
  /** Whose an extension was when. */
  userAt?: UserAt;
  db: Db;
  /** The writer all hosts share; a test may leave it out. */
  commits?: GroupCommit;
  log: Logger;
  /** Requests of these kinds were committed: the lane should look. */
  onCommitted: (kinds: readonly OutboxKind[]) => void;
  /** Group commit of the host's writes, milliseconds; what comes while a commit is under way is gathered anyway. Default 5. */
  commitMs?: number;
}

/** Pauses between attempts to write while the database is away, milliseconds. */
const RETRY_MS = [250, 500, 1000, 2000, 5000] as const;

/**
 * THE SPINE of one host: AMI events → facts → one transaction (call + outbox + drop ledger) → wake the lane.
 * `take` never waits: it runs inside the socket's data callback. Nothing is sent that has not been committed here.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #log: Logger;
  readonly #host: HostCalls;
  readonly #skew = new ClockSkew();
  /** Milliseconds from the oldest event of a commit on the PBX until it was durable; 1 and more. Whoever reads it resets it. */
  readonly commits = createHistogram();
  /** The same in seconds, for metrics: it only grows. */
  readonly durable = new Buckets([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]);
  #batch: Batch = emptyBatch();
  #writing: Promise<void> | undefined;
  /** Calls the present wait for the next due moment off. */
  #unwake: () => void = () => undefined;
  #stopped = false;
  readonly #writer: GroupCommit;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#host = new HostCalls(options.rules);
    this.#writer = options.commits ?? groupCommit(options.db);
  }

  /** Calls that live now. */
  get liveCalls(): readonly Call[] {
    return this.#host.calls();
  }

  /** The same with the channels somebody may act on. */
  live(): LiveCall[] {
    return this.#host.live();
  }

  /** Rows that wait for the database. */
  get waiting(): number {
    return this.#batch.calls.size + this.#batch.outbox.length + this.#batch.drops.length;
  }

  /** Takes up the calls that lived when the process stopped; the first `Resync` will tell what became of them. */
  async start(): Promise<void> {
    const rows = await openCalls(this.#options.db, this.#options.enterprise, this.#options.host);
    const calls: Call[] = [];
    for (const row of rows) {
      const call = asCall(row);
      if (call === undefined)
        this.#log.error('a stored call cannot be read and is left as it is', { call: row.externalId });
      else calls.push(call);
    }
    this.#host.restore(calls);
    if (calls.length > 0) this.#log.info(`took up ${calls.length} calls that lived when we stopped`);
  }

  /** Events of the host, in order. */
  take(events: readonly HostEvent[]): void {
    const now = Date.now();
    for (const event of events) {
      this.#passTime(event.at);
      // What a snapshot tells happened long ago: that says nothing about our speed.
      this.#tell(this.#host.apply(event), event.event === 'Resync' ? now : event.at - this.#skew.ms);
    }
    const last = events.at(-1);
    if (last !== undefined) this.#skew.seen(last.at, now);
    this.#schedule();
  }

  /** Settles when everything taken so far is committed. */
  async drain(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Writes what is left and takes nothing more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unwake();
    await this.drain();
  }

  /** Ring rounds and the like fall due between events: each at its own moment. */
  #passTime(until: number): void {
    for (let due = this.#host.wakeAt(); due !== undefined && due <= until; due = this.#host.wakeAt()) {
      this.#tell(this.#host.apply({ event: 'Tick', at: due }), due - this.#skew.ms);
    }
  }

  #schedule(): void {
    this.#unwake();
    const due = this.#host.wakeAt();
    if (due === undefined || this.#stopped) return;
    const inMs = Math.max(0, due - this.#skew.ms - Date.now());
    // Not a bare timer: what was heard while the process stood still is told before the time that passed.
    this.#unwake = systemClock.after(inMs, () => {
      this.#passTime(Math.max(due, Date.now() + this.#skew.ms));
      this.#schedule();
    });
  }

  #tell(facts: readonly Fact[], happened: number): void {
    if (facts.length === 0) return;
    this.#batch.since ??= happened;
    const settings = this.#options.settings();
    for (const told of facts) {
      if (told.fact === 'unknown channel') continue; // `PatternWatch` names them once a day
      const fact = decided(told, settings);
      this.#say(fact);
      if (fact.fact === 'dropped') this.#batch.drops.push(dropRow(fact, this.#options));
      const { call } = fact;
      if (call === undefined || call.direction === 'internal') continue;
      if (this.#full(call)) continue;
      this.#batch.calls.set(call.externalId, call);
      this.#withdraw(fact, settings);
      for (const request of plan(fact, settings)) {
        this.#batch.outbox.push(outboxRow(request, this.#options, this.#skew.ms));
      }
      for (const errand of settings.followUps === undefined ? [] : followUps(fact, settings.followUps)) {
        this.#batch.outbox.push(errandRow(errand, this.#options));
      }
      const begins = fact.fact === 'call.incoming' || fact.fact === 'call.outgoing';
      if (begins && call.excluded === undefined && call.customer.kind === 'phone') {
        this.#options.expect?.(call.customer.e164);
      }
      for (const hook of webhookPlan(fact, this.#options.webhooks ?? [], settings, this.#options)) {
        this.#batch.outbox.push(webhookRow(hook, this.#options, this.#skew.ms));
      }
    }
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** A ring that ended takes back its popup if it has not been sent yet (P5: never shown after the ring). */
  #withdraw(fact: Fact, settings: PlanSettings): void {
    const exts =
      fact.fact === 'stopped ringing'
        ? fact.exts
        : fact.fact === 'call.answered'
          ? fact.losers
          : fact.fact === 'call.finished' || fact.fact === 'call.missed'
            ? fact.open
            : [];
    if (exts.length === 0 || fact.fact === 'dropped' || fact.fact === 'unknown channel') return;
    const codes = exts.map((ext) => settings.codeOf(ext));
    const callId = fact.call.externalId;
    withdraw(this.#batch, callId, codes);
  }

  #say(fact: Exclude<Fact, { fact: 'unknown channel' }>): void {
    const sentence = milestone(fact);
    const linkedid = fact.fact === 'dropped' ? fact.linkedid : fact.call.linkedid;
    const call = fact.call?.externalId;
    if (sentence !== undefined) this.#log.info(sentence, { linkedid, ...(call === undefined ? {} : { call }) });
  }

  #full(call: Call): boolean {
    if (this.#batch.calls.size < MOST_ROWS || this.#batch.calls.has(call.externalId)) return false;
    this.#batch.overflow ??= { since: new Date(), lost: 0 };
    if (call.state === 'ended') this.#batch.overflow.lost += 1;
    return true;
  }

  /** Writes batches until there is nothing left; keeps trying while the database is away. */
  async #write(): Promise<void> {
    await pause(this.#options.commitMs ?? 5);
    for (let failures = 0; !isEmpty(this.#batch); ) {
      const batch = this.#batch;
      this.#batch = emptyBatch();
      try {
        await this.#commit(batch);
        if (batch.since !== undefined) this.#durableAfter(Date.now() - batch.since);
        if (failures > 0) this.#log.warn('the database takes writes again', { failures });
        failures = 0;
      } catch (error) {
        this.#batch = merged(batch, this.#batch);
        const webhooks = shedWebhooks(this.#batch);
        if (webhooks > 0) this.#log.error('too many webhooks wait for the database; the oldest are lost', { webhooks });
        if (failures === 0)
          this.#log.error('the database does not take writes; events are kept in memory', { err: error });
        if (this.#stopped && failures >= RETRY_MS.length) {
          this.#log.error('stopped with unwritten calls; the next snapshot and the CDR must recover them', {
            calls: this.#batch.calls.size,
          });
          return;
        }
        await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 5000);
        failures += 1;
      }
    }
  }

  #durableAfter(ms: number): void {
    this.commits.record(Math.max(1, Math.round(ms)));
    this.durable.add(Math.max(0, ms) / 1000);
  }

  async #commit(batch: Batch): Promise<void> {
    const { enterprise, host, account, rules, userAt } = this.#options;
    await this.#writer.add({ batch, origin: { enterprise, host, account }, policies: rules.policies, userAt });
    const kinds = [...new Set(batch.outbox.map(({ kind }) => kind))];
    if (kinds.length > 0) this.#options.onCommitted(kinds);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The `live` column is our own JSON, but the database may have been edited by hand: what does not fit is not used. */
function asCall(row: CallRow): Call | undefined {
  const { live } = row;
  if (typeof live !== 'object' || live === null) return undefined;
  const call = live as Partial<Call>;
  const fits =
    call.externalId === row.externalId &&
    typeof call.firstUniqueid === 'string' &&
    typeof call.startedAt === 'number' &&
    typeof call.customer === 'object' &&
    typeof call.popups === 'object' &&
    [call.rang, call.talks, call.transfers, call.recordings, call.story].every((list) => Array.isArray(list)) &&
    (call.state === 'new' || call.state === 'ringing' || call.state === 'talking');
  return fits ? (call as Call) : undefined;
}
