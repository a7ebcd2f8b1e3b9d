/** What a card read from the CRM corrects in the table of numbers (`customers.ts` keeps that table). */
import { sql } from 'kysely';
import { changeCustomer, staleCustomers } from './customers.ts';
import type { Db } from './database.ts';

/** A customer's card as the CRM shows it now. */
export interface Card {
  id: number;
  name: string | undefined;
  managerId: number | undefined;
  /** E.164. */
  phones: readonly string[];
}

/** What was corrected, for those who keep a copy in memory. */
export interface Correction {
  /** Parts that were not what the card says; undefined: none. */
  change: { name?: string | undefined; managerId?: number | undefined } | undefined;
  /** Numbers that must be asked again: put on the card, or taken off. */
  phones: string[];
}

/** Corrects name and manager of a card, and has those of its numbers asked again that stand elsewhere or nowhere. */
export async function correctCard(db: Db, enterpriseNumber: string, card: Card): Promise<Correction> {
  const id = String(card.id);
  const rows = await db
    .selectFrom('retailcrm_customers')
    .select(['phone', 'retailcrm_customer_id as owner', 'other_ids as others', 'name', 'manager_id as manager'])
    .where('enterprise_number', '=', enterpriseNumber)
    .where((eb) =>
      eb.or([
        eb('retailcrm_customer_id', '=', id),
        sql<boolean>`${id}::bigint = any(other_ids)`,
        sql<boolean>`phone = any(${[...card.phones]}::text[])`,
      ]),
    )
    .execute();
  const own = rows.filter(({ owner }) => owner === id);
  const managerId = card.managerId === undefined ? null : String(card.managerId);
  const named = own.every(({ name }) => name === (card.name ?? null));
  const managed = own.every(({ manager }) => manager === managerId);
  const change = {
    ...(named ? {} : { name: card.name }),
    ...(managed ? {} : { managerId: card.managerId }),
  };
  const changed = !named || !managed;
  if (changed) await changeCustomer(db, enterpriseNumber, card.id, change);
  const phones = rows
    .filter(({ phone, owner, others }) => {
      const has = card.phones.includes(phone);
      return has !== (owner === id || others.includes(id));
    })
    .map(({ phone }) => phone);
  for (const phone of phones) await staleCustomers(db, enterpriseNumber, { phone });
  return { change: changed ? change : undefined, phones };
}
