/** Clicks on a number: written down before a phone may ring, so that no click rings twice, whatever is killed when. */
import { sql } from 'kysely';
import type { ClickState } from './actionsSchema.ts';
import type { Db } from './database.ts';
import { json, text } from './values.ts';

export type { ClickState } from './actionsSchema.ts';

/** A click that asks to be made. */
export interface NewClick {
  enterprise: string;
  /** Ours, unique: `X_CRM_ID` on the channel. */
  id: string;
  /** The caller's own id of the request; undefined = it has none, and only the five seconds hold. */
  requestId: string | undefined;
  /** Her extension. */
  employee: string;
  /** E.164. */
  phone: string;
  host: string;
  /** Uniqueid the channel will have. */
  channelId: string;
  /** External id the call will have. */
  callId: string;
}

/** Who is called, as it was known at the click. */
export interface ClickCustomer {
  readonly id: number;
  readonly name: string | undefined;
}

/** A click as it is stored. */
export interface Click {
  enterprise: string;
  id: string;
  employee: string;
  phone: string;
  host: string;
  channelId: string;
  callId: string;
  state: ClickState;
  /** Not validated here: our own `ClickCustomer`, or null. */
  customer: unknown;
  reason: string | null;
  /** Q.850 cause of the hangup of a phone that was not answered. */
  cause: number | null;
  clickedAt: Date;
  settledAt: Date | null;
}

/** How many clicks there may be. */
export interface ClickLimits {
  /** Identical clicks (employee, number) within this time are one, milliseconds. */
  sameMs: number;
  perEmployeePerMinute: number;
  perEnterprisePerMinute: number;
}

/** What became of the wish: written down; there is one already; or too many. */
export type ClaimedClick =
  | { readonly claimed: true }
  | { readonly claimed: false; readonly earlier: Click }
  | { readonly claimed: false; readonly tooMany: 'employee' | 'enterprise' };

const columns = [
  'enterprise',
  'id',
  'employee',
  'phone',
  'host',
  'channel_id as channelId',
  'call_id as callId',
  'state',
  'customer',
  'reason',
  'cause',
  'clicked_at as clickedAt',
  'settled_at as settledAt',
] as const;

/**
 * Writes a click down, unless there is one with its request id, or one of the same employee and number a moment ago, or
 * the minute is full. Durable when it returns. Clicks of one enterprise are decided one after another, by the database's
 * clock, whichever instance asks.
 */
export async function claimClick(db: Db, click: NewClick, limits: ClickLimits): Promise<ClaimedClick> {
  const { enterprise, id, requestId = id, employee, phone, host, channelId, callId } = click;
  const { sameMs, perEmployeePerMinute, perEnterprisePerMinute } = limits;
  const { rows } = await sql<{ verdict: string }>`select claim_click(
    ${enterprise}, ${id}, ${text(requestId)}, ${employee}, ${phone}, ${host}, ${channelId}, ${callId},
    null, ${sameMs}::integer, ${perEmployeePerMinute}::integer,
    ${perEnterprisePerMinute}::integer) as verdict`.execute(db);
  const verdict = rows[0]?.verdict ?? '';
  if (verdict === 'claimed') return { claimed: true };
  if (verdict === 'employee' || verdict === 'enterprise') return { claimed: false, tooMany: verdict };
  const earlier = await db
    .selectFrom('clicks')
    .select(columns)
    .where('enterprise', '=', enterprise)
    .where('id', '=', verdict.slice('earlier '.length))
    .executeTakeFirstOrThrow();
  return { claimed: false, earlier };
}

/** Takes a click back of which nothing was started: as if it had never been. */
export async function forgetClick(db: Db, click: { enterprise: string; id: string }): Promise<void> {
  await db
    .deleteFrom('clicks')
    .where('enterprise', '=', click.enterprise)
    .where('id', '=', click.id)
    .where('state', '=', 'claimed')
    .execute();
}

/** What became of a click. A state is never taken back: `refused`, `answered` and `failed` are final, `claimed` is only a beginning. */
export async function settleClick(
  db: Db,
  click: { enterprise: string; id: string },
  now: {
    state: Exclude<ClickState, 'claimed'>;
    reason?: string | undefined;
    cause?: number | undefined;
    /** Who is called: noted whatever the state is by now. */
    customer?: ClickCustomer | undefined;
    /** Only if that is its state still. Default: every state that may become this one. */
    from?: readonly ClickState[] | undefined;
  },
): Promise<void> {
  const { state, reason, cause, customer } = now;
  const from = now.from ?? (state === 'queued' ? ['claimed', 'unknown'] : ['claimed', 'queued', 'unknown']);
  if (customer !== undefined) {
    await db
      .updateTable('clicks')
      .set({ customer: json(customer) })
      .where('enterprise', '=', click.enterprise)
      .where('id', '=', click.id)
      .execute();
  }
  await db
    .updateTable('clicks')
    .set((eb) => ({
      state,
      reason: reason === undefined ? eb.ref('reason') : text(reason),
      cause: cause ?? eb.ref('cause'),
      settled_at: sql<Date>`now()`,
    }))
    .where('enterprise', '=', click.enterprise)
    .where('id', '=', click.id)
    .where((eb) =>
      eb.or([
        eb('state', 'in', from),
        // The hangup's cause says more than the first word about it.
        ...(state === 'failed' ? [eb.and([eb('state', '=', 'failed'), eb('cause', 'is', null)])] : []),
      ]),
    )
    .execute();
}

/** Clicks of a host whose end is not known; after a day nobody asks any more. */
export function openClicks(db: Db, enterprise: string, host: string): Promise<Click[]> {
  return db
    .selectFrom('clicks')
    .select(columns)
    .where('enterprise', '=', enterprise)
    .where('host', '=', host)
    .where(sql<boolean>`state in ('claimed', 'queued', 'unknown')`)
    .where(sql<boolean>`clicked_at > now() - interval '1 day'`)
    .orderBy('clicked_at')
    .execute();
}

/** The click a call came of, if it came of one. */
export function clickOfCall(db: Db, enterprise: string, callId: string): Promise<Click | undefined> {
  return db
    .selectFrom('clicks')
    .select(columns)
    .where('enterprise', '=', enterprise)
    .where('call_id', '=', callId)
    .executeTakeFirst();
}
