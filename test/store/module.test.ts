import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { EnterpriseSettings } from '../../src/config/settings.ts';
import type { LogFields, Logger } from '../../src/log.ts';
import { type ModuleContext, ModuleError, registerModule } from '../../src/module.ts';
import { ModuleKeeper, digests } from '../../src/moduleKeeper.ts';
import { RetailCrmClient } from '../../src/retailcrm/client.ts';
import { CrmError } from '../../src/retailcrm/errors.ts';
import { type Emulator, startEmulator } from '../../src/sandbox/emulator.ts';
import type { Switches } from '../../src/sandbox/switches.ts';
import {
  dropOldCredentials,
  ensureCredentials,
  markRegistered,
  readCredentials,
  rotateCredentials,
} from '../../src/store/credentials.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { example } from '../unit/config/support.ts';

let database: TestDatabase;
let crm: Emulator;
let client: RetailCrmClient;
let enterprise: EnterpriseSettings;
let keeper: ModuleKeeper | undefined;
let said: string[];
let count = 0;

/** Keeps what is said, `level: sentence {fields}`. */
function listening(): Logger {
  const keep =
    (level: string) =>
    (message: string, fields?: LogFields): void => {
      said.push(`${level}: ${message} ${JSON.stringify(fields ?? {})}`);
    };
  const log: Logger = {
    error: keep('error'),
    warn: keep('warn'),
    info: keep('info'),
    debug: keep('debug'),
    child: () => log,
  };
  return log;
}

/** An enterprise of its own with employees `user:extension`. */
function shop(employees: string): EnterpriseSettings {
  const base = example();
  const [model] = base.employees;
  if (model === undefined) throw new Error('the example has no employee');
  return {
    ...base,
    id: `shop-${++count}`,
    employees: employees.split(' ').map((entry) => {
      const [user, code = ''] = entry.split(':');
      return { ...model, extension: code, code, user: Number(user) };
    }),
    dids: base.dids.map((did) => ({ ...did, site: 'shop-a' })),
    retailcrm: {
      ...base.retailcrm,
      url: crm.url,
      site: undefined,
      allowInsecure: true,
      module: { code: 'asterisk-shop', name: 'Asterisk', logo: undefined, atStart: true, allowFrom: [] },
    },
  };
}

const context = (changes: Partial<ModuleContext> = {}): ModuleContext => ({
  enterprise,
  publicUrl: 'https://tel.example',
  db: database.db,
  client,
  pace: () => Promise.resolve(),
  ...changes,
});
const codesThere = (): string[] =>
  (crm.account().modules.get('asterisk-shop')?.telephony?.additionalCodes ?? []).map(
    ({ userId, code }) => `${userId}:${code}`,
  );
const edits = () => crm.requests({ path: '/edit' });

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  said = [];
  crm = await startEmulator({ port: 0, seed: { accounts: [{ codes: null }] } });
  client = new RetailCrmClient({ url: crm.url, key: 'demo-key', log: listening(), allowInsecure: true });
  enterprise = shop('7:150 8:151');
});
afterEach(async () => {
  keeper?.stop();
  await keeper?.drain();
  client.stop();
  await crm.stop();
});

describe('registering the module', () => {
  test.each<[string, Partial<Switches>]>([
    ['info is a list', { emptyInfo: '[]' }],
    ['info is a map', { emptyInfo: '{}' }],
    ['errors are a list', { errorsShape: 'list' }],
    ['texts are Russian', { language: 'ru' }],
  ])('first 201, then 200, the same module (%s)', async (_says, switches) => {
    crm.setSwitches(switches);
    const first = await registerModule(context(), true);
    const second = await registerModule(context(), true);
    expect([first.created, second.created]).toEqual([true, false]);
    expect(edits().map(({ status }) => status)).toEqual([201, 200]);
    expect(edits().flatMap(({ flags }) => flags)).toEqual([]);
    expect(crm.account().modules.size).toBe(1);
    const pair = await ensureCredentials(database.db, enterprise.id);
    expect(pair.registeredAt).toBeInstanceOf(Date);
    expect(crm.account().modules.get('asterisk-shop')).toMatchObject({
      active: true,
      clientId: pair.clientId,
      baseUrl: 'https://tel.example',
      actions: { activity: `/crm/${pair.pathToken}/activity` },
      telephony: { allowEdit: false, hangupEventSupported: true },
    });
  });

  test("the example configuration fits the sandbox's account: the same people, and the module is registered", async () => {
    const sandbox = await startEmulator({ port: 0 });
    const guest = new RetailCrmClient({ url: sandbox.url, key: 'demo-key', log: listening(), allowInsecure: true });
    try {
      const shipped = example();
      const { users } = sandbox.account();
      expect(shipped.employees.map(({ user = 0, name }) => [user, name])).toEqual(
        [...users.values()].map(({ id, firstName }) => [id, firstName]),
      );
      const module = { code: 'asterisk-acme', name: 'Asterisk', logo: undefined, atStart: true, allowFrom: [] };
      enterprise = { ...shipped, retailcrm: { ...shipped.retailcrm, url: sandbox.url, allowInsecure: true, module } };
      const done = await registerModule(context({ client: guest }), true);
      expect(done).toMatchObject({ active: true, conflicts: [] });
      expect(done.codes.map(({ userId, code }) => `${userId}:${code}`)).toEqual(['7:150', '8:151', '9:152']);
    } finally {
      guest.stop();
      await sandbox.stop();
    }
  });

  test('extensions of users the configuration does not name stay', async () => {
    await registerModule(context(), true);
    crm.account().modules.get('asterisk-shop')?.telephony?.additionalCodes.push({ userId: 9, code: '159' });
    await registerModule(context(), true);
    expect(codesThere()).toEqual(['7:150', '8:151', '9:159']);
  });

  test("a stranger's extension is not taken away, and told", async () => {
    enterprise = shop('9:150');
    await registerModule(context(), true);
    enterprise = shop('7:150 8:151');
    const { conflicts } = await registerModule(context(), true);
    expect(codesThere()).toEqual(['8:151', '9:150']);
    expect(conflicts).toHaveLength(1);
  });

  test('as it is: a module somebody switched off stays off, until it is registered on purpose', async () => {
    await registerModule(context(), true);
    await registerModule(context(), false);
    expect((await registerModule(context(), 'as-is')).active).toBe(false);
    expect(crm.account().modules.get('asterisk-shop')?.active).toBe(false);
    expect((await registerModule(context(), true)).active).toBe(true);
  });
});

