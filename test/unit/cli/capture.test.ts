import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { hostEvents, readCapture } from '../../../src/capture.ts';
import { captureCommand } from '../../../src/cli/capture.ts';
import { runCommandLine } from '../../../src/cli/args.ts';
import { projectRoot } from '../../../src/root.ts';
import { startPlayer } from '../../../src/sandbox/player.ts';
import { capture } from './support.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'capture-'));
  process.env['CAPTURE_TEST_SECRET'] = 'amp111';
});
afterEach(() => {
  rmSync(dir, { recursive: true });
  delete process.env['CAPTURE_TEST_SECRET'];
});

/** A configuration with one host at this port. */
function configured(port: number): string {
  mkdirSync(join(dir, 'enterprises'));
  writeFileSync(join(dir, 'daemon.yaml'), 'enterprises: enterprises\n');
  writeFileSync(
    join(dir, 'enterprises/acme.yaml'),
    `id: acme
number: '1'
country: BY
retailcrm: { url: 'https://crm.example', key: { env: NOT_NEEDED } }
hosts:
  - id: pbx1
    ami: { address: 127.0.0.1, port: ${port}, user: recorder, secret: { env: CAPTURE_TEST_SECRET } }
    trunks: [{ name: provider-by, channels: [PJSIP/provider-by] }]
dids: [{ number: '+375171234503' }]
`,
  );
  return dir;
}

async function record(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const { io, out, err } = capture();
  const code = await runCommandLine([captureCommand], ['capture', ...argv], io);
  return { code, out: out(), err: err() };
}

describe('capture', () => {
  test('what is recorded replays as what was sent', async () => {
    const source = join(projectRoot(), 'test/captures/ast22/in_direct_answer.ami');
    const player = await startPlayer({
      captures: [source],
      port: 0,
      speed: 40,
      user: 'recorder',
      secret: 'amp111',
      snapshotGraceMs: 0,
    });
    try {
      const name = join(dir, 'morning');
      const recording = record(name, '--config', configured(player.port), '--seconds', '2', '--json');
      const { code, out } = await recording;
      expect(code).toBe(0);
      expect(JSON.parse(out)).toMatchObject({ file: `${name}.ami` });
      // Customers' numbers are in it: nobody else may read it.
      expect(['ami', 'idx.jsonl'].map((end) => statSync(`${name}.${end}`).mode & 0o777)).toEqual([0o600, 0o600]);
      const kinds = (path: string): string[] => [...hostEvents([readCapture(path)])].map(({ event }) => event);
      expect(kinds(`${name}.ami`).filter((kind) => kind !== 'Disconnected' && kind !== 'Resync')).toEqual(
        kinds(source),
      );
    } finally {
      await player.stop();
    }
  });

  test('an existing file is never overwritten', async () => {
    writeFileSync(join(dir, 'morning.ami'), '');
    const { code, err } = await record(join(dir, 'morning'), '--config', dir);
    expect(code).toBe(64);
    expect(err).toMatch(/morning\.ami exists; take another name/);
  });

  test('a host that does not answer is exit 69 with its address', async () => {
    const { code, err } = await record(join(dir, 'morning'), '--config', configured(1));
    expect(code).toBe(69);
    expect(err).toMatch(/127\.0\.0\.1:1/);
  });
});
