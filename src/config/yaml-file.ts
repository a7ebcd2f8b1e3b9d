import { readFileSync, statSync } from 'node:fs';
import { type Document, LineCounter, isMap, isNode, isScalar, parseDocument, visit } from 'yaml';
import { type Problem, formatPath } from './problems.ts';

/** Configuration is written by people; a larger file is a wrong one, and YAML of that size is slow to refuse. */
export const LARGEST_FILE = 256 * 1024;

/** Nobody reads further, and each costs a search for its place. */
export const MOST_PROBLEMS = 200;

/** Commas, colons and line ends: a thousand employees need about 6,000. More is refused before it is parsed. */
const MOST_MARKS = 30_000;

/** Deeper nesting than any setting has; refused before the parser recurses into it. */
const DEEPEST_FLOW = 32;
const DEEPEST_INDENT = 64;

/** A parsed YAML file that knows where everything stood. */
export class YamlFile {
  /** As problems show it. */
  readonly name: string;
  /** Plain data, not yet validated. */
  readonly value: unknown;
  readonly #doc: Document.Parsed;
  readonly #lines: LineCounter;

  constructor(name: string, value: unknown, doc: Document.Parsed, lines: LineCounter) {
    this.name = name;
    this.value = value;
    this.#doc = doc;
    this.#lines = lines;
  }

  /** A problem at the deepest part of `path` that exists; with `atKey` at the key instead of its value. */
  problem(severity: Problem['severity'], path: readonly PropertyKey[], message: string, atKey = false): Problem {
    return { severity, file: this.name, ...this.#locate(path, atKey), path: formatPath(path), message };
  }

  /** Whether the file itself says something there; false for defaults. */
  has(path: readonly PropertyKey[]): boolean {
    return this.#doc.hasIn(path);
  }

  /** What stands in the file for a plain value, e.g. `0367` for the number 367; undefined for anything else. */
  source(path: readonly PropertyKey[]): string | undefined {
    const node: unknown = this.#doc.getIn(path, true);
    return isScalar(node) && node.type === 'PLAIN' ? node.source : undefined;
  }

  #locate(path: readonly PropertyKey[], atKey: boolean): { line: number; col: number } {
    for (let depth = path.length; depth >= 0; depth--) {
      const start = this.#startOf(path.slice(0, depth), atKey && depth === path.length);
      if (start === undefined) continue;
      const { line, col } = this.#lines.linePos(start);
      return { line: Math.max(1, line), col: Math.max(1, col) };
    }
    return { line: 1, col: 1 };
  }

  #startOf(path: readonly PropertyKey[], atKey: boolean): number | undefined {
    const node: unknown = path.length === 0 ? this.#doc.contents : this.#doc.getIn(path, true);
    const parent: unknown = path.length > 1 ? this.#doc.getIn(path.slice(0, -1), true) : this.#doc.contents;
    if (isMap(parent) && path.length > 0 && (atKey || !isScalar(node))) {
      // Point at `hosts:`, not at the first thing inside it.
      const pair = parent.items.find(({ key }) => (isScalar(key) ? key.value : key) === path.at(-1));
      if (pair && isNode(pair.key)) return pair.key.range?.[0];
    }
    return isNode(node) ? node.range?.[0] : undefined;
  }
}

/** Reads and parses; what is not YAML as we accept it comes back as problems. */
export function readYamlFile(path: string, name: string): YamlFile | Problem[] {
  const whole = (message: string): Problem[] => [{ severity: 'error', file: name, line: 1, col: 1, path: '', message }];
  let bytes: Buffer;
  try {
    const { size } = statSync(path);
    if (size > LARGEST_FILE) {
      return whole(`the file has ${Math.ceil(size / 1024)} KiB; settings need less than ${LARGEST_FILE / 1024} KiB`);
    }
    bytes = readFileSync(path);
  } catch (error) {
    const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown error';
    return whole(`cannot be read (${code})${code === 'ENOENT' ? ': there is no such file' : ''}`);
  }
  try {
    return parseYaml(new TextDecoder('utf-8', { fatal: true }).decode(bytes), name);
  } catch {
    return whole('is not UTF-8 text; save it as UTF-8');
  }
}

