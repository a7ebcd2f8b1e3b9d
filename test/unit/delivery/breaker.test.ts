import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  type Breaker,
  allowed,
  closed,
  failed,
  openAfter,
  refused,
  succeeded,
  unparked,
} from '../../../src/delivery/breaker.ts';

const failing = (times: number, breaker: Breaker = closed): Breaker => {
  let state = breaker;
  for (let i = 0; i < times; i++) state = failed(state, 0, 0, 1);
  return state;
};
const open: Breaker = { mode: 'open', since: 100, probeAt: 500, waitMs: 1_000 };
const parked: Breaker = { mode: 'parked', since: 100, probeAt: 60_100 };

describe('a breaker', () => {
  test.each([
    { name: 'starts closed', state: closed, mode: 'closed' },
    { name: 'stays closed after four failures', state: failing(4), mode: 'closed' },
    { name: 'opens with the fifth', state: failing(5), mode: 'open' },
    { name: 'forgets failures at a success in between', state: failing(4, succeeded(failing(4), 0)), mode: 'closed' },
    { name: 'closes on the first success', state: succeeded(open, 0), mode: 'closed' },
    { name: 'stays open for a failure that began before it opened', state: failed(open, 99, 400, 1), mode: 'open' },
    { name: 'is parked by a refusal', state: refused(closed, 'parked', 100), mode: 'parked' },
    {
      name: 'stays parked for a success that began before it was parked',
      state: succeeded(parked, 99),
      mode: 'parked',
    },
    { name: 'stays parked for a failure', state: failed(parked, 200, 300, 1), mode: 'parked' },
    {
      name: 'is open, not closed, when the GET of a parked account is answered',
      state: unparked(parked, 200),
      mode: 'open',
    },
    { name: 'is not opened by an answered GET when it is closed', state: unparked(closed, 200), mode: 'closed' },
    {
      name: 'closes when telephony is on again',
      state: succeeded({ ...parked, mode: 'telephonyOff' }, 200),
      mode: 'closed',
    },
  ] as const)('$name', ({ state, mode }) => {
    expect(state.mode).toBe(mode);
  });

  test.each([
    { name: 'everything flows while closed', state: closed, now: 0, inFlight: 99, may: 'flow' },
    { name: 'nothing before the probe is due', state: open, now: 499, inFlight: 0, may: 'wait' },
    { name: 'one probe when it is due', state: open, now: 500, inFlight: 0, may: 'probe' },
    { name: 'no second one beside it', state: open, now: 900, inFlight: 1, may: 'wait' },
    { name: 'nothing for a minute when parked', state: parked, now: 60_099, inFlight: 0, may: 'wait' },
    { name: 'then the GET', state: parked, now: 60_100, inFlight: 0, may: 'ask' },
    {
      name: 'a real request at once after the GET',
      state: unparked(parked, 60_200),
      now: 60_200,
      inFlight: 0,
      may: 'probe',
    },
    {
      name: 'telephony off is probed with a request',
      state: { ...parked, mode: 'telephonyOff' },
      now: 60_100,
      inFlight: 0,
      may: 'probe',
    },
  ] as const)('$name', ({ state, now, inFlight, may }) => {
    expect(allowed(state, now, inFlight)).toBe(may);
  });

  test('waits 1, 2, 4, 8, 16, 30, 30 s between probes at most', () => {
    const waits: number[] = [];
    let state = failing(openAfter);
    for (let now = 0; waits.length < 7; ) {
      if (state.mode !== 'open') throw new Error('not open');
      waits.push(state.probeAt - now);
      now = state.probeAt;
      state = failed(state, now, now, 1);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  test('a burst of failures under way when it opens is one failure', () => {
    const opened = failed(failing(4), 50, 100, 1);
    let state = opened;
    for (let i = 0; i < 20; i++) state = failed(state, 60 + i, 200, 1);
    expect(state).toEqual(opened);
  });

  test('in any history: at most one probe at a time, never later than 30 s, and one success always closes', () => {
    const step = fc.record({
      after: fc.integer({ min: 0, max: 40_000 }),
      chance: fc.double({ min: 0, max: 1, noNaN: true }),
      good: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let state: Breaker = closed;
        let now = 0;
        const wrong: string[] = [];
        for (const { after, chance, good } of steps) {
          now += after;
          const may = allowed(state, now, 0);
          if (state.mode === 'open' && state.probeAt - state.since > 30_000) wrong.push('a probe later than 30 s');
          if (may === 'wait') continue;
          if (allowed(state, now, 1) !== (may === 'flow' ? 'flow' : 'wait')) wrong.push('a second probe');
          state = good ? succeeded(state, now) : failed(state, now, now, chance);
          if (good && state.mode !== 'closed') wrong.push('not closed by a success');
        }
        expect(wrong).toEqual([]);
      }),
    );
  });
});
