import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  beginsLikeAgi,
  plainValue,
  readEnvironment,
  readReply,
  readRequest,
  setVariable,
} from '../../../src/agi/protocol.ts';

/** What Asterisk 22 says for `AGI(agi://127.0.0.1/responsible,${CALLERID(num)},${EXTEN})`. */
const usual = [
  'agi_network: yes',
  'agi_network_script: responsible',
  'agi_request: agi://127.0.0.1/responsible',
  'agi_channel: PJSIP/provider-by-00000001',
  'agi_language: en',
  'agi_type: PJSIP',
  'agi_uniqueid: 1795339498.0',
  'agi_version: 22.10.1',
  'agi_callerid: +375290000101',
  'agi_calleridname: unknown',
  'agi_dnid: 375171234514',
  'agi_extension: 375171234514',
  'agi_priority: 1',
  'agi_arg_1: +375290000101',
  'agi_arg_2: 375171234514',
];
const said = (...lines: string[]): string => lines.join('\n');

describe('what Asterisk says first', () => {
  test('the usual', () => {
    const request = readRequest(readEnvironment(said(...usual)) ?? new Map());
    expect(request).toEqual({
      script: 'responsible',
      query: new Map(),
      args: ['+375290000101', '375171234514'],
      callerNumber: '+375290000101',
      dialled: '375171234514',
      uniqueid: '1795339498.0',
    });
  });

  test.each<[string, string, string, [string, string][]]>([
    ['no script', '', '', []],
    ['a path', 'responsible/', 'responsible', []],
    [
      'a query',
      'responsible?phone=%2B375290000101&did=1',
      'responsible',
      [
        ['phone', '+375290000101'],
        ['did', '1'],
      ],
    ],
    ['a repeated key: the first', 'responsible?did=1&did=2', 'responsible', [['did', '1']]],
    [
      'a key that is a name of ours',
      'responsible?__proto__=x&constructor=y',
      'responsible',
      [
        ['__proto__', 'x'],
        ['constructor', 'y'],
      ],
    ],
    ['a broken percent sign', 'responsible?phone=%zz', 'responsible', [['phone', '%zz']]],
    ['a question mark alone', '?', '', []],
  ])('the address: %s', (_says, address, script, query) => {
    const request = readRequest(new Map([['agi_network_script', address]]));
    expect(request.script).toBe(script);
    expect([...request.query]).toEqual(query);
  });

  test('unknown and empty are the same', () => {
    const environment = readEnvironment(
      said('agi_network: yes', 'agi_callerid: unknown', 'agi_dnid: ', 'agi_extension: s'),
    );
    expect(readRequest(environment ?? new Map())).toMatchObject({ callerNumber: undefined, dialled: 's' });
  });

  test('arguments end at the first gap', () => {
    const environment = readEnvironment(said('agi_network: yes', 'agi_arg_1: a', 'agi_arg_3: c'));
    expect(readRequest(environment ?? new Map()).args).toEqual(['a']);
  });

  test('an empty argument is one', () => {
    const environment = readEnvironment(said('agi_network: yes', 'agi_arg_1: ', 'agi_arg_2: b'));
    expect(readRequest(environment ?? new Map()).args).toEqual(['', 'b']);
  });

  test('what is said twice counts as first said', () => {
    const environment = readEnvironment(said('agi_network: yes', 'agi_dnid: 1', 'agi_dnid: 2'));
    expect(environment?.get('agi_dnid')).toBe('1');
  });

  test('lines may end with CR LF', () => {
    expect(readEnvironment('agi_network: yes\r\nagi_dnid: 1')?.get('agi_dnid')).toBe('1');
  });

  test.each([
    ['HTTP', 'GET / HTTP/1.1'],
    ['a line without colon', 'agi_network: yes\nhello'],
    ['a header of another protocol', 'agi_network: yes\nHost: x'],
    ['capital letters', 'AGI_NETWORK: yes'],
    ['an empty line inside', 'agi_network: yes\n\nagi_dnid: 1'],
    ['a name without end', `agi_${'x'.repeat(100)}: 1`],
    ['a thousand lines', Array.from({ length: 1000 }, (_, index) => `agi_arg_${index}: x`).join('\n')],
    ['nothing', ''],
  ])('is no AGI: %s', (_says, text) => {
    expect(readEnvironment(text)).toBeUndefined();
  });

  test.each([
    ['', true],
    ['a', true],
    ['agi_netw', true],
    ['agi_network: ', true],
    ['agi_network: yes', true],
    ['G', false],
    ['\u0016\u0003\u0001', false],
    ['agi_networks', false],
  ])('begins like AGI: %j %s', (text, so) => {
    expect(beginsLikeAgi(text)).toBe(so);
  });

  test('whatever comes, it is read or refused, never thrown at', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        const environment = readEnvironment(text);
        readRequest(environment ?? new Map([['agi_network_script', text]]));
        beginsLikeAgi(text);
        readReply(text);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('what becomes of a text from a card', () => {
  test.each([
    ['Anna Lisitsa', 'Anna Lisitsa'],
    ['Щёткин Иван-Мария', 'Щёткин Иван-Мария'],
    ["O'Brien", 'O’Brien'],
    ['ООО "Ромашка"', 'ООО Ромашка'],
    ['${SHELL(id)}', 'SHELL id'],
    ['a,b&c|d;e', 'a b c d e'],
    ['$[1+1]', '1+1'],
    ['x"\nSET VARIABLE Y "z', 'x SET VARIABLE Y z'],
    ['`id`', '’id’'],
    ['a\\b\u0000c\u202Ed', 'a b c d'],
    ['<tag>', 'tag'],
    ['🙂', ''],
    ['+375 29', '+375 29'],
    ['x'.repeat(500), 'x'.repeat(80)],
    ['', ''],
  ])('%j → %j', (text, value) => {
    expect(plainValue(text)).toBe(value);
  });

  test('one command is one line, whatever the value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        expect(setVariable('CUSTOMER_NAME', text)).toMatch(/^SET VARIABLE CUSTOMER_NAME "[^"\n\r\\$`{}[\],;&|]*"\n$/);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([['lower'], ['X Y'], ['X"'], [''], ['1X']])('%j is no name of a variable', (name) => {
    expect(() => setVariable(name, 'x')).toThrow(/no name/);
  });
});

test.each([
  ['200 result=1', 'done'],
  ['200 result=0', 'done'],
  ['HANGUP', 'hangup'],
  ['511 Command Not Permitted on a dead channel or intercept routine', 'hangup'],
  ['510 Invalid or unknown command', 'refused'],
  ['520-Invalid command syntax.  Proper usage follows:', 'refused'],
  ['', 'refused'],
])('the reply %j is %s', (line, meaning) => {
  expect(readReply(line)).toBe(meaning);
});
