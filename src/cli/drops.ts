import type { Db } from '../store/database.ts';
import { countDrops, listDrops } from '../store/drops.ts';
import { type Options, defineCommand } from './args.ts';
import { configOption, jsonOption, localTime, timeOption, wholeNumber, withDatabase } from './common.ts';
import { EXIT, EXIT_MEANING } from './errors.ts';
import { printJson, printLine, printTable } from './output.ts';

const filterOptions = {
  enterprise: { type: 'string', value: 'ID', help: 'only this enterprise' },
  host: { type: 'string', value: 'ID', help: 'only this host' },
  reason: { type: 'string', value: 'CODE', help: 'only this reason, e.g. internal or blacklisted' },
  since: { type: 'string', value: 'TIME', help: 'not older than this, e.g. 2026-11-23 or 2026-11-23T09:00' },
} as const satisfies Options;

const exitCodes = {
  [EXIT.unavailable]: EXIT_MEANING[EXIT.unavailable] ?? '',
  [EXIT.config]: EXIT_MEANING[EXIT.config] ?? '',
};

type Filter = Parameters<typeof countDrops>[1];

function filterOf(options: { [K in keyof typeof filterOptions]: string | undefined }): NonNullable<Filter> {
  const { enterprise, host, reason } = options;
  const since = timeOption('since', options.since);
  return {
    ...(enterprise === undefined ? {} : { enterprise }),
    ...(host === undefined ? {} : { host }),
    ...(reason === undefined ? {} : { reason }),
    ...(since === undefined ? {} : { since }),
  };
}

export const dropsListCommand = defineCommand({
  name: 'drops list',
  group: 'Look into',
  summary: 'what was not told to the CRM, and why, newest first',
  description: [
    'The drop ledger: nothing is left out of the CRM without a row here. Reasons are explained in docs/troubleshooting.md.',
  ],
  options: {
    ...configOption,
    ...filterOptions,
    limit: { type: 'string', value: 'N', help: 'at most this many', default: '50' },
    ...jsonOption,
  },
  exitCodes,
  examples: [{ line: 'drops list --reason employee_mobile', says: 'calls taken for employees’ own' }],
  run: async ({ out, options }) => {
    const limit = wholeNumber('limit', options.limit);
    const drops = await withDatabase(options.config, (db: Db) => listDrops(db, { ...filterOf(options), limit }));
    if (options.json) for (const drop of drops) printJson(out, drop);
    else if (drops.length === 0) printLine(out, 'nothing was dropped');
    else {
      printTable(
        out,
        [
          { title: 'when', value: (one) => localTime(one.at) },
          { title: 'enterprise', value: (one) => one.enterprise },
          { title: 'host', value: (one) => one.host },
          { title: 'linkedid', value: (one) => one.linkedid },
          { title: 'reason', value: (one) => one.reason },
        ],
        drops,
      );
    }
    return EXIT.ok;
  },
});

export const dropsCountCommand = defineCommand({
  name: 'drops count',
  group: 'Look into',
  summary: 'how many, by reason',
  options: { ...configOption, ...filterOptions, ...jsonOption },
  exitCodes,
  examples: [{ line: 'drops count --since 2026-11-23', says: 'today’s reasons' }],
  run: async ({ out, options }) => {
    const counted = await withDatabase(options.config, (db: Db) => countDrops(db, filterOf(options)));
    if (options.json) for (const row of counted) printJson(out, row);
    else if (counted.length === 0) printLine(out, 'nothing was dropped');
    else {
      printTable(
        out,
        [
          { title: 'reason', value: (row) => row.reason },
          { title: 'count', value: (row) => row.count, align: 'right' },
        ],
        counted,
      );
    }
    return EXIT.ok;
  },
});
