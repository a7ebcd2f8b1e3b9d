/** A value of a query: booleans go out as 1 and 0, lists as `name[]`, maps as `name[key]`, undefined not at all. */
export type QueryValue =
  | string
  | number
  | boolean
  | undefined
  | readonly QueryValue[]
  | { readonly [key: string]: QueryValue };

/** Top-level parameters of a GET. */
export type Query = Readonly<Record<string, QueryValue>>;

/** Top-level fields of a POST: scalars go out as they are, everything else as JSON text. */
export type Form = Readonly<Record<string, unknown>>;

/**
 * The query string without `?`, bracketed as PHP reads it, everything escaped (`+` as `%2B`).
 *
 *     encodeQuery({ filter: { name: '+7999', ids: [1, 2] } })  // filter%5Bname%5D=%2B7999&filter%5Bids%5D%5B%5D=1&…
 */
export function encodeQuery(query: Query): string {
  const pairs = new URLSearchParams();
  const add = (name: string, value: QueryValue): void => {
    if (value === undefined) return;
    if (typeof value === 'boolean') pairs.append(name, value ? '1' : '0');
    else if (typeof value === 'string' || typeof value === 'number') pairs.append(name, String(value));
    else if (isList(value)) for (const item of value) add(`${name}[]`, item);
    else for (const [key, item] of Object.entries(value)) add(`${name}[${key}]`, item);
  };
  for (const [name, value] of Object.entries(query)) add(name, value);
  return pairs.toString();
}

// Array.isArray does not narrow readonly arrays.
const isList = (
  value: readonly QueryValue[] | { readonly [key: string]: QueryValue },
): value is readonly QueryValue[] => Array.isArray(value);

/** Text that is already the JSON of a form field; goes out byte for byte. */
export class FrozenJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** The body of a POST. Nested values become JSON strings: the API takes neither JSON bodies nor bracket nesting. */
export function encodeForm(form: Form): URLSearchParams {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(form)) {
    if (value === undefined || value === null) continue;
    if (value instanceof FrozenJson) fields.append(name, value.text);
    else if (typeof value === 'string') fields.append(name, value);
    else if (typeof value === 'number') fields.append(name, String(value));
    else if (typeof value === 'boolean') fields.append(name, value ? '1' : '0');
    else fields.append(name, JSON.stringify(value));
  }
  return fields;
}
