import { describe, expect, test } from '@jest/globals';
import { maskFree, maskJson } from '../../../src/probe/mask.ts';

const mark = 'asterisk-retailcrm probe test01';
const mask = (value: unknown, name = ''): unknown => maskJson(value, mark, name);

describe('a value of a reply', () => {
  test.each<{ name: string; value: unknown; shown: unknown }>([
    {
      name: 'a number of a card',
      value: { phones: [{ number: '8 (029) 000-01-70' }] },
      shown: { phones: [{ number: '***70' }] },
    },
    { name: 'a number as a number', value: { phone: 375290000101 }, shown: { phone: '***01' } },
    {
      name: 'a secret',
      value: { clientId: 'abc', token: 'x', webhookSecret: 'y' },
      shown: { clientId: '***', token: '***', webhookSecret: '***' },
    },
    { name: 'a name', value: { firstName: 'Ира', lastName: 'Orlova' }, shown: { firstName: 'И***', lastName: 'O***' } },
    { name: 'a mailbox', value: { email: 'ira.o+x@shop.example' }, shown: { email: 'i***@shop.example' } },
    { name: 'an address', value: { address: { text: 'Minsk, Lenina 1' } }, shown: { address: { text: '***' } } },
    {
      name: 'a text that is no address',
      value: { note: { text: 'call +375290000101' } },
      shown: { note: { text: 'call ***01' } },
    },
    {
      name: 'an address of ours with a token in its path',
      value: { makeCallUrl: 'https://tel.example/crm/t0ken/makecall' },
      shown: { makeCallUrl: 'https://tel.example/***' },
    },
    { name: 'a path of ours', value: { activity: '/crm/t0ken/activity' }, shown: { activity: '/***' } },
    {
      name: "a link of the CRM's with a number",
      value: { newOrderLink: 'https://crm.example/orders/add?phone=%2B375290000101' },
      shown: { newOrderLink: 'https://crm.example/***?***' },
    },
    {
      name: 'dates',
      value: { createdAt: '2026-11-22 12:00:05', day: '2026-11-22' },
      shown: { createdAt: '2026-11-22 12:00:05', day: '2026-11-22' },
    },
    {
      name: 'ids, also as texts',
      value: { id: 123456789, managerId: '12345678' },
      shown: { id: 123456789, managerId: '12345678' },
    },
    {
      name: 'an externalId made of a number',
      value: { externalId: 'tel-375290000101' },
      shown: { externalId: 'tel-***01' },
    },
    {
      name: 'a number in a change',
      value: { field: 'phones', newValue: '+375290000101' },
      shown: { field: 'phones', newValue: '***01' },
    },
    { name: 'our own mark', value: { firstName: mark }, shown: { firstName: mark } },
    {
      name: 'what is plain',
      value: { success: true, none: null, sum: 12.5, empty: '' },
      shown: { success: true, none: null, sum: 12.5, empty: '' },
    },
  ])('$name', ({ value, shown }) => {
    expect(mask(value)).toEqual(shown);
  });

  test('a list of things is cut after two, of words after sixty', () => {
    expect(mask([{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }])).toEqual([{ id: 1 }, { id: 2 }, '… 2 more']);
    const words = Array.from({ length: 70 }, (_, n) => `w${n}`);
    expect(mask(words)).toHaveLength(61);
  });

  test('a long text and a wide map are cut', () => {
    expect(mask('x'.repeat(500))).toMatch(/^x{160}… \(500 characters\)$/);
    const wide = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`k${n}`, n]));
    expect(mask(wide)).toMatchObject({ k0: 0, '…': '10 more' });
  });
});

test('free text keeps its dates and loses its numbers', () => {
  expect(maskFree('at 2026-11-22 12:00:05 call 8 029 000 01 70 or a.b@c.example')).toBe(
    'at 2026-11-22 12:00:05 call ***70 or a***@c.example',
  );
});
