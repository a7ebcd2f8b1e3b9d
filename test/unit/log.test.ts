import { Writable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { type LogFields, createLog, maskPhone, silentLog } from '../../src/log.ts';

/** A stream that keeps what it is given. */
function memory(): { stream: Writable; text: () => string } {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, next) {
      text += String(chunk);
      next();
    },
  });
  return { stream, text: () => text };
}

/** What one record becomes, without its line break. */
async function written(format: 'json' | 'pretty', message: string, fields?: LogFields): Promise<string> {
  const { stream, text } = memory();
  const log = createLog({ format, level: 'debug', stream });
  log.info(message, fields);
  await log.flush();
  expect(text().endsWith('\n')).toBe(true);
  return text().slice(0, -1);
}

/** The JSON object of a record. */
async function record(message: string, fields?: LogFields): Promise<Record<string, unknown>> {
  const line = await written('json', message, fields);
  const parsed: unknown = JSON.parse(line.slice(3));
  return parsed as Record<string, unknown>;
}

/** H18: what callers put into names. */
const HOSTILE = [
  'a\nb',
  'a\r\nb',
  'a\u2028b\u2029c',
  'a\u0085b',
  '\u001b[31mred\u001b[0m',
  '\u001b]0;title\u0007',
  '\u009b31m',
  'a\u202egnp.exe',
  '\u2066a\u2069',
  '\u0000\u0008\u007f',
  '<3>{"level":"error"}',
  '\n<3>{"level":"error","message":"forged"}',
  '\ud800',
  '%s %j %o',
  '{{x}} ${x}',
];

describe('a line of JSON', () => {
  test('tells enterprise, host, call and a sentence', async () => {
    const { stream, text } = memory();
    const log = createLog({ format: 'json', level: 'info', stream });
    const host = log.child({ enterprise: 'acme' }).child({ host: 'pbx1' });
    host.info('answered by 150 after 2.5 s', { linkedid: '1795339498.0', wait: 2.5 });
    await log.flush();
    expect(text()).toMatch(
      /^<6>\{"time":"\d{4}-\d\d-\d\dT[\d:.]+Z","level":"info","enterprise":"acme","host":"pbx1","linkedid":"1795339498\.0","message":"answered by 150 after 2\.5 s","wait":2\.5\}\n$/,
    );
  });

  test.each([
    ['error', '<3>'],
    ['warn', '<4>'],
    ['info', '<6>'],
    ['debug', '<7>'],
  ] as const)('%s has journald priority %s', async (level, priority) => {
    const { stream, text } = memory();
    const log = createLog({ format: 'json', level: 'debug', stream });
    log[level]('x');
    await log.flush();
    expect(text().slice(0, 3)).toBe(priority);
  });

  test('below the level nothing is written', async () => {
    const { stream, text } = memory();
    const log = createLog({ format: 'json', level: 'warn', stream });
    log.info('no');
    log.debug('no');
    log.child({ host: 'pbx1' }).info('no');
    log.warn('yes');
    await log.flush();
    expect(text().match(/"message":"\w+"/g)).toEqual(['"message":"yes"']);
  });

  test.each(HOSTILE)('hostile text %# stays within one line, in message, field, key and error', async (text) => {
    const err = new Error(text);
    err.stack = text;
    const line = await written('json', text, { name: text, [text]: 1, err, deep: [{ text }] });
    // eslint-disable-next-line no-control-regex -- these are what it looks for
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e\u2028\u2029\u2066\u2069]/);
    expect(line).toMatch(/^<6>\{"time":"/);
    expect(() => {
      JSON.parse(line.slice(3));
    }).not.toThrow();
  });

  test('a field cannot pass for what the line itself says', async () => {
    expect(await record('m', { level: 'error', message: 'forged', time: 'never' })).toMatchObject({
      level: 'info',
      message: 'm',
      level_: 'error',
      message_: 'forged',
      time_: 'never',
    });
  });

  test('holds what JSON cannot', async () => {
    const cycle: Record<string, unknown> = { a: 1 };
    cycle['self'] = cycle;
    const hostile = Object.defineProperty({}, 'x', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    }); // prettier-ignore
    const fields = {
      cycle,
      big: 12n,
      nan: NaN,
      fn: () => 1,
      at: new Date(0),
      bytes: Buffer.from('secret'),
      set: new Set([1]),
      map: new Map([['a', 1]]),
      hostile,
      none: null,
    };
    expect(await record('m', fields)).toMatchObject({
      cycle: { a: 1, self: '[circular]' },
      big: '12',
      nan: 'NaN',
      fn: '[function]',
      at: '1970-01-01T00:00:00.000Z',
      bytes: '[6 bytes]',
      set: [1],
      map: { a: 1 },
      hostile: '[unreadable]',
      none: null,
    });
  });

  test('one object in two places is no cycle', async () => {
    const one = { a: 1 };
    expect(await record('m', { x: one, y: [one, one] })).toMatchObject({ x: { a: 1 }, y: [{ a: 1 }, { a: 1 }] });
  });

  test('an error says what it is, and nothing it carries', async () => {
    const config = { headers: { 'X-API-KEY': 'hunter2' }, data: 'apiKey=hunter2' };
    const err = Object.assign(new Error('connect refused', { cause: new Error('below') }), {
      code: 'ECONNREFUSED',
      config,
      request: config,
    });
    const line = await written('json', 'm', { err });
    expect(JSON.parse(line.slice(3))).toMatchObject({
      err: {
        name: 'Error',
        message: 'connect refused',
        code: 'ECONNREFUSED',
        cause: { message: 'below' },
        stack: expect.stringContaining('log.test'),
      },
    });
    expect(line).not.toContain('hunter2');
  });

  test('is never longer than people read: texts, lists and depth are cut', async () => {
    let deep: unknown = 'end';
    for (let i = 0; i < 10_000; i++) deep = { deep };
    const line = await written('json', 'x'.repeat(1_000_000), {
      list: Array.from({ length: 10_000 }, (_, i) => i),
      deep,
    });
    expect(line.length).toBeLessThan(10_000);
    expect(line).toContain('… (1000000 characters)');
    expect(line).toContain('… (10000 entries)');
    expect(line).toContain('[deep]');
  });
});

