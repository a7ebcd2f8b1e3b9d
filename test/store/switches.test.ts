/**
 * A shop's day with the emulator's switches in every position, one at a time: the whole daemon, a simulated PBX, real HTTP. What
 * accounts may do differently changes nothing; what they may do wrong is made good once it stops.
 */
import { expect, test } from '@jest/globals';
import PQueue from 'p-queue';
import { loadAll } from '../../src/config/load.ts';
import { type Daemon, startDaemon } from '../../src/daemon.ts';
import { silentLog } from '../../src/log.ts';
import type { Account } from '../../src/sandbox/account.ts';
import { type Emulator, startEmulator } from '../../src/sandbox/emulator.ts';
import { add as addOrder } from '../../src/sandbox/orders.ts';
import { DEFAULT_SWITCHES, type Switches } from '../../src/sandbox/switches.ts';
import { readCredentials } from '../../src/store/credentials.ts';
import { findOrder } from '../../src/store/orders.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { Pbx } from '../support/pbx.ts';
import { extensions } from '../support/pbxCalls.ts';
import { PbxLoad, quickPace } from '../support/pbxLoad.ts';
import { Chance } from '../support/pbxRandom.ts';
import { portToBe } from '../support/ports.ts';
import { directory } from '../unit/config/support.ts';

const anna = '+375290000101';
const stranger = '+375290000999';
/** Anna's manager has the phone 150. */
const manager = 1 + extensions.indexOf('150');
const secrets = { SWITCHES_KEY: 'demo-key', SWITCHES_HOOK: 'a-secret-of-triggers' };
Object.assign(process.env, secrets);

const plain: Partial<Switches>[] = [
  {},
  { missingKeyStatus: 403 },
  { telephonyOffStatus: 200 },
  { rateLimitReply: '503html', quotaTaken: 0.5 },
  { rateLimitReply: '503json', quotaTaken: 0.5 },
  { rateLimitReply: '429json', quotaTaken: 0.5 },
  { unknownFilter: '400' },
  { createStatus: 200 },
  { emptyInfo: '{}' },
  { managerIdType: 'string' },
  { errorsShape: 'list' },
  { language: 'ru' },
  { dupCounts: 'include' },
  { delayMs: 300 },
  { dripBytes: 16, dripEveryMs: 5 },
];
/** Over before the evening. */
const faults: Partial<Switches>[] = [
  { loseReplyEvery: 3 },
  { fail5xxEvery: 3 },
  { halfBatchThen500: 2 },
  { down: true },
  { html200: true },
];

/** A daemon has 17 connections to the database: not all days at once. */
const side = new PQueue({ concurrency: 2 });
const expectSoon = (switches: Partial<Switches>, isFault: boolean): Promise<void> =>
  side.add(() => expectDay(switches, isFault));

test.concurrent.each(plain)('a day with %j', (switches) => expectSoon(switches, false), 120_000);
test.concurrent.each(faults)('a day that begins with %j', (switches) => expectSoon(switches, true), 120_000);

test('every switch is here, but for those that stop an account for a minute and for replies a test writes itself', () => {
  const elsewhere = ['authOff', 'accountGone', 'failNext', 'poison', 'sinceIdWithPage', 'retryAfterSeconds'];
  const here = [...plain, ...faults].flatMap((one) => Object.keys(one));
  expect([...new Set([...here, ...elsewhere])].sort()).toEqual(Object.keys(DEFAULT_SWITCHES).sort());
});

interface Shop {
  readonly database: TestDatabase;
  readonly crm: Emulator;
  readonly account: Account;
  readonly pbx: Pbx;
  readonly api: string;
}

async function expectDay(switches: Partial<Switches>, isFault: boolean): Promise<void> {
  const database = await createTestDatabase({ poolSize: 2 });
  const pbx = await Pbx.start();
  const crm = await startEmulator({ port: 0, seed: { accounts: [{ name: 'demo', codes: null, ...people() }] } });
  const shop = { database, pbx, crm, account: crm.account(), api: '' };
  let daemon: Daemon | undefined;
  try {
    if (!isFault) crm.setSwitches(switches);
    const port = await portToBe();
    daemon = await startDaemon(loadAll(configuration(shop, port)), silentLog);
    await pbx.synced();
    await workDay({ ...shop, api: `http://127.0.0.1:${port}` }, isFault ? switches : {});
  } finally {
    await daemon?.stop();
    await crm.stop();
    await pbx.close();
    await database.drop();
  }
}

