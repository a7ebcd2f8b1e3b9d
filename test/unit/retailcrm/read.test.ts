import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readModule, readReference, readSettings, readUser } from '../../../src/retailcrm/account.ts';
import { readCustomer, readHistory } from '../../../src/retailcrm/customers.ts';
import { readOrder } from '../../../src/retailcrm/orders.ts';
import { Fields, Malformed } from '../../../src/retailcrm/read.ts';
import { readCallEventReply, readManagerReply, readUploadReply } from '../../../src/retailcrm/telephony.ts';

const of = (value: unknown): Fields => Fields.of(value, 'answer');

describe('an answer is read leniently', () => {
  test.each([
    { name: 'ids may be texts', read: () => of({ id: '7' }).number('id'), value: 7 },
    { name: 'texts may be numbers', read: () => of({ code: 101 }).text('code'), value: '101' },
    { name: 'null is absent', read: () => of({ code: null }).text('code'), value: undefined },
    { name: "PHP's [] is an empty map", read: () => of({ customFields: [] }).any('customFields'), value: {} },
    {
      name: 'a map of objects is a list of them',
      read: () => of({ p: { 5: { id: 5 } } }).list('p', (p) => p.number('id')),
      value: [5],
    },
    { name: 'an absent list is empty', read: () => of({}).texts('duplicateCalls'), value: [] },
    { name: 'an empty number is absent', read: () => of({ managerId: '' }).number('managerId'), value: undefined },
    { name: '1 is yes', read: () => of({ vip: '1' }).flag('vip'), value: true },
    {
      name: 'a field named like a method of objects is plain data',
      read: () => of({}).raw('constructor'),
      value: undefined,
    },
  ])('$name', ({ read, value }) => {
    expect(read()).toEqual(value);
  });

  test.each([
    { name: 'a list where a text belongs', read: () => of({ code: [] }).text('code') },
    { name: 'a word where a number belongs', read: () => of({ id: 'seven' }).number('id') },
    { name: 'a text where a list belongs', read: () => of({ duplicateCalls: 'x' }).texts('duplicateCalls') },
    { name: 'a list where an object belongs', read: () => of({ manager: [1] }).child('manager', (fields) => fields) },
    { name: 'a missing id', read: () => readCustomer(of({})) },
  ])('but $name is malformed', ({ read }) => {
    expect(read).toThrow(Malformed);
  });

  test('the message names the field and never its value', () => {
    expect(() => of({ id: '+79990000001x' }).number('id')).toThrow(/^answer\.id is not a number$/);
  });
});

test('C18: any body is read or malformed, never anything else', () => {
  const readers = [
    readCallEventReply,
    readUploadReply,
    readManagerReply,
    readCustomer,
    readOrder,
    readUser,
    readSettings,
    readModule,
    readHistory('customer'),
    readReference('sites'),
  ];
  const names = [
    'id',
    'manager',
    'customer',
    'links',
    'history',
    'sites',
    'settings',
    'timezone',
    'value',
    'phones',
    'number',
    'duplicateCalls',
    'notExistCodes',
    'payments',
    'integrations',
    'telephony',
    'additionalCodes',
    'code',
    'customFields',
    'tags',
  ];
  const tree = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, true, 0, 7, '', '7', 'x'),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names, '__proto__'), tie('value'), { maxKeys: 6 }),
    ),
  })).value;
  const outcomes = new Set<string>();
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom(...names), tree, { maxKeys: 8 }),
      fc.constantFrom(...readers),
      (body, read) => {
        try {
          read(of(body));
          outcomes.add('read');
        } catch (error) {
          if (!(error instanceof Malformed)) throw error;
          outcomes.add('malformed');
        }
      },
    ),
    { numRuns: 3_000 },
  );
  expect(outcomes).toEqual(new Set(['read', 'malformed']));
});
