import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { schemaText } from '../../../src/cli/check-config.ts';
import { type SchemaNode, jsonSchema } from '../../../src/config/json-schema.ts';
import { projectRoot } from '../../../src/root.ts';

const read = (file: string): string => readFileSync(join(projectRoot(), 'config', file), 'utf8');

describe.each(['daemon', 'enterprise'] as const)('the JSON Schema of %s files', (kind) => {
  test(`is the one in config/ (else: npm run -s cli check-config -- --schema ${kind} > config/${kind}.schema.json)`, () => {
    expect(JSON.parse(read(`${kind}.schema.json`))).toEqual(JSON.parse(schemaText(kind)));
  });

  test('is draft 7, and refuses unknown keys everywhere', () => {
    expect(jsonSchema(kind)).toMatchObject({ $schema: 'http://json-schema.org/draft-07/schema#' });
    const open = nodes(jsonSchema(kind), '').filter(
      ({ node }) => node.properties && node.additionalProperties !== false,
    );
    expect(open.map(({ path }) => path)).toEqual([]);
  });

  test('says what every key means', () => {
    const silent = nodes(jsonSchema(kind), '').filter(({ path, node }) => !path.endsWith('[]') && !node.description);
    // A host's, DID's and employee's own keys are described; lists of them are too.
    expect(silent.map(({ path }) => path)).toEqual([]);
  });
});

test.each([
  ['daemon.example.yaml', './daemon.schema.json'],
  ['enterprises/example.yaml', '../enterprise.schema.json'],
])('%s tells the editor its schema', (file, schema) => {
  expect(read(file).split('\n')[0]).toBe(`# yaml-language-server: $schema=${schema}`);
});

/** Every node below the root, with a path for the message. */
function nodes(node: SchemaNode, path: string): { path: string; node: SchemaNode }[] {
  const below = Object.entries(node.properties ?? {}).flatMap(([key, inner]) => [
    { path: `${path}.${key}`, node: inner },
    ...nodes(inner, `${path}.${key}`),
  ]);
  const items = node.items ? nodes(node.items, `${path}[]`) : [];
  return [...below, ...items, ...(node.anyOf ?? []).flatMap((inner) => nodes(inner, path))];
}
