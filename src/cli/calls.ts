import { type Attempt, attemptsOf } from '../store/deadLetters.ts';
import type { CallRow } from '../store/calls.ts';
import { findCalls, listCalls } from '../store/calls.ts';
import { type Click, clickOfCall } from '../store/clicks.ts';
import { type CallRequest, outboxOfCall } from '../store/story.ts';
import { defineCommand } from './args.ts';
import { configOption, jsonOption, localTime, timeOption, wholeNumber, withDatabase } from './common.ts';
import { EXIT, EXIT_MEANING } from './errors.ts';
import { printJson, printLine, printTable } from './output.ts';
import { type PrintedStoryLine, printStory } from './story.ts';

const exitCodes = {
  1: 'there is no such call',
  [EXIT.unavailable]: EXIT_MEANING[EXIT.unavailable] ?? '',
  [EXIT.config]: EXIT_MEANING[EXIT.config] ?? '',
};

export const callsListCommand = defineCommand({
  name: 'calls list',
  group: 'Look into',
  summary: 'calls, newest first',
  options: {
    ...configOption,
    enterprise: { type: 'string', value: 'ID', help: 'only this enterprise' },
    host: { type: 'string', value: 'ID', help: 'only this host' },
    since: { type: 'string', value: 'TIME', help: 'not older than this, e.g. 2026-11-23 or 2026-11-23T09:00' },
    phone: { type: 'string', value: 'NUMBER', help: 'only calls of this customer, E.164' },
    result: {
      type: 'string',
      value: 'RESULT',
      help: 'only this result',
      choices: ['answered', 'no answer', 'busy', 'failed', 'not allowed', 'unknown'],
    },
    limit: { type: 'string', value: 'N', help: 'at most this many', default: '50' },
    ...jsonOption,
  },
  exitCodes,
  examples: [
    { line: 'calls list --since 2026-11-23 --result "no answer"', says: 'who was not reached today' },
    { line: 'calls list --limit 1000 --json', says: 'for scripts' },
  ],
  run: async ({ out, options }) => {
    const since = timeOption('since', options.since);
    const rows = await withDatabase(options.config, (db) =>
      listCalls(db, {
        limit: wholeNumber('limit', options.limit),
        ...(options.enterprise === undefined ? {} : { enterprise: options.enterprise }),
        ...(options.host === undefined ? {} : { host: options.host }),
        ...(options.phone === undefined ? {} : { phone: options.phone }),
        ...(options.result === undefined ? {} : { result: options.result }),
        ...(since === undefined ? {} : { since }),
      }),
    );
    if (options.json) for (const row of rows) printJson(out, row.record);
    else if (rows.length === 0) printLine(out, 'no calls');
    else printTable(out, callColumns, rows);
    return EXIT.ok;
  },
});

const callColumns = [
  { title: 'began', value: (row: CallRow) => localTime(row.startedAt) },
  { title: 'enterprise', value: (row: CallRow) => row.enterprise },
  { title: 'call', value: (row: CallRow) => row.externalId },
  { title: 'dir', value: (row: CallRow) => row.direction },
  { title: 'customer', value: (row: CallRow) => row.customerPhone ?? undefined },
  { title: 'line', value: (row: CallRow) => row.externalPhone ?? undefined },
  {
    title: 'result',
    value: (row: CallRow) => row.result ?? 'live',
    style: (row: CallRow) =>
      row.result === 'answered' ? ('good' as const) : row.result === null ? ('dim' as const) : ('warn' as const),
  },
  { title: 'owner', value: (row: CallRow) => row.owner ?? undefined },
  { title: 'talk s', value: (row: CallRow) => seconds(row.answeredAt, row.endedAt), align: 'right' as const },
];

function seconds(from: Date | null, to: Date | null): string | undefined {
  return from === null || to === null ? undefined : ((to.getTime() - from.getTime()) / 1000).toFixed(1);
}

