/** Questions to a server by its port: is it there, is it ours? */
import { realpath } from 'node:fs/promises';
import pg from 'pg';
import { codeOf } from './database.ts';

/** `busy`: starting up or shutting down. `foreign`: another server has the port. */
export type Look = 'ours' | 'absent' | 'busy' | 'foreign';

/** Who answers on this port of 127.0.0.1. `cluster`: the data directory of our server. */
export async function look(port: number, password: string, cluster: string): Promise<Look> {
  const client = await connect(port, password, 'postgres').catch((error: unknown) => error);
  if (!(client instanceof pg.Client)) {
    const code = codeOf(client);
    if (code === 'ECONNREFUSED') return 'absent';
    // A password of ours is refused, or what answers speaks another language: somebody else took the port.
    return code === '57P03' || code === 'ECONNRESET' || code === undefined ? 'busy' : 'foreign';
  }
  try {
    const result = await client.query<{ data_directory: string }>('show data_directory');
    const theirs = result.rows[0]?.data_directory;
    return theirs !== undefined && theirs === (await realpath(cluster)) ? 'ours' : 'foreign';
  } catch {
    return 'busy';
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Creates a database unless it exists. */
export async function createDatabase(port: number, password: string, name: string): Promise<void> {
  const client = await connect(port, password, 'postgres');
  try {
    const found = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (found.rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}

async function connect(port: number, password: string, database: string): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password,
    database,
    connectionTimeoutMillis: 3_000,
    query_timeout: 30_000,
  });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
