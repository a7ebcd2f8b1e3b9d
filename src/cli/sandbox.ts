import { readFileSync } from 'node:fs';
import type { Account } from '../sandbox/account.ts';
import { startEmulator } from '../sandbox/emulator.ts';
import type { Seed } from '../sandbox/seed.ts';
import { readSeed } from '../sandbox/seed-reader.ts';
import { defineCommand } from './args.ts';
import { jsonOption, signalled } from './common.ts';
import { EXIT, UnavailableError, UsageError } from './errors.ts';
import { paint, printJson, printLine } from './output.ts';

function seedFrom(path: string): Seed {
  try {
    return readSeed(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new UsageError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Who is there: `user 7 Ira Orlova, extension 150`. */
function peopleOf({ users, modules }: Account): string[] {
  const codes = [...modules.values()].flatMap(({ telephony }) => telephony?.additionalCodes ?? []);
  return [...users.values()].map(({ id, firstName, lastName }) => {
    const extension = codes.find(({ userId }) => userId === id)?.code;
    return `user ${id} ${firstName} ${lastName}`.trim() + (extension === undefined ? '' : `, extension ${extension}`);
  });
}

export const sandboxCommand = defineCommand({
  name: 'sandbox',
  group: 'Try out',
  summary: 'start a local RetailCRM to develop and test against',
  description: [
    'An emulator of the CRM’s API with its rate limits, its error answers and switches for the ways accounts differ. Its page shows what a manager would see: popups as they come and go, the call list, customers. State is in memory.',
    'The admin interface is under /__emu/: requests, popups, calls, switches, stats, callbacks to place.',
  ],
  options: {
    port: { type: 'string', value: 'PORT', help: 'TCP port on 127.0.0.1, 0 = any free one', default: '8020' },
    seed: {
      type: 'string',
      value: 'FILE',
      help: 'JSON with accounts, users and customers; default: one account "demo", key "demo-key"',
    },
    ...jsonOption,
  },
  exitCodes: { [EXIT.unavailable]: 'the port is taken' },
  examples: [
    { line: 'sandbox', says: 'then open http://127.0.0.1:8020/' },
    { line: 'sandbox --port 0 --json', says: 'for scripts: prints {"url": …}' },
  ],
  run: async ({ out, options }) => {
    const port = Number(options.port);
    if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new UsageError('sandbox: --port must be 0…65535');
    const seed = options.seed === undefined ? {} : seedFrom(options.seed);
    const stopping = signalled('SIGINT', 'SIGTERM');
    const emulator = await startEmulator({ port, seed }).catch((error: unknown) => {
      throw new UnavailableError(
        `port ${port} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
    if (options.json) printJson(out, { url: emulator.url });
    else {
      printLine(
        out,
        `${paint(out, 'bold', 'RetailCRM sandbox')} at ${paint(out, 'good', emulator.url)} (Ctrl-C ends it)`,
      );
      for (const name of emulator.accountNames()) {
        const account = emulator.account(name);
        printLine(out, `  account ${name}: API key ${account.keys.map(({ key }) => key).join(', ')}`);
        for (const line of peopleOf(account)) printLine(out, `    ${line}`);
      }
      printLine(out, `In an enterprise's file, under retailcrm: url: ${emulator.url}, allow_insecure: true`);
    }
    await stopping;
    await emulator.stop();
    return EXIT.ok;
  },
});
