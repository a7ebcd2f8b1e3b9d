import type { Pbx } from './pbx.ts';
import { call, type CallKind, type CallTruth, type Pace, type Script, usualDids } from './pbxCalls.ts';
import type { Chance } from './pbxRandom.ts';

/** How often each kind comes, as in a shop's day. */
export const usualMix: Readonly<Record<CallKind, number>> = {
  'in answered': 30,
  'in abandoned': 10,
  'in ring group': 15,
  'in queue': 10,
  'in queue abandoned': 5,
  'in transferred': 8,
  'out answered': 14,
  'out busy': 4,
  internal: 4,
};

/** Calls of a few seconds: a test sees many of them begin, talk and end around each fault. */
export const briskPace: Pace = { ring: [300, 1500], talk: [300, 3000] };

/** Quicker still, for a run that must be short. */
export const quickPace: Pace = { ring: [200, 600], talk: [200, 900] };

/** What a PBX is to be busy with. */
export interface LoadOptions {
  pbx: Pbx;
  chance: Chance;
  /** New calls per second on average. */
  callsPerSecond: number;
  pace?: Pace;
  mix?: Readonly<Record<CallKind, number>>;
  /** Our numbers, without +. */
  dids?: readonly string[];
  /** Every second call is with one of these, E.164. Default: strangers only. */
  customers?: readonly string[];
}

/** Keeps a PBX busy with calls that begin at random moments, and remembers what became of each. */
export class PbxLoad {
  /** Every call so far, the oldest first. */
  readonly calls: CallTruth[] = [];
  readonly #options: LoadOptions;
  readonly #running = new Map<Script, { truth: CallTruth; timer: NodeJS.Timeout | undefined }>();
  #next: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(options: LoadOptions) {
    this.#options = options;
    options.pbx.onRestart.push(() => this.#interrupted());
  }

  /** Calls under way. */
  get live(): number {
    return this.#running.size;
  }

  /** Calls begin to come. */
  start(): void {
    const { chance, callsPerSecond } = this.#options;
    const next = (): void => {
      // Exponential distances: calls do not wait for each other.
      this.#next = setTimeout(
        () => {
          next();
          this.one();
        },
        (-Math.log(1 - chance.next()) * 1000) / callsPerSecond,
      );
    };
    next();
  }

  /** One call now, of a kind and with a number if they matter. */
  one(kind?: CallKind, phone?: string): CallTruth {
    const { pbx, chance, pace = briskPace, mix = usualMix, dids = usualDids, customers } = this.#options;
    const others = { ...(customers === undefined ? {} : { customers }), ...(phone === undefined ? {} : { phone }) };
    const stage = { pbx, chance, pace, dids, ...others };
    const { truth, script } = call(kind ?? chance.weighted(mix), stage);
    this.calls.push(truth);
    this.#running.set(script, { truth, timer: undefined });
    this.#step(script);
    return truth;
  }

  /** No new calls; those under way go on. */
  hush(): void {
    clearTimeout(this.#next);
    this.#next = undefined;
  }

  /** Resolves when no call is under way. */
  async over(): Promise<void> {
    while (this.#running.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** No new calls, and none of the old ones any more: the test is over. */
  abandon(): void {
    this.hush();
    for (const { timer } of this.#running.values()) clearTimeout(timer);
    this.#running.clear();
    for (const wake of this.#idle.splice(0)) wake();
  }

  #step(script: Script): void {
    const running = this.#running.get(script);
    if (running === undefined) return;
    const { done, value } = script.next();
    if (done === true) {
      this.#running.delete(script);
      if (this.#running.size === 0) for (const wake of this.#idle.splice(0)) wake();
      return;
    }
    running.timer = setTimeout(() => this.#step(script), value);
  }

  /** The PBX went down: whoever talked is cut off now. */
  #interrupted(): void {
    const now = this.#options.pbx.now();
    for (const { truth, timer } of this.#running.values()) {
      clearTimeout(timer);
      truth.interrupted = true;
      truth.endedAt = now;
    }
    this.#running.clear();
    for (const wake of this.#idle.splice(0)) wake();
  }
}
