import { version } from '../version.ts';
import { defineCommand } from './args.ts';
import { PROGRAM } from './help.ts';
import { printJson, printLine } from './output.ts';

export const versionCommand = defineCommand({
  name: 'version',
  group: 'Help',
  summary: 'print the version',
  options: { json: { type: 'boolean', help: 'as one JSON object, with the versions of Node and the machine' } },
  examples: [{ line: 'version --json', says: 'what to put into a bug report' }],
  run: ({ out, options }) => {
    if (options.json)
      printJson(out, { version, node: process.versions.node, platform: process.platform, arch: process.arch });
    else printLine(out, `${PROGRAM} ${version}`);
    return undefined;
  },
});
