/** What receivers of webhooks are told of recorded calls: whole stories, in order, with the figures of the call's record. */
import { describe, expect, test } from '@jest/globals';
import type { Fact } from '../../src/calls/call.ts';
import type { HostEvent } from '../../src/calls/events.ts';
import { HostCalls } from '../../src/calls/hostCalls.ts';
import { recordOf } from '../../src/calls/record.ts';
import { type WebhookCall, type WebhookType, webhookPlan } from '../../src/delivery/webhookPlan.ts';
import { type Capture, captures, eventsOf, example } from '../support/callsCaptures.ts';

const { rules, settings } = example();
const events: WebhookType[] = ['call.incoming', 'call.outgoing', 'call.answered', 'call.finished', 'call.missed'];
const receivers = [{ account: 'webhook:acme/bi', events }];

interface Message {
  type: WebhookType;
  timestamp: string;
  data: WebhookCall;
}

/** Every fact of a stream, in order. */
function* factsOf(stream: readonly HostEvent[]): Generator<Fact> {
  const host = new HostCalls(rules);
  const pass = function* (until: number): Generator<Fact> {
    for (let due = host.wakeAt(); due !== undefined && due < until; due = host.wakeAt())
      yield* host.apply({ event: 'Tick', at: due });
  };
  for (const event of stream) {
    yield* pass(event.at);
    yield* host.apply(event);
  }
  yield* pass(Number.POSITIVE_INFINITY);
}

function storiesOf(one: Capture): { stories: Map<string, Message[]>; facts: Fact[] } {
  const facts = [...factsOf(eventsOf(one))];
  const keys = new Set<string>();
  const stories = new Map<string, Message[]>();
  for (const fact of facts) {
    for (const { body, dedupKey, callId } of webhookPlan(fact, receivers, settings, {
      enterprise: 'acme',
      host: 'pbx1',
    })) {
      // The outbox keeps the first row of a key.
      if (keys.has(dedupKey)) continue;
      keys.add(dedupKey);
      const message = JSON.parse(body) as Message;
      stories.set(callId, [...(stories.get(callId) ?? []), message]);
    }
  }
  return { stories, facts };
}

const all = captures();

test('the captures are there, and most have a story to tell', () => {
  expect(all.length).toBeGreaterThan(150);
  const told = all.filter((one) => storiesOf(one).stories.size > 0).length;
  expect(told / all.length).toBeGreaterThan(0.9);
});

describe.each(all)('$name', (one) => {
  const { stories, facts } = storiesOf(one);

  test('is told as whole stories', () => {
    const odd = [...stories].map(([id, messages]) => [
      id,
      messages.map(({ type }) => type.replace('call.', '')).join(' '),
    ]);
    const whole = /^(incoming|outgoing)( answered finished| missed)$/;
    // A call that still lives at the end of a recording has no end yet.
    const calls = facts.flatMap((fact) => ('call' in fact && fact.call !== undefined ? [fact.call] : []));
    const ended = new Set(calls.filter(({ state }) => state === 'ended').map(({ externalId }) => externalId));
    const wrong = odd.filter(([id = '', story = '']) => ended.has(id) && !whole.test(story));
    expect(wrong).toEqual([]);
  });

  test('has times that never go back and agree with the record', () => {
    for (const messages of stories.values()) {
      const times = messages.map(({ timestamp }) => Date.parse(timestamp));
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    }
    const ends = facts.flatMap((fact) => (fact.fact === 'call.finished' || fact.fact === 'call.missed' ? [fact] : []));
    const records = ends.map(({ call }) => recordOf(call, rules.policies)).filter((one) => stories.has(one.externalId));
    for (const record of records) {
      const last = stories.get(record.externalId)?.at(-1)?.data;
      expect(last?.notInCrm === null).toBe(record.logToCrm);
      expect(last).toMatchObject({
        result: record.result,
        startedAt: record.startedAt,
        answeredAt: record.answeredAt,
        endedAt: record.endedAt,
        waitSeconds: record.waitSeconds,
        talkSeconds: record.talkSeconds,
        customer: { phone: record.customerPhone },
        ourNumber: record.externalPhone ?? settings.defaultDid,
      });
    }
  });
});
