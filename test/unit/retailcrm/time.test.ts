import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fromAccountTime, toAccountTime } from '../../../src/retailcrm/time.ts';

describe('account time', () => {
  test.each([
    { utc: '2026-03-01T09:00:05Z', zone: 'Europe/Moscow', text: '2026-03-01 12:00:05' },
    { utc: '2026-03-01T21:30:00Z', zone: 'Europe/Minsk', text: '2026-03-02 00:30:00' },
    { utc: '2026-01-01T00:00:00Z', zone: 'Asia/Yekaterinburg', text: '2026-01-01 05:00:00' },
    { utc: '2026-12-31T23:59:59.999Z', zone: 'UTC', text: '2026-12-31 23:59:59' },
    { utc: '2026-03-08T06:59:59Z', zone: 'America/New_York', text: '2026-03-08 01:59:59' },
    { utc: '2026-03-08T07:00:00Z', zone: 'America/New_York', text: '2026-03-08 03:00:00' },
    { utc: '2026-11-01T05:30:00Z', zone: 'America/New_York', text: '2026-11-01 01:30:00' },
    { utc: '2026-11-01T06:30:00Z', zone: 'America/New_York', text: '2026-11-01 01:30:00' },
    { utc: '2026-03-29T00:59:59Z', zone: 'Europe/Berlin', text: '2026-03-29 01:59:59' },
    { utc: '2026-03-29T01:00:00Z', zone: 'Europe/Berlin', text: '2026-03-29 03:00:00' },
    { utc: '2014-10-25T22:00:00Z', zone: 'Europe/Moscow', text: '2014-10-26 01:00:00' },
    { utc: '2026-06-01T00:00:00Z', zone: 'Asia/Kathmandu', text: '2026-06-01 05:45:00' },
  ])('$utc is $text in $zone', ({ utc, zone, text }) => {
    expect(toAccountTime(Date.parse(utc), zone)).toBe(text);
  });

  test('an unknown zone is a RangeError', () => {
    expect(() => toAccountTime(0, 'Europe/Atlantis')).toThrow(RangeError);
  });
});

describe('from account time', () => {
  test.each([
    { text: '2026-03-01 12:00:05', zone: 'Europe/Moscow', utc: '2026-03-01T09:00:05Z' },
    { text: '2026-03-02 00:30', zone: 'Europe/Minsk', utc: '2026-03-01T21:30:00Z' },
    { text: '2026-01-01 05:00:00', zone: 'Asia/Yekaterinburg', utc: '2026-01-01T00:00:00Z' },
    { text: '2026-03-08 01:59:59', zone: 'America/New_York', utc: '2026-03-08T06:59:59Z' },
    { text: '2026-03-08 03:00:00', zone: 'America/New_York', utc: '2026-03-08T07:00:00Z' },
    { text: '2026-03-29 01:59:59', zone: 'Europe/Berlin', utc: '2026-03-29T00:59:59Z' },
    { text: '2026-03-29 03:00:00', zone: 'Europe/Berlin', utc: '2026-03-29T01:00:00Z' },
    { text: '2026-06-01 05:45:00', zone: 'Asia/Kathmandu', utc: '2026-06-01T00:00:00Z' },
  ])('$text in $zone is $utc', ({ text, zone, utc }) => {
    expect(fromAccountTime(text, zone)).toBe(Date.parse(utc));
  });

  test.each(['', 'now', '2026-03-01T12:00:05', '2026-03-01', '2026-13-01 00:00:00', '2026-03-01 12:00:05Z'])(
    '%j is no time',
    (text) => expect(fromAccountTime(text, 'Europe/Minsk')).toBeUndefined(),
  );

  test('there and back is the same text, whatever the instant and the zone', () => {
    const zones = ['Europe/Minsk', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'UTC'];
    const seconds = fc.integer({ min: Date.parse('2010-01-01') / 1000, max: Date.parse('2040-01-01') / 1000 });
    fc.assert(
      fc.property(seconds, fc.constantFrom(...zones), (second, zone) => {
        const text = toAccountTime(second * 1000, zone);
        expect(toAccountTime(fromAccountTime(text, zone) ?? 0, zone)).toBe(text);
      }),
    );
  });
});
