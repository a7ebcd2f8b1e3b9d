import type { RetailCrmClient } from '../retailcrm/client.ts';
import type { Source } from '../retailcrm/telephony.ts';
import { CrmError } from '../retailcrm/errors.ts';
import { toAccountTime } from '../retailcrm/time.ts';
import type { ErrandEnd, ErrandJob, Errands } from '../store/errands.ts';
import { cardKey } from '../store/errands.ts';
import type { Paces } from './ask.ts';
import { insist } from './ask.ts';
import type { Customers } from './customers.ts';
import { errandTries } from './customers.ts';
import type { KnownCustomer } from './found.ts';
import { Errand, fill } from './payload.ts';

/** What running errands needs. */
export interface ErrandOptions {
  readonly client: RetailCrmClient;
  /** Each request takes its own permit of the general budget. */
  readonly paces: Paces;
  readonly customers: Customers;
  /** The account's zone; undefined while nobody knows it. */
  readonly zone: () => string | undefined;
  /** CRM user of an extension. */
  readonly userOf: (extension: string) => number | undefined;
  /** Ends what waits for its turn. */
  readonly signal: AbortSignal;
}

/** An errand that needs another one to be over looks again after this time. */
const behindMs = 500;
/** An errand that needs the account's zone looks again after this time. */
const zoneMs = 15_000;
/** The CRM's clock may be behind ours by so much. */
const clockMs = 300_000;

const done = (reply: string): ErrandEnd => ({ end: 'done', reply });
const later = (inMs: number, reason: string): ErrandEnd => ({ end: 'later', inMs, reason });
const dead = (reason: string): ErrandEnd => ({ end: 'dead', reason });

/** The errands calls plan (`delivery/followUps.ts`), by the name in their payload. */
export function customerErrands(options: ErrandOptions): Errands {
  const of =
    (run: (errand: Errand, job: ErrandJob, options: ErrandOptions) => Promise<ErrandEnd>) =>
    (job: ErrandJob): Promise<ErrandEnd> => {
      const errand = new Errand(job.payload);
      return errand.phone === undefined
        ? Promise.resolve(dead('its payload names no phone'))
        : run(errand, job, options);
    };
  return { customer: of(makeCard), order: of(makeOrder), task: of(makeTask), note: of(makeNote) };
}

/**
 * One card per number (P8). Whatever happened before, the CRM is asked again whether it has one; the card's externalId is a
 * function of the number, so a lost reply cannot make a second one either.
 */
async function makeCard(errand: Errand, _job: ErrandJob, options: ErrandOptions): Promise<ErrandEnd> {
  const { client, customers, userOf } = options;
  const phone = errand.phone ?? '';
  const site = errand.text('site');
  const externalId = errand.text('externalId');
  const before = await customers.fresh(phone);
  if (before.customer !== undefined) return done(`card ${before.customer.id} was there already`);
  const quoted = { phone, did: errand.text('did') ?? '', name: errand.text('lineName') ?? '' };
  const name = fill(errand.text('name') ?? '', quoted);
  const managerId = errand.manager(userOf);
  const source: Source | undefined = errand.source();
  const firstName = name === '' ? phone : name;
  const create = (manager: number | undefined): Promise<number> =>
    general(options, () =>
      client.createCustomer({ externalId, firstName, phones: [{ number: phone }], managerId: manager, source }, site),
    );
  const made = async (id: number, manager: number | undefined, how: string): Promise<ErrandEnd> => {
    await customers.learn(phone, fresh(id, firstName, manager));
    return done(`card ${id} ${how}`);
  };
  try {
    return await made(await create(managerId), managerId, 'made');
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const there = externalId === undefined ? undefined : await cardOf(externalId, site, options);
    if (there !== undefined) return made(there, managerId, 'was made before');
    if (managerId === undefined) throw error;
    // Perhaps the user has left the account: a card without a manager is better than none.
    return made(await create(undefined), undefined, `made without its manager: the CRM refused user ${managerId}`);
  }
}

/** Any order of this externalId is the one. */
async function makeOrder(errand: Errand, job: ErrandJob, options: ErrandOptions): Promise<ErrandEnd> {
  const phone = errand.phone ?? '';
  const externalId = errand.text('externalId');
  if (externalId === undefined) return dead('its payload has no externalId');
  const quoted = quotes(errand, options);
  if (quoted === undefined) return later(zoneMs, "the account's time zone is not known yet");
  if (await job.isPending(cardKey(phone))) return later(behindMs, 'waits for the customer card');
  const { client } = options;
  const site = errand.text('site');
  const customer = await knownOf(phone, options);
  const create = (customerId: number | undefined): Promise<number> =>
    general(options, async () => {
      const order = {
        externalId,
        orderMethod: errand.text('method'),
        status: errand.text('status'),
        phone,
        managerComment: fill(errand.text('comment') ?? '', quoted),
        managerId: customer?.managerId,
        ...(customerId === undefined ? {} : { customer: { id: customerId } }),
      };
      return (await client.createOrder(order, site)).id;
    });
  try {
    return done(`order ${await withCard(customer?.id, create, options)} made`);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const there = await orNone(read(options, () => client.order(externalId, { by: 'externalId', site })));
    if (there === undefined) throw error;
    return done(`order ${there.id} was made before`);
  }
}

