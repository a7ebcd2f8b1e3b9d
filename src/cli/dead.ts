import { maskText } from '../log-mask.ts';
import { discardDead, listDead, retryDead, showDead } from '../store/deadLetters.ts';
import { defineCommand } from './args.ts';
import { configOption, jsonOption, localTime, wholeNumber, withDatabase } from './common.ts';
import { EXIT, EXIT_MEANING, UsageError } from './errors.ts';
import { printJson, printLine, printTable } from './output.ts';

const exitCodes = {
  1: 'there is no such dead letter',
  [EXIT.unavailable]: EXIT_MEANING[EXIT.unavailable] ?? '',
  [EXIT.config]: EXIT_MEANING[EXIT.config] ?? '',
};
const enterpriseOption = { enterprise: { type: 'string', value: 'ID', help: 'only this enterprise' } } as const;

function scope(enterprise: string | undefined): { enterprise?: string } {
  return enterprise === undefined ? {} : { enterprise };
}

export const deadListCommand = defineCommand({
  name: 'dead list',
  group: 'Mend',
  summary: 'what the CRM refused, newest first',
  options: {
    ...configOption,
    ...enterpriseOption,
    limit: { type: 'string', value: 'N', help: 'at most this many', default: '50' },
    ...jsonOption,
  },
  exitCodes,
  examples: [{ line: 'dead list', says: 'after an alarm about dead letters' }],
  run: async ({ out, options }) => {
    const limit = wholeNumber('limit', options.limit);
    const letters = await withDatabase(options.config, (db) => listDead(db, { ...scope(options.enterprise), limit }));
    if (options.json) for (const letter of letters) printJson(out, letter);
    else if (letters.length === 0) printLine(out, 'no dead letters');
    else {
      printTable(
        out,
        [
          { title: 'id', value: (one) => one.id, align: 'right' },
          { title: 'died', value: (one) => (one.diedAt === null ? undefined : localTime(one.diedAt)) },
          { title: 'enterprise', value: (one) => one.enterprise },
          { title: 'kind', value: (one) => one.kind },
          { title: 'call', value: (one) => one.callId },
          { title: 'status', value: (one) => one.status ?? undefined, align: 'right' },
          { title: 'reason', value: (one) => one.reason ?? undefined },
        ],
        letters,
      );
    }
    return EXIT.ok;
  },
});

export const deadShowCommand = defineCommand({
  name: 'dead show',
  group: 'Mend',
  summary: 'one dead letter with the CRM’s words and every attempt',
  usage: 'ID',
  args: [1, 1],
  options: {
    ...configOption,
    numbers: { type: 'boolean', help: 'show phone numbers in full' },
    ...jsonOption,
  },
  exitCodes,
  examples: [{ line: 'dead show 4711', says: 'the id from "dead list"' }],
  run: async ({ out, err, args, options }) => {
    const found = await withDatabase(options.config, (db) => showDead(db, args[0] ?? ''));
    const letter = found && { ...found, payload: options.numbers ? found.payload : maskText(found.payload) };
    if (letter === undefined) {
      printLine(err, `there is no dead letter ${args[0] ?? ''}`);
      return 1;
    }
    if (options.json) printJson(out, letter);
    else printLine(out, JSON.stringify(letter, undefined, 2));
    return EXIT.ok;
  },
});

export const deadRetryCommand = defineCommand({
  name: 'dead retry',
  group: 'Mend',
  summary: 'send dead letters again',
  usage: 'ID… | all',
  args: [1, 10_000],
  description: [
    'Do this after the cause is gone: the payload is sent again byte for byte. The CRM keeps one record per call, whatever is sent twice.',
  ],
  options: { ...configOption, ...enterpriseOption },
  exitCodes,
  examples: [
    { line: 'dead retry 4711', says: 'one' },
    { line: 'dead retry all --enterprise acme', says: 'all of one enterprise' },
  ],
  run: async ({ out, args, options }) => {
    const which = args.length === 1 && args[0] === 'all' ? 'all' : [...args];
    const count = await withDatabase(options.config, (db) => retryDead(db, which, scope(options.enterprise)));
    printLine(out, `${count} sent again`);
    return count === 0 ? 1 : EXIT.ok;
  },
});

export const deadDiscardCommand = defineCommand({
  name: 'dead discard',
  group: 'Mend',
  summary: 'put a dead letter aside for good, with a note why',
  usage: 'ID',
  args: [1, 1],
  options: { ...configOption, note: { type: 'string', value: 'TEXT', help: 'why; kept with the row' } },
  exitCodes,
  examples: [{ line: 'dead discard 4711 --note "test call"', says: 'it will never be sent' }],
  run: async ({ out, err, args, options }) => {
    const { note } = options;
    if (note === undefined || note.trim() === '') throw new UsageError('dead discard: --note TEXT is missing; say why');
    const done = await withDatabase(options.config, (db) => discardDead(db, args[0] ?? '', note));
    printLine(done ? out : err, done ? 'discarded' : `there is no dead letter ${args[0] ?? ''}`);
    return done ? EXIT.ok : 1;
  },
});
