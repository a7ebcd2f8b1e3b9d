/** What the delivery tests share: a database, an emulator, workers on them, and rows to deliver. */
import { randomBytes } from 'node:crypto';
import type { Logger } from '../../src/log.ts';
import { Pacer } from '../../src/delivery/pacer.ts';
import { type DeliveryOptions, DeliveryWorker } from '../../src/delivery/worker.ts';
import { RetailCrmClient } from '../../src/retailcrm/client.ts';
import { type Emulator, startEmulator } from '../../src/sandbox/emulator.ts';
import { formOf } from '../../src/sandbox/requests.ts';
import { type NewOutboxRow, enqueue } from '../../src/store/outbox.ts';
import { type TestDatabase, createTestDatabase } from '../support/database.ts';

/** A row of the outbox as the tests look at it. */
export interface OutboxLook {
  external_id: string;
  state: string;
  attempts: number;
  status: number | null;
  reason: string | null;
  reply: string | null;
  errors: unknown;
  lease_owner: string | null;
}

/** One test's log lines, `level: message`. */
export interface Lines extends Logger {
  readonly lines: string[];
}

export function recordingLog(lines: string[] = []): Lines {
  const note = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  const log: Lines = {
    lines,
    error: note('error'),
    warn: note('warn'),
    info: note('info'),
    debug: () => undefined,
    child: () => recordingLog(lines),
  };
  return log;
}

/** Everything a delivery test needs; `close` ends all of it. */
export class Harness {
  readonly database: TestDatabase;
  readonly emulator: Emulator;
  readonly log = recordingLog();
  /** Added to the monotonic clock of the workers, ms. */
  skipped = 0;
  #ending: (() => Promise<void> | void)[] = [];
  #owners = 0;

  constructor(database: TestDatabase, emulator: Emulator) {
    this.database = database;
    this.emulator = emulator;
  }

  client(options: { url?: string; key?: string; timeoutMs?: number; onExchange?: () => void } = {}): RetailCrmClient {
    const client = new RetailCrmClient({
      url: this.emulator.url,
      key: 'demo-key',
      log: this.log,
      allowInsecure: true,
      ...options,
    });
    this.#ending.push(() => client.stop());
    return client;
  }

  /** A worker that does not wait where a test need not; `options` say otherwise. */
  worker(options: Partial<DeliveryOptions> = {}): DeliveryWorker {
    const worker = new DeliveryWorker({
      db: this.database.db,
      client: options.client ?? this.client(),
      account: 'demo',
      enterprise: 'acme',
      log: this.log,
      owner: `test-${(this.#owners += 1)}`,
      pacers: { telephony: new Pacer({ intervalMs: 1 }), general: new Pacer({ intervalMs: 1 }) },
      retryMs: 5,
      pollMs: 20,
      patienceMs: 300,
      now: () => performance.now() + this.skipped,
      ...options,
    });
    this.#ending.unshift(() => worker.stop());
    return worker;
  }

  async enqueue(rows: Partial<NewOutboxRow>[]): Promise<void> {
    await enqueue(
      this.database.db,
      rows.map((row) => ({ ...upload('pbx1-0.0'), ...row })),
    );
  }

  /** Rows in the order they were enqueued. */
  async rows(): Promise<OutboxLook[]> {
    const rows = await this.database.query(
      'select external_id, state, attempts, status, reason, reply, errors, lease_owner from outbox order by id',
    );
    return rows as unknown as OutboxLook[];
  }

  async states(): Promise<string[]> {
    return (await this.rows()).map((row) => row.state);
  }

  /** Ids of the calls the CRM holds. */
  held(): string[] {
    return [...this.emulator.account().calls.keys()];
  }

  /** The `calls` or `event` fields sent so far. */
  sent(path: 'calls/upload' | 'call/event'): string[] {
    const field = path === 'calls/upload' ? 'calls' : 'event';
    return this.emulator.requests({ path }).map((request) => {
      const value = formOf(request)[field];
      return typeof value === 'string' ? value : '';
    });
  }

  /** Resolves when `condition` holds; throws after 10 s. */
  async until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
    const end = Date.now() + 10_000;
    while (!(await condition())) {
      if (Date.now() > end) throw new Error(`still not: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** After each test: workers stopped, rows and emulator as new. */
  async reset(): Promise<void> {
    for (const end of this.#ending.splice(0)) await end();
    await this.database.query('truncate outbox, attempts');
    this.emulator.reset();
    this.log.lines.length = 0;
    this.skipped = 0;
  }

  async close(): Promise<void> {
    await this.emulator.stop();
    await this.database.drop();
  }
}

/** A harness whose emulator has no rate limit, unless `limits`. */
export async function startHarness(options: { limits?: boolean } = {}): Promise<Harness> {
  let clock = 0;
  const monotonic = options.limits ? {} : { monotonic: () => (clock += 1_000) };
  const [database, emulator] = await Promise.all([createTestDatabase(), startEmulator({ port: 0, ...monotonic })]);
  return new Harness(database, emulator);
}

const base = { enterprise: 'acme', account: 'demo', host: 'pbx1' };

/** An upload row. */
export function upload(externalId: string, more: Partial<NewOutboxRow> = {}): NewOutboxRow {
  const call = {
    date: '2026-03-01 12:00:05',
    type: 'in',
    phone: '+375290000101',
    result: 'answered',
    duration: 64,
    externalId,
  };
  return { ...base, kind: 'upload', externalId, callId: externalId, payload: JSON.stringify(call), ...more };
}

/** `count` upload rows `pbx1-<first>.0`, … */
export const uploads = (count: number, first = 1): NewOutboxRow[] =>
  Array.from({ length: count }, (_, index) => upload(`pbx1-${first + index}.0`));

/** A popup row of a call; fresh for 10 s. */
export function popup(
  callId: string,
  type: 'in' | 'out' | 'hangup' = 'in',
  more: Partial<NewOutboxRow> = {},
): NewOutboxRow {
  const event = {
    phone: '+375290000101',
    type,
    codes: ['150'],
    callExternalId: callId,
    ...(type === 'hangup' ? { hangupStatus: 'answered' } : {}),
  };
  const expiresAt = new Date(Date.now() + 10_000);
  const externalId = `${callId}:${type}:${randomBytes(3).toString('hex')}`;
  return {
    ...base,
    kind: 'event',
    externalId,
    callId,
    type,
    codes: ['150'],
    payload: JSON.stringify(event),
    expiresAt,
    ...more,
  };
}
