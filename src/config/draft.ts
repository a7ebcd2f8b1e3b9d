import { z } from 'zod';
import { didSchema, employeeSchema, enterpriseSchema } from './enterprise-schema.ts';
import { webhookSchema } from './crm-schema.ts';
import { hostSchema } from './host-schema.ts';
import { extension } from './schema-parts.ts';
import type { YamlFile } from './yaml-file.ts';

/** A part of a file that is sound by itself, and where it stands. */
export interface Placed<T> {
  readonly value: T;
  readonly path: readonly PropertyKey[];
}

/** The sound parts of an enterprise's file: what can be compared with other parts and files even if the rest is wrong. */
export interface Draft {
  readonly yaml: YamlFile;
  readonly id: Placed<string> | undefined;
  readonly number: Placed<string> | undefined;
  readonly account: Placed<string> | undefined;
  readonly hosts: readonly Placed<z.output<typeof hostSchema>>[];
  /** Whether all hosts are among `hosts`: only then something can be said to fit none of them. */
  readonly allHosts: boolean;
  readonly dids: readonly Placed<z.output<typeof didSchema>>[];
  readonly allDids: boolean;
  readonly defaultDid: Placed<string> | undefined;
  readonly employees: readonly Placed<z.output<typeof employeeSchema>>[];
  readonly allEmployees: boolean;
  readonly defaultOwner: Placed<string> | undefined;
  readonly webhooks: readonly Placed<z.output<typeof webhookSchema>>[];
}

/** Takes the file apart; each part is validated by itself. */
export function draftOf(yaml: YamlFile): Draft {
  const { shape } = enterpriseSchema;
  const at = (path: readonly PropertyKey[]): unknown => path.reduce(inside, yaml.value);
  const one = <T>(schema: z.ZodType<T>, ...path: PropertyKey[]): Placed<T> | undefined => {
    const result = schema.safeParse(at(path));
    return result.success ? { value: result.data, path } : undefined;
  };
  const each = <T>(schema: z.ZodType<T>, key: string): { sound: Placed<T>[]; all: boolean } => {
    const list = at([key]);
    if (!Array.isArray(list)) return { sound: [], all: list === undefined };
    const sound = list.flatMap((_, index) => one(schema, key, index) ?? []);
    return { sound, all: sound.length === list.length };
  };
  const hosts = each(hostSchema, 'hosts');
  const dids = each(didSchema, 'dids');
  const employees = each(employeeSchema, 'employees');
  return {
    yaml,
    id: one(shape.id, 'id'),
    number: one(shape.number, 'number'),
    account: one(z.string(), 'retailcrm', 'url'),
    hosts: hosts.sound,
    allHosts: hosts.all,
    dids: dids.sound,
    allDids: dids.all,
    defaultDid: one(shape.default_did.unwrap(), 'default_did'),
    employees: employees.sound,
    allEmployees: employees.all,
    defaultOwner: one(extension, 'policies', 'default_owner'),
    webhooks: each(webhookSchema, 'webhooks').sound,
  };
}

/** An own property of a list or section; undefined for anything else. */
function inside(value: unknown, key: PropertyKey): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return Reflect.get(value, key);
}
