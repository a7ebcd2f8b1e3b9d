import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import { RetailCrmClient } from '../retailcrm/client.ts';
import { CrmError } from '../retailcrm/errors.ts';
import { CrmHttp, type WireExchange } from '../retailcrm/http.ts';
import type { Customer, Order, User } from '../retailcrm/types.ts';
import type { Created } from './types.ts';

/** What a run is asked to do. */
export interface ProbeOptions {
  readonly enterprise: string;
  readonly url: string;
  readonly key: string;
  readonly allowInsecure: boolean;
  /** Shop of what is created; undefined = the only one there is. */
  readonly site: string | undefined;
  /** Zone the configuration names; undefined = the account's. */
  readonly timezone: string | undefined;
  /** Code of the telephony module. */
  readonly moduleCode: string;
  /** Create things; else only read. */
  readonly write: boolean;
  /** Try files too: storage may be billed. */
  readonly files: boolean;
  /** Number to look up; undefined = one of the first customers'. */
  readonly phone: string | undefined;
  /** Extension that is shown a popup; undefined = one nobody has. */
  readonly extension: string | undefined;
  /** How often each reading request is measured. Default 3. */
  readonly repeat?: number | undefined;
  /** Pause between requests, ms. Default 250: a daemon that runs beside it keeps its share of the API's ten a second. */
  readonly paceMs?: number | undefined;
  /** Deadline of a request, ms. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Id of the run. Default: random. */
  readonly id?: string | undefined;
  /** Waits; default: by the clock. */
  readonly pause?: ((ms: number) => Promise<unknown>) | undefined;
  readonly now?: (() => number) | undefined;
  /** Ends the run after the check under way; what was created is still told. */
  readonly signal?: AbortSignal | undefined;
  readonly log: Logger;
}

/** What earlier checks found and later ones use. */
export interface Known {
  zone?: string | undefined;
  sites: readonly string[];
  methods: readonly string[];
  users: readonly User[];
  customers: readonly Customer[];
  orders: readonly Order[];
  credentials: readonly string[];
  site?: string | undefined;
  /** Ids of what this run created. */
  customer?: number;
  order?: number;
}

/** A check has nothing to do here; the reason is its sentence. */
export class Skipped extends Error {
  override readonly name = 'Skipped';
}

/** How often a request that was told to slow down is asked again. */
const RATE_TRIES = 3;

/** One run against one account: a client whose every word is kept, paced, and what is known so far. */
export class Session {
  readonly options: ProbeOptions;
  readonly id: string;
  readonly mark: string;
  readonly client: RetailCrmClient;
  /** The same account without the client's knowledge of the API: for mistakes on purpose. */
  readonly http: CrmHttp;
  readonly known: Known = { sites: [], methods: [], users: [], customers: [], orders: [], credentials: [] };
  readonly created: Created[] = [];
  /** Peculiarities that checks noticed. */
  readonly notes = new Set<string>();
  #wire: WireExchange[] = [];
  #nextAt = 0;
  readonly #others: CrmHttp[] = [];

  constructor(options: ProbeOptions, id: string) {
    this.options = options;
    this.id = id;
    this.mark = `asterisk-retailcrm probe ${id}`;
    this.client = new RetailCrmClient({ ...this.#address(options.key), log: options.log });
    this.http = new CrmHttp(this.#address(options.key));
    this.known.site = options.site;
  }

  /** Number that belongs to nobody: +999 is no country. */
  get fakePhone(): string {
    const digits = [...Buffer.from(this.id, 'utf8')].map((byte) => byte % 10).join('');
    return `+999${digits.padStart(9, '0').slice(-9)}`;
  }

  /** The account with another key; an empty one sends none. */
  withKey(key: string): CrmHttp {
    const http = new CrmHttp(this.#address(key));
    this.#others.push(http);
    return http;
  }

  /** One request: paced, asked again when the CRM asks to slow down. */
  async ask<T>(request: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      await this.#pace();
      try {
        return await request();
      } catch (error) {
        if (!(error instanceof CrmError) || error.kind !== 'RATE' || tries >= RATE_TRIES) throw error;
        this.notes.add(
          `The account asked to slow down (${error.status ?? 'no status'}: ${error.errorMsg}) although the probe keeps below ten requests a second: other software may use the same limit.`,
        );
        await this.#pause(error.retryAfterMs ?? 1_000 * 2 ** tries);
      }
    }
  }

  /** A request that creates something: whatever comes back, the protocol names what may be there now. */
  async create<T>(
    what: string,
    hint: string,
    request: () => Promise<T>,
    idOf: (reply: T) => number | string,
  ): Promise<T> {
    try {
      const reply = await this.ask(request);
      this.created.push({ what, id: String(idOf(reply)), hint });
      return reply;
    } catch (error) {
      if (error instanceof CrmError && error.sent && (error.kind === 'NETWORK' || error.kind === 'RETRY'))
        this.created.push({ what, id: 'unknown', hint: `${hint}; perhaps: the answer was lost or not understood` });
      throw error;
    }
  }

  /** What went over the wire since the last time. */
  takeWire(): WireExchange[] {
    const taken = this.#wire;
    this.#wire = [];
    return taken;
  }

  /** Shop code for writing methods, as `{site}` or nothing. */
  get site(): string | undefined {
    return this.known.site ?? (this.known.sites.length === 1 ? undefined : this.known.sites[0]);
  }

  stop(): void {
    this.client.stop();
    this.http.stop();
    for (const http of this.#others) http.stop();
  }

  #address(key: string) {
    const { url, allowInsecure, timeoutMs } = this.options;
    return { url, key, allowInsecure, timeoutMs, observe: (exchange: WireExchange) => void this.#wire.push(exchange) };
  }

  async #pace(): Promise<void> {
    const paceMs = this.options.paceMs ?? 250;
    const now = performance.now();
    if (now < this.#nextAt) await this.#pause(this.#nextAt - now);
    this.#nextAt = Math.max(now, this.#nextAt) + paceMs;
  }

  async #pause(ms: number): Promise<void> {
    await (this.options.pause ?? sleep)(ms);
  }
}
