/** What the doctor asks the database: few, cheap questions, nothing is written. */
import { sql } from 'kysely';
import type { Db } from './database.ts';

/** The server behind the pool. */
export interface ServerFacts {
  /** `server_version_num`: 150018. */
  versionNumber: number;
  /** As the server writes it: `15.18 (Debian …)`. */
  version: string;
  now: Date;
  /** Size of our database, bytes. */
  bytes: number;
  /** It takes no writes: a standby, or set so. */
  readOnly: boolean;
}

export async function serverFacts(db: Db): Promise<ServerFacts> {
  const { rows } = await sql<{ number: string; version: string; now: Date; bytes: string; read_only: string }>`
    select current_setting('server_version_num') as number, current_setting('server_version') as version,
      clock_timestamp() as now, pg_database_size(current_database()) as bytes,
      current_setting('transaction_read_only') as read_only`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('the server says nothing of itself');
  return {
    versionNumber: Number(row.number),
    version: row.version,
    now: row.now,
    bytes: Number(row.bytes),
    readOnly: row.read_only === 'on',
  };
}

/** Names of the migrations the database has, oldest first; empty for one that was never migrated. */
export async function appliedMigrations(db: Db): Promise<string[]> {
  const found = await sql<{ found: boolean }>`select to_regclass('schema_checksums') is not null as found`.execute(db);
  if (found.rows[0]?.found !== true) return [];
  const rows = await db.selectFrom('schema_checksums').select('name').orderBy('name').execute();
  return rows.map(({ name }) => name);
}

/** When the last call of each host began. */
export async function lastCalls(db: Db, enterprise: string): Promise<Map<string, Date>> {
  const rows = await db
    .selectFrom('calls')
    .select((eb) => ['host', eb.fn.max('started_at').as('at')])
    .where('enterprise', '=', enterprise)
    .groupBy('host')
    .execute();
  return new Map(rows.map(({ host, at }) => [host, at]));
}

/** Extensions that owned calls lately, with how many. */
export async function recentOwners(
  db: Db,
  enterprise: string,
  since: Date,
): Promise<{ owner: string; calls: number }[]> {
  const rows = await db
    .selectFrom('calls')
    .select((eb) => ['owner', eb.fn.countAll<string>().as('calls')])
    .where('enterprise', '=', enterprise)
    .where('started_at', '>=', since)
    .where('owner', 'is not', null)
    .groupBy('owner')
    .execute();
  return rows.flatMap(({ owner, calls }) => (owner === null ? [] : [{ owner, calls: Number(calls) }]));
}

/** A customer's number of the latest call that had one, E.164. */
export async function recentCustomer(db: Db, enterprise: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('calls')
    .select('customer_phone')
    .where('enterprise', '=', enterprise)
    .where('customer_phone', 'like', '+%')
    .orderBy('started_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.customer_phone ?? undefined;
}

/** Link of the latest record that was delivered with one. */
export async function recentRecordUrl(db: Db, enterprise: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('outbox')
    .select('payload')
    .where('enterprise', '=', enterprise)
    .where('kind', '=', 'upload')
    .where('state', '=', 'done')
    .where('payload', 'like', '%"recordUrl"%')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  const payload: unknown = row === undefined ? undefined : JSON.parse(row.payload);
  if (typeof payload !== 'object' || payload === null || !('recordUrl' in payload)) return undefined;
  return typeof payload.recordUrl === 'string' ? payload.recordUrl : undefined;
}

/** What waits for the CRM and what it refused. */
export interface Backlog {
  /** Rows that are due for longer than ten minutes. */
  late: number;
  dead: number;
}

export async function backlog(db: Db, enterprise: string): Promise<Backlog> {
  const { rows } = await sql<{ late: string; dead: string }>`
    select count(*) filter (where state = 'pending' and due_at < now() - interval '10 minutes') as late,
      count(*) filter (where state = 'dead') as dead
    from outbox where enterprise = ${enterprise} and state in ('pending', 'dead')`.execute(db);
  return { late: Number(rows[0]?.late ?? 0), dead: Number(rows[0]?.dead ?? 0) };
}

/** When the daemon last said that a host is in sync, by host. */
export async function lastBeats(db: Db, enterprise: string): Promise<Map<string, Date>> {
  const rows = await db
    .selectFrom('heartbeats')
    .select(['host', 'synced_at'])
    .where('enterprise', '=', enterprise)
    .execute();
  return new Map(rows.map((row) => [row.host, row.synced_at]));
}
