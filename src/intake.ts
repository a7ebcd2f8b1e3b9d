import { createHistogram } from 'node:perf_hooks';
import type { Call, Fact } from './calls/call.ts';
import type { HostEvent } from './calls/events.ts';
import { HostCalls } from './calls/hostCalls.ts';
import type { HostRules } from './calls/rules.ts';
import type { PlanSettings } from './delivery/plan.ts';
import { plan } from './delivery/plan.ts';
import type { Logger } from './log.ts';
import { milestone } from './milestones.ts';
import type { Origin } from './rows.ts';
import { callRow, dropRow, outboxRow } from './rows.ts';
import { ClockSkew } from './skew.ts';
import type { CallRow } from './store/calls.ts';
import { openCalls, saveCalls } from './store/calls.ts';
import type { Db } from './store/database.ts';
import { inTransaction } from './store/database.ts';
import type { DropRow } from './store/drops.ts';
import { recordDrops } from './store/drops.ts';
import { openGap } from './store/gaps.ts';
import type { NewOutboxRow } from './store/outbox.ts';
import { enqueue, withdrawPopups, withoutCodes } from './store/outbox.ts';

/** What one host's intake needs. */
export interface IntakeOptions extends Origin {
  rules: HostRules;
  /** Asked at each fact: the account's zone may become known later. */
  settings: () => PlanSettings;
  db: Db;
  log: Logger;
  /** Something was committed that the lane should look at. */
  onCommitted: () => void;
  /** Group commit of the host's writes, milliseconds. Default 20. */
  commitMs?: number;
}

/** What must be written next. A call's later state replaces its earlier one; the rest is appended. */
interface Batch {
  /** When the oldest fact in it happened, by our clock; undefined for an empty one. */
  since: number | undefined;
  calls: Map<string, CallRow>;
  outbox: NewOutboxRow[];
  withdrawn: { callId: string; codes: string[] }[];
  /** Popups that will never be shown: a hangup for them would close nothing. */
  unshown: { callId: string; code: string }[];
  drops: DropRow[];
}

