import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readOne } from '../../../src/config/load.ts';
import { directory, exampleText } from './support.ts';

/** Somebody's hand slipped: a piece of the file is cut, doubled, or replaced by what YAML finds interesting. */
const slip = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.integer({ min: 0, max: 60 }),
  by: fc.constantFrom(
    '',
    '\n',
    '\t',
    ': ',
    '- ',
    '{',
    ']',
    '"',
    "'",
    '*x',
    '&x ',
    '!!y ',
    '#',
    '|',
    '<<: ',
    '---\n',
    '010',
    'null',
    '\u0000',
    'ё',
  ),
  twice: fc.boolean(),
});

// Promise S8: whatever becomes of a file, it is settings or a list of places; nothing else is thrown, nothing hangs.
test('a mutated file is either settings or at least one error at a line that exists', () => {
  const original = exampleText();
  const file = join(directory({}), 'acme.yaml');
  fc.assert(
    fc.property(fc.array(slip, { minLength: 1, maxLength: 4 }), (slips) => {
      const text = slips.reduce((before, { at, length, by, twice }) => {
        const start = Math.floor(at * before.length);
        const piece = twice ? before.slice(start, start + length) : '';
        return before.slice(0, start) + piece + by + before.slice(twice ? start : start + length);
      }, original);
      writeFileSync(file, text);
      const { settings, problems } = readOne(file, 'enterprise');
      const errors = problems.filter(({ severity }) => severity === 'error');
      expect(errors.length > 0).toBe(settings === undefined);
      const lines = text.split('\n').length;
      for (const { line, col, message } of problems) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(lines);
        expect(col).toBeGreaterThanOrEqual(1);
        expect(message).not.toMatch(/undefined|\[object|NaN/);
      }
    }),
    { numRuns: 200 },
  );
});
