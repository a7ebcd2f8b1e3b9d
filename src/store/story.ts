/** Everything the outbox holds of one call: what was to be sent, and what became of it. */
import type { Db } from './database.ts';
import type { EventType, OutboxKind, OutboxState } from './schema.ts';

/** One request of a call. The payload is left out: it has the customer's number in it. */
export interface CallRequest {
  id: string;
  kind: OutboxKind;
  /** Dedup key, unique per account and kind. */
  externalId: string;
  type: EventType | null;
  codes: string[] | null;
  state: OutboxState;
  dueAt: Date;
  settledAt: Date | null;
  reason: string | null;
}

/** The outbox rows of a call, in the order they were planned. */
export function outboxOfCall(db: Db, enterprise: string, callId: string): Promise<CallRequest[]> {
  return db
    .selectFrom('outbox')
    .select([
      'id',
      'kind',
      'external_id as externalId',
      'type',
      'codes',
      'state',
      'due_at as dueAt',
      'settled_at as settledAt',
      'reason',
    ])
    .where('enterprise', '=', enterprise)
    .where('call_id', '=', callId)
    .orderBy('id')
    .execute();
}
