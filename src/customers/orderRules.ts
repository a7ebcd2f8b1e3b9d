import type { Logger } from '../log.ts';
import type { RetailCrmClient } from '../retailcrm/client.ts';
import { CrmError } from '../retailcrm/errors.ts';
import type { Db } from '../store/database.ts';
import { inTransaction } from '../store/database.ts';
import type { OrderRow, StatusChange } from '../store/orders.ts';
import { findOrder } from '../store/orders.ts';
import { enqueue } from '../store/outbox.ts';
import type { RuleAction, RuleRun } from '../store/ruleRuns.ts';
import { moveRun, pendingRuns, planRun } from '../store/ruleRuns.ts';
import type { Pace } from './ask.ts';
import type { NotifyErrand } from './notify.ts';

/** What happens when an order comes to a status. */
export interface OrderRuleRef {
  readonly status: string;
  readonly action: RuleAction;
  /** Text of a notification; `{order}` `{customer}` `{status}`. */
  readonly text: string | undefined;
}

/** Whose phone an action is about. */
export interface RuleTarget {
  readonly extension: string;
  /** The order's manager. */
  readonly user: number;
  /** Number of the order, for people. */
  readonly order: string;
  /** Unique per change of status: two requests with one id are one. */
  readonly requestId: string;
}

/** How an action ended: `why` it was not done, in words. */
export type RuleOutcome = { readonly done: true } | { readonly done: false; readonly why: string };

/** What can be done with a telephone, handed in. A missing one is skipped with a log line. */
export interface RuleActions {
  /** Calls the customer from the manager's phone; `phone` in any spelling. */
  readonly call?: ((target: RuleTarget & { phone: string }) => Promise<RuleOutcome>) | undefined;
  /** Pauses the manager in her queues. */
  readonly pause?: ((target: RuleTarget) => Promise<RuleOutcome>) | undefined;
}

/** What the rules need. */
export interface OrderRulesOptions {
  readonly db: Db;
  readonly client: Pick<RetailCrmClient, 'customer' | 'statuses'>;
  readonly general: Pace;
  readonly enterprise: string;
  /** Key of the account's outbox rows. */
  readonly account: string;
  readonly rules: readonly OrderRuleRef[];
  readonly actions: RuleActions;
  readonly extensionOfUser: (user: number) => string | undefined;
  readonly log: Logger;
  /** A notification was enqueued: the lane should look. */
  readonly onEnqueued: () => void;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** An action later than this after the change of status is not begun, ms: a call must not start minutes late. */
const latestMs: Readonly<Record<RuleAction, number>> = { call: 180_000, pause: 180_000, notify: 3600_000 };
/** How long an action may take to be begun, ms. */
const longestMs = 10_000;
/** How long names of statuses are believed, ms. */
const namesMs = 24 * 3600_000;

/**
 * Order rules: planned in the transaction that notes the change of status, begun at most once, also across kills.
 * A notification goes through the outbox; a call and a pause are begun here and never repeated.
 */
export class OrderRules {
  readonly #options: OrderRulesOptions;
  #names: { at: number; byCode: ReadonlyMap<string, string> } = { at: Number.NEGATIVE_INFINITY, byCode: new Map() };

  constructor(options: OrderRulesOptions) {
    this.#options = options;
  }

