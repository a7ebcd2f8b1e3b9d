import { type Server, createServer } from 'node:net';
import { get } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { exitCodeOf } from '../../src/cli/errors.ts';
import type { HttpSettings, Settings } from '../../src/config/settings.ts';
import { Tally } from '../../src/http/figures.ts';
import type { LogFields, Logger } from '../../src/log.ts';
import { silentLog } from '../../src/log.ts';
import { type Web, startWeb } from '../../src/web.ts';
import { type TestDatabase, createTestDatabase } from '../support/database.ts';

let t: TestDatabase;
let web: Web | undefined;
let taken: Server | undefined;
beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.drop());
afterEach(async () => {
  await web?.stop();
  web = undefined;
  await new Promise((resolve) => (taken === undefined ? resolve(undefined) : taken.close(resolve)));
  taken = undefined;
});

const loopback = { address: '127.0.0.1', port: 0 };

function settings(http: Partial<HttpSettings>): Settings {
  return {
    daemon: {
      ...{ file: '/etc/x/daemon.yaml', database: { kind: 'embedded', dir: undefined } },
      ...{ log: { level: 'info', format: undefined }, enterprisesDir: '/', instance: undefined, agi: undefined },
      http: { enabled: true, ...loopback, publicUrl: undefined, trustProxy: [], health: loopback, ...http },
    },
    enterprises: [],
  };
}

function start(http: Partial<HttpSettings>, log: Logger = silentLog): Promise<Web | undefined> {
  return startWeb({ settings: settings(http), enterprises: [], db: t.db, deliveries: new Tally(), log });
}

const statusOf = (address: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    get(`http://${address}`, { agent: false }, (reply) => {
      reply.resume();
      resolve(reply.statusCode);
    }).once('error', reject);
  });

describe('the two listeners', () => {
  test('are two, say where they are, and know nothing of each other', async () => {
    const said: [string, LogFields | undefined][] = [];
    web = await start({}, { ...silentLog, info: (message, fields) => said.push([message, fields]) });
    expect(said).toEqual([['http: listening', { address: web?.address, health: web?.health }]]);
    const [outside, inside] = [web?.address ?? '', web?.health ?? ''];
    expect(await statusOf(`${outside}/openapi.json`)).toBe(200);
    expect(await statusOf(`${inside}/livez`)).toBe(200);
    expect(await statusOf(`${inside}/readyz`)).toBe(200);
    expect(await statusOf(`${outside}/metrics`)).toBe(404);
    expect(await statusOf(`${outside}/livez`)).toBe(404);
    expect(await statusOf(`${inside}/api/hangup`)).toBe(404);
  });

  test('are none when they are switched off', async () => {
    expect(await start({ enabled: false })).toBeUndefined();
  });

  test('are gone after the stop', async () => {
    const gone = await start({});
    await gone?.stop();
    await expect(statusOf(`${gone?.address}/openapi.json`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe('an address that cannot be had', () => {
  test.each([
    { key: 'http', says: 'a port somebody else has' },
    { key: 'http.health', says: 'the same for health; the other listener does not stay open' },
  ])('$key: $says ends the start with 69 and names the key', async ({ key }) => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    taken = server;
    const bound = server.address();
    const at = { address: '127.0.0.1', port: typeof bound === 'object' && bound !== null ? bound.port : 0 };
    const error: unknown = await start(key === 'http' ? at : { health: at }).catch((reason: unknown) => reason);
    expect(exitCodeOf(error)).toBe(69);
    expect(String(error)).toContain(`cannot listen on 127.0.0.1:${at.port} (${key}): another program listens there`);
  });

  test('that is not ours: 69', async () => {
    const error: unknown = await start({ address: '203.0.113.1' }).catch((reason: unknown) => reason);
    expect(exitCodeOf(error)).toBe(69);
    expect(String(error)).toContain('this machine has no such address');
  });
});
