import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLog } from '../../src/log.ts';
import { migrate, migrateDatabase, SchemaError } from '../../src/store/migrations.ts';
import { createTestDatabase, migrationsDir, type TestDatabase } from '../support/database.ts';

let t: TestDatabase;
let dir: string;
beforeEach(async () => {
  t = await createTestDatabase({ migrated: false });
  dir = await mkdtemp(join(tmpdir(), 'migrations-'));
});
afterEach(async () => {
  await t.drop();
  await rm(dir, { recursive: true });
});

const put = (name: string, text: string): Promise<void> => writeFile(join(dir, name), text);
const run = () => migrate(t.db, dir, silentLog);
const tables = async (): Promise<unknown[]> =>
  (
    await t.query(
      `select tablename from pg_tables where schemaname = 'public' and tablename not like '%kysely%' order by 1`,
    )
  ).map((row) => row['tablename']);

describe('migrate', () => {
  test('applies the files in order, each once, and tells where the schema is', async () => {
    await put('0002_b.sql', 'alter table a add column y int; create table b (z int);');
    await put('0001_a.sql', 'create table a (x int);');
    await put('README.md', 'not SQL');
    expect(await run()).toEqual({ applied: ['0001_a', '0002_b'], current: '0002_b' });
    expect(await run()).toEqual({ applied: [], current: '0002_b' });
    await put('0003_c.sql', 'create table c (x int);');
    expect(await run()).toEqual({ applied: ['0003_c'], current: '0003_c' });
    expect(await tables()).toEqual(['a', 'b', 'c', 'schema_checksums']);
  });

  test('leaves nothing behind when a later statement fails, and works when run again', async () => {
    await put('0001_a.sql', 'create table a (x int);');
    await put('0002_b.sql', 'create table b (z int); select no_such_function();');
    await expect(run()).rejects.toThrow(/0002_b failed, nothing was changed: .*no_such_function/);
    expect(await tables()).toEqual([]);
    await put('0002_b.sql', 'create table b (z int);');
    expect(await run()).toEqual({ applied: ['0001_a', '0002_b'], current: '0002_b' });
  });

  test('is safe to run by three starts at once', async () => {
    await cp(migrationsDir, dir, { recursive: true });
    const options = { url: t.url, dir, log: silentLog };
    const runs = await Promise.all([migrateDatabase(options), migrateDatabase(options), migrateDatabase(options)]);
    expect(runs.filter((result) => result.applied.length > 0)).toHaveLength(1);
    expect(await tables()).toContain('outbox');
  });

  test('refuses a database newer than the program, and touches nothing', async () => {
    await put('0001_a.sql', 'create table a (x int);');
    await put('0002_b.sql', 'create table b (x int);');
    await run();
    await rm(join(dir, '0002_b.sql'));
    const refused = run();
    await expect(refused).rejects.toThrow(SchemaError);
    await expect(refused).rejects.toThrow(/newer than this program: it has migration 0002_b, the program knows 0001_a/);
  });

  test('refuses a file that was edited after it had been applied', async () => {
    await put('0001_a.sql', 'create table a (x int);');
    await run();
    await put('0001_a.sql', 'create table a (x int, y int);');
    await expect(run()).rejects.toThrow(/0001_a\.sql was changed after it had been applied/);
  });

  test('refuses a file that was put before an applied one', async () => {
    await put('0002_b.sql', 'create table b (x int);');
    await run();
    await put('0001_a.sql', 'create table a (x int);');
    await expect(run()).rejects.toThrow(SchemaError);
    expect(await tables()).toEqual(['b', 'schema_checksums']);
  });

  test('refuses a directory without migrations: the wrong one, surely', async () => {
    await expect(run()).rejects.toThrow(/no migrations/);
  });
});

test('migrateDatabase lets a statement take longer than the limit of everyday queries', async () => {
  await put('0001_a.sql', `create table a (x text); insert into a values (current_setting('statement_timeout'));`);
  await migrateDatabase({ url: t.url, dir, log: silentLog });
  expect(await t.query('select x from a')).toEqual([{ x: expect.stringMatching(/min|h/) }]);
});
