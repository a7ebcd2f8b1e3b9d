import { parseArgs, types } from 'node:util';
import { didYouMean } from '../config/problems.ts';
import { EXIT, UsageError, exitCodeOf } from './errors.ts';
import { commandHelp, overview } from './help.ts';
import { type Io, paint, printLine } from './output.ts';

export { UnavailableError, UsageError } from './errors.ts';

/** One option of a command. */
export interface OptionSpec {
  readonly type: 'boolean' | 'string';
  /** One letter. */
  readonly short?: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  /** What its value is, in capitals for the help: `FILE`. */
  readonly value?: string;
  /** What it does, a phrase. */
  readonly help: string;
  /** Value when it is not given. */
  readonly default?: string;
  /** The values it may have. */
  readonly choices?: readonly string[];
}

export type Options = Readonly<Record<string, OptionSpec>>;

/** The options' values as `run` gets them. */
export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K]['type'] extends 'boolean'
    ? boolean
    : O[K]['multiple'] extends true
      ? readonly string[]
      : O[K]['default'] extends string
        ? string
        : string | undefined;
};

/** What a command is run with. */
export interface Context<O extends Options = Options> extends Io {
  readonly options: Values<O>;
  readonly args: readonly string[];
}

/** How a command is declared; the help is made of the same words. */
export interface CommandSpec<O extends Options> {
  /** One or two words: `run`, `calls show`. */
  readonly name: string;
  /** Heading it stands under in the overview. */
  readonly group: string;
  /** One line, without a full stop. */
  readonly summary: string;
  /** Positional arguments as the help shows them: `FILE.ami…`; empty = none. */
  readonly usage?: string;
  /** How many there may be: [at least, at most]; default none. */
  readonly args?: readonly [number, number];
  /** Paragraphs that teach. */
  readonly description?: readonly string[];
  readonly options?: O;
  /** Codes beyond 0, 64 and 70, with what they mean here. */
  readonly exitCodes?: Readonly<Record<number, string>>;
  readonly examples?: readonly { readonly line: string; readonly says: string }[];
  /** Returns the exit code; nothing = 0. Throws `UsageError`, `ConfigError`, `UnavailableError`, or what is a fault of ours. */
  readonly run: (context: Context<O>) => Promise<number | undefined> | number | undefined;
}

/** A declared command; `execute` parses what stands after its name and runs it. */
export interface Command extends Omit<CommandSpec<Options>, 'run'> {
  readonly execute: (argv: readonly string[], io: Io) => Promise<number>;
}

/** Declares a command; `run` gets its options typed. */
export function defineCommand<const O extends Options>(spec: CommandSpec<O>): Command {
  const { run, ...described } = spec;
  return {
    ...described,
    execute: async (argv, io) => {
      const { values, args } = parse(described, argv);
      // parse() has filled in every declared option with its declared type.
      return (await run({ ...io, options: values as Values<O>, args })) ?? EXIT.ok;
    },
  };
}

/**
 * Runs `argv` (without node and script) against the table and returns the exit code. Prints help and errors itself, throws nothing.
 */
export async function runCommandLine(commands: readonly Command[], argv: readonly string[], io: Io): Promise<number> {
  try {
    const [first] = argv;
    if (first === undefined || first === '--help' || first === '-h' || (first === 'help' && argv.length === 1)) {
      io.out.write(overview(commands, io.out));
      return first === undefined ? EXIT.usage : EXIT.ok;
    }
    const words = first === 'help' ? argv.slice(1) : first === '--version' || first === '-V' ? ['version'] : argv;
    const family = familyOf(commands, words);
    if (family.length > 0 && (words[1] === '--help' || words[1] === '-h' || (first === 'help' && words.length === 1))) {
      io.out.write(overview(family, io.out));
      return EXIT.ok;
    }
    const command = find(commands, words);
    const rest = words.slice(command.name.split(' ').length);
    if (first === 'help' || asksHelp(command, rest)) {
      io.out.write(commandHelp(command, io.out));
      return EXIT.ok;
    }
    return await command.execute(rest, io);
  } catch (error) {
    return report(error, io);
  }
}

/** `--help` anywhere before `--`, unless it is the value of an option. */
function asksHelp(command: Command, argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  const takesValue = (word: string | undefined): boolean =>
    Object.entries(command.options ?? {}).some(
      ([name, option]) =>
        option.type === 'string' && (word === `--${name}` || (option.short && word === `-${option.short}`)),
    );
  const before = end < 0 ? argv : argv.slice(0, end);
  return before.some((word, i) => (word === '--help' || word === '-h') && !takesValue(before[i - 1]));
}

