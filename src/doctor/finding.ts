/** What the doctor says: one sentence per thing looked at, and what to do about it. */
import { isNativeError } from 'node:util/types';
import type { SecretRef } from '../config/settings.ts';

/** `ok`: as it should be. `warning`: it works, but not as it should or not for long. `failure`: something does not work. */
export type Level = 'ok' | 'warning' | 'failure';

/** Where it was looked at. */
export type Area = 'pbx' | 'crm' | 'callbacks' | 'database' | 'disk';

/** One finding. */
export interface Finding {
  readonly area: Area;
  /** Whose: `acme/pbx1`, `acme`, or empty for what all enterprises share. */
  readonly subject: string;
  /** What was looked at, a stable word for scripts: `login`, `rights`, `clock`. */
  readonly check: string;
  readonly level: Level;
  /** One sentence, without secrets and whole phone numbers. */
  readonly says: string;
  /** How to mend it; never missing for a warning or a failure. */
  readonly fix?: string;
}

/** Collects the findings of one subject. */
export class Findings {
  readonly all: Finding[] = [];
  readonly #area: Area;
  readonly #subject: string;

  constructor(area: Area, subject: string) {
    this.#area = area;
    this.#subject = subject;
  }

  ok(check: string, says: string): void {
    this.#add(check, 'ok', says);
  }

  warn(check: string, says: string, fix: string): void {
    this.#add(check, 'warning', says, fix);
  }

  fail(check: string, says: string, fix: string): void {
    this.#add(check, 'failure', says, fix);
  }

  #add(check: string, level: Level, says: string, fix?: string): void {
    const finding = { area: this.#area, subject: this.#subject, check, level, says };
    this.all.push(fix === undefined ? finding : { ...finding, fix });
  }
}

/** The worst of them; `ok` if there are none. */
export function worst(findings: readonly Finding[]): Level {
  if (findings.some(({ level }) => level === 'failure')) return 'failure';
  return findings.some(({ level }) => level === 'warning') ? 'warning' : 'ok';
}

/** `150, 151 and 12 more`: a list that stays one line. */
export function some(names: readonly string[], most = 8): string {
  const more = names.length - most;
  return more > 0 ? `${names.slice(0, most).join(', ')} and ${more} more` : names.join(', ');
}

/** `1 phone`, `2 phones`. */
export function many(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** `ENOENT`, `ECONNREFUSED`, …; undefined for errors that are none of the system's. */
export function codeOf(error: unknown): string | undefined {
  return isNativeError(error) && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** What an error says, in one line. */
export function wordsOf(error: unknown): string {
  if (!isNativeError(error)) return String(error);
  const message = error.message === '' ? (codeOf(error) ?? error.name) : error.message;
  return message.split('\n')[0]?.slice(0, 300) ?? '';
}

/** How a secret that cannot be read is provided. */
export function secretFix({ from, name }: SecretRef): string {
  switch (from) {
    case 'env':
      return `set the environment variable ${name}, as the service does`;
    case 'file':
      return `make ${name} readable for the user doctor runs as`;
    case 'credential':
      return `credentials exist inside the service only; docs/doctor.md shows how to run doctor with ${name}`;
  }
}
