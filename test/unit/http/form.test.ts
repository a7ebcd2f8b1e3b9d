import { describe, expect, test } from '@jest/globals';
import { UnreadableError, readJson, readPairs, utf8 } from '../../../src/http/form.ts';

const read = (text: string): Record<string, string> => Object.fromEntries(readPairs(text, new Map()));
const json = (text: string): Record<string, string> => Object.fromEntries(readJson(text, new Map()));

describe('a query or form', () => {
  test.each([
    { text: '', gives: {}, says: 'nothing' },
    { text: 'a=1&b=2', gives: { a: '1', b: '2' }, says: 'two parameters' },
    { text: 'a=1&a=2', gives: { a: '1' }, says: 'the first value wins' },
    { text: 'a&b=', gives: { a: '', b: '' }, says: 'names without values' },
    { text: '&&a=1&', gives: { a: '1' }, says: 'empty pairs' },
    { text: 'phone=+375', gives: { phone: ' 375' }, says: 'an undecoded plus is a space' },
    { text: 'phone=%2B375', gives: { phone: '+375' }, says: 'a decoded one is a plus' },
    { text: 'a=b=c', gives: { a: 'b=c' }, says: 'only the first = parts' },
    { text: 'a%5B%5D=1', gives: { 'a[]': '1' }, says: 'brackets mean nothing' },
    { text: 'a=1;b=2', gives: { a: '1;b=2' }, says: 'a semicolon parts nothing' },
    { text: 'n=%D0%90', gives: { n: 'А' }, says: 'UTF-8' },
  ])('$text: $says', ({ text, gives }) => {
    expect(read(text)).toEqual(gives);
  });

  test.each([
    { text: 'a=%', says: 'half an escape' },
    { text: 'a=%zz', says: 'an escape that is none' },
    { text: 'a=%C0%AF', says: 'an overlong slash' },
    { text: 'a=%ED%A0%80', says: 'half a surrogate pair' },
    { text: '%FF=1', says: 'a name that is no UTF-8' },
    { text: Array.from({ length: 101 }, (_, at) => `p${at}=1`).join('&'), says: '101 parameters' },
    { text: '&'.repeat(200_000), says: '200,000 empty pairs' },
  ])('is refused for $says', ({ text }) => {
    expect(() => read(text)).toThrow(UnreadableError);
  });

  test('knows __proto__ as a name like any other', () => {
    const given = readPairs('__proto__=1&constructor=2&__proto__[x]=3', new Map());
    expect([...given]).toEqual([
      ['__proto__', '1'],
      ['constructor', '2'],
      ['__proto__[x]', '3'],
    ]);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});

describe('a JSON body', () => {
  test.each([
    { text: '{}', gives: {} },
    { text: '{"code":"101","userId":7,"flag":true,"none":null}', gives: { code: '101', userId: '7', flag: 'true' } },
    { text: '{"a":"1","a":"2"}', gives: { a: '2' } },
  ])('$text', ({ text, gives }) => {
    expect(json(text)).toEqual(gives);
  });

  test.each([
    { text: '', says: 'nothing' },
    { text: '[1]', says: 'a list' },
    { text: 'null', says: 'null' },
    { text: '"a"', says: 'a text' },
    { text: '{"a":{"b":1}}', says: 'an object as a value' },
    { text: '{"__proto__":{"x":1}}', says: 'a prototype' },
    { text: `${'['.repeat(100_000)}${']'.repeat(100_000)}`, says: 'depth 100,000' },
    { text: `{"a":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}}`, says: 'depth 20,000 inside' },
    { text: '{"a":', says: 'half of it' },
  ])('is refused for $says', ({ text }) => {
    expect(() => json(text)).toThrow(UnreadableError);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});

test('bytes that are no UTF-8 are no body', () => {
  expect(() => utf8(Buffer.from([0x61, 0xff]))).toThrow(UnreadableError);
});
