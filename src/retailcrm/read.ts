/** An answer whose shape is not what the API promises. The message names the field, never its value. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * One JSON object of an answer, read field by field. Unknown fields are ignored; null is the same as absent; numbers may arrive as
 * strings and the other way round; PHP's `[]` is an empty map. Any other type is `Malformed`.
 */
export class Fields {
  readonly #values: Record<string, unknown>;
  readonly #at: string;

  private constructor(values: Record<string, unknown>, at: string) {
    this.#values = values;
    this.#at = at;
  }

  /** Reads `value`, found at path `at`, as an object. */
  static of(value: unknown, at: string): Fields {
    if (isRecord(value)) return new Fields(value, at);
    if (Array.isArray(value) && value.length === 0) return new Fields({}, at);
    throw new Malformed(`${at} is not an object`);
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#values, name) ? (this.#values[name] ?? undefined) : undefined;
  }

  #fail(name: string, expected: string): never {
    throw new Malformed(`${this.#at}.${name} is not ${expected}`);
  }

  /** Field names present. */
  names(): string[] {
    return Object.keys(this.#values);
  }

  /** The value as it came. */
  raw(name: string): unknown {
    return this.#get(name);
  }

  text(name: string): string | undefined {
    const value = this.#get(name);
    if (value === undefined || typeof value === 'string') return value;
    return typeof value === 'number' ? String(value) : this.#fail(name, 'a text');
  }

  number(name: string): number | undefined {
    const value = this.#get(name);
    if (value === undefined || value === '') return undefined;
    const number = typeof value === 'number' ? value : typeof value === 'string' ? Number(value) : Number.NaN;
    return Number.isFinite(number) ? number : this.#fail(name, 'a number');
  }

  flag(name: string): boolean | undefined {
    const value = this.#get(name);
    if (value === undefined || typeof value === 'boolean') return value;
    if (value === 1 || value === '1' || value === 'true') return true;
    if (value === 0 || value === '0' || value === 'false' || value === '') return false;
    return this.#fail(name, 'a yes or no');
  }

  /** A field without which the answer means nothing. */
  need<T>(name: string, value: T | undefined): T {
    return value ?? this.#fail(name, 'there');
  }

  child<T>(name: string, read: (fields: Fields) => T): T | undefined {
    const value = this.#get(name);
    return value === undefined ? undefined : read(Fields.of(value, `${this.#at}.${name}`));
  }

  /** A list of objects; a map counts as the list of its values (`payments`). Empty when absent. */
  list<T>(name: string, read: (fields: Fields) => T): T[] {
    const value = this.#get(name);
    if (value === undefined) return [];
    const items = Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : this.#fail(name, 'a list');
    return items.map((item, index) => read(Fields.of(item, `${this.#at}.${name}[${index}]`)));
  }

  /** Entries of a map of objects, by key. Empty when absent. */
  map<T>(name: string, read: (fields: Fields) => T): Map<string, T> {
    const inner = this.child(name, (fields) => fields);
    const entries = inner?.names().map((key): [string, T] => [key, inner.need(key, inner.child(key, read))]);
    return new Map(entries);
  }

  /** A list of texts; numbers become texts. Empty when absent. */
  texts(name: string): string[] {
    const value = this.#get(name);
    if (value === undefined) return [];
    if (!Array.isArray(value)) return this.#fail(name, 'a list');
    return value.map((item: unknown) => {
      if (typeof item === 'string' || typeof item === 'number') return String(item);
      return this.#fail(name, 'a list of texts');
    });
  }

  /** A list of ids. Empty when absent. */
  numbers(name: string): number[] {
    return this.texts(name).map((text) => {
      const number = Number(text);
      return Number.isFinite(number) ? number : this.#fail(name, 'a list of numbers');
    });
  }

  /** A map of anything. Empty when absent. */
  any(name: string): Record<string, unknown> {
    return this.child(name, (fields) => ({ ...fields.#values })) ?? {};
  }
}
