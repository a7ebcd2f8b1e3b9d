import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Call, Fact } from '../../../src/calls/call.ts';
import { advance, deadline, handledBy, openPopups } from '../../../src/calls/machine.ts';
import { projectRoot } from '../../../src/root.ts';
import {
  defaultPolicies,
  newCall,
  renderTransitions,
  ring,
  ringingCall,
  talkingCall,
  transitions,
} from '../../support/callsTransitions.ts';

const told = (facts: readonly Fact[]): string[] => facts.map((fact) => fact.fact);
const say = (call: Call, input: Parameters<typeof advance>[1]): Call => advance(call, input, defaultPolicies).call;

describe('the transition table', () => {
  test.each(transitions)('$from: $when', ({ call, given, policies, to, facts }) => {
    const before = structuredClone(call);
    const step = advance(call, given, policies);
    expect(step.call.state).toBe(to);
    expect(told(step.facts)).toEqual(facts);
    // Replaced, never changed in place.
    expect(call).toEqual(before);
  });

  test('every state meets every input', () => {
    const met = new Set(transitions.map((row) => `${row.from} × ${row.input}`));
    const inputs = [...new Set(transitions.map((row) => row.input))];
    expect(inputs).toHaveLength(12);
    const missing = ['new', 'ringing', 'talking', 'ended'].flatMap((state) =>
      inputs.map((input) => `${state} × ${input}`).filter((pair) => !met.has(pair)),
    );
    expect(missing).toEqual([]);
  });

  test('after the end the very same object comes back', () => {
    const late = transitions.filter((row) => row.from === 'ended');
    expect(late.filter((row) => advance(row.call, row.given, row.policies).call !== row.call)).toEqual([]);
  });

  test('docs/architecture.md shows this table', () => {
    expect(tableInDocs()).toBe(renderTransitions());
  });
});

