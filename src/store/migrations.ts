/** Brings a database to this program's schema: plain SQL files, each once, in order, all or nothing. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Migration, Migrator, sql } from 'kysely';
import type { Logger } from '../log.ts';
import { type Db, openStore } from './database.ts';

/** The database's schema and this program do not belong together. The message says what to do. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

/** What a run of `migrate` did. */
export interface Migrated {
  /** Files applied now, oldest first. */
  applied: string[];
  /** The newest file applied, now or before. */
  current: string;
}

interface MigrationFile {
  /** File name without `.sql`. */
  name: string;
  text: string;
  sha256: string;
}

/** A migration may rewrite a large table, and a second instance waits for the first one's. */
const MIGRATION_MS = 3_600_000;

/** As `migrate`, over a connection of its own that waits as long as a migration takes. What the daemon calls at start. */
export async function migrateDatabase(options: { url: string; dir: string; log: Logger }): Promise<Migrated> {
  const { url, dir, log } = options;
  const store = await openStore({
    url,
    log,
    poolSize: 2,
    application: 'asterisk-retailcrm migrate',
    timeoutMs: MIGRATION_MS,
  });
  try {
    return await migrate(store.db, dir, log);
  } finally {
    await store.close();
  }
}

/**
 * Applies the files of `dir` (`NNNN_name.sql`) the database does not have yet, in one transaction and under an advisory
 * lock: concurrent starts are safe, a failed run leaves nothing behind. Throws SchemaError when the database is newer
 * than this program, or when a file was changed after it had been applied. The statements run under the time limit of
 * `db`'s own pool: see `migrateDatabase`.
 */
export async function migrate(db: Db, dir: string, log: Logger): Promise<Migrated> {
  const files = await readFiles(dir);
  await compare(db, files);
  const migrator = new Migrator({
    db,
    provider: {
      getMigrations: () => Promise.resolve(Object.fromEntries(files.map((file) => [file.name, migration(file)]))),
    },
  });
  const { error, results = [] } = await migrator.migrateToLatest();
  if (error !== undefined) {
    // Another instance may have moved the schema on while this one waited for the lock.
    await compare(db, files);
    const failed = results.find((result) => result.status === 'Error');
    throw new SchemaError(`migration ${failed?.migrationName ?? ''} failed, nothing was changed: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const applied = results.map((result) => result.migrationName);
  const current = files.at(-1)?.name ?? '';
  if (applied.length > 0) log.info(`database schema is now at ${current}`, { applied });
  return { applied, current };
}

async function readFiles(dir: string): Promise<MigrationFile[]> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.sql')).sort();
  if (names.length === 0) throw new SchemaError(`no migrations (*.sql) in ${dir}`);
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(dir, name), 'utf8');
      return { name: name.slice(0, -'.sql'.length), text, sha256: createHash('sha256').update(text).digest('hex') };
    }),
  );
}

function migration(file: MigrationFile): Migration {
  return {
    up: async (trx: Db) => {
      // Raw on purpose, and here only: the text is a file of this program. Several statements go in one message.
      await sql.raw(file.text).execute(trx);
      await trx.schema
        .createTable('schema_checksums')
        .ifNotExists()
        .addColumn('name', 'text', (column) => column.primaryKey())
        .addColumn('sha256', 'text', (column) => column.notNull())
        .addColumn('applied_at', 'timestamptz', (column) => column.notNull().defaultTo(sql`now()`))
        .execute();
      await trx.insertInto('schema_checksums').values({ name: file.name, sha256: file.sha256 }).execute();
    },
  };
}

/** Throws SchemaError unless every migration the database has is one of `files`, unchanged. */
async function compare(db: Db, files: MigrationFile[]): Promise<void> {
  const found = await sql<{ found: boolean }>`select to_regclass('schema_checksums') is not null as found`.execute(db);
  if (found.rows[0]?.found !== true) return;
  const applied = await db.selectFrom('schema_checksums').select(['name', 'sha256']).orderBy('name').execute();
  for (const { name, sha256 } of applied) {
    const file = files.find((candidate) => candidate.name === name);
    if (!file) {
      throw new SchemaError(
        `the database is newer than this program: it has migration ${name}, the program knows ${files.at(-1)?.name ?? 'none'}. Start the newer program; the data was not touched.`,
      );
    }
    if (file.sha256 !== sha256) {
      throw new SchemaError(
        `migration ${name}.sql was changed after it had been applied to this database. Restore the file; changes go into a new migration.`,
      );
    }
  }
}

function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}
