/** A fresh, migrated database for one test file, on the server of the run. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { silentLog } from '../../src/log.ts';
import { projectRoot } from '../../src/root.ts';
import { openStore, type Store } from '../../src/store/database.ts';
import { migrate } from '../../src/store/migrations.ts';

/** The project's migrations. */
export const migrationsDir = join(projectRoot(), 'db', 'migrations');

/** A database of its own. */
export interface TestDatabase extends Store {
  url: string;
  /** Runs a statement as an administrator would, outside the pool. */
  query(statement: string, parameters?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Runs a statement in another database of the same server. */
  admin(statement: string): Promise<Record<string, unknown>[]>;
  /** Name of the database. */
  name: string;
  /** Closes the pool and drops the database. */
  drop(): Promise<void>;
}

/** Creates a database; with `migrated: false` an empty one. */
export async function createTestDatabase(
  options: { migrated?: boolean; poolSize?: number } = {},
): Promise<TestDatabase> {
  const server = process.env['TEST_DATABASE_URL'];
  if (!server) throw new Error('TEST_DATABASE_URL is missing: run these tests through jest, which starts a server');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await once(server, `create database ${name}`);
  const at = new URL(server);
  at.pathname = `/${name}`;
  const url = at.href;
  const store = await openStore({ url, log: silentLog, poolSize: options.poolSize ?? 10 });
  if (options.migrated !== false) await migrate(store.db, migrationsDir, silentLog);
  return {
    ...store,
    url,
    query: (statement, parameters) => once(url, statement, parameters),
    admin: (statement) => once(server, statement),
    name,
    drop: async () => {
      await store.close();
      await once(server, `drop database ${name} with (force)`);
    },
  };
}

async function once(url: string, statement: string, parameters: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const result = await client.query<Record<string, unknown>>(statement, parameters);
    return result.rows;
  } finally {
    await client.end();
  }
}
