import { join } from 'node:path';
import { openDatabase } from '../daemon.ts';
import { silentLog } from '../log.ts';
import { projectRoot } from '../root.ts';
import { migrateDatabase } from '../store/migrations.ts';
import { defineCommand } from './args.ts';
import { configOption, jsonOption, settingsFrom } from './common.ts';
import { EXIT, EXIT_MEANING } from './errors.ts';
import { paint, printJson, printLine } from './output.ts';

export const migrateCommand = defineCommand({
  name: 'migrate',
  group: 'Set up',
  summary: 'bring the database schema up to date',
  description: [
    'Applies the files of db/migrations that the database has not seen, all or nothing. `run` does the same at start; this command is for those who want to do it apart, with a user that may change tables.',
  ],
  options: { ...configOption, ...jsonOption },
  exitCodes: {
    [EXIT.unavailable]: EXIT_MEANING[EXIT.unavailable] ?? '',
    [EXIT.config]: EXIT_MEANING[EXIT.config] ?? '',
  },
  examples: [{ line: 'migrate --config /etc/asterisk-retailcrm', says: 'before an upgrade goes live' }],
  run: async ({ out, options }) => {
    const settings = settingsFrom(options.config);
    const database = await openDatabase(settings.daemon, silentLog, true);
    try {
      const done = await migrateDatabase({
        url: database.url,
        dir: join(projectRoot(), 'db/migrations'),
        log: silentLog,
      });
      if (options.json) printJson(out, done);
      else if (done.applied.length === 0) printLine(out, `${paint(out, 'good', 'up to date')}: ${done.current}`);
      else for (const name of done.applied) printLine(out, `${paint(out, 'good', 'applied')} ${name}`);
      return EXIT.ok;
    } finally {
      await database.stop();
    }
  },
});
