/** The tables of `0004_sync.sql`, as kysely sees them. `bigint` is a string here, as in schema.ts. */
import type { Generated, GeneratedAlways } from 'kysely';

/** Table `crm_users`. */
export interface CrmUsersTable {
  enterprise: string;
  user_id: string;
  name: string;
  active: boolean;
  status: string | null;
  listed: Generated<boolean>;
  updated_at: Generated<Date>;
}

/** Table `user_extensions`. */
export interface UserExtensionsTable {
  id: GeneratedAlways<string>;
  enterprise: string;
  extension: string;
  user_id: string;
  source: 'config' | 'crm';
  valid_from: Date;
  valid_to: Date | null;
}

/** Table `sync_cursors`. */
export interface SyncCursorsTable {
  enterprise: string;
  stream: 'customers' | 'orders';
  start_date: string;
  since_id: string | null;
  updated_at: Generated<Date>;
}

/** Table `dirty_entities`. */
export interface DirtyEntitiesTable {
  enterprise: string;
  kind: 'customer' | 'order';
  crm_id: string;
  marks: Generated<string>;
  next_at: Generated<Date>;
  failures: Generated<number>;
  marked_at: Generated<Date>;
}

/** Table `orders`. */
export interface OrdersTable {
  enterprise: string;
  order_id: string;
  number: string | null;
  external_id: string | null;
  status: string | null;
  method: string | null;
  total: string | null;
  customer_id: string | null;
  manager_id: string | null;
  site: string | null;
  phone: string | null;
  person: string | null;
  created_at: Date | null;
  status_at: Date | null;
  deleted: Generated<boolean>;
  fetched_at: Generated<Date>;
}

/** Table `order_statuses`. */
export interface OrderStatusesTable {
  id: GeneratedAlways<string>;
  enterprise: string;
  order_id: string;
  status: string;
  at: Date;
  history_id: string | null;
  own: Generated<boolean>;
  created_at: Generated<Date>;
}

/** Table `order_rule_runs`. */
export interface OrderRuleRunsTable {
  id: GeneratedAlways<string>;
  enterprise: string;
  change_id: string;
  order_id: string;
  status: string;
  action: 'call' | 'pause' | 'notify';
  text: string | null;
  at: Date;
  state: Generated<'pending' | 'started' | 'done' | 'skipped' | 'failed'>;
  note: string | null;
  settled_at: Date | null;
}

/** Every table of the migration. */
export interface SyncTables {
  crm_users: CrmUsersTable;
  user_extensions: UserExtensionsTable;
  sync_cursors: SyncCursorsTable;
  dirty_entities: DirtyEntitiesTable;
  orders: OrdersTable;
  order_statuses: OrderStatusesTable;
  order_rule_runs: OrderRuleRunsTable;
}
