import { writeFile } from 'node:fs/promises';
import { isNativeError } from 'node:util/types';
import { resolveSecret } from '../config/secrets.ts';
import type { EnterpriseSettings } from '../config/settings.ts';
import { silentLog } from '../log.ts';
import { markdownOf, times } from '../probe/markdown.ts';
import { planned, runProbe } from '../probe/run.ts';
import type { CheckResult, Protocol } from '../probe/types.ts';
import { version } from '../version.ts';
import { defineCommand } from './args.ts';
import { configOption, jsonOption, settingsFrom, signalled, wholeNumber } from './common.ts';
import { EXIT, EXIT_MEANING, UnavailableError, UsageError } from './errors.ts';
import { type Io, paint, printJson, printLine } from './output.ts';

export const probeCommand = defineCommand({
  name: 'probe',
  group: 'Set up',
  summary: 'try the CRM’s API with your key and write the protocol',
  description: [
    'Plays a test plan against the configured account: access, users, customers, telephony, orders, and a few requests that are wrong on purpose. It shows what the key may do, how fast the account answers, what its errors look like and where it differs from others.',
    'It only reads unless --write is given. With --write it makes a customer, an order, a note and a call record, all marked “asterisk-retailcrm probe ID” and named in the report: the API cannot delete them, so look for them in the CRM afterwards. A popup is shown to nobody unless --extension names somebody.',
    'The report is Markdown with every request and reply. Secrets, phone numbers, mailboxes and names are masked: it may be sent to the CRM’s support.',
  ],
  options: {
    ...configOption,
    enterprise: { type: 'string', value: 'ID', help: 'whose account; needed when there are several' },
    report: { type: 'string', value: 'FILE', help: 'write the protocol there; - for standard output' },
    'read-only': { type: 'boolean', help: 'create nothing; what it does anyway without --write' },
    write: { type: 'boolean', help: 'create a customer, an order, a note and a call record, all marked' },
    files: { type: 'boolean', help: 'try file storage too, which may be billed; uploads only with --write' },
    phone: { type: 'string', value: 'NUMBER', help: 'look this number up; else one of the first customers’' },
    extension: { type: 'string', value: 'EXT', help: 'with --write: show this employee a popup' },
    repeat: { type: 'string', value: 'N', help: 'measure each reading request so often', default: '3' },
    pace: { type: 'string', value: 'MS', help: 'milliseconds between requests', default: '250' },
    ...jsonOption,
  },
  exitCodes: {
    1: 'at least one check failed; the report says which',
    2: 'the account cannot be reached or does not let us in',
    [EXIT.unavailable]: 'the report could not be written',
    [EXIT.config]: EXIT_MEANING[EXIT.config] ?? '',
  },
  examples: [
    { line: 'probe --report retailcrm.md', says: 'read only: safe on any account' },
    { line: 'probe --write --extension 101 --report retailcrm.md', says: 'everything, with a popup for 101' },
    { line: 'probe --json | jq -r "select(.outcome == \\"failed\\") | .says"', says: 'for scripts' },
  ],
  run: async ({ options, out, err }) => {
    if (options.write && options['read-only'])
      throw new UsageError('probe: --write and --read-only exclude each other');
    if (options.json && options.report === '-')
      throw new UsageError('probe: --json and --report - both want standard output');
    const enterprise = chosen(settingsFrom(options.config).enterprises, options.enterprise);
    const { retailcrm } = enterprise;
    const wanted = { write: options.write, files: options.files };
    const width = Math.max(...planned(wanted).map(({ id }) => id.length));
    if (!options.json)
      printLine(err, paint(err, 'dim', `${retailcrm.url}, ${options.write ? 'writing' : 'read-only'}`));
    const interrupted = new AbortController();
    void signalled('SIGINT', 'SIGTERM').then(() => interrupted.abort());
    const protocol = await runProbe(
      {
        ...wanted,
        enterprise: enterprise.id,
        url: retailcrm.url,
        key: resolveSecret(retailcrm.key),
        allowInsecure: retailcrm.allowInsecure,
        site: retailcrm.site,
        timezone: retailcrm.timezone,
        moduleCode: retailcrm.module?.code ?? `asterisk-${enterprise.id}`,
        phone: options.phone,
        extension: options.extension,
        repeat: wholeNumber('repeat', options.repeat),
        paceMs: wholeNumber('pace', options.pace),
        log: silentLog,
        signal: interrupted.signal,
      },
      (result) => {
        if (options.json) printJson(out, lineOf(result));
        else printLine(err, progress({ out, err, env: {} }, result, width));
      },
    );
    await report(protocol, options.report, { out, err, env: {} });
    if (options.json) printJson(out, summaryOf(protocol));
    else summary(protocol, options.report, { out, err, env: {} });
    return protocol.verdict;
  },
});

function chosen(enterprises: readonly EnterpriseSettings[], id: string | undefined): EnterpriseSettings {
  const ids = enterprises.map((one) => one.id).join(', ');
  const found = id === undefined ? enterprises[0] : enterprises.find((one) => one.id === id);
  if (id === undefined && enterprises.length > 1)
    throw new UsageError(`probe: --enterprise ID is missing; one of ${ids}`);
  if (found === undefined) throw new UsageError(`probe: there is no enterprise ${id ?? ''}; there is ${ids || 'none'}`);
  return found;
}

async function report(protocol: Protocol, path: string | undefined, { out }: Io): Promise<void> {
  if (path === undefined) return;
  const text = markdownOf(protocol, version);
  if (path === '-') {
    out.write(text);
    return;
  }
  await writeFile(path, text, { mode: 0o600 }).catch((error: unknown) => {
    throw new UnavailableError(`the report cannot be written: ${isNativeError(error) ? error.message : String(error)}`);
  });
}

const sign = { ok: ['good', '✓'], failed: ['bad', '✗'], skipped: ['dim', '–'] } as const;

function progress({ err }: Io, { id, outcome, says, latencies }: CheckResult, width: number): string {
  const [style, mark] = sign[outcome];
  const [, , median = ''] = times(latencies);
  return `${paint(err, style, mark)} ${id.padEnd(width)}  ${median.padStart(8)}  ${says}`;
}

function summary(protocol: Protocol, path: string | undefined, { out, err }: Io): void {
  // With the report on standard output nothing else goes there.
  const to = path === '-' ? err : out;
  printLine(to);
  for (const line of protocol.conclusions) printLine(to, line);
  for (const { what, id, hint } of protocol.created) printLine(to, `created: ${what} ${id} (${hint})`);
  if (path !== undefined && path !== '-') printLine(to, `protocol: ${path}`);
}

function lineOf({ id, area, title, outcome, says, latencies, error }: CheckResult): Record<string, unknown> {
  return { check: id, area, title, outcome, says, latenciesMs: latencies.map(Math.round), error: error ?? null };
}

function summaryOf({
  id,
  account,
  mode,
  verdict,
  created,
  peculiarities,
  conclusions,
}: Protocol): Record<string, unknown> {
  return { summary: true, run: id, account, mode, verdict, created, peculiarities, conclusions };
}
