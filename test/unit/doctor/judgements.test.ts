/** What the doctor concludes, as tables: each row is a state of the world and the findings it deserves. */
import { describe, expect, test } from '@jest/globals';
import { flawsOf, judgeVersion, readVersion } from '../../../src/doctor/asteriskVersion.ts';
import { judgeSites } from '../../../src/doctor/crm.ts';
import { judgeCredentials, neededMethods } from '../../../src/doctor/crmRights.ts';
import { judgeModule, judgeUsers } from '../../../src/doctor/crmUsers.ts';
import { judgeSpace } from '../../../src/doctor/disk.ts';
import { type EndPoint, judgeEndPoints } from '../../../src/doctor/endpoints.ts';
import { worst } from '../../../src/doctor/finding.ts';
import { managerConf, readManagerConf } from '../../../src/doctor/managerConf.ts';
import { type Heard, judgeRead, judgeWrite, neededRights } from '../../../src/doctor/rights.ts';
import type { EnterpriseSettings, HostSettings } from '../../../src/config/settings.ts';
import type { IntegrationModule, User } from '../../../src/retailcrm/account.ts';
import { example } from '../config/support.ts';
import { brief, judged } from './support.ts';

const acme = example();
const [pbx1] = acme.hosts as [HostSettings];
const click: NonNullable<EnterpriseSettings['clickToCall']> = {
  context: 'from-internal',
  priority: 1,
  channel: 'PJSIP/{extension}',
  timeoutSeconds: 30,
  autoAnswer: undefined,
  allow: ['+375*'],
  dial: 'e164',
  perEmployeePerMinute: 6,
  perEnterprisePerMinute: 60,
};
const plain: EnterpriseSettings = {
  ...acme,
  clickToCall: undefined,
  statuses: { ...acme.statuses, toPbx: false, toCrm: false },
};
const full: EnterpriseSettings = {
  ...plain,
  clickToCall: click,
  statuses: { ...acme.statuses, toPbx: true, toCrm: true },
};

describe('the version of Asterisk', () => {
  test.each([
    ['22.10.1', []],
    ['22.10.1+dfsg+~cs6.17.60671434-1', []],
    ['20.9.2', []],
    ['20.9.1', ['CVE-2024-42365']],
    ['20.4.0', ['CVE-2024-42365', 'CVE-2023-49294']],
    ['21.4.2', []],
    ['21.0.0', ['CVE-2024-42365', 'CVE-2023-49294']],
    ['18.24.2', []],
    ['18.9-cert11', []],
    ['18.9-cert10', ['CVE-2024-42365']],
    ['certified/20.7-cert2', []],
    ['certified/20.7-cert1', ['CVE-2024-42365']],
    ['16.28.0~dfsg-0+deb11u4', ['CVE-2024-42365', 'CVE-2023-49294']],
    ['23.0.0', []],
  ])('%s has %j', (text, ids) => {
    const version = readVersion(text);
    expect(version && flawsOf(version).map(({ id }) => id)).toEqual(ids);
  });

  test.each([
    { text: '22.10.1', may: ['originate', 'getconfig'], says: ['ok version'] },
    { text: '20.4.0', may: ['originate', 'getconfig'], says: ['warning version', 'warning version'] },
    { text: '20.4.0', may: ['originate'], says: ['warning version'] },
    { text: '20.4.0', may: ['getconfig'], says: ['warning version'] },
    { text: '20.4.0', may: [], says: ['ok version'] },
    { text: '11.25.3', may: [], says: ['failure version'] },
    { text: 'GIT-master-abc', may: ['originate'], says: ['ok version'] },
    { text: undefined, may: ['originate'], says: ['warning version'] },
  ])('$text, the user may $may', ({ text, may, says }) => {
    expect(brief(judged('pbx', (findings) => judgeVersion(text, (action) => may.includes(action), findings)))).toEqual(
      says,
    );
  });
});

