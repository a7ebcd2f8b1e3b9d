import type { HostEvent, Instant } from '../calls/events.ts';
import type { Logger } from '../log.ts';
import type { ActionOutcome, ListOutcome } from './actions.ts';
import { AmiClient, type AmiClientOptions, type AmiSession } from './client.ts';
import { systemClock } from './clock.ts';
import type { CloseReason, StreamCounters } from './connection.ts';
import { defaultVariables, neededEvents, noticedEvents, toHostEvent } from './events.ts';
import type { AmiMessage } from './message.ts';
import type { ActionFields } from './outgoing.ts';
import { askCore, type CoreStatus, type HostSnapshot, isFreshBoot, type LastSeen, takeSnapshot } from './snapshot.ts';

/** `down`: no session. `syncing`: logged in, the snapshot is not there yet. `live`: events are handed on as they come. */
export type LinkState = 'down' | 'syncing' | 'live';

/** How the link to a host stands, for health pages and logs. */
export interface LinkStatus {
  state: LinkState;
  /** When this state began, by our clock. */
  since: Instant;
  /** Greeting of the current session. */
  banner: string | undefined;
  /** Host's clock minus ours, milliseconds, measured at the last login. */
  skewMs: number | undefined;
  /** Start of Asterisk as it wrote it, in its own local time. Two host entries with one value may be one host. */
  startup: string | undefined;
  /** Channels that had run the dial plan since that start, at the last login; see `HostSnapshot`. */
  processedCalls: number | undefined;
  /** Why the last session ended or the last snapshot failed. */
  lastFault: string | undefined;
  counters: Readonly<StreamCounters>;
}

/** How long `core` waits: whoever asks each few seconds must not pile up. */
const coreMs = 2_000;

/** Options of a link: those of the client, and what to do with what the host says. */
export interface HostLinkOptions extends Omit<AmiClientOptions, 'wanted' | 'variables'> {
  /**
   * Events in order, one call per piece of the stream. After a login the first event is `Resync`; the last one of a
   * session is `Disconnected`. A throw is logged and stops nothing.
   */
  onEvents: (events: HostEvent[]) => void;
  onState?: ((status: LinkStatus) => void) | undefined;
  /**
   * An event that is not the core's (`noticedEvents`), at once, whatever state the link is in. It may come before events
   * of the same piece of the stream that `onEvents` hands on. A throw is logged and stops nothing.
   */
  onNotice?: ((message: AmiMessage, arrivedAt: Instant) => void) | undefined;
  /** The host refuses our login; see `AmiListener`. */
  onAuthRefused?: ((reason: CloseReason) => void) | undefined;
  /** Channel variables to report. Default `MIXMONITOR_FILENAME`, `X_CRM_ID`. */
  variables?: ReadonlySet<string> | undefined;
  /** Pause before a failed snapshot is asked again. Default 5 s; twelve times that if the host refuses it. */
  snapshotRetryMs?: number | undefined;
  /** Most events kept while there is no snapshot, then the connection is given up. Default 100,000. */
  mostKept?: number | undefined;
}

/**
 * What the daemon knows of one Asterisk: a client, the translation of its events, and a snapshot after each login.
 *
 * Events that arrive while the snapshot is on its way are kept and handed on after it, in their order; some may be older
 * than the snapshot, so `calls/` treats every event idempotently by Uniqueid. If the session dies before its snapshot
 * came, the kept events are handed on with the `Disconnected`: they happened, and the next Resync puts them right.
 */
export class HostLink {
  readonly #options: HostLinkOptions;
  readonly #log: Logger;
  readonly #client: AmiClient;
  readonly #now: () => Instant;
  #state: LinkState = 'down';
  #since: Instant;
  #session: AmiSession | undefined;
  #batch: HostEvent[] = [];
  #snapshot: HostSnapshot | undefined;
  #lastSeen: LastSeen | undefined;
  #lastFault: string | undefined;
  /** Does this host write `Timestamp`? Then its clock is the one all our moments are told in. */
  #stamped = true;
  #cancelRetry: () => void = () => undefined;

