/** The doctor as a whole: a scripted Asterisk, the CRM emulator, a real database; nothing of theirs is replaced. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { loadEnterpriseFile } from '../../src/config/load.ts';
import type { DaemonSettings, EnterpriseSettings } from '../../src/config/settings.ts';
import { examine, type ExamineOptions } from '../../src/doctor/examine.ts';
import type { Area, Finding } from '../../src/doctor/finding.ts';
import { worst } from '../../src/doctor/finding.ts';
import { projectRoot } from '../../src/root.ts';
import { type Emulator, startEmulator } from '../../src/sandbox/emulator.ts';
import { saveCalls } from '../../src/store/calls.ts';
import { closeGap, openGap } from '../../src/store/gaps.ts';
import { beat } from '../../src/store/heartbeats.ts';
import { enqueue } from '../../src/store/outbox.ts';
import { createTestDatabase, migrationsDir, type TestDatabase } from '../support/database.ts';
import { FakeAmi } from '../support/fakeAmi.ts';
import { callRow, uploadRow } from '../support/rows.ts';

const endPoints = ['PJSIP/150', 'PJSIP/151', 'PJSIP/152', 'PJSIP/provider-by', 'PJSIP/provider-ru'];
const rights: Record<string, string> = {
  CoreStatus: 'Show PBX core status variables. (Priv: system,reporting,all)',
  Redirect: 'Redirect (transfer) a call. (Priv: call,all)',
  Originate: 'Originate a call. (Priv: originate,all)',
  QueuePause: 'Makes a queue member temporarily unavailable. (Priv: agent,all)',
};

let database: TestDatabase;
let ami: FakeAmi;
let crm: Emulator;
let dir: string;
beforeAll(async () => {
  database = await createTestDatabase();
  process.env['DOCTOR_AMI'] = 'secret';
  process.env['DOCTOR_CRM'] = 'demo-key';
});
afterAll(() => database.drop());
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'doctor-'));
  ami = await FakeAmi.start();
  ami.on('ListCommands', () => rights);
  ami.on('CoreSettings', () => ({ AsteriskVersion: '22.10.1', SystemName: 'minsk1' }));
  ami.on('DeviceStateList', (action, session) => {
    const ActionID = action.get('ActionID') ?? '';
    session.reply(action, { EventList: 'start' });
    for (const Device of endPoints) session.event('DeviceStateChange', { Device, State: 'NOT_INUSE', ActionID });
    session.event('DeviceStateListComplete', { EventList: 'Complete', ListItems: endPoints.length, ActionID });
    return undefined;
  });
  crm = await startEmulator({ port: 0, seed: { accounts: [{ codes: { 7: '150', 8: '151', 9: '152' } }] } });
  await database.query('truncate calls, outbox, heartbeats, drops, gaps');
});
afterEach(async () => {
  await ami.stop();
  await crm.stop();
  rmSync(dir, { recursive: true, force: true });
});

const daemon: DaemonSettings = {
  file: undefined,
  database: { kind: 'url', url: 'postgres://unused' },
  log: { level: 'info', format: undefined },
  enterprisesDir: '/nowhere',
  instance: undefined,
  http: {
    enabled: true,
    address: '127.0.0.1',
    port: 9,
    publicUrl: undefined,
    trustProxy: [],
    health: { address: '127.0.0.1', port: 0 },
  },
  agi: undefined,
};

/** The shipped enterprise on the fakes. */
function acme(over: Partial<EnterpriseSettings> = {}): EnterpriseSettings {
  const shipped = loadEnterpriseFile(join(projectRoot(), 'config/enterprises/example.yaml'));
  return {
    ...shipped,
    clickToCall: undefined,
    recordings: undefined,
    employees: shipped.employees.filter(({ extension }) => ['150', '151', '152'].includes(extension)),
    statuses: { ...shipped.statuses, toPbx: false, toCrm: false },
    retailcrm: {
      ...shipped.retailcrm,
      url: crm.url,
      allowInsecure: true,
      key: { key: 'retailcrm.key', from: 'env', name: 'DOCTOR_CRM' },
    },
    hosts: shipped.hosts.map((host) => ({
      ...host,
      ami: {
        ...host.ami,
        ...{ address: '127.0.0.1', port: ami.port, user: 'crm' },
        secret: { key: 'hosts[].ami.secret', from: 'env' as const, name: 'DOCTOR_AMI' },
      },
    })),
    ...over,
  };
}

