// Jest transform: strips types with esbuild, keeps ES modules. Types are checked by `npm run typecheck`.
import { createHash } from 'node:crypto';
import { transformSync, version } from 'esbuild';

export default {
  canInstrument: false,
  process(source, file, options) {
    return transformSync(source, {
      loader: 'ts',
      format: options.supportsStaticESM ? 'esm' : 'cjs',
      target: 'node20',
      sourcemap: 'inline',
      sourcefile: file,
      supported: { 'import-attributes': true },
    });
  },
  getCacheKey(source, file, options) {
    return createHash('sha1')
      .update([version, source, file, String(options.supportsStaticESM), options.configString].join('\0'))
      .digest('hex');
  },
};