export const callsShowCommand = defineCommand({
  name: 'calls show',
  group: 'Look into',
  summary: 'one call: what is known, what was sent, what the CRM said',
  usage: 'ID',
  args: [1, 1],
  description: [
    'ID is the call’s external id (pbx1-1795339498.0), its linkedid, or a part of either that fits one call only.',
  ],
  options: {
    ...configOption,
    enterprise: { type: 'string', value: 'ID', help: 'only this enterprise' },
    ...jsonOption,
  },
  exitCodes,
  examples: [{ line: 'calls show 1795339498.0', says: 'the linkedid from a log line' }],
  run: async ({ out, err, args, options }) => {
    const id = args[0] ?? '';
    const story = await withDatabase(options.config, async (db) => {
      const calls = await findCalls(db, {
        id,
        ...(options.enterprise === undefined ? {} : { enterprise: options.enterprise }),
      });
      const [call] = calls;
      if (call === undefined || calls.length > 1) return { calls, sent: [], click: undefined };
      const rows = await outboxOfCall(db, call.enterprise, call.externalId);
      const sent = await Promise.all(rows.map(async (row) => ({ ...row, attempts: await attemptsOf(db, row.id) })));
      const click = await clickOfCall(db, call.enterprise, call.externalId);
      return { calls, sent, click };
    });
    const [call] = story.calls;
    if (call === undefined) {
      printLine(err, `there is no call ${id}; "calls list" shows those there are`);
      return 1;
    }
    if (story.calls.length > 1) {
      printTable(out, callColumns, story.calls);
      printLine(err, `${story.calls.length} calls fit ${id}; take one of them`);
      return 1;
    }
    if (options.json) {
      const click = story.click && { id: story.click.id, at: story.click.clickedAt, state: story.click.state };
      printJson(out, { call: call.record, enterprise: call.enterprise, state: call.state, click, sent: story.sent });
      return EXIT.ok;
    }
    printTable(out, callColumns, [call]);
    if (joinedLate(call.record))
      printLine(out, 'joined late: it ran already when the host came in sync; what was before, the snapshot told');
    const user = crmUser(call.record);
    if (user !== undefined) printLine(out, `${call.owner ?? ''} was user ${user} of the CRM then`);
    printLine(out);
    printStory(out, call.externalId, [
      ...(story.click === undefined ? [] : clicked(story.click)),
      ...storyOf(call.live ?? call.record),
      ...story.sent.flatMap((row) => deliveries(row)),
    ]);
    return EXIT.ok;
  },
});

/** Whose the owner's extension was when the call began. */
function crmUser(record: unknown): number | undefined {
  if (typeof record !== 'object' || record === null || !('crmUser' in record)) return undefined;
  return typeof record.crmUser === 'number' ? record.crmUser : undefined;
}

/** Its first events were not seen; calls stored by an older version do not say. */
function joinedLate(record: unknown): boolean {
  return typeof record === 'object' && record !== null && 'joinedLate' in record && record.joinedLate === true;
}

/** What was kept of the call's story; empty for calls of an older version. */
function storyOf(record: unknown): PrintedStoryLine[] {
  if (typeof record !== 'object' || record === null || !('story' in record) || !Array.isArray(record.story)) return [];
  return record.story.flatMap((line: unknown) => {
    if (typeof line !== 'object' || line === null || !('at' in line) || !('says' in line)) return [];
    if (typeof line.at !== 'number' || typeof line.says !== 'string') return [];
    const state = 'state' in line && typeof line.state === 'string' ? { state: line.state } : {};
    return [{ at: new Date(line.at).toISOString(), says: line.says, ...state }];
  });
}

function subject({ kind, externalId, type, codes }: CallRequest): string {
  if (kind === 'upload') return 'the record';
  // `order/<call>`: an errand's key begins with what it makes.
  if (kind === 'errand') return `the ${externalId.split('/')[0] ?? 'errand'}`;
  if (kind === 'webhook') return 'a webhook';
  return `popup "${type ?? ''}" for ${codes?.join(', ') ?? ''}`;
}

/** The click the call came of. */
function clicked({ id, employee, clickedAt, state, reason, settledAt }: Click): PrintedStoryLine[] {
  const end = `click ${id}: ${state}${reason === null ? '' : `, ${reason}`}`;
  return [
    { at: clickedAt.toISOString(), says: `a click asked for it: the phone of ${employee} is to ring (${id})` },
    ...(settledAt === null ? [] : [{ at: settledAt.toISOString(), says: end }]),
  ];
}

/** What became of one request: planned, each attempt, what it came to. */
function deliveries(row: CallRequest & { attempts: readonly Attempt[] }): PrintedStoryLine[] {
  const what = subject(row);
  const open = row.state === 'pending' || row.state === 'waiting' ? `, now ${row.state}` : '';
  return [
    { at: row.dueAt.toISOString(), says: `to the CRM: ${what}${open}` },
    ...row.attempts.map((attempt) => ({
      at: attempt.at.toISOString(),
      says: `CRM: ${what}: ${attempt.outcome}${attempt.status === null ? '' : `, HTTP ${attempt.status}`}${attempt.latencyMs === null ? '' : `, ${attempt.latencyMs} ms`}${attempt.reason === null ? '' : `: ${attempt.reason}`}`,
    })),
    ...(row.attempts.length === 0 && row.settledAt !== null
      ? [
          {
            at: row.settledAt.toISOString(),
            says: `${what}: ${row.state}${row.reason === null ? '' : `: ${row.reason}`}`,
          },
        ]
      : []),
  ];
}
