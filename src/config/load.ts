import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { buildDaemon, buildEnterprise } from './build.ts';
import { checkEnterprise, checkTogether } from './checks.ts';
import { daemonSchema } from './daemon-schema.ts';
import { type Draft, draftOf } from './draft.ts';
import { enterpriseSchema } from './enterprise-schema.ts';
import { ConfigError, type Problem } from './problems.ts';
import type { DaemonSettings, EnterpriseSettings, Settings } from './settings.ts';
import { validate } from './validate.ts';
import { MOST_PROBLEMS, readYamlFile } from './yaml-file.ts';

/** What was read of a configuration, whether or not it can be used. */
export interface Report<T> {
  /** undefined = there are errors. */
  readonly settings: T | undefined;
  /** Errors and warnings, by file and line. */
  readonly problems: readonly Problem[];
}

/** What `check-config` and `run` read. */
export interface ConfigReport extends Report<Settings> {
  /** Every file that was looked at, `daemon.yaml` first, as problems name it; settings where it is sound by itself. */
  readonly parts: readonly {
    readonly file: string;
    readonly settings: DaemonSettings | EnterpriseSettings | undefined;
  }[];
}

/** `daemon.yaml` alone. @throws {ConfigError} with everything that is wrong with it */
export function loadDaemon(path: string): DaemonSettings {
  return settled(readDaemon(path));
}

/** One enterprise's file, checked by itself. @throws {ConfigError} with everything that is wrong with it */
export function loadEnterpriseFile(path: string): EnterpriseSettings {
  return settled(readEnterprise(path).report);
}

/**
 * The whole configuration. @throws {ConfigError} with everything that is wrong with any file
 * @param path a `daemon.yaml`, or the directory that holds it
 */
export function loadAll(path: string): Settings {
  return settled(readAll(path));
}

/** As `loadAll`, but telling the warnings too and throwing nothing. */
export function readAll(path: string): ConfigReport {
  const file = isDirectory(path) ? join(path, 'daemon.yaml') : path;
  const daemon = readDaemon(file);
  // The enterprises are worth reading even if daemon.yaml is broken: all errors of all files at once.
  const dir = daemon.settings?.enterprisesDir ?? resolve(dirname(file), 'enterprises');
  const found = enterpriseFiles(dir);
  const read = found.map((enterprise) => readEnterprise(enterprise));
  const problems = [...daemon.problems, ...read.flatMap(({ report }) => report.problems)];
  problems.push(...checkTogether(read.flatMap(({ draft }) => draft ?? [])));
  if (found.length === 0) {
    const message = `has no enterprise (*.yaml); copy enterprises/example.yaml there and fill it in`;
    problems.push({ severity: 'error', file: shown(dir), line: 1, col: 1, path: '', message });
  }
  const enterprises = read.flatMap(({ report }) => report.settings ?? []);
  const usable = daemon.settings && !problems.some(isError);
  return {
    parts: [
      { file: shown(file), settings: daemon.settings },
      ...read.map(({ report }, i) => ({ file: shown(found[i] ?? dir), settings: report.settings })),
    ],
    problems: sorted(problems),
    settings: usable ? Object.freeze({ daemon: daemon.settings, enterprises: Object.freeze(enterprises) }) : undefined,
  };
}

/** Reads a file of either kind by itself: what `check-config FILE` does with an enterprise's file. */
export function readOne(path: string, kind: 'daemon' | 'enterprise'): Report<DaemonSettings | EnterpriseSettings> {
  return kind === 'daemon' ? readDaemon(path) : readEnterprise(path).report;
}

/** The settings that hold when there is no `daemon.yaml`: embedded database, enterprises beside. */
export function defaultDaemon(dir: string): DaemonSettings {
  return Object.freeze({ ...buildDaemon(daemonSchema.parse({}), join(resolve(dir), 'daemon.yaml')), file: undefined });
}

function readDaemon(path: string): Report<DaemonSettings> {
  const yaml = readYamlFile(path, shown(path));
  if (Array.isArray(yaml)) return { settings: undefined, problems: yaml };
  const valid = validate(daemonSchema, 'daemon', yaml);
  if (Array.isArray(valid)) return { settings: undefined, problems: sorted(valid) };
  return { settings: buildDaemon(valid, resolve(path)), problems: [] };
}

function readEnterprise(path: string): { report: Report<EnterpriseSettings>; draft?: Draft } {
  const yaml = readYamlFile(path, shown(path));
  if (Array.isArray(yaml)) return { report: { settings: undefined, problems: yaml } };
  const valid = validate(enterpriseSchema, 'enterprise', yaml);
  const draft = draftOf(yaml);
  const problems = sorted([...(Array.isArray(valid) ? valid : []), ...checkEnterprise(draft).slice(0, MOST_PROBLEMS)]);
  const settings = Array.isArray(valid) || problems.some(isError) ? undefined : buildEnterprise(valid, resolve(path));
  return { report: { settings, problems }, draft };
}

/** In order of name; hidden files and editors' leavings are not configuration. */
function enterpriseFiles(dir: string): string[] {
  if (!isDirectory(dir)) return [];
  const names = readdirSync(dir).filter((name) => /^[^.].*\.ya?ml$/.test(name));
  return names.sort().map((name) => join(dir, name));
}

function isDirectory(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}

/** A path as the operator would type it from where she is. */
function shown(path: string): string {
  const near = relative(process.cwd(), resolve(path));
  return near.startsWith('..') || isAbsolute(near) || near === '' ? path : near;
}

function isError(problem: Problem): boolean {
  return problem.severity === 'error';
}

function sorted(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line || a.col - b.col));
}

function settled<T>(report: Report<T>): T {
  if (report.settings === undefined) throw new ConfigError(report.problems);
  return report.settings;
}
