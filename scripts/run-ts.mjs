// Runs a TypeScript entry point of this checkout: node scripts/run-ts.mjs FILE.ts [ARG ...]
import { createHash } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const entry = process.argv[2];
if (!entry) {
  process.stderr.write('usage: node scripts/run-ts.mjs FILE.ts [ARG ...]\n');
  process.exit(64);
}
// A process of its own writes a file of its own: two runs side by side never read each other's half-written bundle.
const name = `${createHash('sha1').update(resolve(entry)).digest('hex').slice(0, 12)}-${String(process.pid)}.mjs`;
const outfile = join(root, '.cache', 'run', name);
await bundle(resolve(entry), outfile, 'external');
process.argv.splice(1, 2, outfile);
process.setSourceMapsEnabled(true);
await import(pathToFileURL(outfile).href);
const { rm } = await import('node:fs/promises');
await Promise.all([rm(outfile, { force: true }), rm(`${outfile}.map`, { force: true })]);
