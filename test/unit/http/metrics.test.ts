import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Buckets, Tally } from '../../../src/http/figures.ts';
import { METRICS, type MetricDefinition, exposition, sample } from '../../../src/http/metrics.ts';
import { projectRoot } from '../../../src/root.ts';

const definitions: Readonly<Record<string, MetricDefinition>> = METRICS;

describe.each(['docs/metrics.md', 'docs/metrics.ru.md'])('%s', (file) => {
  const page = readFileSync(join(projectRoot(), file), 'utf8');

  test('lists every metric as it is, and none there is not', () => {
    const rows = page
      .split('\n')
      .filter((line) => /^\| `[a-z0-9_]+` \| (?:gauge|counter|histogram) /.test(line))
      .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
      .map(([, name, type, labels]) => ({ name, type, labels: labels === '' ? [] : labels?.split(', ') }));
    expect(rows).toEqual(
      Object.entries(definitions).map(([name, { type, labels }]) => ({ name, type, labels: [...labels] })),
    );
  });

  test('its alerts use metrics there are', () => {
    const named = [...page.matchAll(/asterisk_retailcrm_[a-z_]+/g)].map(([name]) => name.replace(/_bucket$/, ''));
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((name) => definitions[name] === undefined)).toEqual([]);
  });
});

describe('the text', () => {
  test('names each metric once, with its help, type and values', () => {
    const text = exposition([
      sample('calls_live', 3, { enterprise: 'acme' }),
      sample('calls_live', 0, { enterprise: 'other' }),
      sample('process_resident_memory_bytes', 1e8),
    ]);
    expect(text).toContain(
      '# HELP asterisk_retailcrm_calls_live calls under way\n# TYPE asterisk_retailcrm_calls_live gauge\n' +
        'asterisk_retailcrm_calls_live{enterprise="acme"} 3\nasterisk_retailcrm_calls_live{enterprise="other"} 0\n',
    );
    expect(text).toContain('process_resident_memory_bytes 100000000\n');
    expect(text.match(/^# TYPE /gm)).toHaveLength(Object.keys(definitions).length);
  });

  test('tells a histogram as sums of all smaller buckets', () => {
    const buckets = new Buckets([0.1, 1]);
    for (const value of [0.1, 0.1001, 0.5, 7]) buckets.add(value);
    const lines = exposition([sample('http_request_seconds', buckets, { route: '/x' })])
      .split('\n')
      .filter((line) => line.startsWith('asterisk_retailcrm_http_request_seconds'));
    expect(lines).toEqual([
      'asterisk_retailcrm_http_request_seconds_bucket{route="/x",le="0.1"} 1',
      'asterisk_retailcrm_http_request_seconds_bucket{route="/x",le="1"} 3',
      'asterisk_retailcrm_http_request_seconds_bucket{route="/x",le="+Inf"} 4',
      'asterisk_retailcrm_http_request_seconds_sum{route="/x"} 7.7001',
      'asterisk_retailcrm_http_request_seconds_count{route="/x"} 4',
    ]);
  });

  test('escapes what a label may hold', () => {
    const text = exposition([sample('drops_total', 1, { enterprise: 'a', host: 'b', reason: 'x"\\\n' })]);
    expect(text).toContain('reason="x\\"\\\\\\n"} 1\n');
  });

  test('has no place for a metric or label nobody documented', () => {
    expect(() => exposition([sample('calls', 1)])).toThrow('no metric asterisk_retailcrm_calls');
    expect(() => exposition([sample('calls_live', 1, { phone: '1' })])).toThrow('{phone}');
  });
});

test('two hosts of an enterprise are one histogram', () => {
  const one = new Buckets([1, 2]);
  const two = new Buckets([1, 2]);
  one.add(0.5);
  two.add(1.5);
  two.add(9);
  const { counts, sum } = one.plus(two);
  expect({ counts, sum }).toEqual({ counts: [1, 1, 1], sum: 11 });
});

test('a tally keeps labels apart that look alike', () => {
  const tally = new Tally<{ a: string; b: string }>();
  tally.add({ a: 'x', b: 'yz' });
  tally.add({ a: 'xy', b: 'z' });
  tally.add({ a: 'x', b: 'yz' }, 4);
  expect(tally.rows().map(({ value }) => value)).toEqual([5, 1]);
});
