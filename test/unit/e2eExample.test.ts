import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { projectRoot } from '../../src/root.ts';
import { dialplanExample } from '../e2e/lab/conf/example.ts';

const read = (page: string): string => readFileSync(join(projectRoot(), 'docs', page), 'utf8');
const example = (page: string): string | undefined => /```ini\n(\[who-calls\][\s\S]*?)```/.exec(read(page))?.[1];

test('the dial plan that runs in the e2e tests is the one of the page, with the address and patience of the lab', () => {
  const lab = dialplanExample('127.77.1.1');
  expect(lab).toContain('agi://127.77.1.1:4573/responsible,${ARG1},${ARG2}');
  expect(lab.split('\n').length).toBe(example('dialplan.md')?.split('\n').length);
});

test('both languages print the same one', () => {
  expect(example('dialplan.ru.md')).toBe(example('dialplan.md'));
  expect(example('dialplan.md')).toContain('[incoming-known]');
});