async function look(
  areas: readonly Area[],
  enterprises: readonly EnterpriseSettings[],
  over: Partial<ExamineOptions> = {},
): Promise<readonly Finding[]> {
  const told: Finding[] = [];
  const all = await examine({
    daemon,
    enterprises,
    host: undefined,
    areas: new Set(areas),
    database: { db: database.db },
    migrations: migrationsDir,
    places: [],
    watchSeconds: 0.05,
    managerConf: join(dir, 'manager.conf'),
    onFindings: (findings) => told.push(...findings),
    ...over,
  });
  expect(told).toEqual(all);
  expect(all.filter(({ level, fix }) => level !== 'ok' && fix === undefined)).toEqual([]);
  return all;
}

const not = (findings: readonly Finding[], level: Finding['level']): string[] =>
  findings.filter((one) => one.level === level).map(({ check, says }) => `${check}: ${says}`);
const failures = (findings: readonly Finding[]): string[] => not(findings, 'failure');
const warnings = (findings: readonly Finding[]): string[] => not(findings, 'warning');

describe('the PBX', () => {
  test('a sound one: every check is ok', async () => {
    await saveCalls(database.db, [callRow('pbx1-1', { startedAt: new Date() })]);
    const all = await look(['pbx'], [acme()]);
    expect(failures(all).concat(warnings(all))).toEqual([]);
    const checks = all.map(({ check }) => check);
    expect(checks).toEqual(
      expect.arrayContaining(['login', 'version', 'rights', 'clock', 'events', 'lines', 'extensions', 'writetimeout']),
    );
  });

  test('live events show their class, and that they carry no time', async () => {
    const looking = look(['pbx'], [acme()], { watchSeconds: 0.3 });
    const session = await ami.nextLogin();
    await ami.received('DeviceStateList');
    session.event('Newchannel', { Privilege: 'call,all', Uniqueid: '1.1', Channel: 'PJSIP/150-1' });
    const all = await looking;
    expect(all.find(({ check }) => check === 'events')?.says).toBe('events of class call came within 0.3 s');
    expect(warnings(all).map((text) => text.split(':')[0])).toEqual(['timestamps']);
  });

  test('A6: calls are counted, but none is heard', async () => {
    let calls = 10;
    ami.on('CoreStatus', () => ({ CoreStartupDate: '2026-11-01', CoreProcessedCalls: calls++ }));
    expect(failures(await look(['pbx'], [acme()]))).toEqual([
      'events: no event of class call came to user crm although calls are under way',
    ]);
  });

  test.each<{ says: string; arrange: () => void; failure: RegExp }>([
    {
      says: 'the wrong password',
      arrange: () => void (process.env['DOCTOR_AMI'] = 'wrong'),
      failure: /^login: Asterisk refuses user crm: Authentication failed$/,
    },
    {
      says: 'no password at all',
      arrange: () => void (process.env['DOCTOR_AMI'] = ''),
      failure: /^login: the password cannot be had: .*DOCTOR_AMI is empty$/,
    },
    {
      says: 'no class system in read',
      arrange: () => void Object.assign(ami.options, { fullyBooted: 'never' }),
      failure: /^events: user crm hears no class system/,
    },
    {
      says: 'write = all',
      arrange: () => void ami.on('ListCommands', () => ({ ...rights, Command: '', UpdateConfig: '', DBDel: '' })),
      failure: /^rights: user crm has write = all/,
    },
    {
      says: 'a line that is not there',
      arrange: () => void ami.on('DeviceStateList', () => ({ Response: 'Error', Message: 'Permission denied' })),
      failure: /^lines: line "provider-by"/,
    },
  ])('$says is a failure', async ({ arrange, failure }) => {
    if (failure.source.includes('lines')) ami.channels = [{ Channel: 'PJSIP/150-00000001', Uniqueid: '1.1' }];
    arrange();
    const all = await look(['pbx'], [acme()]);
    process.env['DOCTOR_AMI'] = 'secret';
    expect(failures(all)[0]).toMatch(failure);
  });

  test('nobody listens there', async () => {
    const enterprise = acme();
    await ami.stop();
    const all = await look(['pbx'], [enterprise]);
    expect(failures(all)).toEqual([
      expect.stringMatching(/^login: 127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)$/),
    ]);
    ami = await FakeAmi.start();
  });

  test('what answers is no Asterisk', async () => {
    Object.assign(ami.options, { greeting: 'SSH-2.0-OpenSSH\r\n' });
    expect(failures(await look(['pbx'], [acme()]))).toEqual([
      expect.stringMatching(/^login: what answers at .* is not the manager of an Asterisk$/),
    ]);
  });

  test('a clock that is a minute ahead is a warning', async () => {
    ami.clockOffsetMs = 60_000;
    expect(warnings(await look(['pbx'], [acme()]))).toContainEqual(
      expect.stringMatching(/^clock: the clock of the PBX is (59|60)\.\d s ahead of ours/),
    );
  });

  test('the context of clicks is not in the dial plan', async () => {
    ami.on('ShowDialPlan', () => ({ Response: 'Error', Message: 'Did not find context out' }));
    const clickToCall = {
      ...{ context: 'out', priority: 1, channel: 'PJSIP/{extension}', timeoutSeconds: 30, autoAnswer: undefined },
      ...{ allow: ['+375*'], dial: 'e164' as const, perEmployeePerMinute: 6, perEnterprisePerMinute: 60 },
    };
    expect(failures(await look(['pbx'], [acme({ clickToCall })]))).toEqual([
      'dialplan: the dial plan has no context out: no click can be dialled',
    ]);
  });

  test('two hosts that are one Asterisk', async () => {
    const one = acme();
    const [host] = one.hosts;
    const twins = { ...one, hosts: [...one.hosts, ...(host ? [{ ...host, id: 'pbx9' }] : [])] };
    expect(warnings(await look(['pbx'], [twins]))).toContainEqual(expect.stringMatching(/^twin: /));
  });

  test('the link of an earlier call is opened', async () => {
    const server = createServer((request, response) =>
      response.writeHead(request.url === '/a.wav' ? 206 : 404).end('x'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const { port } = server.address() as AddressInfo;
    const recordings = { url: 'http://x/{file}', directory: join(dir, '{year}'), waitSeconds: 60 };
    const delivered = async (file: string): Promise<readonly Finding[]> => {
      const payload = JSON.stringify({ recordUrl: `http://127.0.0.1:${port}/${file}` });
      await enqueue(database.db, [uploadRow(`pbx1-${file}`, { payload })]);
      await database.query("update outbox set state = 'done'");
      return (await look(['pbx'], [acme({ recordings })])).filter(({ check }) => check === 'recordings');
    };
    expect((await delivered('a.wav')).map(({ level }) => level)).toEqual(['ok', 'ok']);
    expect((await delivered('b.wav')).map(({ level }) => level)).toEqual(['ok', 'warning']);
    server.close();
  });

  test('a directory of recordings that is not there', async () => {
    const recordings = { url: 'http://x/{file}', directory: join(dir, 'none/{year}/{month}'), waitSeconds: 60 };
    expect(failures(await look(['pbx'], [acme({ recordings })]))).toEqual([
      expect.stringMatching(/^recordings: the recordings' directory .*none cannot be read/),
    ]);
  });
});

describe('the account', () => {
  test('a sound one, and a look-up', async () => {
    await saveCalls(database.db, [
      callRow('pbx1-1', { customerPhone: '+375290000101', startedAt: new Date(), owner: '150' }),
    ]);
    const all = await look(['crm'], [acme()]);
    expect(failures(all)).toEqual([]);
    expect(all.find(({ check }) => check === 'lookup')?.says).toMatch(/found a customer and her manager$/);
    expect(crm.requests().every(({ method }) => method === 'GET')).toBe(true);
  });

  test.each<{ says: string; arrange: () => void; failure: RegExp }>([
    {
      says: 'the wrong key',
      arrange: () => void (process.env['DOCTOR_CRM'] = 'wrong'),
      failure: /^api: .* does not let us in: 403 Wrong "apiKey" value/,
    },
    {
      says: 'a server in trouble',
      arrange: () => crm.setSwitches({ failNext: [{ status: 502, body: '<html>' }] }),
      failure: /^api: .* does not let us in: 502/,
    },
  ])('$says is a failure and the end of the questions', async ({ arrange, failure }) => {
    arrange();
    const all = await look(['crm'], [acme()]);
    process.env['DOCTOR_CRM'] = 'demo-key';
    expect(all).toHaveLength(1);
    expect(failures(all)[0]).toMatch(failure);
  });

  test('a key without upload, a site that is not there', async () => {
    await crm.stop();
    const keys = [
      {
        key: 'demo-key',
        credentials: ['/api/telephony/call/event', '/api/settings', '/api/users', '/api/reference/sites'],
      },
    ];
    crm = await startEmulator({ port: 0, seed: { accounts: [{ keys }] } });
    const { retailcrm } = acme();
    const all = await look(['crm'], [acme({ retailcrm: { ...retailcrm, site: 'nowhere' } })]);
    expect(failures(all)).toEqual([
      expect.stringMatching(/^rights: the API key may not use \/api\/telephony\/calls\/upload \(popups and records\)/),
      'rights: the API key has no access to site nowhere',
      'site: the account has no site nowhere',
      expect.stringMatching(/^lookup: the CRM does not tell: 403 Access denied/),
    ]);
  });

  test('a module that was never registered', async () => {
    const { retailcrm } = acme();
    const module = { code: 'asterisk-acme', name: 'Asterisk', logo: undefined, atStart: true, allowFrom: [] };
    const all = await look(['crm'], [acme({ retailcrm: { ...retailcrm, module } })]);
    expect(warnings(all)).toContain('module: the account has no module asterisk-acme yet');
  });
});

describe('callbacks', () => {
  const { retailcrm } = loadEnterpriseFile(join(projectRoot(), 'config/enterprises/example.yaml'));
  const module = { code: 'asterisk-acme', name: 'Asterisk', logo: undefined, atStart: true, allowFrom: [] };
  const called = (): EnterpriseSettings => acme({ retailcrm: { ...retailcrm, module } });
  const at = (http: Partial<DaemonSettings['http']>): Partial<ExamineOptions> => ({
    daemon: { ...daemon, http: { ...daemon.http, ...http } },
  });

  test('nobody calls us: nothing to look at', async () => {
    expect(await look(['callbacks'], [acme()])).toEqual([]);
  });

  test('our own page is found here and through the public address', async () => {
    const server = createServer((_, response) =>
      response.writeHead(200, { 'content-type': 'image/svg+xml' }).end('<svg/>'),
    );
    const stranger = createServer((_, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('hello'),
    );
    const ports = await Promise.all(
      [server, stranger].map(async (one) => {
        await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', () => resolve()));
        return (one.address() as AddressInfo).port;
      }),
    );
    const [port = 0, other = 0] = ports;
    const ours = at({ port, publicUrl: `http://127.0.0.1:${port}` });
    expect(worst(await look(['callbacks'], [called()], ours))).toBe('ok');
    const elsewhere = at({ port, publicUrl: `http://127.0.0.1:${other}` });
    expect(failures(await look(['callbacks'], [called()], elsewhere))).toEqual([
      `public: http://127.0.0.1:${other} does not lead to the daemon: status 200, text/html`,
    ]);
    server.close();
    stranger.close();
  });

  test.each([
    { says: 'http is off', http: { enabled: false }, level: 'failure' },
    { says: 'no public address', http: {}, level: 'failure' },
    { says: 'the daemon does not run', http: { publicUrl: 'http://127.0.0.1:9' }, level: 'warning' },
  ])('$says: $level', async ({ http, level }) => {
    expect(worst(await look(['callbacks'], [called()], at(http)))).toBe(level);
  });
});

describe('the database', () => {
  test('a sound one', async () => {
    await beat(database.db, 'acme', [{ host: 'pbx1' }, { host: 'pbx2' }]);
    const all = await look(['database'], [acme()]);
    expect(all.map(({ level, check }) => `${level} ${check}`)).toEqual([
      'ok version',
      'ok clock',
      'ok schema',
      'ok backlog',
      ...acme().hosts.map(() => 'ok daemon'),
    ]);
  });

  test('what waits for long and what was refused', async () => {
    const dueAt = new Date(Date.now() - 3600_000);
    await enqueue(database.db, [uploadRow('a', { dueAt }), uploadRow('b', { dueAt }), uploadRow('c')]);
    await database.query("update outbox set state = 'dead' where external_id = 'b'");
    expect(warnings(await look(['database'], [acme()]))).toEqual([
      'backlog: 1 request to the CRM wait for more than ten minutes',
      'dead: the CRM refused 1 request for good',
    ]);
  });

  test('calls that nobody saw', async () => {
    const gap = { enterprise: 'acme', host: 'pbx1' };
    await openGap(database.db, { ...gap, from: new Date(Date.now() - 60_000), cause: 'reset' });
    await closeGap(database.db, { ...gap, to: new Date(), lost: 3 });
    expect(warnings(await look(['database'], [acme()]))).toContain(
      'gaps: about 3 calls of the last day passed while nobody watched',
    );
  });

  test('a host the daemon is no longer in sync with', async () => {
    await beat(database.db, 'acme', [{ host: 'pbx1' }]);
    await database.query("update heartbeats set synced_at = now() - interval '5 minutes'");
    expect(warnings(await look(['database'], [acme()]))).toEqual([
      expect.stringMatching(/^daemon: the daemon was last in sync with pbx1 at /),
    ]);
  });

  test('a database without our tables: the rest is looked at without it', async () => {
    const empty = await createTestDatabase({ migrated: false });
    const all = await look(['database', 'pbx'], [acme()], { database: { db: empty.db } });
    expect(warnings(all)[0]).toMatch(/^schema: \d+ migrations not applied yet, from 0001/);
    expect(all.some(({ check }) => check === 'login')).toBe(true);
    await empty.drop();
  });

  test('a database that breaks off in the middle is a finding, and the rest is looked at', async () => {
    const dying = await createTestDatabase();
    await dying.query('drop table gaps');
    const all = await look(['database', 'pbx'], [acme()], { database: { db: dying.db } });
    expect(failures(all)).toEqual(['broken: the look at it broke off: relation "gaps" does not exist']);
    expect(all.some(({ check }) => check === 'login')).toBe(true);
    await dying.drop();
  });

  test('no database at all', async () => {
    const all = await look(['database', 'pbx'], [acme()], {
      database: { trouble: 'the database cannot be used: ECONNREFUSED' },
    });
    expect(failures(all)).toEqual(['server: the database cannot be used: ECONNREFUSED']);
    expect(all.some(({ check }) => check === 'login')).toBe(true);
  });
});

test('disks: what is there is looked at, what is not yet there is left out', async () => {
  const places = [
    { path: dir, what: 'the database' },
    { path: join(dir, 'none'), what: 'nothing' },
  ];
  expect((await look(['disk'], [acme()], { places })).map(({ check }) => check)).toEqual(['space']);
});

test('no secret and no whole number in anything the doctor says', async () => {
  await saveCalls(database.db, [callRow('pbx1-1', { customerPhone: '+375290000101', startedAt: new Date() })]);
  const all = await look(['database', 'pbx', 'crm', 'callbacks'], [acme()]);
  expect(JSON.stringify(all)).not.toMatch(/demo-key|"secret"|375290000101/);
});