describe('what the manager user may do', () => {
  test.each([
    { says: 'nothing switched on', enterprise: plain, read: ['call', 'system'], write: ['reporting'] },
    {
      says: 'clicks and statuses',
      enterprise: full,
      read: ['call', 'system', 'agent'],
      write: ['reporting', 'call', 'originate', 'agent'],
    },
  ])('$says needs $read and $write', ({ enterprise, read, write }) => {
    expect(neededRights(enterprise)).toEqual({ read, write });
  });

  const enough = ['corestatus', 'redirect', 'originate', 'queuepause', 'ping'];
  test.each([
    { says: 'all that is needed', actions: enough, found: ['ok rights'] },
    { says: 'no Originate', actions: enough.filter((one) => one !== 'originate'), found: ['failure rights'] },
    { says: 'Command on top', actions: [...enough, 'command'], found: ['warning rights'] },
    { says: 'everything', actions: [...enough, 'command', 'updateconfig', 'dbdel'], found: ['failure rights'] },
    { says: 'not told', actions: undefined, found: ['warning rights'] },
  ])('$says: $found', ({ actions, found }) => {
    const set = actions && new Set(actions);
    expect(brief(judged('pbx', (findings) => judgeWrite(set, neededRights(full), 'crm', findings)))).toEqual(found);
  });

  const now = new Date('2026-11-23T12:00:00Z');
  const heard: Heard = {
    classes: new Set(['system']),
    seconds: 2,
    callsMoved: undefined,
    lastCall: undefined,
    configured: undefined,
  };
  test.each<{ says: string; over: Partial<Heard>; enterprise?: EnterpriseSettings; found: string[] }>([
    { says: 'call events came', over: { classes: new Set(['system', 'call']) }, found: ['ok events'] },
    { says: 'no call passed: not shown', over: {}, found: ['warning events'] },
    {
      says: 'the daemon stored a call an hour ago',
      over: { lastCall: new Date('2026-11-23T11:00:00Z') },
      found: ['ok events'],
    },
    {
      says: 'the last call is days old',
      over: { lastCall: new Date('2026-11-20T11:00:00Z') },
      found: ['warning events'],
    },
    { says: 'A6: calls move and nothing is heard', over: { callsMoved: true }, found: ['failure events'] },
    { says: 'manager.conf grants it', over: { configured: ['call', 'system'] }, found: ['ok events'] },
    { says: 'manager.conf does not', over: { configured: ['system'] }, found: ['failure events'] },
    {
      says: 'no FullyBooted: class system is missing',
      over: { classes: new Set(['call']) },
      found: ['failure events', 'ok events'],
    },
    {
      says: 'statuses to the CRM want class agent',
      over: { classes: new Set(['system', 'call']) },
      enterprise: full,
      found: ['ok events', 'warning events'],
    },
    {
      says: 'more is heard than needed',
      over: { classes: new Set(['system', 'call', 'dialplan', 'rtcp']) },
      found: ['ok events', 'warning events'],
    },
    { says: 'read = all', over: { configured: ['all'] }, found: ['ok events', 'warning events'] },
  ])('$says', ({ over, enterprise = plain, found }) => {
    const needed = neededRights(enterprise);
    const all = judged('pbx', (findings) => judgeRead({ ...heard, ...over }, needed, 'crm', now, findings));
    expect(brief(all)).toEqual(found);
  });
});

describe('lines and phones', () => {
  const there = (...stems: string[]): EndPoint[] => stems.map((stem) => ({ stem, reachable: true }));
  const whole = there('PJSIP/150', 'PJSIP/151', 'PJSIP/152', 'PJSIP/provider-by', 'PJSIP/provider-ru');
  test.each<{ says: string; endPoints: EndPoint[] | undefined; live?: string[]; found: string[] }>([
    { says: 'all there', endPoints: whole, found: ['ok lines', 'ok lines', 'ok extensions'] },
    {
      says: 'a line the PBX does not have',
      endPoints: whole.filter(({ stem }) => stem !== 'PJSIP/provider-ru'),
      found: ['ok lines', 'failure lines', 'ok extensions'],
    },
    {
      says: 'a line that is not registered',
      endPoints: whole.map((one) => (one.stem === 'PJSIP/provider-ru' ? { ...one, reachable: false } : one)),
      found: ['ok lines', 'warning lines', 'ok extensions'],
    },
    {
      says: 'a stranger',
      endPoints: [...whole, ...there('PJSIP/door')],
      found: ['ok lines', 'ok lines', 'ok extensions', 'warning extensions'],
    },
    {
      says: 'an employee without a phone',
      endPoints: whole.filter(({ stem }) => stem !== 'PJSIP/152'),
      found: ['ok lines', 'ok lines', 'ok extensions', 'warning extensions'],
    },
    {
      says: 'no phone fits the pattern',
      endPoints: there('PJSIP/2001', 'PJSIP/provider-by', 'PJSIP/provider-ru'),
      found: ['ok lines', 'ok lines', 'failure extensions', 'warning extensions', 'warning extensions'],
    },
    { says: 'nothing is listed', endPoints: undefined, found: ['warning lines'] },
    {
      says: 'nothing is listed, but calls are under way',
      endPoints: undefined,
      live: ['PJSIP/150', 'PJSIP/provider-by', 'PJSIP/provider-ru', 'Local/150@x'],
      found: ['ok lines', 'ok lines', 'ok extensions'],
    },
  ])('$says', ({ endPoints, live = [], found }) => {
    const all = judged('pbx', (findings) => judgeEndPoints(endPoints, live, acme, pbx1, findings));
    expect(brief(all)).toEqual(found);
  });

  test('a line whose pattern swallows the phones', () => {
    const trunks = [{ name: 'all', channels: ['PJSIP/*'], country: undefined, internal: false }];
    const all = judged('pbx', (findings) => judgeEndPoints(whole, [], acme, { ...pbx1, trunks }, findings));
    expect(brief(all)).toContain('failure lines');
  });

  test('a second device of an extension is her phone', () => {
    const all = judged('pbx', (findings) =>
      judgeEndPoints([...whole, ...there('PJSIP/150-mobile')], [], acme, pbx1, findings),
    );
    expect(worst(all)).toBe('ok');
  });
});

