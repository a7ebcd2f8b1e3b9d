import { describe, expect, test } from '@jest/globals';
import { Errand, fill } from '../../../src/customers/payload.ts';

describe('a template is filled', () => {
  test.each([
    { name: 'known places', template: '{name} {phone}', values: { name: 'Anna', phone: '+1' }, text: 'Anna +1' },
    { name: 'an empty one leaves no gap', template: '{name} {phone}', values: { name: '', phone: '+1' }, text: '+1' },
    { name: 'unknown ones stay', template: '{phone} {other}', values: { phone: '+1' }, text: '+1 {other}' },
    {
      name: 'what was filled in is not filled again',
      template: '{name}',
      values: { name: '{phone}', phone: '+1' },
      text: '{phone}',
    },
    { name: 'names of objects are no places', template: '{constructor}', values: {}, text: '{constructor}' },
  ])('$name', ({ template, values, text }) => {
    expect(fill(template, values)).toBe(text);
  });
});

describe('a payload somebody edited', () => {
  test.each([
    { payload: { phone: '+375290000001' }, phone: '+375290000001' },
    { payload: { phone: '375290000001' }, phone: undefined },
    { payload: { phone: 375290000001 }, phone: undefined },
    { payload: { phone: '+375290000001; drop' }, phone: undefined },
    { payload: {}, phone: undefined },
  ])('$payload has the phone $phone', ({ payload, phone }) => {
    expect(new Errand(payload).phone).toBe(phone);
  });

  test.each([
    { manager: { user: 7 }, is: 7 },
    { manager: { extension: '150' }, is: 12 },
    { manager: { extension: '199' }, is: undefined },
    { manager: 'Ira', is: undefined },
    { manager: null, is: undefined },
  ])('manager $manager is user $is', ({ manager, is }) => {
    expect(new Errand({ manager }).manager((extension) => (extension === '150' ? 12 : undefined))).toBe(is);
  });

  test('what does not fit is absent', () => {
    const errand = new Errand({ at: 'now', deadline: Number.NaN, text: 5, source: ['phone'] });
    expect([errand.number('at'), errand.number('deadline'), errand.text('text')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(new Errand({}).source()).toBeUndefined();
    expect(new Errand({ source: { source: 'phone', medium: 1 } }).source()).toMatchObject({
      source: 'phone',
      medium: undefined,
    });
  });
});