describe('why it cannot be registered', () => {
  test.each<[string, () => Partial<ModuleContext>, RegExp]>([
    ['no public address', () => ({ publicUrl: undefined }), /http\.public_url is missing/],
    [
      'a public address by http for a real account',
      () => ({
        publicUrl: 'http://127.0.0.1:8019',
        enterprise: { ...enterprise, retailcrm: { ...enterprise.retailcrm, allowInsecure: false } },
      }),
      /must start with https:/,
    ],
    [
      'no module in the configuration',
      () => ({ enterprise: { ...enterprise, retailcrm: { ...enterprise.retailcrm, module: undefined } } }),
      /has no retailcrm\.module/,
    ],
    ['an employee the CRM does not know', () => ({ enterprise: shop('7:150 77:177') }), /user 77 with extension 177: /],
    [
      'a shop the CRM does not know',
      () => ({ enterprise: { ...enterprise, dids: enterprise.dids.map((did) => ({ ...did, site: 'nowhere' })) } }),
      /number of shop nowhere: /,
    ],
  ])('%s', async (_says, changes, sentence) => {
    const done = registerModule(context(changes()), true);
    await expect(done).rejects.toThrow(ModuleError);
    await expect(done).rejects.toThrow(sentence);
    expect(crm.account().modules.size).toBe(0);
  });

  test('a wrong key is the CRM’s answer, not a mistake in the module', async () => {
    const wrong = new RetailCrmClient({ url: crm.url, key: 'wrong', log: listening(), allowInsecure: true });
    await expect(registerModule(context({ client: wrong }), true)).rejects.toThrow(CrmError);
    wrong.stop();
  });
});

