import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Clock, Pacer, PacerStopped, accountPacers } from '../../../src/delivery/pacer.ts';

/** Time that moves only when told, or to the next timer. Timers may fire late, as real ones do. */
class VirtualTime implements Clock {
  #now = 0;
  #timers: { at: number; wake: () => void }[] = [];
  readonly #late: () => number;

  constructor(late: () => number = () => 0) {
    this.#late = late;
  }

  now(): number {
    return this.#now;
  }

  /** Timers set and not run or called off. */
  get timers(): number {
    return this.#timers.length;
  }

  after(ms: number, wake: () => void): () => void {
    const timer = { at: this.#now + ms + this.#late(), wake };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  /** Runs what is due up to `end`, letting promises settle in between. */
  async runTo(end: number): Promise<void> {
    for (;;) {
      for (let i = 0; i < 10; i++) await Promise.resolve();
      const next = this.#timers.toSorted((a, b) => a.at - b.at)[0];
      if (!next || next.at > end) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#now = Math.max(this.#now, next.at);
      next.wake();
    }
    this.#now = Math.max(this.#now, end);
  }
}

/** Most of `times` inside any window `(t - 1000, t]`. */
const peakOf = (times: readonly number[]): number =>
  Math.max(0, ...times.map((end) => times.filter((time) => time > end - 1_000 && time <= end).length));

/** Takes permits and notes when each came. */
function taker(pacer: Pacer, time: Clock) {
  const granted: { kind: string; at: number }[] = [];
  const take = (kind: string, urgent = true): void => {
    void pacer.take({ urgent }).then(
      () => granted.push({ kind, at: time.now() }),
      () => granted.push({ kind: `${kind} called off`, at: time.now() }),
    );
  };
  return { granted, take, times: () => granted.map(({ at }) => at) };
}

describe('the windows a server sees', () => {
  test.each([
    { lane: 'telephony', limit: 40, expected: 34 },
    { lane: 'general', limit: 10, expected: 9 },
  ] as const)(
    '$lane: 500 takers at once are at most $expected in any second, below the $limit',
    async ({ lane, limit, expected }) => {
      const time = new VirtualTime();
      const pacer = accountPacers({ startDelayMs: 0, clock: time })[lane];
      const { take, times } = taker(pacer, time);
      for (let i = 0; i < 500; i++) take('popup');
      await time.runTo(120_000);
      expect(times()).toHaveLength(500);
      expect(peakOf(times())).toBe(expected);
      expect(expected).toBeLessThan(limit);
    },
  );

  test('any arrivals, late timers and 0–150 ms on the way: never 40 telephony or 10 general requests in a second', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 1, max: 60 })), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
        async (bursts, chance) => {
          const random = (): number => Number(chance.next().value);
          for (const [lane, limit] of [
            ['telephony', 40],
            ['general', 10],
          ] as const) {
            const time = new VirtualTime(() => random() * 20);
            const pacer = accountPacers({ startDelayMs: 0, clock: time })[lane];
            const { take, times } = taker(pacer, time);
            for (const [at, count] of bursts.toSorted((a, b) => a[0] - b[0])) {
              await time.runTo(at);
              for (let i = 0; i < count; i++) take('popup');
            }
            await time.runTo(200_000);
            expect(times()).toHaveLength(bursts.reduce((sum, [, count]) => sum + count, 0));
            expect(peakOf(times().map((at) => at + random() * 150))).toBeLessThanOrEqual(limit);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test('after a stall of the process there is no catching up', async () => {
    let late = 0;
    const time = new VirtualTime(() => late);
    const { take, times } = taker(new Pacer({ intervalMs: 30, clock: time }), time);
    for (let i = 0; i < 100; i++) take('popup');
    await time.runTo(300);
    late = 5_000;
    await time.runTo(331);
    late = 0;
    await time.runTo(20_000);
    const gaps = times()
      .slice(1)
      .map((at, index) => at - (times()[index] ?? 0));
    expect(times()).toHaveLength(100);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(30);
    expect(Math.max(...gaps)).toBeGreaterThan(4_000);
  });

  test('the wall clock has no part in it', async () => {
    const pacer = new Pacer({ intervalMs: 5 });
    const real = Date.now;
    try {
      Date.now = () => real() - 3_600_000;
      const started = performance.now();
      for (let i = 0; i < 10; i++) await pacer.take();
      const took = performance.now() - started;
      expect(took).toBeGreaterThanOrEqual(45);
      expect(took).toBeLessThan(2_000);
    } finally {
      Date.now = real;
    }
  });

  test('nothing leaves in the first second: a process before us may have used it', async () => {
    const time = new VirtualTime();
    const { take, times } = taker(accountPacers({ clock: time }).telephony, time);
    take('popup');
    await time.runTo(5_000);
    expect(times()).toEqual([1_000]);
  });
});

describe('who goes first', () => {
  test('a popup that comes later overtakes every upload that waits', async () => {
    const time = new VirtualTime();
    const { take, granted } = taker(new Pacer({ intervalMs: 30, clock: time }), time);
    for (let i = 0; i < 5; i++) take('upload', false);
    take('popup');
    await time.runTo(1_000);
    expect(granted.map(({ kind }) => kind).slice(0, 3)).toEqual(['upload', 'popup', 'upload']);
  });

  test('uploads alone leave the 8 popups per second their place', async () => {
    const time = new VirtualTime();
    const { take, times } = taker(accountPacers({ startDelayMs: 0, clock: time }).telephony, time);
    for (let i = 0; i < 200; i++) take('upload', false);
    await time.runTo(1_000);
    expect(times().length).toBeLessThanOrEqual(1_000 / 30 - 8 + 1);
    expect(times().length).toBeGreaterThan(20);
  });

  test('a flood of popups holds uploads back, but not for ever', async () => {
    const time = new VirtualTime();
    const { take, granted } = taker(new Pacer({ intervalMs: 30, clock: time }), time);
    for (let i = 0; i < 20; i++) take('popup');
    take('upload', false);
    await time.runTo(5_000);
    expect(granted.at(-1)?.kind).toBe('upload');
  });
});

describe('a server that says too many', () => {
  test('halves the lane once per congestion', () => {
    const time = new VirtualTime();
    const pacer = new Pacer({ intervalMs: 30, clock: time });
    pacer.slowDown();
    pacer.slowDown();
    expect(pacer.rate).toBeCloseTo(1_000 / 60);
  });

  test('never slows below one request a second, never faster than at first', async () => {
    const time = new VirtualTime();
    const pacer = new Pacer({ intervalMs: 30, clock: time });
    for (let second = 1; second <= 20; second++) {
      pacer.slowDown();
      await time.runTo(second * 1_000);
    }
    expect(pacer.rate).toBe(1);
    for (let second = 21; second <= 60; second++) {
      pacer.fine();
      await time.runTo(second * 1_000);
    }
    expect(pacer.rate).toBeCloseTo(1_000 / 30);
  });

  test('is believed when it names a time', async () => {
    const time = new VirtualTime();
    const pacer = new Pacer({ intervalMs: 30, clock: time });
    const { take, times } = taker(pacer, time);
    pacer.slowDown(7_000);
    take('popup');
    await time.runTo(10_000);
    expect(times()).toEqual([7_000]);
  });

  test('C3: another program takes half of the 40: at most 5 % of our requests are refused once we have settled', async () => {
    const time = new VirtualTime();
    const pacer = accountPacers({ startDelayMs: 0, clock: time }).telephony;
    const accepted: number[] = [];
    let asked = 0;
    let refused = 0;
    const stop = 60_000;
    const requests = async (): Promise<void> => {
      while (time.now() < stop) {
        await pacer.take();
        const now = time.now();
        while ((accepted[0] ?? now) <= now - 1_000) accepted.shift();
        const full = accepted.length >= 20;
        if (full) pacer.slowDown();
        else {
          accepted.push(now);
          pacer.fine();
        }
        if (now > 10_000) {
          asked += 1;
          if (full) refused += 1;
        }
      }
    };
    void requests();
    await time.runTo(stop + 2_000);
    expect(refused / asked).toBeLessThanOrEqual(0.05);
    expect(asked / 50).toBeGreaterThan(10); // and the free half is used
  });
});

describe('the end', () => {
  test('stop wakes everybody who waits and nobody gets a permit after it', async () => {
    const pacer = new Pacer({ intervalMs: 1_000 });
    await pacer.take();
    const waiting = [pacer.take(), pacer.take({ urgent: false })];
    pacer.stop();
    for (const permit of [...waiting, pacer.take()]) await expect(permit).rejects.toThrow(PacerStopped);
  });

  test('when the last taker is called off no timer is left behind', async () => {
    const time = new VirtualTime();
    const pacer = new Pacer({ intervalMs: 30, startDelayMs: 3_600_000, clock: time });
    const controller = new AbortController();
    const called = pacer.take({ signal: controller.signal });
    expect(time.timers).toBe(1);
    controller.abort();
    await expect(called).rejects.toThrow(PacerStopped);
    expect(time.timers).toBe(0);
  });

  test('one taker can be called off, the others keep their place', async () => {
    const time = new VirtualTime();
    const pacer = new Pacer({ intervalMs: 30, clock: time });
    const { take, times } = taker(pacer, time);
    take('popup');
    const controller = new AbortController();
    const called = pacer.take({ signal: controller.signal });
    take('popup');
    controller.abort();
    await expect(called).rejects.toThrow(PacerStopped);
    await time.runTo(1_000);
    expect(times()).toEqual([0, 30]);
  });
});
