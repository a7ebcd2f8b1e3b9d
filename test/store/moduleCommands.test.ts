import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { runCommandLine } from '../../src/cli/args.ts';
import {
  moduleDeactivateCommand,
  moduleRegisterCommand,
  moduleRotateCommand,
  moduleShowCommand,
} from '../../src/cli/module.ts';
import { type Emulator, startEmulator } from '../../src/sandbox/emulator.ts';
import { listAudit } from '../../src/store/audit.ts';
import { ensureCredentials, readCredentials } from '../../src/store/credentials.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { capture } from '../unit/cli/support.ts';
import { directory } from '../unit/config/support.ts';

const commands = [moduleRegisterCommand, moduleShowCommand, moduleDeactivateCommand, moduleRotateCommand];
let database: TestDatabase;
let crm: Emulator;
let config: string;

beforeAll(() => {
  process.env['MODULE_TEST_KEY'] = 'demo-key';
});
afterAll(() => {
  delete process.env['MODULE_TEST_KEY'];
  delete process.env['MODULE_TEST_DATABASE'];
});
beforeEach(async () => {
  database = await createTestDatabase();
  process.env['MODULE_TEST_DATABASE'] = database.url;
  crm = await startEmulator({ port: 0, seed: { accounts: [{ codes: null }] } });
  config = directory(files(crm.url));
});
afterEach(async () => {
  await crm.stop();
  await database.drop();
});

function files(
  url: string,
  employees = "{ extension: '150', user: 7 }, { extension: '151', user: 8 }",
): Record<string, string> {
  return {
    'daemon.yaml': 'database:\n  url: { env: MODULE_TEST_DATABASE }\nhttp:\n  public_url: https://tel.example\n',
    'enterprises/acme.yaml': `id: acme
number: '1'
country: BY
retailcrm:
  url: ${url}
  allow_insecure: true
  key: { env: MODULE_TEST_KEY }
  module: { code: asterisk-acme }
hosts:
  - id: pbx1
    ami: { address: 127.0.0.1, user: daemon, secret: { env: MODULE_TEST_KEY } }
    trunks: [{ name: line, channels: [PJSIP/line] }]
    extensions: ['1[0-9][0-9]']
dids:
  - { number: '+375171234501', site: shop-a }
default_did: '+375171234501'
employees: [${employees}]
`,
  };
}

async function run(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const { io, out, err } = capture();
  const code = await runCommandLine(commands, [...words, '--config', config], io);
  return { code, out: out(), err: err() };
}

const pairs = () => readCredentials(database.db, ['acme']);
const there = () => crm.account().modules.get('asterisk-acme');

