import type { HostEvent } from '../calls/events.ts';
import type { Logger } from '../log.ts';
import { findCalls } from '../store/calls.ts';
import { type Click, openClicks, settleClick } from '../store/clicks.ts';
import type { Db } from '../store/database.ts';
import type { ActionHost } from './host.ts';

/** What the watch needs. */
export interface ClickWatchOptions {
  readonly enterprise: string;
  readonly db: Db;
  readonly log: Logger;
  readonly hosts: readonly ActionHost[];
}

/** A click whose end is still to come. */
interface Open {
  readonly enterprise: string;
  readonly id: string;
  readonly host: string;
  readonly channelId: string;
  /** What OriginateResponse said of a phone that was not answered; the hangup's cause says more. */
  reason?: string;
  since: number;
}

/** No phone rings longer than its two minutes; whose end was not heard by then is not waited for. */
const LONGEST_MS = 10 * 60_000;

/** Why she did not answer, by the cause of the hangup (Q.850). */
const reasons: Readonly<Record<number, string>> = {
  1: 'unreachable',
  3: 'unreachable',
  17: 'busy',
  18: 'no answer',
  19: 'no answer',
  20: 'unreachable',
  21: 'declined',
  27: 'unreachable',
  38: 'unreachable',
};

/** Why her phone was not answered: `no answer`, `busy`, `declined`, `unreachable`, `failed`. */
export function missedReason(cause: number | undefined): string | undefined {
  return cause === undefined ? undefined : reasons[cause];
}

/** Finds out what became of clicks: by OriginateResponse and Hangup, after a lost connection by what still lives. */
export class ClickWatch {
  readonly #options: ClickWatchOptions;
  readonly #open = new Map<string, Open>();
  readonly #writing = new Set<Promise<void>>();

  constructor(options: ClickWatchOptions) {
    this.#options = options;
  }

  /** Clicks an earlier process left open: whether they rang is told by the first snapshot, or never. */
  async start(): Promise<void> {
    const { enterprise, db, hosts, log } = this.#options;
    for (const { id: host } of hosts) {
      const clicks = await openClicks(db, enterprise, host).catch((error: unknown) => {
        log.error('open clicks could not be read', { err: error });
        return [];
      });
      for (const click of clicks) {
        if (click.state === 'claimed') this.#settle(click, { state: 'unknown', reason: 'the daemon was stopped' });
        this.expect(click);
      }
    }
  }

  /** A click is on its way. */
  expect(click: Pick<Open, 'enterprise' | 'id' | 'host' | 'channelId'>): void {
    const now = Date.now();
    for (const [key, open] of this.#open) {
      if (open.since + LONGEST_MS > now) break;
      this.#open.delete(key);
    }
    const { enterprise, id, host, channelId } = click;
    this.#open.set(keyOf(host, channelId), { enterprise, id, host, channelId, since: now });
  }

  /** OriginateResponse. Reason 3: it rang out; 0: everything else that is no answer. */
  originated(host: string, channelId: string, success: boolean, reason: number | undefined): void {
    const open = this.#open.get(keyOf(host, channelId));
    if (open === undefined) return;
    if (success) {
      this.#open.delete(keyOf(host, channelId));
      this.#settle(open, { state: 'answered' });
      return;
    }
    open.reason = reason === 3 ? 'no answer' : 'failed';
    this.#settle(open, { state: 'failed', reason: open.reason });
  }

  /** Hangups of phones that were not answered, and snapshots. */
  heard(host: string, events: readonly HostEvent[]): void {
    if (this.#open.size === 0) return;
    for (const event of events) {
      if (event.event === 'Hangup') {
        const key = keyOf(host, event.chan.uniqueid);
        const open = this.#open.get(key);
        if (open === undefined) continue;
        this.#open.delete(key);
        const reason = open.reason === 'no answer' ? open.reason : missedReason(event.cause);
        this.#settle(open, { state: 'failed', reason: reason ?? open.reason ?? 'failed', cause: event.cause });
      } else if (event.event === 'Resync') {
        this.#resolve(host, new Map(event.channels.map((channel) => [channel.uniqueid, channel.state])));
      }
    }
  }

  /** Resolves when everything known so far is written. */
  async drain(): Promise<void> {
    while (this.#writing.size > 0) await Promise.all(this.#writing);
  }

  /** A26: the connection broke and is back. What lives now was started; what does not is told by its call, if it made one. */
  #resolve(host: string, living: ReadonlyMap<string, string>): void {
    for (const [key, open] of this.#open) {
      if (open.host !== host) continue;
      const state = living.get(open.channelId);
      if (state === 'Up') {
        this.#open.delete(key);
        this.#settle(open, { state: 'answered' });
      } else if (state !== undefined) this.#settle(open, { state: 'queued' });
      else {
        this.#open.delete(key);
        this.#write(this.#byItsCall(open));
      }
    }
  }

  async #byItsCall(open: Open): Promise<void> {
    const { db } = this.#options;
    const [call] = await findCalls(db, { enterprise: open.enterprise, id: `${open.host}-${open.channelId}` });
    if (call === undefined || call.externalId !== `${open.host}-${open.channelId}`) {
      await settleClick(db, open, { state: 'unknown', reason: 'its phone was not seen to ring' });
    } else if (detailOf(call.record) === 'employee did not answer') {
      await settleClick(db, open, { state: 'failed', reason: 'no answer' });
    } else await settleClick(db, open, { state: 'answered' });
  }

  #settle(open: Pick<Click, 'enterprise' | 'id'>, now: Parameters<typeof settleClick>[2]): void {
    this.#write(settleClick(this.#options.db, open, now));
  }

  #write(work: Promise<void>): void {
    const done = work
      .catch((error: unknown) => this.#options.log.error('what became of a click was not written', { err: error }))
      .finally(() => this.#writing.delete(done));
    this.#writing.add(done);
  }
}

function keyOf(host: string, channelId: string): string {
  return `${host} ${channelId}`;
}

function detailOf(record: unknown): unknown {
  return typeof record === 'object' && record !== null && 'resultDetail' in record ? record.resultDetail : undefined;
}
