/** Which customer of the CRM a number belongs to, as far as we asked. */
import { sql } from 'kysely';
import type { Db } from './database.ts';

/** What the CRM said about a number. */
export interface CustomerRow {
  id: string;
  /** Normalised. */
  phone: string;
  /** The CRM's id; null: it was asked and knows nobody. */
  retailcrmCustomerId: string | null;
  /** The enterprise's number in its configuration. */
  enterpriseNumber: string;
  createdAt: Date;
  updatedAt: Date;
  /** When the CRM was asked last. */
  fetchedAt: Date;
}

const columns = [
  'id',
  'phone',
  'retailcrm_customer_id as retailcrmCustomerId',
  'enterprise_number as enterpriseNumber',
  'created_at as createdAt',
  'updated_at as updatedAt',
  'fetched_at as fetchedAt',
] as const;

/** The customer of a number; undefined: the CRM was never asked. Staleness is the caller's affair. */
export function findCustomer(db: Db, enterpriseNumber: string, phone: string): Promise<CustomerRow | undefined> {
  return db
    .selectFrom('retailcrm_customers')
    .select(columns)
    .where('enterprise_number', '=', enterpriseNumber)
    .where('phone', '=', phone)
    .executeTakeFirst();
}

/** Saves the CRM's answer. `fetchedAt` default now. An older answer does not replace a newer one. */
export async function saveCustomer(
  db: Db,
  row: { phone: string; enterpriseNumber: string; retailcrmCustomerId: string | null; fetchedAt?: Date },
): Promise<void> {
  await db
    .insertInto('retailcrm_customers')
    .values({
      phone: row.phone,
      enterprise_number: row.enterpriseNumber,
      retailcrm_customer_id: row.retailcrmCustomerId,
      fetched_at: row.fetchedAt ?? sql<Date>`now()`,
    })
    .onConflict((conflict) =>
      conflict
        .constraint('retailcrm_customers_key')
        .doUpdateSet((eb) => ({
          retailcrm_customer_id: eb.ref('excluded.retailcrm_customer_id'),
          fetched_at: eb.ref('excluded.fetched_at'),
          updated_at: sql<Date>`now()`,
        }))
        .whereRef('retailcrm_customers.fetched_at', '<=', 'excluded.fetched_at'),
    )
    .execute();
}
