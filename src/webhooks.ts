import { SecretError, resolveSecret } from './config/secrets.ts';
import type { EnterpriseSettings, SecretRef } from './config/settings.ts';
import { ForbiddenAddress } from './delivery/addressGuard.ts';
import type { WebhookReceiver } from './delivery/webhookPlan.ts';
import { signingKeys } from './delivery/webhookSign.ts';
import { type ReceiverMode, WebhookLane } from './delivery/webhooks.ts';
import type { Logger } from './log.ts';
import type { Db } from './store/database.ts';
import type { ClaimedRow, Settlement } from './store/outbox.ts';
import { giveUpOthers } from './store/webhooks.ts';

/** Who else one enterprise tells of its calls: a lane for each receiver. */
export class Webhooks {
  /** For planning: every receiver that can be told. */
  readonly receivers: readonly WebhookReceiver[];
  readonly #lanes: readonly WebhookLane[];
  readonly #db: Db;
  readonly #log: Logger;
  readonly #enterprise: EnterpriseSettings;
  #tidied: Promise<void> | undefined;

  /**
   * Throws SecretError when a receiver's secret cannot be read or is none. A receiver whose address must not be called is
   * reported and left out.
   * @param owner name in leases; unique per process and start
   */
  constructor(enterprise: EnterpriseSettings, db: Db, log: Logger, owner: string) {
    const own = log.child({ enterprise: enterprise.id });
    this.#db = db;
    this.#log = own;
    this.#enterprise = enterprise;
    const built = enterprise.webhooks.flatMap(({ id, url, secret, events, allowPrivate }) => {
      const account = webhookAccount(enterprise.id, id);
      const keys = keysOf(secret);
      try {
        const onSettled = (row: ClaimedRow, outcome: Settlement): void => told(own, id, row, outcome);
        const lane = new WebhookLane({ db, account, id, url, keys, allowPrivate, log: own, owner, onSettled });
        return [{ lane, receiver: { account, events } }];
      } catch (error) {
        if (!(error instanceof ForbiddenAddress)) throw error;
        own.error(`receiver ${id} is not told anything, its address must not be called: ${error.message}`);
        return [];
      }
    });
    this.#lanes = built.map(({ lane }) => lane);
    this.receivers = built.map(({ receiver }) => receiver);
  }

  /** How each receiver stands, by its id. */
  status(): Record<string, ReceiverMode> {
    return Object.fromEntries(this.#lanes.map((lane) => [lane.id, lane.mode]));
  }

  start(): void {
    for (const lane of this.#lanes) lane.start();
    this.#tidied ??= this.#giveUpOthers();
  }

  /** Something was committed for them. */
  wake(): void {
    for (const lane of this.#lanes) lane.wake();
  }

  /** Settles when everything due was sent; a receiver in trouble is not waited for. */
  async drain(): Promise<void> {
    await Promise.all([this.#tidied, ...this.#lanes.map((lane) => lane.drain())]);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#tidied, ...this.#lanes.map((lane) => lane.stop())]);
  }

  /** What waits for a receiver that was taken out of the configuration would wait for ever. */
  async #giveUpOthers(): Promise<void> {
    const { id, webhooks } = this.#enterprise;
    try {
      const count = await giveUpOthers(
        this.#db,
        id,
        webhooks.map((one) => webhookAccount(id, one.id)),
      );
      if (count > 0)
        this.#log.warn(`${count} webhooks were for receivers that are no longer configured: they are dead letters now`);
    } catch {
      // The lanes tell when the database is away; the next start tries again.
    }
  }
}

/** One line per message that arrived; the lane tells its troubles itself. */
function told(log: Logger, receiver: string, row: ClaimedRow, outcome: Settlement): void {
  const what = row.externalId.slice(row.externalId.lastIndexOf('/') + 1);
  if (outcome.outcome === 'done') {
    const age = ((Date.now() - row.createdAt.getTime()) / 1000).toFixed(1);
    log.info(`receiver ${receiver} was told ${what} after ${age} s`, { call: row.callId, ms: outcome.latencyMs });
  } else if (outcome.outcome === 'later') {
    log.debug(`receiver ${receiver} will be told ${what} again: ${outcome.reason}`, { call: row.callId });
  }
}

/** The account column of a receiver's outbox rows. */
export function webhookAccount(enterprise: string, id: string): string {
  return `webhook:${enterprise}/${id}`;
}

function keysOf(secret: SecretRef): Buffer[] {
  try {
    return signingKeys(resolveSecret(secret));
  } catch (error) {
    if (error instanceof TypeError) throw new SecretError(`${secret.key}: ${error.message}`);
    throw error;
  }
}
