/** The whole daemon, the emulator as the CRM, real HTTP between them; the PBX cannot be reached. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { accountKey } from '../../src/accounts.ts';
import { loadAll } from '../../src/config/load.ts';
import { type Daemon, startDaemon } from '../../src/daemon.ts';
import type { LogFields, Logger } from '../../src/log.ts';
import { type Emulator, startEmulator } from '../../src/sandbox/emulator.ts';
import type { Account, Module, PlacedCallback } from '../../src/sandbox/account.ts';
import { dropOldCredentials, readCredentials, rotateCredentials } from '../../src/store/credentials.ts';
import { enqueue } from '../../src/store/outbox.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { portToBe } from '../support/ports.ts';
import { directory } from '../unit/config/support.ts';
import { popup } from './deliveryHarness.ts';

let database: TestDatabase;
let crm: Emulator;
let daemon: Daemon;
let publicUrl: string;
let agiPort: number;
const lines: string[] = [];
const log = heardBy(lines);

/** Keeps every line with its fields. */
function heardBy(said: string[]): Logger {
  const keep =
    (level: string) =>
    (message: string, fields?: LogFields): void => {
      said.push(`${level}: ${message} ${JSON.stringify(fields ?? {})}`);
    };
  const made: Logger = {
    error: keep('error'),
    warn: keep('warn'),
    info: keep('info'),
    debug: keep('debug'),
    child: () => made,
  };
  return made;
}

beforeAll(async () => {
  database = await createTestDatabase({ migrated: false });
  crm = await startEmulator({ port: 0, seed: { accounts: [{ codes: null }] } });
  const port = await portToBe();
  agiPort = await portToBe();
  publicUrl = `http://127.0.0.1:${port}`;
  process.env['CRM_SIDE_DATABASE'] = database.url;
  process.env['CRM_SIDE_SECRET'] = 'demo-key';
  const config = directory({
    'daemon.yaml': `database:
  url: { env: CRM_SIDE_DATABASE }
http: { port: ${port}, public_url: '${publicUrl}', health: { port: 0 } }
agi: { port: ${agiPort} }
`,
    'enterprises/acme.yaml': `id: acme
number: '1'
country: BY
timezone: Europe/Minsk
retailcrm:
  url: ${crm.url}
  allow_insecure: true
  key: { env: CRM_SIDE_SECRET }
  timezone: Europe/Minsk
  module: {}
click_to_call: {}
statuses: { to_pbx: true, to_crm: true }
hosts:
  - id: pbx1
    ami: { address: 127.0.0.1, port: 1, user: daemon, secret: { env: CRM_SIDE_SECRET } }
    trunks: [{ name: line, channels: [PJSIP/line] }]
    extensions: ['1[0-9][0-9]']
dids:
  - { number: '+375171234501', site: shop-a }
default_did: '+375171234501'
employees:
  - { extension: '150', user: 7 }
  - { extension: '151', user: 8 }
`,
  });
  daemon = await startDaemon(loadAll(config), log);
  await until('the module is registered', () => module() !== undefined);
});
afterAll(async () => {
  await daemon.stop();
  await crm.stop();
  await database.drop();
  delete process.env['CRM_SIDE_DATABASE'];
  delete process.env['CRM_SIDE_SECRET'];
});

const account = (): Account => crm.account();
const module = (): Module | undefined => account().modules.get('asterisk-acme');
function ours(): Module {
  const found = module();
  if (found === undefined) throw new Error('the module is gone');
  return found;
}
const status = (): Promise<PlacedCallback> | undefined => {
  const user = account().users.get(7);
  return user && crm.callbacks.userStatus(account(), user);
};

