/** Errands: what they are to who runs them, and what they need of the outbox besides claim and settlement. */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Db } from './database.ts';

/** How an errand ended, or that it did not. */
export type ErrandEnd =
  /** `reply`: what was done, in a few words without names and numbers of people. */
  | { readonly end: 'done'; readonly reply: string }
  | { readonly end: 'later'; readonly inMs: number; readonly reason: string }
  /** A person decides. */
  | { readonly end: 'dead'; readonly reason: string };

/** One errand to run. */
export interface ErrandJob {
  /** As planned and stored; not validated. */
  readonly payload: Readonly<Record<string, unknown>>;
  /** externalId of the call it is about. */
  readonly callId: string;
  /** Whether another errand of the account is still on its way. */
  isPending(key: string): Promise<boolean>;
  /**
   * To be called before a request that would do harm twice. False: an earlier one left and its fate is not known.
   * @throws ErrandLost when somebody else runs the errand now
   */
  begin(): Promise<boolean>;
  /** The request certainly did nothing. */
  undo(): Promise<void>;
}

/** Runs errands of one kind. A `CrmError` it throws decides by its kind what becomes of the errand. */
export type Errands = Readonly<Record<string, (job: ErrandJob) => Promise<ErrandEnd>>>;

/** The row is somebody else's now. */
export class ErrandLost extends Error {
  override readonly name = 'ErrandLost';
}

/**
 * Key of the errand that makes a number's card: one per account, for ever. Not the number itself: keys are shown in lists
 * of dead letters.
 */
export function cardKey(phone: string): string {
  return `customer/${createHash('sha256').update(phone).digest('hex').slice(0, 24)}`;
}

/** Whether the errand of this key is still on its way. */
export async function isErrandPending(db: Db, account: string, key: string): Promise<boolean> {
  const row = await db
    .selectFrom('outbox')
    .select('state')
    .where('account', '=', account)
    .where('kind', '=', 'errand')
    .where('external_id', '=', key)
    .executeTakeFirst();
  return row?.state === 'pending';
}

/** What is written into `reply` when a request that must not be repeated is about to leave. */
const leaving = 'leaving';

/**
 * Notes that the errand's request is about to leave. `first`: it never left before. `again`: an earlier one did, and nobody
 * knows whether it arrived. `lost`: somebody else holds the row now.
 */
export async function beginErrand(
  db: Db,
  row: { id: string; leaseEpoch: string },
  owner: string,
): Promise<'first' | 'again' | 'lost'> {
  const before = await db
    .updateTable('outbox')
    .from(db.selectFrom('outbox').select(['id', 'reply']).where('id', '=', row.id).forUpdate().as('was'))
    .whereRef('outbox.id', '=', 'was.id')
    .where('outbox.lease_epoch', '=', row.leaseEpoch)
    .where('outbox.lease_owner', '=', owner)
    .where('outbox.state', '=', 'pending')
    .set({ reply: leaving })
    .returning('was.reply as reply')
    .executeTakeFirst();
  if (before === undefined) return 'lost';
  return before.reply === leaving ? 'again' : 'first';
}

/** The request that was about to leave certainly did nothing: it may leave again. */
export async function undoErrand(db: Db, row: { id: string; leaseEpoch: string }, owner: string): Promise<void> {
  await db
    .updateTable('outbox')
    .where('id', '=', row.id)
    .where('lease_epoch', '=', row.leaseEpoch)
    .where('lease_owner', '=', owner)
    .where(sql<boolean>`state = 'pending'`)
    .set({ reply: null })
    .execute();
}
