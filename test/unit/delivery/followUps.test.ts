import { describe, expect, test } from '@jest/globals';
import type { Call, Fact } from '../../../src/calls/call.ts';
import { type FollowUpSettings, followUps } from '../../../src/delivery/followUps.ts';
import { cardKey } from '../../../src/store/errands.ts';
import { EPOCH } from '../../support/callsScript.ts';
import { defaultPolicies, newCall } from '../../support/callsTransitions.ts';

const off: FollowUpSettings = {
  policies: defaultPolicies,
  createWhen: () => [],
  card: { name: '{phone}', manager: 'employee', source: undefined, externalIdPrefix: 'tel-' },
  missed: { order: undefined, task: undefined, note: undefined },
  defaultDid: undefined,
  siteOf: () => 'shop-a',
  didName: () => undefined,
  hasCard: () => false,
};
const always: FollowUpSettings = {
  ...off,
  createWhen: () => ['in_answered', 'in_missed', 'out_answered', 'out_missed'],
  missed: {
    order: { method: 'missed-call', status: 'new', comment: '{phone} → {did}, {time}' },
    task: { text: 'call {phone}', withinMinutes: 30, performer: 'responsible' },
    note: 'missed at {time}',
  },
};

const phone = '+375290000001';
const ended = (over: Partial<Call> = {}): Call =>
  newCall({ state: 'ended', startedAt: EPOCH, endedAt: EPOCH + 9000, result: 'no answer', ...over });
const missed = (over: Partial<Call> = {}): Fact => ({
  fact: 'call.missed',
  at: EPOCH + 9000,
  call: ended(over),
  open: [],
});
const answeredFact = (over: Partial<Call> = {}): Fact => ({
  fact: 'call.answered',
  at: EPOCH + 5000,
  call: newCall({ state: 'talking', startedAt: EPOCH, answeredAt: EPOCH + 5000, ...over }),
  by: '151',
  losers: [],
});
const finished = (over: Partial<Call> = {}): Fact => ({
  fact: 'call.finished',
  at: EPOCH + 9000,
  call: ended({ answeredAt: EPOCH + 5000, result: 'answered', ...over }),
  open: [],
});
const out = { direction: 'out', initiatedBy: '150' } as const;

const keys = (fact: Fact, over: Partial<FollowUpSettings> = {}): string[] =>
  followUps(fact, { ...always, ...over }).map(({ key }) => key);
const card = cardKey(phone);

describe('which fact leaves what behind, every rule on', () => {
  test.each<{ name: string; fact: Fact; leaves: string[] }>([
    { name: 'a call that comes in: nothing yet', fact: { fact: 'call.incoming', at: 0, call: newCall() }, leaves: [] },
    { name: 'an answered call: a card while they talk', fact: answeredFact(), leaves: [card] },
    { name: 'its end: the same card, planned once by its key', fact: finished(), leaves: [card] },
    {
      name: 'a missed call: card, order, task, note',
      fact: missed(),
      leaves: [card, 'order/pbx1-customer', 'task/pbx1-customer', 'note/pbx1-customer'],
    },
    { name: 'an answered call out', fact: finished(out), leaves: [card] },
    { name: 'a call out nobody took: a card, nobody to call back', fact: missed(out), leaves: [card] },
    { name: 'a call out to a busy number', fact: missed({ ...out, result: 'busy' }), leaves: [card] },
    {
      name: 'a call out that failed says nothing of the number',
      fact: missed({ ...out, result: 'failed' }),
      leaves: [],
    },
    { name: 'a hidden number: never', fact: missed({ customer: { kind: 'anonymous' } }), leaves: [] },
    {
      name: 'what is no number: never',
      fact: missed({ customer: { kind: 'unparsable', raw: '12345678' } }),
      leaves: [],
    },
    { name: 'a short number: never', fact: missed({ customer: { kind: 'extension', number: '112' } }), leaves: [] },
    { name: 'an internal call: never', fact: missed({ direction: 'internal' }), leaves: [] },
    { name: 'what the CRM is not told: never', fact: missed({ excluded: 'blacklisted' }), leaves: [] },
    {
      name: 'an answered call of a blacklisted number: never',
      fact: answeredFact({ excluded: 'blacklisted' }),
      leaves: [],
    },
  ])('$name', ({ fact, leaves }) => {
    expect(keys(fact)).toEqual(leaves);
  });

  test('too short to be told: nothing', () => {
    expect(keys(missed(), { policies: { ...defaultPolicies, minimumSeconds: 10 } })).toEqual([]);
  });
});

