import { describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { EventFilter } from '../../../src/ami/filter.ts';
import { decodeValue, unescapeC, unquoteSip } from '../../../src/ami/message.ts';
import { frames, message, readText } from './support.ts';

const latin1 = (bytes: readonly number[]) => Buffer.from(bytes).toString('latin1');

describe('headers', () => {
  test.each([
    {
      name: 'letter case of a name does not matter',
      lines: ['Event: Cdr', 'UniqueID: 1.1'],
      key: 'Uniqueid',
      value: '1.1',
    },
    { name: 'the first value of a repeated header wins', lines: ['Event: A', 'X: 1', 'X: 2'], key: 'X', value: '1' },
    { name: 'also when the second is spelt as we ask', lines: ['Event: A', 'x: 1', 'X: 2'], key: 'X', value: '1' },
    { name: 'a missing blank after the colon is fine', lines: ['Event: A', 'Key:value'], key: 'Key', value: 'value' },
    { name: 'a second blank belongs to the value', lines: ['Event: A', 'Key:  value'], key: 'Key', value: ' value' },
    { name: 'colons in a value stay', lines: ['Event: A', 'URI: sip:150@h:5060'], key: 'URI', value: 'sip:150@h:5060' },
    { name: 'an empty value is empty', lines: ['Event: A', 'Exten: '], key: 'Exten', value: '' },
    {
      name: 'a bare LF is part of the value',
      lines: ['Event: A', 'AppData: a\n\nEvent: Hangup'],
      key: 'AppData',
      value: 'a\n\nEvent: Hangup',
    },
    { name: 'a bare CR is part of the value', lines: ['Event: A', 'X: a\rb'], key: 'X', value: 'a\rb' },
    { name: 'an absent header is undefined', lines: ['Event: A'], key: 'constructor', value: undefined },
    { name: '__proto__ is a name', lines: ['Event: A', '__proto__: x'], key: '__proto__', value: 'x' },
    { name: 'constructor is a name', lines: ['Event: A', 'constructor: x'], key: 'constructor', value: 'x' },
    {
      name: 'a second Event line is no event (A17)',
      lines: ['Event: A', 'X: y', 'Event: Hangup'],
      key: 'Event',
      value: 'A',
    },
  ])('$name', ({ lines, key, value }) => {
    expect(message(...lines).get(key)).toBe(value);
  });

  test('all values and the order are kept', () => {
    const read = message('Response: Success', 'Output: a', 'ActionID: 1', 'output: b', 'no colon here');
    expect(read.all('Output')).toEqual(['a', 'b']);
    expect(read.entries()).toEqual([
      ['Response', 'Success'],
      ['Output', 'a'],
      ['ActionID', '1'],
      ['output', 'b'],
      ['', 'no colon here'],
    ]);
  });

  test('ChanVariable lines become a record that inherits nothing, first value first', () => {
    const read = message(
      'Event: A',
      'ChanVariable: A=1',
      'ChanVariable: __proto__=x',
      'ChanVariable: B=a=b',
      'ChanVariable: A=2',
    );
    const variables = read.variables('ChanVariable');
    expect(Object.entries(variables)).toEqual([
      ['A', '1'],
      ['__proto__', 'x'],
      ['B', 'a=b'],
    ]);
    expect(Object.getPrototypeOf(variables)).toBeNull();
    expect(read.variables('DestChanVariable')).toEqual({});
  });

  test.each([
    { name: 'nothing repeated', lines: ['Event: A', 'Uniqueid: 1', 'X: 1', 'X: 2'], anomalies: 0 },
    { name: 'two Uniqueid', lines: ['Event: A', 'Uniqueid: 1', 'UniqueID: 2'], anomalies: 1 },
    {
      name: 'three Event and two Uniqueid',
      lines: ['Event: A', 'Event: B', 'Event: C', 'Uniqueid: 1', 'Uniqueid: 1'],
      anomalies: 3,
    },
  ])('anomalies: $name', ({ lines, anomalies }) => expect(message(...lines).repeatedIdentity).toBe(anomalies));

  test.each(['Even: A', 'X: y\r\nEvent: Hangup', ' Event: A', '', '\u0000\u0001'])('%j is no message', (text) => {
    expect(readText(text)).toBeUndefined();
  });

  test('OriginateResponse is an event although it has a Response header', () => {
    expect(message('Event: OriginateResponse', 'Response: Failure').kind).toBe('Event');
  });

  test('a hundred thousand lines without a colon are read in one pass', () => {
    const indexOf = jest.spyOn(String.prototype, 'indexOf');
    const read = message('Response: Success', ...Array<string>(100_000).fill('line')).all('');
    const vain = indexOf.mock.calls.filter(([text], i) => text === ':' && indexOf.mock.results[i]?.value === -1);
    indexOf.mockRestore();
    expect(read).toHaveLength(100_000);
    expect(vain).toHaveLength(1);
  });
});

describe('text', () => {
  test.each([
    { name: 'ASCII', bytes: [...Buffer.from('Operator 150')], text: 'Operator 150' },
    { name: 'UTF-8', bytes: [...Buffer.from('Щёткин 😀')], text: 'Щёткин 😀' },
    { name: 'windows-1251, where it is no UTF-8', bytes: [0xc8, 0xe2, 0xe0, 0xed], text: 'Иван' },
    { name: 'UTF-8 cut in its last character', bytes: [...Buffer.from('Ива'), 0xd0], text: 'Ива' },
    { name: 'ASCII with one odd last byte is windows-1251', bytes: [...Buffer.from('OOO '), 0xdf], text: 'OOO Я' },
  ])('$name', ({ bytes, text }) => expect(decodeValue(latin1(bytes))).toBe(text));

  test('any bytes give well-formed text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const text = decodeValue(latin1([...bytes]));
        return Buffer.from(text).toString() === text;
      }),
    );
  });

  test.each([
    ["O\\'Brien", "O'Brien"],
    ['\\"Shop\\"', '"Shop"'],
    ['a\\\\b', 'a\\b'],
    ['what\\?', 'what?'],
    ['a\\r\\nEvent: x', 'a\r\nEvent: x'],
    ['\\x41', '\\x41'],
    ['\\\\n', '\\n'],
    ['plain', 'plain'],
  ])('Asterisk wrote %j for %j', (escaped, plain) => expect(unescapeC(escaped)).toBe(plain));

  test('what SIP quoted stays quoted until asked', () => {
    const name = unescapeC('ООО \\\\\\"Ромашка\\\\\\" \\\\\\\\ Иван');
    expect(name).toBe('ООО \\"Ромашка\\" \\\\ Иван');
    expect(unquoteSip(name)).toBe('ООО "Ромашка" \\ Иван');
  });
});

