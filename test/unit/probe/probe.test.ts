import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { markdownOf } from '../../../src/probe/markdown.ts';
import { CHECKS, planned } from '../../../src/probe/run.ts';
import type { Protocol } from '../../../src/probe/types.ts';
import { projectRoot } from '../../../src/root.ts';
import type { Emulator } from '../../../src/sandbox/emulator.ts';
import type { Seed } from '../../../src/sandbox/seed.ts';
import type { Switches } from '../../../src/sandbox/switches.ts';
import { AT, emulatorFor, failures, probe, result } from './support.ts';

const running: Emulator[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});

async function emulator(switches: Partial<Switches> = {}, seed: Seed = {}): Promise<Emulator> {
  const one = await emulatorFor(seed);
  running.push(one);
  one.setSwitches(switches);
  return one;
}

const everything = { write: true, files: true } as const;
const notes = (protocol: Protocol): string => protocol.peculiarities.join('\n');

test('every check has a name of its own', () => {
  expect(new Set(CHECKS.map(({ id }) => id)).size).toBe(CHECKS.length);
  expect(CHECKS.length).toBeGreaterThanOrEqual(50);
});

describe('a run', () => {
  test('that only reads sends no POST and leaves nothing', async () => {
    const crm = await emulator();
    const protocol = await probe(crm);
    expect(failures(protocol)).toEqual([]);
    expect(protocol).toMatchObject({ verdict: 0, mode: 'read-only', created: [] });
    expect(crm.requests().filter(({ method }) => method !== 'GET')).toEqual([]);
    expect(crm.account().customers.size).toBe(9);
  });

  test('that writes tries everything and names what it leaves', async () => {
    const crm = await emulator();
    const protocol = await probe(crm, everything);
    expect(failures(protocol)).toEqual([]);
    expect(protocol.results.filter(({ outcome }) => outcome === 'skipped')).toEqual([]);
    expect(protocol.results).toHaveLength(CHECKS.length);
    expect(protocol.created.map(({ what, id }) => `${what} ${id}`)).toEqual([
      'customer 510',
      'note 1',
      'calls probe-test01-in, probe-test01-out',
      'order 88',
    ]);
    const account = crm.account();
    expect([...account.customers.keys()].filter((id) => id > 509)).toEqual([510]);
    expect(account.customers.get(510)).toMatchObject({
      externalId: 'probe-test01',
      firstName: 'asterisk-retailcrm probe test01',
    });
    expect([...account.calls.keys()]).toEqual(['probe-test01-in', 'probe-test01-out']);
    expect(account.orders.size).toBe(1);
    expect(account.files.size).toBe(0);
  });

  test('shows nobody a popup unless it is told whom; and closes it', async () => {
    const crm = await emulator();
    await probe(crm, { write: true });
    expect(crm.account().popupHistory).toEqual([]);
    await probe(crm, { write: true, extension: '150', id: 'test02' });
    expect(crm.account().popupHistory.map(({ code }) => code)).toEqual(['150']);
    expect(crm.account().openPopups.size).toBe(0);
  });

  test('looks up the number it is given', async () => {
    const crm = await emulator();
    const protocol = await probe(crm, { phone: '+375 29 000-01-16' });
    expect(result(protocol, 'customers.search').says).toBe('1 found, 1 of them with this number');
    expect(result(protocol, 'manager').says).toContain('customer 502');
  });

  test('measures reading requests as often as asked, writing ones once', async () => {
    const crm = await emulator();
    const protocol = await probe(crm, { write: true, repeat: 4 });
    expect(result(protocol, 'users').latencies).toHaveLength(4);
    expect(result(protocol, 'customers.create').latencies).toHaveLength(1);
    expect(result(protocol, 'users').exchanges).toHaveLength(1);
  });

  test('keeps its pace: never more than ten requests in a second', async () => {
    const crm = await emulator();
    const waits: number[] = [];
    await probe(crm, {
      paceMs: 150,
      pause: (ms) => {
        waits.push(ms);
        return Promise.resolve();
      },
    });
    // The stub does not wait, so each request finds a longer pause before it.
    expect(waits.length).toBeGreaterThan(20);
    expect(Math.max(...waits)).toBeGreaterThan(20 * 150 - 3_000);
  });

  test('that is interrupted still tells what it made', async () => {
    const crm = await emulator();
    const interrupted = new AbortController();
    const protocol = await probe(crm, {
      write: true,
      signal: interrupted.signal,
      pause: () => Promise.resolve(),
      now: () => {
        if (crm.account().customers.has(510)) interrupted.abort();
        return AT;
      },
    });
    expect(protocol.verdict).toBe(1);
    expect(protocol.created.map(({ what }) => what)).toContain('customer');
    expect(protocol.conclusions).toContain('The run was interrupted: the rest was not tried.');
    expect(result(protocol, 'wrong.key')).toMatchObject({
      outcome: 'skipped',
      says: 'left out: the run was interrupted',
    });
  });

  test('names what may be there when the answer to a creation was lost', async () => {
    const crm = await emulator({
      failNext: [{ status: 502, body: '<html>', path: 'customers/create', process: true }],
    });
    const protocol = await probe(crm, { write: true });
    expect(crm.account().customers.has(510)).toBe(true);
    expect(protocol.created[0]).toEqual({
      what: 'customer',
      id: 'unknown',
      hint: expect.stringContaining('externalId probe-test01'),
    });
    expect(result(protocol, 'customers.edit')).toMatchObject({ outcome: 'skipped', says: 'no customer was created' });
  });

  test('refuses an address it must not call', async () => {
    const crm = await emulator();
    await expect(probe(crm, { url: 'http://crm.example' })).rejects.toThrow('https');
  });
});

