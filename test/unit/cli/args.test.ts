import { describe, expect, test } from '@jest/globals';
import { type Command, UnavailableError, UsageError, defineCommand, runCommandLine } from '../../../src/cli/args.ts';
import { printJson } from '../../../src/cli/output.ts';
import { ConfigError } from '../../../src/config/problems.ts';
import { SecretError } from '../../../src/config/secrets.ts';
import { capture } from './support.ts';

/** Prints what it was given. */
const echo = defineCommand({
  name: 'calls list',
  group: 'Look',
  summary: 'list calls',
  usage: '[ID…]',
  args: [0, 2],
  description: [
    'First paragraph, which teaches what a call is, at some length so that it must be wrapped at the edge of the terminal.',
    'Second.',
  ],
  options: {
    json: { type: 'boolean', help: 'one JSON object per call' },
    limit: { type: 'string', short: 'n', value: 'COUNT', default: '20', help: 'at most so many' },
    since: { type: 'string', value: 'TIME', help: 'only later ones' },
    host: { type: 'string', multiple: true, value: 'ID', help: 'only of this host' },
    result: { type: 'string', choices: ['answered', 'busy'], help: 'only these' },
  },
  exitCodes: { 69: 'the database cannot be reached' },
  examples: [{ line: 'calls list -n 5', says: 'the last five' }],
  run: ({ out, options, args }) => {
    printJson(out, { ...options, args });
    return undefined;
  },
});

/** Ends as told. */
function ending(name: string, run: () => number | Promise<number>): Command {
  return defineCommand({ name, group: 'Run', summary: `ends with ${name}`, run });
}

function failing(name: string, error: unknown): Command {
  return ending(name, () => {
    throw error;
  });
}

const problem = { severity: 'error', file: 'a.yaml', line: 1, col: 2, path: 'id', message: 'is missing' } as const;
const commands = [
  echo,
  ending('calls show', () => 0),
  ending('three', () => 3),
  ending('later', () => Promise.resolve(75)),
  failing('usage', new UsageError('usage: FILE is missing')),
  failing('down', new UnavailableError('the database did not answer')),
  failing('config', new ConfigError([problem, { ...problem, line: 3, severity: 'warning' }])),
  failing('secret', new SecretError('retailcrm.key: environment variable X is not set')),
  failing('bug', new TypeError('undefined is not a function')),
  failing('odd', 'a text'),
];

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const { io, out, err } = capture();
  const code = await runCommandLine(commands, argv, io);
  return { code, out: out(), err: err() };
}

describe('options', () => {
  const none = { json: false, limit: '20', host: [], args: [] };
  test.each([
    { says: 'nothing given: defaults', argv: [], gets: none },
    { says: 'long with a space', argv: ['--limit', '5'], gets: { ...none, limit: '5' } },
    { says: 'long with =', argv: ['--limit=5'], gets: { ...none, limit: '5' } },
    { says: 'short', argv: ['-n', '5', '--json'], gets: { ...none, limit: '5', json: true } },
    { says: 'several times', argv: ['--host', 'a', '--host', 'b'], gets: { ...none, host: ['a', 'b'] } },
    { says: 'between arguments', argv: ['x', '--json', 'y'], gets: { ...none, json: true, args: ['x', 'y'] } },
    {
      says: 'after -- nothing is an option',
      argv: ['--', '--json', '--help'],
      gets: { ...none, args: ['--json', '--help'] },
    },
    { says: 'one of the choices', argv: ['--result', 'busy'], gets: { ...none, result: 'busy' } },
    { says: 'a value that is missing', argv: ['--since', '--json'], gets: undefined },
  ])('$says', async ({ argv, gets }) => {
    const { code, out } = await run('calls', 'list', ...argv);
    expect(out === '' ? undefined : JSON.parse(out)).toEqual(gets);
    expect(code).toBe(gets ? 0 : 64);
  });
});

