/**
 * What the CRM proves itself with when it calls us, per enterprise: a clientId and a path token. Newest pair first; it is
 * the one the module is registered with. During a rotation an older pair is valid beside it.
 *
 * Stored as they are: each registration sends them in clear, so whoever reads the database with the daemon's rights could
 * read them anyway. They open nothing in the CRM; they let somebody ask this daemon to act, and `rotate` ends that.
 */
import { randomBytes } from 'node:crypto';
import { type Generated, type GeneratedAlways, sql } from 'kysely';
import type { Db } from './database.ts';

/** Table `credentials`. */
export interface CredentialsTable {
  id: GeneratedAlways<string>;
  enterprise: string;
  client_id: string;
  path_token: string;
  created_at: Generated<Date>;
  registered_at: Date | null;
}

/** One pair. Both texts are secrets. */
export interface CredentialPair {
  readonly id: string;
  readonly enterprise: string;
  /** 43 characters of base64url: 32 random bytes. */
  readonly clientId: string;
  /** 32 characters of base64url: 24 random bytes. */
  readonly pathToken: string;
  readonly createdAt: Date;
  /** When the CRM last took it; null: it never did. */
  readonly registeredAt: Date | null;
}

const columns = [
  'id',
  'enterprise',
  'client_id as clientId',
  'path_token as pathToken',
  'created_at as createdAt',
  'registered_at as registeredAt',
] as const;

/** All valid pairs of these enterprises, each enterprise's newest first. */
export function readCredentials(db: Db, enterprises: readonly string[]): Promise<CredentialPair[]> {
  if (enterprises.length === 0) return Promise.resolve([]);
  return db
    .selectFrom('credentials')
    .select(columns)
    .where('enterprise', 'in', enterprises)
    .orderBy('id', 'desc')
    .execute();
}

/** The newest pair; makes the first one if there is none. Two that ask at once get the same. */
export function ensureCredentials(db: Db, enterprise: string): Promise<CredentialPair> {
  return db.transaction().execute(async (trx) => {
    await lock(trx, enterprise);
    return (await newest(trx, enterprise)) ?? (await make(trx, enterprise));
  });
}

/**
 * Who must take a new pair before the older one may go: the CRM, where our module is registered; nobody, where there is no
 * module and only scripts and triggers show the clientId.
 */
export type Taker = 'crm' | 'nobody';

/**
 * A new pair beside the present one. The present one stays valid until `dropOldCredentials` or the next rotation: never
 * more than two. A new pair the CRM has not taken yet is given again instead of another one, since the older one is then
 * the only one the CRM knows.
 */
export function rotateCredentials(db: Db, enterprise: string, taker: Taker = 'crm'): Promise<CredentialPair> {
  return db.transaction().execute(async (trx) => {
    await lock(trx, enterprise);
    const present = await newest(trx, enterprise);
    if (taker === 'crm' && present?.registeredAt === null) return present;
    if (present !== undefined) await dropOlder(trx, enterprise, present.id);
    return make(trx, enterprise);
  });
}

/** Ends the overlap: only the newest pair stays valid. Refuses (undefined) while the CRM has not taken it. @returns how many were dropped. */
export function dropOldCredentials(db: Db, enterprise: string, taker: Taker = 'crm'): Promise<number | undefined> {
  return db.transaction().execute(async (trx) => {
    await lock(trx, enterprise);
    const present = await newest(trx, enterprise);
    if (present === undefined) return 0;
    const untaken = taker === 'crm' && present.registeredAt === null;
    return untaken ? undefined : dropOlder(trx, enterprise, present.id);
  });
}

/** The CRM took this pair. */
export async function markRegistered(db: Db, id: string): Promise<void> {
  await db.updateTable('credentials').set({ registered_at: sql<Date>`now()` }).where('id', '=', id).execute();
}

async function lock(trx: Db, enterprise: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('credentials'), hashtext(${enterprise}))`.execute(trx);
}

function newest(trx: Db, enterprise: string): Promise<CredentialPair | undefined> {
  return trx
    .selectFrom('credentials')
    .select(columns)
    .where('enterprise', '=', enterprise)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
}

function make(trx: Db, enterprise: string): Promise<CredentialPair> {
  return trx
    .insertInto('credentials')
    .values({
      enterprise,
      client_id: randomBytes(32).toString('base64url'),
      path_token: randomBytes(24).toString('base64url'),
      registered_at: null,
    })
    .returning(columns)
    .executeTakeFirstOrThrow();
}

async function dropOlder(trx: Db, enterprise: string, id: string): Promise<number> {
  const { numDeletedRows } = await trx
    .deleteFrom('credentials')
    .where('enterprise', '=', enterprise)
    .where('id', '<', id)
    .executeTakeFirst();
  return Number(numDeletedRows);
}