describe('every switch in every position', () => {
  test.each<{ switches: Partial<Switches>; says?: string }>([
    { switches: { missingKeyStatus: 400 }, says: 'A request without a key is answered 400.' },
    { switches: { missingKeyStatus: 403 }, says: 'A request without a key is answered 403.' },
    { switches: { unknownFilter: 'ignore' }, says: 'filter[phone] is ignored' },
    { switches: { unknownFilter: '400' }, says: 'filter[phone] is refused' },
    { switches: { createStatus: 201 } },
    { switches: { createStatus: 200 } },
    { switches: { emptyInfo: '[]' } },
    { switches: { emptyInfo: '{}' } },
    { switches: { managerIdType: 'number' } },
    { switches: { managerIdType: 'string' }, says: 'Ids come as texts: manager.id.' },
    { switches: { errorsShape: 'map' }, says: '`errors` comes as a map.' },
    { switches: { errorsShape: 'list' }, says: '`errors` comes as a list.' },
    { switches: { language: 'en' } },
    { switches: { language: 'ru' }, says: 'Error texts are in Russian' },
    { switches: { dupCounts: 'exclude' }, says: 'do not count in processedCallsCount' },
    { switches: { dupCounts: 'include' }, says: 'Repeated records count in processedCallsCount' },
    { switches: { dripBytes: 200, dripEveryMs: 1 } },
    { switches: { delayMs: 1 } },
    { switches: { telephonyOffStatus: 200 } },
    { switches: { poison: 'something-else' } },
  ])('$switches: all goes well', async ({ switches, says }) => {
    const crm = await emulator(switches);
    const protocol = await probe(crm, everything);
    expect(failures(protocol)).toEqual([]);
    expect(protocol.verdict).toBe(0);
    expect(notes(protocol)).toContain(says ?? '');
  });

  test.each([400, 200] as const)('telephony is off, status %s: the rest is tried all the same', async (status) => {
    const crm = await emulator({ telephonyOffStatus: status }, { accounts: [{ codes: null }] });
    const protocol = await probe(crm, everything);
    expect(failures(protocol).map((line) => line.split(':')[0])).toEqual([
      'call.event',
      'call.event.hangup',
      'calls.upload',
      'calls.upload.again',
      // What is refused for telephony being off says nothing about the mistake.
      'wrong.event',
      'wrong.result',
    ]);
    expect(result(protocol, 'call.event').error).toMatchObject({ kind: 'TELEPHONY_OFF', status });
    expect(result(protocol, 'module').says).toContain('there is no module');
    expect(protocol.conclusions).toContain('Popups: do not work yet.');
    expect(protocol.conclusions).toContain('New customers: work.');
    expect(protocol.verdict).toBe(1);
    expect(notes(protocol)).toContain(status === 200 ? '`success` is not always a boolean: "false"' : '');
  });

  test.each<{ name: string; switches: Partial<Switches>; says: string }>([
    { name: 'the server is down', switches: { down: true }, says: 'connection reset' },
    { name: 'the key is wrong', switches: { authOff: true }, says: 'Wrong "apiKey" value.' },
    { name: 'the account is gone', switches: { accountGone: true }, says: 'Account does not exist.' },
    { name: 'another page answers', switches: { html200: true }, says: 'HTML page with status 200' },
    { name: 'others use up the rate', switches: { quotaTaken: 1, rateLimitReply: '429json' }, says: 'Rate limit' },
    { name: 'and say so by a page', switches: { quotaTaken: 1, rateLimitReply: '503html' }, says: '503' },
    { name: 'or in JSON', switches: { quotaTaken: 1, rateLimitReply: '503json' }, says: 'Rate limit' },
    { name: 'every request fails', switches: { fail5xxEvery: 1 }, says: '500' },
    { name: 'every reply is lost', switches: { loseReplyEvery: 1 }, says: 'connection reset' },
  ])('$name: nothing more is tried, and the verdict is 2', async ({ switches, says }) => {
    const crm = await emulator(switches);
    const protocol = await probe(crm, everything);
    expect(protocol.verdict).toBe(2);
    expect(failures(protocol)).toHaveLength(3);
    expect(protocol.results.filter(({ outcome }) => outcome === 'skipped')).toHaveLength(CHECKS.length - 3);
    expect(protocol.conclusions.join('\n')).toContain(says);
    expect(new Set(crm.requests().map(({ method }) => method))).toEqual(new Set(['GET']));
    expect(markdownOf(protocol, '1.2.3')).toContain('## Conclusions');
  });

  test.each<Partial<Switches>>([
    { loseReplyEvery: 5 },
    { fail5xxEvery: 5 },
    { halfBatchThen500: 1 },
    { poison: 'probe-' },
    {
      failNext: Array.from({ length: 3 }, () => ({
        status: 302,
        headers: { location: 'https://x.example' },
        path: 'users',
      })),
    },
    { failNext: [{ status: 200, body: { success: true, users: 'none' }, path: 'users' }] },
    { failNext: [{ status: 402, body: { success: false, errorMsg: 'pay' }, path: 'settings' }] },
  ])('%j: some checks fail, the run goes on and says which', async (switches) => {
    const crm = await emulator(switches);
    const protocol = await probe(crm, everything);
    expect(protocol.verdict).toBe(1);
    expect(failures(protocol)).not.toEqual([]);
    expect(protocol.results).toHaveLength(CHECKS.length);
    for (const line of failures(protocol)) expect(protocol.conclusions.join('\n')).toContain(line.split(':')[0]);
  });

  test('a request told to slow down is asked again, and the report says so', async () => {
    const refusal = { status: 429, body: { success: false, errorMsg: 'Rate limit exceeded' }, path: 'users' };
    const crm = await emulator({ failNext: [refusal, refusal] });
    const waits: number[] = [];
    const protocol = await probe(crm, { pause: (ms) => Promise.resolve(void waits.push(ms)) });
    expect(failures(protocol)).toEqual([]);
    expect(waits).toEqual([1_000, 2_000]);
    expect(notes(protocol)).toContain('asked to slow down (429: Rate limit exceeded)');
  });

  test('file storage that is not paid for is a failure with its reason', async () => {
    const crm = await emulator({}, { accounts: [{ fileCredit: 0 }] });
    const protocol = await probe(crm, everything);
    expect(failures(protocol)).toEqual([expect.stringContaining('enough money')]);
    expect(result(protocol, 'files.delete')).toMatchObject({ outcome: 'skipped', says: 'no file was uploaded' });
  });
});

