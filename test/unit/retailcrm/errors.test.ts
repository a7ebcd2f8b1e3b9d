import { describe, expect, test } from '@jest/globals';
import { kindOf, maskNumbers, retryAfter } from '../../../src/retailcrm/errors.ts';

describe('the class of a failed answer', () => {
  test.each([
    { status: 400, errorMsg: '"apiKey" is missing.', kind: 'AUTH' },
    { status: 401, errorMsg: '"apiKey" is missing.', kind: 'AUTH' },
    { status: 403, errorMsg: 'Wrong "apiKey" value.', kind: 'AUTH' },
    { status: 403, errorMsg: 'Wrong "apiKey" value', kind: 'AUTH' },
    { status: 403, errorMsg: 'Access denied.', kind: 'AUTH' },
    { status: 404, errorMsg: 'Account does not exist.', kind: 'ACCOUNT' },
    { status: 404, errorMsg: 'API method not found', kind: 'BUG' },
    { status: 404, errorMsg: 'Not found', kind: 'NOTFOUND' },
    { status: 404, errorMsg: 'Not Found', kind: 'NOTFOUND' },
    { status: 404, errorMsg: 'Not found map', kind: 'NOTFOUND' },
    { status: 405, errorMsg: 'Method Not Allowed', kind: 'BUG' },
    { status: 400, errorMsg: "Parameter 'customer' is missing", kind: 'BUG' },
    { status: 400, errorMsg: "Parameter 'externalId' in 'customer' is missing", kind: 'VALIDATION' },
    { status: 400, errorMsg: 'Errors in the entity format', kind: 'VALIDATION' },
    { status: 400, errorMsg: 'Validation error', kind: 'VALIDATION' },
    { status: 400, errorMsg: 'Errors in the input parameters', kind: 'VALIDATION' },
    { status: 400, errorMsg: 'Invalid input parameters', kind: 'VALIDATION' },
    { status: 400, errorMsg: 'Expected array, but got NULL: null', kind: 'BUG' },
    { status: 400, errorMsg: 'Telephony not enabled', kind: 'TELEPHONY_OFF' },
    { status: 200, errorMsg: 'Telephony not enabled', kind: 'TELEPHONY_OFF' },
    { status: 400, errorMsg: 'Telephony not enabled or not supports calls upload', kind: 'TELEPHONY_OFF' },
    { status: 400, errorMsg: "Your account doesn't have enough money to upload files.", kind: 'PAYMENT' },
    { status: 400, errorMsg: 'Not enabled simple connection', kind: 'VALIDATION' },
    { status: 460, errorMsg: 'Customers are loaded with errors', kind: 'PARTIAL' },
    { status: 503, errorMsg: 'Rate limit exceeded', kind: 'RATE' },
    { status: 429, errorMsg: 'Rate limit exceeded', kind: 'RATE' },
    { status: 500, errorMsg: 'Internal error', kind: 'RETRY' },
    { status: 402, errorMsg: 'The tariff has ended', kind: 'ACCOUNT' },
    { status: 400, errorMsg: 'a text nobody has seen', kind: 'VALIDATION' },
    { status: 200, errorMsg: '', kind: 'RETRY' },
  ])('$status "$errorMsg" is $kind', ({ status, errorMsg, kind }) => {
    expect(kindOf({ status, json: true, errorMsg, hasErrors: false })).toBe(kind);
  });

  test.each([
    { status: 200, kind: 'RETRY', name: 'a page of a captive portal' },
    { status: 301, kind: 'ACCOUNT', name: 'a redirect' },
    { status: 400, kind: 'RETRY', name: 'a page of a proxy' },
    { status: 401, kind: 'AUTH', name: 'a login page' },
    { status: 403, kind: 'AUTH', name: 'a firewall page' },
    { status: 404, kind: 'ACCOUNT', name: 'a web server without the account' },
    { status: 405, kind: 'ACCOUNT', name: 'nginx for the POST of a missing account' },
    { status: 408, kind: 'RETRY', name: 'a request time-out' },
    { status: 413, kind: 'VALIDATION', name: 'a body too large for the web server' },
    { status: 429, kind: 'RATE', name: 'a rate limit' },
    { status: 502, kind: 'RETRY', name: 'a bad gateway' },
    { status: 503, kind: 'RATE', name: 'maintenance' },
    { status: 504, kind: 'RETRY', name: 'a gateway time-out' },
  ] as const)('HTML with $status, $name, is $kind', ({ status, kind }) => {
    expect(kindOf({ status, json: false, errorMsg: '', hasErrors: false })).toBe(kind);
  });

  test('success false with field errors is about the content, whatever the status says', () => {
    expect(kindOf({ status: 200, json: true, errorMsg: '', hasErrors: true })).toBe('VALIDATION');
  });
});

describe('masking', () => {
  test.each([
    { text: 'phone +79990000001 is wrong', masked: 'phone ***01 is wrong' },
    { text: '8 (029) 000-01-70, please', masked: '***70, please' },
    { text: 'call pbx1-1795339498.12 refused', masked: 'call pbx1-1795339498.12 refused' },
    { text: 'extension 101, 50 calls', masked: 'extension 101, 50 calls' },
    { text: 'number 79990000001.', masked: 'number ***01.' },
  ])('"$text" becomes "$masked"', ({ text, masked }) => {
    expect(maskNumbers(text)).toBe(masked);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  test.each([
    { header: '5', ms: 5_000 },
    { header: '0.5', ms: 500 },
    { header: '86400', ms: 60_000 },
    { header: '-1', ms: 0 },
    { header: 'Sun, 01 Mar 2026 12:00:07 GMT', ms: 7_000 },
    { header: 'soon', ms: undefined },
    { header: '', ms: undefined },
    { header: undefined, ms: undefined },
  ])('$header is $ms ms', ({ header, ms }) => {
    expect(retryAfter(header, now)).toBe(ms);
  });
});
