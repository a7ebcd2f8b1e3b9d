import { describe, expect, test } from '@jest/globals';
import type { PlannedRequest } from '../../src/delivery/plan.ts';
import { callRow, dropRow, outboxRow } from '../../src/rows.ts';
import { defaultPolicies, endedCall, talkingCall } from '../support/callsTransitions.ts';

const origin = { enterprise: 'acme', host: 'pbx1', account: 'acme-crm' };
const upload: PlannedRequest = {
  kind: 'upload',
  type: undefined,
  dedupKey: 'pbx1-customer',
  callId: 'pbx1-customer',
  payload: { externalId: 'pbx1-customer' },
  codes: [],
  dueAt: 9000,
  expiresAt: undefined,
  recording: undefined,
  undated: undefined,
};

describe('the row of a call', () => {
  test('a live one keeps what the core needs to take it up again', () => {
    const call = talkingCall();
    expect(callRow(call, origin, defaultPolicies)).toMatchObject({
      state: 'live',
      owner: null,
      result: null,
      endedAt: null,
      live: call,
    });
  });

  test('an ended one has its owner and nothing to take up', () => {
    expect(callRow(endedCall(), origin, defaultPolicies)).toMatchObject({
      enterprise: 'acme',
      host: 'pbx1',
      externalId: 'pbx1-customer',
      state: 'ended',
      owner: '150',
      result: 'answered',
      answeredAt: new Date(5000),
      endedAt: new Date(9000),
      live: null,
    });
  });
});

describe('the row of a request', () => {
  test('an upload is due at once and never expires', () => {
    const row = outboxRow(upload, origin, 0);
    expect(row).toMatchObject({ ...origin, kind: 'upload', externalId: 'pbx1-customer', expiresAt: null });
    expect([row.state, row.dueAt, row.type]).toEqual([undefined, undefined, undefined]);
    expect(row.payload).toBe('{"externalId":"pbx1-customer"}');
  });

  test("a popup expires by our clock, not the host's", () => {
    const popup = { ...upload, kind: 'event' as const, type: 'in' as const, codes: ['150'], expiresAt: 11_000 };
    expect(outboxRow(popup, origin, 3_000)).toMatchObject({ type: 'in', codes: ['150'], expiresAt: new Date(8000) });
  });

  test('one that waits for its recording keeps what completes it, and until when', () => {
    const recording = { path: '/monitor/c.wav', url: 'https://rec.example/c.wav', until: 69_000 };
    const row = outboxRow({ ...upload, recording }, origin, 1000);
    expect(row).toMatchObject({ state: 'waiting', dueAt: new Date(68_000) });
    expect(JSON.parse(row.payload)).toEqual({
      record: { externalId: 'pbx1-customer' },
      recording: { path: '/monitor/c.wav', url: 'https://rec.example/c.wav' },
      undated: null,
    });
  });

  test("one that waits for the account's zone waits two weeks", () => {
    const row = outboxRow({ ...upload, undated: 1234 }, origin, 0);
    expect(row).toMatchObject({ state: 'waiting', dueAt: new Date(9000 + 14 * 24 * 3_600_000) });
    expect(JSON.parse(row.payload)).toMatchObject({ recording: null, undated: 1234 });
  });
});

test.each([
  { call: undefined, externalId: null, detail: null },
  {
    call: endedCall({ detail: 'voicemail' }),
    externalId: 'pbx1-customer',
    detail: { direction: 'in', detail: 'voicemail' },
  },
])('the row of a drop with call $externalId', ({ call, externalId, detail }) => {
  expect(dropRow({ fact: 'dropped', at: 9000, linkedid: 'customer', reason: 'internal', call }, origin)).toEqual({
    enterprise: 'acme',
    host: 'pbx1',
    linkedid: 'customer',
    externalId,
    reason: 'internal',
    at: new Date(9000),
    detail,
  });
});
