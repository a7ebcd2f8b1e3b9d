/** The obligations of delivery that the database can prove alone. Run after every fault test, and hourly in production. */
import { sql } from 'kysely';
import type { Db } from './database.ts';

/** Which calls to look at; default all. */
export interface OracleScope {
  enterprise?: string;
  /** Calls that ended at or after this time. */
  since?: Date;
}

/**
 * Ended calls the CRM must hear of (`record.logToCrm`) that have neither an upload in the outbox, whatever its state,
 * nor an entry in the drop ledger under their own id. Empty, or a call is lost. At most 1,000 ids.
 */
export async function unaccounted(db: Db, scope: OracleScope = {}): Promise<string[]> {
  let query = db
    .selectFrom('calls as c')
    .select('c.external_id')
    .where('c.state', '=', 'ended')
    .where(sql<boolean>`c.record -> 'logToCrm' = 'true'::jsonb`)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('outbox as o')
            .select('o.id')
            .whereRef('o.call_id', '=', 'c.external_id')
            .whereRef('o.enterprise', '=', 'c.enterprise')
            .where('o.kind', '=', 'upload'),
        ),
      ),
    )
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('drops as d')
            .select('d.id')
            .whereRef('d.external_id', '=', 'c.external_id')
            .whereRef('d.enterprise', '=', 'c.enterprise'),
        ),
      ),
    )
    .orderBy('c.started_at')
    .limit(1_000);
  if (scope.enterprise !== undefined) query = query.where('c.enterprise', '=', scope.enterprise);
  if (scope.since) query = query.where('c.ended_at', '>=', scope.since);
  const rows = await query.execute();
  return rows.map((row) => row.external_id);
}

/** Obligation 2: what was issued is delivered, open, dead or withdrawn, and nothing else. */
export interface Balance {
  issued: number;
  /** `done`. */
  delivered: number;
  /** `waiting` or `pending`. */
  open: number;
  /** `dead` or `discarded`. */
  dead: number;
  /** `expired`. */
  expired: number;
}

/** The outbox in five numbers; the four parts add up to `issued`. */
export async function balance(db: Db, enterprise?: string): Promise<Balance> {
  const row = await db
    .selectFrom('outbox')
    .select((eb) => [
      eb.fn.countAll<string>().as('issued'),
      eb.fn.countAll<string>().filterWhere('state', '=', 'done').as('delivered'),
      eb.fn.countAll<string>().filterWhere('state', 'in', ['waiting', 'pending']).as('open'),
      eb.fn.countAll<string>().filterWhere('state', 'in', ['dead', 'discarded']).as('dead'),
      eb.fn.countAll<string>().filterWhere('state', '=', 'expired').as('expired'),
    ])
    .$if(enterprise !== undefined, (q) => q.where('enterprise', '=', enterprise ?? ''))
    .executeTakeFirstOrThrow();
  return {
    issued: Number(row.issued),
    delivered: Number(row.delivered),
    open: Number(row.open),
    dead: Number(row.dead),
    expired: Number(row.expired),
  };
}