describe('what a step leaves behind', () => {
  test('the answer closes the popups of those who did not get the call', () => {
    const { call, facts } = advance(
      ringingCall(),
      { input: 'connected', at: 5000, parties: [{ party: '150', kind: 'employee' }] },
      defaultPolicies,
    );
    expect(facts).toMatchObject([{ fact: 'call.answered', at: 5000, by: '150', losers: ['151'] }]);
    expect(call).toMatchObject({ answeredAt: 5000, popups: { 150: 'open', 151: 'closed' } });
    expect(openPopups(call)).toEqual(['150']);
  });

  test('close_losers at_end leaves them open until the end', () => {
    const late = { ...defaultPolicies, closeLosers: 'at_end' as const };
    const answered = advance(
      ringingCall(),
      { input: 'connected', at: 5000, parties: [{ party: '150', kind: 'employee' }] },
      late,
    );
    expect(answered.facts).toMatchObject([{ fact: 'call.answered', losers: [] }]);
    const ended = advance(
      answered.call,
      { input: 'gone', at: 9000, cause: 16, result: 'no answer', detail: undefined },
      late,
    );
    expect(ended.facts).toMatchObject([{ fact: 'call.finished', open: ['150', '151'] }]);
  });

  test('no later leg takes an answer back', () => {
    const failing = talkingCall({ rang: [...talkingCall().rang, ring('152')] });
    const busy = say(failing, { input: 'phone over', at: 7000, uniqueid: 'phone-152', outcome: 'busy', settled: true });
    const call = say(busy, { input: 'gone', at: 8000, cause: 17, result: 'busy', detail: 'declined' });
    expect(call).toMatchObject({ result: 'answered', detail: undefined, answeredAt: 5000, endedAt: 8000 });
  });

  test('a crash of the PBX is told even of an answered call', () => {
    const call = say(talkingCall(), {
      input: 'gone',
      at: 8000,
      cause: undefined,
      result: 'unknown',
      detail: 'pbx restarted',
    });
    expect(call).toMatchObject({ result: 'answered', detail: 'pbx restarted' });
  });

  test('rings within 150 ms are one round, the round is told once', () => {
    let call = newCall();
    for (const [i, ext] of ['150', '151', '152'].entries()) {
      call = say(call, {
        input: 'phone called',
        at: 1000 + i * 70,
        uniqueid: `phone-${ext}`,
        ext,
        root: 'customer',
        ringing: true,
      });
    }
    expect(deadline(call)).toBe(1150);
    expect(told(advance(call, { input: 'tick', at: 1149 }, defaultPolicies).facts)).toEqual([]);
    const step = advance(call, { input: 'tick', at: 1150 }, defaultPolicies);
    expect(step.facts).toMatchObject([{ fact: 'rung', at: 1150, since: 1000, exts: ['150', '151', '152'] }]);
    expect(deadline(step.call)).toBeUndefined();
    expect(told(advance(step.call, { input: 'tick', at: 2000 }, defaultPolicies).facts)).toEqual([]);
  });

  test('a phone that is called but never reports Ringing counts as ringing after a second', () => {
    const call = say(newCall(), {
      input: 'phone called',
      at: 1000,
      uniqueid: 'phone-150',
      ext: '150',
      root: 'customer',
      ringing: false,
    });
    expect(deadline(call)).toBe(2000);
    const rung = say(call, { input: 'tick', at: 2000 });
    expect(rung.ringRound).toEqual({ exts: ['150'], since: 2000 });
    expect(deadline(rung)).toBe(2150);
  });

  test('a phone that stops within its ring round is never shown', () => {
    const called = say(newCall(), {
      input: 'phone called',
      at: 1000,
      uniqueid: 'phone-150',
      ext: '150',
      root: 'customer',
      ringing: true,
    });
    const over = advance(
      called,
      { input: 'phone over', at: 1100, uniqueid: 'phone-150', outcome: 'busy', settled: true },
      defaultPolicies,
    );
    expect(told(over.facts)).toEqual([]);
    expect(deadline(over.call)).toBeUndefined();
    expect(over.call.popups).toEqual({});
  });

  test('one employee is shown a call once, whatever rings again', () => {
    const again = say(ringingCall({ rang: [], popups: { 150: 'closed' } }), {
      input: 'phone called',
      at: 6000,
      uniqueid: 'second round',
      ext: '150',
      root: 'customer',
      ringing: true,
    });
    expect(again.ringRound).toBeUndefined();
    expect(again.rang).toHaveLength(1);
  });

  test.each([
    { first: 'answered', later: 'cancelled', settled: true, ends: 'answered' },
    { first: 'forwarded', later: 'no answer', settled: true, ends: 'forwarded' },
    { first: 'no answer', later: 'busy', settled: true, ends: 'busy' },
    { first: 'no answer', later: 'busy', settled: false, ends: 'no answer' },
  ] as const)(
    'a ring that was $first and is then $later (settled: $settled) ends $ends',
    ({ first, later, settled, ends }) => {
      const call = ringingCall({ rang: [ring('150', { endedAt: 2000, outcome: first })] });
      const step = say(call, { input: 'phone over', at: 2010, uniqueid: 'phone-150', outcome: later, settled });
      expect(step.rang).toMatchObject([{ outcome: ends, endedAt: 2000 }]);
    },
  );

  test.each([
    { stopped: 5900, outcome: 'cancelled', ends: 'answered elsewhere', why: 'stopped 0.9 s after the answer' },
    { stopped: 4100, outcome: 'cancelled', ends: 'answered elsewhere', why: 'stopped 0.9 s before the answer' },
    { stopped: 3900, outcome: 'cancelled', ends: 'cancelled', why: 'stopped 1.1 s before the answer' },
    { stopped: 5000, outcome: 'busy', ends: 'busy', why: 'was busy at the moment of the answer' },
  ] as const)('a loser whose phone $why is $ends', ({ stopped, outcome, ends }) => {
    const call = talkingCall({
      rang: [ring('150', { endedAt: 5000, outcome: 'answered' }), ring('151', { endedAt: stopped, outcome })],
    });
    const end = say(call, { input: 'gone', at: 9000, cause: 16, result: 'no answer', detail: undefined });
    expect(end.rang[1]?.outcome).toBe(ends);
  });

  test('a phone that is over is over: the same word again changes nothing', () => {
    const over = { input: 'phone over', at: 2000, uniqueid: 'phone-150', outcome: 'busy', settled: true } as const;
    const call = say(ringingCall(), over);
    expect(say(call, over)).toBe(call);
  });

  test('a recording told twice is kept once; another file is kept beside it', () => {
    let call = talkingCall();
    for (const file of ['a.wav', 'a.wav', 'b.wav'])
      call = say(call, { input: 'recorded', at: 6000, uniqueid: 'customer', file });
    expect(call.recordings.map((one) => one.file)).toEqual(['a.wav', 'b.wav']);
  });

  test('the queue entry is the offer, the first ring after it is not', () => {
    const queued = say(newCall(), { input: 'queued', at: 700, queue: 'sales' });
    const called = say(queued, {
      input: 'phone called',
      at: 900,
      uniqueid: 'phone-150',
      ext: '150',
      root: 'customer',
      ringing: true,
    });
    expect(called).toMatchObject({ queue: 'sales', offeredAt: 700 });
  });

  test.each([
    { says: 'one after the other', talked: ['150', '151'], handled: ['150', '151'] },
    { says: 'taken back from hold or parking: not named twice', talked: ['150', '150'], handled: ['150'] },
    { says: 'back after somebody else: named again', talked: ['150', '151', '150'], handled: ['150', '151', '150'] },
  ])('everybody who talked, in order: $says', ({ talked, handled }) => {
    const talks = talked.map((party) => ({ party, kind: 'employee' as const, from: 0, to: 1 }));
    expect(handledBy(talkingCall({ talks }))).toEqual(handled);
  });
});

/** The page's table; UPDATE=1 rewrites it first, the diff is reviewed like code. undefined if the page has no place for it. */
function tableInDocs(): string | undefined {
  const file = join(projectRoot(), 'docs', 'architecture.md');
  const between = /(<!-- transitions:begin -->\n)([\s\S]*?)(\n<!-- transitions:end -->)/;
  const page = readFileSync(file, 'utf8');
  if (process.env['UPDATE'] === '1') {
    writeFileSync(
      file,
      page.replace(between, (_, begin: string, __, end: string) => begin + renderTransitions() + end),
    );
  }
  return between.exec(readFileSync(file, 'utf8'))?.[2];
}
