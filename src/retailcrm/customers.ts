import type { Fields } from './read.ts';
import { type Source, readPhones } from './telephony.ts';

/** Place of a page in a list. */
export interface Pagination {
  readonly limit: number;
  readonly totalCount: number;
  readonly currentPage: number;
  readonly totalPageCount: number;
}

/** Paging of list methods: `limit` 20, 50 or 100, `page` from 1. */
export interface Page {
  readonly limit?: 20 | 50 | 100 | undefined;
  readonly page?: number | undefined;
}

/** Which entity a path means. `by` defaults to `externalId` on the wire; here it must be said. */
export interface ById {
  readonly by: 'id' | 'externalId';
  /** Shop code; needed when the key sees several shops. */
  readonly site?: string | undefined;
}

/** Filters of `customers`. There is no filter by phone: `name` matches names and phone digits; compare the numbers found. */
export interface CustomerFilter {
  /** Name, or national digits of a phone without `+`. */
  readonly name?: string | undefined;
  readonly email?: string | undefined;
  readonly ids?: readonly number[] | undefined;
  readonly externalIds?: readonly string[] | undefined;
  readonly sites?: readonly string[] | undefined;
  readonly managers?: readonly number[] | undefined;
  readonly managerGroups?: readonly number[] | undefined;
  /** Registered on or after, `Y-m-d`. */
  readonly dateFrom?: string | undefined;
  /** Registered on or before, `Y-m-d`. */
  readonly dateTo?: string | undefined;
  readonly vip?: boolean | undefined;
  readonly bad?: boolean | undefined;
  readonly isContact?: boolean | undefined;
  readonly customFields?: Readonly<Record<string, string>> | undefined;
  readonly tags?: readonly string[] | undefined;
}

/** A customer's card as we send it. */
export interface CustomerInput {
  readonly externalId?: string | undefined;
  readonly isContact?: boolean | undefined;
  readonly firstName?: string | undefined;
  readonly lastName?: string | undefined;
  readonly patronymic?: string | undefined;
  readonly email?: string | undefined;
  /** Objects, never bare strings. On edit the full list: what happens to unlisted ones is not known. */
  readonly phones?: readonly { readonly number: string; readonly oldNumber?: string }[] | undefined;
  readonly managerId?: number | undefined;
  readonly source?: Source | undefined;
  readonly addTags?: readonly string[] | undefined;
  readonly removeTags?: readonly string[] | undefined;
  readonly customFields?: Readonly<Record<string, unknown>> | undefined;
}

/** A customer's card as the CRM tells it, fields we use. */
export interface Customer {
  readonly id: number;
  readonly externalId: string | undefined;
  readonly isContact: boolean | undefined;
  /** Account time. */
  readonly createdAt: string | undefined;
  readonly firstName: string | undefined;
  readonly lastName: string | undefined;
  readonly patronymic: string | undefined;
  readonly email: string | undefined;
  /** As stored, any format. */
  readonly phones: readonly string[];
  readonly managerId: number | undefined;
  readonly site: string | undefined;
  readonly vip: boolean | undefined;
  readonly bad: boolean | undefined;
  readonly ordersCount: number | undefined;
  readonly totalSumm: number | undefined;
  readonly tags: readonly string[];
  readonly customFields: Readonly<Record<string, unknown>>;
}

/** A company's card. It has no phones: its people are ordinary customers. */
export interface CorporateCustomer {
  readonly id: number;
  readonly externalId: string | undefined;
  readonly nickName: string | undefined;
  readonly managerId: number | undefined;
  readonly site: string | undefined;
}

/** A person attached to a company. */
export interface CorporateContact {
  readonly id: number;
  readonly isMain: boolean | undefined;
  readonly customer: EntityRef | undefined;
}

/** A reference to an entity: stub of history rows and batch answers. */
export interface EntityRef {
  readonly id: number | undefined;
  readonly externalId: string | undefined;
  readonly site: string | undefined;
}

/** A note on a customer. */
export interface CustomerNote {
  readonly id: number;
  readonly text: string | undefined;
  readonly managerId: number | undefined;
  readonly createdAt: string | undefined;
  readonly customer: EntityRef | undefined;
}

export const readPagination = (answer: Fields): Pagination | undefined =>
  answer.child('pagination', (page) => ({
    limit: page.number('limit') ?? 20,
    totalCount: page.number('totalCount') ?? 0,
    currentPage: page.number('currentPage') ?? 1,
    totalPageCount: page.number('totalPageCount') ?? 1,
  }));

