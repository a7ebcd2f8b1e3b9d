import { describe, expect, jest, test } from '@jest/globals';
import { Framer } from '../../../src/ami/framer.ts';
import { capture, frames } from './support.ts';

const hangup = 'Event: Hangup\r\nUniqueid: 1.1\r\nCause: 16\r\n\r\n';

describe('where a message ends', () => {
  test.each([
    { name: 'at CR LF CR LF', stream: hangup + hangup, messages: 2 },
    {
      name: 'not at LF LF, even if what follows looks like an event',
      stream: `Event: A\r\nX: a\n\n${hangup}`,
      messages: 1,
    },
    { name: 'not at CR CR', stream: 'Event: A\r\nX: a\r\rb\r\n\r\n', messages: 1 },
    { name: 'not at LF CR LF', stream: 'Event: A\r\nX: a\n\r\nY: b\r\n\r\n', messages: 1 },
    { name: 'a blank line between messages is no message', stream: `${hangup}\r\n\r\n${hangup}`, messages: 2 },
    { name: 'one blank line too many before a message is not part of it', stream: `\r\n${hangup}`, messages: 1 },
    { name: 'a stream of blank lines holds no message', stream: '\r\n'.repeat(1000), messages: 0 },
    { name: 'an unfinished message is none', stream: 'Event: Hangup\r\nUniqueid: 1.1\r\n', messages: 0 },
    {
      name: 'Response: Follows waits for --END COMMAND--',
      stream: `Response: Follows\r\nActionID: 1\r\n a\r\n\r\n b\n--END COMMAND--\r\n\r\n${hangup}`,
      messages: 2,
    },
    {
      name: 'Response: Success with many lines does not',
      stream: `Response: Success\r\nOutput: a\r\n\r\n${hangup}`,
      messages: 2,
    },
  ])('$name', ({ stream, messages }) => {
    for (const size of [1, 2, 3, 7, 31, 33, stream.length]) {
      const { texts, fault } = frames(Buffer.from(stream), size);
      expect({ size, count: texts.length, fault }).toEqual({ size, count: messages, fault: undefined });
    }
  });

  test('the text of a message is its lines without the terminator', () => {
    expect(frames(Buffer.from(`\r\n${hangup}`), 5).texts).toEqual([hangup.trimEnd()]);
  });

  test('a Follows message keeps its inner blank lines', () => {
    const text = 'Response: Follows\r\nActionID: 1\r\n a\r\n\r\n b\n--END COMMAND--';
    expect(frames(Buffer.from(`${text}\r\n\r\n`), 4).texts).toEqual([text]);
  });
});

describe('chunk borders', () => {
  const bytes = capture('ast22/in_utf8_name').subarray(0, 20_000);
  const whole = bytes.toString('latin1').split('\r\n\r\n').slice(0, -1);

  test('any size of chunk from 1 to 700 bytes gives the messages of the whole', () => {
    for (let size = 1; size <= 700; size++) expect(frames(bytes, size).texts).toEqual(whole);
  });

  test('a border at every single byte gives the messages of the whole', () => {
    const piece = bytes.subarray(0, bytes.indexOf('\r\n\r\n', 4000) + 4);
    const expected = frames(piece, piece.length).texts;
    for (let border = 0; border <= piece.length; border++) {
      const texts: string[] = [];
      const framer = new Framer((all, start, end) => texts.push(all.toString('latin1', start, end)));
      framer.push(piece.subarray(0, border));
      framer.push(piece.subarray(border));
      expect(texts).toEqual(expected);
    }
  });

  test.each([1448, 4096, 65_536])('a whole capture in chunks of %i bytes', (size) => {
    const all = capture('ast16/in_attended_refer@chansip');
    // Asterisk 16 ends some TestEvents with a blank line too many: it belongs to no message.
    const blocks = all.toString('latin1').split('\r\n\r\n').slice(0, -1);
    expect(frames(all, size).texts).toEqual(blocks.map((text) => text.replace(/^\r\n/, '')));
  });
});

