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
      return await client.query(statement, [...parameters]);
    } catch (error) {
      if (isUnusable(error)) broken = error;
      throw error;
    }
  }
  // kysely's type has a second form, for cursors; it uses that one only when the dialect was given a cursor class
  return { query: query as PostgresPoolClient['query'], release: () => client.release(broken) };
}

/** 25006: read-only transaction. 57P0x: the server is going down. */
function isUnusable(error: unknown): error is Error {
  const code = codeOf(error);
  if (code === '25006' || code?.startsWith('57P')) return true;
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
 * Runs `work` in one transaction. A deadlock (40P01) or serialisation failure (40001) runs it again, at most five times
 * with jitter, so `work` must have no effect outside the database. Called inside a transaction it joins that one.
 */
export async function inTransaction<T>(db: Db, work: (trx: Transaction<Database>) => Promise<T>): Promise<T> {
  if (isOpenTransaction(db)) return work(db);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await db.transaction().execute(work);
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
