import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Call, Fact } from '../../../src/calls/call.ts';
import type { PlanSettings } from '../../../src/delivery/plan.ts';
import {
  WEBHOOK_LIFE_MS,
  type WebhookReceiver,
  type WebhookType,
  webhookPlan,
} from '../../../src/delivery/webhookPlan.ts';
import { projectRoot } from '../../../src/root.ts';
import { example } from '../../support/callsCaptures.ts';
import { EPOCH } from '../../support/callsScript.ts';
import { endedCall, newCall, ringingCall, talkingCall } from '../../support/callsTransitions.ts';

const settings: PlanSettings = { ...example().settings, defaultDid: undefined, recordUrl: () => undefined };
const origin = { enterprise: 'acme', host: 'pbx1' };
const all: WebhookType[] = ['call.incoming', 'call.outgoing', 'call.answered', 'call.finished', 'call.missed'];
const bi: WebhookReceiver = { account: 'webhook:acme/bi', events: all };

const plan = (fact: Fact, receivers = [bi], over: Partial<PlanSettings> = {}) =>
  webhookPlan(fact, receivers, { ...settings, ...over }, origin);
const dataOf = (fact: Fact, over: Partial<PlanSettings> = {}): Record<string, unknown> => {
  const [one] = plan(fact, [bi], over);
  const body = JSON.parse(one?.body ?? '{}') as { data: Record<string, unknown> };
  return body.data;
};

const incoming = (over: Partial<Call> = {}): Fact => ({ fact: 'call.incoming', at: EPOCH, call: newCall(over) });
const answered = (over: Partial<Call> = {}): Fact => ({
  fact: 'call.answered',
  at: EPOCH + 5_000,
  call: talkingCall({ startedAt: EPOCH, customerLegAt: EPOCH, answeredAt: EPOCH + 5_000, ...over }),
  by: '150',
  losers: [],
});
const ended = (over: Partial<Call> = {}): Call =>
  endedCall({ startedAt: EPOCH, customerLegAt: EPOCH, answeredAt: EPOCH + 5_000, endedAt: EPOCH + 9_000, ...over });
const finished = (over: Partial<Call> = {}): Fact => ({
  fact: 'call.finished',
  at: EPOCH + 9_000,
  call: ended(over),
  open: [],
});
const missed = (over: Partial<Call> = {}): Fact => ({
  fact: 'call.missed',
  at: EPOCH + 9_000,
  call: newCall({
    state: 'ended',
    startedAt: EPOCH,
    customerLegAt: EPOCH,
    endedAt: EPOCH + 9_000,
    result: 'no answer',
    ...over,
  }),
  open: [],
});

describe('which fact is told', () => {
  test.each<{ name: string; fact: Fact; tells: string[] }>([
    { name: 'a call comes in', fact: incoming(), tells: ['call.incoming'] },
    {
      name: 'a call goes out',
      fact: { ...incoming({ direction: 'out', initiatedBy: '150' }), fact: 'call.outgoing' } as Fact,
      tells: ['call.outgoing'],
    },
    { name: 'somebody answers', fact: answered(), tells: ['call.answered'] },
    { name: 'an answered call is over', fact: finished(), tells: ['call.finished'] },
    { name: 'a call nobody answered is over', fact: missed(), tells: ['call.missed'] },
    { name: 'a ring alone', fact: { fact: 'rung', at: 0, since: 0, call: ringingCall(), exts: ['150'] }, tells: [] },
    {
      name: 'a ring that ends',
      fact: { fact: 'stopped ringing', at: 0, call: ringingCall(), exts: ['150'] },
      tells: [],
    },
    { name: 'a hand-over', fact: { fact: 'handed over', at: 0, call: talkingCall(), to: '151' }, tells: [] },
    {
      name: 'what never became a call',
      fact: { fact: 'dropped', at: 0, linkedid: 'x', reason: 'internal', call: undefined },
      tells: [],
    },
    { name: 'an unknown channel', fact: { fact: 'unknown channel', at: 0, linkedid: 'x', channel: 'x' }, tells: [] },
    { name: 'a call among colleagues', fact: incoming({ direction: 'internal' }), tells: [] },
    { name: 'a blacklisted number, in', fact: incoming({ excluded: 'blacklisted' }), tells: [] },
    { name: '… and at its end', fact: missed({ excluded: 'blacklisted' }), tells: [] },
    { name: "an employee's own mobile", fact: finished({ excluded: 'employee_mobile' }), tells: [] },
  ])('$name: $tells', ({ fact, tells }) => {
    expect(plan(fact).map(({ type }) => type)).toEqual(tells);
  });
});

