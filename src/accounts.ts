import { createHash } from 'node:crypto';
import type { SecretRef } from './config/settings.ts';
import type { EnterpriseSettings } from './config/settings.ts';
import { resolveSecret } from './config/secrets.ts';
import type { Settled } from './deliveryLog.ts';
import { deliveryLog } from './deliveryLog.ts';
import { DeliveryWorker } from './delivery/worker.ts';
import type { Logger } from './log.ts';
import { RetailCrmClient } from './retailcrm/client.ts';
import type { Db } from './store/database.ts';

/** One CRM account at run time. Enterprises that share address and key share its rate budget, so they share this. */
export interface Account {
  readonly key: string;
  readonly client: RetailCrmClient;
  readonly worker: DeliveryWorker;
}

/** Opens accounts once each. */
export class Accounts {
  readonly #db: Db;
  readonly #log: Logger;
  readonly #owner: string;
  readonly #onSettled: ((settled: Settled) => void) | undefined;
  readonly #open = new Map<string, Account>();

  /** @param owner name in leases; unique per process and start */
  constructor(db: Db, log: Logger, owner: string, onSettled?: (settled: Settled) => void) {
    this.#db = db;
    this.#log = log;
    this.#owner = owner;
    this.#onSettled = onSettled;
  }

  /** The account of an enterprise; throws SecretError when its key cannot be read. */
  of(enterprise: EnterpriseSettings): Account {
    const apiKey = this.#secret(enterprise.retailcrm.key);
    const key = accountKey(enterprise.retailcrm.url, apiKey);
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const log = this.#log.child({ enterprise: enterprise.id });
    const client = new RetailCrmClient({
      url: enterprise.retailcrm.url,
      key: apiKey,
      log,
      allowInsecure: enterprise.retailcrm.allowInsecure,
    });
    const worker = new DeliveryWorker({
      db: this.#db,
      client,
      account: key,
      enterprise: enterprise.id,
      log: this.#log,
      owner: this.#owner,
      onSettled: (row, outcome) => {
        deliveryLog(log, row, outcome);
        this.#onSettled?.({ account: key, row, outcome });
      },
    });
    const account = { key, client, worker };
    this.#open.set(key, account);
    return account;
  }

  /** All accounts opened so far. */
  all(): readonly Account[] {
    return [...this.#open.values()];
  }

  async stop(): Promise<void> {
    await Promise.all(this.all().map(({ worker }) => worker.stop()));
    for (const { client } of this.all()) client.stop();
  }

  #secret(ref: SecretRef): string {
    return resolveSecret(ref);
  }
}

/** Readable and free of secrets: the account's host and eight hex digits of a hash over address and key. */
export function accountKey(url: string, apiKey: string): string {
  const hash = createHash('sha256').update(`${url}\n${apiKey}`).digest('hex').slice(0, 8);
  return `${new URL(url).host}#${hash}`;
}
