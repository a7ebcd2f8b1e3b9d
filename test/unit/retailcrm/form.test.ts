import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FrozenJson, encodeForm, encodeQuery } from '../../../src/retailcrm/form.ts';

describe('a query', () => {
  test.each([
    { name: 'escapes plus', query: { phone: '+7999' }, text: 'phone=%2B7999' },
    { name: 'brackets maps', query: { filter: { name: 'я' } }, text: 'filter%5Bname%5D=%D1%8F' },
    {
      name: 'repeats lists',
      query: { filter: { ids: [1, 2] } },
      text: 'filter%5Bids%5D%5B%5D=1&filter%5Bids%5D%5B%5D=2',
    },
    { name: 'writes yes and no as 1 and 0', query: { details: true, active: false }, text: 'details=1&active=0' },
    { name: 'leaves out what is undefined', query: { site: undefined, limit: 20 }, text: 'limit=20' },
    {
      name: 'nests custom fields',
      query: { filter: { customFields: { a: 'b' } } },
      text: 'filter%5BcustomFields%5D%5Ba%5D=b',
    },
  ])('$name', ({ query, text }) => {
    expect(encodeQuery(query)).toBe(text);
  });
});

describe('a form', () => {
  test('carries nested values as JSON text and scalars as they are', () => {
    const form = encodeForm({
      site: 'shop-a',
      by: 'id',
      customer: { firstName: 'Щ', phones: [{ number: '+7' }] },
      limit: 5,
      on: true,
    });
    expect([...form]).toEqual([
      ['site', 'shop-a'],
      ['by', 'id'],
      ['customer', '{"firstName":"Щ","phones":[{"number":"+7"}]}'],
      ['limit', '5'],
      ['on', '1'],
    ]);
  });

  test('sends frozen JSON byte for byte', () => {
    expect(encodeForm({ calls: new FrozenJson('[{"a" : 1.0}]') }).get('calls')).toBe('[{"a" : 1.0}]');
  });

  test('leaves out what is undefined or null', () => {
    expect(encodeForm({ site: undefined, note: null }).toString()).toBe('');
  });

  test('survives the wire for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const sent = encodeForm({ event: { text } }).toString();
        const got = new URLSearchParams(sent).get('event') ?? '';
        expect(JSON.parse(got)).toEqual({ text });
      }),
    );
  });
});
