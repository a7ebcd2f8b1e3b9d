/** The setup pages: what an operator copies from them must work, and both languages must say the same. */
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { loadAll } from '../../src/config/load.ts';
import { managerConf } from '../../src/doctor/managerConf.ts';
import { projectRoot } from '../../src/root.ts';
import { example } from './config/support.ts';

const pages = ['docs/setup.md', 'docs/setup.ru.md'];
const read = (page: string): string => readFileSync(join(projectRoot(), page), 'utf8');
const made: string[] = [];
afterAll(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});

/** Code blocks of a language, in order. */
function blocks(page: string, language: string): string[] {
  return [...read(page).matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(
    (match) => match[1] ?? '',
  );
}

type Yaml = Record<string, unknown>;
const isMap = (value: unknown): value is Yaml => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The second file's keys added to the first's, as somebody who follows the page does. */
function added(to: Yaml, more: Yaml): Yaml {
  const sum: Yaml = { ...to };
  for (const [key, value] of Object.entries(more)) {
    const before = sum[key];
    sum[key] = isMap(before) && isMap(value) ? added(before, value) : value;
  }
  return sum;
}

/** The two files as they stand after the first `steps` YAML blocks of the page. */
function filesAfter(page: string, steps: number): { daemon: Yaml; acme: Yaml } {
  let daemon: Yaml = {};
  let acme: Yaml = {};
  for (const block of blocks(page, 'yaml').slice(0, steps)) {
    const more = parse(block) as Yaml;
    if (/^# .*daemon\.yaml/.test(block)) daemon = added(daemon, more);
    else acme = added(acme, more);
  }
  return { daemon, acme };
}

describe.each(pages)('%s', (page) => {
  const count = blocks(page, 'yaml').length;

  test('has its YAML', () => expect(count).toBe(5));

  test.each([
    { steps: 2, says: 'the first call' },
    { steps: 3, says: 'recordings' },
    { steps: 5, says: 'click-to-call' },
  ])('the configuration is right after the step of $says', ({ steps }) => {
    const dir = mkdtempSync(join(tmpdir(), 'setup-'));
    made.push(dir);
    mkdirSync(join(dir, 'enterprises'));
    const { daemon, acme } = filesAfter(page, steps);
    writeFileSync(join(dir, 'daemon.yaml'), stringify(daemon));
    writeFileSync(join(dir, 'enterprises/acme.yaml'), stringify(acme));
    const [enterprise] = loadAll(dir).enterprises;
    expect(enterprise?.id).toBe('acme');
    // The page, the example and the sandbox speak of the same people.
    expect(enterprise?.employees).toEqual(example().employees);
    const [host] = enterprise?.hosts ?? [];
    if (enterprise === undefined || host === undefined) throw new Error('no host');
    expect(managerConf(enterprise, host, undefined)).toContain(
      steps < 5 ? 'write = reporting\n' : 'write = reporting,call,originate\n',
    );
  });

  test('names only commands and options there are', () => {
    const source = readFileSync(join(projectRoot(), 'src/cli/doctor.ts'), 'utf8');
    const options = [...read(page).matchAll(/doctor[^`\n]*?--([a-z-]+)/g)].map((match) => match[1] ?? '');
    expect(options.length).toBeGreaterThan(3);
    expect(options.filter((name) => !source.includes(`'${name}'`) && !source.includes(`${name}:`))).toEqual([]);
  });
});

test('both languages give the same files and the same commands', () => {
  const [english = '', russian = ''] = pages;
  expect(filesAfter(russian, 5)).toEqual(filesAfter(english, 5));
  const bare = (page: string): string[] =>
    ['sh', 'ini', 'nginx']
      .flatMap((language) => blocks(page, language))
      .map((text) =>
        text.replace(/ *#(?!!).*$/gm, '').replace(/ADDRESS|АДРЕС|PASSWORD|ПАРОЛЬ|KEY-OF-STEP-1|КЛЮЧ-ИЗ-ШАГА-1/g, '…'),
      );
  expect(bare(russian)).toEqual(bare(english));
});