  constructor(options: HostLinkOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#now = () => (options.clock ?? systemClock).now();
    this.#since = this.#now();
    this.#client = new AmiClient(
      { ...options, wanted: neededEvents, variables: options.variables ?? defaultVariables },
      {
        onUp: (session) => this.#sync(session),
        onDown: (reason, heardAt) => this.#down(reason, heardAt),
        onMessage: (message, arrivedAt) => this.#take(message, arrivedAt),
        onChunkEnd: () => this.#flush(),
        onAuthRefused: (reason) => {
          this.#lastFault = `${reason.cause}: ${reason.detail}`;
          options.onAuthRefused?.(reason);
        },
      },
    );
  }

  /** Connects, and stays connected until `stop`. */
  start(): void {
    this.#client.start();
  }

  /** Hands on what is kept, logs off and stays away. */
  async stop(): Promise<void> {
    this.#cancelRetry();
    await this.#client.stop();
  }

  /** Sends an action, if the host is connected at all; see `AmiConnection.action`. */
  action(fields: ActionFields, deadlineMs?: number): Promise<ActionOutcome> {
    return this.#client.action(fields, deadlineMs);
  }

  /** Sends a list action; see `AmiConnection.list`. */
  list(fields: ActionFields, deadlineMs?: number): Promise<ListOutcome> {
    return this.#client.list(fields, deadlineMs);
  }

  /** Start and counter of the host as they are now; both unknown if it is not connected or slow. Throws never. */
  core(): Promise<CoreStatus> {
    return askCore(this.#client, coreMs);
  }

  status(): LinkStatus {
    return {
      state: this.#state,
      since: this.#since,
      banner: this.#session?.banner,
      skewMs: this.#snapshot?.skewMs,
      startup: this.#snapshot?.startup,
      processedCalls: this.#snapshot?.processedCalls,
      lastFault: this.#lastFault,
      counters: this.#client.counters,
    };
  }

  #take(message: AmiMessage, arrivedAt: Instant): void {
    if (noticedEvents.has(message.name)) {
      this.#options.onNotice?.(message, arrivedAt); // the client guards its listener
      return;
    }
    const event = toHostEvent(message, arrivedAt, this.#options.variables ?? defaultVariables);
    if (!event) return;
    this.#stamped = message.get('Timestamp') !== undefined;
    this.#batch.push(event);
    if (this.#state !== 'live' && this.#batch.length > (this.#options.mostKept ?? 100_000)) {
      this.#session?.abort('unsynced', 'too many events before the snapshot');
    }
  }

  #flush(): void {
    if (this.#state === 'live') this.#deliver();
  }

  #deliver(): void {
    const events = this.#batch;
    if (events.length === 0) return;
    this.#batch = [];
    try {
      this.#options.onEvents(events);
    } catch (error) {
      this.#log.error('ami: events were not taken', { err: error, count: events.length, first: events[0]?.event });
    }
  }

  #sync(session: AmiSession): void {
    this.#session = session;
    this.#become('syncing');
    void this.#askSnapshot(session);
  }

  async #askSnapshot(session: AmiSession): Promise<void> {
    const result = await takeSnapshot(session, this.#now, this.#options.variables);
    if (this.#session !== session) return;
    if (result.snapshot) {
      this.#synced(session, result.snapshot);
      return;
    }
    this.#lastFault = result.reason;
    this.#log.error('ami: no snapshot, the host is not synced', { reason: result.reason });
    const pause = (this.#options.snapshotRetryMs ?? 5_000) * (result.refused ? 12 : 1);
    this.#cancelRetry = (this.#options.clock ?? systemClock).after(pause, () => void this.#askSnapshot(session));
  }

  #synced(session: AmiSession, snapshot: HostSnapshot): void {
    const now = this.#now();
    this.#snapshot = snapshot;
    const fresh = isFreshBoot(this.#lastSeen, snapshot.startup, session.bootUptime, now);
    this.#log.info('ami: synced', { channels: snapshot.channels.length, kept: this.#batch.length, fresh });
    const { channels, queued } = snapshot;
    this.#batch.unshift({ event: 'Resync', at: this.#hostTime(now), channels, fresh, queued });
    this.#become('live');
    this.#deliver();
  }

  #down(reason: CloseReason, heardAt: Instant): void {
    this.#cancelRetry();
    this.#session = undefined;
    // A session that died before its snapshot told the core nothing: what counts is when we last knew all channels.
    if (this.#state === 'live') this.#lastSeen = { startup: this.#snapshot?.startup, heardAt };
    this.#lastFault = `${reason.cause}: ${reason.detail}`;
    this.#batch.push({ event: 'Disconnected', at: this.#hostTime(heardAt) });
    this.#deliver();
    this.#become('down');
  }

  /** A moment of our clock as the host would write it, so that it compares with the `at` of its events. */
  #hostTime(ours: Instant): Instant {
    return ours + (this.#stamped ? (this.#snapshot?.skewMs ?? 0) : 0);
  }

  #become(state: LinkState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#since = this.#now();
    this.#options.onState?.(this.status());
  }
}