test('everybody is told what he asked for, in one body', () => {
  const wall: WebhookReceiver = { account: 'webhook:acme/wall', events: ['call.missed'] };
  const none: WebhookReceiver = { account: 'webhook:acme/none', events: [] };
  const accounts = (fact: Fact): string[] => plan(fact, [bi, wall, none]).map(({ account }) => account);
  expect(accounts(missed())).toEqual(['webhook:acme/bi', 'webhook:acme/wall']);
  expect(accounts(finished())).toEqual(['webhook:acme/bi']);
  expect(new Set(plan(missed(), [bi, wall]).map(({ body }) => body)).size).toBe(1);
});

test('the same fact gives the same key and the same bytes', () => {
  expect(plan(finished())).toEqual(plan(finished()));
  expect(plan(finished())[0]).toMatchObject({
    dedupKey: `${ended().externalId}/call.finished`,
    callId: ended().externalId,
    expiresAt: EPOCH + 9_000 + WEBHOOK_LIFE_MS,
  });
});

describe('what is told', () => {
  test('of a call that comes in: nothing that is not known yet', () => {
    expect(dataOf(incoming())).toMatchObject({
      enterprise: 'acme',
      host: 'pbx1',
      direction: 'in',
      state: 'ringing',
      employee: null,
      answeredBy: null,
      handledBy: [],
      answeredAt: null,
      endedAt: null,
      waitSeconds: null,
      talkSeconds: null,
      result: null,
      detail: null,
      recordUrl: null,
      notInCrm: null,
    });
  });

  test('of an answer: who, and after how long', () => {
    expect(dataOf(answered())).toMatchObject({ state: 'talking', waitSeconds: 5, talkSeconds: null, result: null });
  });

  test('of the end: how it went', () => {
    expect(dataOf(finished())).toMatchObject({ state: 'ended', result: 'answered', waitSeconds: 5, talkSeconds: 4 });
    expect(dataOf(missed({ detail: 'abandoned' }))).toMatchObject({
      result: 'no answer',
      detail: 'abandoned',
      waitSeconds: 9,
      talkSeconds: 0,
    });
  });

  test('who dialled, already when it rings', () => {
    const fact = { ...incoming({ direction: 'out', initiatedBy: '151' }), fact: 'call.outgoing' } as Fact;
    expect(dataOf(fact)).toMatchObject({ direction: 'out', employee: '151' });
  });

  test('a hidden number is null, an unusual one as it came', () => {
    expect(dataOf(incoming({ customer: { kind: 'anonymous' } }))).toMatchObject({ customer: { phone: null } });
    expect(dataOf(incoming({ customer: { kind: 'unparsable', raw: '12' } }))).toMatchObject({
      customer: { phone: '12' },
    });
  });

  test('why the CRM is not told, though the receiver is', () => {
    const { policies } = settings;
    const fact = missed({ customer: { kind: 'anonymous' } });
    expect(dataOf(fact, { policies: { ...policies, anonymous: false } })).toMatchObject({ notInCrm: 'anonymous_off' });
  });

  test('the recording, at the end of an answered call only', () => {
    const recordUrl = (): string => 'https://rec.example/1.mp3';
    expect(dataOf(finished(), { recordUrl })).toMatchObject({ recordUrl: 'https://rec.example/1.mp3' });
    expect(dataOf(answered(), { recordUrl })).toMatchObject({ recordUrl: null });
    expect(dataOf(missed(), { recordUrl })).toMatchObject({ recordUrl: null });
  });

  test('our number, or the default one', () => {
    expect(dataOf(incoming({ externalPhone: '+375170000010' }))).toMatchObject({ ourNumber: '+375170000010' });
    expect(dataOf(incoming({ externalPhone: undefined }), { defaultDid: '+375170000099' })).toMatchObject({
      ourNumber: '+375170000099',
    });
  });

  test('the documentation names every field', () => {
    const fields = Object.keys(dataOf(finished())).filter((name) => name !== 'customer');
    for (const page of ['docs/webhooks.md', 'docs/webhooks.ru.md']) {
      const text = readFileSync(join(projectRoot(), page), 'utf8');
      const missing = [...fields, 'customer.phone', 'customer.name'].filter((name) => !text.includes(`\`${name}\``));
      expect(missing).toEqual([]);
    }
  });
});
