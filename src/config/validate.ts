import type { z } from 'zod';
import { type FileKind, type SchemaNode, jsonSchema, objectOf, schemaAt } from './json-schema.ts';
import { type Problem, didYouMean } from './problems.ts';
import { MOST_PROBLEMS, type YamlFile } from './yaml-file.ts';

/** Validates the file's value; every mistake becomes a problem at its place, in words. */
export function validate<T extends z.ZodType>(schema: T, kind: FileKind, yaml: YamlFile): z.output<T> | Problem[] {
  let root: SchemaNode | undefined;
  // Built only for a file with mistakes.
  const described = (): SchemaNode => (root ??= jsonSchema(kind));
  const result = schema.safeParse(yaml.value, { error: (issue) => explain(issue, yaml, described()) });
  if (result.success) return result.data;
  return result.error.issues.slice(0, MOST_PROBLEMS).flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [yaml.problem('error', issue.path, issue.message)];
    const known = Object.keys(objectOf(schemaAt(described(), issue.path) ?? {})?.properties ?? {});
    return issue.keys.slice(0, MOST_PROBLEMS).map((key) => {
      const meant = didYouMean(key, known);
      const hint = meant === undefined ? `known here: ${known.join(', ')}` : `did you mean "${meant}"?`;
      return yaml.problem('error', [...issue.path, key], `there is no such key; ${hint}`, true);
    });
  });
}

type RawIssue = Parameters<z.core.$ZodErrorMap>[0];

/** What is wrong and what would be right; undefined leaves zod's own words. */
function explain(issue: RawIssue, yaml: YamlFile, root: SchemaNode): string | undefined {
  const path = issue.path ?? [];
  const node = schemaAt(root, path);
  if (issue.code === 'invalid_type') return explainType(issue.expected, issue.input, yaml.source(path), node);
  if (issue.code === 'invalid_value') return oneOf(issue.values, issue.input);
  return issue.code === 'too_small' || issue.code === 'too_big' ? range(node) : undefined;
}

function explainType(
  expected: string,
  input: unknown,
  source: string | undefined,
  node: SchemaNode | undefined,
): string | undefined {
  if (input === undefined) return `is missing${node?.description ? `: ${node.description}` : ''}`;
  if (input === null) return 'has no value; write one or remove the key';
  switch (expected) {
    case 'string':
      if (typeof input === 'object') return `must be one text, not ${kindOf(input)}`;
      return `is read as ${kindOf(input)}; quote it: "${source ?? JSON.stringify(input)}"`;
    case 'number':
    case 'int': {
      const number = typeof input === 'string' && /^-?\d+$/.test(input) ? `write ${input} without quotes` : range(node);
      return `must be a whole number, not ${kindOf(input)}${number === undefined ? '' : `; ${number}`}`;
    }
    case 'boolean':
      return `must be true or false, not ${kindOf(input)} (yes, no, on and off are texts in YAML 1.2)`;
    case 'array':
      return `must be a list: write each entry on a line of its own that begins with "- "`;
    case 'object':
      return `must be a section with keys of its own, not ${kindOf(input)}`;
    default:
      return undefined;
  }
}

function oneOf(values: readonly unknown[], input: unknown): string {
  const known = values.map(String);
  const meant = typeof input === 'string' ? didYouMean(input, known) : undefined;
  return `must be ${known.length === 1 ? '' : 'one of '}${known.join(', ')}${meant === undefined ? '' : `; did you mean "${meant}"?`}`;
}

function range(node: SchemaNode | undefined): string | undefined {
  const { minimum, maximum } = node ?? {};
  if (minimum === undefined || maximum === undefined) return undefined;
  // A safe integer's limits are zod's, not ours.
  return maximum >= Number.MAX_SAFE_INTEGER ? `must be ${minimum} or more` : `must be from ${minimum} to ${maximum}`;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number') return 'a number';
  if (typeof value === 'boolean') return `the word ${value}`;
  return 'a section';
}
