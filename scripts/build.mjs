// Builds dist/main.js: one file with every dependency inside.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
await bundle(join(root, 'src/main.ts'), join(root, 'dist/main.js'));
