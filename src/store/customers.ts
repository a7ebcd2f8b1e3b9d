/** Which customer of the CRM a number belongs to, as far as we asked. */
import { type RawBuilder, sql } from 'kysely';
import type { Db } from './database.ts';
import { Together } from './together.ts';
import { chunks, jsonOrNull, text, textOrNull } from './values.ts';

/** What the CRM said about a number. */
export interface CustomerRow {
  id: string;
  /** Normalised. */
  phone: string;
  /** The CRM's id; null: it was asked and knows nobody. */
  retailcrmCustomerId: string | null;
  /** Other cards with this number. */
  otherIds: string[];
  name: string | null;
  /** The CRM user responsible. */
  managerId: string | null;
  managerName: string | null;
  /** Her code in the telephony module. */
  managerCode: string | null;
  /** Pages of the CRM. Not validated here. */
  links: unknown;
  /** False: not known yet whether other cards have the number. */
  complete: boolean;
  /** The enterprise's number in its configuration. */
  enterpriseNumber: string;
  createdAt: Date;
  updatedAt: Date;
  /** When the CRM was asked last; 1970: it must be asked again. */
  fetchedAt: Date;
}

/** What may be saved of a number; absent parts are empty. */
export type NewCustomerRow = Pick<CustomerRow, 'phone' | 'enterpriseNumber' | 'retailcrmCustomerId'> &
  Partial<Omit<CustomerRow, 'id' | 'createdAt' | 'updatedAt'>>;