describe('the keeper', () => {
  const start = async (changes: Partial<ModuleContext> = {}): Promise<ModuleKeeper> => {
    const made = new ModuleKeeper(context(changes), listening(), 20);
    keeper = made;
    await made.start();
    await made.drain();
    return made;
  };

  test('registers at start and lets the CRM in with the pair it was told', async () => {
    const running = await start();
    const pair = await ensureCredentials(database.db, enterprise.id);
    expect(running.credentials()).toEqual([digests(pair)]);
    expect(codesThere()).toEqual(['7:150', '8:151']);
    expect(said.filter((line) => line.startsWith('info'))).toEqual([
      'info: telephony module asterisk-shop registered in the CRM {"extensions":2}',
    ]);
  });

  test('knows the pair before the CRM does: it may call in that very moment', async () => {
    const valid: number[] = [];
    const pace = (): Promise<void> => {
      valid.push(keeper?.credentials().length ?? 0);
      return Promise.resolve();
    };
    await start({ pace });
    expect(valid.length).toBeGreaterThan(0);
    expect(valid.every((count) => count === 1)).toBe(true);
  });

  test('no module configured: nothing is sent, and scripts and triggers have a clientId all the same', async () => {
    enterprise = { ...enterprise, retailcrm: { ...enterprise.retailcrm, module: undefined } };
    const running = await start();
    const pairs = await readCredentials(database.db, [enterprise.id]);
    expect(pairs).toHaveLength(1);
    expect(running.credentials()).toEqual(pairs.map(digests));
    expect(crm.requests({})).toEqual([]);
  });

  test('no module configured: a rotation is known, too', async () => {
    enterprise = { ...enterprise, retailcrm: { ...enterprise.retailcrm, module: undefined } };
    const running = await start();
    const fresh = await rotateCredentials(database.db, enterprise.id, 'nobody');
    await until(() => running.credentials().length === 2);
    expect(running.credentials()[0]).toEqual(digests(fresh));
  });

  test('not at start: the pair of an earlier registration is valid, nothing is sent', async () => {
    const pair = await ensureCredentials(database.db, enterprise.id);
    const module = enterprise.retailcrm.module;
    enterprise = {
      ...enterprise,
      retailcrm: { ...enterprise.retailcrm, module: module && { ...module, atStart: false } },
    };
    expect((await start()).credentials()).toEqual([digests(pair)]);
    expect(edits()).toEqual([]);
  });

  test('a rotation by another process: both pairs, then the new one alone', async () => {
    const running = await start();
    const old = await ensureCredentials(database.db, enterprise.id);
    const fresh = await rotateCredentials(database.db, enterprise.id);
    await until(() => running.credentials().length === 2);
    expect(running.credentials()).toEqual([digests(fresh), digests(old)]);
    await registerModule(context(), true);
    expect(crm.account().modules.get('asterisk-shop')?.clientId).toBe(fresh.clientId);
    await dropOldCredentials(database.db, enterprise.id);
    await until(() => running.credentials().length === 1);
    expect(running.credentials()).toEqual([digests(fresh)]);
  });

  test('a read that was asked before a rotation and answers after it is not believed', async () => {
    const old = await ensureCredentials(database.db, enterprise.id);
    await markRegistered(database.db, old.id);
    const { module } = enterprise.retailcrm;
    enterprise = {
      ...enterprise,
      retailcrm: { ...enterprise.retailcrm, module: module && { ...module, atStart: false } },
    };
    let held = 0;
    let release: () => void = () => undefined;
    const later = new Promise<void>((resolve) => (release = resolve));
    const slow = database.db.withPlugin({
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        if (held++ === 0) await later;
        return result;
      },
    });
    keeper = new ModuleKeeper(context({ db: slow }), listening(), 60_000);
    const starting = keeper.start();
    await until(() => held === 1);
    const fresh = await rotateCredentials(database.db, enterprise.id);
    keeper.telephonyOff();
    await keeper.drain();
    const between = keeper.credentials();
    release();
    await starting;
    const both = [fresh, old].map(digests);
    expect([between, keeper.credentials()]).toEqual([both, both]);
  });

  test('what cannot be registered is said once, with the reason', async () => {
    await start({ publicUrl: undefined });
    expect(said.filter((line) => line.startsWith('error'))).toEqual([
      'error: the telephony module is not registered: http.public_url is missing: the CRM must be told the https address under which it reaches us {}',
    ]);
  });

  test('no secret is ever said', async () => {
    const running = await start();
    const pair = await ensureCredentials(database.db, enterprise.id);
    running.activity({ active: false, freeze: true, systemUrl: `https://evil.example/${pair.pathToken}` });
    expect(said.length).toBeGreaterThan(0);
    expect(said.filter((line) => line.includes(pair.pathToken) || line.includes(pair.clientId))).toEqual([]);
  });

  test.each([
    ['on', true, false, true],
    ['off', false, false, false],
    ['on but frozen', true, true, false],
    ['off and frozen', false, true, false],
  ])('activity: %s', async (_says, active, freeze, effective) => {
    const running = await start();
    running.activity({ active, freeze, systemUrl: undefined });
    expect(running.active).toBe(effective);
  });

  test.each<[string, () => string | undefined, number]>([
    ['our own address', () => crm.url, 0],
    ['another host', () => 'https://elsewhere.example', 1],
    ['nothing', () => undefined, 0],
    ['no address at all', () => 'not a url', 0],
  ])('systemUrl is %s: never used, only another host is told', async (_says, url, warnings) => {
    const running = await start();
    running.activity({ active: true, freeze: false, systemUrl: url() });
    expect(said.filter((line) => line.includes('another address'))).toHaveLength(warnings);
    await registerModule(context(), true); // goes where it always went
    expect(edits()).toHaveLength(2);
  });

  test('telephony off although nobody switched it off: registered once more', async () => {
    const running = await start();
    crm.account().modules.clear();
    running.telephonyOff();
    await running.drain();
    expect(codesThere()).toEqual(['7:150', '8:151']);
    expect(said.filter((line) => line.includes('had lost'))).toHaveLength(1);
  });

  test.each<[string, (running: ModuleKeeper) => void]>([
    ['we were told', (running) => running.activity({ active: false, freeze: false, systemUrl: undefined })],
    ['we were not told', () => undefined],
  ])('telephony off because somebody switched it off (%s): it stays off', async (_says, tell) => {
    const running = await start();
    const module = crm.account().modules.get('asterisk-shop');
    if (module !== undefined) module.active = false;
    tell(running);
    running.telephonyOff();
    await running.drain();
    expect(module?.active).toBe(false);
    expect(edits()).toHaveLength(1);
  });
});

/** Looks until it is so: the keeper reads every 20 ms. */
async function until(so: () => boolean): Promise<void> {
  for (let tries = 0; tries < 250 && !so(); tries++) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(so()).toBe(true);
}
