import { connect, createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { type Logger, silentLog } from '../../src/log.ts';
import { codeOf, type Db, inTransaction, openStore, type Store } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let t: TestDatabase;
const stores: Store[] = [];
beforeAll(async () => {
  t = await createTestDatabase({ migrated: false });
  await t.query('create table tally (name text primary key, n int not null)');
  await t.query(`insert into tally values ('a', 0), ('b', 0)`);
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});
afterAll(() => t.drop());

async function open(over: { poolSize?: number; timeoutMs?: number; url?: string; log?: Logger } = {}): Promise<Store> {
  const store = await openStore({ url: t.url, log: silentLog, poolSize: 1, ...over });
  stores.push(store);
  return store;
}

/** A logger, and a promise of its first warning. */
function listen(): { log: Logger; warned: Promise<string> } {
  let hear: (message: string) => void = () => undefined;
  const warned = new Promise<string>((resolve) => (hear = resolve));
  const log: Logger = { ...silentLog, warn: (message) => hear(message) };
  return { log, warned };
}

const codeFrom = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'it worked',
    (error: unknown) => codeOf(error) ?? (error as Error).message,
  );
const backend = async (db: Db): Promise<number> =>
  (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)).rows[0]?.pid ?? 0;
const add = (db: Db, name: string) => sql`update tally set n = n + 1 where name = ${name}`.execute(db);
const tally = async (): Promise<unknown> =>
  (await t.query('select sum(n)::int as n from tally')).map((row) => row['n'])[0];

describe('openStore', () => {
  test('sets every limit at the server and tells its name', async () => {
    const { db } = await open();
    const { rows } =
      await sql`select name, setting from pg_settings where name in ('application_name', 'statement_timeout',
      'lock_timeout', 'idle_in_transaction_session_timeout') order by name`.execute(db);
    expect(rows).toEqual([
      { name: 'application_name', setting: 'asterisk-retailcrm' },
      { name: 'idle_in_transaction_session_timeout', setting: '10000' },
      { name: 'lock_timeout', setting: '4000' },
      { name: 'statement_timeout', setting: '4500' },
    ]);
  });

  test('fails at once when nobody listens', async () => {
    expect(await codeFrom(openStore({ url: 'postgres://u:p@127.0.0.1:1/x', log: silentLog }))).toBe('ECONNREFUSED');
  });

  test('may be closed twice', async () => {
    const store = await open();
    await Promise.all([store.close(), store.close()]);
    expect(await codeFrom(backend(store.db))).toMatch(/destroyed/);
  });

  test('reads bigints as text, times as dates, jsonb as values', async () => {
    const { db } = await open();
    const { rows } = await sql`select 9007199254740993::bigint as big, timestamptz '2026-11-20T10:00:00.125Z' as at,
      '{"a":[1]}'::jsonb as doc`.execute(db);
    expect(rows).toEqual([{ big: '9007199254740993', at: new Date('2026-11-20T10:00:00.125Z'), doc: { a: [1] } }]);
  });
});

describe('a statement that takes too long', () => {
  test('is cancelled by the server, and its connection goes on', async () => {
    const { db } = await open();
    const pid = await backend(db);
    // The pool's only connection. Far below the client's own limit, which would end a slow machine's statement first.
    await sql`set statement_timeout = 100`.execute(db);
    expect(await codeFrom(sql`select pg_sleep(30)`.execute(db))).toBe('57014');
    expect(await backend(db)).toBe(pid);
  });

  test('because of a lock gives up waiting for it', async () => {
    const [holder, waiter] = [await open(), await open()];
    await sql`set lock_timeout = 100`.execute(waiter.db);
    const waited = await holder.db.transaction().execute(async (trx) => {
      await sql`select n from tally where name = 'a' for update`.execute(trx);
      return codeFrom(add(waiter.db, 'a'));
    });
    expect(waited).toBe('55P03');
  });

  test('D7: in a black hole fails after the limit, and the next caller gets another connection', async () => {
    const hole = await blackHole(t.url);
    try {
      const { db } = await open({ url: hole.url, timeoutMs: 2_000 });
      const pid = await backend(db);
      hole.swallow();
      expect(await codeFrom(backend(db))).toBe('Query read timeout');
      hole.pass();
      expect(await backend(db)).not.toBe(pid);
    } finally {
      await hole.close();
    }
  });

  test('D7: in a transaction in a black hole costs one limit, not one per statement', async () => {
    const hole = await blackHole(t.url);
    try {
      const timeoutMs = 2_000;
      const { db } = await open({ url: hole.url, timeoutMs });
      let begun = 0;
      const failed = db.transaction().execute((trx) => {
        hole.swallow();
        begun = performance.now();
        return add(trx, 'a'); // and the rollback after it
      });
      expect(await codeFrom(failed)).toBe('Query read timeout');
      expect(performance.now() - begun).toBeLessThan(2 * timeoutMs);
    } finally {
      await hole.close();
    }
  });
});