describe('accounts', () => {
  test('a key that may not do everything: what it lacks is said', async () => {
    const credentials = ['/api/credentials', '/api/api-versions', '/api/telephony/manager', '/api/settings'];
    const crm = await emulator({}, { accounts: [{ keys: [{ key: 'demo-key', credentials }] }] });
    const protocol = await probe(crm, { write: true });
    expect(protocol.verdict).toBe(1);
    expect(notes(protocol)).toMatch(/may not call .*call\/event \(popups\)/);
    expect(result(protocol, 'users').error).toMatchObject({ kind: 'AUTH', message: 'Access denied.' });
  });

  test('several shops: the configured one is used, without one it is said', async () => {
    const seed: Seed = { accounts: [{ sites: ['shop-a', 'shop-b'] }] };
    const first = await probe(await emulator({}, seed), { write: true, site: 'shop-b' });
    expect(failures(first)).toEqual([]);
    const crm = await emulator({}, seed);
    const second = await probe(crm, { write: true });
    expect(failures(second)).toEqual([]);
    expect(notes(second)).toContain('several shops');
    const third = await probe(await emulator(), { site: 'shop-z' });
    expect(notes(third)).toContain('The configured site shop-z is none');
  });

  test('an empty account: what has nothing to look at is skipped', async () => {
    const crm = await emulator({}, { accounts: [{ customers: [] }] });
    const protocol = await probe(crm);
    expect(failures(protocol)).toEqual([]);
    expect(result(protocol, 'customers.search')).toMatchObject({
      outcome: 'skipped',
      says: 'no customer with a phone is known; give --phone NUMBER',
    });
  });

  test('a zone other than the configured one is said', async () => {
    const crm = await emulator({}, { accounts: [{ timezone: 'Asia/Yekaterinburg' }] });
    const protocol = await probe(crm, { timezone: 'Europe/Minsk', write: true });
    expect(notes(protocol)).toContain('The configuration says Europe/Minsk, the account Asia/Yekaterinburg');
    expect(result(protocol, 'calls.upload').says).toContain('dated 2026-11-22 11:59:00');
  });
});

