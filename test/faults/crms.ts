import type { Account } from '../../src/sandbox/account.ts';
import { type Emulator, startEmulator } from '../../src/sandbox/emulator.ts';
import type { RecordedRequest } from '../../src/sandbox/requests.ts';
import type { Gauge } from '../../src/sandbox/stats.ts';
import type { Switches } from '../../src/sandbox/switches.ts';
import { extensions } from '../support/pbxCalls.ts';

/** One CRM per tenant, each at an address of its own as real accounts are. */
export class Crms {
  readonly #emulators: ReadonlyMap<string, Emulator>;

  private constructor(emulators: ReadonlyMap<string, Emulator>) {
    this.#emulators = emulators;
  }

  /**
   * An account per tenant, with a user for each extension of the simulated shop.
   * @param numbers of customers each account has a card of
   */
  static async start(tenants: readonly string[], numbers: readonly string[] = []): Promise<Crms> {
    const users = extensions.map((_, index) => ({ id: 1 + index }));
    const codes = Object.fromEntries(extensions.map((ext, index) => [String(1 + index), ext]));
    const customers = numbers.map((number, index) => ({ id: 501 + index, phones: [number] }));
    const emulators = new Map<string, Emulator>();
    for (const tenant of tenants) {
      const accounts = [{ name: tenant, key: `${tenant}-key`, users, codes, customers }];
      const kept = { historyCap: 1_000_000, requestLogCap: 1_000_000, requestLogBytes: 512 * 1024 * 1024 };
      emulators.set(tenant, await startEmulator({ port: 0, seed: { accounts }, ...kept }));
    }
    return new Crms(emulators);
  }

  get tenants(): string[] {
    return [...this.#emulators.keys()];
  }

  url(tenant: string): string {
    return this.#of(tenant).url;
  }

  account(tenant: string): Account {
    return this.#of(tenant).account(tenant);
  }

  /** Switches of one tenant's CRM, or of all. */
  setSwitches(patch: Partial<Switches>, tenant?: string): void {
    for (const [name, emulator] of this.#emulators) {
      if (tenant === undefined || tenant === name) emulator.setSwitches(patch);
    }
  }

  /** Requests that arrived at a tenant's CRM, accepted or not, oldest first. */
  requests(tenant: string, path = ''): RecordedRequest[] {
    return this.#of(tenant).requests({ path });
  }

  /** How near the tenant's requests came to the rate limits. */
  gauge(tenant: string): { telephony: Gauge; general: Gauge } | undefined {
    return this.#of(tenant).stats().accounts[tenant];
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#emulators.values()].map((emulator) => emulator.stop()));
  }

  #of(tenant: string): Emulator {
    const emulator = this.#emulators.get(tenant);
    if (emulator === undefined) throw new Error(`no tenant ${tenant}`);
    return emulator;
  }
}
