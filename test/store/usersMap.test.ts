/** Who has which extension: what is believed of the CRM's lists, and whose a call was at its time. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { UsersMap } from '../../src/customers/usersMap.ts';
import { startSyncHarness, type SyncHarness } from './syncHarness.ts';

let h: SyncHarness;
beforeAll(async () => {
  h = await startSyncHarness();
});
afterEach(() => h.reset());
afterAll(() => h.close());

/** What a list of 100 users with extensions 1001 to 1100 becomes. */
const crowd = Array.from({ length: 100 }, (_, index) => ({ id: index + 1, firstName: `User ${index + 1}` }));
const codesOf = (users: readonly { id: number }[]): Record<string, string> =>
  Object.fromEntries(users.map(({ id }) => [String(id), String(1000 + id)]));

function crowded(count: number, codes = count): void {
  const users = crowd.slice(0, count);
  h.seed({ accounts: [{ users, codes: codesOf(users.slice(0, codes)) }] });
}

/** A map that knows the whole crowd. */
async function filled(): Promise<UsersMap> {
  crowded(100);
  const map = h.usersMap();
  await map.start();
  expect(await map.refresh()).toBe('good');
  expect(map.extensions()).toHaveLength(100);
  return map;
}

/** The next list of users is this one. */
function answer(users: number, totalCount = users): void {
  const body = {
    success: true,
    pagination: { limit: 100, totalCount, currentPage: 1, totalPageCount: 1 },
    users: crowd.slice(0, users).map((user) => ({ ...user, active: true })),
  };
  h.emulator.setSwitches({ failNext: [{ status: 200, body, path: '/users' }] });
}

test('users, names and extensions as the CRM and its telephony module say', async () => {
  const map = h.usersMap();
  await map.start();
  expect(await map.refresh()).toBe('good');
  expect(map.userOfExtension('150')).toBe(7);
  expect(map.extensionOfUser(9)).toBe('152');
  expect(map.user(7)).toEqual({ id: 7, name: 'Ira Orlova', active: true, status: 'free', listed: true });
  expect(map.userOfExtension('199')).toBeUndefined();
  expect(map.extensionOfUser(77)).toBeUndefined();
});

test('the configuration wins over the module, and gives a code its extension', async () => {
  const employees = [
    { extension: '150', code: '150', user: 9 },
    { extension: '201', code: '151', user: undefined },
  ];
  const map = h.usersMap({ employees });
  await map.start();
  await map.refresh();
  expect(map.userOfExtension('150')).toBe(9);
  expect(map.userOfExtension('201')).toBe(8);
  expect(map.userOfExtension('151')).toBeUndefined();
  // 9 has 152 by the module and 150 by the configuration.
  expect(map.extensionOfUser(9)).toBe('150');
});

test('without the CRM the configuration holds from the first moment', async () => {
  h.emulator.setSwitches({ down: true });
  const map = h.usersMap({ employees: [{ extension: '150', code: '150', user: 7 }] });
  await map.start();
  expect(map.userOfExtension('150')).toBe(7);
  expect(await map.refresh()).toBe('stale');
  expect(map.userOfExtension('150')).toBe(7);
});

test('more users than fit on a page are all asked for', async () => {
  const users = Array.from({ length: 230 }, (_, index) => ({ id: index + 1 }));
  h.seed({ accounts: [{ users, codes: codesOf(users) }] });
  const map = h.usersMap();
  await map.start();
  expect(await map.refresh()).toBe('good');
  expect(map.users()).toHaveLength(230);
  expect(h.asked('/users').map((query) => query.get('page'))).toEqual(['1', '2', '3']);
});

describe('a list that is not believed leaves the map as it is, with an alarm', () => {
  test.each([
    ['empty', () => answer(0), "the CRM's list of users is empty; there were 100"],
    ['halved', () => answer(50), "the CRM's list of users shrank from 100 to 50"],
    ['shrunk by 21 %', () => answer(79), "the CRM's list of users shrank from 100 to 79"],
    [
      'partial: fewer came than the CRM says there are',
      () => answer(90, 120),
      "the CRM's list of users is partial: 90 came of 120",
    ],
    [
      'the module without its extensions',
      () => crowded(100, 0),
      "the list of extensions in the CRM's telephony module is empty; there were 100",
    ],
    [
      'the module with half of them',
      () => crowded(100, 50),
      "the list of extensions in the CRM's telephony module shrank from 100 to 50",
    ],
  ])('%s', async (_, happens, alarm) => {
    const map = await filled();
    happens();
    expect(await map.refresh()).toBe('guarded');
    expect(map.extensions()).toHaveLength(100);
    expect(map.userOfExtension('1100')).toBe(100);
    expect(h.lines).toContain(`error: ${alarm}; it is not believed, the last good map stays`);
    // Also not by a process that knows the last good one only from the database.
    happens();
    const next = h.usersMap();
    await next.start();
    expect(next.userOfExtension('1100')).toBe(100);
    expect(await next.refresh()).toBe('guarded');
    expect(next.extensions()).toHaveLength(100);
  });

  test('an empty list is not believed even when nothing better is known', async () => {
    const map = h.usersMap();
    answer(0);
    await map.start();
    expect(await map.refresh()).toBe('guarded');
  });

  test('the alarm is raised once, and told when it is over', async () => {
    const map = await filled();
    h.lines.length = 0;
    for (let hour = 0; hour < 3; hour += 1) {
      answer(0);
      await map.refresh();
    }
    await map.refresh();
    expect(h.lines).toEqual([
      "error: the CRM's list of users is empty; there were 100; it is not believed, the last good map stays",
      'info: the CRM users are known again',
    ]);
  });
});

