import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The directory that holds package.json, db/ and config/: the checkout, or the installed package around dist/. */
export function projectRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'package.json')) || !existsSync(join(dir, 'db'))) {
    const parent = dirname(dir);
    if (parent === dir) throw new Error('cannot find the directory with package.json and db/ above the program');
    dir = parent;
  }
  return dir;
}
