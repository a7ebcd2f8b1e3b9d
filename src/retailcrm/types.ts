/** Everything the API takes and gives, by area: one import for the other rooms. */
export type * from './account.ts';
export type * from './customers.ts';
export type * from './orders.ts';
export type * from './telephony.ts';
