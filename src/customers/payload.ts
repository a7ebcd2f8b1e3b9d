import type { Source } from '../retailcrm/telephony.ts';

/** Payload of an errand: our own JSON, but the database may have been edited by hand. What does not fit is absent. */
export class Errand {
  readonly #fields: ReadonlyMap<string, unknown>;

  constructor(payload: Readonly<Record<string, unknown>>) {
    this.#fields = new Map(Object.entries(payload));
  }

  /** E.164 of the customer. */
  get phone(): string | undefined {
    const phone = this.text('phone');
    return phone !== undefined && /^\+\d{5,15}$/.test(phone) ? phone : undefined;
  }

  text(name: string): string | undefined {
    return textOf(this.#fields.get(name));
  }

  number(name: string): number | undefined {
    const value = this.#fields.get(name);
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
  }

  /** CRM user whose customer it becomes. */
  manager(userOf: (extension: string) => number | undefined): number | undefined {
    const fields = this.#inner('manager');
    const user = fields.get('user');
    if (typeof user === 'number') return user;
    const extension = textOf(fields.get('extension'));
    return extension === undefined ? undefined : userOf(extension);
  }

  source(): Source | undefined {
    const fields = this.#inner('source');
    if (fields.size === 0) return undefined;
    return {
      source: textOf(fields.get('source')),
      medium: textOf(fields.get('medium')),
      campaign: textOf(fields.get('campaign')),
    };
  }

  #inner(name: string): ReadonlyMap<string, unknown> {
    const value = this.#fields.get(name);
    return new Map(typeof value === 'object' && value !== null ? Object.entries(value) : []);
  }
}

/** Fills `{name}` placeholders that are known and tidies the spaces empty ones leave. */
export function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template
    .replace(/\{(\w+)\}/g, (whole, name: string) => (Object.hasOwn(values, name) ? (values[name] ?? '') : whole))
    .replaceAll(/ {2,}/g, ' ')
    .trim();
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