describe('module', () => {
  test('show before there is one, register, show, deactivate, register', async () => {
    expect(await run('module', 'show')).toMatchObject({
      code: 1,
      err: '',
      out: expect.stringMatching(/is not registered/),
    });
    expect(await run('module', 'register')).toEqual({
      code: 0,
      out: 'module asterisk-acme registered, 2 extensions\n',
      err: '',
    });
    const shown = await run('module', 'show');
    expect(shown.code).toBe(0);
    expect(shown.out).toMatch(
      /^module asterisk-acme is on\n {2}user 7 has extension 150\n {2}user 8 has extension 151\n/,
    );
    expect(await run('module', 'deactivate')).toEqual({ code: 0, out: 'module asterisk-acme is off\n', err: '' });
    expect(there()).toMatchObject({
      active: false,
      telephony: {
        additionalCodes: [
          { userId: 7, code: '150' },
          { userId: 8, code: '151' },
        ],
      },
    });
    expect((await run('module', 'show')).code).toBe(1);
    expect((await run('module', 'register')).out).toBe('module asterisk-acme brought up to date, 2 extensions\n');
    expect(there()?.active).toBe(true);
    expect(
      (await listAudit(database.db, { enterprise: 'acme', limit: 10 }))
        .map(({ who, what, subject }) => `${who} ${what} ${subject}`)
        .sort(),
    ).toEqual(['operator module deactivate', 'operator module register', 'operator module register']);
  });

  test('no secret is printed unless asked for', async () => {
    await run('module', 'register');
    const [pair] = await pairs();
    const secrets = [pair?.clientId ?? '?', pair?.pathToken ?? '?'];
    const shown = [
      await run('module', 'show'),
      await run('module', 'show', '--json'),
      await run('module', 'register', '--json'),
    ];
    for (const { out, err } of shown) expect(secrets.filter((secret) => (out + err).includes(secret))).toEqual([]);
    const { out } = await run('module', 'show', '--secrets');
    expect(secrets.filter((secret) => out.includes(secret))).toEqual(secrets);
  });

  test('rotate: both pairs valid, the CRM has the new one; then the old one is dropped', async () => {
    await run('module', 'register');
    const [old] = await pairs();
    expect(await run('module', 'rotate')).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(/valid until --drop-old/),
    });
    const [fresh, still] = await pairs();
    expect(still?.id).toBe(old?.id);
    expect(there()?.clientId).toBe(fresh?.clientId);
    expect((await run('module', 'rotate', '--drop-old')).code).toBe(0);
    expect((await pairs()).map(({ id }) => id)).toEqual([fresh?.id]);
    expect((await run('module', 'rotate', '--drop-old')).out).toBe('there are no old credentials\n');
  });

  test('rotate while the CRM is away: nothing is lost, and the old pair cannot be dropped', async () => {
    await run('module', 'register');
    const [old] = await pairs();
    crm.setSwitches({ fail5xxEvery: 1 });
    expect((await run('module', 'rotate')).code).toBe(69);
    crm.setSwitches({ fail5xxEvery: 0 });
    expect(there()?.clientId).toBe(old?.clientId);
    expect(await run('module', 'rotate', '--drop-old')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/not taken the new/),
    });
    expect(await pairs()).toHaveLength(2);
  });

  test('what show would change', async () => {
    await run('module', 'register');
    const codes = there()?.telephony?.additionalCodes ?? [];
    codes.splice(0, 2, { userId: 7, code: '199' }, { userId: 9, code: '159' });
    const { code, out } = await run('module', 'show', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      enterprise: 'acme',
      registered: true,
      missing: [
        { userId: 7, code: '150' },
        { userId: 8, code: '151' },
      ],
      wrong: [{ userId: 7, code: '199' }],
      outdated: [],
      conflicts: [],
    });
  });

  test('the public address changed and nobody registered it', async () => {
    await run('module', 'register');
    const moved = files(crm.url);
    config = directory({
      ...moved,
      'daemon.yaml': (moved['daemon.yaml'] ?? '').replace('tel.example', 'tel2.example'),
      'enterprises/acme.yaml': `${moved['enterprises/acme.yaml'] ?? ''}click_to_call: {}\n`,
    });
    const { code, out } = await run('module', 'show', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ missing: [], wrong: [], outdated: ['baseUrl', 'makeCallUrl'] });
    await run('module', 'register');
    expect((await run('module', 'show')).code).toBe(0);
  });

  test.each([
    [
      'an unknown employee',
      "{ extension: '150', user: 77 }",
      1,
      /acme: the CRM refuses the module asterisk-acme: user 77 with extension 150/,
    ],
  ])('%s', async (_says, employees, code, sentence) => {
    config = directory(files(crm.url, employees));
    const done = await run('module', 'register');
    expect(done.code).toBe(code);
    expect(done.err).toMatch(sentence);
  });

  test('no such enterprise', async () => {
    expect(await run('module', 'show', '--enterprise', 'nobody')).toMatchObject({ code: 64 });
  });

  test('an enterprise without a module: nothing to register; its clientId can be shown and changed', async () => {
    const without = files(crm.url);
    config = directory({
      ...without,
      'enterprises/acme.yaml': (without['enterprises/acme.yaml'] ?? '').replace(/ {2}module:.*\n/, ''),
    });
    expect(await run('module', 'register')).toMatchObject({
      code: 64,
      err: expect.stringMatching(/retailcrm\.module/),
    });
    expect(await run('module', 'register', '--enterprise', 'acme')).toMatchObject({ code: 1 });
    expect(await run('module', 'show')).toMatchObject({ code: 0, out: expect.stringMatching(/no credentials yet/) });
    const { clientId } = await ensureCredentials(database.db, 'acme');
    expect((await run('module', 'show')).out).not.toContain(clientId);
    expect((await run('module', 'show', '--secrets')).out).toContain(`clientId ${clientId}\n`);
    expect((await run('module', 'rotate')).out).toBe(
      'there are new credentials; the old ones are valid until --drop-old\n',
    );
    expect((await run('module', 'rotate', '--drop-old')).out).toBe('the old credentials are no longer valid\n');
    expect((await run('module', 'show', '--secrets')).out).not.toContain(clientId);
    expect(crm.requests({})).toEqual([]);
  });
});
