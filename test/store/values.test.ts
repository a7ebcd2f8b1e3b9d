import { describe, expect, test } from '@jest/globals';
import { chunks, isRowId, json, jsonOrNull } from '../../src/store/values.ts';

describe('values on their way into PostgreSQL', () => {
  test.each([
    ['an object', { a: [1, 'x'] }, '{"a":[1,"x"]}'],
    ['undefined', undefined, 'null'],
    ['a NUL', 'a\0', String.raw`"a\ufffd"`],
    ['half of a pair', '\udc00', String.raw`"\ufffd"`],
    ['a whole pair', '😀', '"😀"'],
    ['text that only looks like an escape', String.raw`\u0000`, String.raw`"\\u0000"`],
    ['a backslash before a NUL', '\\\0', String.raw`"\\\ufffd"`],
    ['other escapes', '\n\u0001"', String.raw`"\n\u0001\""`],
  ])('json writes %s', (_name, value, expected) => {
    expect(json(value)).toBe(expected);
  });

  test('jsonOrNull keeps nothing as SQL null, and false as a value', () => {
    expect([null, undefined, false].map(jsonOrNull)).toEqual([null, null, 'false']);
  });

  test.each([
    ['1', true],
    ['9223372036854775807', false],
    ['0', false],
    ['1e3', false],
    ['', false],
    [' 1', false],
  ])('%j as a row id: %s', (text, expected) => {
    expect(isRowId(text)).toBe(expected);
  });

  test('chunks cuts a list without losing its rest', () => {
    expect(chunks([1, 2, 3], 2)).toEqual([[1, 2], [3]]);
  });
});
