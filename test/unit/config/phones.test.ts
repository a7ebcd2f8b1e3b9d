import { describe, expect, test } from '@jest/globals';
import { normalisePhone } from '../../../src/config/phones.ts';

const NBSP = '\u00a0';

describe('one number, one spelling', () => {
  test.each([
    // Numbers of the recorded PBX: invented, so no numbering plan knows them; right length must do.
    { says: 'country code without plus', raw: '375290000149', countries: ['BY'], e164: '+375290000149' },
    { says: 'Belarusian trunk prefix 80', raw: '80290000150', countries: ['BY'], e164: '+375290000150' },
    { says: 'Belarusian trunk prefix 0', raw: '0290000151', countries: ['BY'], e164: '+375290000151' },
    { says: 'Russian trunk prefix 8', raw: '89000000152', countries: ['RU', 'BY'], e164: '+79000000152' },
    { says: 'Russian number without prefix', raw: '9000000153', countries: ['RU', 'BY'], e164: '+79000000153' },
    { says: 'E.164 stays', raw: '+375290000116', countries: ['BY'], e164: '+375290000116' },
    { says: 'a DID without plus', raw: '375171234503', countries: ['BY'], e164: '+375171234503' },
    { says: "a neighbour's DID without plus", raw: '74950000601', countries: ['BY'], e164: '+74950000601' },
    // Numbers that exist.
    { says: 'national without any prefix', raw: '291234567', countries: ['BY'], e164: '+375291234567' },
    { says: '00 and country code', raw: '00375291234567', countries: ['BY'], e164: '+375291234567' },
    { says: '8 10 and country code', raw: '810375291234567', countries: ['BY'], e164: '+375291234567' },
    { says: '8 10 and country code from Russia', raw: '810375291234567', countries: ['RU'], e164: '+375291234567' },
    { says: '8 10 and a far country', raw: '8104930123456', countries: ['BY'], e164: '+4930123456' },
    { says: 'brackets, dashes and spaces', raw: ' 8 (029) 123-45-67 ', countries: ['BY'], e164: '+375291234567' },
    {
      says: 'no-break spaces and en dashes',
      raw: `+375${NBSP}29${NBSP}123–45–67`,
      countries: ['BY'],
      e164: '+375291234567',
    },
    { says: 'a Russian mobile on a Belarusian line', raw: '9161234567', countries: ['BY'], e164: '+79161234567' },
    { says: 'the same with 8', raw: '89161234567', countries: ['BY'], e164: '+79161234567' },
    {
      says: 'a Belarusian national number on a Russian line',
      raw: '80291234567',
      countries: ['RU'],
      e164: '+375291234567',
    },
    {
      says: 'invented, national, on the neighbour’s line',
      raw: '80290000150',
      countries: ['RU'],
      e164: '+375290000150',
    },
    {
      says: "the trunk's country before the enterprise's",
      raw: '84951234567',
      countries: ['RU', 'BY'],
      e164: '+74951234567',
    },
    { says: 'a far country with plus', raw: '+442079460958', countries: ['BY'], e164: '+442079460958' },
    { says: 'a plus before a national form', raw: '+80291234567', countries: ['BY'], e164: '+375291234567' },
    { says: 'Italy keeps its zero', raw: '+390612345678', countries: ['BY'], e164: '+390612345678' },
    { says: 'an unknown country is skipped', raw: '375291234567', countries: ['XX', 'BY'], e164: '+375291234567' },
    { says: 'no country at all', raw: '375291234567', countries: [], e164: '+375291234567' },
  ])('$says: $raw → $e164', ({ raw, countries, e164 }) => {
    expect(normalisePhone(raw, countries)).toMatchObject({ kind: 'phone', e164 });
  });

  test('what is E.164 once stays so, whatever the country', () => {
    for (const country of ['BY', 'RU', 'KZ', 'US']) {
      for (const e164 of ['+375291234567', '+79161234567', '+375290000116', '+79000000152', '+12125550123']) {
        expect(normalisePhone(e164, [country])).toMatchObject({ kind: 'phone', e164 });
      }
    }
  });

  test('the country comes with the number', () => {
    expect(normalisePhone('80291234567', ['BY'])).toEqual({ kind: 'phone', e164: '+375291234567', country: 'BY' });
  });
});

describe('what is no number of a customer', () => {
  test.each(['', '  ', 's', 'anonymous', 'Anonymous', 'unknown', '<unknown>', 'Restricted', undefined])(
    '%p is anonymous',
    (raw) => {
      expect(normalisePhone(raw, ['BY'])).toEqual({ kind: 'anonymous' });
    },
  );

  test.each(['1', '150', '12345', ' 150 '])('%p is an extension', (raw) => {
    expect(normalisePhone(raw, ['BY'])).toEqual({ kind: 'extension', number: raw.trim() });
  });

  test.each([
    '+150',
    'sip:150@pbx',
    'Иван',
    '8029abc4567',
    '*97',
    '+++',
    '-',
    '375291234567890123',
    '1'.repeat(5000),
    '+375291234567\r\nAction: Logoff',
    '__proto__',
  ])('%p is not parsable and comes back as it was', (raw) => {
    expect(normalisePhone(raw, ['BY'])).toEqual({ kind: 'unparsable', raw });
  });
});

describe('the memory of numbers', () => {
  test('does not mix countries', () => {
    expect(normalisePhone('84951234567', ['RU'])).toMatchObject({ e164: '+74951234567' });
    expect(normalisePhone('80291234567', ['BY'])).toMatchObject({ e164: '+375291234567' });
    expect(normalisePhone('2125550123', ['US'])).toMatchObject({ e164: '+12125550123' });
    expect(normalisePhone('2125550123', ['BY'])).not.toMatchObject({ e164: '+12125550123' });
  });

  test('gives the same answer after a flood of other numbers', () => {
    const first = normalisePhone('80291234567', ['BY']);
    for (let i = 0; i < 6_000; i++) normalisePhone(`+37529${1_000_000 + i}`, ['BY']);
    expect(normalisePhone('80291234567', ['BY'])).toEqual(first);
  });

  test('cannot be changed by who asks', () => {
    expect(Object.isFrozen(normalisePhone('80291234567', ['BY']))).toBe(true);
  });
});
