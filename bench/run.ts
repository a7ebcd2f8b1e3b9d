/**
 * Benchmarks: npm run bench -- [--smoke] [--only NAME[,NAME]] [--json]. One table; exit code 1 when a target is missed. A smoke run
 * is short and judges ratios only: absolute figures of a busy machine say nothing.
 */
import { parseArgs } from 'node:util';
import { displayWidth } from '../src/cli/output.ts';
import { type BenchResult, run as ami } from './ami.ts';
import { run as audit } from './audit.ts';
import { run as click } from './click.ts';
import { run as core } from './core.ts';
import { run as flood } from './flood.ts';
import { run as http } from './http.ts';
import { run as load } from './load.ts';
import { run as outbox } from './outbox.ts';
import { run as responsible } from './responsible.ts';

const { values: args } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const benches = { ami, core, outbox, audit, http, flood, responsible, load, click } as const;
/** Units of figures that mean the same on every machine. */
const ratios = new Set(['×', '%', '']);

function chosen(): (keyof typeof benches)[] {
  const names = Object.keys(benches) as (keyof typeof benches)[];
  const wanted = args.only?.split(',');
  const unknown = wanted?.find((name) => !Object.hasOwn(benches, name));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: ${names.join(', ')}`);
  return names.filter((name) => wanted === undefined || wanted.includes(name));
}

function judged(result: BenchResult): boolean {
  return result.ok !== undefined && (!args.smoke || ratios.has(result.unit));
}

function show(results: readonly BenchResult[]): void {
  const rows = results.map((result) => [
    result.name,
    number(result.value),
    result.unit,
    result.target ?? '',
    judged(result) ? (result.ok === true ? 'ok' : 'MISSED') : '',
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => displayWidth(row[column] ?? ''))));
  for (const row of rows) {
    const cells = row.map((cell, column) => {
      const fill = ' '.repeat(Math.max(0, (widths[column] ?? 0) - displayWidth(cell)));
      return column === 1 ? fill + cell : cell + fill;
    });
    process.stdout.write(`${cells.join('  ').trimEnd()}\n`);
  }
}

function number(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

const all: BenchResult[] = [];
for (const name of chosen()) {
  const begun = performance.now();
  const results = await benches[name]({ smoke: args.smoke });
  all.push(...results);
  if (args.json) for (const result of results) process.stdout.write(`${JSON.stringify({ bench: name, ...result })}\n`);
  else {
    process.stdout.write(`\n${name}, ${((performance.now() - begun) / 1000).toFixed(0)} s\n`);
    show(results);
  }
}
process.exitCode = all.some((result) => judged(result) && result.ok === false) ? 1 : 0;
