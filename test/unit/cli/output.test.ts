import { expect, test } from '@jest/globals';
import { displayWidth, printJson, printTable } from '../../../src/cli/output.ts';
import { capture } from './support.ts';

interface Row {
  name: string;
  count: number | undefined;
}
const rows: Row[] = [
  { name: 'acme', count: 7 },
  { name: 'Кириллица', count: 1234 },
  { name: '漢字', count: undefined },
  { name: 'bad\n\u001b[31m\u202ename', count: 0 },
];

test('a table is aligned by what the eye sees, and cannot be broken by its cells', () => {
  const { io, out } = capture();
  printTable(
    io.out,
    [
      { title: 'name', value: (row) => row.name },
      { title: 'count', value: (row) => row.count, align: 'right' },
      { title: 'end', value: () => 'x' },
    ],
    rows,
  );
  expect(out().split('\n')).toEqual([
    'name            count  end',
    'acme                7  x',
    'Кириллица        1234  x',
    '漢字                –  x',
    'bad??[31m?name      0  x',
    '',
  ]);
});

test('a table has colours where they are allowed', () => {
  const { io, out } = capture({ colours: true });
  printTable(io.out, [{ title: 'n', value: (row) => row.name, style: () => 'good' }], rows.slice(0, 1));
  expect(out()).toBe('\u001b[1mn\u001b[0m\n\u001b[32macme\u001b[0m\n');
});

test('a table without rows is its titles', () => {
  const { io, out } = capture();
  printTable<Row>(io.out, [{ title: 'name', value: (row) => row.name }], []);
  expect(out()).toBe('name\n');
});

test('JSON is one value per line', () => {
  const { io, out } = capture();
  printJson(io.out, { a: 'x\ny' });
  printJson(io.out, [1]);
  expect(out()).toBe('{"a":"x\\ny"}\n[1]\n');
});

test.each([
  ['abc', 3],
  ['漢字', 4],
  ['e\u0301', 1],
  ['', 0],
])('%s takes %d columns', (text, width) => {
  expect(displayWidth(text)).toBe(width);
});