describe('a list that is believed', () => {
  test.each([
    ['shrunk by 19 %', 81],
    ['shrunk by 20 %', 80],
  ])('%s', async (_, left) => {
    const map = await filled();
    crowded(left);
    expect(await map.refresh()).toBe('good');
    expect(map.extensions()).toHaveLength(left);
    expect(map.userOfExtension('1100')).toBeUndefined();
    expect(map.user(100)).toMatchObject({ name: 'User 100', listed: false });
  });

  test('one of three extensions taken off in the module', async () => {
    const map = h.usersMap();
    await map.start();
    await map.refresh();
    h.seed({ accounts: [{ codes: { 8: '150', 9: '152' } }] });
    expect(await map.refresh()).toBe('good');
    expect(map.userOfExtension('150')).toBe(8);
    expect(map.extensionOfUser(7)).toBeUndefined();
    h.seed({ accounts: [{ codes: { 7: '151' } }] });
    expect(await map.refresh()).toBe('good');
    // The last one is not taken off: nobody works without a telephone.
    h.seed({ accounts: [{ codes: {} }] });
    expect(await map.refresh()).toBe('guarded');
  });

  test('people who leave are deactivated: the whole staff may go', async () => {
    const map = h.usersMap();
    await map.start();
    await map.refresh();
    for (const id of [7, 8]) await h.ui(`users/${id}`, { active: false });
    expect(await map.refresh()).toBe('good');
    expect(map.extensions()).toMatchObject([{ extension: '152', user: 9 }]);
  });
});

test.each(['authOff', 'down', 'html200'] as const)('a CRM in trouble (%s) leaves the map as it is', async (trouble) => {
  const map = await filled();
  h.emulator.setSwitches({ [trouble]: true });
  expect(await map.refresh()).toBe('stale');
  expect(map.extensions()).toHaveLength(100);
  h.emulator.setSwitches({ [trouble]: false });
  expect(await map.refresh()).toBe('good');
});

describe('an extension moves from one user to another', () => {
  const noon = Date.parse('2026-03-02T09:00:00Z');

  test('before noon it stays hers, also after a restart', async () => {
    let now = noon - 3 * 3600_000;
    const map = h.usersMap({ now: () => now });
    await map.start();
    await map.refresh();
    now = noon;
    h.seed({ accounts: [{ codes: { 7: '153', 8: '150', 9: '152' } }] });
    await map.refresh();
    for (const one of [map, h.usersMap({ now: () => now })]) {
      await one.start();
      expect(one.userOfExtension('150')).toBe(8);
      expect(one.userOfExtension('150', noon)).toBe(8);
      expect(one.userOfExtension('150', noon - 1)).toBe(7);
      // What was before anybody asked: the first owner we know of.
      expect(one.userOfExtension('150', 0)).toBe(7);
      expect(one.userOfExtension('153', noon - 1)).toBeUndefined();
      expect(one.userOfExtension('153')).toBe(7);
      expect(one.extensionOfUser(8)).toBe('150');
    }
    expect(h.lines).toContain('info: extension 150 moved from user 7 to user 8');
  });

  test('a clock that stepped back makes no interval that ends before it begins', async () => {
    let now = noon;
    const map = h.usersMap({ now: () => now });
    await map.start();
    await map.refresh();
    const [his, hers] = [
      { 7: '199', 8: '150' },
      { 7: '150', 8: '199' },
    ];
    for (const codes of [his, hers, his]) {
      h.seed({ accounts: [{ codes }] });
      now -= 3600_000;
      await map.refresh();
    }
    expect(await h.query('select 1 from user_extensions where valid_to < valid_from')).toEqual([]);
    expect(map.userOfExtension('150')).toBe(8);
  });
});
