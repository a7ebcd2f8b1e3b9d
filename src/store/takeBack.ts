/** What a killed process held: nobody will settle it, so the next run of the same instance takes it back at once. */
import { sql } from 'kysely';
import type { Db } from './database.ts';

/**
 * Frees the rows of an account that earlier runs of this instance hold. Uploads are sent again (the CRM knows repeated
 * ones), and so are hangups (a second one closes nothing); a popup may have been shown already and is given up (P5).
 * @param instance prefix of this instance's lease owners, with its slash
 * @param owner the present run, whose own rows are left alone
 */
export async function takeBack(
  db: Db,
  account: string,
  instance: string,
  owner: string,
): Promise<{ freed: number; popups: number }> {
  const held = db
    .updateTable('outbox')
    .where('account', '=', account)
    .where(sql<boolean>`state = 'pending' and lease_until > now()`)
    .where(sql<boolean>`starts_with(lease_owner, ${instance})`)
    .where('lease_owner', '!=', owner);
  const popups = await held
    .where('kind', '=', 'event')
    .where('type', '!=', 'hangup')
    .set({ state: 'expired', reason: 'the daemon was killed while sending it', settled_at: sql<Date>`now()` })
    .executeTakeFirst();
  const rest = await held.set({ lease_until: null, lease_owner: null }).executeTakeFirst();
  return { freed: Number(rest.numUpdatedRows), popups: Number(popups.numUpdatedRows) };
}
