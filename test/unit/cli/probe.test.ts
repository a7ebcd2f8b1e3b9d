import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { runCommandLine } from '../../../src/cli/args.ts';
import { probeCommand } from '../../../src/cli/probe.ts';
import { projectRoot } from '../../../src/root.ts';
import type { Emulator } from '../../../src/sandbox/emulator.ts';
import { emulatorFor } from '../probe/support.ts';
import { capture } from './support.ts';

let dir: string;
let crm: Emulator;
const config = (): string => join(dir, 'daemon.yaml');

beforeAll(async () => {
  crm = await emulatorFor();
  dir = mkdtempSync(join(tmpdir(), 'probe-'));
  mkdirSync(join(dir, 'enterprises'));
  writeFileSync(config(), 'database:\n  url: postgres://nobody@127.0.0.1/none\n');
  const example = readFileSync(join(projectRoot(), 'config/enterprises/example.yaml'), 'utf8');
  const url = `url: ${crm.url}\n  allow_insecure: true`;
  writeFileSync(join(dir, 'key'), 'demo-key\n');
  writeFileSync(
    join(dir, 'enterprises/acme.yaml'),
    example.replace('url: https://acme.retailcrm.example', url).replace('{ env: ACME_CRM_KEY }', '{ file: ../key }'),
  );
});
beforeEach(() => crm.reset());
afterAll(async () => {
  await crm.stop();
  rmSync(dir, { recursive: true });
});

async function probe(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const { io, out, err } = capture();
  const code = await runCommandLine(
    [probeCommand],
    ['probe', '-c', config(), '--repeat', '1', '--pace', '1', ...argv],
    io,
  );
  return { code, out: out(), err: err() };
}

test('reads, shows its progress, and writes a report for the owner only', async () => {
  const file = join(dir, 'report.md');
  const { code, out, err } = await probe('--report', file);
  expect(code).toBe(0);
  expect(err).toMatch(/^✓ credentials +\d+ ms {2}41 methods/m);
  expect(out).toContain('Popups: not tried (`--write` does).');
  expect(out).toContain(`protocol: ${file}`);
  expect(readFileSync(file, 'utf8')).toMatch(/^# RetailCRM API: protocol of a probe\n/);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(crm.requests().filter(({ method }) => method !== 'GET')).toEqual([]);
});

test('--report - gives the report and nothing else', async () => {
  const { out } = await probe('--report', '-');
  expect(out.startsWith('# RetailCRM API: protocol of a probe\n')).toBe(true);
  expect(out).not.toContain('✓');
});

test('--json gives one line per check and one for the summary', async () => {
  const { code, out, err } = await probe('--json');
  const lines = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(code).toBe(0);
  expect(lines[0]).toMatchObject({ check: 'api-versions', outcome: 'ok', error: null });
  expect(lines.at(-1)).toMatchObject({ summary: true, verdict: 0, mode: 'read-only', created: [] });
  expect(err).toBe('');
});

describe('exit codes', () => {
  test('1 when something failed, and what', async () => {
    crm.setSwitches({ failNext: [{ status: 500, path: 'user-groups' }] });
    const { code, out } = await probe();
    expect(code).toBe(1);
    expect(out).toContain('`user-groups` failed: 500');
    crm.setSwitches({ failNext: [] });
  });

  test('2 when the account does not let us in', async () => {
    crm.setSwitches({ authOff: true });
    const { code, out } = await probe('--write');
    expect(code).toBe(2);
    expect(out).toContain('The account cannot be used: 403 “Wrong "apiKey" value.”');
    crm.setSwitches({ authOff: false });
  });

  test.each([
    { argv: ['--write', '--read-only'], says: 'exclude each other' },
    { argv: ['--json', '--report', '-'], says: 'both want standard output' },
    { argv: ['--enterprise', 'other'], says: 'there is no enterprise other; there is acme' },
    { argv: ['--repeat', '0'], says: '--repeat must be a whole number' },
  ])('64 for $argv', async ({ argv, says }) => {
    const { code, err } = await probe(...argv);
    expect(code).toBe(64);
    expect(err).toContain(says);
    expect(crm.requests()).toEqual([]);
  });

  test('69 when the report cannot be written', async () => {
    const { code, err } = await probe('--report', join(dir, 'no/such/place.md'));
    expect(code).toBe(69);
    expect(err).toContain('the report cannot be written');
  });
});

test('the help teaches', async () => {
  const { io, out } = capture();
  expect(await runCommandLine([probeCommand], ['probe', '--help'], io)).toBe(0);
  for (const word of ['--report FILE', '--write', 'It only reads unless --write', 'Exit codes', 'does not let us in'])
    expect(out()).toContain(word);
});

test.each(['docs/probe.md', 'docs/probe.ru.md'])('%s explains every option and every exit code', (page) => {
  const text = readFileSync(join(projectRoot(), page), 'utf8');
  const options = Object.keys(probeCommand.options ?? {}).filter((name) => name !== 'config');
  expect(options.filter((name) => !text.includes(`\`--${name}`))).toEqual([]);
  expect(Object.keys(probeCommand.exitCodes ?? {}).filter((code) => !text.includes(`| ${code} |`))).toEqual([]);
});
