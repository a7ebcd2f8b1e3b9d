import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { type FileKind, jsonSchema } from '../config/json-schema.ts';
import { readAll, readOne } from '../config/load.ts';
import { CONFIG_PLACES, findConfig } from '../config/locate.ts';
import { type Problem, formatProblem } from '../config/problems.ts';
import type { DaemonSettings, EnterpriseSettings } from '../config/settings.ts';
import { defineCommand } from './args.ts';
import { EXIT, EXIT_MEANING, UsageError } from './errors.ts';
import { type Io, paint, printJson, printLine } from './output.ts';

/** What became of all files that were looked at. */
interface Checked {
  readonly problems: Problem[];
  readonly files: { readonly file: string; readonly says: string }[];
}

export const checkConfigCommand = defineCommand({
  name: 'check-config',
  group: 'Set up',
  summary: 'tell everything that is wrong with the configuration',
  usage: '[PATH…]',
  args: [0, 100],
  description: [
    'PATH is a daemon.yaml or the directory that holds it (checked together with all its enterprises), or the file of one enterprise.',
    `Without PATH the first of these is taken: ${CONFIG_PLACES.join(', ')}.`,
    'Every error of every file is printed as file:line:column: key: what is wrong and what would be right. Warnings alone do not fail. No secret is read and nothing is contacted.',
  ],
  options: {
    json: {
      type: 'boolean',
      help: 'one JSON object: {"ok", "files": […], "problems": [{file, line, col, path, severity, message}]}',
    },
    schema: {
      type: 'string',
      value: 'KIND',
      choices: ['daemon', 'enterprise'],
      help: 'print the JSON Schema for editors and check nothing',
    },
  },
  exitCodes: { [EXIT.config]: EXIT_MEANING[EXIT.config] ?? '' },
  examples: [
    { line: 'check-config config/daemon.yaml', says: 'before a start or reload' },
    { line: 'check-config config/enterprises/example.yaml', says: 'one enterprise alone' },
    { line: 'check-config --schema enterprise > enterprise.schema.json', says: 'completion and checks in the editor' },
  ],
  run: ({ out, options, args }) => {
    if (options.schema !== undefined) return printSchema(options.schema === 'daemon' ? 'daemon' : 'enterprise', out);
    const checked = check(args.length > 0 ? args : [defaultPath()]);
    const ok = !checked.problems.some(({ severity }) => severity === 'error');
    if (options.json) printJson(out, { ok, ...checked });
    else print(checked, out);
    return ok ? EXIT.ok : EXIT.config;
  },
});

function printSchema(kind: FileKind, out: Io['out']): number {
  out.write(schemaText(kind));
  return EXIT.ok;
}

/** The schema as it is committed in config/. */
export function schemaText(kind: FileKind): string {
  return `${JSON.stringify(jsonSchema(kind), undefined, 2)}\n`;
}

function defaultPath(): string {
  const found = findConfig();
  if (found === undefined)
    throw new UsageError(`check-config: no PATH given, and none of ${CONFIG_PLACES.join(', ')} exists`);
  return found;
}

function check(paths: readonly string[]): Checked {
  const checked: Checked = { problems: [], files: [] };
  for (const path of paths) {
    if (isWhole(path)) {
      const report = readAll(path);
      checked.problems.push(...report.problems);
      const parts = report.parts;
      for (const { file, settings } of parts) if (settings) checked.files.push({ file, says: counts(settings) });
    } else {
      const { settings, problems } = readOne(path, 'enterprise');
      checked.problems.push(...problems);
      if (settings) checked.files.push({ file: path, says: counts(settings) });
    }
  }
  return checked;
}

/** A directory, or a file called daemon…: everything together; any other file is an enterprise's. */
function isWhole(path: string): boolean {
  return basename(path).startsWith('daemon') || (statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false);
}

function counts(settings: DaemonSettings | EnterpriseSettings): string {
  if (!('hosts' in settings)) {
    return settings.database.kind === 'embedded' ? 'embedded database' : 'database by url';
  }
  const { id, hosts, dids, employees } = settings;
  const lines = hosts.reduce((sum, host) => sum + host.trunks.length, 0);
  return [
    `enterprise ${id}`,
    many(hosts.length, 'host'),
    many(lines, 'outside line'),
    many(dids.length, 'number'),
    many(employees.length, 'employee'),
  ].join(', ');
}

function many(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function print({ files, problems }: Checked, out: Io['out']): void {
  for (const problem of problems) {
    printLine(out, paint(out, problem.severity === 'error' ? 'bad' : 'warn', formatProblem(problem)));
  }
  const broken = new Set(problems.filter(({ severity }) => severity === 'error').map(({ file }) => file));
  for (const { file, says } of files) {
    if (!broken.has(file)) printLine(out, `${file}: ${paint(out, 'good', 'ok')}: ${says}`);
  }
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  if (errors > 0) printLine(out, paint(out, 'bad', `${many(errors, 'error')} in ${many(broken.size, 'file')}`));
}