describe('manager.conf', () => {
  test('what is printed is read back as what is needed, whatever is switched on', () => {
    for (const enterprise of [plain, full]) {
      const text = managerConf(enterprise, pbx1, '10.0.0.5');
      const { read, write } = neededRights(enterprise);
      expect(readManagerConf(text, 'retailcrm')).toEqual({ read, write, writeTimeoutMs: 5000, timestamps: true });
      expect(text).toContain('permit = 10.0.0.5/32\n');
    }
  });

  test('the printed filter lets through what the core needs, and not its look-alikes', () => {
    const [, pattern = ''] = /^eventfilter = (.*)$/m.exec(managerConf(plain, pbx1, undefined)) ?? [];
    const passes = (name: string): boolean => new RegExp(pattern).test(`Event: ${name}\r\nPrivilege: call,all\r\n`);
    expect(['Newchannel', 'Hangup', 'DialEnd', 'BridgeLeave', 'Shutdown', 'OriginateResponse'].every(passes)).toBe(
      true,
    );
    expect(['HangupRequest', 'Newexten', 'RTCPSent', 'BridgeCreate'].some(passes)).toBe(false);
  });

  test.each([
    {
      says: 'comments and spaces',
      text: '[general]\ntimestampevents=yes ; exact\n[crm]\nread = call , system\nwrite=reporting',
      timestamps: true,
      writeTimeoutMs: 100,
    },
    {
      says: 'no general section',
      text: '[crm]\nread=call,system\nwrite=reporting\nwritetimeout => 7000',
      timestamps: false,
      writeTimeoutMs: 7000,
    },
  ])('$says', ({ text, timestamps, writeTimeoutMs }) => {
    const rest = { timestamps, writeTimeoutMs };
    expect(readManagerConf(text, 'crm')).toEqual({ read: ['call', 'system'], write: ['reporting'], ...rest });
  });

  test('another user’s section is not ours', () => {
    expect(readManagerConf('[admin]\nread = all', 'crm')).toBeUndefined();
  });
});

describe('the API key', () => {
  const paths = neededMethods(full).map(({ path }) => path);
  const open = { scopes: [], siteAccess: 'access_full', sitesAvailable: [] };

  test('needs the popups and records always, and what is switched on', () => {
    expect(paths.slice(0, 2)).toEqual(['/api/telephony/call/event', '/api/telephony/calls/upload']);
    expect(paths).toContain('/api/users/{id}/status');
    expect(neededMethods(plain).map(({ path }) => path)).not.toContain('/api/users/{id}/status');
  });

  test.each([
    { says: 'all of them', credentials: paths, found: ['ok rights'] },
    {
      says: 'variable parts spelt otherwise',
      credentials: paths.map((path) => path.replace('{id}', '{externalId}')),
      found: ['ok rights'],
    },
    { says: 'no upload', credentials: paths.slice(2), found: ['failure rights'] },
    { says: 'nothing is listed', credentials: [], found: ['warning rights'] },
  ])('$says: $found', ({ credentials, found }) => {
    const all = judged('crm', (findings) => judgeCredentials({ ...open, credentials }, full, findings));
    expect(brief(all)).toEqual(found);
  });

  test('a shop the key does not see', () => {
    const shop = { ...full, retailcrm: { ...full.retailcrm, site: 'shop-b' } };
    const selective = { ...open, credentials: paths, siteAccess: 'access_selective', sitesAvailable: ['shop-a'] };
    const all = judged('crm', (findings) => judgeCredentials(selective, shop, findings));
    expect(brief(all)).toEqual(['ok rights', 'failure rights']);
  });

  test.each([
    { says: 'one shop, none configured', existing: ['a'], configured: [], standard: undefined, found: 'ok site' },
    {
      says: 'several, none configured',
      existing: ['a', 'b'],
      configured: [],
      standard: undefined,
      found: 'warning site',
    },
    { says: 'the configured one', existing: ['a', 'b'], configured: ['b'], standard: 'b', found: 'ok site' },
    { says: 'an unknown one', existing: ['a'], configured: ['x'], standard: 'x', found: 'failure site' },
  ])('$says: $found', ({ existing, configured, standard, found }) => {
    expect(brief(judged('crm', (all) => judgeSites(existing, configured, standard, all)))).toEqual([found]);
  });
});

