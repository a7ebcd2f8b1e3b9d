/**
 * What each parameter may be. One table per route: from it come the check at run time and the OpenAPI document, so that neither
 * can forget the other. Only values that passed here reach a tenant's functions (`security.md` 1: H10, H11).
 */
import type { Given } from './form.ts';

/** JSON Schema of a parameter, as the OpenAPI document shows it. */
export interface ParameterSchema {
  readonly type: 'string' | 'integer' | 'boolean';
  readonly description: string;
  readonly example?: string | number;
  readonly enum?: readonly string[];
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** One parameter: how it looks and what it means. */
export interface Parameter<T> {
  readonly schema: ParameterSchema;
  readonly required: boolean;
  /** The clean value, or undefined: not acceptable. Never sees an empty text. */
  readonly read: (text: string) => T | undefined;
  /** Only for the type: whether the value may be missing. */
  readonly optional?: T;
}

/** Parameters of a route by name. */
export type Parameters = Readonly<Record<string, Parameter<unknown>>>;

/** Clean values of a route's parameters. */
export type Values<P extends Parameters> = {
  readonly [K in keyof P]: P[K] extends Parameter<infer T> & { required: true }
    ? T
    : P[K] extends Parameter<infer T>
      ? T | undefined
      : never;
};

/** A parameter that is missing or not acceptable. Names it, never its value. */
export interface BadParameter {
  readonly code: 'missing_parameter' | 'bad_parameter' | 'bad_phone';
  readonly message: string;
}

/** Reads all parameters of a route; unknown names are ignored, an empty value is none. */
export function readParameters<P extends Parameters>(
  table: P,
  given: Given,
): { values: Values<P>; bad?: undefined } | { values?: undefined; bad: BadParameter } {
  const values: Record<string, unknown> = {};
  for (const [name, { required, read, schema }] of Object.entries(table)) {
    const text = given.get(name) ?? '';
    if (text === '') {
      if (required) return { bad: { code: 'missing_parameter', message: `${name} is missing` } };
      values[name] = undefined;
      continue;
    }
    const value = read(text);
    if (value === undefined) {
      const code = name === 'phone' || name === 'to' ? 'bad_phone' : 'bad_parameter';
      return { bad: { code, message: `${name} is not acceptable: ${schema.description}` } };
    }
    values[name] = value;
  }
  return { values: values as Values<P> };
}

/** The same parameter, which must be there. */
export function required<T>(parameter: Parameter<T>): Parameter<T> & { required: true } {
  return { ...parameter, required: true };
}

function optional<T>(
  schema: ParameterSchema,
  read: (text: string) => T | undefined,
): Parameter<T> & { required: false } {
  return { schema, read, required: false };
}

/** What people write between digits. A number on a customer's card was typed by people. */
const SEPARATORS = /[ ().\-\u00a0\u2010-\u2013\u2212]+/g;
const LONGEST_WRITTEN_PHONE = 48;

/**
 * A phone number as somebody wrote it → `+` if it had one, digits, `*`, `#`; at most 20 of them. A leading space is a `+` that was
 * not decoded (`retailcrm-api.md` 5.4). Anything else in it refuses the whole: nothing is repaired by cutting.
 */
export function cleanPhone(text: string): string | undefined {
  if (text.length > LONGEST_WRITTEN_PHONE) return undefined;
  const undecoded = /^ +\d/.test(text);
  const bare = text.replace(SEPARATORS, '');
  const number = undecoded ? `+${bare}` : bare;
  return /^(?:\+[0-9]{3,19}|[0-9*#]{2,20})$/.test(number) ? number : undefined;
}

function matching(pattern: RegExp): (text: string) => string | undefined {
  return (text) => (pattern.test(text) ? text : undefined);
}

/** A phone number in any spelling. */
export function phone(description: string): Parameter<string> & { required: false } {
  return optional(
    { type: 'string', description, example: '+79990000001', maxLength: LONGEST_WRITTEN_PHONE },
    cleanPhone,
  );
}

/** An extension, or an employee's code in the CRM. */
export function code(description: string): Parameter<string> & { required: false } {
  return optional(
    { type: 'string', description, example: '101', maxLength: 32 },
    matching(/^(?:[0-9*#]{1,20}|[A-Za-z0-9][A-Za-z0-9_.-]{0,31})$/),
  );
}

/** A whole number above 0. */
export function id(description: string): Parameter<number> & { required: false } {
  return optional({ type: 'integer', description, example: 7, minimum: 1, maximum: 999_999_999_999 }, (text) =>
    /^[1-9][0-9]{0,11}$/.test(text) ? Number(text) : undefined,
  );
}

/** A name that programs gave: of a request, a call, a status. */
export function token(description: string, example: string, longest = 100): Parameter<string> & { required: false } {
  return optional({ type: 'string', description, example, maxLength: longest }, (text) =>
    text.length <= longest && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text) ? text : undefined,
  );
}

/** One of some words. */
export function word<const W extends readonly string[]>(
  description: string,
  words: W,
): Parameter<W[number]> & { required: false } {
  return optional({ type: 'string', description, enum: words }, (text) => words.find((one) => one === text));
}

/** An https address (http for a CRM in the same network), at most 255 characters, without user and password. */
export function address(description: string): Parameter<string> & { required: false } {
  return optional({ type: 'string', description, example: 'https://acme.retailcrm.ru', maxLength: 255 }, (text) => {
    if (text.length > 255 || !/^https?:\/\/[\x21-\x7e]+$/.test(text) || !URL.canParse(text)) return undefined;
    const url = new URL(text);
    return url.username === '' && url.password === '' ? text : undefined;
  });
}

/** `{"active":true,"freeze":false}` as JSON text. */
export function activity(description: string): Parameter<{ active: boolean; freeze: boolean }> & { required: false } {
  return optional(
    { type: 'string', description, example: '{"active":true,"freeze":false}', maxLength: 1024 },
    (text) => {
      if (text.length > 1024) return undefined;
      try {
        const value: unknown = JSON.parse(text);
        if (typeof value !== 'object' || value === null) return undefined;
        const active: unknown = Object.hasOwn(value, 'active') ? (value as { active: unknown }).active : undefined;
        const freeze: unknown = Object.hasOwn(value, 'freeze') ? (value as { freeze: unknown }).freeze : false;
        return typeof active === 'boolean' && typeof freeze === 'boolean' ? { active, freeze } : undefined;
      } catch {
        return undefined;
      }
    },
  );
}