/** @param everyMs how often to look; refused requests are counted against us */
async function until(what: string, so: () => boolean | Promise<boolean>, everyMs = 20): Promise<void> {
  for (const end = Date.now() + 15_000; Date.now() < end; ) {
    if (await so()) return;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  throw new Error(`it never came that ${what}`);
}

describe('what the CRM is told at start', () => {
  test('an icon for every employee with an extension', () => {
    expect(ours()).toMatchObject({
      active: true,
      baseUrl: publicUrl,
      accountUrl: `${publicUrl}/account`,
      telephony: {
        allowEdit: false,
        additionalCodes: [
          { userId: 7, code: '150' },
          { userId: 8, code: '151' },
        ],
        externalPhones: [{ siteCode: 'shop-a', externalPhone: '+375171234501' }],
      },
    });
    expect(ours().telephony?.makeCallUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/crm\/[\w-]{32}\/makecall$/);
    expect(ours().clientId).toMatch(/^[\w-]{43}$/);
  });

  test('nothing a well-behaved client does not send', () => {
    expect(crm.requests().flatMap(({ flags }) => flags)).toEqual([]);
  });
});

describe('what the CRM asks (behaviours 58 to 60)', () => {
  test.each(['GET', 'POST'] as const)(
    '58: a click by %s in every spelling, the PBX is away: 503 within 2 s',
    async (method) => {
      for (const spelling of ['stored', 'brackets', 'trunk', 'national'] as const) {
        const placed = await crm.callbacks.click(account(), { userId: 7, customerId: 501, spelling, method });
        expect(placed.status).toBe(503);
        expect(placed.milliseconds).toBeLessThan(2_000);
      }
    },
  );

  test('59: a status is taken whether or not the PBX can be told', async () => {
    for (const one of ['busy', 'dinner', 'break', 'free'] as const) {
      const user = account().users.get(7);
      if (user !== undefined) user.status = one;
      expect(await status()).toMatchObject({ ok: true, status: 200 });
    }
  });

  test.each([
    [false, false, 'warn: the telephony module was switched off'],
    [true, false, 'info: the telephony module was switched on'],
    [true, true, 'warn: the telephony module was switched off'],
    [true, false, 'info: the telephony module was switched on'],
  ])('60: active %s, freeze %s', async (active, freeze, sentence) => {
    Object.assign(ours(), { active, freeze });
    const before = lines.length;
    const placed = await crm.callbacks.activity(account(), ours(), 'https://moved.example');
    expect(placed).toMatchObject({ ok: true, status: 200 });
    expect(JSON.parse(placed.body)).toEqual({ success: true });
    expect(lines.slice(before).filter((line) => line.startsWith(sentence))).toHaveLength(1);
  });

  test('60: with an unknown clientId it is 400 and nothing changes', async () => {
    const placed = await crm.callbacks.activity(account(), { ...ours(), clientId: 'x'.repeat(43), active: false }, '');
    expect(placed.status).toBe(400);
    expect(JSON.parse(placed.body)).toMatchObject({ success: false });
  });

  test('the settings page opens for who has the clientId, and for nobody else', async () => {
    expect(await crm.callbacks.accountUrl(account(), ours())).toMatchObject({ ok: true });
    expect((await crm.callbacks.accountUrl(account(), { ...ours(), clientId: 'x'.repeat(43) })).status).toBe(403);
  });

  test('the logo is there', async () => {
    const reply = await fetch(`${publicUrl}/logo.svg`);
    expect(reply.headers.get('content-type')).toMatch(/^image\/svg\+xml/);
    expect(await reply.text()).toMatch(/^<svg/);
  });
});

describe('rotation', () => {
  const paths = (): Promise<string[]> =>
    readCredentials(database.db, ['acme']).then((pairs) => pairs.map(({ pathToken }) => pathToken));
  const click = async (token: string, clientId: string): Promise<number> => {
    const query = new URLSearchParams({ clientId, code: '150', phone: '+375290000101' }).toString();
    return (await fetch(`${publicUrl}/crm/${token}/makecall?${query}`)).status;
  };

  test('old and new are valid together, then the new one alone; halves of two pairs never', async () => {
    const [old] = await readCredentials(database.db, ['acme']);
    await rotateCredentials(database.db, 'acme');
    const [fresh] = await readCredentials(database.db, ['acme']);
    if (old === undefined || fresh === undefined) throw new Error('no credentials');
    await until('the new pair is known', async () => (await click(fresh.pathToken, fresh.clientId)) === 503, 300);
    expect(await click(old.pathToken, old.clientId)).toBe(503); // let in: the PBX is away
    expect(await click(old.pathToken, fresh.clientId)).toBe(403);
    expect(await click(fresh.pathToken, old.clientId)).toBe(403);
    await database.query('update credentials set registered_at = now() where id = $1', [fresh.id]);
    await dropOldCredentials(database.db, 'acme');
    await until('the old pair is gone', async () => (await click(old.pathToken, old.clientId)) === 403, 300);
    expect(await click(fresh.pathToken, fresh.clientId)).toBe(503);
    expect(await paths()).toEqual([fresh.pathToken]);
  });
});

describe('telephony off', () => {
  test('the CRM lost the module: the first refused popup has it registered again', async () => {
    account().modules.clear();
    const row = popup('pbx1-77.0', 'in', { enterprise: 'acme', account: accountKey(crm.url, 'acme') });
    await enqueue(database.db, [row]);
    await until('the module is registered again', () => module() !== undefined);
    expect(ours().telephony?.additionalCodes).toHaveLength(2);
    await until('it is told', () => lines.some((line) => line.includes('had lost the telephony module')));
  });
});

describe('who is responsible', () => {
  test.each([
    [
      'a known customer',
      '80290000101',
      { known: true, extension: '150', customer: 'Anna Lisitsa', manager: 'Ira Orlova' },
    ],
    ['nobody', '+375290000999', { known: false }],
  ])('%s, by HTTP', async (_says, phone, reply) => {
    const [pair] = await readCredentials(database.db, ['acme']);
    const ask = async (): Promise<unknown> => {
      const query = new URLSearchParams({ clientId: pair?.clientId ?? '', phone }).toString();
      return (await fetch(`${publicUrl}/api/responsible?${query}`)).json();
    };
    await until('the answer is there', async () => {
      const known = JSON.stringify(await ask()).includes('"known":true');
      return known === reply.known;
    });
    expect(await ask()).toMatchObject(reply);
  });

  test('by FastAGI, as Asterisk asks', async () => {
    const socket = connect(agiPort, '127.0.0.1');
    let heard = '';
    socket.on('data', (bytes) => {
      heard += bytes.toString();
      socket.write('200 result=1\n');
    });
    socket.write(
      'agi_network: yes\nagi_network_script: responsible\nagi_callerid: 80290000101\nagi_dnid: 375171234501\n\n',
    );
    await once(socket, 'close');
    expect(heard.split('\n')).toEqual([
      'SET VARIABLE RESPONSIBLE_EXT "150"',
      'SET VARIABLE RESPONSIBLE_STATUS "free"',
      'SET VARIABLE RESPONSIBLE_NAME "Ira Orlova"',
      'SET VARIABLE CUSTOMER_NAME "Anna Lisitsa"',
      'SET VARIABLE CUSTOMER_KNOWN "1"',
      '',
    ]);
  });
});

test('no secret was ever said', async () => {
  const pairs = await readCredentials(database.db, ['acme']);
  const secrets = pairs.flatMap(({ clientId, pathToken }) => [clientId, pathToken]);
  expect(lines.filter((line) => secrets.some((secret) => line.includes(secret)))).toEqual([]);
});