describe('cards are made', () => {
  test.each([
    { when: 'in_answered', facts: ['in answered'] },
    { when: 'in_missed', facts: ['in missed'] },
    { when: 'out_answered', facts: ['out answered'] },
    { when: 'out_missed', facts: ['out missed'] },
  ] as const)('$when', ({ when, facts }) => {
    const all: Record<string, Fact> = {
      'in answered': finished(),
      'in missed': missed(),
      'out answered': finished(out),
      'out missed': missed(out),
    };
    const made = Object.entries(all).filter(([, fact]) => keys(fact, { createWhen: () => [when] }).includes(card));
    expect(made.map(([name]) => name)).toEqual(facts);
  });

  test('by the number that was called, when it has a rule of its own', () => {
    const createWhen = (did: string | undefined): readonly 'in_missed'[] =>
      did === '+375170000001' ? ['in_missed'] : [];
    expect(keys(missed({ externalPhone: '+375170000001' }), { createWhen })).toContain(card);
    expect(keys(missed({ externalPhone: '+375170000002' }), { createWhen })).not.toContain(card);
    expect(keys(missed({ externalPhone: undefined }), { createWhen, defaultDid: '+375170000001' })).toContain(card);
  });

  test('never where one is known', () => {
    expect(keys(missed(), { hasCard: () => true })).not.toContain(card);
  });

  test.each<{ name: string; fact: Fact; over: Partial<FollowUpSettings['card']>; manager: unknown }>([
    { name: 'who answers', fact: answeredFact(), over: {}, manager: { extension: '151' } },
    { name: 'who dialled', fact: finished(out), over: {}, manager: { extension: '150' } },
    { name: 'nobody, when nobody answered', fact: missed({ responsible: '150' }), over: {}, manager: undefined },
    { name: 'a fixed user', fact: missed(), over: { manager: 7 }, manager: { user: 7 } },
    { name: 'nobody by rule', fact: answeredFact(), over: { manager: 'none' }, manager: undefined },
  ])('whose customer: $name', ({ fact, over, manager }) => {
    const [planned] = followUps(fact, { ...always, card: { ...always.card, ...over } });
    expect(planned?.errand).toMatchObject({ do: 'customer', phone });
    expect(planned?.errand.do === 'customer' ? planned.errand.manager : 'no card').toEqual(manager);
  });

  test.each([
    { prefix: 'tel-', externalId: 'tel-375290000001' },
    { prefix: undefined, externalId: undefined },
  ])('externalId with prefix $prefix: $externalId', ({ prefix, externalId }) => {
    const [planned] = followUps(missed(), { ...always, card: { ...always.card, externalIdPrefix: prefix } });
    expect(planned?.errand.do === 'customer' ? planned.errand.externalId : 'no card').toBe(externalId);
  });
});

describe('a missed call', () => {
  const errandsOf = (over: Partial<Call> = {}, settings: Partial<FollowUpSettings> = {}) =>
    followUps(missed(over), { ...always, ...settings }).map(({ errand }) => errand);

  test.each([
    { name: 'order', missed: { ...off.missed, order: always.missed.order }, leaves: ['order/pbx1-customer'] },
    { name: 'task', missed: { ...off.missed, task: always.missed.task }, leaves: ['task/pbx1-customer'] },
    { name: 'note', missed: { ...off.missed, note: 'n' }, leaves: ['note/pbx1-customer'] },
    { name: 'nothing', missed: off.missed, leaves: [] },
  ])('leaves by rule: $name', ({ missed: rules, leaves }) => {
    expect(keys(missed(), { createWhen: () => [], missed: rules })).toEqual(leaves);
  });

  test('its order has the id of the call', () => {
    expect(errandsOf().find((one) => one.do === 'order')).toMatchObject({
      externalId: 'call-pbx1-customer',
      method: 'missed-call',
      status: 'new',
      phone,
      at: EPOCH,
      site: 'shop-a',
    });
  });

  test('its task is due so many minutes after the end', () => {
    expect(errandsOf().find((one) => one.do === 'task')).toMatchObject({ deadline: EPOCH + 9000 + 30 * 60_000 });
  });

  test.each([
    { name: 'the default owner', policies: { ...defaultPolicies, defaultOwner: '199' }, otherwise: '199' },
    { name: 'else whose the call is', policies: defaultPolicies, otherwise: '151' },
  ])('whose task without a manager: $name', ({ policies, otherwise }) => {
    const rang = [
      { uniqueid: 'p', ext: '151', at: EPOCH, ringingAt: EPOCH, endedAt: EPOCH, outcome: 'no answer', root: 'c' },
    ] as const;
    expect(errandsOf({ rang }, { policies }).find((one) => one.do === 'task')).toMatchObject({
      performer: 'responsible',
      otherwise,
    });
  });

  test('our number goes by its name where it has one', () => {
    const named = errandsOf({ externalPhone: '+375170000001' }, { didName: () => 'Sales' });
    expect(named.map(({ did }) => did)).toEqual(['Sales', 'Sales', 'Sales', 'Sales']);
    expect(errandsOf({ externalPhone: '+375170000001' })[0]?.did).toBe('+375170000001');
  });
});

test('the same fact gives the same errands, byte for byte', () => {
  expect(JSON.stringify(followUps(missed(), always))).toBe(JSON.stringify(followUps(missed(), always)));
});