/** Rows that may wait for a database that is away: about 64 MiB. Beyond that, new ones are counted as a gap. */
const MOST_ROWS = 50_000;
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
  #batch: Batch = emptyBatch();
  #writing: Promise<void> | undefined;
  #wake: NodeJS.Timeout | undefined;
  #stopped = false;
  #overflow: { since: Date; lost: number } | undefined;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#host = new HostCalls(options.rules);
  }

  /** Calls that live now. */
  get liveCalls(): readonly Call[] {
    return this.#host.calls();
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
    clearTimeout(this.#wake);
    await this.drain();
  }

  /** Ring rounds and the like fall due between events: each at its own moment. */
  #passTime(until: number): void {
    for (let due = this.#host.wakeAt(); due !== undefined && due <= until; due = this.#host.wakeAt()) {
      this.#tell(this.#host.apply({ event: 'Tick', at: due }), due - this.#skew.ms);
    }
  }

  #schedule(): void {
    clearTimeout(this.#wake);
    const due = this.#host.wakeAt();
    if (due === undefined || this.#stopped) return;
    const inMs = Math.max(0, due - this.#skew.ms - Date.now());
    this.#wake = setTimeout(() => {
      this.#passTime(Math.max(due, Date.now() + this.#skew.ms));
      this.#schedule();
    }, inMs);
  }

  #tell(facts: readonly Fact[], happened: number): void {
    if (facts.length === 0) return;
    this.#batch.since ??= happened;
    const { rules } = this.#options;
    const settings = this.#options.settings();
    for (const fact of facts) {
      if (fact.fact === 'unknown channel') continue; // `PatternWatch` names them once a day
      this.#say(fact);
      if (fact.fact === 'dropped') this.#batch.drops.push(dropRow(fact, this.#options));
      const { call } = fact;
      if (call === undefined || call.direction === 'internal') continue;
      if (this.#full(call)) continue;
      this.#batch.calls.set(call.externalId, callRow(call, this.#options, rules.policies));
      this.#withdraw(fact, settings);
      for (const request of plan(fact, settings)) {
        this.#batch.outbox.push(outboxRow(request, this.#options, this.#skew.ms));
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
    // The popup may not even be written yet: then it never is, nor is its end.
    this.#batch.outbox = this.#batch.outbox.flatMap((row) => {
      if (row.type !== 'in' || row.callId !== callId) return [row];
      this.#batch.unshown.push(...codes.filter((code) => row.codes?.includes(code)).map((code) => ({ callId, code })));
      return withoutPopups(row, codes);
    });
    this.#batch.withdrawn.push({ callId, codes });
  }

  #say(fact: Exclude<Fact, { fact: 'unknown channel' }>): void {
    const sentence = milestone(fact);
    const linkedid = fact.fact === 'dropped' ? fact.linkedid : fact.call.linkedid;
    const call = fact.call?.externalId;
    if (sentence !== undefined) this.#log.info(sentence, { linkedid, ...(call === undefined ? {} : { call }) });
  }

  #full(call: Call): boolean {
    if (this.#batch.calls.size < MOST_ROWS || this.#batch.calls.has(call.externalId)) return false;
    this.#overflow ??= { since: new Date(), lost: 0 };
    if (call.state === 'ended') this.#overflow.lost += 1;
    return true;
  }

  /** Writes batches until there is nothing left; keeps trying while the database is away. */
  async #write(): Promise<void> {
    await pause(this.#options.commitMs ?? 20);
    for (let failures = 0; !isEmpty(this.#batch); ) {
      const batch = this.#batch;
      this.#batch = emptyBatch();
      try {
        await this.#commit(batch);
        if (batch.since !== undefined) this.commits.record(Math.max(1, Math.round(Date.now() - batch.since)));
        if (failures > 0) this.#log.warn('the database takes writes again', { failures });
        failures = 0;
      } catch (error) {
        this.#batch = merged(batch, this.#batch);
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

  async #commit(batch: Batch): Promise<void> {
    const { db, account, onCommitted, enterprise, host } = this.#options;
    const overflow = this.#overflow;
    await inTransaction(db, async (trx) => {
      await saveCalls(trx, [...batch.calls.values()]);
      await recordDrops(trx, batch.drops);
      const unshown = [...batch.unshown];
      for (const one of batch.withdrawn) {
        const codes = await withdrawPopups(trx, { account, ...one, reason: 'the ring ended first' });
        unshown.push(...codes.map((code) => ({ callId: one.callId, code })));
      }
      await enqueue(trx, withoutUnshown(unexpired(batch.outbox), unshown));
      if (overflow !== undefined)
        await openGap(trx, {
          enterprise,
          host,
          from: overflow.since,
          cause: `memory full: ${overflow.lost} calls not kept`,
        });
    });
    if (overflow !== undefined) this.#overflow = undefined;
    if (batch.outbox.length > 0) onCommitted();
  }
}

function emptyBatch(): Batch {
  return { since: undefined, calls: new Map(), outbox: [], withdrawn: [], unshown: [], drops: [] };
}

function isEmpty(batch: Batch): boolean {
  return batch.calls.size === 0 && batch.outbox.length === 0 && batch.drops.length === 0;
}

/** What could not be written goes before what came meanwhile. Popups whose time is over are shed first (P10). */
function merged(older: Batch, newer: Batch): Batch {
  return {
    since: older.since ?? newer.since,
    calls: new Map([...older.calls, ...newer.calls]),
    outbox: [...unexpired(older.outbox), ...newer.outbox],
    withdrawn: [...older.withdrawn, ...newer.withdrawn].slice(-MOST_ROWS),
    unshown: [...older.unshown, ...newer.unshown].slice(-MOST_ROWS),
    drops: [...older.drops, ...newer.drops].slice(-MOST_ROWS),
  };
}

/** The popup without these extensions; nothing if it addresses nobody any more. */
function withoutPopups(row: NewOutboxRow, gone: readonly string[]): NewOutboxRow[] {
  const codes = row.codes?.filter((code) => !gone.includes(code)) ?? [];
  if (codes.length === row.codes?.length) return [row];
  return codes.length === 0 ? [] : [{ ...row, codes, payload: withoutCodes(row.payload, gone) }];
}

/** A hangup goes to nobody who never saw the popup (P4: in, then hangup). */
function withoutUnshown(rows: readonly NewOutboxRow[], unshown: Batch['unshown']): NewOutboxRow[] {
  if (unshown.length === 0) return [...rows];
  return rows.flatMap((row) => {
    if (row.type !== 'hangup') return [row];
    return withoutPopups(
      row,
      unshown.filter((one) => one.callId === row.callId).map((one) => one.code),
    );
  });
}

function unexpired(rows: readonly NewOutboxRow[]): NewOutboxRow[] {
  const now = Date.now();
  return rows.filter((row) => row.expiresAt === undefined || row.expiresAt === null || row.expiresAt.getTime() > now);
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
    [call.rang, call.talks, call.transfers, call.recordings].every((list) => Array.isArray(list)) &&
    (call.state === 'new' || call.state === 'ringing' || call.state === 'talking');
  return fits ? (call as Call) : undefined;
}
