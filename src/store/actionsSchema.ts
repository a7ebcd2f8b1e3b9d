/** The tables of `0005_actions.sql`, as kysely sees them. */
import type { ColumnType, Generated } from 'kysely';

/**
 * Where a click stands. `claimed`: written down, nothing is known yet. `refused`: it certainly rang no phone. `queued`:
 * the PBX took it. `unknown`: it may or may not have rung. `answered`: she picked up. `failed`: she did not.
 */
export type ClickState = 'claimed' | 'refused' | 'queued' | 'unknown' | 'answered' | 'failed';

/** Table `clicks`. */
export interface ClicksTable {
  enterprise: string;
  id: string;
  request_id: string;
  employee: string;
  phone: string;
  host: string;
  channel_id: string;
  call_id: string;
  state: Generated<ClickState>;
  reason: string | null;
  cause: number | null;
  customer: ColumnType<unknown, string | null, string | null>;
  clicked_at: Generated<Date>;
  settled_at: Date | null;
}

/** Table `audit_log`. */
export interface AuditLogTable {
  enterprise: string;
  seq: string;
  at: Date;
  who: string;
  what: string;
  subject: string;
  source: string;
  outcome: string;
  hash: Buffer;
}

/** What clicks and other actions leave behind. */
export interface ActionTables {
  clicks: ClicksTable;
  audit_log: AuditLogTable;
}
