/** Everything one emulator holds: accounts, switches, the request log and the clocks. */

import type { Account, ApiKey } from './account.ts';
import { Callbacks } from './callbacks.ts';
import { RequestLog } from './requests.ts';
import { buildAccounts, type Seed } from './seed.ts';
import { DEFAULT_SWITCHES, type ScriptedReply, type Switches } from './switches.ts';

/** What an emulator is built from; see `EmulatorOptions` for the meaning. */
export interface WorldOptions {
  seed: Seed;
  switches: Partial<Switches>;
  now: () => number;
  monotonic: () => number;
  requestLogCap: number;
  requestLogBytes: number;
  historyCap: number;
  callbackTimeoutMs: number;
  /** The host name the emulator listens on. */
  ownHost: string;
}

/** The state of one emulator. */
export class World {
  readonly accounts = new Map<string, Account>();
  readonly keys = new Map<string, { account: Account; key: ApiKey }>();
  readonly log: RequestLog;
  readonly callbacks: Callbacks;
  readonly options: WorldOptions;
  /** Bumped with every API request or admin command: lets the page ask only for news. */
  version = 0;
  #switches: Switches;
  #own = new Map<string, Partial<Switches>>();
  #counters = new Map<string, number>();

  constructor(options: WorldOptions) {
    this.options = options;
    this.log = new RequestLog(options.requestLogCap, options.requestLogBytes);
    this.callbacks = new Callbacks(options.now, options.callbackTimeoutMs, options.historyCap);
    this.#switches = { ...DEFAULT_SWITCHES, ...options.switches };
    this.reset();
  }

  /** Starts over from a seed; switches return to those of the start. @throws Error for a seed that contradicts itself. */
  reset(seed: Seed = this.options.seed): void {
    const accounts = buildAccounts(seed, this.options.now());
    this.accounts.clear();
    this.keys.clear();
    for (const account of accounts) {
      this.accounts.set(account.name, account);
      for (const key of account.keys) this.keys.set(key.key, { account, key });
    }
    this.log.clear();
    this.#switches = { ...DEFAULT_SWITCHES, ...this.options.switches };
    this.#own.clear();
    this.#counters.clear();
    this.version++;
  }

  /** An account by name, or the first one. @throws Error for an unknown name. */
  account(name?: string): Account {
    const found = name === undefined ? [...this.accounts.values()][0] : this.accounts.get(name);
    if (!found) throw new Error(`no account ${name ?? ''}; there are ${[...this.accounts.keys()].join(', ')}`);
    return found;
  }

  /** The switches in force for an account: its own over the common ones. */
  switches(account?: string): Switches {
    const own = account === undefined ? undefined : this.#own.get(account);
    return own ? { ...this.#switches, ...own } : this.#switches;
  }

  /** Sets switches for all, or for one account. */
  setSwitches(patch: Partial<Switches>, account?: string): void {
    if (account === undefined) this.#switches = { ...this.#switches, ...patch };
    else this.#own.set(this.account(account).name, { ...this.#own.get(account), ...patch });
    this.version++;
  }

  /** Counts one more request for a switch of the form "every n"; true when this is the n-th. */
  isNth(name: 'loseReplyEvery' | 'fail5xxEvery', account: string | undefined): boolean {
    const every = this.switches(account)[name];
    if (every < 1) return false;
    const counter = `${name} ${account ?? ''}`;
    const count = (this.#counters.get(counter) ?? 0) + 1;
    this.#counters.set(counter, count % every);
    return count >= every;
  }

  /** Takes the next scripted reply that fits the path. */
  takeScripted(path: string, account: string | undefined): ScriptedReply | undefined {
    const script = this.switches(account).failNext;
    const index = script.findIndex((entry) => entry.path === undefined || path.includes(entry.path));
    if (index < 0) return undefined;
    this.#patchLayer('failNext', account, { failNext: script.toSpliced(index, 1) });
    return script[index];
  }

  /** Takes one of a counted fault. */
  takeFault(name: 'halfBatchThen500', account: string): boolean {
    const left = this.switches(account)[name];
    if (left < 1) return false;
    this.#patchLayer(name, account, { [name]: left - 1 });
    return true;
  }

  /** Writes to the layer the value came from. */
  #patchLayer(name: keyof Switches, account: string | undefined, patch: Partial<Switches>): void {
    const own = account === undefined ? undefined : this.#own.get(account);
    if (own && name in own) Object.assign(own, patch);
    else this.#switches = { ...this.#switches, ...patch };
  }
}
