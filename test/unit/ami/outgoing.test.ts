import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type ActionFields, encodeAction } from '../../../src/ami/outgoing.ts';

const text = (fields: ActionFields) => encodeAction(fields, 'id-1').bytes?.toString();

test('an action is its headers in order, the id after the name, a list repeats its header', () => {
  const fields = { Action: 'Originate', Channel: 'PJSIP/150', Account: undefined, Variable: ['__X_CRM_ID=42', 'A=1'] };
  expect(text(fields)).toBe(
    'Action: Originate\r\nActionID: id-1\r\nChannel: PJSIP/150\r\nVariable: __X_CRM_ID=42\r\nVariable: A=1\r\n\r\n',
  );
});

test('the object of the caller is not changed', () => {
  const fields = Object.freeze({ Action: 'Ping', Zeta: '1', Alpha: '2' });
  expect(text(fields)).toContain('Zeta: 1\r\nAlpha: 2');
});

describe('refused before a byte is written', () => {
  const injection = '100\r\nAction: Command\r\nCommand: core stop now';
  test.each([
    { name: 'CR LF in a value', fields: { Exten: injection }, refused: 'line break or NUL in the value of Exten' },
    {
      name: 'a bare LF: Asterisk takes it for a line end',
      fields: { Exten: '1\n2' },
      refused: 'line break or NUL in the value of Exten',
    },
    { name: 'a bare CR', fields: { Exten: '1\r2' }, refused: 'line break or NUL in the value of Exten' },
    { name: 'NUL', fields: { Exten: '1\u00002' }, refused: 'line break or NUL in the value of Exten' },
    {
      name: 'CR LF in one value of a list',
      fields: { Variable: ['A=1', 'B=\r\n'] },
      refused: 'line break or NUL in the value of Variable',
    },
    {
      name: 'CR LF in a header name',
      fields: { 'Exten\r\nAction': '1' },
      refused: 'a header name with forbidden characters',
    },
    {
      name: 'a colon in a header name',
      fields: { 'Exten: 1': '' },
      refused: 'a header name with forbidden characters',
    },
    { name: 'an ActionID of the caller', fields: { actionid: '1' }, refused: 'ActionID is given by the client' },
    { name: 'a line of 1,024 bytes', fields: { Data: 'ю'.repeat(508) }, refused: 'the value of Data is too long' },
    {
      name: 'more than 128 lines',
      fields: { Variable: Array<string>(127).fill('A=1') },
      refused: 'more than 128 lines',
    },
  ])('$name', ({ fields, refused }) => {
    expect(encodeAction({ Action: 'Originate', ...fields }, 'id-1')).toEqual({ refused });
  });

  test('no value, whatever it is, makes a second line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (value) => {
        const { bytes, refused } = encodeAction({ Action: 'Setvar', Value: value }, 'id-1');
        return refused !== undefined || bytes.toString('latin1').split(/[\r\n]+/).length === 4;
      }),
    );
  });
});

test('a line of 1,021 bytes and 128 lines pass', () => {
  expect(text({ Action: 'A', Data: 'x'.repeat(1015) })).toBeDefined();
  expect(text({ Action: 'A', Variable: Array<string>(126).fill('A=1') })).toBeDefined();
});
