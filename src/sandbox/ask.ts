/** What a handler is given, and the checks every handler shares: JSON fields, filters, paging, sites. */

import { type Account, type ApiKey, pushCapped } from './account.ts';
import type { Callbacks } from './callbacks.ts';
import { zoneless } from './dates.ts';
import { type Field, type Fields, noFields, textOf } from './fields.ts';
import { badParameters, refusal, texts } from './reply.ts';
import type { Switches } from './switches.ts';

/** One authorised API request. */
export interface Ask {
  account: Account;
  key: ApiKey;
  switches: Switches;
  /** Base URL as the client reached it. */
  baseUrl: string;
  query: Fields;
  form: Fields;
  body: Buffer;
  /** Parts of the path that the route names. */
  path: Readonly<Record<string, string>>;
  /** Epoch milliseconds. */
  now: number;
  /** Where deviations of the client are noted. */
  recorded: { flags: string[] };
  callbacks: Callbacks;
  /** Most entries kept in histories of pop-ups, events and callbacks. */
  historyCap: number;
  /** Switches a one-shot fault off by one: returns true while some are left. */
  takeFault(name: 'halfBatchThen500'): boolean;
}

/** What reading an entity needs: an API request has it, and so has a person in the CRM's pages. */
export type Reader = Pick<Ask, 'account' | 'switches' | 'recorded'>;

/** Now, as the account writes dates. */
export function stamp(ask: Ask): string {
  return zoneless(ask.now, ask.account.timezone);
}

/** Keeps something in one of the account's capped lists. */
export function keep<T>(ask: Ask, list: T[], item: T): void {
  pushCapped(list, item, ask.historyCap);
}

/** A JSON object, or undefined for anything else. */
export function asObject(value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.fromEntries(Object.entries(value));
}

/**
 * The form field that holds a JSON string.
 * @throws Refusal for behaviours 8, 9 and 10.
 */
export function jsonField(ask: Ask, name: string): unknown {
  const given = ask.form[name];
  if (given === undefined) throw refusal(400, `Parameter '${name}' is missing`);
  if (typeof given !== 'string') {
    ask.recorded.flags.push(`bracket field ${name}`);
    throw refusal(400, `Expected scalar, but got array: ${name}`);
  }
  let value: unknown = null;
  try {
    value = JSON.parse(given);
  } catch {
    // Not JSON reads as null, as PHP's json_decode does.
  }
  if (value === null) throw refusal(400, 'Expected array, but got NULL: null');
  if (typeof value !== 'object') throw refusal(400, `Expected array, but got ${typeof value}: ${given}`);
  return value;
}

/** The form field that holds a JSON object; an empty list is PHP's empty object. */
export function objectField(ask: Ask, name: string): Record<string, unknown> {
  return asObject(jsonField(ask, name)) ?? {};
}

/** The form field that holds a JSON list; an object gives the list of its values, as in PHP. */
export function listField(ask: Ask, name: string): unknown[] {
  const value = jsonField(ask, name);
  return Array.isArray(value) ? value : Object.values(asObject(value) ?? {});
}

/**
 * The filters of a list method.
 * @throws Refusal for an unknown filter, if the switch says so; else it is flagged and ignored.
 */
export function filters(ask: Ask, known: readonly string[]): Record<string, Field> {
  const given = ask.query['filter'];
  const all = typeof given === 'object' ? given : noFields();
  const found: Record<string, Field> = {};
  for (const [name, value] of Object.entries(all)) {
    if (known.includes(name)) found[name] = value;
    else {
      ask.recorded.flags.push(`unknown filter ${name}`);
      if (ask.switches.unknownFilter === '400')
        throw badParameters(ask.switches, { [name]: texts(ask.switches).extra });
    }
  }
  return found;
}

/** A `1`/`0` filter. @throws Refusal with `errors.NAME` for anything else. */
export function flagFilter(ask: Ask, name: string, value: Field | undefined): boolean | undefined {
  if (value === undefined) return undefined;
  if (value === '1') return true;
  if (value === '0') return false;
  throw badParameters(ask.switches, { [name]: texts(ask.switches).invalid });
}

/** A date filter, checked. @throws Refusal with `errors["children[NAME]"]`. */
export function dateFilter(
  ask: Ask,
  name: string,
  value: Field | undefined,
  valid: (text: string) => boolean,
): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && valid(value)) return value;
  throw badParameters(ask.switches, { [`children[${name}]`]: texts(ask.switches).invalid });
}

/** `limit` and `page` of a list method. @throws Refusal (behaviour 37). */
export function paging(ask: Ask, standard = 20): { limit: number; page: number } {
  const limit = textOf(ask.query, 'limit') ?? String(standard);
  const page = textOf(ask.query, 'page') ?? '1';
  const problems: Record<string, string> = {};
  if (!['20', '50', '100'].includes(limit)) problems['limit'] = texts(ask.switches).choice;
  if (!/^[1-9]\d{0,8}$/.test(page)) problems['page'] = texts(ask.switches).invalid;
  if (Object.keys(problems).length > 0) throw badParameters(ask.switches, problems);
  return { limit: Number(limit), page: Number(page) };
}

/** One page of a list with the `pagination` block. */
export function onePage<T>(all: readonly T[], { limit, page }: { limit: number; page: number }) {
  return {
    pagination: {
      limit,
      totalCount: all.length,
      currentPage: page,
      totalPageCount: Math.ceil(all.length / limit),
    },
    rows: all.slice((page - 1) * limit, page * limit),
  };
}

/** `by` of a request about one entity. @throws Refusal for anything but `id` and `externalId`. */
export function byOf(ask: Ask): 'id' | 'externalId' {
  const by = textOf(ask.form, 'by') ?? textOf(ask.query, 'by') ?? 'externalId';
  if (by === 'id' || by === 'externalId') return by;
  throw badParameters(ask.switches, { by: texts(ask.switches).choice });
}

/** The `site` parameter if given. @throws Refusal 403 for a shop the key cannot see. */
export function givenSite(ask: Ask): string | undefined {
  const site = textOf(ask.form, 'site') ?? textOf(ask.query, 'site');
  if (site !== undefined && !ask.key.sites.includes(site)) throw refusal(403, 'Access denied.');
  return site;
}

/** The shop to write to. @throws Refusal (behaviour 42). */
export function siteToWrite(ask: Ask): string {
  const site = givenSite(ask);
  if (site !== undefined) return site;
  const [only, ...more] = ask.key.sites;
  if (only === undefined || more.length > 0) throw refusal(400, "Parameter 'site' is missing");
  return only;
}

/** Non-empty text, else undefined. Numbers count as text, as in PHP. */
export function text(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
}

/** A whole number, also when written as text. */
export function integer(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) ? Number(number) : undefined;
}

/** Flags the fields the emulator does not know; the real CRM may know them. */
export function flagUnknown(
  ask: Pick<Ask, 'recorded'>,
  entity: Record<string, unknown>,
  known: readonly string[],
): void {
  for (const name of Object.keys(entity)) if (!known.includes(name)) ask.recorded.flags.push(`unknown field ${name}`);
}

/** A copy without some fields. */
export function without<T extends object, K extends keyof T>(whole: T, ...names: K[]): Omit<T, K> {
  const rest = { ...whole };
  for (const name of names) Reflect.deleteProperty(rest, name);
  return rest;
}
