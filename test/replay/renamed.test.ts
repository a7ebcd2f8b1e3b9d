import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { neededEvents } from '../../src/ami/events.ts';
import { readCapture } from '../../src/capture.ts';
import { replay } from '../../src/replay.ts';
import { captures, example } from '../support/callsCaptures.ts';

const { rules, settings } = example();
const dir = mkdtempSync(join(tmpdir(), 'renamed-'));
afterAll(() => rmSync(dir, { recursive: true }));

/** The capture's bytes with another name for every event nobody needs, read without an index. */
function linesOf(bytes: Buffer): unknown[] {
  const path = join(dir, 'stream.ami');
  writeFileSync(path, bytes);
  return [...replay(readCapture(path).events, rules, settings)];
}

test('events the core does not need may be called anything', () => {
  const timed = captures().filter(
    ({ name, segments }) => name.startsWith('ast22/in_') && !name.includes('@bare') && segments.length === 1,
  );
  expect(timed.length).toBeGreaterThan(20);
  let renamed = 0;
  for (const { name, segments } of timed) {
    const bytes = readFileSync(segments[0] ?? '');
    const other = bytes.toString('latin1').replace(/^Event: (\w+)\r$/gm, (line, event: string) => {
      if (neededEvents.has(event)) return line;
      renamed += 1;
      return `Event: ${event}Renamed\r`;
    });
    expect({ name, lines: linesOf(Buffer.from(other, 'latin1')) }).toEqual({ name, lines: linesOf(bytes) });
  }
  expect(renamed).toBeGreaterThan(1000);
});
