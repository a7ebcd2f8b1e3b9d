/** The way to PostgreSQL: one pool that never hangs and never takes the process down. */
import {
  Kysely,
  PostgresDialect,
  type PostgresPool,
  type PostgresPoolClient,
  type PostgresQueryResult,
  sql,
  type Transaction,
} from 'kysely';
import pg from 'pg';
import type { Logger } from '../log.ts';
import type { Database } from './schema.ts';

/** The database, or a transaction in it: every function of this room takes either. */
export type Db = Kysely<Database>;

/** An open pool. */
export interface Store {
  /** For the functions of this room. */
  readonly db: Db;
  /** Waits for running statements, then closes every connection. Safe to call twice. */
  close(): Promise<void>;
}

/** How to open a pool. */
export interface StoreOptions {
  /** `postgres://user:password@host:port/database`. Never logged. */
  url: string;
  log: Logger;
  /** Connections at most; default 10. */
  poolSize?: number;
  /** `application_name`, as an administrator sees it in `pg_stat_activity`. */
  application?: string;
  /**
   * Commits do not wait for the disk: a crash of the server may forget the last half second. Only for
   * leases and settlements: a record whose settlement is forgotten is sent again, and the CRM knows it.
   */
  relaxed?: boolean;
  /** All connections are opened at once and kept: who asks here must not wait for a handshake. */
  warm?: boolean;
  /** Limit of one statement and of one wait for a lock, in ms; default 5,000. Migrations need more. */
  timeoutMs?: number;
}

/** Also the wait for a free connection of an exhausted pool. */
const CONNECT_MS = 2_000;
const STATEMENT_MS = 5_000;
/** A transaction whose client went away, or thinks for this long, gives its locks back. */
const IDLE_IN_TRANSACTION_MS = 10_000;
const RETRIES = 5;

/** Opens the pool and proves it with one query. Throws what `pg` throws when the server cannot be reached. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const {
    url,
    log,
    poolSize = 10,
    application = 'asterisk-retailcrm',
    timeoutMs = STATEMENT_MS,
    relaxed,
    warm,
  } = options;
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    application_name: application,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: timeoutMs,
    // Just under the client's own limit: the server's refusal is the better message and keeps the connection usable.
    statement_timeout: Math.ceil(timeoutMs * 0.9),
    lock_timeout: Math.ceil(timeoutMs * 0.8),
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    ...(warm ? { idleTimeoutMillis: 0 } : {}),
    ...(relaxed ? { options: '-c synchronous_commit=off' } : {}),
  });
  // Without both of these a backend that ends (restart, pg_terminate_backend) ends the process: the first hears
  // idle connections, the second those a transaction holds. While we close, a server that stops right after us (the
  // embedded one) may still say goodbye: that is no news.
  let closing: Promise<void> | undefined;
  const report = (error: Error): void => {
    if (closing === undefined) log.warn('database connection lost', { code: codeOf(error), error: error.message });
  };
  pool.on('error', report);
  pool.on('connect', (client) => client.on('error', report));

  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool: guarded(pool) }) });
  const close = (): Promise<void> => (closing ??= db.destroy());
  try {
    // Through kysely: it closes only a pool it has used.
    await Promise.all(Array.from({ length: warm ? poolSize : 1 }, () => sql`select 1`.execute(db)));
  } catch (error) {
    await close();
    throw error;
  }
  return { db, close };
}

/**
 * The pool, except that a connection which timed out or turned out to be read-only is destroyed when it comes back.
 * pg would hand it to the next caller: behind a black hole that caller waits another five seconds, and after a
 * fail-over every write of it is refused.
 */
function guarded(pool: pg.Pool): PostgresPool {
  return {
    connect: async () => guardedClient(await pool.connect()),
    end: () => pool.end(),
  };
}

function guardedClient(client: pg.PoolClient): PostgresPoolClient {
  let broken: Error | undefined;
  async function query<R>(statement: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  async function query(statement: string, parameters: readonly unknown[]): Promise<unknown> {
    if (broken) throw broken;
    try {
      // Without parameters it may be several commands (a migration), which cannot be prepared.
      const name = parameters.length === 0 ? undefined : nameOf(statement);
      return await client.query({ text: statement, values: [...parameters], ...(name === undefined ? {} : { name }) });
    } catch (error) {
      if (isUnusable(error)) broken = error;
      throw error;
    }
  }
  // kysely's type has a second form, for cursors; it uses that one only when the dialect was given a cursor class
  return { query: query as PostgresPoolClient['query'], release: () => client.release(broken) };
}

/** How often each statement came. Those of lists differ by their length: there may be any number of them. */
const seen = new Map<string, number>();
const preparedAfter = 20;
const mostSeen = 500;

/**
 * A name for a statement that comes again and again: each connection then parses and plans it once, which for the lanes' claims
 * costs the server more than the claim itself.
 */
function nameOf(statement: string): string | undefined {
  const before = seen.get(statement);
  if (before === undefined && seen.size >= mostSeen) return undefined;
  const times = (before ?? 0) + 1;
  seen.set(statement, times);
  if (times < preparedAfter) return undefined;
  let name = names.get(statement);
  if (name === undefined) names.set(statement, (name = `s${names.size + 1}`));
  return name;
}
const names = new Map<string, string>();

/**
 * 25006: read-only transaction. 57P0x: the server is going down. 0A000: a prepared statement is older than the table, because
 * somebody migrated it meanwhile.
 */
function isUnusable(error: unknown): error is Error {
  const code = codeOf(error);
  if (code === '25006' || code === '0A000' || code?.startsWith('57P')) return true;
  return code === undefined && messageOf(error) === 'Query read timeout';
}

/** SQLSTATE or system error code, if the error carries one. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

function messageOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('message' in error)) return undefined;
  return typeof error.message === 'string' ? error.message : undefined;
}

/**
 * Runs `work` in one transaction. A deadlock (40P01) or serialisation failure (40001) runs it again, see `retried`, so `work`
 * must have no effect outside the database. Called inside a transaction it joins that one.
 */
export function inTransaction<T>(db: Db, work: (trx: Transaction<Database>) => Promise<T>): Promise<T> {
  return isOpenTransaction(db) ? work(db) : retried(() => db.transaction().execute(work));
}

/** Again after a deadlock (40P01) or serialisation failure (40001), at most five times with jitter. */
export async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const code = codeOf(error);
      if ((code !== '40P01' && code !== '40001') || attempt > RETRIES) throw error;
      const pause = Math.random() * 10 * 2 ** attempt;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

function isOpenTransaction(db: Db): db is Transaction<Database> {
  return db.isTransaction;
}