/** See `readYamlFile`. */
export function parseYaml(text: string, name: string): YamlFile | Problem[] {
  const lines = new LineCounter();
  const at = (offset: number, message: string): Problem => {
    const { line, col } = lines.linePos(offset);
    return { severity: 'error', file: name, line: Math.max(1, line), col: Math.max(1, col), path: '', message };
  };
  const deep = deepestLine(text);
  if (deep !== undefined) {
    return [
      { severity: 'error', file: name, line: deep, col: 1, path: '', message: 'is nested far deeper than any setting' },
    ];
  }
  if ((text.match(/[\n,:]/g)?.length ?? 0) > MOST_MARKS) return [at(0, 'has more entries than settings need')];
  let doc: Document.Parsed;
  let value: unknown;
  try {
    doc = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2', uniqueKeys: false });
    const twice = duplicateKeys(doc);
    if (twice.length > 0)
      return twice
        .slice(0, MOST_PROBLEMS)
        .map((offset) => at(offset, 'this key is already given above; keep one of the two'));
    const faults = [...doc.errors, ...doc.warnings];
    if (faults.length > 0)
      return faults.slice(0, MOST_PROBLEMS).map((fault) => at(fault.pos[0], yamlMessage(fault.code, fault.message)));
    value = doc.toJS({ maxAliasCount: 50 });
  } catch (error) {
    const unresolved = /Unresolved alias.*: (\S+)$/.exec(String(error))?.[1];
    if (unresolved !== undefined)
      return [at(0, `uses *${unresolved}, which is not anchored above; quote a value that begins with *`)];
    return [at(0, 'uses aliases (*name) beyond reason; write the values out')];
  }
  if (value === null || value === undefined) return [at(0, 'is empty; see the example in the config directory')];
  return new YamlFile(name, value, doc, lines);
}

/** Where keys stand that their section has already; the library's own check takes quadratic time. */
function duplicateKeys(doc: Document.Parsed): number[] {
  const offsets: number[] = [];
  visit(doc, {
    Map: (_, map) => {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) offsets.push(key.range?.[0] ?? 0);
        seen.add(key.value);
      }
    },
  });
  return offsets;
}

/** The words of the YAML library, where an operator would not understand them. */
function yamlMessage(code: string, message: string): string {
  if (code === 'MULTIPLE_DOCS') return 'a second document (---) begins here; one file holds one';
  if (code === 'TAB_AS_INDENT') return 'is indented with a tab; YAML wants spaces';
  if (code === 'TAG_RESOLVE_FAILED') return 'tags (!name) are not used in settings';
  return `is not YAML: ${message.split('\n')[0] ?? ''}`;
}

/** First line that opens more brackets or indents further than any setting needs; text in quotes is not looked into. */
function deepestLine(text: string): number | undefined {
  let line = 1;
  let open = 0;
  let dashes = 0;
  let indent = 0;
  let fresh = true;
  let comment = false;
  for (const character of text) {
    if (character === '\n') {
      line++;
      [dashes, indent, fresh, comment] = [0, 0, true, false];
      continue;
    }
    if (character === '#' && fresh) comment = true;
    if (comment) continue;
    if (character === '[' || character === '{') open++;
    else if (character === ']' || character === '}') open = Math.max(0, open - 1);
    if (fresh && character === ' ') indent++;
    else if (fresh && (character === '-' || character === '?')) dashes++;
    else fresh = false;
    if (open > DEEPEST_FLOW || dashes > DEEPEST_FLOW || indent > DEEPEST_INDENT) return line;
  }
  return undefined;
}
