import { describe, expect, test } from '@jest/globals';
import { batchSize, classify, popupAfter, uploadRetryMs } from '../../../src/delivery/classify.ts';

describe('what a failure means', () => {
  test.each([
    { kind: 'VALIDATION', status: 400, verdict: 'rejected', popup: 'dead' },
    { kind: 'PARTIAL', status: 460, verdict: 'rejected', popup: 'dead' },
    { kind: 'BUG', status: 400, verdict: 'rejected', popup: 'dead' },
    { kind: 'BUG', status: 404, verdict: 'parkAccount', popup: 'again' },
    { kind: 'BUG', status: 405, verdict: 'parkAccount', popup: 'again' },
    { kind: 'AUTH', status: 403, verdict: 'parkAccount', popup: 'again' },
    { kind: 'ACCOUNT', status: 404, verdict: 'parkAccount', popup: 'again' },
    { kind: 'ACCOUNT', status: 301, verdict: 'parkAccount', popup: 'again' },
    { kind: 'PAYMENT', status: 400, verdict: 'parkAccount', popup: 'again' },
    { kind: 'TELEPHONY_OFF', status: 400, verdict: 'telephonyOff', popup: 'again' },
    { kind: 'RATE', status: 503, verdict: 'slowLane', popup: 'again' },
    { kind: 'RETRY', status: 500, verdict: 'kept', popup: 'givenUp' },
    { kind: 'RETRY', status: 200, verdict: 'kept', popup: 'givenUp' },
    { kind: 'NOTFOUND', status: 404, verdict: 'kept', popup: 'givenUp' },
    { kind: 'NETWORK', status: null, verdict: 'kept', popup: 'givenUp' },
  ] as const)('$kind $status: rows are $verdict, a popup is $popup', ({ kind, status, verdict, popup }) => {
    expect(classify({ kind, status })).toBe(verdict);
    expect(popupAfter({ kind, status, sent: true })).toBe(popup);
  });

  test('a popup that certainly was not sent is sent again', () => {
    expect(popupAfter({ kind: 'NETWORK', status: null, sent: false })).toBe('again');
  });
});

describe('a row with ambiguous answers behind it', () => {
  test.each([
    { attempts: 0, size: 50 },
    { attempts: 1, size: 50 },
    { attempts: 2, size: 25 },
    { attempts: 3, size: 13 },
    { attempts: 4, size: 7 },
    { attempts: 5, size: 3 },
    { attempts: 6, size: 1 },
    { attempts: 900, size: 1 },
  ])('after $attempts attempts shares a request with $size at most', ({ attempts, size }) => {
    expect(batchSize(attempts)).toBe(size);
  });

  test.each([
    { attempts: 0, ms: 2_000 },
    { attempts: 5, ms: 2_000 },
    { attempts: 6, ms: 4_000 },
    { attempts: 9, ms: 32_000 },
    { attempts: 60, ms: 600_000 },
  ])('after $attempts attempts is tried again $ms ms later or up to twice that', ({ attempts, ms }) => {
    expect(uploadRetryMs(attempts, 2_000, 0)).toBe(ms);
    expect(uploadRetryMs(attempts, 2_000, 0.5)).toBe(ms * 1.5);
  });
});
