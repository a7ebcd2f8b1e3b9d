import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nationalDigits, normalisePhone } from '../../../src/config/phones.ts';
import {
  cardMatch,
  choose,
  type Candidate,
  type Match,
  type Numbering,
  sameNumber,
} from '../../../src/customers/phones.ts';

const numbering = (country: string): Numbering => ({
  normalise: (raw) => {
    const phone = normalisePhone(raw, [country]);
    return phone.kind === 'phone' ? phone.e164 : undefined;
  },
  national: nationalDigits,
});

describe('the number on a card is the wanted one', () => {
  test.each<{ stored: string; wanted: string; country: string; is: Match | undefined }>([
    { stored: '+375290000116', wanted: '+375290000116', country: 'BY', is: 'exact' },
    { stored: '375290000116', wanted: '+375290000116', country: 'BY', is: 'exact' },
    { stored: '80290000116', wanted: '+375290000116', country: 'BY', is: 'exact' },
    { stored: '8 (029) 000-01-16', wanted: '+375290000116', country: 'BY', is: 'exact' },
    { stored: '+375 (29) 000-01-16', wanted: '+375290000116', country: 'BY', is: 'exact' },
    { stored: '290000116', wanted: '+375290000116', country: 'BY', is: 'exact' },
    { stored: '89000000152', wanted: '+79000000152', country: 'RU', is: 'exact' },
    { stored: '9000000152', wanted: '+79000000152', country: 'RU', is: 'exact' },
    // Written for another country than ours: only the end can be compared.
    { stored: '0290000116', wanted: '+375290000116', country: 'PL', is: 'ending' },
    { stored: '290000117', wanted: '+375290000116', country: 'BY', is: undefined },
    { stored: '90000116', wanted: '+375290000116', country: 'BY', is: undefined },
    // Another country's number that ends alike says so itself.
    { stored: '+48290000116', wanted: '+375290000116', country: 'BY', is: undefined },
    // Short numbers must be equal: too many others end like them.
    { stored: '100116', wanted: '+116', country: 'BY', is: undefined },
    { stored: '', wanted: '+375290000116', country: 'BY', is: undefined },
    { stored: 'ask the neighbour', wanted: '+375290000116', country: 'BY', is: undefined },
  ])('$stored for $wanted in $country: $is', ({ stored, wanted, country, is }) => {
    expect(sameNumber(stored, wanted, numbering(country))).toBe(is);
  });

  test('a card fits as well as the best of its numbers', () => {
    const phones = ['0290000116', '+375290000116', '112'];
    expect(cardMatch(phones, '+375290000116', numbering('PL'))).toBe('exact');
    expect(cardMatch(['112'], '+375290000116', numbering('BY'))).toBeUndefined();
    expect(cardMatch([], '+375290000116', numbering('BY'))).toBeUndefined();
  });
});

describe('several cards have the number', () => {
  const card = (id: number, match: Match, lastOrder?: string): Candidate => ({ id, match, lastOrder });
  test.each<{ name: string; cards: Candidate[]; chosen: number | undefined }>([
    { name: 'nobody has it', cards: [], chosen: undefined },
    {
      name: 'the exact number before any order',
      cards: [card(1, 'ending', '2026-05-01 10:00:00'), card(2, 'exact')],
      chosen: 2,
    },
    {
      name: 'then the most recent order',
      cards: [card(1, 'exact', '2026-04-01 10:00:00'), card(2, 'exact', '2026-05-01 10:00:00'), card(3, 'exact')],
      chosen: 2,
    },
    { name: 'then the oldest card', cards: [card(9, 'exact'), card(4, 'exact'), card(7, 'exact')], chosen: 4 },
  ])('$name', ({ cards, chosen }) => {
    expect(choose(cards)?.id).toBe(chosen);
  });

  test('in whatever order the CRM lists them, the choice is the same', () => {
    const cards = fc.uniqueArray(
      fc.record({
        id: fc.integer({ min: 1, max: 50 }),
        match: fc.constantFrom<Match>('exact', 'ending'),
        lastOrder: fc.option(fc.constantFrom('2026-01-01 00:00:00', '2026-02-01 00:00:00'), { nil: undefined }),
      }),
      { selector: ({ id }) => id, maxLength: 6 },
    );
    fc.assert(
      fc.property(cards, fc.infiniteStream(fc.nat()), (some, random) => {
        const keyed = some.map((one) => ({ one, key: random.next().value as number }));
        const shuffled = keyed.sort((a, b) => a.key - b.key).map(({ one }) => one);
        expect(choose(shuffled)).toEqual(choose(some));
      }),
    );
  });
});
