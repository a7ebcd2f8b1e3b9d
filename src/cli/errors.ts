import { ConfigError } from '../config/problems.ts';
import { SecretError } from '../config/secrets.ts';

/** Exit codes of every command (sysexits.h). */
export const EXIT = { ok: 0, usage: 64, unavailable: 69, internal: 70, config: 78 } as const;

/** What each code means, for `--help`. */
export const EXIT_MEANING: Readonly<Record<number, string>> = {
  [EXIT.ok]: 'done',
  [EXIT.usage]: 'the command line was wrong',
  [EXIT.unavailable]: 'something the command needs (database, CRM, PBX) could not be reached',
  [EXIT.internal]: 'a fault in the program',
  [EXIT.config]: 'the configuration was wrong',
};

/** The command line makes no sense; the message says what would. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** Something outside (database, CRM, PBX) did not answer or refused. */
export class UnavailableError extends Error {
  override name = 'UnavailableError';
}

/** The exit code an error that left a command means. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof UnavailableError) return EXIT.unavailable;
  if (error instanceof ConfigError || error instanceof SecretError) return EXIT.config;
  return EXIT.internal;
}

/** Nobody listens, no such name, no way; and PostgreSQL's: starting or shutting down, full, wrong password, no such database. */
const unreachable =
  /^(?:ECONN|ENOTFOUND|EAI_|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOENT$|57P0|53300$|28P01$|28000$|3D000$)/;

/** An error of the database at start, as what it is for an operator: not a fault in the program. Others come back as they are. */
export function databaseTrouble(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof ConfigError || error instanceof SecretError) return error;
  const code = 'code' in error ? String(error.code) : '';
  const silent = /timeout|Connection terminated/i.test(error.message);
  if (error.name !== 'EmbeddedError' && !silent && !unreachable.test(code)) return error;
  return new UnavailableError(`the database does not answer: ${error.message}`, { cause: error });
}
