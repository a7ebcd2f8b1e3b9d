import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { runCommandLine } from '../../../src/cli/args.ts';
import { checkConfigCommand } from '../../../src/cli/check-config.ts';
import { versionCommand } from '../../../src/cli/version.ts';
import { projectRoot } from '../../../src/root.ts';
import { version } from '../../../src/version.ts';
import { directory, exampleText } from '../config/support.ts';
import { capture } from './support.ts';

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const { io, out, err } = capture();
  const code = await runCommandLine([checkConfigCommand, versionCommand], argv, io);
  return { code, out: out(), err: err() };
}

const before = process.cwd();
beforeEach(() => process.chdir(projectRoot()));
afterEach(() => process.chdir(before));

describe('check-config', () => {
  test('a sound configuration: a line per file with counts, 0', async () => {
    expect(await run('check-config', 'config/daemon.example.yaml')).toEqual({
      code: 0,
      err: '',
      out: 'config/daemon.example.yaml: ok: embedded database\nconfig/enterprises/example.yaml: ok: enterprise acme, 1 host, 2 outside lines, 9 numbers, 3 employees\n',
    });
  });

  test('one enterprise alone', async () => {
    const { code, out } = await run('check-config', 'config/enterprises/example.yaml');
    expect({ code, out }).toEqual({
      code: 0,
      out: 'config/enterprises/example.yaml: ok: enterprise acme, 1 host, 2 outside lines, 9 numbers, 3 employees\n',
    });
  });

  test('every error of every file with its place, then how many, 78', async () => {
    const dir = directory({
      'daemon.yaml': 'log: {levle: info}\n',
      'enterprises/a.yaml':
        'id: Acme\nnumber: "1"\ncountry: XX\nretailcrm: {url: https://a.example, key: {env: A}}\nhosts: []\n',
      'enterprises/b.yaml': exampleText(),
    });
    process.chdir(dir);
    const { code, out, err } = await run('check-config', '.');
    expect({ code, err }).toEqual({ code: 78, err: '' });
    expect(out.split('\n')).toEqual([
      'daemon.yaml:1:7: log.levle: there is no such key; did you mean "level"?',
      'enterprises/a.yaml:1:5: id: must be 1 to 31 lower-case letters, digits and dashes, such as "acme" or "pbx-1"',
      'enterprises/a.yaml:3:10: country: must be a country as two capital letters, such as BY or RU',
      'enterprises/a.yaml:5:1: hosts: must name at least one Asterisk',
      'enterprises/b.yaml: ok: enterprise acme, 1 host, 2 outside lines, 9 numbers, 3 employees',
      '4 errors in 2 files',
      '',
    ]);
  });

  test('warnings alone do not fail', async () => {
    const dir = directory({ 'acme.yaml': exampleText(["'1[0-9][0-9]'", "'1[0-9][0-9]', '7[0-9]'"]) });
    process.chdir(dir);
    const { code, out } = await run('check-config', 'acme.yaml');
    expect(code).toBe(0);
    expect(out).toMatch(/^acme\.yaml:\d+:\d+: hosts\[0\]\.extensions\[1\]: warning: .*\nacme\.yaml: ok: /);
  });

  test('--json is one object', async () => {
    const dir = directory({ 'acme.yaml': exampleText(['country: BY', 'country: XX']) });
    process.chdir(dir);
    const { code, out } = await run('check-config', '--json', 'acme.yaml');
    expect(code).toBe(78);
    expect(JSON.parse(out)).toEqual({
      ok: false,
      files: [],
      problems: [
        {
          severity: 'error',
          file: 'acme.yaml',
          line: 8,
          col: 10,
          path: 'country',
          message: 'must be a country as two capital letters, such as BY or RU',
        },
      ],
    });
  });

  test('without PATH it looks at the usual places, and says which', async () => {
    process.chdir(directory({ 'config/daemon.yaml': '{}', 'config/enterprises/acme.yaml': exampleText() }));
    expect((await run('check-config')).out).toMatch(
      /^config\/daemon\.yaml: ok: .*\nconfig\/enterprises\/acme\.yaml: ok: /,
    );
    process.chdir(directory({}));
    expect(await run('check-config')).toMatchObject({
      code: 64,
      err: expect.stringContaining('none of config/daemon.yaml, daemon.yaml, /etc/'),
    });
  });

  test('a file that is not there', async () => {
    expect(await run('check-config', 'nope.yaml')).toMatchObject({
      code: 78,
      out: 'nope.yaml:1:1: cannot be read (ENOENT): there is no such file\n1 error in 1 file\n',
    });
  });

  test('--schema prints what is in config/', async () => {
    const { code, out } = await run('check-config', '--schema', 'enterprise');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual(
      JSON.parse(readFileSync(join(projectRoot(), 'config/enterprise.schema.json'), 'utf8')),
    );
  });
});

describe('version', () => {
  test.each([[['version']], [['--version']], [['-V']]])('%j', async (argv) => {
    expect(await run(...argv)).toEqual({ code: 0, err: '', out: `asterisk-retailcrm ${version}\n` });
  });

  test('--json tells what a bug report needs', async () => {
    expect(JSON.parse((await run('version', '--json')).out)).toEqual({
      version,
      node: process.versions.node,
      platform: process.platform,
      arch: process.arch,
    });
  });

  test('is the one in package.json', () => {
    expect(readFileSync(join(projectRoot(), 'package.json'), 'utf8')).toContain(`"version": "${version}"`);
  });
});
