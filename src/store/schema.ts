/** The tables of `db/migrations`, as kysely sees them. `bigint` is a string here: it may exceed 2^53. */
import type { ColumnType, Generated, GeneratedAlways } from 'kysely';
import type { CredentialsTable } from './credentials.ts';
import type { ActionTables } from './actionsSchema.ts';
import type { SyncTables } from './syncSchema.ts';

/**
 * What an outbox row is: a popup request (`event`), a history record (`upload`), or what one receiver of webhooks is told
 * (`webhook`; its account is the receiver), or something else the CRM shall do because of a call (`errand`: a customer, an
 * order, a task, a note). Text in SQL, later kinds come.
 */
export type OutboxKind = 'event' | 'upload' | 'webhook' | 'errand';

/** All kinds. */
export const OUTBOX_KINDS: readonly OutboxKind[] = ['event', 'upload', 'webhook', 'errand'];

/**
 * Where an outbox row stands. `waiting`: an upload waits for its recording. `pending`: to be sent; a claimed row stays
 * pending, its lease ends in the future. `done`: the CRM has it. `dead`: the CRM refused it, a person decides.
 * `expired`: too late to be useful. `discarded`: a person gave it up.
 */
export type OutboxState = 'waiting' | 'pending' | 'done' | 'dead' | 'expired' | 'discarded';

/** What a popup says. */
export type EventType = 'in' | 'out' | 'hangup';

/** How one attempt ended. */
export type Outcome = 'done' | 'later' | 'dead' | 'expired';

/** JSON written as text by `json()` in values.ts, read back as a value nobody has checked yet. */
type Json = ColumnType<unknown, string, string>;
type NullableJson = ColumnType<unknown, string | null, string | null>;

/** Table `calls`. */
export interface CallsTable {
  enterprise: string;
  external_id: string;
  host: string;
  linkedid: string;
  direction: 'in' | 'out' | 'internal';
  state: 'live' | 'ended';
  result: string | null;
  customer_phone: string | null;
  external_phone: string | null;
  owner: string | null;
  started_at: Date;
  answered_at: Date | null;
  ended_at: Date | null;
  crm_user: string | null;
  record: Json;
  live: NullableJson;
  updated_at: Generated<Date>;
}

/** Table `outbox`. */
export interface OutboxTable {
  id: GeneratedAlways<string>;
  enterprise: string;
  account: string;
  host: string;
  kind: OutboxKind;
  external_id: string;
  call_id: string;
  type: EventType | null;
  codes: string[] | null;
  payload: string;
  state: Generated<OutboxState>;
  due_at: Date;
  next_at: Date;
  expires_at: Date | null;
  attempts: Generated<number>;
  lease_owner: string | null;
  lease_epoch: Generated<string>;
  lease_until: Date | null;
  status: number | null;
  reason: string | null;
  reply: string | null;
  errors: NullableJson;
  note: string | null;
  created_at: Generated<Date>;
  settled_at: Date | null;
}

/** Table `attempts`. */
export interface AttemptsTable {
  outbox_id: string;
  at: Generated<Date>;
  outcome: Outcome;
  status: number | null;
  latency_ms: number | null;
  reason: string | null;
}

/** Table `drops`. */
export interface DropsTable {
  id: GeneratedAlways<string>;
  enterprise: string;
  host: string;
  linkedid: string;
  external_id: string | null;
  reason: string;
  at: Date;
  detail: NullableJson;
  created_at: Generated<Date>;
}

/** Table `drop_totals`: rows of `drops`, counted as they come. */
export interface DropTotalsTable {
  enterprise: string;
  host: string;
  reason: string;
  total: ColumnType<string, number, string | number>;
}

/** Table `heartbeats`: when each host was last in sync. */
export interface HeartbeatsTable {
  enterprise: string;
  host: string;
  synced_at: Date;
  /** Asterisk's own start and counter of calls, and when they were read; null where it does not tell. */
  core_start: string | null;
  core_calls: string | null;
  counted_at: Date | null;
}

/** Table `gaps`. */
export interface GapsTable {
  id: GeneratedAlways<string>;
  enterprise: string;
  host: string;
  from_at: Date;
  to_at: Date | null;
  cause: string;
  recovered_snapshot: number | null;
  lost: number | null;
}

/** Table `retailcrm_customers`. */
export interface CustomersTable {
  id: GeneratedAlways<string>;
  phone: string;
  retailcrm_customer_id: string | null;
  other_ids: ColumnType<string[], (string | number)[] | undefined, (string | number)[]>;
  name: string | null;
  manager_id: string | null;
  manager_name: string | null;
  manager_code: string | null;
  links: NullableJson;
  complete: Generated<boolean>;
  enterprise_number: string;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
  fetched_at: Generated<Date>;
}

/** Table `schema_checksums`, kept by migrations.ts. */
export interface SchemaChecksumsTable {
  name: string;
  sha256: string;
  applied_at: Generated<Date>;
}

/** Every table. */
export interface Database extends SyncTables, ActionTables {
  calls: CallsTable;
  outbox: OutboxTable;
  attempts: AttemptsTable;
  drops: DropsTable;
  drop_totals: DropTotalsTable;
  gaps: GapsTable;
  heartbeats: HeartbeatsTable;
  retailcrm_customers: CustomersTable;
  credentials: CredentialsTable;
  schema_checksums: SchemaChecksumsTable;
}
