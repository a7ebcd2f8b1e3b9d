/**
 * Who is responsible for a number, for the dial plan (FastAGI) and for scripts (HTTP): from the cache, or not at all. Every
 * answer comes in time, and "unknown" is one: the call then rings as if nobody had asked.
 */
import type { AgiRequest } from './agi/protocol.ts';
import type { Variables } from './agi/server.ts';
import { isDialable } from './ami/control.ts';
import { normalisePhone } from './config/phones.ts';
import type { EnterpriseSettings } from './config/settings.ts';
import type { Found, KnownCustomer } from './customers/found.ts';
import type { ResponsibleReply } from './http/tenant.ts';

/** What answering needs of one enterprise. */
export interface ResponsibleOptions {
  readonly enterprise: Pick<EnterpriseSettings, 'country'>;
  /** The customers' cache; undefined where look-ups are off: then nobody is known. */
  readonly customers:
    | { cached(phone: string): Found | undefined; lookup(phone: string, withinMs?: number): Promise<Found> }
    | undefined;
  /** The extension of a manager by her user and by the code the CRM knows her by. */
  readonly extensionOf: (manager: { id: number | undefined; code: string | undefined }) => string | undefined;
  /** The users map. */
  readonly users: {
    user(id: number): { readonly name: string } | undefined;
    statusOf(user: number): string | undefined;
  };
  /** The status both sides agreed on last, if any; newer than the map's. */
  readonly agreed: (extension: string) => string | undefined;
  /** For a number that is not in memory, ms; the question to the CRM goes on and fills the cache. Default 80. */
  readonly withinMs?: number | undefined;
}

const unknown: ResponsibleReply = { known: false };
/** Beyond its own limit a look-up gets this much grace, ms: timers are late on a busy machine. */
const graceMs = 15;

/** Answers for one enterprise. Never rejects, never later than `withinMs` and a little. */
export class Responsible {
  readonly #options: ResponsibleOptions;

  constructor(options: ResponsibleOptions) {
    this.#options = options;
  }

  /** @param phone as on the wire, any spelling */
  async of(phone: string): Promise<ResponsibleReply> {
    const { customers, enterprise } = this.#options;
    const number = normalisePhone(phone, [enterprise.country]);
    if (customers === undefined || number.kind !== 'phone') return unknown;
    const withinMs = this.#options.withinMs ?? 80;
    // A look-up answers from memory at once and refreshes what is stale; the limit is for what is not there.
    const found = await firstOf(customers.lookup(number.e164, withinMs), withinMs + graceMs);
    const best = found === undefined || found.who === 'unknown' ? (customers.cached(number.e164) ?? found) : found;
    return best?.who === 'customer' ? this.#reply(best.customer) : unknown;
  }

  #reply(customer: KnownCustomer): ResponsibleReply {
    const { managerId, managerCode } = customer;
    const { users, agreed, extensionOf } = this.#options;
    const own = extensionOf({ id: managerId, code: managerCode });
    const extension = own !== undefined && isDialable(own) ? own : undefined;
    const status =
      (extension === undefined ? undefined : agreed(extension)) ??
      (managerId === undefined ? undefined : users.statusOf(managerId));
    return {
      known: true,
      extension,
      manager: customer.managerName ?? (managerId === undefined ? undefined : users.user(managerId)?.name),
      customer: customer.name,
      status: isStatus(status) ? status : undefined,
    };
  }
}

/** One enterprise as the dial plan may ask for it. */
export interface Routed {
  readonly settings: Pick<EnterpriseSettings, 'id' | 'country' | 'dids' | 'defaultDid'>;
  responsible(phone: string): Promise<ResponsibleReply>;
}

/**
 * Answers FastAGI's questions. `agi://host/responsible,NUMBER,DID,ENTERPRISE`: each argument may be left out or given as
 * `?phone=&did=&enterprise=` instead. Number: the caller's; DID: the dialled one. The enterprise is the one named, else the
 * one the DID belongs to, else the only one there is.
 */
export function agiAnswers(enterprises: readonly Routed[]): (request: AgiRequest) => Promise<Variables | undefined> {
  const byId = new Map(enterprises.map((one) => [one.settings.id, one]));
  const byDid = new Map(enterprises.flatMap((one) => one.settings.dids.map(({ number }) => [number, one] as const)));
  const ofDid = (did: string): Routed | undefined => {
    for (const { settings } of enterprises) {
      const number = normalisePhone(did, [settings.country]);
      const owner = number.kind === 'phone' ? byDid.get(number.e164) : undefined;
      if (owner !== undefined) return owner;
    }
    return undefined;
  };
  return async ({ script, query, args, callerNumber, dialled }) => {
    if (script !== 'responsible') return undefined;
    const given = (key: string, index: number): string | undefined => nonEmpty(query.get(key)) ?? nonEmpty(args[index]);
    const named = given('enterprise', 2);
    const did = given('did', 1) ?? dialled;
    const enterprise =
      named !== undefined
        ? byId.get(named)
        : ((did === undefined ? undefined : ofDid(did)) ?? (enterprises.length === 1 ? enterprises[0] : undefined));
    const phone = given('phone', 0) ?? callerNumber;
    return variablesOf(enterprise === undefined || phone === undefined ? unknown : await enterprise.responsible(phone));
  };
}

/** What the dial plan reads. Every variable is always set: a channel may carry values of an earlier question. */
export function variablesOf(reply: ResponsibleReply): Variables {
  return {
    RESPONSIBLE_EXT: reply.extension ?? '',
    RESPONSIBLE_STATUS: reply.status ?? 'unknown',
    RESPONSIBLE_NAME: reply.manager ?? '',
    CUSTOMER_NAME: reply.customer ?? '',
    CUSTOMER_KNOWN: reply.known ? '1' : '0',
  };
}

function isStatus(text: string | undefined): text is NonNullable<ResponsibleReply['status']> {
  return text === 'free' || text === 'busy' || text === 'dinner' || text === 'break';
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === '' ? undefined : text;
}

/** The value, or undefined after so many milliseconds or when it fails. */
function firstOf<T>(value: Promise<T>, ms: number): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), ms);
    value.then(resolve, () => resolve(undefined)).finally(() => clearTimeout(timer));
  });
}
