import type { Command } from './args.ts';
import { EXIT, EXIT_MEANING } from './errors.ts';
import { type Output, displayWidth, paint } from './output.ts';

/** What the program is called on the command line. */
export const PROGRAM = 'asterisk-retailcrm';

/** All commands by group, how to begin, and what exit codes mean. */
export function overview(commands: readonly Command[], output: Output): string {
  const groups = [...new Set(commands.map(({ group }) => group))];
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lists = groups.flatMap((group) => [
    heading(output, group),
    ...commands
      .filter((command) => command.group === group)
      .map(({ name, summary }) => row(output, name, width, summary)),
    '',
  ]);
  const first = commands.flatMap(({ examples }) => examples?.slice(0, 1) ?? []).slice(0, 4);
  return lines([
    `${PROGRAM} joins Asterisk phone systems to RetailCRM: popups while it rings, a record when it is over.`,
    '',
    heading(output, 'Usage'),
    `  ${PROGRAM} COMMAND [OPTION…] [ARGUMENT…]`,
    `  ${PROGRAM} COMMAND --help    what the command does, its options, examples`,
    '',
    ...lists,
    ...(first.length > 0 ? [heading(output, 'Examples'), ...examples(output, first), ''] : []),
    heading(output, 'Exit codes'),
    ...exitCodes(output, EXIT_MEANING),
  ]);
}

/** Everything about one command. */
export function commandHelp(command: Command, output: Output): string {
  const options = Object.entries(command.options ?? {}).map(([name, option]) => ({
    flag: `${option.short ? `-${option.short}, ` : ''}--${name}${option.type === 'string' ? ` ${option.value ?? 'VALUE'}` : ''}`,
    help: [
      option.help,
      ...(option.choices ? [`one of ${option.choices.join(', ')}`] : []),
      ...(option.multiple ? ['may be repeated'] : []),
      ...(option.default === undefined ? [] : [`default ${option.default}`]),
    ].join('; '),
  }));
  const all = [...options, { flag: '-h, --help', help: 'this text' }];
  const width = Math.max(...all.map(({ flag }) => flag.length));
  const usage = [
    PROGRAM,
    command.name,
    ...(options.length > 0 ? ['[OPTION…]'] : []),
    ...(command.usage ? [command.usage] : []),
  ];
  const codes = { [EXIT.ok]: 'done', [EXIT.usage]: EXIT_MEANING[EXIT.usage] ?? '', ...command.exitCodes };
  return lines([
    `${PROGRAM} ${command.name}: ${command.summary}`,
    '',
    heading(output, 'Usage'),
    `  ${usage.join(' ')}`,
    '',
    ...(command.description ?? []).flatMap((paragraph) => [
      ...wrap(paragraph, output.width - 2).map((text) => `  ${text}`),
      '',
    ]),
    heading(output, 'Options'),
    ...all.map(({ flag, help }) => row(output, flag, width, help)),
    '',
    ...(command.examples ? [heading(output, 'Examples'), ...examples(output, command.examples), ''] : []),
    heading(output, 'Exit codes'),
    ...exitCodes(output, codes),
  ]);
}

function heading(output: Output, text: string): string {
  return paint(output, 'bold', text);
}

function row(output: Output, name: string, width: number, text: string): string {
  const [first, ...more] = wrap(text, Math.max(30, output.width - width - 6));
  const indent = ' '.repeat(width + 4);
  return [`  ${name.padEnd(width)}  ${first ?? ''}`, ...more.map((line) => indent + line)].join('\n');
}

function examples(output: Output, list: readonly { readonly line: string; readonly says: string }[]): string[] {
  return list.flatMap(({ line, says }) => [`  ${PROGRAM} ${line}`, `      ${paint(output, 'dim', says)}`]);
}

function exitCodes(output: Output, codes: Readonly<Record<number, string>>): string[] {
  return Object.entries(codes)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([code, meaning]) => row(output, code, 2, meaning));
}

/** Breaks at spaces so that no line is longer than `width`, if its words allow. */
function wrap(text: string, width: number): string[] {
  const result: string[] = [];
  for (const word of text.split(' ')) {
    const last = result.at(-1);
    if (last !== undefined && displayWidth(last) + 1 + displayWidth(word) <= width)
      result[result.length - 1] = `${last} ${word}`;
    else result.push(word);
  }
  return result;
}

function lines(texts: readonly string[]): string {
  return `${texts.join('\n')}\n`;
}
