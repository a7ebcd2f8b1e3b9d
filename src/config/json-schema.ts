import { z } from 'zod';
import { daemonSchema } from './daemon-schema.ts';
import { enterpriseSchema } from './enterprise-schema.ts';

/** The two kinds of files. */
export type FileKind = 'daemon' | 'enterprise';

/** Part of a JSON Schema, as far as we look into it. */
export interface SchemaNode {
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: unknown;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
}

const schemas = { daemon: daemonSchema, enterprise: enterpriseSchema };

const made = new Map<FileKind, SchemaNode>();

/** JSON Schema (draft 7) for editors: completion, descriptions, and the same refusals as far as the language goes. */
export function jsonSchema(kind: FileKind): SchemaNode {
  let schema = made.get(kind);
  if (!schema) {
    schema = z.toJSONSchema(schemas[kind], { io: 'input', target: 'draft-7', unrepresentable: 'any' }) as SchemaNode;
    made.set(kind, schema);
  }
  return schema;
}

/** The part of the schema that speaks of `path`; undefined = no such key. */
export function schemaAt(root: SchemaNode, path: readonly PropertyKey[]): SchemaNode | undefined {
  let node: SchemaNode | undefined = root;
  for (const part of path) {
    if (typeof part === 'number') node = node.items;
    else node = objectOf(node)?.properties?.[String(part)];
    if (!node) return undefined;
  }
  return node;
}

/** The node, or the alternative of it, that has keys. */
export function objectOf(node: SchemaNode): SchemaNode | undefined {
  return node.properties ? node : node.anyOf?.find((alternative) => alternative.properties);
}