  /** Plans what the rules want of a change of status. Part of the transaction `trx`. */
  async plan(trx: Db, changeId: string, { orderId, status, at }: StatusChange): Promise<void> {
    for (const rule of this.#options.rules) {
      if (rule.status !== status) continue;
      const run = { changeId, orderId, status, at, action: rule.action, text: rule.text ?? null };
      await planRun(trx, this.#options.enterprise, run);
    }
  }

  /**
   * Begins what is planned and not too late. Called after changed orders were read. A run whose order was not read yet
   * (`isUnread`) waits.
   */
  async run(isUnread: (orderId: number) => Promise<boolean>, signal: AbortSignal): Promise<void> {
    if (this.#options.rules.length === 0) return;
    for (const run of await pendingRuns(this.#options.db, this.#options.enterprise)) {
      if (signal.aborted) return;
      const lateMs = (this.#options.now ?? Date.now)() - run.at.getTime();
      if (lateMs > latestMs[run.action]) {
        await this.#skip(run, undefined, `it is ${Math.round(lateMs / 1000)} s late`);
        continue;
      }
      if (await isUnread(run.orderId)) continue;
      const order = await findOrder(this.#options.db, this.#options.enterprise, run.orderId);
      if (order === undefined || order.deleted) await this.#skip(run, order, 'the order is no longer in the CRM');
      else if (order.status !== run.status && order.status !== null)
        await this.#skip(run, order, `the order has gone on to status ${order.status}`);
      else if (order.managerId === null) await this.#skip(run, order, 'the order has no manager');
      else if (run.action === 'notify') await this.#notify(run, order, order.managerId, signal);
      else await this.#act(run, order, order.managerId, signal);
    }
  }

  async #notify(run: RuleRun, order: OrderRow, manager: number, signal: AbortSignal): Promise<void> {
    const { db, enterprise, account, log, onEnqueued } = this.#options;
    const name = (await this.#nameOf(run.status, signal)) ?? run.status;
    const template = run.text ?? '{order}: {status}';
    const values: Record<string, string> = {
      order: order.number ?? String(order.id),
      customer: order.person ?? '',
      status: name,
    };
    const message = template.replace(/\{(\w+)\}/g, (whole, key: string) => values[key] ?? whole);
    const errand: NotifyErrand = {
      do: 'notify',
      userIds: [manager],
      message,
      until: run.at.getTime() + latestMs.notify,
    };
    const sent = await inTransaction(db, async (trx) => {
      if (!(await moveRun(trx, run.id, 'pending', 'done'))) return false;
      await enqueue(trx, [
        {
          enterprise,
          account,
          host: '',
          kind: 'errand',
          externalId: `rule/${run.changeId}/notify`,
          callId: `order/${order.id}`,
          payload: JSON.stringify(errand),
        },
      ]);
      return true;
    });
    if (!sent) return;
    log.info(`order ${values['order'] ?? ''} came to status ${run.status}: user ${manager} is notified`);
    onEnqueued();
  }

  async #act(run: RuleRun, order: OrderRow, manager: number, signal: AbortSignal): Promise<void> {
    const { db, actions, extensionOfUser, log } = this.#options;
    const extension = extensionOfUser(manager);
    if (extension === undefined) return this.#skip(run, order, `user ${manager} has no extension`);
    const number = order.number ?? String(order.id);
    const target = { extension, user: manager, order: number, requestId: `rule-${run.changeId}-${run.action}` };
    let begin: (() => Promise<RuleOutcome>) | undefined;
    if (run.action === 'pause') {
      const { pause } = actions;
      begin = pause && (() => pause(target));
    } else {
      const { call } = actions;
      const phone = call && (order.phone ?? (await this.#phoneOf(order, signal)));
      if (call && phone === undefined) return this.#skip(run, order, 'neither the order nor its customer has a phone');
      begin = call && phone !== undefined ? () => call({ ...target, phone }) : undefined;
    }
    if (begin === undefined) return this.#skip(run, order, `this daemon cannot ${run.action} (see the configuration)`);
    // From here on it is begun: if we are killed, it is not begun again.
    if (!(await moveRun(db, run.id, 'pending', 'started'))) return;
    const outcome = await inTime(begin, signal);
    await moveRun(db, run.id, 'started', outcome.done ? 'done' : 'failed', outcome.done ? null : outcome.why);
    const line = `order ${number} came to status ${run.status}: ${run.action} at extension ${extension}`;
    if (outcome.done) log.info(`${line} was begun`);
    else log.warn(`${line} failed: ${outcome.why}`);
  }

  async #skip(run: RuleRun, order: OrderRow | undefined, why: string): Promise<void> {
    const { db, log } = this.#options;
    if (!(await moveRun(db, run.id, 'pending', 'skipped', why))) return;
    log.info(`order ${order?.number ?? run.orderId} came to status ${run.status}: ${run.action} is skipped, ${why}`);
  }

  async #phoneOf(order: OrderRow, signal: AbortSignal): Promise<string | undefined> {
    if (order.customerId === null) return undefined;
    const { client, general } = this.#options;
    await general.take({ signal });
    const { phones } = await client.customer(order.customerId, { by: 'id', site: order.site ?? undefined });
    return phones[0];
  }

  /** The status as people call it; undefined when the CRM does not tell. */
  async #nameOf(status: string, signal: AbortSignal): Promise<string | undefined> {
    const { client, general, now = Date.now } = this.#options;
    if (now() - this.#names.at > namesMs) {
      try {
        await general.take({ signal });
        const statuses = await client.statuses();
        const byCode = new Map([...statuses].map(([code, { name }]) => [code, name ?? code]));
        this.#names = { at: now(), byCode };
      } catch (error) {
        if (!(error instanceof CrmError)) throw error;
      }
    }
    return this.#names.byCode.get(status);
  }
}

/** Nobody waits for ever for a telephone; when we are stopped, what came of it stays open. */
async function inTime(begin: () => Promise<RuleOutcome>, signal: AbortSignal): Promise<RuleOutcome> {
  const failed = (why: string): RuleOutcome => ({ done: false, why });
  let giveUp = (): void => {};
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<RuleOutcome>((resolve) => {
    giveUp = (): void =>
      resolve(failed(signal.aborted ? 'the daemon stopped meanwhile' : 'nothing came of it in time'));
    timer = setTimeout(giveUp, longestMs);
    signal.addEventListener('abort', giveUp);
    if (signal.aborted) giveUp();
  });
  try {
    return await Promise.race([begin().catch((error: unknown) => failed(reasonOf(error))), late]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
