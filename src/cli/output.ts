/** Where a command's words go. Results to `out`, everything else to `err`, so that a pipe carries results only. */
export interface Io {
  readonly out: Output;
  readonly err: Output;
  readonly env: NodeJS.ProcessEnv;
}

/** One stream of text for people or scripts. */
export interface Output {
  /** Whether colours may be used. */
  readonly colours: boolean;
  /** Columns of the terminal; 100 where there is none. */
  readonly width: number;
  /** Writes text as it is. */
  write(text: string): void;
}

/** Paints text by meaning. */
export type Style = 'bold' | 'dim' | 'good' | 'warn' | 'bad';

const CODES: Readonly<Record<Style, string>> = { bold: '1', dim: '90', good: '32', warn: '33', bad: '31' };

/** The process's own streams. A reader that goes away (`| head`) ends the output, not the program. */
export function processIo(): Io {
  return { out: outputOf(process.stdout), err: outputOf(process.stderr), env: process.env };
}

function outputOf(stream: NodeJS.WriteStream): Output {
  stream.on('error', () => undefined);
  return {
    // https://no-color.org: present and not empty means no colours.
    colours: stream.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb',
    width: stream.isTTY ? stream.columns : 100,
    write: (text) => {
      if (stream.writable) stream.write(text);
    },
  };
}

/** The text in a style, where colours are allowed. */
export function paint(output: Output, style: Style, text: string): string {
  return output.colours ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text;
}

/** One line of text. */
export function printLine(output: Output, text = ''): void {
  output.write(`${text}\n`);
}

/** One value per line: what `--json` means for every command (JSON Lines, so that lists can be streamed). */
export function printJson(output: Output, value: unknown): void {
  output.write(`${JSON.stringify(value)}\n`);
}

/** A column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | undefined;
  /** Numbers are read from the right. */
  readonly align?: 'left' | 'right';
  readonly style?: (row: Row) => Style | undefined;
}

/** Rows under aligned titles; the last column is not padded. Control characters of cells are shown as `?`. */
export function printTable<Row>(output: Output, columns: readonly Column<Row>[], rows: readonly Row[]): void {
  const cells = rows.map((row) => columns.map((column) => cellText(column.value(row))));
  const widths = columns.map((column, c) =>
    Math.max(displayWidth(column.title), ...cells.map((line) => displayWidth(line[c] ?? ''))),
  );
  const line = (texts: readonly string[], styleOf: (c: number) => Style | undefined): string =>
    texts
      .map((text, c) => {
        const padded = pad(text, widths[c] ?? 0, columns[c]?.align ?? 'left', c === columns.length - 1);
        const style = styleOf(c);
        return style ? paint(output, style, padded) : padded;
      })
      .join('  ');
  printLine(
    output,
    line(
      columns.map((column) => column.title),
      () => 'bold',
    ).trimEnd(),
  );
  rows.forEach((row, r) => {
    printLine(output, line(cells[r] ?? [], (c) => columns[c]?.style?.(row)).trimEnd());
  });
}

function cellText(value: string | number | undefined): string {
  if (value === undefined) return '–';
  return String(value).replace(/[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, '?');
}

function pad(text: string, width: number, align: 'left' | 'right', last: boolean): string {
  const space = ' '.repeat(Math.max(0, width - displayWidth(text)));
  if (align === 'right') return space + text;
  return last ? text : text + space;
}

/** Columns on a terminal: East Asian wide characters take two, combining ones none. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    if (/\p{M}/u.test(character)) continue;
    width +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\u{1f300}-\u{1faff}]/u.test(
        character,
      )
        ? 2
        : 1;
  }
  return width;
}
