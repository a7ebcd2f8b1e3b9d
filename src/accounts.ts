import type { EnterpriseSettings } from './config/settings.ts';
import { resolveSecret } from './config/secrets.ts';
import type { Settled } from './deliveryLog.ts';
import { deliveryLog } from './deliveryLog.ts';
import { ErrandLane } from './delivery/errandLane.ts';
import type { AccountPacers } from './delivery/pacer.ts';
import { accountPacers } from './delivery/pacer.ts';
import { DeliveryWorker } from './delivery/worker.ts';
import type { Logger } from './log.ts';
import { RetailCrmClient } from './retailcrm/client.ts';
import { type CustomerSaves, customerSaves } from './store/customers.ts';
import type { Db } from './store/database.ts';
import { type ClaimedRow, type Settlement, type Settlements, settlements } from './store/outbox.ts';
import { takeBack } from './store/takeBack.ts';
import { Webhooks } from './webhooks.ts';

/** One enterprise's CRM account at run time. */
export interface Account {
  readonly key: string;
  readonly client: RetailCrmClient;
  /** The lanes' connections, whose commits need not wait for the disk: for what can be learnt again. */
  readonly db: Db;
  /** Where the CRM's answers about numbers are saved, for all accounts together. */
  readonly saves: CustomerSaves;
  readonly worker: DeliveryWorker;
  /** What calls leave behind besides their record. The enterprise starts it: it knows how. */
  readonly errands: ErrandLane;
  /** Who else is told of the enterprise's calls. */
  readonly webhooks: Webhooks;
  /** What to do when the CRM says that telephony is off; once until it is on again. */
  whenTelephonyOff(act: () => void): void;
}

/** The accounts of all enterprises; those at one address share its rate budget. */
export class Accounts {
  readonly #db: Db;
  readonly #log: Logger;
  readonly #owner: string;
  readonly #onSettled: ((settled: Settled) => void) | undefined;
  readonly #settlements: Settlements;
  readonly #saves: CustomerSaves;
  readonly #open: Account[] = [];
  /** Rate budgets by base URL: the CRM counts per account, however many enterprises share it. */
  readonly #pacers = new Map<string, AccountPacers>();

  /** @param owner name in leases; unique per process and start */
  constructor(db: Db, log: Logger, owner: string, onSettled?: (settled: Settled) => void) {
    this.#db = db;
    this.#log = log;
    this.#owner = owner;
    this.#settlements = settlements(db, owner);
    this.#saves = customerSaves(db);
    this.#onSettled = onSettled;
  }

  /** The account of an enterprise; throws SecretError when its key cannot be read. */
  of(enterprise: EnterpriseSettings): Account {
    const { url, allowInsecure } = enterprise.retailcrm;
    const key = accountKey(url, enterprise.id);
    const log = this.#log.child({ enterprise: enterprise.id });
    const client = new RetailCrmClient({ url, key: resolveSecret(enterprise.retailcrm.key), log, allowInsecure });
    const pacers = this.#pacers.get(url) ?? accountPacers();
    this.#pacers.set(url, pacers);
    const onSettled = (row: ClaimedRow, outcome: Settlement): void => {
      deliveryLog(log, row, outcome);
      this.#onSettled?.({ account: key, row, outcome });
    };
    let onTelephonyOff = (): void => undefined;
    const worker = new DeliveryWorker({
      db: this.#db,
      client,
      account: key,
      enterprise: enterprise.id,
      log: this.#log,
      owner: this.#owner,
      settlements: this.#settlements,
      pacers,
      onSettled,
      onTelephonyOff: () => onTelephonyOff(),
    });
    const errands = new ErrandLane({
      db: this.#db,
      account: key,
      owner: this.#owner,
      settlements: this.#settlements,
      pacer: pacers.general,
      log,
      onSettled,
    });
    const webhooks = new Webhooks(enterprise, this.#db, this.#log, this.#owner);
    const whenTelephonyOff = (act: () => void): void => {
      onTelephonyOff = act;
    };
    const account = { key, client, db: this.#db, saves: this.#saves, worker, errands, webhooks, whenTelephonyOff };
    this.#open.push(account);
    return account;
  }

  /** Rows that an earlier run of this instance was sending when it was killed need not wait for their lease to end. */
  async takeBack(): Promise<void> {
    for (const key of this.#open.flatMap((one) => [one.key, ...one.webhooks.receivers.map(({ account }) => account)])) {
      const { freed, popups } = await takeBack(this.#db, key, instanceOf(this.#owner), this.#owner);
      if (freed + popups > 0) {
        this.#log.info(
          `an earlier run was interrupted: ${freed} requests are sent again, ${popups} popups are given up`,
        );
      }
    }
  }

  /** All accounts opened so far. */
  all(): readonly Account[] {
    return this.#open;
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.all().flatMap(({ worker, errands, webhooks }) => [worker.stop(), errands.stop(), webhooks.stop()]),
    );
    for (const { client } of this.all()) client.stop();
  }
}

/** Readable, free of secrets, and the same after the API key was changed: rows wait under this name. */
export function accountKey(url: string, enterprise: string): string {
  return `${new URL(url).host}/${enterprise}`;
}

/** Name of a lease owner of this process: `instance/pid/start`. */
export function ownerName(instance: string): string {
  return `${instance.replaceAll('/', '_')}/${process.pid}/${Date.now().toString(36)}`;
}

function instanceOf(owner: string): string {
  return owner.slice(0, owner.indexOf('/') + 1);
}