async function workDay(shop: Shop, fault: Partial<Switches>): Promise<void> {
  const isFault = Object.keys(fault).length > 0;
  const { account, crm, database, pbx, api } = shop;
  await until('the module is registered', () => account.modules.has('asterisk-acme'));
  const [credentials] = await readCredentials(database.db, ['acme']);
  const clientId = credentials?.clientId ?? '';

  // Trouble, if any, begins when everybody is at work.
  crm.setSwitches(fault);
  const load = new PbxLoad({ pbx, chance: new Chance(5), callsPerSecond: 1, pace: quickPace });
  const known = load.one('in answered', anna);
  const missed = load.one('in abandoned', stranger);
  const order = addOrder(account, 'shop-a', '2026-01-01 00:00:00', { managerId: manager }, { key: 'x' }, Date.now());
  const trigger = { event: 'order.create', clientId, secret: secrets.SWITCHES_HOOK, id: String(order.id) };
  const hint = await fetch(`${api}/retailcrm/webhook`, { method: 'POST', body: new URLSearchParams(trigger) });
  const click = await crm.callbacks.click(account, { userId: manager, customerId: 501 });
  const user = account.users.get(manager);
  if (user !== undefined) user.status = 'dinner';
  const status = user && (await crm.callbacks.userStatus(account, user));
  await load.over();
  crm.setSwitches(DEFAULT_SWITCHES);

  expect(hint.status).toBe(200);
  expect(click).toMatchObject({ ok: true, status: 200 });
  expect(pbx.originates).toHaveLength(1);
  expect(status).toMatchObject({ ok: true, status: 200 });
  await until('every errand came to its end', async () => {
    // The calls first: their errands were committed with them, so what is looked at afterwards has them all.
    if (account.calls.size < 2) return false;
    return (await database.query("select 1 from outbox where state in ('waiting', 'pending')")).length === 0;
  });
  expect(
    [...account.calls.values()].map(({ externalId, phone, result }) => [externalId, phone, result]).sort(),
  ).toEqual([known, missed].map((call) => [`pbx1-${call.uniqueid}`, call.customerPhone, call.result]).sort());
  const cardsOf = (phone: string): number[] =>
    [...account.customers.values()]
      .filter(({ phones }) => phones.some(({ number }) => number === phone))
      .map(({ id }) => id);
  expect(cardsOf(anna)).toEqual([501]);
  const [card] = cardsOf(stranger);
  expect(cardsOf(stranger)).toHaveLength(1);
  expect([...account.orders.values()].filter(({ orderMethod }) => orderMethod === 'missed-call')).toHaveLength(1);
  expect(account.notes.map(({ customerId }) => customerId)).toEqual([card]);
  expect(account.tasks).toHaveLength(1);
  // A popup, and the word that closes it, are sent at most once: an answer that says nothing loses them (P5).
  if (!isFault) expect(account.openPopups.size).toBe(0);
  // A task whose answer was lost cannot be looked for: it waits for a person. Nothing else does.
  const dead = await database.query("select kind from outbox where state = 'dead'");
  expect(dead).toEqual(fault.loseReplyEvery === undefined || dead.length === 0 ? [] : [{ kind: 'errand' }]);
  await until('the order is known', async () => (await findOrder(database.db, 'acme', order.id)) !== undefined);
  await until('who is responsible is known', async () => {
    const query = new URLSearchParams({ clientId, phone: anna }).toString();
    const reply = await (await fetch(`${api}/api/responsible?${query}`)).text();
    return reply.includes('"extension":"150"');
  });
  expect(crm.requests().flatMap(({ flags }) => flags)).toEqual([]);
}

function people() {
  return {
    users: extensions.map((_, index) => ({ id: 1 + index })),
    customers: [{ id: 501, firstName: 'Anna', phones: [anna], managerId: manager }],
  };
}

function configuration({ crm, pbx, database }: Pick<Shop, 'crm' | 'pbx' | 'database'>, port: number): string {
  process.env[`SWITCHES_DB_${port}`] = database.url;
  process.env[`SWITCHES_AMI_${port}`] = pbx.secret;
  return directory({
    'daemon.yaml': `database: { url: { env: SWITCHES_DB_${port} } }
http: { port: ${port}, public_url: 'http://127.0.0.1:${port}', health: { port: 0 } }
`,
    'enterprises/acme.yaml': `id: acme
number: '1'
country: BY
timezone: Europe/Minsk
retailcrm:
  url: ${crm.url}
  allow_insecure: true
  key: { env: SWITCHES_KEY }
  webhook_secret: { env: SWITCHES_HOOK }
  module: {}
click_to_call: {}
statuses: { to_pbx: true, to_crm: true }
customers:
  create: { when: [in_answered, in_missed] }
  missed: { order: {}, task: {}, note: 'Missed call {time}' }
hosts:
  - id: pbx1
    ami: { address: 127.0.0.1, port: ${pbx.port}, user: ${pbx.user}, secret: { env: SWITCHES_AMI_${port} } }
    trunks: [{ name: provider-by, channels: [PJSIP/provider-by] }]
    extensions: ['[1-3][0-9][0-9]']
dids:
  - { number: '+375171234501', site: shop-a }
  - { number: '+375171234503', site: shop-a }
  - { number: '+375171234504', site: shop-a }
default_did: '+375171234501'
policies: { default_owner: '150' }
employees:
${extensions.map((extension, index) => `  - { extension: '${extension}', user: ${1 + index} }`).join('\n')}
`,
  });
}

async function until(what: string, so: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 90_000; Date.now() < end; ) {
    if (await so()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`it never came that ${what}`);
}
