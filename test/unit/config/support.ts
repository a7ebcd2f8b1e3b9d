import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from '@jest/globals';
import { loadEnterpriseFile } from '../../../src/config/load.ts';
import type { EnterpriseSettings } from '../../../src/config/settings.ts';
import { projectRoot } from '../../../src/root.ts';

/** The enterprise file we ship. */
export const EXAMPLE = join(projectRoot(), 'config/enterprises/example.yaml');

/** The shipped enterprise, loaded. */
export function example(): EnterpriseSettings {
  return loadEnterpriseFile(EXAMPLE);
}

/** The text of the shipped enterprise file with parts replaced; a part that is not there fails the test. */
export function exampleText(...replacements: readonly (readonly [part: string, by: string])[]): string {
  return replacements.reduce(
    (text, [part, by]) => {
      if (!text.includes(part)) throw new Error(`the example has no ${JSON.stringify(part)} to replace`);
      return text.replace(part, () => by);
    },
    readFileSync(EXAMPLE, 'utf8'),
  );
}

const made: string[] = [];
afterAll(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});

/** Writes files into a new directory and returns its path; it is gone after the test file. */
export function directory(files: Readonly<Record<string, string | Buffer>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'config-'));
  made.push(dir);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}
