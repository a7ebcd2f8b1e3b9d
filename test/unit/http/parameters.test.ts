import { describe, expect, test } from '@jest/globals';
import {
  activity,
  address,
  cleanPhone,
  code,
  id,
  readParameters,
  required,
  token,
  word,
} from '../../../src/http/parameters.ts';
import { hostileStrings } from '../../support/hostileStrings.ts';

describe('a phone number', () => {
  test.each([
    { written: '+375291234567', clean: '+375291234567', says: 'in full' },
    { written: '+375 (29) 123-45-67', clean: '+375291234567', says: 'as people write it' },
    { written: '8 029 123 45 67', clean: '80291234567', says: 'the national way' },
    { written: '8.029.123.45.67', clean: '80291234567', says: 'with dots' },
    { written: ' 375291234567', clean: '+375291234567', says: 'with a plus nobody decoded' },
    { written: '(029)\u00a0123\u201145\u201367 ', clean: '0291234567', says: 'with typographic spaces and dashes' },
    { written: '101', clean: '101', says: 'an extension' },
    { written: '*98#', clean: '*98#', says: 'a service code' },
    { written: `+${'1'.repeat(19)}`, clean: `+${'1'.repeat(19)}`, says: '20 signs' },
  ])('$written ($says) is $clean', ({ written, clean }) => {
    expect(cleanPhone(written)).toBe(clean);
  });

  test.each([
    { written: `+${'1'.repeat(20)}`, says: '21 signs' },
    { written: '1', says: 'one digit' },
    { written: '+', says: 'a plus' },
    { written: '-- ( )', says: 'separators only' },
    { written: '375+29', says: 'a plus inside' },
    { written: '++37529', says: 'two pluses' },
    { written: '+375*', says: 'a star in a number' },
    { written: '375 29 доб. 12', says: 'words' },
    { written: '375/29', says: 'a slash' },
    { written: '375,29', says: 'a comma' },
    { written: '375;29', says: 'a semicolon' },
    { written: '375\t29', says: 'a tab' },
    { written: '٣٧٥٢٩', says: 'digits of another script' },
    { written: ' '.repeat(100) + '375', says: 'a hundred spaces' },
  ])('$written is none: $says', ({ written }) => {
    expect(cleanPhone(written)).toBeUndefined();
  });
});

const each = {
  code: code(''),
  userId: id(''),
  token: token('', ''),
  kind: word('', ['blind', 'attended']),
  systemUrl: address(''),
  activity: activity(''),
};

test.each([
  { name: 'code', text: '101', value: '101' },
  { name: 'code', text: '*98', value: '*98' },
  { name: 'code', text: 'ivan.petrov', value: 'ivan.petrov' },
  { name: 'code', text: '.x', value: undefined },
  { name: 'code', text: 'a'.repeat(33), value: undefined },
  { name: 'userId', text: '7', value: 7 },
  { name: 'userId', text: '0', value: undefined },
  { name: 'userId', text: '07', value: undefined },
  { name: 'userId', text: '1e3', value: undefined },
  { name: 'userId', text: '9'.repeat(13), value: undefined },
  { name: 'token', text: 'pbx1-1795339498.0', value: 'pbx1-1795339498.0' },
  { name: 'token', text: 'a'.repeat(101), value: undefined },
  { name: 'kind', text: 'blind', value: 'blind' },
  { name: 'kind', text: 'Blind', value: undefined },
  { name: 'kind', text: 'toString', value: undefined },
  { name: 'systemUrl', text: 'https://acme.retailcrm.ru', value: 'https://acme.retailcrm.ru' },
  { name: 'systemUrl', text: 'http://127.0.0.1:8080/x', value: 'http://127.0.0.1:8080/x' },
  { name: 'systemUrl', text: 'https://u:p@acme.ru', value: undefined },
  { name: 'systemUrl', text: 'javascript:alert(1)', value: undefined },
  { name: 'systemUrl', text: 'https://a\r\nb', value: undefined },
  { name: 'activity', text: '{"active":true,"freeze":false}', value: { active: true, freeze: false } },
  { name: 'activity', text: '{"active":false}', value: { active: false, freeze: false } },
  { name: 'activity', text: '{"active":"yes"}', value: undefined },
  { name: 'activity', text: '{"__proto__":{"active":true}}', value: undefined },
  { name: 'activity', text: 'null', value: undefined },
] as const)('$name $text is read as $value', ({ name, text, value }) => {
  expect(each[name].read(text)).toEqual(value);
});

describe('a table of parameters', () => {
  const table = { code: code('her extension'), phone: required({ ...each.code, read: cleanPhone }) };

  test.each([
    { given: {}, bad: 'phone is missing' },
    { given: { phone: '' }, bad: 'phone is missing' },
    { given: { phone: '1;2' }, bad: 'phone is not acceptable: ' },
    { given: { phone: '101', code: 'a b' }, bad: 'code is not acceptable: her extension' },
  ])('$given: $bad', ({ given, bad }) => {
    expect(readParameters(table, new Map(Object.entries(given))).bad?.message).toBe(bad);
  });

  test('gives clean values and nothing that was not asked for', () => {
    const given = new Map(Object.entries({ phone: '+375 29 1234567', code: '', evil: '1' }));
    expect(readParameters(table, given).values).toEqual({ phone: '+375291234567', code: undefined });
  });
});

test('none of 10,000 hostile texts is any of our values', () => {
  const readers = Object.entries({ ...each, phone: { read: cleanPhone } });
  const strings = hostileStrings();
  expect(new Set(strings).size).toBe(10_000);
  const through = strings.flatMap((text) =>
    readers.filter(([, { read }]) => read(text) !== undefined).map(([name]) => ({ name, text })),
  );
  expect(through).toEqual([]);
});
