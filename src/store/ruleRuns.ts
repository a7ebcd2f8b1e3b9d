/** What rules want done because an order came to a status: once per change and action, whatever happens to us. */
import { sql } from 'kysely';
import type { Db } from './database.ts';
import { text, textOrNull } from './values.ts';

/** What a rule may do. */
export type RuleAction = 'call' | 'pause' | 'notify';

/** One thing to do. */
export interface RuleRun {
  id: string;
  /** The change of status it belongs to. */
  changeId: string;
  orderId: number;
  status: string;
  action: RuleAction;
  /** Text of a notification. */
  text: string | null;
  /** When the order came to the status. */
  at: Date;
}

/** How a run ended. `started`: begun, and what came of it is not known; it is never begun again. */
export type RunState = 'started' | 'done' | 'skipped' | 'failed';

/** Plans a run; one that is planned already stays as it is. */
export async function planRun(db: Db, enterprise: string, run: Omit<RuleRun, 'id'>): Promise<void> {
  await db
    .insertInto('order_rule_runs')
    .values({
      enterprise,
      change_id: run.changeId,
      order_id: String(run.orderId),
      status: text(run.status),
      action: run.action,
      text: textOrNull(run.text),
      at: run.at,
    })
    .onConflict((conflict) => conflict.constraint('order_rule_runs_key').doNothing())
    .execute();
}

/** Runs nobody has begun, oldest first. */
export async function pendingRuns(db: Db, enterprise: string, limit = 50): Promise<RuleRun[]> {
  const rows = await db
    .selectFrom('order_rule_runs')
    .select(['id', 'change_id as changeId', 'order_id as orderId', 'status', 'action', 'text', 'at'])
    .where('enterprise', '=', enterprise)
    .where(sql<boolean>`state = 'pending'`)
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ ...row, orderId: Number(row.orderId) }));
}

/**
 * A run goes from one state to the next. False: it was not in that state any more, somebody else has it.
 * `note`: what came of it, in words.
 */
export async function moveRun(
  db: Db,
  id: string,
  from: 'pending' | 'started',
  to: RunState,
  note: string | null = null,
): Promise<boolean> {
  const result = await db
    .updateTable('order_rule_runs')
    .set({ state: to, note: textOrNull(note), ...(to === 'started' ? {} : { settled_at: sql<Date>`now()` }) })
    .where('id', '=', id)
    .where('state', '=', from)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}