export const readId = (answer: Fields): number => answer.need('id', answer.number('id'));

export const readRef = (fields: Fields): EntityRef => ({
  id: fields.number('id'),
  externalId: fields.text('externalId'),
  site: fields.text('site'),
});

export const readCustomer = (fields: Fields): Customer => ({
  id: readId(fields),
  externalId: fields.text('externalId'),
  isContact: fields.flag('isContact'),
  createdAt: fields.text('createdAt'),
  firstName: fields.text('firstName'),
  lastName: fields.text('lastName'),
  patronymic: fields.text('patronymic'),
  email: fields.text('email'),
  phones: readPhones(fields),
  managerId: fields.number('managerId'),
  site: fields.text('site'),
  vip: fields.flag('vip'),
  bad: fields.flag('bad'),
  ordersCount: fields.number('ordersCount'),
  totalSumm: fields.number('totalSumm'),
  tags: fields.list('tags', (tag) => tag.text('name') ?? ''),
  customFields: fields.any('customFields'),
});

export const readCorporate = (fields: Fields): CorporateCustomer => ({
  id: readId(fields),
  externalId: fields.text('externalId'),
  nickName: fields.text('nickName'),
  managerId: fields.number('managerId'),
  site: fields.text('site'),
});

export const readContact = (fields: Fields): CorporateContact => ({
  id: readId(fields),
  isMain: fields.flag('isMain'),
  customer: fields.child('customer', readRef),
});

export const readNote = (fields: Fields): CustomerNote => ({
  id: readId(fields),
  text: fields.text('text'),
  managerId: fields.number('managerId'),
  createdAt: fields.text('createdAt'),
  customer: fields.child('customer', readRef),
});

/** Filter of a change history. Walk by `sinceId`; there is no paging. */
export interface HistoryFilter {
  /** Rows with a greater id. */
  readonly sinceId?: number | undefined;
  /** `Y-m-d H:i:s`, account time; for the first run, without a stored id. */
  readonly startDate?: string | undefined;
  readonly endDate?: string | undefined;
  readonly customerId?: number | undefined;
  readonly orderId?: number | undefined;
}

/** One change of one field. */
export interface HistoryRow {
  readonly id: number;
  /** Account time. */
  readonly createdAt: string | undefined;
  /** The entity was made by this change: `entity` is whole. */
  readonly created: boolean;
  readonly deleted: boolean;
  /** `api`, `user`, `code`, `rule`, …: others come. */
  readonly source: string | undefined;
  /** Made with the key we ask with: our own change, to be skipped. */
  readonly own: boolean;
  readonly userId: number | undefined;
  /** Snake case, dotted: `phones`, `first_name`, `address.city`; unknown ones come. */
  readonly field: string | undefined;
  readonly oldValue: unknown;
  readonly newValue: unknown;
  readonly combinedTo: number | undefined;
  /** The customer, order or company: whole when `created`, else a stub. */
  readonly entity: Readonly<Record<string, unknown>>;
  readonly ref: EntityRef;
}

/** One walk step of a history. */
export interface HistoryReply {
  readonly generatedAt: string | undefined;
  /** Ascending by id; shorter than the limit at the end. */
  readonly history: readonly HistoryRow[];
  readonly pagination: Pagination | undefined;
}

/** Reads a history whose rows hold their entity under `entity`. */
export const readHistory =
  (entity: 'customer' | 'order' | 'customerCorporate') =>
  (answer: Fields): HistoryReply => ({
    generatedAt: answer.text('generatedAt'),
    pagination: readPagination(answer),
    history: answer.list('history', (row) => ({
      id: readId(row),
      createdAt: row.text('createdAt'),
      created: row.flag('created') ?? false,
      deleted: row.flag('deleted') ?? false,
      source: row.text('source'),
      own: row.child('apiKey', (key) => key.flag('current')) ?? false,
      userId: row.child('user', (user) => user.number('id')),
      field: row.text('field'),
      oldValue: row.raw('oldValue') ?? null,
      newValue: row.raw('newValue') ?? null,
      combinedTo: row.child('combinedTo', (to) => to.number('id')),
      entity: row.any(entity),
      ref: row.child(entity, readRef) ?? { id: undefined, externalId: undefined, site: undefined },
    })),
  });
