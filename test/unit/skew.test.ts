import { describe, expect, test } from '@jest/globals';
import { ClockSkew } from '../../src/skew.ts';

describe("the host's clock minus ours", () => {
  test('is nothing while nothing was seen', () => {
    expect(new ClockSkew().ms).toBe(0);
  });

  test('a few milliseconds are no skew', () => {
    const skew = new ClockSkew();
    skew.seen(1_000_003, 1_000_000);
    expect(skew.ms).toBe(0);
  });

  test.each([
    { name: 'a host ten minutes ahead', ahead: 600_000 },
    { name: 'a host ten minutes behind', ahead: -600_000 },
  ])('$name is measured whatever arrives late', ({ ahead }) => {
    const skew = new ClockSkew();
    skew.seen(1_000_000 + ahead, 1_000_000);
    skew.seen(1_000_100 + ahead, 1_005_100); // lay 5 s in a buffer
    expect(skew.ms).toBe(ahead);
  });

  test('a clock that was set back is believed within a minute', () => {
    const skew = new ClockSkew();
    skew.seen(1_600_000, 1_000_000);
    for (let now = 1_000_000; now <= 1_070_000; now += 1_000) skew.seen(now - 50, now);
    expect(skew.ms).toBe(-50);
  });
});
