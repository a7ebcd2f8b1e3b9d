import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { SecretError, resolveSecret } from '../../../src/config/secrets.ts';
import { directory } from './support.ts';

const VALUE = 'hunter2-and-more';
const dir = directory({
  plain: VALUE,
  line: `${VALUE}\n`,
  empty: '\n',
  two: `${VALUE}\n${VALUE}\n`,
  big: 'x'.repeat(70_000),
});
const env = { CRM_KEY: VALUE, EMPTY: '', CREDENTIALS_DIRECTORY: dir };
const ref = (from: 'env' | 'file' | 'credential', name: string) => ({ key: 'retailcrm.key', from, name });

test.each([
  ['an environment variable', ref('env', 'CRM_KEY')],
  ['a file', ref('file', join(dir, 'plain'))],
  ['a file with a line break at its end', ref('file', join(dir, 'line'))],
  ['a systemd credential', ref('credential', 'line')],
])('a secret is read from %s', (_says, secret) => {
  expect(resolveSecret(secret, env)).toBe(VALUE);
});

describe('a secret that cannot be had is told by name, never by value (S18)', () => {
  test.each([
    ['variable not set', ref('env', 'NOT_SET'), 'retailcrm.key: environment variable NOT_SET is not set'],
    ['variable empty', ref('env', 'EMPTY'), 'retailcrm.key: environment variable EMPTY is empty'],
    ['file missing', ref('file', join(dir, 'nope')), `retailcrm.key: file ${dir}/nope cannot be read (ENOENT)`],
    [
      'a path through a file',
      ref('file', join(dir, 'plain/x')),
      `retailcrm.key: file ${dir}/plain/x cannot be read (ENOTDIR)`,
    ],
    ['a directory', ref('file', dir), `retailcrm.key: file ${dir} cannot be read (EISDIR)`],
    ['file empty', ref('file', join(dir, 'empty')), `retailcrm.key: file ${dir}/empty is empty`],
    [
      'two lines',
      ref('file', join(dir, 'two')),
      `retailcrm.key: file ${dir}/two must hold one line, the secret itself`,
    ],
    ['far too large', ref('file', join(dir, 'big')), `retailcrm.key: file ${dir}/big is too large for a secret`],
    ['credential missing', ref('credential', 'nope'), 'retailcrm.key: credential nope cannot be read (ENOENT)'],
  ])('%s', (_says, secret, message) => {
    expect(() => resolveSecret(secret, env)).toThrow(new SecretError(message));
  });

  test('no systemd', () => {
    expect(() => resolveSecret(ref('credential', 'crm'), {})).toThrow(/no CREDENTIALS_DIRECTORY .*LoadCredential=crm:/);
  });
});