describe('limits', () => {
  const limits = { lineBytes: 100, messageBytes: 1000 };
  test.each([
    { name: 'a line of the limit passes', stream: `Event: A\r\nX: ${'x'.repeat(96)}\r\n\r\n`, fault: undefined },
    {
      name: 'a longer line ends the stream',
      stream: `Event: A\r\nX: ${'x'.repeat(120)}\r\n\r\n`,
      fault: 'line too long',
    },
    { name: 'also when it never ends', stream: `Event: A\r\nX: ${'x'.repeat(500)}`, fault: 'line too long' },
    { name: 'many short lines pass', stream: `Event: A\r\n${'X: y\r\n'.repeat(150)}\r\n`, fault: undefined },
    { name: 'too many of them do not', stream: `Event: A\r\n${'X: y\r\n'.repeat(300)}\r\n`, fault: 'message too long' },
    {
      name: 'also when the message never ends',
      stream: `Event: A\r\n${'X: y\r\n'.repeat(300)}`,
      fault: 'message too long',
    },
  ])('$name', ({ stream, fault }) => {
    for (const size of [1, 10, 64, stream.length]) {
      expect({ size, fault: frames(Buffer.from(stream), size, limits).fault }).toEqual({ size, fault });
    }
  });

  test('100 MB without a line end: given up after 64 KiB, nothing held', () => {
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const framer = new Framer(() => expect(true).toBe(false));
    let pushed = 0;
    let fault: string | undefined;
    for (; pushed < 1600 && fault === undefined; pushed++) fault = framer.push(chunk);
    expect({ fault, pushed }).toEqual({ fault: 'line too long', pushed: 2 });
  });

  test('100 MB of lines without a blank one: given up at 8 MiB', () => {
    const chunk = Buffer.from('Key: value\r\n'.repeat(5000));
    const framer = new Framer(() => expect(true).toBe(false));
    let bytes = 0;
    while (bytes < 100e6 && framer.push(chunk) === undefined) bytes += chunk.length;
    expect(bytes).toBeLessThanOrEqual(8 * 1024 * 1024);
  });

  test('a value of 3.6 KB in one line passes', () => {
    const { texts } = frames(Buffer.from(`Event: A\r\nX: ${'x'.repeat(3600)}\r\n\r\n`), 1448);
    expect(texts[0]).toHaveLength(3600 + 13);
  });

  test('after a fault nothing is taken any more', () => {
    const texts: string[] = [];
    const framer = new Framer((all, start, end) => texts.push(all.toString('latin1', start, end)), limits);
    expect(framer.push(Buffer.alloc(200, 'x'))).toBe('line too long');
    expect(framer.push(Buffer.from(`\r\n\r\n${hangup}`))).toBe('line too long');
    expect(texts).toEqual([]);
  });
});

describe('memory and time', () => {
  test('one chunk of 30 MB is cut without holding it', () => {
    const block = Buffer.from(hangup.repeat(1000));
    const big = Buffer.alloc(block.length * Math.ceil(30e6 / block.length), block);
    let count = 0;
    const framer = new Framer(() => count++);
    framer.push(Buffer.from('Event: Half\r\n'));
    framer.push(big);
    expect(count).toBe(big.length / (block.length / 1000));
    expect(framer.held).toBe(0);
  });

  test('the bytes of a long message are copied once, whatever the chunks: the buffer grows by doubling', () => {
    const grown: number[] = [];
    jest.spyOn(Buffer, 'allocUnsafe').mockImplementation((size) => {
      grown.push(size);
      return Buffer.alloc(size);
    });
    const bytes = Buffer.from(`Response: Success\r\n${'Output: x\r\n'.repeat(200_000)}\r\n`);
    const { texts } = frames(bytes, 1448);
    expect(texts).toHaveLength(1);
    expect(grown.reduce((sum, size) => sum + size, 0)).toBeLessThan(6 * bytes.length);
  });

  test('a stopped framer gives nothing more, not even the rest of the chunk', () => {
    const texts: string[] = [];
    const framer = new Framer((all, start, end) => {
      texts.push(all.toString('latin1', start, end));
      framer.stop();
    });
    framer.push(Buffer.from(hangup.slice(0, 10)));
    framer.push(Buffer.from(hangup.slice(10) + hangup + hangup));
    expect(texts).toHaveLength(1);
  });
});
