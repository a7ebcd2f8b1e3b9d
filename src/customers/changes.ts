/** Reads customers and orders that changed through the API and corrects what we keep of them. */
import { CrmError } from '../retailcrm/errors.ts';
import { fromAccountTime } from '../retailcrm/time.ts';
import type { Customer, Order } from '../retailcrm/types.ts';
import { correctCard } from '../store/cards.ts';
import { mergeCustomers, staleCustomers } from '../store/customers.ts';
import type { Db } from '../store/database.ts';
import { inTransaction } from '../store/database.ts';
import type { DirtyEntity, DirtyKind } from '../store/hints.ts';
import { cleanDirty, delayDirty, dueDirty, markDirty } from '../store/hints.ts';
import { mergeOrderCustomers, noteStatus, orderDeleted, saveOrder } from '../store/orders.ts';
import { fullName } from './ask.ts';
import type { SyncContext } from './history.ts';

/** Orders carry their items: an answer of more of them could be too large to be read. */
const batchOf = { customer: 50, order: 20 } as const;
/** An entity the CRM cannot show is tried again after this many seconds, so often, then given up. */
const delaySeconds = 60;
const mostFailures = 5;

/**
 * Reads the oldest marked entities of a kind. Returns how many were due: 0 = nothing is left to do now.
 * @throws CrmError when the CRM could not be asked; the marks stay
 */
export async function readDirty(context: SyncContext, kind: DirtyKind): Promise<number> {
  const { db, enterprise } = context;
  if (context.zone() === undefined) return 0;
  const due = await dueDirty(db, enterprise, kind, batchOf[kind]);
  if (due.length === 0) return 0;
  const found = kind === 'customer' ? await readCustomers(context, due) : await readOrders(context, due);
  for (const entity of due) if (!found.has(entity.id)) await readOne(context, kind, entity);
  return due.length;
}

/** Applies those the list method shows; returns their ids. A list that is refused shows none. */
async function readCustomers(context: SyncContext, due: readonly DirtyEntity[]): Promise<Set<number>> {
  const marks = new Map(due.map((entity) => [entity.id, entity]));
  const items = await list(context, () =>
    context.client.customers({ ids: [...marks.keys()] }, { limit: batchOf.customer }),
  );
  const found = new Set<number>();
  for (const card of items) {
    const entity = marks.get(card.id);
    if (entity === undefined || found.has(card.id)) continue;
    await applyCustomer(context, card, entity);
    found.add(card.id);
  }
  return found;
}

async function readOrders(context: SyncContext, due: readonly DirtyEntity[]): Promise<Set<number>> {
  const marks = new Map(due.map((entity) => [entity.id, entity]));
  const items = await list(context, () => context.client.orders({ ids: [...marks.keys()] }, { limit: batchOf.order }));
  const found = new Set<number>();
  for (const order of items) {
    const entity = marks.get(order.id);
    if (entity === undefined || found.has(order.id)) continue;
    await applyOrder(context, order, entity);
    found.add(order.id);
  }
  return found;
}

async function list<T>(
  { general, signal }: SyncContext,
  request: () => Promise<{ readonly items: readonly T[] }>,
): Promise<readonly T[]> {
  await general.take({ urgent: false, signal });
  try {
    return (await request()).items;
  } catch (error) {
    // One by one, then: a list that is refused or too large says nothing about its elements.
    if (error instanceof CrmError && ['VALIDATION', 'BUG', 'NOTFOUND'].includes(error.kind)) return [];
    if (error instanceof CrmError && error.errorMsg === 'the answer is too large') return [];
    throw error;
  }
}

