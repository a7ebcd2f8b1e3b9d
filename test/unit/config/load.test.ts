import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { loadAll, loadDaemon, loadEnterpriseFile, readAll, readOne } from '../../../src/config/load.ts';
import { ConfigError, formatProblem } from '../../../src/config/problems.ts';
import { projectRoot } from '../../../src/root.ts';
import { directory, example, exampleText } from './support.ts';

/** Everything the loader says of one enterprise file, without the file's name. */
function said(text: string | Buffer): string[] {
  const file = join(directory({ 'acme.yaml': text }), 'acme.yaml');
  return readOne(file, 'enterprise').problems.map((problem) => formatProblem(problem).replace(/^.*acme\.yaml:/, ''));
}

describe('the shipped examples', () => {
  test('are sound, together and without warnings', () => {
    const { problems, settings } = readAll(join(projectRoot(), 'config/daemon.example.yaml'));
    expect(problems).toEqual([]);
    expect(settings?.daemon.database).toEqual({ kind: 'embedded', dir: undefined });
    expect(settings?.enterprises.map(({ id }) => id)).toEqual(['acme']);
  });

  test('describe the recorded PBX', () => {
    const acme = example();
    expect(acme).toMatchObject({ id: 'acme', country: 'BY', defaultDid: '+375171234501' });
    expect(acme.hosts.map(({ id }) => id)).toEqual(['pbx1']);
    expect(acme.hosts[0]?.trunks.map(({ name, country }) => [name, country])).toEqual([
      ['provider-by', undefined],
      ['provider-ru', 'RU'],
    ]);
    expect(acme.employees.map(({ extension, code }) => [extension, code])).toEqual([
      ['150', '150'],
      ['151', '151'],
      ['152', '152'],
    ]);
    expect(acme.dids).toHaveLength(9);
  });

  test('say all policies as they are by default', () => {
    const without = exampleText().replace(/\npolicies:\n(?: .*\n)+/, '\n');
    expect(without).not.toContain('close_losers');
    const file = join(directory({ 'acme.yaml': without }), 'acme.yaml');
    expect(loadEnterpriseFile(file).policies).toEqual(example().policies);
  });

  test('name secrets and need none', () => {
    expect(example().retailcrm.key).toEqual({ key: 'retailcrm.key', from: 'env', name: 'ACME_CRM_KEY' });
    expect(example().hosts[0]?.ami.secret).toEqual({
      key: 'hosts[0].ami.secret',
      from: 'env',
      name: 'ACME_PBX1_SECRET',
    });
  });
});

