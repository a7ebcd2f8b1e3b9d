import type { Gap } from '../store/gaps.ts';
import { listGaps } from '../store/gaps.ts';
import { defineCommand } from './args.ts';
import { configOption, jsonOption, localTime, timeOption, wholeNumber, withDatabase } from './common.ts';
import { EXIT, EXIT_MEANING } from './errors.ts';
import { printJson, printLine, printTable } from './output.ts';

export const gapsListCommand = defineCommand({
  name: 'gaps list',
  group: 'Look into',
  summary: 'when a host was not watched, and about how many calls nobody saw, newest first',
  description: [
    'A gap begins when the connection or the daemon goes and ends when the host is in sync again. Calls that lived over it are in the CRM (column "kept"). Calls that passed wholly inside are counted by Asterisk’s own counter (column "lost"): an estimate, rather too high; Asterisk 16 does not count.',
  ],
  options: {
    ...configOption,
    enterprise: { type: 'string', value: 'ID', help: 'only this enterprise' },
    host: { type: 'string', value: 'ID', help: 'only this host' },
    since: { type: 'string', value: 'TIME', help: 'that ended later than this or last still' },
    limit: { type: 'string', value: 'N', help: 'at most this many', default: '50' },
    ...jsonOption,
  },
  exitCodes: {
    [EXIT.unavailable]: EXIT_MEANING[EXIT.unavailable] ?? '',
    [EXIT.config]: EXIT_MEANING[EXIT.config] ?? '',
  },
  examples: [{ line: 'gaps list --since 2026-11-23', says: 'was anything missed today' }],
  run: async ({ out, options }) => {
    const { enterprise, host } = options;
    const since = timeOption('since', options.since);
    const limit = wholeNumber('limit', options.limit);
    const gaps = await withDatabase(options.config, (db) =>
      listGaps(db, {
        limit,
        ...(enterprise === undefined ? {} : { enterprise }),
        ...(host === undefined ? {} : { host }),
        ...(since === undefined ? {} : { since }),
      }),
    );
    if (options.json) for (const gap of gaps) printJson(out, gap);
    else if (gaps.length === 0) printLine(out, 'no gaps');
    else {
      printTable(
        out,
        [
          { title: 'from', value: (gap: Gap) => localTime(gap.from) },
          { title: 'to', value: (gap: Gap) => (gap.to === null ? 'now' : localTime(gap.to)) },
          { title: 'enterprise', value: (gap: Gap) => gap.enterprise },
          { title: 'host', value: (gap: Gap) => gap.host },
          { title: 'kept', value: (gap: Gap) => gap.recoveredSnapshot ?? undefined, align: 'right' },
          { title: 'lost', value: (gap: Gap) => gap.lost ?? undefined, align: 'right' },
          { title: 'cause', value: (gap: Gap) => gap.cause },
        ],
        gaps,
      );
    }
    return EXIT.ok;
  },
});
