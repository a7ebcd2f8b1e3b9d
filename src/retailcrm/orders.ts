import { type EntityRef, readId, readRef } from './customers.ts';
import type { Fields } from './read.ts';
import type { Source } from './telephony.ts';

/** Filters of `orders`. There is no `status` and no `number` filter: they are `extendedStatus` and `numbers`. */
export interface OrderFilter {
  readonly customerId?: number | undefined;
  readonly customerExternalId?: string | undefined;
  /** Name or phone. */
  readonly customer?: string | undefined;
  readonly ids?: readonly number[] | undefined;
  /** At most 100. */
  readonly numbers?: readonly string[] | undefined;
  readonly externalIds?: readonly string[] | undefined;
  readonly extendedStatus?: readonly string[] | undefined;
  readonly managers?: readonly number[] | undefined;
  readonly sites?: readonly string[] | undefined;
  /** `Y-m-d`. */
  readonly createdAtFrom?: string | undefined;
  /** `Y-m-d`. */
  readonly createdAtTo?: string | undefined;
  readonly customFields?: Readonly<Record<string, string>> | undefined;
}

/** An order as we send it. */
export interface OrderInput {
  readonly externalId?: string | undefined;
  /** Code of `orderMethods()`, such as `phone` or `missed-call`. */
  readonly orderMethod?: string | undefined;
  readonly orderType?: string | undefined;
  readonly status?: string | undefined;
  /** `type` only for a company. */
  readonly customer?: { readonly id: number; readonly type?: 'customer_corporate' } | undefined;
  readonly contact?: { readonly id: number } | undefined;
  readonly firstName?: string | undefined;
  readonly lastName?: string | undefined;
  readonly phone?: string | undefined;
  readonly managerId?: number | undefined;
  readonly managerComment?: string | undefined;
  readonly customerComment?: string | undefined;
  readonly source?: Source | undefined;
  readonly items?: readonly Readonly<Record<string, unknown>>[] | undefined;
  readonly customFields?: Readonly<Record<string, unknown>> | undefined;
}

/** An order as the CRM tells it, fields we use. */
export interface Order {
  readonly id: number;
  /** A text such as `7146A`. */
  readonly number: string | undefined;
  readonly externalId: string | undefined;
  readonly status: string | undefined;
  readonly orderMethod: string | undefined;
  readonly orderType: string | undefined;
  /** Account time. */
  readonly createdAt: string | undefined;
  readonly statusUpdatedAt: string | undefined;
  readonly totalSumm: number | undefined;
  readonly firstName: string | undefined;
  readonly lastName: string | undefined;
  /** As stored, any format. */
  readonly phone: string | undefined;
  readonly managerId: number | undefined;
  readonly managerComment: string | undefined;
  readonly site: string | undefined;
  readonly customer: (EntityRef & { readonly type: string | undefined }) | undefined;
  readonly contact: EntityRef | undefined;
  readonly payments: readonly { readonly id: number | undefined; readonly status: string | undefined }[];
  readonly customFields: Readonly<Record<string, unknown>>;
}

/** Answer to create and edit. */
export interface OrderReply {
  readonly id: number;
  readonly order: Order | undefined;
}

/** Status of an order (`orders/statuses`). */
export interface OrderStatus {
  readonly id: number;
  readonly externalId: string | undefined;
  readonly status: string | undefined;
  readonly group: string | undefined;
}

export const readOrder = (fields: Fields): Order => ({
  id: readId(fields),
  number: fields.text('number'),
  externalId: fields.text('externalId'),
  status: fields.text('status'),
  orderMethod: fields.text('orderMethod'),
  orderType: fields.text('orderType'),
  createdAt: fields.text('createdAt'),
  statusUpdatedAt: fields.text('statusUpdatedAt'),
  totalSumm: fields.number('totalSumm'),
  firstName: fields.text('firstName'),
  lastName: fields.text('lastName'),
  phone: fields.text('phone'),
  managerId: fields.number('managerId'),
  managerComment: fields.text('managerComment'),
  site: fields.text('site'),
  customer: fields.child('customer', (customer) => ({ ...readRef(customer), type: customer.text('type') })),
  contact: fields.child('contact', readRef),
  payments: fields.list('payments', (payment) => ({ id: payment.number('id'), status: payment.text('status') })),
  customFields: fields.any('customFields'),
});

export const readOrderReply = (answer: Fields): OrderReply => ({
  id: readId(answer),
  order: answer.child('order', readOrder),
});

export const readOrderStatus = (fields: Fields): OrderStatus => ({
  id: readId(fields),
  externalId: fields.text('externalId'),
  status: fields.text('status'),
  group: fields.text('group'),
});
