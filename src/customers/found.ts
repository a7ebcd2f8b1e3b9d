/** What is known of who calls. Plain data, replaced and never changed in place. */

/** A customer's card, as far as a telephone needs it. */
export interface KnownCustomer {
  /** The CRM's id. */
  readonly id: number;
  /** Other cards with the same number, ascending; the choice among them is deterministic (scenario 23). */
  readonly otherIds: readonly number[];
  /** First and last name as one; undefined when the card has neither. */
  readonly name: string | undefined;
  /** CRM user id of the responsible manager. */
  readonly managerId: number | undefined;
  readonly managerName: string | undefined;
  /** The manager's extension code in our telephony module, as the CRM says; not necessarily an extension of the config. */
  readonly managerCode: string | undefined;
  /** Pages of the CRM to open; each may be missing. */
  readonly links: CustomerLinks;
}

/** `links` of `telephony/manager` (`retailcrm-api.md` 4.4). */
export interface CustomerLinks {
  readonly customer?: string | undefined;
  readonly lastOrder?: string | undefined;
  readonly newOrder?: string | undefined;
  readonly newCustomer?: string | undefined;
}

/**
 * The answer to "who is this number?". `customer`: somebody. `nobody`: the CRM was asked and has no card. `unknown`: it
 * could not be asked in time, or nobody asked yet; treat the call as if there were no CRM.
 */
export type Found =
  | {
      readonly who: 'customer';
      readonly customer: KnownCustomer;
      /** When the CRM said so, epoch ms. */
      readonly fetchedAt: number;
      /** False while it is not yet known whether other cards share the number. */
      readonly complete: boolean;
    }
  | { readonly who: 'nobody'; readonly fetchedAt: number; readonly complete: true }
  | { readonly who: 'unknown' };

/** Nothing is known. */
export const unknown: Found = { who: 'unknown' };

/** What a change in the CRM may correct without asking again; absent keys stay, `undefined` clears. */
export interface CustomerChange {
  readonly name?: string | undefined;
  readonly managerId?: number | undefined;
}