describe('the pretty form', () => {
  test('is time, level, whose, the sentence, the rest', async () => {
    const fields = { linkedid: '1795339498.0', host: 'pbx1', enterprise: 'acme', wait: 2.5, outcome: 'no answer' };
    expect((await written('pretty', 'answered by 150 after 2.5 s', fields)).slice(13)).toBe(
      'info  acme pbx1 1795339498.0 answered by 150 after 2.5 s wait=2.5 outcome="no answer"',
    );
  });

  test('has colours on a terminal only', async () => {
    const { stream, text } = memory();
    const log = createLog({ format: 'pretty', level: 'info', stream: Object.assign(stream, { isTTY: true }) });
    log.error('x');
    await log.flush();
    expect(text()).toContain('\u001b[31merror\u001b[0m');
    expect(await written('pretty', 'x')).not.toContain('\u001b');
  });

  test('an error is one sentence', async () => {
    const err = Object.assign(new Error('connect refused'), { code: 'ECONNREFUSED' });
    expect(await written('pretty', 'm', { err })).toMatch(/ m err="connect refused \(ECONNREFUSED\)"$/);
  });

  test.each(HOSTILE)('hostile text %# stays within one line', async (text) => {
    const line = await written('pretty', text, { name: text, [text]: 1, enterprise: text });
    // eslint-disable-next-line no-control-regex -- these are what it looks for
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e\u2028\u2029\u2066\u2069]/);
  });
});

