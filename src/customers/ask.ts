import type { RetailCrmClient } from '../retailcrm/client.ts';
import type { Customer } from '../retailcrm/customers.ts';
import { CrmError, type CrmErrorKind } from '../retailcrm/errors.ts';
import type { ManagerReply } from '../retailcrm/telephony.ts';
import type { KnownCustomer } from './found.ts';
import type { Candidate, Numbering } from './phones.ts';
import { cardMatch, choose } from './phones.ts';

/** One lane of the account's rate budget: `take` resolves when a request may start. A pacer of `delivery` is one. */
export interface Pace {
  take(options?: { urgent?: boolean; signal?: AbortSignal }): Promise<void>;
  /** The CRM said "too many". */
  slowDown(retryAfterMs?: number): void;
}

/** The two budgets of an account. */
export interface Paces {
  readonly telephony: Pace;
  readonly general: Pace;
}

/** What a question to the CRM needs. */
export interface AskOptions {
  readonly client: RetailCrmClient;
  readonly paces: Paces;
  readonly numbering: Numbering;
  /** Ends questions that wait for their turn. */
  readonly signal?: AbortSignal | undefined;
  /** How often each question is asked when no answer comes. Default 1: a call does not wait. */
  readonly tries?: number | undefined;
  /** Whether the account takes requests at all; looked at before the list is asked. Default yes. */
  readonly open?: (() => boolean) | undefined;
  /** What is known of this account by now; `ask` adds to it. Default: nothing. */
  readonly habits?: Habits | undefined;
}

/** What an account has shown of itself. */
export interface Habits {
  /** It found somebody by a number with `+`: where that finds nobody, the bare digits find nobody either. */
  readsPlus: boolean;
}

/** The CRM's answer. `complete`: all cards with the number are known. `customer` undefined: it knows nobody. */
export interface Answer {
  readonly customer: KnownCustomer | undefined;
  readonly complete: boolean;
}

/** Deadline of one question about a number, ms: who calls is of interest now or not at all. */
const managerDeadlineMs = 5_000;
/** Answers to the first question after which the second one is worth asking. */
const closedDoors: readonly CrmErrorKind[] = ['TELEPHONY_OFF', 'VALIDATION', 'NOTFOUND', 'AUTH'];
const closedAccount = {
  kind: 'ACCOUNT',
  status: null,
  errorMsg: 'the account takes no requests',
  sent: false,
  latencyMs: 0,
} as const;
/** Pause before a question is asked again, ms. */
const insistMs = 100;
/** Cards of one number whose orders are compared. */
const mostCandidates = 5;

/**
 * Asks the CRM who this number is: `telephony/manager` first (requests of the telephony lane, behind popups), with `+`, and
 * on a miss with digits only unless the account has shown that it reads the `+`; then `customers` by name, whose answer is
 * compared here (`retailcrm-api.md` 4.4, 6). The list is asked in any case: it alone tells that several cards share the number.
 * @param phone E.164
 * @param early told at once when the first question found somebody
 * @throws CrmError when the CRM could not say whether it knows the number
 */
export async function ask(
  phone: string,
  options: AskOptions,
  early?: (customer: KnownCustomer) => void,
): Promise<Answer> {
  const { habits = { readsPlus: false } } = options;
  const digits = phone.replace(/\D/g, '');
  const plain = await askManager(phone, options);
  if (plain?.customer !== undefined) habits.readsPlus = true;
  const trusted = plain === undefined || habits.readsPlus;
  let reply = trusted ? plain : ((await askManager(digits, options)) ?? plain);
  let first = reply?.customer && asKnown(reply.customer, reply, []);
  if (first !== undefined) early?.(first);
  let cards: readonly Customer[];
  try {
    cards = await searchCards(phone, options);
  } catch (error) {
    if (first === undefined || !(error instanceof CrmError)) throw error;
    return { customer: first, complete: false };
  }
  const found = cards.flatMap((card) => {
    const match = cardMatch(card.phones, phone, options.numbering);
    return match === undefined ? [] : [{ card, id: card.id, match, lastOrder: undefined }];
  });
  if (found.length > 0 && first === undefined && plain !== undefined && trusted) {
    // It did not read this one: its manager and pages are worth the question left out above.
    reply = (await askManager(digits, options).catch(noAnswer)) ?? plain;
    first = reply.customer && asKnown(reply.customer, reply, []);
  }
  const others = found.filter(({ id }) => id !== first?.id);
  if (first !== undefined && others.length === 0) return { customer: first, complete: true };
  const { chosen, complete } = await chooseCard(
    // The CRM found it by its own comparison: a card that says so is as good as an exact one.
    first === undefined || found.some(({ id }) => id === first.id)
      ? found
      : [...found, { card: undefined, id: first.id, match: 'exact' as const, lastOrder: undefined }],
    options,
  );
  if (chosen === undefined) return { customer: undefined, complete: true };
  const otherIds = [...new Set([...found.map(({ id }) => id), ...(first ? [first.id] : [])])]
    .filter((id) => id !== chosen.id)
    .sort((a, b) => a - b);
  if (chosen.card === undefined) return { customer: first && { ...first, otherIds }, complete };
  return { customer: asKnown(chosen.card, reply, otherIds), complete };
}

