import { describe, expect, test } from '@jest/globals';
import {
  channelStem,
  globMatches,
  globsOverlap,
  isBlacklisted,
  isExtension,
  trunkOf,
} from '../../../src/config/match.ts';
import { example } from './support.ts';

const acme = example();
const [pbx1] = acme.hosts;

describe('which outside line a channel belongs to', () => {
  test.each([
    { channel: 'PJSIP/provider-by-0000002a', line: 'provider-by' },
    { channel: 'SIP/provider-by-0000002a', line: 'provider-by' },
    { channel: 'PJSIP/provider-ru-000000ff', line: 'provider-ru' },
    { channel: 'PJSIP/provider-by', line: 'provider-by' },
    { channel: 'PJSIP/provider-by2-0000002a', line: undefined },
    { channel: 'PJSIP/150-0000002a', line: undefined },
    { channel: 'Local/provider-by@from-queue-00000001;2', line: undefined },
    { channel: '', line: undefined },
  ])('$channel → $line', ({ channel, line }) => {
    expect(pbx1 && trunkOf(pbx1, channel)?.name).toBe(line);
  });

  test.each([
    ['PJSIP/provider-by-0000002a', 'PJSIP/provider-by'],
    ['Local/150@from-queue-00000001;2', 'Local/150@from-queue'],
    ['Local/150@from-queue-0001;2', 'Local/150@from-queue-0001;2'],
    ['DAHDI/1-000001', 'DAHDI/1'],
    ['SIP/a-b-c', 'SIP/a-b-c'],
  ])('%s without its number is %s', (channel, stem) => {
    expect(channelStem(channel)).toBe(stem);
  });
});

test.each([
  ['150', true],
  ['199', true],
  ['1500', false],
  ['15', false],
  ['+375171234501', false],
  ['150\n', false],
])('%p is an extension: %p', (number, inside) => {
  expect(pbx1 && isExtension(pbx1, number)).toBe(inside);
});

test.each([
  ['+375290000888', true],
  ['+375290000887', false],
  ['+375291112233', true],
  ['+79161234567', false],
])('%s is blacklisted: %p', (number, listed) => {
  const policies = { ...acme.policies, blacklist: ['375290000888', '+37529111*'] };
  expect(isBlacklisted({ ...acme, policies }, number)).toBe(listed);
});

describe('patterns with *', () => {
  test.each([
    ['a*b', 'ab', true],
    ['a*b', 'axxb', true],
    ['a*b', 'axxbc', false],
    ['*', '', true],
    ['**a', 'xa', true],
    ['*a*a*', 'ba', false],
    ['a', 'A', false],
  ])('%s fits %p: %p', (pattern, text, fits) => {
    expect(globMatches(pattern, text)).toBe(fits);
  });

  test('are not slow on what almost fits', () => {
    const begin = performance.now();
    expect(globMatches('*a'.repeat(20), `${'a'.repeat(5_000)}b`)).toBe(false);
    expect(performance.now() - begin).toBeLessThan(200);
  });

  test.each([
    ['SIP/a', 'SIP/a', true],
    ['SIP/a', 'SIP/b', false],
    ['SIP/a*', 'SIP/ab', true],
    ['SIP/a*', 'SIP/*b', true],
    ['SIP/*a', 'SIP/*b', false],
    ['*/x', 'SIP/*', true],
    ['SIP/a*', 'PJSIP/a*', false],
    ['*SIP/a*', 'PJSIP/a', true],
    ['*', 'SIP/x', true],
  ])('%s and %s can fit one channel: %p', (a, b, both) => {
    expect(globsOverlap(a, b)).toBe(both);
    expect(globsOverlap(b, a)).toBe(both);
  });
});