describe('the report', () => {
  test('holds no key, no secret, no number, no mailbox and no name', async () => {
    const crm = await emulator({}, { accounts: [{ clientId: 'hunter2hunter2hunter2hunter2hunter2' }] });
    const telephony = crm.account().modules.get('sandbox')?.telephony;
    if (telephony === undefined) throw new Error('the seed has a module');
    telephony.makeCallUrl = 'https://tel.example/crm/t0ken/makecall';
    const text = markdownOf(await probe(crm, everything), '1.2.3');
    for (const secret of ['demo-key', 'wrong-test01', 'hunter2', 't0ken', 'Orlova', 'Lisitsa', 'Щёткин', 'user7@'])
      expect([secret, text.includes(secret)]).toEqual([secret, false]);
    const numbers = [...text.matchAll(/\+?\d[\d ()-]{5,}\d/g)]
      .map(([number]) => number)
      .filter((number) => number.replaceAll(/\D/g, '').length >= 7 && !/^\d{4}-\d{2}-\d{2}/.test(number));
    // What is left are shapes of numbers, the id of a user nobody has, and the extension nobody has.
    expect([...new Set(numbers)].filter((number) => !/^[9 ()+-]+$/.test(number) && number !== '0000000')).toEqual([]);
  });

  test('of a whole run is as it always was', async () => {
    const crm = await emulator();
    const protocol = await probe(crm, { ...everything, timezone: 'Europe/Minsk' });
    const text = markdownOf(protocol, '1.2.3')
      .replaceAll(crm.url, 'https://crm.example')
      .replaceAll(new RegExp(`127\\.0\\.0\\.1:${crm.port}`, 'g'), 'crm.example')
      .replaceAll(/\b\d+ ms/g, 'N ms');
    const golden = join(projectRoot(), 'test/unit/probe/golden.md');
    if (process.env['UPDATE'] === '1') writeFileSync(golden, text);
    expect(text).toBe(readFileSync(golden, 'utf8'));
  });

  test('tells times as minimum, median, maximum', async () => {
    const crm = await emulator();
    const protocol = await probe(crm);
    const changed: Protocol = {
      ...protocol,
      startedAt: new Date(AT),
      results: [{ ...result(protocol, 'users'), latencies: [30, 10, 20, 1_000] }],
    };
    expect(markdownOf(changed, '1.2.3')).toContain('| `users` | ok | 200 | 4 | 10 ms | 25 ms | 1000 ms |');
  });
});

test('what needs --write or --files is not even planned without', () => {
  expect(planned({ write: false, files: false }).some(({ writes, files }) => writes === true || files === true)).toBe(
    false,
  );
  expect(planned({ write: true, files: false }).some(({ files }) => files === true)).toBe(false);
  expect(planned({ write: false, files: true }).map(({ id }) => id)).toContain('files');
  expect(planned({ write: false, files: true }).map(({ id }) => id)).not.toContain('files.upload');
});