/** A task has no id of ours and cannot be found again: if its fate is not known, a person decides. */
async function makeTask(errand: Errand, job: ErrandJob, options: ErrandOptions): Promise<ErrandEnd> {
  const { client, zone, userOf } = options;
  const phone = errand.phone ?? '';
  const deadline = errand.number('deadline');
  const quoted = quotes(errand, options);
  const in_ = zone();
  if (quoted === undefined || in_ === undefined) return later(zoneMs, "the account's time zone is not known yet");
  if (await job.isPending(cardKey(phone))) return later(behindMs, 'waits for the customer card');
  const customer = await knownOf(phone, options);
  const wanted = errand.text('performer');
  const extension = wanted === 'responsible' ? errand.text('otherwise') : wanted;
  const performerId =
    (wanted === 'responsible' ? customer?.managerId : undefined) ??
    (extension === undefined ? undefined : userOf(extension));
  if (performerId === undefined) return dead(`nobody to do it: no CRM user is known for ${extension ?? 'the call'}`);
  if (!(await job.begin())) return dead('it may have been made already: look into the CRM before you retry it');
  const create = (customerId: number | undefined): Promise<number> =>
    general(options, () =>
      client.createTask(
        {
          text: fill(errand.text('text') ?? '', quoted),
          performerId,
          ...(deadline === undefined ? {} : { datetime: toAccountTime(deadline, in_).slice(0, 16) }),
          phone,
          ...(customerId === undefined ? {} : { customer: { id: customerId } }),
        },
        errand.text('site'),
      ),
    );
  try {
    return done(`task ${await withCard(customer?.id, create, options)} made`);
  } catch (error) {
    if (didNothing(error)) await job.undo();
    throw error;
  }
}

/** Without a card there is nothing to note it on. Notes can be listed: one that left before is looked for. */
async function makeNote(errand: Errand, job: ErrandJob, options: ErrandOptions): Promise<ErrandEnd> {
  const { client, zone } = options;
  const phone = errand.phone ?? '';
  const quoted = quotes(errand, options);
  const in_ = zone();
  if (quoted === undefined || in_ === undefined) return later(zoneMs, "the account's time zone is not known yet");
  if (await job.isPending(cardKey(phone))) return later(behindMs, 'waits for the customer card');
  const customer = await knownOf(phone, options);
  if (customer === undefined) return done('the number has no card to note it on');
  const text = fill(errand.text('text') ?? '', quoted);
  if (!(await job.begin())) {
    const since = toAccountTime((errand.number('at') ?? 0) - clockMs, in_);
    const { items } = await general(options, () =>
      client.customerNotes({ customerIds: [customer.id] }, { limit: 100 }),
    );
    const there = items.find((note) => note.text === text && (note.createdAt ?? '') >= since);
    if (there !== undefined) return done(`note ${there.id} was made before`);
  }
  const create = (customerId: number | undefined): Promise<number> =>
    general(options, () =>
      client.createCustomerNote({ text, customer: { id: customerId ?? customer.id } }, errand.text('site')),
    );
  try {
    return done(`note ${await withCard(customer.id, create, options)} made`);
  } catch (error) {
    if (didNothing(error)) await job.undo();
    throw error;
  }
}

/** Whose number it is: from the cache whoever she is, else asked. */
async function knownOf(phone: string, { customers }: ErrandOptions): Promise<KnownCustomer | undefined> {
  const found = customers.cached(phone);
  return found?.who === 'customer' ? found.customer : (await customers.fresh(phone)).customer;
}

/** Does it for a card, and if that was merged into another one meanwhile, once more for that one. */
async function withCard<T>(
  id: number | undefined,
  work: (id: number | undefined) => Promise<T>,
  { customers }: ErrandOptions,
): Promise<T> {
  try {
    return await work(id);
  } catch (error) {
    if (id === undefined || !isRefusal(error)) throw error;
    const now = await orNone(customers.current(id));
    if (now === undefined || now === id) throw error;
    return work(now);
  }
}

/** Id of the card with this externalId, or of the one it was merged into; undefined = there is none. */
async function cardOf(
  externalId: string,
  site: string | undefined,
  options: ErrandOptions,
): Promise<number | undefined> {
  try {
    return (await read(options, () => options.client.customer(externalId, { by: 'externalId', site }))).id;
  } catch (error) {
    if (error instanceof CrmError && error.kind === 'NOTFOUND') return error.combinedTo;
    throw error;
  }
}

/** A question: asked again at once when no answer comes. */
function read<T>(options: ErrandOptions, request: () => Promise<T>): Promise<T> {
  return insist(errandTries, () => general(options, request));
}

async function general<T>({ paces, signal }: ErrandOptions, request: () => Promise<T>): Promise<T> {
  await paces.general.take({ signal });
  return request();
}

/** undefined when the CRM knows no such thing. */
async function orNone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof CrmError && error.kind === 'NOTFOUND') return undefined;
    throw error;
  }
}

/** The CRM refused the content: it may be there already, or point to something that moved. */
function isRefusal(error: unknown): error is CrmError {
  return error instanceof CrmError && ['VALIDATION', 'PARTIAL', 'NOTFOUND', 'BUG'].includes(error.kind);
}

/** The request certainly had no effect. */
function didNothing(error: unknown): boolean {
  return error instanceof CrmError && (!error.sent || (error.kind !== 'RETRY' && error.kind !== 'NETWORK'));
}

function fresh(id: number, name: string, managerId: number | undefined): KnownCustomer {
  return { id, otherIds: [], name, managerId, managerName: undefined, managerCode: undefined, links: {} };
}

/** What the texts may quote; undefined while the account's zone is not known. */
function quotes(errand: Errand, { zone }: ErrandOptions): Record<string, string> | undefined {
  const in_ = zone();
  const at = errand.number('at');
  if (in_ === undefined || at === undefined) return undefined;
  return { phone: errand.phone ?? '', did: errand.text('did') ?? '', time: toAccountTime(at, in_).slice(0, 16) };
}