const columns = [
  'id',
  'phone',
  'retailcrm_customer_id as retailcrmCustomerId',
  'other_ids as otherIds',
  'name',
  'manager_id as managerId',
  'manager_name as managerName',
  'manager_code as managerCode',
  'links',
  'complete',
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

/** The customers of these numbers, as far as the CRM was asked. */
export async function findCustomers(
  db: Db,
  enterpriseNumber: string,
  phones: readonly string[],
): Promise<CustomerRow[]> {
  if (phones.length === 0) return [];
  return db
    .selectFrom('retailcrm_customers')
    .select(columns)
    .where('enterprise_number', '=', enterpriseNumber)
    .where('phone', '=', sql<string>`any(${[...phones]}::text[])`)
    .execute();
}

/** The numbers asked last, oldest of them first: what a cache holds best. */
export async function recentCustomers(db: Db, enterpriseNumber: string, limit: number): Promise<CustomerRow[]> {
  const rows = await db
    .selectFrom('retailcrm_customers')
    .select(columns)
    .where('enterprise_number', '=', enterpriseNumber)
    .orderBy('fetched_at', 'desc')
    .limit(limit)
    .execute();
  return rows.reverse();
}

/** Answers of the CRM, of all enterprises, saved together. */
export type CustomerSaves = Together<NewCustomerRow, undefined>;

/** No more often than this, ms: memory knows meanwhile. */
const SAVE_EVERY_MS = 100;

/** @param db its commits need not wait for the disk */
export function customerSaves(db: Db): CustomerSaves {
  return new Together(async (rows) => {
    await saveCustomers(db, rows);
    return () => undefined;
  }, SAVE_EVERY_MS);
}

/** Saves the CRM's answers; of several about one number the last. `fetchedAt` default now. An older answer does not replace a newer one. */
export async function saveCustomers(db: Db, given: readonly NewCustomerRow[]): Promise<void> {
  const rows = [...new Map(given.map((row) => [`${row.enterpriseNumber} ${row.phone}`, row])).values()];
  // In one order, so that two writers never wait for each other.
  rows.sort((a, b) => (a.phone < b.phone ? -1 : Number(a.phone > b.phone)));
  for (const some of chunks(rows, 500)) await upsert(db, some);
}

async function upsert(db: Db, rows: readonly NewCustomerRow[]): Promise<void> {
  await db
    .insertInto('retailcrm_customers')
    .values(
      rows.map((row) => ({
        phone: row.phone,
        enterprise_number: row.enterpriseNumber,
        retailcrm_customer_id: row.retailcrmCustomerId,
        other_ids: row.otherIds ?? [],
        name: textOrNull(row.name ?? null),
        manager_id: row.managerId ?? null,
        manager_name: textOrNull(row.managerName ?? null),
        manager_code: textOrNull(row.managerCode ?? null),
        links: jsonOrNull(row.links),
        complete: row.complete ?? true,
        fetched_at: row.fetchedAt ?? sql<Date>`now()`,
      })),
    )
    .onConflict((conflict) =>
      conflict
        .constraint('retailcrm_customers_key')
        .doUpdateSet((eb) => ({
          retailcrm_customer_id: eb.ref('excluded.retailcrm_customer_id'),
          other_ids: eb.ref('excluded.other_ids'),
          name: eb.ref('excluded.name'),
          manager_id: eb.ref('excluded.manager_id'),
          manager_name: eb.ref('excluded.manager_name'),
          manager_code: eb.ref('excluded.manager_code'),
          links: sql`excluded.links`,
          complete: eb.ref('excluded.complete'),
          fetched_at: eb.ref('excluded.fetched_at'),
          updated_at: sql<Date>`now()`,
        }))
        .whereRef('retailcrm_customers.fetched_at', '<=', 'excluded.fetched_at'),
    )
    .execute();
}

/** What must be asked again. */
export type StaleCustomers = { customerId: number } | { phone: string };

/** The numbers of a card, or one number, must be asked again when they call next. Returns the numbers. */
export async function staleCustomers(db: Db, enterpriseNumber: string, which: StaleCustomers): Promise<string[]> {
  const rows = await db
    .updateTable('retailcrm_customers')
    .set({ fetched_at: new Date(0), updated_at: sql<Date>`now()` })
    .where('enterprise_number', '=', enterpriseNumber)
    .$if('phone' in which, (q) => q.where('phone', '=', 'phone' in which ? which.phone : ''))
    .$if('customerId' in which, (q) => q.where(ofCard('customerId' in which ? which.customerId : 0)))
    .returning('phone')
    .execute();
  return rows.map(({ phone }) => phone);
}

/** A card's name or manager became another one; a new manager's name and code are not known. Returns its numbers. */
export async function changeCustomer(
  db: Db,
  enterpriseNumber: string,
  customerId: number,
  change: { name?: string | undefined; managerId?: number | undefined },
): Promise<string[]> {
  const rows = await db
    .updateTable('retailcrm_customers')
    .set({
      updated_at: sql<Date>`now()`,
      ...('name' in change ? { name: change.name === undefined ? null : text(change.name) } : {}),
      ...('managerId' in change
        ? {
            manager_id: change.managerId === undefined ? null : String(change.managerId),
            manager_name: null,
            manager_code: null,
          }
        : {}),
    })
    .where('enterprise_number', '=', enterpriseNumber)
    .where('retailcrm_customer_id', '=', String(customerId))
    .returning('phone')
    .execute();
  return rows.map(({ phone }) => phone);
}

/** Card `from` is now part of `into`. Returns the numbers that had `from`. */
export async function mergeCustomers(db: Db, enterpriseNumber: string, from: number, into: number): Promise<string[]> {
  const rows = await db
    .updateTable('retailcrm_customers')
    .set({
      retailcrm_customer_id: sql`case when retailcrm_customer_id = ${from} then ${into} else retailcrm_customer_id end`,
      other_ids: sql`array_remove(array_remove(other_ids, ${from}::bigint), ${into}::bigint)`,
      fetched_at: new Date(0),
      updated_at: sql<Date>`now()`,
    })
    .where('enterprise_number', '=', enterpriseNumber)
    .where(ofCard(from))
    .returning('phone')
    .execute();
  return rows.map(({ phone }) => phone);
}

function ofCard(id: number): RawBuilder<boolean> {
  return sql<boolean>`(retailcrm_customer_id = ${id} or ${id}::bigint = any(other_ids))`;
}
