import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runCommandLine } from '../../../src/cli/args.ts';
import { doctorCommand } from '../../../src/cli/doctor.ts';
import { exampleText } from '../config/support.ts';
import { capture } from './support.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'doctor-'));
  mkdirSync(join(dir, 'enterprises'));
  writeFileSync(join(dir, 'daemon.yaml'), 'database: { url: "postgres://127.0.0.1:9/none" }\n');
  writeFileSync(join(dir, 'enterprises/acme.yaml'), exampleText(['port: 5038', 'port: 9']));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function doctor(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { io, out, err } = capture();
  const code = await runCommandLine([doctorCommand], ['doctor', '--config', dir, ...args], io);
  return { code, out: out(), err: err() };
}

describe('doctor', () => {
  test('failures: 2, each with what to do, and a sum at the end', async () => {
    const { code, out } = await doctor('--only', 'pbx', '--only', 'database', '--watch', '0');
    expect(code).toBe(2);
    expect(out).toMatch(/^database\n {2}failure {2}the database cannot be used: .*\n {11}→ is the server/);
    expect(out).toMatch(/pbx acme\/pbx1\n {2}failure {2}the password cannot be had/);
    expect(out).toMatch(/\n1 ok, 0 warnings, 2 failures\n$/);
  });

  test('--json: one object per finding, nothing else', async () => {
    const { out } = await doctor('--only', 'pbx', '--json', '--watch', '0');
    const findings = out
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect(findings).toEqual([
      expect.objectContaining({ area: 'pbx', subject: 'acme/pbx1', check: 'login', level: 'failure' }),
      expect.objectContaining({ area: 'pbx', subject: 'acme', check: 'recordings', level: 'ok' }),
    ]);
  });

  test('nothing wrong: 0', async () => {
    const { code, out } = await doctor('--only', 'callbacks');
    expect({ code, out }).toEqual({ code: 0, out: '0 ok, 0 warnings, 0 failures\n' });
  });

  test('--print-manager-conf contacts nobody and names where the secret is, never the secret', async () => {
    process.env['ACME_PBX1_SECRET'] = 'very-secret';
    const { code, out } = await doctor('--print-manager-conf');
    delete process.env['ACME_PBX1_SECRET'];
    expect(code).toBe(0);
    expect(out).toContain('[retailcrm]\nsecret = <the value of env ACME_PBX1_SECRET>\n');
    expect(out).not.toContain('very-secret');
  });

  test.each([
    { args: ['--enterprise', 'none'], says: 'there is no enterprise none; there are acme' },
    { args: ['--host', 'none'], says: 'there is no host none; there are pbx1' },
    { args: ['--watch', 'long'], says: '--watch must be a number of seconds' },
    { args: ['--only', 'crn'], says: '--only must be one of database, disk, pbx, crm, callbacks; did you mean "crm"' },
  ])('$args is a slip of the pen: 64', async ({ args, says }) => {
    const { code, err } = await doctor(...args);
    expect(code).toBe(64);
    expect(err).toContain(says);
  });
});
