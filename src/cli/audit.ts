import { type AuditRow, type AuditVerdict, listAudit, verifyAudit } from '../store/audit.ts';
import { defineCommand } from './args.ts';
import { configOption, jsonOption, localTime, timeOption, wholeNumber, withDatabase } from './common.ts';
import { EXIT, EXIT_MEANING, UsageError } from './errors.ts';
import { printJson, printLine, printTable } from './output.ts';

const exitCodes = {
  [EXIT.unavailable]: EXIT_MEANING[EXIT.unavailable] ?? '',
  [EXIT.config]: EXIT_MEANING[EXIT.config] ?? '',
};

export const auditListCommand = defineCommand({
  name: 'audit list',
  group: 'Look into',
  summary: 'who did what, when, from where, with what outcome, newest first',
  description: [
    'Clicks, transfers, monitoring and hangups, logins that were refused, changes of credentials. Numbers are masked; the click’s own row and "calls show" have them.',
  ],
  options: {
    ...configOption,
    enterprise: { type: 'string', value: 'ID', help: 'only this enterprise' },
    who: { type: 'string', value: 'NAME', help: 'only this employee (extension) or program' },
    what: { type: 'string', value: 'ACTION', help: 'only this action, e.g. makecall or "monitor listen"' },
    since: { type: 'string', value: 'TIME', help: 'not older than this, e.g. 2026-11-23 or 2026-11-23T09:00' },
    limit: { type: 'string', value: 'N', help: 'at most this many', default: '50' },
    ...jsonOption,
  },
  exitCodes,
  examples: [
    { line: 'audit list --what makecall --since 2026-11-23', says: 'today’s clicks' },
    { line: 'audit list --who 152 --json', says: 'everything 152 did, for scripts' },
  ],
  run: async ({ out, options }) => {
    const { enterprise, who, what } = options;
    const since = timeOption('since', options.since);
    const limit = wholeNumber('limit', options.limit);
    const rows = await withDatabase(options.config, (db) =>
      listAudit(db, {
        limit,
        ...(enterprise === undefined ? {} : { enterprise }),
        ...(who === undefined ? {} : { who }),
        ...(what === undefined ? {} : { what }),
        ...(since === undefined ? {} : { since }),
      }),
    );
    if (options.json) for (const row of rows) printJson(out, row);
    else if (rows.length === 0) printLine(out, 'nothing was done');
    else printTable(out, columns, rows);
    return EXIT.ok;
  },
});

const columns = [
  { title: 'when', value: (row: AuditRow) => localTime(row.at) },
  { title: 'enterprise', value: (row: AuditRow) => row.enterprise },
  { title: 'no', value: (row: AuditRow) => String(row.seq), align: 'right' as const },
  { title: 'who', value: (row: AuditRow) => printable(row.who) },
  { title: 'what', value: (row: AuditRow) => printable(row.what) },
  { title: 'to what', value: (row: AuditRow) => printable(row.subject) },
  { title: 'from', value: (row: AuditRow) => printable(row.from) },
  {
    title: 'outcome',
    value: (row: AuditRow) => row.outcome,
    style: (row: AuditRow) => (row.outcome === 'done' ? ('good' as const) : ('warn' as const)),
  },
];

/** What somebody sent must not move the cursor of who reads it. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '�');
}

export const auditVerifyCommand = defineCommand({
  name: 'audit verify',
  group: 'Look into',
  summary: 'checks that nobody changed, moved or took a row of the audit log',
  description: [
    'Every row is sealed with the one before it. The last seal is printed: kept elsewhere and given with --head, it also proves that nothing was cut off the end. The daemon writes it into its log every day.',
  ],
  options: {
    ...configOption,
    enterprise: { type: 'string', value: 'ID', help: 'only this enterprise' },
    head: {
      type: 'string',
      value: 'NO:SEAL',
      help: 'a seal that an earlier run printed, or the daemon’s own log; the table must still have it. Needs --enterprise',
    },
    ...jsonOption,
  },
  exitCodes: { ...exitCodes, 1: 'a log was tampered with' },
  examples: [{ line: 'audit verify', says: 'all enterprises; exit code 1 names the first wrong row' }],
  run: async ({ out, options }) => {
    const { enterprise } = options;
    const head = headOf(options.head);
    if (head !== undefined && enterprise === undefined) throw new UsageError('--head belongs to one --enterprise');
    const verdicts = await withDatabase(options.config, (db) => verifyAudit(db, enterprise, head));
    for (const verdict of verdicts) {
      if (options.json) printJson(out, verdict);
      else printLine(out, sentence(verdict));
    }
    if (verdicts.length === 0 && !options.json) printLine(out, 'the audit log is empty');
    const lost = head !== undefined && verdicts.length === 0;
    if (lost) printLine(out, `${enterprise ?? ''}: the log is gone`);
    return lost || verdicts.some(({ brokenAt }) => brokenAt !== undefined) ? 1 : EXIT.ok;
  },
});

function headOf(text: string | undefined): { seq: number; hash: string } | undefined {
  if (text === undefined) return undefined;
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text.replaceAll('-', '')) ?? [];
  if (seq === undefined || hash === undefined) throw new UsageError('--head is NO:SEAL, as "audit verify" prints it');
  return { seq: Number(seq), hash };
}

function sentence({ enterprise, rows, brokenAt, head }: AuditVerdict): string {
  return brokenAt === undefined
    ? `${enterprise}: ${rows} rows, all as they were written; head ${head.seq}:${head.hash}`
    : `${enterprise}: row ${brokenAt} is not as it was written, or missing; ${rows} rows before it are good`;
}
