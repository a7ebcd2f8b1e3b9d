import { describe, expect, test } from '@jest/globals';
import type { HostEvent } from '../../src/calls/events.ts';
import { replay } from '../../src/replay.ts';
import { callKinds, generate, oneCall, random } from '../support/callsGenerator.ts';
import { captures, eventsOf, example } from '../support/callsCaptures.ts';
import { naiveCalls } from '../support/naive.ts';

const { rules, settings } = example();

/** A number in one spelling, as both implementations are told it. */
function numberOf(raw: string | undefined, channel: string): string | undefined {
  const side = rules.side(channel, undefined);
  const phone = rules.phone(raw, side.side === 'trunk' ? side.country : undefined);
  if (phone.kind === 'phone') return phone.e164;
  return phone.kind === 'anonymous' ? undefined : raw;
}

const bySentence = (a: string, b: string): number => a.localeCompare(b);
const second = (at: number | undefined): string => (at === undefined ? '–' : new Date(at).toISOString());

function streamed(events: readonly HostEvent[]): string[] {
  return [...replay(events, rules, settings)]
    .filter((line) => line.type === 'call')
    .filter((call) => call.direction !== 'internal')
    .map((call) =>
      [
        call.externalId.replace(/^pbx1-/, '').replace(/-\d+$/, ''),
        call.direction,
        call.customerPhone ?? 'hidden',
        call.result === 'answered' ? 'answered' : 'not answered',
        call.answeredAt ?? '–',
        call.endedAt ?? '–',
        (call.handledBy ?? []).join('+'),
      ].join(' '),
    )
    .sort(bySentence);
}

function naively(events: readonly HostEvent[]): string[] {
  return naiveCalls(events, numberOf)
    .map((call) =>
      [
        call.firstUniqueid,
        call.direction,
        call.customer ?? 'hidden',
        call.answered ? 'answered' : 'not answered',
        second(call.answeredAt),
        second(call.endedAt),
        call.handledBy.join('+'),
      ].join(' '),
    )
    .sort(bySentence);
}

describe('a slow and obvious second implementation agrees', () => {
  test.each(captures().map((one) => ({ name: one.name, one })))('on $name', ({ one }) => {
    const events = eventsOf(one);
    expect(streamed(events)).toEqual(naively(events));
  });

  test.each(callKinds)('on a generated call: %s', (kind) => {
    for (let seed = 0; seed < 10; seed++) {
      const events = oneCall(kind, random(seed), `${kind.replaceAll(/\W/g, '')}${seed}`, 0, 0);
      expect({ seed, calls: streamed(events) }).toEqual({ seed, calls: naively(events) });
    }
  });

  test.each(Array.from({ length: 60 }, (_, seed) => seed))('on twelve generated calls at once, seed %i', (seed) => {
    const events = generate(seed, 12);
    expect(streamed(events)).toEqual(naively(events));
  });
});
