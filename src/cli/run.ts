import { setFlagsFromString } from 'node:v8';
import { startDaemon } from '../daemon.ts';
import { version } from '../version.ts';
import { defineCommand } from './args.ts';
import { configOption, logFor, logOption, settingsFrom, signalled } from './common.ts';
import { databaseTrouble, EXIT, EXIT_MEANING } from './errors.ts';

/** How long an orderly stop may take before the process ends anyway, milliseconds. */
const STOP_MS = 15_000;

export const runCommand = defineCommand({
  name: 'run',
  group: 'Serve',
  summary: 'run the daemon: listen to every host, tell the CRM every call',
  description: [
    'Checks the configuration (all errors of all files at once), opens the database and brings its schema up to date, then connects to every host. Runs until SIGTERM or SIGINT; both end it in order within seconds and lose nothing.',
    'A host or a CRM account that is away does not stop the others, and a database that goes away is waited for: the log says so and the daemon keeps trying. Only a database that is not there at the start ends it, with 69; systemd starts it again.',
  ],
  options: { ...configOption, ...logOption },
  exitCodes: {
    [EXIT.config]: EXIT_MEANING[EXIT.config] ?? '',
    [EXIT.unavailable]: EXIT_MEANING[EXIT.unavailable] ?? '',
  },
  examples: [
    { line: 'run --config /etc/asterisk-retailcrm', says: 'as the systemd unit does' },
    { line: 'run --log pretty', says: 'in a terminal, with config/daemon.yaml' },
  ],
  run: async ({ options }) => {
    // A bridge beside a PBX should stay small: V8 would let the heap grow to four times what lives in it.
    setFlagsFromString('--heap-growing-percent=40');
    const settings = settingsFrom(options.config);
    const log = logFor(settings, options.log);
    log.info(`asterisk-retailcrm ${version} starts`);
    process.on('unhandledRejection', (reason) =>
      log.error('a promise was rejected and nobody listened', { err: reason }),
    );
    const stopping = signalled('SIGTERM', 'SIGINT');
    const daemon = await startDaemon(settings, log).catch((error: unknown) => {
      throw databaseTrouble(error);
    });
    const signal = await stopping;
    log.info(`${signal}: stopping`);
    setTimeout(() => process.exit(EXIT.internal), STOP_MS).unref();
    await daemon.stop();
    log.info('stopped');
    await log.flush();
    return EXIT.ok;
  },
});