/** One the list did not show: gone, merged, or of a shop the list leaves out. */
async function readOne(context: SyncContext, kind: DirtyKind, entity: DirtyEntity): Promise<void> {
  const { db, client, enterprise, general, signal, site, log } = context;
  await general.take({ urgent: false, signal });
  try {
    if (kind === 'customer') await applyCustomer(context, await client.customer(entity.id, { by: 'id', site }), entity);
    else await applyOrder(context, await client.order(entity.id, { by: 'id', site }), entity);
  } catch (error) {
    if (!(error instanceof CrmError)) throw error;
    if (error.kind === 'NOTFOUND') {
      await gone(context, kind, entity, error.combinedTo);
      return;
    }
    if (error.kind !== 'VALIDATION' && error.kind !== 'BUG') throw error;
    if (entity.failures + 1 < mostFailures) {
      await delayDirty(db, enterprise, kind, entity.id, delaySeconds * 2 ** entity.failures);
      return;
    }
    await cleanDirty(db, enterprise, kind, [entity]);
    log.warn(`${kind} ${entity.id} changed, but the CRM does not show it: ${error.errorMsg}`);
  }
}

async function applyCustomer(context: SyncContext, card: Customer, entity: DirtyEntity): Promise<void> {
  const { db, enterprise, enterpriseNumber, cards, normalise, log } = context;
  const phones = card.phones.flatMap((phone) => normalise(phone) ?? []);
  const { change, phones: again } = await inTransaction(db, async (trx) => {
    const known = { id: card.id, name: fullName(card.firstName, card.lastName), managerId: card.managerId, phones };
    const correction = await correctCard(trx, enterpriseNumber, known);
    await cleanDirty(trx, enterprise, 'customer', [entity]);
    return correction;
  });
  if (change !== undefined) await cards.update(card.id, change);
  for (const phone of again) await cards.forgetPhone(phone);
  if (change !== undefined || again.length > 0)
    log.info(`customer ${card.id} changed in the CRM and is corrected here`);
}

async function applyOrder(context: SyncContext, order: Order, entity: DirtyEntity): Promise<void> {
  const { db, enterprise, normalise, rules } = context;
  const instant = (text: string | undefined): Date | null => {
    const zone = context.zone();
    const at = text === undefined || zone === undefined ? undefined : fromAccountTime(text, zone);
    return at === undefined ? null : new Date(at);
  };
  const createdAt = instant(order.createdAt);
  const statusAt = instant(order.statusUpdatedAt) ?? createdAt;
  await inTransaction(db, async (trx) => {
    await saveOrder(trx, enterprise, {
      id: order.id,
      number: order.number ?? null,
      externalId: order.externalId ?? null,
      status: order.status ?? null,
      method: order.orderMethod ?? null,
      total: order.totalSumm ?? null,
      customerId: order.customer?.id ?? null,
      managerId: order.managerId ?? null,
      site: order.site ?? null,
      phone: order.phone === undefined ? null : (normalise(order.phone) ?? order.phone),
      person: fullName(order.firstName, order.lastName) ?? null,
      createdAt,
      statusAt,
    });
    await noteRead(trx, order, statusAt);
    await cleanDirty(trx, enterprise, 'order', [entity]);
  });

  /** The order tells its status before the history does: noted now, so that nothing waits for the next poll. */
  async function noteRead(trx: Db, { id, status }: Order, at: Date | null): Promise<void> {
    if (status === undefined || at === null) return;
    const change = { orderId: id, status, at, historyId: undefined, own: false };
    const changeId = await noteStatus(trx, enterprise, change);
    if (changeId !== undefined) await rules.plan(trx, changeId, change);
  }
}

/** It is no longer there: deleted, or merged into another one that must be read now. */
async function gone(
  context: SyncContext,
  kind: DirtyKind,
  entity: DirtyEntity,
  combinedTo: number | undefined,
): Promise<void> {
  const { db, enterprise, enterpriseNumber, cards } = context;
  const { id } = entity;
  await inTransaction(db, async (trx) => {
    if (kind === 'order') await orderDeleted(trx, enterprise, id);
    else if (combinedTo === undefined) await staleCustomers(trx, enterpriseNumber, { customerId: id });
    else {
      await mergeCustomers(trx, enterpriseNumber, id, combinedTo);
      await mergeOrderCustomers(trx, enterprise, id, combinedTo);
    }
    if (combinedTo !== undefined) await markDirty(trx, enterprise, kind, [combinedTo]);
    await cleanDirty(trx, enterprise, kind, [entity]);
  });
  if (kind === 'customer') await (combinedTo === undefined ? cards.forget(id) : cards.merged(id, combinedTo));
}
