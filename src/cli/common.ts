import { loadAll } from '../config/load.ts';
import { CONFIG_PLACES, findConfig } from '../config/locate.ts';
import type { Settings } from '../config/settings.ts';
import { openDatabase } from '../daemon.ts';
import { type RootLog, createLog, silentLog } from '../log.ts';
import type { Db } from '../store/database.ts';
import { openStore } from '../store/database.ts';
import type { OptionSpec } from './args.ts';
import { UnavailableError, UsageError } from './errors.ts';

/** `--config`, for every command that needs the daemon's configuration. */
export const configOption = {
  config: {
    type: 'string',
    short: 'c',
    value: 'PATH',
    help: `daemon.yaml or its directory; without it the first of ${CONFIG_PLACES.join(', ')}`,
  },
} as const satisfies Record<string, OptionSpec>;

/** `--json`: one JSON value per line. */
export const jsonOption = {
  json: { type: 'boolean', help: 'one JSON object per line, for scripts' },
} as const satisfies Record<string, OptionSpec>;

/** `--log`: how log lines look. */
export const logOption = {
  log: {
    type: 'string',
    value: 'FORMAT',
    choices: ['json', 'pretty'],
    help: 'json lines for journald, or pretty for eyes',
  },
} as const satisfies Record<string, OptionSpec>;

/** The whole configuration. Throws ConfigError with everything that is wrong with it. */
export function settingsFrom(path: string | undefined): Settings {
  const found = path ?? findConfig();
  if (found === undefined) {
    throw new UsageError(
      `no configuration: give --config PATH, or make one of ${CONFIG_PLACES.join(', ')} (examples in config/)`,
    );
  }
  return loadAll(found);
}

/** The log of a long-running command: as the option says, else as the file says, else pretty on a terminal. */
export function logFor(settings: Settings, format: string | undefined): RootLog {
  const chosen = format === 'json' || format === 'pretty' ? format : settings.daemon.log.format;
  return createLog({ format: chosen ?? (process.stdout.isTTY ? 'pretty' : 'json'), level: settings.daemon.log.level });
}

/** Runs `work` with the database the daemon uses. The embedded server is left as it was found: running, or stopped again. */
export async function withDatabase<T>(configPath: string | undefined, work: (db: Db) => Promise<T>): Promise<T> {
  const settings = settingsFrom(configPath);
  const database = await openDatabase(settings.daemon, silentLog, true).catch((error: unknown) => {
    throw new UnavailableError(
      `the database cannot be opened: ${error instanceof Error ? error.message : String(error)}`,
    );
  });
  try {
    const store = await openStore({ url: database.url, log: silentLog }).catch((error: unknown) => {
      throw new UnavailableError(
        `the database does not answer: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
    try {
      return await work(store.db);
    } finally {
      await store.close();
    }
  } finally {
    await database.stop();
  }
}

/** Settles with the first of these signals. */
export function signalled(...signals: NodeJS.Signals[]): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of signals) process.once(signal, () => resolve(signal));
  });
}

/** `2026-11-23 10:15:04` in local time. */
export function localTime(at: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** A `--limit` or the like as a whole number of at least 1. */
export function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new UsageError(`--${name} must be a whole number of at least 1`);
  return value;
}

/** A point in time an option names; undefined when it was not given. */
export function timeOption(name: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const time = new Date(text);
  if (Number.isNaN(time.getTime()))
    throw new UsageError(`--${name} ${text} is no time; write 2026-11-23 or 2026-11-23T09:00`);
  return time;
}