describe('numbers', () => {
  test.each([
    ['+375290000116', '+375***0116'],
    ['+79990000011', '+7***0011'],
    ['+12025550123', '+1***0123'],
    ['+4930123456', '+49***3456'],
    ['80290000116', '***0116'],
    ['8 (029) 000-01-16', '***0116'],
    ['150', '150'],
    ['anonymous', 'anonymous'],
  ])('%s is shown as %s', (phone, shown) => {
    expect(maskPhone(phone)).toBe(shown);
  });

  test.each([
    'call from +375290000116',
    'call from +375 29 000-01-16.',
    'call from 80290000116, 150 rang',
    'dialled 375290000116@provider-by',
    'Local/80290000116@from-internal-00000003;1',
    'PJSIP/375290000116-0000002a',
    'file 20261122-112458-375290000116-150-1795339498.0.wav',
    'POST https://crm.example/x?phone=%2B375290000116',
    'phone=+375290000116;id=5',
    '"80290000116" <80290000116>',
    '0290000116',
    '290000116',
    'tel:+375-29-000-01-16',
  ])('in a sentence no number can be read: %s', async (text) => {
    const shownTexts = await record(text, { other: text });
    for (const shown of [shownTexts['message'], shownTexts['other']]) {
      expect(shown).toContain('0116');
      expect(String(shown).replace(/\D/g, '')).not.toContain('0000116');
    }
  });

  test.each([
    'acme pbx1 1795339498.0 answered by 150 after 2.5 s',
    'externalId pbx1-1795339498.123',
    'PJSIP/provider-by-00000001 left',
    'Local/150@from-queue-00000012;2',
    'recording 1795339498.0.wav',
    'at 2026-11-22T09:24:58.361Z on 20261122',
    'row 12345678 of lane telephony',
    'user id=12345678, order #12345678',
    'read 104857600 bytes in 12345678 ms',
    'action 550e8400-e29b-41d4-a716-446655440000',
    '192.168.100.200:5038',
    'took 0.1234567 s',
  ])('what is not a number of a person stays: %s', async (text) => {
    expect((await record(text))['message']).toBe(text);
  });

  test('under a phone’s name every long number is masked, extensions and words stay', async () => {
    const fields = {
      phone: '+375290000116',
      callerNum: 80290000116,
      customerPhone: ['+375290000116', '150'],
      externalPhone: '2000-01-16 9',
      from: '150',
      caller: 'anonymous',
    };
    expect(await record('m', fields)).toMatchObject({
      phone: '+375***0116',
      callerNum: '***0116',
      customerPhone: ['+375***0116', '150'],
      externalPhone: '***1169',
      from: '150',
      caller: 'anonymous',
    });
  });
});

describe('secrets', () => {
  test.each([
    'key',
    'apiKey',
    'X-API-KEY',
    'secret',
    'ami_secret',
    'token',
    'accessToken',
    'Authorization',
    'password',
    'passwd',
    'clientId',
    'client_id',
    'Set-Cookie',
  ])('a value called %s is never shown, however deep', async (name) => {
    const line = await written('json', 'm', { [name]: 'hunter2', deep: [{ [name]: ['hunter2'] }] });
    expect(line).not.toContain('hunter2');
    expect(line).toContain('***');
  });

  test.each([
    'GET https://crm.example/api?apiKey=hunter2&x=1',
    'Authorization: Bearer hunter2',
    'secret: hunter2',
    '{"clientId":"hunter2"}',
    'postgres://bridge:hunter2@db/x',
    "password='hunter2'",
    'token = hunter2',
  ])('in a sentence: %s', async (text) => {
    const line = await written('json', text, { text, err: new Error(text) });
    expect(line).not.toContain('hunter2');
  });

  test('that none is set may be known', async () => {
    expect(await record('m', { secret: undefined, token: '', key: null })).toMatchObject({ token: '', key: null });
  });
});

test('masking takes time in proportion to the text', async () => {
  const begin = process.cpuUsage(); // a busy machine takes longer, not more
  for (const text of [
    '+'.repeat(100_000),
    '1 '.repeat(50_000),
    '-'.repeat(100_000),
    '/a-'.repeat(30_000),
    'token'.repeat(20_000),
    '//a:'.repeat(20_000),
  ]) {
    await written('json', text, { text });
  }
  expect(process.cpuUsage(begin).user).toBeLessThan(1_000_000);
});

test('a silent log says nothing and has silent children', () => {
  expect(silentLog.child({ a: 1 })).toBe(silentLog);
});
