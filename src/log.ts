import winston from 'winston';

/** Fields of a log line. Keys that may hold secrets or numbers are masked by the format, see `mask`. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What a room needs to report. `error` wakes somebody, `warn` is read in the morning, `info` is a milestone. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each line. */
  child(fields: LogFields): Logger;
}

void winston; // replaced by the real implementation in the next commit
/** A logger that says nothing; for tests and for commands whose output is their result. */
export const silentLog: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLog,
};