describe('module and users', () => {
  const module: IntegrationModule = {
    code: 'asterisk-acme',
    active: true,
    freeze: false,
    name: 'Asterisk',
    clientId: 'x',
    baseUrl: undefined,
    telephony: {
      makeCallUrl: 'https://tel.example/crm/t/makecall',
      changeUserStatusUrl: 'https://tel.example/crm/t/status',
      additionalCodes: [],
      externalPhones: [],
    },
  };
  test.each<{ says: string; over: Partial<IntegrationModule>; publicUrl?: string; found: string }>([
    { says: 'as it should be', over: {}, found: 'ok module' },
    { says: 'switched off', over: { active: false }, found: 'failure module' },
    { says: 'frozen', over: { freeze: true }, found: 'failure module' },
    { says: 'without telephony', over: { telephony: undefined }, found: 'failure module' },
    { says: 'our address has changed', over: {}, publicUrl: 'https://new.example', found: 'warning module' },
  ])('$says: $found', ({ over, publicUrl = 'https://tel.example', found }) => {
    const all = judged('crm', (findings) => judgeModule({ ...module, ...over }, full, publicUrl, findings));
    expect(brief(all)).toEqual([found]);
  });

  const user = (id: number, active = true): User => ({
    ...{ id, active, email: undefined, firstName: undefined, lastName: undefined, patronymic: undefined },
    ...{
      position: undefined,
      phone: undefined,
      status: 'free',
      online: true,
      isAdmin: false,
      isManager: true,
      groups: [],
    },
  });
  const employees = acme.employees.slice(0, 2).map((one, index) => ({ ...one, user: [5, undefined][index] }));
  const [, second] = employees;
  const codes = [{ userId: 6, code: second?.code ?? '' }];
  test.each([
    { says: 'by configuration and by code', users: [user(5), user(6)], codes, owners: [], found: ['ok users'] },
    { says: 'one of two is mapped', users: [user(5)], codes: [], owners: [], found: ['warning users'] },
    { says: 'the user is not active', users: [user(5, false), user(6)], codes, owners: [], found: ['warning users'] },
    {
      says: 'scenario 37: an extension had calls without a user',
      users: [user(5), user(6)],
      codes,
      owners: [{ owner: '123', calls: 14 }],
      found: ['warning users'],
    },
  ])('$says', ({ users, codes: additional, owners, found }) => {
    const all = judged('crm', (findings) => judgeUsers(users, additional, { ...acme, employees }, owners, findings));
    expect(brief(all)).toEqual(found);
  });

  test('scenario 37 in words', () => {
    const owners = [{ owner: '123', calls: 14 }];
    const all = judged('crm', (findings) =>
      judgeUsers([user(5), user(6)], codes, { ...acme, employees }, owners, findings),
    );
    expect(all[0]?.says).toBe('extension 123 had 14 calls within 30 days without a CRM user');
  });
});

test.each([
  { free: 5e9, entries: 0.5, found: 'ok space' },
  { free: 9e8, entries: 0.5, found: 'warning space' },
  { free: 1e8, entries: 0.5, found: 'failure space' },
  { free: 5e9, entries: 0.01, found: 'warning space' },
])('a disk with $free bytes and $entries of its entries free: $found', ({ free, entries, found }) => {
  expect(brief(judged('disk', (all) => judgeSpace('the database', '/x', free, entries, all)))).toEqual([found]);
});

test('no warning and no failure without a way to mend it', () => {
  const all = [
    ...judged('pbx', (findings) => judgeWrite(new Set(['command']), neededRights(full), 'crm', findings)),
    ...judged('pbx', (findings) => judgeEndPoints([], [], acme, pbx1, findings)),
  ];
  expect(all.filter(({ level, fix }) => level !== 'ok' && (fix ?? '') === '')).toEqual([]);
});
