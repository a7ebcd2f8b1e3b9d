import type { Fields } from './read.ts';

/** `event` of `telephony/call/event` (4.1): asks the CRM to raise or close a pop-up. */
export interface CallEvent {
  /** The outside party's number in both directions, E.164 with `+`. */
  readonly phone: string;
  readonly type: 'in' | 'out' | 'hangup';
  /** Extensions of the users to notify; this or `userIds` must not be empty. */
  readonly codes?: readonly string[] | undefined;
  /** CRM user ids to notify. */
  readonly userIds?: readonly number[] | undefined;
  /** Always with `hangup`, never otherwise. Mind `no answered`: uploads spell it differently. */
  readonly hangupStatus?: 'answered' | 'no answered' | 'busy' | 'cancel' | 'failed' | undefined;
  /** Our own number (DID). */
  readonly externalPhone?: string | undefined;
  /** The same value as `externalId` of the later upload. */
  readonly callExternalId?: string | undefined;
  /** Shop code. */
  readonly site?: string | undefined;
  readonly webAnalyticsData?:
    | { readonly campaign?: { readonly name: string; readonly code: string }; readonly queryString?: string }
    | undefined;
}

/** Answer to a call event. Unknown addressees are not an error. */
export interface CallEventReply {
  readonly notExistCodes: readonly string[];
  readonly notExistUsers: readonly number[];
}

/** One element of `calls` of `telephony/calls/upload` (4.2). */
export interface CallUpload {
  /** Start of the call, `Y-m-d H:i:s` in the account's zone (`toAccountTime`). */
  readonly date: string;
  readonly type: 'in' | 'out';
  /** The outside party's number. */
  readonly phone: string;
  /** Extension of the user who handled it. */
  readonly code?: string | undefined;
  /** Alternative to `code`. */
  readonly userId?: number | undefined;
  /** Mind `no answer`: events spell it differently. */
  readonly result: 'answered' | 'no answer' | 'busy' | 'failed' | 'not allowed' | 'unknown';
  /** Talk time, whole seconds. */
  readonly duration?: number | undefined;
  /** Time until answered or given up, whole seconds. */
  readonly durationWaiting?: number | undefined;
  /** Unique id of the call: the CRM keeps the first upload of an id and ignores later ones. */
  readonly externalId: string;
  readonly recordUrl?: string | undefined;
  /** Our own number (DID). */
  readonly externalPhone?: string | undefined;
  /** Shop code. */
  readonly site?: string | undefined;
  readonly source?: Source | undefined;
}

/** Where a customer or call came from. */
export interface Source {
  readonly source?: string | undefined;
  readonly medium?: string | undefined;
  readonly campaign?: string | undefined;
  readonly keyword?: string | undefined;
  readonly content?: string | undefined;
}

/** Answer to an upload. Whether duplicates count in `processedCallsCount` is not known: do not compare it with the batch size. */
export interface UploadReply {
  readonly processedCallsCount: number | undefined;
  /** External ids the CRM had already; their first record is unchanged. */
  readonly duplicateCalls: readonly string[];
}

/** Answer of `telephony/manager` (4.4); every part may be missing. */
export interface ManagerReply {
  readonly manager: ManagerOfCall | undefined;
  readonly customer: CustomerOfCall | undefined;
  readonly links: {
    readonly newOrderLink: string | undefined;
    readonly lastOrderLink: string | undefined;
    readonly newCustomerLink: string | undefined;
    readonly customerLink: string | undefined;
  };
}

/** The responsible manager; `code` is the extension to route to. */
export interface ManagerOfCall {
  readonly id: number;
  readonly firstName: string | undefined;
  readonly lastName: string | undefined;
  readonly email: string | undefined;
  readonly code: string | undefined;
}

/** The customer found by number. */
export interface CustomerOfCall {
  readonly id: number;
  readonly externalId: string | undefined;
  readonly firstName: string | undefined;
  readonly lastName: string | undefined;
  readonly patronymic: string | undefined;
  readonly email: string | undefined;
  /** As stored on the card, any format. */
  readonly phones: readonly string[];
}

export const readCallEventReply = (answer: Fields): CallEventReply => ({
  notExistCodes: answer.texts('notExistCodes'),
  notExistUsers: answer.numbers('notExistUsers'),
});

export const readUploadReply = (answer: Fields): UploadReply => ({
  processedCallsCount: answer.number('processedCallsCount'),
  duplicateCalls: answer.texts('duplicateCalls'),
});

export function readManagerReply(answer: Fields): ManagerReply {
  const link = (name: string): string | undefined => answer.child('links', (links) => links.text(name));
  return {
    manager: answer.child('manager', (manager) => ({
      id: manager.need('id', manager.number('id')),
      firstName: manager.text('firstName'),
      lastName: manager.text('lastName'),
      email: manager.text('email'),
      code: manager.text('code'),
    })),
    customer: answer.child('customer', (customer) => ({
      id: customer.need('id', customer.number('id')),
      externalId: customer.text('externalId'),
      firstName: customer.text('firstName'),
      lastName: customer.text('lastName'),
      patronymic: customer.text('patronymic'),
      email: customer.text('email'),
      phones: readPhones(customer),
    })),
    links: {
      newOrderLink: link('newOrderLink'),
      lastOrderLink: link('lastOrderLink'),
      newCustomerLink: link('newCustomerLink'),
      customerLink: link('customerLink'),
    },
  };
}

/** `phones` of a card: objects with `number`. */
export const readPhones = (fields: Fields): string[] =>
  fields.list('phones', (phone) => phone.text('number') ?? '').filter((number) => number !== '');