describe('the filter on raw bytes', () => {
  const filter = new EventFilter(['Hangup', 'VarSet'], ['MIXMONITOR_FILENAME']);
  const passes = (text: string) => filter.passes(Buffer.from(text), 0, Buffer.byteLength(text));
  test.each([
    { name: 'a wanted event', text: 'Event: Hangup\r\nX: y', pass: true },
    { name: 'a wanted event without other headers', text: 'Event: Hangup', pass: true },
    { name: 'letter case does not matter', text: 'EVENT: hangup\r\nX: y', pass: true },
    { name: 'no blank after the colon', text: 'Event:Hangup\r\nX: y', pass: true },
    { name: 'an unwanted event', text: 'Event: HangupRequest\r\nX: y', pass: false },
    { name: 'the beginning of a wanted name', text: 'Event: Hang\r\nX: y', pass: false },
    { name: 'an endless name', text: `Event: ${'Hangup'.repeat(100)}\r\n`, pass: false },
    { name: 'a response', text: 'Response: Success\r\n', pass: true },
    { name: 'garbage, left to the decoder', text: '\u0000\u0001', pass: true },
    { name: 'a wanted variable', text: 'Event: VarSet\r\nVariable: MIXMONITOR_FILENAME\r\nValue: /a', pass: true },
    { name: 'an inherited one', text: 'Event: VarSet\r\nVariable: __MIXMONITOR_FILENAME\r\nValue: ', pass: true },
    { name: 'an unwanted variable', text: 'Event: VarSet\r\nVariable: RTPAUDIOQOS\r\nValue: ssrc', pass: false },
    { name: 'a VarSet of another shape, left to the decoder', text: 'Event: VarSet\r\nValue: 1\r\nX: y', pass: true },
  ])('$name', ({ text, pass }) => expect(passes(text)).toBe(pass));

  test('any bytes are answered and never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => typeof passes(latin1([...bytes])) === 'boolean'),
    );
  });
});

test('garbage of any kind gives the same messages in any pieces (A15)', () => {
  const piece = fc.constantFrom(
    '\r\n',
    '\r\n\r\n',
    '\n\n',
    '\r',
    'Event: A',
    'Response: Follows',
    'X: y',
    '\u0000',
    'ÿ',
    '--END COMMAND--',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.integer({ min: 1, max: 40 }), (pieces, size) => {
      const bytes = Buffer.from(pieces.join(''), 'latin1');
      const { texts } = frames(bytes, size);
      expect(texts).toEqual(frames(bytes, bytes.length + 1).texts);
      for (const text of texts) readText(text)?.entries();
    }),
  );
});
