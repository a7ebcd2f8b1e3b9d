import { describe, expect, test } from '@jest/globals';
import { addressList, countedAs, plainAddress } from '../../../src/http/addresses.ts';

describe('a list of addresses', () => {
  const list = addressList(['203.0.113.7', '198.51.100.0/24', '2001:db8:1::/48', '2001:db8:2::1']);

  test.each([
    { address: '203.0.113.7', inside: true },
    { address: '203.0.113.8', inside: false },
    { address: '198.51.100.255', inside: true },
    { address: '198.51.101.0', inside: false },
    { address: '::ffff:203.0.113.7', inside: true },
    { address: '::FFFF:198.51.100.1', inside: true },
    { address: '::ffff:203.0.113.8', inside: false },
    { address: '2001:db8:1:ffff::1', inside: true },
    { address: '2001:db8:2::1', inside: true },
    { address: '2001:db8:2::2', inside: false },
    { address: '2001:db8:1::1%eth0', inside: true },
    { address: 'evil', inside: false },
    { address: '', inside: false },
    { address: '203.0.113.7, 1.2.3.4', inside: false },
  ])('$address: $inside', ({ address, inside }) => {
    expect(list(address)).toBe(inside);
  });

  test('an empty one holds nobody', () => {
    expect(addressList([])('127.0.0.1')).toBe(false);
  });
});

test.each([
  { address: '203.0.113.7', as: '203.0.113.7' },
  { address: '::ffff:203.0.113.7', as: '203.0.113.7' },
  { address: '2001:db8:1:2:3:4:5:6', as: '2001:db8:1:2::/64' },
  { address: '2001:db8:1:2::6', as: '2001:db8:1:2::/64' },
  { address: '2001:0db8:0001::1', as: '2001:db8:1:0::/64' },
  { address: '::1', as: '0:0:0:0::/64' },
  { address: 'unix', as: 'unknown' },
])('$address is counted as $as', ({ address, as }) => {
  expect(countedAs(address)).toBe(as);
});

test('an address without its zone, and nothing else', () => {
  expect(['fe80::1%eth0', '::ffff:1.2.3.4', '1.2.3.4', '1.2.3', 'x\r\ny'].map(plainAddress)).toEqual([
    ...['fe80::1', '1.2.3.4', '1.2.3.4', undefined, undefined],
  ]);
});