describe('what makes no sense is told with what would', () => {
  test.each([
    [['cals', 'list'], 'there is no command "cals"; did you mean "calls"? (--help lists all)'],
    [['tree'], 'there is no command "tree"; did you mean "three"? (--help lists all)'],
    [['xyzzy'], 'there is no command "xyzzy" (--help lists all)'],
    [['calls'], '"calls" is not a command; there are calls list, calls show'],
    [['calls', 'lst'], '"calls lst" is not a command; there are calls list, calls show'],
    [['calls', 'list', '--jsn'], 'calls list: there is no option "--jsn"; did you mean "--json"?'],
    [['calls', 'list', '--zzzz'], 'calls list: there is no option "--zzzz"'],
    [['calls', 'list', '-z'], 'calls list: there is no option "-z"'],
    [['calls', 'list', '--limit'], 'calls list: --limit needs a value'],
    [['calls', 'list', '--json=5'], 'calls list: --json takes no value'],
    [
      ['calls', 'list', '--result', 'bussy'],
      'calls list: --result must be one of answered, busy; did you mean "busy"?',
    ],
    [['calls', 'list', 'a', 'b', 'c'], 'calls list: "c" is one argument too many'],
    [['three', 'a'], 'three: "a" is one argument too many'],
    [['help', 'tree'], 'there is no command "tree"; did you mean "three"? (--help lists all)'],
  ])('%j', async (argv, message) => {
    expect(await run(...argv)).toEqual({ code: 64, out: '', err: `error: ${message}\ntry --help\n` });
  });

  test('a family of commands has a help of its own', async () => {
    for (const argv of [
      ['calls', '--help'],
      ['help', 'calls'],
    ]) {
      const { code, out } = await run(...argv);
      expect(code).toBe(0);
      expect(out).toMatch(/calls list[^]*calls show/);
      expect(out).not.toMatch(/^ {2}three/m);
    }
  });

  test('a missing argument is named', async () => {
    const { io, err } = capture();
    const replay = defineCommand({
      name: 'replay',
      group: 'Look',
      summary: 's',
      usage: 'FILE.ami…',
      args: [1, 9],
      run: () => 0,
    });
    expect(await runCommandLine([replay], ['replay'], io)).toBe(64);
    expect(err()).toContain('replay: FILE.ami… is missing');
  });
});

describe('exit codes', () => {
  test.each([
    ['calls list', 0, ''],
    ['three', 3, ''],
    ['later', 75, ''],
    ['usage', 64, 'error: usage: FILE is missing\ntry --help\n'],
    ['down', 69, 'error: the database did not answer\n'],
    ['config', 78, 'a.yaml:1:2: id: is missing\na.yaml:3:2: id: warning: is missing\n'],
    ['secret', 78, 'retailcrm.key: environment variable X is not set\n'],
    ['odd', 70, 'error: a text\n'],
  ])('%s ends with %d', async (name, code, err) => {
    expect(await run(...name.split(' '))).toMatchObject({ code, err });
  });

  test('a fault of ours says where', async () => {
    const { code, err } = await run('bug');
    expect(code).toBe(70);
    expect(err).toMatch(/^error: undefined is not a function\n\s+at .*args\.test\.ts/);
  });
});

describe('help', () => {
  test.each([[['--help']], [['-h']], [['help']]])('%j lists all commands by group', async (argv) => {
    const { code, out, err } = await run(...argv);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(
      /\nLook\n {2}calls list {2}list calls\n\nRun\n {2}calls show {2}ends with calls show\n {2}three {7}ends/,
    );
    expect(out).toContain('asterisk-retailcrm calls list -n 5\n      the last five\n');
    expect(out).toContain('  78  the configuration was wrong\n');
  });

  test('no command at all gets the same, and 64', async () => {
    expect((await run()).code).toBe(64);
    expect((await run()).out).toEqual((await run('--help')).out);
  });

  test.each([
    [['calls', 'list', '--help']],
    [['calls', 'list', '-n', '5', '-h']],
    [['help', 'calls', 'list']],
    [['calls', 'list', '--zzz', '--help']],
  ])('%j teaches the command and does not run it', async (argv) => {
    const { code, out } = await run(...argv);
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      'asterisk-retailcrm calls list: list calls',
      '',
      'Usage',
      '  asterisk-retailcrm calls list [OPTION…] [ID…]',
      '',
      '  First paragraph, which teaches what a call is, at some length so that it must be wrapped at the',
      '  edge of the terminal.',
      '',
      '  Second.',
      '',
      'Options',
      '  --json             one JSON object per call',
      '  -n, --limit COUNT  at most so many; default 20',
      '  --since TIME       only later ones',
      '  --host ID          only of this host; may be repeated',
      '  --result VALUE     only these; one of answered, busy',
      '  -h, --help         this text',
      '',
      'Examples',
      '  asterisk-retailcrm calls list -n 5',
      '      the last five',
      '',
      'Exit codes',
      '  0   done',
      '  64  the command line was wrong',
      '  69  the database cannot be reached',
      '',
    ]);
  });

  test('fits a narrow terminal', async () => {
    const { io, out } = capture({ width: 60 });
    await runCommandLine(commands, ['calls', 'list', '--help'], io);
    expect(
      Math.max(
        ...out()
          .split('\n')
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(60);
  });

  test('has colours where they are allowed', async () => {
    const { io, out } = capture({ colours: true });
    await runCommandLine(commands, ['--help'], io);
    expect(out()).toContain('\u001b[1mUsage\u001b[0m');
  });
});
