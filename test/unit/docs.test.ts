import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { EXIT } from '../../src/cli/errors.ts';
import type { SchemaNode } from '../../src/config/json-schema.ts';
import { jsonSchema } from '../../src/config/json-schema.ts';
import { projectRoot } from '../../src/root.ts';

const root = projectRoot();
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const pages = [
  'README.md',
  'README.ru.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

describe.each(['docs/configuration.md', 'docs/configuration.ru.md'])('%s', (page) => {
  const rows = tableRows(read(page)).filter(([key]) => key !== undefined && /^`[a-z[\]_.]+`$/.test(key));
  const described = new Map(rows.map(([key = '', meaning = '', standard = '']) => [bare(key), { meaning, standard }]));
  const keys = [...keysOf(jsonSchema('daemon'), ''), ...keysOf(jsonSchema('enterprise'), '')];

  test('explains every key there is', () => {
    expect(keys.map(({ path }) => path).filter((path) => (described.get(path)?.meaning ?? '') === '')).toEqual([]);
  });

  test('explains no key there is not', () => {
    const known = new Set(keys.map(({ path }) => path));
    expect([...described.keys()].filter((path) => !known.has(path))).toEqual([]);
  });

  test('tells the default of every key that has a plain one', () => {
    const wrong = keys.filter(({ path, node }) => {
      const { default: standard } = node;
      const plain = typeof standard === 'string' || typeof standard === 'number' || typeof standard === 'boolean';
      return plain && !described.get(path)?.standard.includes(`\`${String(standard)}\``);
    });
    expect(wrong.map(({ path, node }) => `${path}: ${String(node.default)}`)).toEqual([]);
  });

  test('tells every word a key may be', () => {
    const wrong = keys.flatMap(({ path, node }) =>
      (node.enum ?? []).map(String).filter((word) => {
        // `log` and `drop` are explained once, with the first policy.
        if (word === 'log' || word === 'drop') return false;
        return !described.get(path)?.meaning.includes(`\`${word}\``);
      }),
    );
    expect(wrong).toEqual([]);
  });
});

describe.each(['README.md', 'README.ru.md'])('%s', (page) => {
  const rows = tableRows(read(page));

  test('names every command, and none there is not', () => {
    const commands = commandNames();
    const first = rows.map(([cell = '']) => cell);
    const begin = first.indexOf('`run`');
    const table = first.slice(begin, first.indexOf('`version`') + 1).map(bare);
    expect([...table].sort()).toEqual([...commands].sort());
  });

  test('names every exit code', () => {
    const codes = rows.map(([cell = '']) => cell).filter((cell) => /^\d+$/.test(cell));
    expect(codes.sort()).toEqual([...Object.values(EXIT).map(String), '1'].sort());
  });

  test('begins with the two commands that start and test everything', () => {
    expect(read(page).slice(0, 400)).toMatch(/npm ci && npm run demo[\s\S]*npm ci && npm test/);
  });
});

test('the reading list of the core names every file of it, and no other', () => {
  const [, section = ''] = /## Reading `calls\/` in an evening([\s\S]*?)\n## /.exec(read('docs/architecture.md')) ?? [];
  const named = tableRows(section).flatMap(([cell = '']) =>
    [...cell.matchAll(/`(\w+\.ts)`/g)].map((match) => match[1]),
  );
  expect(named.sort()).toEqual(readdirSync(join(root, 'src/calls')).sort());
});

test.each(pages)('%s prints only scripts there are', (page) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const named = [...read(page).matchAll(/npm run (?:-s )?([a-z][a-z:0-9-]*)/g)].map((match) => match[1] ?? '');
  expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
});

test.each(pages)('every link of %s leads somewhere', (page) => {
  const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
  const broken = links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? page : join(dirname(page), file);
    if (!existsSync(join(root, target))) return true;
    return anchor !== undefined && !anchorsOf(read(target)).includes(anchor);
  });
  expect(broken).toEqual([]);
});

describe.each(['docs/troubleshooting.md', 'docs/troubleshooting.ru.md'])('%s', (page) => {
  test('quotes only lines the program can say', () => {
    const source = filesUnder('src')
      .map(read)
      .join('\n')
      .replaceAll(/\$\{[^}]*\}/g, '…');
    const quoted = tableRows(read(page)).flatMap(([cell = '']) =>
      [...cell.matchAll(/`([^`]+)`/g)].flatMap((match) => (match[1] ?? '').split(/…|: /)),
    );
    // Short pieces (a field's name, what stands between two variable parts) prove nothing.
    const sentences = quoted.map((piece) => piece.trim()).filter((piece) => piece.includes(' ') && piece.length > 12);
    expect(sentences.length).toBeGreaterThan(30);
    expect(sentences.filter((sentence) => !source.includes(sentence))).toEqual([]);
  });

  test('explains every reason of the drop ledger', () => {
    const reasons = dropReasons();
    expect(reasons.length).toBeGreaterThan(5);
    const explained = tableRows(read(page)).map(([cell = '']) => bare(cell));
    expect(reasons.filter((reason) => !explained.includes(reason))).toEqual([]);
  });
});

/** Names of the commands in the table of src/main.ts. */
function commandNames(): string[] {
  const [, table = ''] = /const commands = \[([^\]]*)\]/.exec(read('src/main.ts')) ?? [];
  const listed = [...table.matchAll(/\w+Command/g)].map(([name]) => name);
  const source = filesUnder('src/cli').map(read).join('\n');
  const named = [...source.matchAll(/export const (\w+) = defineCommand\(\{\s*name: '([^']+)'/g)];
  return listed.map((variable) => named.find((match) => match[1] === variable)?.[2] ?? variable);
}

/** Reason codes of the drop ledger, from the type that lists them. */
function dropReasons(): string[] {
  const [, union = ''] = /export type DropReason =([^;]*);/.exec(read('src/calls/call.ts')) ?? [];
  return [...union.matchAll(/'([^']+)'/g)].map((match) => match[1] ?? '');
}

/** Cells of all table rows of a page; `|` inside backticks is not used in our pages. */
function tableRows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|[-|: ]+\|$/.test(line))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}

function bare(cell: string): string {
  return cell.replaceAll('`', '');
}

/** Every key with its path, `hosts[].ami.port`; a secret's three ways are explained once for all. */
function keysOf(node: SchemaNode, path: string): { path: string; node: SchemaNode }[] {
  const properties = Object.entries(node.properties ?? {});
  if (properties.some(([key]) => key === 'credential')) return [];
  const own = properties.flatMap(([key, inner]) => {
    const here = path === '' ? key : `${path}.${key}`;
    return [{ path: here, node: inner }, ...keysOf(inner, here)];
  });
  const items = node.items ? keysOf(node.items, `${path}[]`) : [];
  return [...own, ...items, ...(node.anyOf ?? []).flatMap((inner) => keysOf(inner, path))];
}

/** Anchors of a page's headings as GitHub makes them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function filesUnder(directory: string): string[] {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) return filesUnder(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}
