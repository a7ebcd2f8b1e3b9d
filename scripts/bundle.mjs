// One esbuild configuration for the released bundle and for running a TypeScript entry point from the checkout.
import { build } from 'esbuild';

const banner = [
  "import { createRequire as __createRequire } from 'node:module';",
  "import { fileURLToPath as __fileURLToPath } from 'node:url';",
  "import { dirname as __pathDirname } from 'node:path';",
  'const require = __createRequire(import.meta.url);',
  'const __filename = __fileURLToPath(import.meta.url);',
  'const __dirname = __pathDirname(__filename);',
].join('\n');

/** Bundles `entry` into `outfile`. With `packages: 'external'` dependencies stay in node_modules. */
export async function bundle(entry, outfile, packages) {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    sourcemap: true,
    external: ['pg-native'],
    logLevel: 'warning',
    ...(packages === 'external' ? { packages } : { banner: { js: banner } }),
  });
}