/** Commands of two words that begin with this one, unless it is a command by itself. */
function familyOf(commands: readonly Command[], argv: readonly string[]): Command[] {
  if (commands.some(({ name }) => name === argv[0])) return [];
  return commands.filter(({ name }) => name.startsWith(`${argv[0] ?? ''} `));
}

/** The command whose one or two words come first. */
function find(commands: readonly Command[], argv: readonly string[]): Command {
  const two = commands.find(({ name }) => name === argv.slice(0, 2).join(' '));
  const found = two ?? commands.find(({ name }) => name === argv[0]);
  if (found) return found;
  const family = familyOf(commands, argv).map(({ name }) => name);
  const given = argv.slice(0, family.length > 0 ? 2 : 1).join(' ');
  if (family.length > 0) throw new UsageError(`"${given}" is not a command; there are ${family.join(', ')}`);
  const names = commands.flatMap(({ name }) => [name, name.split(' ')[0] ?? name]);
  const meant = didYouMean(argv[0] ?? '', names);
  throw new UsageError(`there is no command "${given}"${meant ? `; did you mean "${meant}"?` : ''} (--help lists all)`);
}

function parse(
  spec: Omit<CommandSpec<Options>, 'run'>,
  argv: readonly string[],
): { values: Record<string, unknown>; args: string[] } {
  const options = spec.options ?? {};
  const config = Object.fromEntries(
    Object.entries(options).map(([name, { type, short, multiple }]) => [
      name,
      { type, multiple: multiple ?? false, ...(short === undefined ? {} : { short }) },
    ]),
  );
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...argv], options: config, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(`${spec.name}: ${optionMessage(error, options)}`);
  }
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(options)) {
    const empty = option.type === 'boolean' ? false : option.multiple ? [] : option.default;
    values[name] = parsed.values[name] ?? empty;
    checkChoice(spec.name, name, option, parsed.values[name]);
  }
  const [least, most] = spec.args ?? [0, 0];
  const given = parsed.positionals.length;
  if (given < least) throw new UsageError(`${spec.name}: ${spec.usage ?? 'an argument'} is missing`);
  if (given > most) throw new UsageError(`${spec.name}: "${parsed.positionals[most] ?? ''}" is one argument too many`);
  return { values, args: parsed.positionals };
}

function checkChoice(command: string, name: string, { choices }: OptionSpec, value: unknown): void {
  const wrong = [value].flat().find((item) => typeof item === 'string' && choices && !choices.includes(item));
  if (typeof wrong !== 'string' || !choices) return;
  const meant = didYouMean(wrong, choices);
  const hint = meant ? `; did you mean "${meant}"?` : '';
  throw new UsageError(`${command}: --${name} must be one of ${choices.join(', ')}${hint}`);
}

/** What node:util says of a wrong option, in our words. */
function optionMessage(error: unknown, options: Options): string {
  const text = types.isNativeError(error) ? error.message : String(error);
  const unknown = /^Unknown option '(-{1,2})([^']*)'/.exec(text);
  if (unknown) {
    const meant = unknown[1] === '--' ? didYouMean(unknown[2] ?? '', [...Object.keys(options), 'help']) : undefined;
    return `there is no option "${unknown[1] ?? ''}${unknown[2] ?? ''}"${meant ? `; did you mean "--${meant}"?` : ''}`;
  }
  const missing = /^Option '(?:-\w, )?(--[^ ']+)[^']*' argument/.exec(text);
  if (missing) return `${missing[1] ?? ''} needs a value`;
  const extra = /^Option '(?:-\w, )?(--[^ ']+)' does not take an argument/.exec(text);
  return extra ? `${extra[1] ?? ''} takes no value` : text;
}

function report(error: unknown, io: Io): number {
  const code = exitCodeOf(error);
  const message = types.isNativeError(error) ? error.message : String(error);
  if (code === EXIT.config) printLine(io.err, message);
  else printLine(io.err, `${paint(io.err, 'bad', 'error:')} ${message}`);
  if (code === EXIT.usage) printLine(io.err, paint(io.err, 'dim', 'try --help'));
  if (code === EXIT.internal && types.isNativeError(error)) {
    printLine(io.err, paint(io.err, 'dim', error.stack?.split('\n').slice(1).join('\n') ?? ''));
  }
  return code;
}
