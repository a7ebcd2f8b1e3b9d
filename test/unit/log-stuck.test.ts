import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { createLog } from '../../src/log.ts';
import { projectRoot } from '../../src/root.ts';

const MIB = 1024 * 1024;

describe('a reader who does not read (S11)', () => {
  test('costs 8 MiB and no more; what was lost is counted and told when he reads again', async () => {
    const stream = new PassThrough({ highWaterMark: 1 });
    const log = createLog({ format: 'json', level: 'info', stream });
    const text = 'x'.repeat(1_000);
    for (let i = 0; i < 12_000; i++) log.info(text);
    await new Promise((resolve) => setImmediate(resolve));
    expect(stream.writableLength).toBeLessThanOrEqual(8 * MIB);
    expect(stream.writableLength).toBeGreaterThan(7 * MIB);
    const lost = log.dropped;
    expect(lost).toBeGreaterThan(2_000);

    let read = '';
    stream.on('data', (chunk: Buffer) => (read += chunk.toString()));
    await log.flush();
    log.info('back again');
    await log.flush();
    const lines = read.trimEnd().split('\n');
    expect(lines).toHaveLength(12_000 - lost + 2);
    expect(lines.at(-2)).toContain(`"message":"${String(lost)} log lines were dropped: nobody read them in time"`);
    expect(lines.at(-1)).toContain('"message":"back again"');
    expect(log.dropped).toBe(lost);
  });

  test('does not hold up a stop', async () => {
    const stream = new Writable({ write: () => undefined });
    const log = createLog({ format: 'json', level: 'info', stream });
    log.info('never read');
    log.info('never read');
    await expect(log.flush()).resolves.toBeUndefined();
  });
});

describe('a reader who is gone', () => {
  test.each([
    ['breaks the pipe', 'EPIPE'],
    ['has a full disk', 'ENOSPC'],
  ])('%s: nothing is thrown, lines are counted', async (_says, code) => {
    const failure = Object.assign(new Error(code), { code });
    const stream = new Writable({ write: (_chunk, _encoding, next) => next(failure) });
    const log = createLog({ format: 'json', level: 'info', stream });
    log.info('one');
    await log.flush();
    log.info('two');
    log.info('three');
    await log.flush();
    expect(log.dropped).toBe(3);
  });

  test('throws at once, as terminals and files do: lines are counted', async () => {
    const stream = new Writable();
    stream.write = () => {
      throw Object.assign(new Error('EAGAIN'), { code: 'EAGAIN' });
    };
    const log = createLog({ format: 'json', level: 'info', stream });
    log.info('one');
    await log.flush();
    expect(log.dropped).toBe(1);
  });

  test('a real process outlives the reader of its standard output', async () => {
    const script = join(projectRoot(), 'scripts/run-ts.mjs');
    const child = spawn(process.execPath, [script, join(projectRoot(), 'test/support/talkative.ts')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.once('data', () => child.stdout.destroy());
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number];
    expect({ code, said }).toEqual({ code: 0, said: expect.stringMatching(/^alive, \d+ dropped\n$/) });
  });
});
