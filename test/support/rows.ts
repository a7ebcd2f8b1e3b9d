/** Builders of stored rows: a plausible one, with what the test cares about on top. */
import type { CallRow } from '../../src/store/calls.ts';
import type { DropRow } from '../../src/store/drops.ts';
import type { NewOutboxRow } from '../../src/store/outbox.ts';

/** An upload that is due. */
export function uploadRow(externalId: string, over: Partial<NewOutboxRow> = {}): NewOutboxRow {
  return {
    enterprise: 'acme',
    account: 'acme-crm',
    host: 'pbx1',
    kind: 'upload',
    externalId,
    callId: externalId,
    payload: JSON.stringify({ externalId }),
    ...over,
  };
}

/** A popup of a call that is due. */
export function eventRow(callId: string, step: string, over: Partial<NewOutboxRow> = {}): NewOutboxRow {
  return {
    enterprise: 'acme',
    account: 'acme-crm',
    host: 'pbx1',
    kind: 'event',
    externalId: `${callId}/${step}`,
    callId,
    type: 'in',
    codes: ['101'],
    payload: JSON.stringify({ type: 'in', codes: ['101'], callExternalId: callId }),
    ...over,
  };
}

/** An inbound call that was answered and has ended. */
export function callRow(externalId: string, over: Partial<CallRow> = {}): CallRow {
  return {
    enterprise: 'acme',
    host: 'pbx1',
    externalId,
    linkedid: `l-${externalId}`,
    direction: 'in',
    state: 'ended',
    result: 'answered',
    customerPhone: '+375290000001',
    externalPhone: '+375170000000',
    owner: '101',
    startedAt: new Date('2026-11-20T10:00:00.125Z'),
    answeredAt: new Date('2026-11-20T10:00:05Z'),
    endedAt: new Date('2026-11-20T10:01:00Z'),
    record: { logToCrm: true },
    live: null,
    ...over,
  };
}

/** An internal call left out. */
export function dropRow(linkedid: string, over: Partial<DropRow> = {}): DropRow {
  return {
    enterprise: 'acme',
    host: 'pbx1',
    linkedid,
    externalId: null,
    reason: 'internal',
    at: new Date('2026-11-20T10:00:00Z'),
    detail: null,
    ...over,
  };
}
