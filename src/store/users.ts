/** Users of the CRM and whose an extension was when. What is stored here came from a list that could be believed. */
import { type Insertable, sql } from 'kysely';
import type { Db } from './database.ts';
import { inTransaction } from './database.ts';
import type { Database } from './schema.ts';
import { chunks, text, textOrNull } from './values.ts';

/** A user of the CRM. */
export interface CrmUser {
  id: number;
  name: string;
  /** false: may not log in any more. */
  active: boolean;
  /** `free`, `busy`, `dinner`, `break`, as of the last list; others may come. */
  status: string | null;
  /** false: no longer in the CRM's list; the name is kept for old calls. */
  listed: boolean;
}

/** Whose an extension was: from `from` (included) to `to` (not included; null = still). */
export interface ExtensionInterval {
  extension: string;
  user: number;
  /** Who says so: our configuration, or the CRM's telephony module. */
  source: 'config' | 'crm';
  from: Date;
  to: Date | null;
}

/** Whose an extension is to be from now on. */
export type ExtensionOwner = Pick<ExtensionInterval, 'extension' | 'user' | 'source'>;

/** All users ever listed. */
export async function crmUsers(db: Db, enterprise: string): Promise<CrmUser[]> {
  const rows = await db
    .selectFrom('crm_users')
    .select(['user_id', 'name', 'active', 'status', 'listed'])
    .where('enterprise', '=', enterprise)
    .orderBy('user_id')
    .execute();
  return rows.map(({ user_id, ...row }) => ({ id: Number(user_id), ...row }));
}

/** All intervals, by extension and begin. */
export async function extensionIntervals(db: Db, enterprise: string): Promise<ExtensionInterval[]> {
  const rows = await db
    .selectFrom('user_extensions')
    .select(['extension', 'user_id', 'source', 'valid_from as from', 'valid_to as to'])
    .where('enterprise', '=', enterprise)
    .orderBy('extension')
    .orderBy('valid_from')
    .orderBy('id')
    .execute();
  return rows.map(({ user_id, ...row }) => ({ user: Number(user_id), ...row }));
}

/** Replaces the list of users. Those no longer in it are kept as not listed. */
export async function saveCrmUsers(
  db: Db,
  enterprise: string,
  users: readonly Omit<CrmUser, 'listed'>[],
): Promise<void> {
  await inTransaction(db, async (trx) => {
    const ids = users.map(({ id }) => String(id));
    await trx
      .updateTable('crm_users')
      .set({ listed: false, updated_at: sql<Date>`now()` })
      .where('enterprise', '=', enterprise)
      .where('listed', '=', true)
      .where(sql<boolean>`not (user_id = any(${ids}::bigint[]))`)
      .execute();
    if (users.length === 0) return;
    await trx
      .insertInto('crm_users')
      .values(
        users.map((user) => ({
          enterprise,
          user_id: String(user.id),
          name: text(user.name),
          active: user.active,
          status: textOrNull(user.status),
          listed: true,
        })),
      )
      .onConflict((conflict) =>
        conflict.columns(['enterprise', 'user_id']).doUpdateSet((eb) => ({
          name: eb.ref('excluded.name'),
          active: eb.ref('excluded.active'),
          status: eb.ref('excluded.status'),
          listed: eb.ref('excluded.listed'),
          updated_at: sql<Date>`now()`,
        })),
      )
      .execute();
  });
}

/**
 * From `at` on the extensions belong to these users and to nobody else: what differs is closed, what is new is opened.
 * The first owners an enterprise ever has reach back to the beginning: nothing earlier is known that could contradict.
 * Returns what changed: `user` null = the extension has no user any more.
 */
export function saveExtensions(
  db: Db,
  enterprise: string,
  owners: readonly ExtensionOwner[],
  at: Date,
): Promise<{ extension: string; user: number | null; before: number | null }[]> {
  return inTransaction(db, async (trx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended(${`user_extensions ${enterprise}`}, 0))`.execute(trx);
    const known = await extensionIntervals(trx, enterprise);
    const open = new Map(known.filter(({ to }) => to === null).map((row) => [row.extension, row]));
    const wanted = new Map(owners.map((owner) => [owner.extension, owner]));
    const differs = (extension: string): boolean => {
      const [now, then] = [open.get(extension), wanted.get(extension)];
      return now?.user !== then?.user || now?.source !== then?.source;
    };
    const changed = [...new Set([...open.keys(), ...wanted.keys()])].filter(differs).sort();
    const begun: Insertable<Database['user_extensions']>[] = [];
    for (const extension of changed) {
      const [before, after] = [open.get(extension), wanted.get(extension)];
      const begin = known.length === 0 ? new Date(0) : at;
      if (before !== undefined && before.user === after?.user) {
        await trx
          .updateTable('user_extensions')
          .set({ source: after.source })
          .where('enterprise', '=', enterprise)
          .where('extension', '=', extension)
          .where('valid_to', 'is', null)
          .execute();
        continue;
      }
      if (before !== undefined) {
        await trx
          .updateTable('user_extensions')
          // A clock that stepped back must not make an interval end before it began.
          .set({ valid_to: sql<Date>`greatest(valid_from, ${begin})` })
          .where('enterprise', '=', enterprise)
          .where('extension', '=', extension)
          .where('valid_to', 'is', null)
          .execute();
      }
      if (after !== undefined) {
        begun.push({
          enterprise,
          extension: text(extension),
          user_id: String(after.user),
          source: after.source,
          valid_from: begin,
          valid_to: null,
        });
      }
    }
    for (const part of chunks(begun, 1_000)) await trx.insertInto('user_extensions').values(part).execute();
    return changed
      .map((extension) => ({
        extension,
        user: wanted.get(extension)?.user ?? null,
        before: open.get(extension)?.user ?? null,
      }))
      .filter(({ user, before }) => user !== before);
  });
}
