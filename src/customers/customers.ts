import type { CustomerChange, Found } from './found.ts';
import { unknown } from './found.ts';

/**
 * Who is calling, for one enterprise. Numbers are E.164 with `+`: normalise before you ask. Nothing here ever throws or
 * rejects because of the CRM or the database: what cannot be known is `unknown`, quickly.
 */
export class Customers {
  /** What memory holds of this number, stale or not; no waiting at all. undefined: nothing. */
  cached(phone: string): Found | undefined {
    void phone;
    return undefined;
  }

  /**
   * Memory, then the table, then the CRM. What is stale is answered at once and asked again behind the scenes.
   * @param withinMs answer `unknown` after this time; the question itself goes on and fills the cache. Default: as long
   * as one look-up may take
   */
  lookup(phone: string, withinMs?: number): Promise<Found> {
    void [phone, withinMs];
    return Promise.resolve(unknown);
  }

  /** A call of this number began: somebody will want to know soon. Returns at once. */
  expect(phone: string): void {
    void phone;
  }

  /** The extension of the customer's responsible manager, from memory only; undefined when not known. */
  responsible(phone: string): string | undefined {
    void phone;
    return undefined;
  }

  /** The card changed in a way only the CRM can tell: its numbers are asked again when they call next. */
  forget(customerId: number): Promise<void> {
    void customerId;
    return Promise.resolve();
  }

  /** A number was put on a card or taken off: asked again when it calls next. */
  forgetPhone(phone: string): Promise<void> {
    void phone;
    return Promise.resolve();
  }

  /** The card's name or manager changed. */
  update(customerId: number, change: CustomerChange): Promise<void> {
    void [customerId, change];
    return Promise.resolve();
  }

  /** Card `from` was merged into card `into`. */
  merged(from: number, into: number): Promise<void> {
    void [from, into];
    return Promise.resolve();
  }

  /** The card that stands for this id now: follows one merge (`combinedTo`). */
  current(customerId: number): Promise<number> {
    return Promise.resolve(customerId);
  }
}
