/** Keeps our module registered while the daemon runs, and knows the credentials the CRM, scripts and triggers may show now. */
import { createHash } from 'node:crypto';
import { PacerStopped } from './delivery/pacer.ts';
import type { ActivityRequest, Credential } from './http/tenant.ts';
import type { Logger } from './log.ts';
import { type ModuleContext, ModuleError, knownModule, registerModule } from './module.ts';
import { CrmError } from './retailcrm/errors.ts';
import { type CredentialPair, ensureCredentials, readCredentials } from './store/credentials.ts';

/** How often the valid pairs are read again, so that a rotation by another process is noticed. `module rotate` waits longer. */
export const CREDENTIALS_POLL_MS = 2_000;
/** Pauses between attempts to register while the CRM cannot be reached or does not let us in. */
const RETRY_MS = [30_000, 60_000, 300_000] as const;

/** One enterprise's module at run time. Nothing here is waited for by the start of the daemon. */
export class ModuleKeeper {
  readonly #context: ModuleContext;
  readonly #log: Logger;
  readonly #pollMs: number;
  #pairs: readonly CredentialPair[] = [];
  #credentials: readonly Credential[] = [];
  /** What the last activity callback said; undefined: there was none yet. */
  #active: boolean | undefined;
  #pollTimer: NodeJS.Timeout | undefined;
  /** Reads of the pairs: how many were begun, and which one was believed last. */
  readonly #reads = { begun: 0, taken: 0 };
  #retryTimer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(context: ModuleContext, log: Logger, pollMs = CREDENTIALS_POLL_MS) {
    this.#context = context;
    this.#log = log;
    this.#pollMs = pollMs;
  }

  /** Credentials valid now; empty until they were read once. Without a module scripts and triggers show the clientId all the same. */
  credentials(): readonly Credential[] {
    return this.#credentials;
  }

  /** Whether the CRM said that the module is on; undefined: it said nothing yet. */
  get active(): boolean | undefined {
    return this.#active;
  }

  /** Reads the credentials once, makes the first pair if there is none, then goes on beside; registers if the configuration says so. */
  async start(): Promise<void> {
    const { module } = this.#context.enterprise.retailcrm;
    await this.#read();
    if (module?.atStart === true) this.#then(() => this.#registerAtStart(0));
  }

  /** Settles when no registration is under way. */
  drain(): Promise<void> {
    return this.#work;
  }

  /** A request under way ends with the account's client. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#pollTimer);
    clearTimeout(this.#retryTimer);
  }

  /**
   * Somebody switched the module on or off in the CRM (5.2). Popups and uploads of a module that is off are refused by the
   * CRM and wait in their lane, so there is nothing to stop here. `systemUrl` is not signed: it is never used.
   */
  activity({ active, freeze, systemUrl }: Pick<ActivityRequest, 'active' | 'freeze' | 'systemUrl'>): void {
    const effective = active && !freeze;
    if (effective !== this.#active) {
      if (effective) this.#log.info('the telephony module was switched on in the CRM');
      else
        this.#log.warn(
          'the telephony module was switched off in the CRM: popups and records wait until it is on again',
          {
            freeze,
          },
        );
    }
    this.#active = effective;
    const ours = new URL(this.#context.enterprise.retailcrm.url).host;
    const theirs = hostOf(systemUrl);
    if (theirs !== undefined && theirs !== ours)
      this.#log.warn('the CRM names another address for itself; retailcrm.url stays in force', { ours, theirs });
  }

  /** The CRM said that telephony is off: if nobody switched it off there, the module is registered once more. */
  telephonyOff(): void {
    if (this.#context.enterprise.retailcrm.module === undefined || this.#stopped) return;
    this.#then(() => this.#revive());
  }

  async #revive(): Promise<void> {
    const { module } = this.#context.enterprise.retailcrm;
    if (module === undefined) return;
    try {
      const known = await knownModule(this.#context, module.code);
      if (known?.active === false || known?.freeze === true) {
        this.#log.error('the telephony module is switched off in the CRM; switch it on there, or by "module register"');
        return;
      }
      const { code } = await this.#register();
      this.#log.warn(`the CRM had lost the telephony module ${code}; it is registered again`);
    } catch (error) {
      this.#failed(error);
    }
  }

  async #registerAtStart(failures: number): Promise<void> {
    try {
      const done = await this.#register();
      for (const conflict of done.conflicts) this.#log.warn(conflict);
      if (done.active)
        this.#log.info(`telephony module ${done.code} ${done.created ? 'registered' : 'is up to date'} in the CRM`, {
          extensions: done.codes.length,
        });
      else this.#log.warn(`telephony module ${done.code} is switched off in the CRM; "module register" switches it on`);
    } catch (error) {
      if (this.#stopped || error instanceof PacerStopped) return;
      if (failures === 0 || !isPassing(error)) this.#failed(error);
      if (!isPassing(error)) return;
      const pause = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 300_000;
      this.#retryTimer = setTimeout(() => this.#then(() => this.#registerAtStart(failures + 1)), pause);
    }
  }

  /** The CRM may call in the very moment it is told: what it will show is known before. */
  async #register(): ReturnType<typeof registerModule> {
    await this.#read();
    return registerModule(this.#context, 'as-is');
  }

  #failed(error: unknown): void {
    if (this.#stopped) return;
    if (error instanceof ModuleError) this.#log.error(`the telephony module is not registered: ${error.message}`);
    else if (error instanceof CrmError)
      this.#log.error('the telephony module is not registered: the CRM did not take it', {
        kind: error.kind,
        status: error.status,
        reason: error.errorMsg,
      });
    else this.#log.error('the telephony module is not registered', { err: error });
  }

  /** One after another: two registrations at once could each undo the other's. */
  #then(task: () => Promise<void>): void {
    this.#work = this.#work.then(task);
  }

  /** Two may be under way at once: what was asked first is not believed after what was asked later. */
  async #read(): Promise<void> {
    clearTimeout(this.#pollTimer);
    const turn = ++this.#reads.begun;
    try {
      const { db, enterprise } = this.#context;
      const found = await readCredentials(db, [enterprise.id]);
      const pairs = found.length > 0 ? found : [await ensureCredentials(db, enterprise.id)];
      if (turn > this.#reads.taken) {
        this.#reads.taken = turn;
        this.#take(pairs);
      }
    } catch (error) {
      // The pairs known so far stay valid; the writes of calls tell when the database is away.
      this.#log.debug('the credentials could not be read', { err: error });
    }
    if (!this.#stopped && turn === this.#reads.begun)
      this.#pollTimer = setTimeout(() => void this.#read(), this.#pollMs).unref();
  }

  #take(pairs: readonly CredentialPair[]): void {
    if (pairs.length === this.#pairs.length && pairs.every(({ id }, index) => id === this.#pairs[index]?.id)) return;
    this.#pairs = pairs;
    this.#credentials = pairs.map(digests);
  }
}

/** What is compared: digests of the same length, whatever a caller sends. */
export function digests(pair: Pick<CredentialPair, 'clientId' | 'pathToken'>): Credential {
  return { clientId: sha256(pair.clientId), pathToken: sha256(pair.pathToken) };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Whether another attempt may succeed without anybody touching the configuration. */
function isPassing(error: unknown): boolean {
  if (error instanceof CrmError) return ['RETRY', 'NETWORK', 'RATE', 'AUTH', 'ACCOUNT'].includes(error.kind);
  return !(error instanceof ModuleError); // the database was away
}

function hostOf(url: string | undefined): string | undefined {
  return url !== undefined && URL.canParse(url) ? new URL(url).host : undefined;
}