test('D6: an exhausted pool refuses after two seconds instead of queueing for ever', async () => {
  const { db } = await open();
  await db.transaction().execute(async () => {
    expect(await codeFrom(backend(db))).toMatch(/timeout exceeded/);
  });
  expect(await backend(db)).toBeGreaterThan(0);
});

describe('D8: a backend that is terminated', () => {
  test('in the middle of a transaction fails that transaction, and neither the process nor the next one', async () => {
    const { log, warned } = listen();
    const { db } = await open({ log });
    const failed = db.transaction().execute(async (trx) => {
      await add(trx, 'a');
      await t.query('select pg_terminate_backend($1)', [await backend(trx)]);
      // Nobody awaits a query now: without a handler of its own the connection's error ends the process here.
      expect(await warned).toBe('database connection lost');
      await add(trx, 'a');
    });
    expect(await codeFrom(failed)).not.toBe('it worked');
    expect(await backend(db)).toBeGreaterThan(0);
    expect(await tally()).toBe(0);
  });

  test('while idle in the pool is replaced', async () => {
    const { log, warned } = listen();
    const { db } = await open({ log });
    const pid = await backend(db);
    await t.query('select pg_terminate_backend($1)', [pid]);
    await warned;
    expect(await backend(db)).not.toBe(pid);
  });
});

test('D4: a connection to a server that became read-only is not used again', async () => {
  const readOnly = (value: string) => t.admin(`alter database ${t.name} set default_transaction_read_only = ${value}`);
  await readOnly('on');
  try {
    const { db } = await open();
    expect(await codeFrom(add(db, 'a'))).toBe('25006');
    await readOnly('off');
    await inTransaction(db, (trx) => add(trx, 'a'));
  } finally {
    await readOnly('off');
  }
  await t.query('update tally set n = 0');
});

describe('inTransaction', () => {
  afterEach(() => t.query('update tally set n = 0'));

  test('D5: two that deadlock both succeed, each once', async () => {
    const { db } = await open({ poolSize: 2 });
    let arrived = 0;
    let go: () => void = () => undefined;
    const bothHold = new Promise<void>((resolve) => (go = resolve));
    const meet = (): Promise<void> => {
      arrived += 1;
      if (arrived >= 2) go();
      return bothHold;
    };
    const crossing = (first: string, second: string) =>
      inTransaction(db, async (trx) => {
        await add(trx, first);
        await meet();
        await add(trx, second);
      });
    await Promise.all([crossing('a', 'b'), crossing('b', 'a')]);
    expect(arrived).toBe(3);
    expect(await tally()).toBe(4);
  });

  test('D5: gives up after five repetitions', async () => {
    const { db } = await open();
    let runs = 0;
    const always = inTransaction(db, async (trx) => {
      runs += 1;
      await sql`do $$ begin raise exception 'clash' using errcode = '40001'; end $$`.execute(trx);
    });
    expect(await codeFrom(always)).toBe('40001');
    expect(runs).toBe(6);
  });

  test('does not repeat any other failure', async () => {
    const { db } = await open();
    let runs = 0;
    const failing = inTransaction(db, () => {
      runs += 1;
      return Promise.reject(new Error('mine'));
    });
    expect(await codeFrom(failing)).toBe('mine');
    expect(runs).toBe(1);
  });

  test('inside a transaction joins it', async () => {
    const { db } = await open();
    const failed = inTransaction(db, async (trx) => {
      await inTransaction(trx, (inner) => add(inner, 'a'));
      throw new Error('outer');
    });
    expect(await codeFrom(failed)).toBe('outer');
    expect(await tally()).toBe(0);
  });
});

/** A way to the server that can swallow everything without closing, as a dead router does. */
async function blackHole(url: string) {
  const target = new URL(url);
  const { hostname, port } = target;
  const sockets = new Set<Socket>();
  let swallowing = false;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let lost = false;
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => undefined);
      from.on('data', (chunk) => {
        lost ||= swallowing;
        if (!lost) to.write(chunk);
      });
      from.on('close', () => to.destroy());
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  target.port = String(typeof address === 'object' && address ? address.port : 0);
  return {
    url: target.href,
    swallow: () => void (swallowing = true),
    pass: () => void (swallowing = false),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}