describe('settings', () => {
  test('cannot be changed, however deep', () => {
    const acme = example();
    for (const part of [acme, acme.hosts, acme.hosts[0], acme.hosts[0]?.trunks[0]?.channels, acme.policies.popups]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test('hold absolute paths, seen from the file that names them', () => {
    const text = exampleText(
      ['# directory: /var/spool/asterisk/monitor', 'directory: rec #'],
      ['# tls: {ca: pbx1.pem}', 'tls: {ca: pbx1.pem}'],
      ['{ env: ACME_CRM_KEY }', '{ file: secrets/crm }'],
    );
    const dir = directory({ 'acme.yaml': text });
    const acme = loadEnterpriseFile(join(dir, 'acme.yaml'));
    expect(acme.recordings?.directory).toBe(join(dir, 'rec'));
    expect(acme.hosts[0]?.ami.tls?.ca).toBe(join(dir, 'pbx1.pem'));
    expect(acme.retailcrm.key.name).toBe(join(dir, 'secrets/crm'));
  });

  test.each([
    { says: 'plain AMI speaks on 5038', part: '', port: 5038 },
    { says: 'AMI over TLS speaks on 5039', part: 'tls: {}', port: 5039 },
  ])('$says', ({ part, port }) => {
    const dir = directory({ 'acme.yaml': exampleText(['      port: 5038\n', ''], ['# tls: {ca: pbx1.pem}', part]) });
    expect(loadEnterpriseFile(join(dir, 'acme.yaml')).hosts[0]?.ami.port).toBe(port);
  });

  test.each(['SIPADDHEADER51', '__ANSWER_IT', 'PJSIP_HEADER(add,Alert-Info)'])('auto-answer by %s', (variable) => {
    const part = `click_to_call: { auto_answer: { variable: '${variable}', value: 'x;info=alert-autoanswer' } } # {`;
    const dir = directory({ 'acme.yaml': exampleText(['# click_to_call: {', part]) });
    const { clickToCall } = loadEnterpriseFile(join(dir, 'acme.yaml'));
    expect(clickToCall?.autoAnswer).toEqual({ variable, value: 'x;info=alert-autoanswer' });
  });

  test('a base URL has no slash at its end', () => {
    const dir = directory({ 'acme.yaml': exampleText(['retailcrm.example', 'retailcrm.example//']) });
    expect(loadEnterpriseFile(join(dir, 'acme.yaml')).retailcrm.url).toBe('https://acme.retailcrm.example');
  });

  test.each([
    { says: 'an empty section is a default', text: '{}', database: { kind: 'embedded', dir: undefined } },
    {
      says: 'a URL without password may stand',
      text: 'database: {url: "postgres://u@db/x"}',
      database: { kind: 'url', url: 'postgres://u@db/x' },
    },
    {
      says: 'a URL with password is a secret',
      text: 'database: {url: {env: DATABASE_URL}}',
      database: { kind: 'url', url: { key: 'database.url', from: 'env', name: 'DATABASE_URL' } },
    },
  ])('daemon.yaml: $says', ({ text, database }) => {
    expect(loadDaemon(join(directory({ 'daemon.yaml': text }), 'daemon.yaml')).database).toEqual(database);
  });
});

describe('a mistake is told at its place, with what would be right', () => {
  test.each([
    ['unknown key', 'name: Acme', 'nmae: Acme', '7:1: nmae: there is no such key; did you mean "name"?'],
    [
      'unknown key, nothing near',
      'name: Acme',
      'zzz: Acme',
      expect.stringMatching(/^7:1: zzz: there is no such key; known here: id, number, /),
    ],
    [
      'key of another section',
      '    trunks:',
      '    trunk:',
      expect.stringMatching(/^\d+:5: hosts\[0\]\.trunk: there is no such key; did you mean "trunks"\?$/),
    ],
    [
      'camelCase',
      'wait_seconds:',
      'waitSeconds:',
      expect.stringContaining('waitSeconds: there is no such key; did you mean "wait_seconds"?'),
    ],
    [
      'click-to-call to a channel that is not hers',
      '# click_to_call: {',
      'click_to_call: { channel: PJSIP/150, allow: ["+375*"] } # {',
      expect.stringContaining('click_to_call.channel: must be a channel with {extension} in it'),
    ],
    [
      'an auto-answer value AMI would split',
      '# click_to_call: {',
      'click_to_call: { auto_answer: { variable: SIPADDHEADER51, value: "a,b" } } # {',
      expect.stringContaining('click_to_call.auto_answer.value: must be 1 to 200 characters without commas'),
    ],
    [
      'an auto-answer variable that is another function of the dial plan',
      '# click_to_call: {',
      'click_to_call: { auto_answer: { variable: SHELL(id), value: x } } # {',
      expect.stringContaining('click_to_call.auto_answer.variable: must be the name of a channel variable, or'),
    ],
    [
      'a kind of call that does not exist',
      'when: []',
      'when: [missed]',
      expect.stringContaining('customers.create.when[0]: must be one of in_answered, in_missed'),
    ],
    [
      'a manager who is nobody',
      'manager: employee',
      'manager: boss',
      expect.stringContaining('customers.create.manager: must be employee, none or the id of a CRM user'),
    ],
    [
      "a callback's source that is no address",
      '# module: {}',
      'module: { allow_from: [crm.example] } #',
      expect.stringContaining('retailcrm.module.allow_from[0]: must be an IP address or a range'),
    ],
    [
      'an employee on a host that is not there',
      'user: 7 }',
      'user: 7, host: pbx9 }',
      expect.stringContaining('employees[0].host: there is no host "pbx9"; known are pbx1'),
    ],
    [
      'two receivers of one name',
      '# webhooks:',
      `webhooks: [{ id: bi, url: 'https://a.example', secret: { env: A } }, { id: bi, url: 'https://b.example', secret: { env: B } }] #`,
      expect.stringContaining('webhooks[1].id: receiver "bi" is already in line'),
    ],
    [
      'a receiver with its password in the address',
      '# webhooks:',
      `webhooks: [{ id: bi, url: 'https://u:hunter2@a.example', secret: { env: A } }] #`,
      expect.stringContaining('webhooks[0].url: must be an https address without user and password'),
    ],
    [
      'a receiver elsewhere without TLS',
      '# webhooks:',
      `webhooks: [{ id: bi, url: 'http://a.example', secret: { env: A }, allow_private: true }] #`,
      expect.stringContaining('webhooks[0].url: must begin with https://; http is for this machine only'),
    ],
    [
      'a receiver on this machine without leave',
      '# webhooks:',
      `webhooks: [{ id: bi, url: 'http://127.0.0.1:9/x', secret: { env: A } }] #`,
      expect.stringContaining('webhooks[0].url: http to this machine needs allow_private: true'),
    ],
    ['key without value', 'name: Acme', 'name:', '7:6: name: has no value; write one or remove the key'],
    ['number not quoted', "number: '1001'", 'number: 0367', '6:9: number: is read as a number; quote it: "0367"'],
    ['octal look', "number: '1001'", 'number: 010', '6:9: number: is read as a number; quote it: "010"'],
    [
      'phone not quoted',
      "'+375171234502'",
      '+375171234502',
      expect.stringContaining('dids[1].number: is read as a number; quote it: "+375171234502"'),
    ],
    [
      'extension not quoted',
      "extension: '150'",
      'extension: 150',
      expect.stringContaining('employees[0].extension: is read as a number; quote it: "150"'),
    ],
    ['word of truth not quoted', 'name: Acme', 'name: true', '7:7: name: is read as the word true; quote it: "true"'],
    [
      'number quoted',
      'port: 5038',
      "port: '5038'",
      expect.stringMatching(/port: must be a whole number, not text; write 5038 without quotes$/),
    ],
    ['port out of range', 'port: 5038', 'port: 70000', expect.stringMatching(/port: must be from 1 to 65535$/)],
    [
      'yes for true',
      'popups: { in: true,',
      'popups: { in: yes,',
      expect.stringContaining('policies.popups.in: must be true or false, not text (yes, no'),
    ],
    [
      'wrong word',
      'last_talker #',
      'last-talker #',
      expect.stringContaining('must be one of last_talker, first_talker, longest_talker; did you mean "last_talker"?'),
    ],
    [
      'one instead of a list',
      '[PJSIP/provider-by, SIP/provider-by]',
      'PJSIP/provider-by',
      expect.stringContaining('hosts[0].trunks[0].channels: must be a list'),
    ],
    [
      'country of three letters',
      'country: BY',
      'country: BLR',
      '8:10: country: must be a country as two capital letters, such as BY or RU',
    ],
    ['no such zone', 'Europe/Minsk', 'Europe/Minks', '9:11: timezone: must be a time zone such as Europe/Minsk'],
    ['zone as offset', 'Europe/Minsk', "'+03:00'", '9:11: timezone: must be a time zone such as Europe/Minsk'],
    ['id with capitals', 'id: acme', 'id: Acme', expect.stringMatching(/^5:5: id: must be 1 to 31 lower-case letters/)],
    [
      'http to the world',
      'https://acme',
      'http://acme',
      expect.stringContaining('retailcrm.url: must be the address of the account'),
    ],
    [
      'http to this machine',
      'https://acme.retailcrm.example',
      'http://127.0.0.1:8080',
      expect.stringContaining('retailcrm.url: must start with https://'),
    ],
    [
      'CRM address with user',
      'https://acme',
      'https://u:p@acme',
      expect.stringContaining('retailcrm.url: must be the address of the account'),
    ],
    [
      'address with port',
      '127.0.0.1',
      "'pbx:5038'",
      expect.stringContaining('address: must be a host name or an IP address without port'),
    ],
    ['dial plan pattern', "'1[0-9][0-9]'", "'_1XX'", expect.stringContaining('write "1[0-9][0-9]"')],
    [
      'slow regular expression',
      "'1[0-9][0-9]'",
      "'(1+)+'",
      expect.stringContaining('must be a simple regular expression'),
    ],
    ['broken regular expression', "'1[0-9][0-9]'", "'1[0-9'", expect.stringContaining('is not a regular expression')],
    [
      'pattern that fits nothing dialled',
      "'1[0-9][0-9]'",
      "'[0-9]*'",
      expect.stringContaining('must not match an empty number'),
    ],
    [
      'channel with its number sign',
      'PJSIP/provider-by,',
      'provider-by,',
      expect.stringContaining('must be a channel name'),
    ],
    [
      'unknown placeholder',
      '{date}/{file}',
      '{date}/{fiel}',
      expect.stringContaining('has the unknown placeholder {fiel}'),
    ],
    [
      'one recording for all',
      '{date}/{file}',
      '{date}/x',
      expect.stringContaining('must hold {file}, {uniqueid} or {linkedid}'),
    ],
    [
      'recording link with password',
      'https://rec',
      'https://u:p@rec',
      expect.stringContaining('must not hold a user or password'),
    ],
    [
      'certificates unchecked',
      '# tls: {ca: pbx1.pem}',
      'tls: {reject_unauthorized: false}',
      expect.stringContaining('certificates are always verified'),
    ],
    [
      'secret without a way',
      '{ env: ACME_CRM_KEY }',
      '{}',
      expect.stringContaining('retailcrm.key: must have exactly one of env, file and credential'),
    ],
    [
      'secret with two ways',
      '{ env: ACME_CRM_KEY }',
      '{ env: A, file: b }',
      expect.stringContaining('must have exactly one of'),
    ],
    [
      'secret with a strange way',
      '{ env: ACME_CRM_KEY }',
      '{ evn: A }',
      expect.stringContaining('retailcrm.key.evn: there is no such key; did you mean "env"?'),
    ],
  ])('%s', (_says, part, by, expected) => {
    expect(said(exampleText([part, by]))).toContainEqual(expected);
  });

  test('a missing key says what it is for', () => {
    expect(said(exampleText(['country: BY\n', '']))).toEqual([
      '5:1: country: is missing: Country whose national number forms are understood first, two letters: BY.',
    ]);
  });

  test('keys that contradict each other', () => {
    const text = exampleText(
      ["extension: '151'", "extension: '150'"],
      ["extension: '152'", "extension: '252'"],
      ['+375171234502', '+375171234501'],
      ["default_did: '+375171234501'", "default_did: '+375171239999'"],
      ['[PJSIP/provider-ru, ', '[PJSIP/provider-*, '],
      ["# default_owner: '150'", "default_owner: '900' #"],
    );
    expect(said(text)).toEqual([
      expect.stringMatching(
        /^\d+:\d+: hosts\[0\]\.trunks\[1\]\.channels\[0\]: "PJSIP\/provider-\*" can fit the same channel as "PJSIP\/provider-by" of line "provider-by"/,
      ),
      expect.stringMatching(/dids\[1\]\.number: \+375171234501 is already in line \d+$/),
      expect.stringMatching(/default_did: \+375171239999 is not among dids/),
      expect.stringMatching(/employees\[1\]\.extension: extension "150" already belongs to the employee in line \d+$/),
      expect.stringMatching(/employees\[2\]\.extension: "252" fits no pattern of hosts\[\]\.extensions/),
      expect.stringMatching(/policies\.default_owner: "900" fits no pattern/),
    ]);
  });

  test('even in a file with other mistakes, as far as its parts are sound', () => {
    const text = exampleText(
      ['country: BY', 'country: XX'],
      ['+375171234502', '+375171234501'],
      ["extension: '151'", "extension: '150'"],
      ["extension: '152'", 'extension: 152'],
    );
    expect(said(text).map((line) => line.split(': ').slice(1, 2).join())).toEqual([
      'country',
      'dids[1].number',
      'employees[1].extension',
      'employees[2].extension',
    ]);
  });

  test.each([
    [
      'a pattern of extensions that fits outside numbers',
      "'1[0-9][0-9]'",
      "'[0-9]+'",
      /extensions\[0\]: "\[0-9\]\+" fits the outside number \+375171234501 too/,
    ],
    [
      'a pattern of extensions nobody has',
      "'1[0-9][0-9]'",
      "'1[0-9][0-9]', '7[0-9]'",
      /extensions\[1\]: warning: "7\[0-9\]" fits the extension of no employee/,
    ],
    [
      'two employees with one code',
      'name: Oleg',
      "name: Oleg, code: '150'",
      /employees\[1\]\.code: CRM code "150" already belongs/,
    ],
    [
      'two employees with one mobile',
      'name: Oleg',
      "name: Oleg, mobiles: ['+375290000999', '+375290000999']",
      /mobiles\[1\]: \+375290000999 is already a mobile/,
    ],
    [
      'one host twice',
      'dids:',
      '  - {id: pbx1, ami: {address: 127.0.0.1, user: x, secret: {env: A}}, trunks: [{name: x, channels: [SIP/x]}]}\ndids:',
      /hosts\[1\]\.id: host "pbx1" is already in/,
    ],
    [
      'one address twice',
      'dids:',
      '  - {id: pbx2, ami: {address: 127.0.0.1, user: x, secret: {env: A}}, trunks: [{name: x, channels: [SIP/x]}]}\ndids:',
      /hosts\[1\]\.ami\.address: 127\.0\.0\.1:5038 is already a host in/,
    ],
  ])('%s', (_says, part, by, expected) => {
    expect(said(exampleText([part, by]))).toContainEqual(expect.stringMatching(expected));
  });

  test('a secret written into the file is refused and not repeated', () => {
    for (const secret of [
      'hunter2',
      '123456789',
      "'0x5f'",
      '[hunter2]',
      '{hunter2: hunter2}',
      '{env: "hunter2 hunter2"}',
    ]) {
      const words = said(exampleText(['{ env: ACME_CRM_KEY }', secret])).join('\n');
      expect(words).toContain('retailcrm.key');
      expect(words.replace('hunter2: there is no such key', '')).not.toMatch(/hunter2|123456789|0x5f/);
    }
  });
});

describe('what is not a file of settings at all', () => {
  const bomb = `a0: &a0 [x,x,x,x,x,x,x,x,x]\n${Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`).join('\n')}`;
  test.each([
    { says: 'nothing', text: '', expected: '1:1: is empty' },
    { says: 'comments only', text: '# nothing\n', expected: '1:1: is empty' },
    { says: 'a text', text: 'hello', expected: '1:1: must be a section with keys of its own, not text' },
    { says: 'a list', text: '- a', expected: '1:1: must be a section with keys of its own, not a list' },
    { says: 'a key twice', text: 'id: acme\nid: beta\n', expected: '2:1: this key is already given above' },
    { says: 'a tab as indent', text: 'retailcrm:\n\turl: x\n', expected: '2:1: is indented with a tab' },
    { says: 'two documents', text: 'id: a\n---\nid: b\n', expected: '2:1: a second document' },
    { says: 'tags', text: 'id: !!js/function "x"', expected: '1:5: tags (!name) are not used' },
    { says: 'a quote left open', text: 'id: "acme\nnumber: 1\n', expected: 'is not YAML: ' },
    { says: 'an alias of nothing', text: 'id: *acme', expected: 'uses *acme, which is not anchored above' },
    { says: 'a bomb of aliases', text: bomb, expected: 'uses aliases (*name) beyond reason' },
    { says: 'ten megabytes', text: `id: ${'x'.repeat(10_000_000)}`, expected: '1:1: the file has 9766 KiB' },
    { says: 'deep brackets', text: `id: ${'['.repeat(200_000)}`, expected: '1:1: is nested far deeper' },
    { says: 'deep brackets on lines', text: `id: ${'[\n'.repeat(100_000)}`, expected: '33:1: is nested far deeper' },
    { says: 'deep dashes', text: '- '.repeat(100_000), expected: '1:1: is nested far deeper' },
    {
      says: 'deep indents',
      text: Array.from({ length: 600 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
      expected: '66:1: is nested far deeper',
    },
    { says: 'no UTF-8', text: Buffer.from([0x69, 0x64, 0x3a, 0xe0, 0xff]), expected: '1:1: is not UTF-8' },
    { says: 'a prototype', text: '__proto__: {id: acme}', expected: '1:1: __proto__: there is no such key' },
    {
      says: 'a thousand unknown keys',
      text: Array.from({ length: 1_000 }, (_, i) => `key${i}: 1`).join('\n'),
      expected: '200:1: key199: there is no such key',
    },
    { says: 'far too many keys', text: 'a: 1\n'.repeat(20_000), expected: '1:1: has more entries than settings need' },
    {
      says: 'far too many lists',
      text: `x: [${'[],'.repeat(80_000)}]`,
      expected: '1:1: has more entries than settings need',
    },
    { says: 'merge keys', text: '<<: {id: acme}', expected: '1:1: <<: there is no such key' },
  ])('$says is refused at its line, at once', ({ text, expected }) => {
    const begin = performance.now();
    const words = said(text);
    // The promise is 100 ms; a loaded machine gets more, a parser that recurses or expands takes minutes.
    expect(performance.now() - begin).toBeLessThan(1_000);
    expect(words).toContainEqual(expect.stringContaining(expected));
    expect(Object.prototype).not.toHaveProperty('id');
  });

  test('a file that is not there', () => {
    expect(() => loadEnterpriseFile('/nonexistent/acme.yaml')).toThrow(
      new ConfigError([
        {
          severity: 'error',
          file: '/nonexistent/acme.yaml',
          line: 1,
          col: 1,
          path: '',
          message: 'cannot be read (ENOENT): there is no such file',
        },
      ]),
    );
  });
});

describe('all files together', () => {
  test('every error of every file is told, by file and line', () => {
    const dir = directory({
      'daemon.yaml': 'log: {level: loud}\n',
      'enterprises/a.yaml': exampleText(['country: BY', 'country: XX'], ['timezone: Europe/Minsk', 'timezone: x']),
      'enterprises/b.yaml': 'id: [',
      'enterprises/c.yml': 'id: C',
      'enterprises/.hidden.yaml': 'nonsense',
      'enterprises/d.yaml~': 'nonsense',
    });
    expect(() => loadAll(dir)).toThrow(ConfigError);
    const told = readAll(dir).problems.map((problem) => formatProblem(problem).replace(`${dir}/`, ''));
    expect(told.map((line) => line.split(': ').slice(0, 2).join(': '))).toEqual([
      'daemon.yaml:1:14: log.level',
      'enterprises/a.yaml:8:10: country',
      'enterprises/a.yaml:9:11: timezone',
      expect.stringMatching(/^enterprises\/b\.yaml:1:\d+: is not YAML/),
      'enterprises/c.yml:1:1: number',
      'enterprises/c.yml:1:1: country',
      'enterprises/c.yml:1:1: retailcrm',
      'enterprises/c.yml:1:1: hosts',
      'enterprises/c.yml:1:5: id',
    ]);
  });

  test('two enterprises must not share ids, numbers or PBXs; a shared account is worth a warning', () => {
    const dir = directory({
      'daemon.yaml': '{}',
      'enterprises/a.yaml': exampleText(),
      'enterprises/b.yaml': exampleText(),
    });
    const told = readAll(dir).problems.map((problem) => formatProblem(problem).replaceAll(`${dir}/enterprises/`, ''));
    expect(told).toContain('b.yaml:5:5: id: enterprise "acme" is already in a.yaml:5');
    expect(told).toContain('b.yaml:6:9: number: number "1001" already belongs to the enterprise in a.yaml:6');
    expect(told).toContainEqual(
      expect.stringMatching(
        /^b\.yaml:\d+:\d+: hosts\[0\]\.ami\.address: 127\.0\.0\.1:5038 is already a host of the enterprise in a\.yaml:/,
      ),
    );
    expect(told.filter((line) => line.includes('dids['))).toHaveLength(9);
    expect(told).toContainEqual(
      expect.stringMatching(/retailcrm\.url: warning: both enterprises share one rate limit/),
    );
    expect(readAll(dir).settings).toBeUndefined();
  });

  test('enterprises come in order of file name', () => {
    const other = exampleText(
      ['id: acme', 'id: beta'],
      ["'1001'", "'1002'"],
      ['127.0.0.1', 'pbx.beta.example'],
      ['https://acme', 'https://beta'],
    )
      .replaceAll('+37517123450', '+37517123460')
      .replaceAll('+74950000601', '+74950000602');
    const dir = directory({ 'daemon.yaml': 'enterprises: e', 'e/2.yaml': exampleText(), 'e/1.yaml': other });
    expect(loadAll(join(dir, 'daemon.yaml')).enterprises.map(({ id }) => id)).toEqual(['beta', 'acme']);
  });

  test('a directory without enterprises is told what to do', () => {
    expect(readAll(directory({ 'daemon.yaml': '{}' })).problems.map(({ message }) => message)).toEqual([
      'has no enterprise (*.yaml); copy enterprises/example.yaml there and fill it in',
    ]);
  });

  test.each([
    ['both databases', 'database: {url: {env: A}, embedded: {}}', 'database: has both url and embedded'],
    [
      'a password in the URL',
      'database: {url: "postgres://u:hunter2@db/x"}',
      'database.url: must be a URL without a password',
    ],
    [
      'a password among parameters',
      'database: {url: "postgres://db/x?password=hunter2"}',
      'database.url: must be a URL without a password',
    ],
    ['another database', 'database: {url: "mysql://u@db/x"}', 'database.url: must be a URL without a password'],
    [
      'a door that is not built',
      'analytics: {}',
      'analytics: there is no such key; known here: database, log, enterprises, http, agi, instance',
    ],
  ])('daemon.yaml with %s', (_says, text, expected) => {
    const file = join(directory({ 'daemon.yaml': text }), 'daemon.yaml');
    const told = readOne(file, 'daemon').problems.map(formatProblem).join('\n');
    expect(told).toContain(expected);
    expect(told).not.toContain('hunter2');
  });
});
