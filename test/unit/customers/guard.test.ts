/** Which lists are believed. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { judgeList } from '../../../src/customers/guard.ts';

describe('a list', () => {
  test.each([
    { words: 'as long as before', before: 100, now: 100, doubt: undefined },
    { words: 'longer', before: 100, now: 180, doubt: undefined },
    { words: 'the first one', before: 0, now: 3, doubt: undefined },
    { words: 'shrunk by 19 %', before: 100, now: 81, doubt: undefined },
    { words: 'shrunk by exactly 20 %', before: 100, now: 80, doubt: undefined },
    { words: 'shrunk by 21 %', before: 100, now: 79, doubt: 'shrank from 100 to 79' },
    { words: 'one of five gone: 20 %', before: 5, now: 4, doubt: undefined },
    { words: 'one of four gone: 25 %', before: 4, now: 3, doubt: 'shrank from 4 to 3' },
    { words: 'one of four gone, where one may', before: 4, now: 3, ordinary: 1, doubt: undefined },
    { words: 'two of four gone, where one may', before: 4, now: 2, ordinary: 1, doubt: 'shrank from 4 to 2' },
    { words: 'empty', before: 100, now: 0, doubt: 'is empty; there were 100' },
    { words: 'empty, where one may go', before: 1, now: 0, ordinary: 1, doubt: 'is empty; there were 1' },
    { words: 'empty, and nothing was known', before: 0, now: 0, doubt: undefined },
    { words: 'complete by its own count', before: 100, now: 100, total: 100, doubt: undefined },
    { words: 'partial', before: 100, now: 100, total: 120, doubt: 'is partial: 100 came of 120' },
    { words: 'partial and the first one', before: 0, now: 20, total: 41, doubt: 'is partial: 20 came of 41' },
  ])('$words', ({ before, now, total, ordinary, doubt }) => {
    expect(judgeList(before, now, total, ordinary)).toBe(doubt);
  });

  test('is doubted when, and only when, more than a fifth is gone', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 1, max: 100_000 }), (before, now) => {
        expect(judgeList(before, now, undefined) === undefined).toBe((before - now) * 5 <= before);
      }),
    );
  });
});