/** `telephony/manager` by one spelling. undefined: this way is closed (telephony off, a right that is missing). */
async function askManager(spelling: string, options: AskOptions): Promise<ManagerReply | undefined> {
  const { client, paces, signal, tries = 1 } = options;
  try {
    return await insist(tries, async () => {
      await paces.telephony.take({ urgent: false, ...(signal ? { signal } : {}) });
      return client.manager({ phone: spelling, details: true, ignoreStatus: true }, { deadlineMs: managerDeadlineMs });
    });
  } catch (error) {
    if (!(error instanceof CrmError)) throw error;
    if (error.kind === 'RATE') paces.telephony.slowDown(error.retryAfterMs);
    // A module that is off, a right that is missing, a number this method does not take: the list may still know.
    if (closedDoors.includes(error.kind)) return undefined;
    throw error;
  }
}

function noAnswer(error: unknown): undefined {
  if (!(error instanceof CrmError)) throw error;
}

/** Cards whose name or numbers contain the national digits. */
async function searchCards(phone: string, options: AskOptions): Promise<readonly Customer[]> {
  const { items } = await general(options, ({ client }) =>
    client.customers({ name: options.numbering.national(phone) }, { limit: 20 }),
  );
  return items;
}

async function chooseCard<T extends Candidate & { card: Customer | undefined }>(
  candidates: readonly T[],
  options: AskOptions,
): Promise<{ chosen: T | undefined; complete: boolean }> {
  const exact = candidates.filter(({ match }) => match === 'exact');
  const best = exact.length > 0 ? exact : candidates;
  if (best.length < 2) return { chosen: best[0], complete: true };
  try {
    const dated: T[] = [];
    for (const one of best.toSorted((a, b) => a.id - b.id).slice(0, mostCandidates)) {
      dated.push({ ...one, lastOrder: one.card?.ordersCount === 0 ? undefined : await lastOrder(one.id, options) });
    }
    return { chosen: choose(dated), complete: true };
  } catch (error) {
    if (!(error instanceof CrmError)) throw error;
    return { chosen: choose(best), complete: false };
  }
}

async function lastOrder(customerId: number, options: AskOptions): Promise<string | undefined> {
  const { items } = await general(options, ({ client }) => client.orders({ customerId }, { limit: 20 }));
  return items
    .flatMap(({ createdAt }) => createdAt ?? [])
    .sort()
    .at(-1);
}

/** One request of the general lane, behind whoever is urgent. */
async function general<T>(options: AskOptions, request: (options: AskOptions) => Promise<T>): Promise<T> {
  const { paces, signal, tries = 1, open } = options;
  // Found out by others, or by the question before this one.
  if (open?.() === false) throw new CrmError(closedAccount);
  try {
    return await insist(tries, async () => {
      await paces.general.take({ urgent: false, ...(signal ? { signal } : {}) });
      return request(options);
    });
  } catch (error) {
    if (error instanceof CrmError && error.kind === 'RATE') paces.general.slowDown(error.retryAfterMs);
    throw error;
  }
}

/**
 * Asks again when no usable answer came. An errand of several requests must get on with a CRM that loses a part of them:
 * were each loss a new beginning, it might never end. For questions only: nothing that changes something is repeated here.
 */
export async function insist<T>(tries: number, request: () => Promise<T>): Promise<T> {
  for (let left = tries - 1; ; left--) {
    try {
      return await request();
    } catch (error) {
      const noAnswer = error instanceof CrmError && (error.kind === 'NETWORK' || error.kind === 'RETRY');
      if (left <= 0 || !noAnswer) throw error;
      await new Promise((resolve) => setTimeout(resolve, insistMs));
    }
  }
}

/** A card with the manager the CRM named, if she is this card's. */
function asKnown(
  card: Pick<Customer, 'id' | 'firstName' | 'lastName'> & { managerId?: number | undefined },
  reply: ManagerReply | undefined,
  otherIds: readonly number[],
): KnownCustomer {
  const isTheirs = reply?.customer?.id === card.id;
  const named = isTheirs || (card.managerId !== undefined && card.managerId === reply?.manager?.id);
  const manager = named ? reply.manager : undefined;
  const links = reply?.links;
  return {
    id: card.id,
    otherIds,
    name: fullName(card.firstName, card.lastName),
    managerId: manager?.id ?? card.managerId,
    managerName: fullName(manager?.firstName, manager?.lastName),
    managerCode: manager?.code,
    links: {
      newOrder: links?.newOrderLink,
      newCustomer: links?.newCustomerLink,
      ...(isTheirs ? { customer: links?.customerLink, lastOrder: links?.lastOrderLink } : {}),
    },
  };
}

/** First and last name as one. */
export function fullName(first: string | undefined, last: string | undefined): string | undefined {
  const name = [first, last].filter((part) => part !== undefined && part.trim() !== '').join(' ');
  return name === '' ? undefined : name;
}
