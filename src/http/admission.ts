/**
 * Who may come in. RetailCRM signs nothing (`retailcrm-api.md` 5.3): the proofs are the clientId, a token in the path, and for
 * triggers a secret. Which of them is wrong, or whose it is, must not be learned from the answer, nor from its time.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import type { Tenant } from './tenant.ts';

/** What a request shows. Undefined = this kind of request carries none. */
export interface Shown {
  readonly clientId: string | undefined;
  /** From the path of the CRM's callbacks. */
  readonly pathToken?: string;
  /** Of a trigger. */
  readonly webhookSecret?: string;
}

/** The tenant a request belongs to; or, refused, the one somebody seems to have meant, for its audit log. */
export type Admission =
  | { readonly tenant: Tenant }
  | { readonly tenant?: undefined; readonly meant: Tenant | undefined; readonly wrong: string };

/** Compared where a tenant has nothing to compare with: no text has this digest. */
const NOBODY = Buffer.alloc(32);

/** SHA-256, the form in which credentials are kept and compared. */
export function digest(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}

/**
 * Compares with every credential of every tenant, digest with digest, and never stops early: an unknown clientId, another tenant's,
 * and a right one with a wrong token cost the same.
 */
export function admit(tenants: readonly Tenant[], shown: Shown): Admission {
  const clientId = digest(shown.clientId ?? '');
  const pathToken = digest(shown.pathToken ?? '');
  const secret = digest(shown.webhookSecret ?? '');
  const asksToken = Number(shown.pathToken === undefined);
  const asksSecret = Number(shown.webhookSecret === undefined);
  let found: Tenant | undefined;
  let byClient: Tenant | undefined;
  let byToken: Tenant | undefined;
  for (const tenant of tenants) {
    const rightSecret = Number(timingSafeEqual(secret, tenant.webhookSecret ?? NOBODY)) | asksSecret;
    for (const credential of tenant.credentials()) {
      const rightClient = Number(timingSafeEqual(clientId, credential.clientId));
      const sameToken = Number(timingSafeEqual(pathToken, credential.pathToken));
      const all = rightClient & (sameToken | asksToken) & rightSecret;
      found = all === 1 ? tenant : found;
      byClient = rightClient === 1 ? tenant : byClient;
      byToken = sameToken === 1 ? tenant : byToken;
    }
  }
  if (found !== undefined) return { tenant: found };
  const wrong = byClient === undefined ? 'clientId' : shown.pathToken === undefined ? 'secret' : 'path token';
  return { meant: byToken ?? byClient, wrong };
}

/** Longest clientId, token or secret that is looked at; ours are far shorter. */
export const LONGEST_SECRET = 512;

/** How often one address failed within the running minute. */
export interface FailureCount {
  /** Too many: answered with 429. A right credential is never turned away: others may share its address. */
  readonly tooMany: boolean;
  /** Worth a line in log and audit: not every one of a flood is. */
  readonly worthTelling: boolean;
}

/** Counts refused requests per address and minute, with bounded memory. */
export class Failures {
  readonly #most: number;
  readonly #now: () => number;
  readonly #counts = new Map<string, number>();
  #windowEnds = 0;
  #told = 0;

  /** @param most failures of one address in a minute that still get the plain answer. @param now monotonic ms */
  constructor(most: number, now: () => number) {
    this.#most = most;
    this.#now = now;
  }

  /** One more failure. @param address as `countedAs` names it */
  add(address: string): FailureCount {
    const now = this.#now();
    if (now >= this.#windowEnds) {
      this.#windowEnds = now + 60_000;
      this.#counts.clear();
      this.#told = 0;
    }
    // Beyond so many addresses all newcomers share one count.
    const key = this.#counts.has(address) || this.#counts.size < MOST_ADDRESSES ? address : 'others';
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    const worthTelling = (count === 1 || count === this.#most + 1) && this.#told < MOST_TOLD;
    if (worthTelling) this.#told += 1;
    return { tooMany: count > this.#most, worthTelling };
  }
}

const MOST_ADDRESSES = 10_000;
const MOST_TOLD = 100;
