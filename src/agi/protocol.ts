/**
 * The words of AGI: what Asterisk says when it connects, and how a channel variable is set. Whatever comes may be
 * garbage: callers choose names and numbers, and anybody who reaches the port may talk.
 */

/** What a dial plan asked for. All texts are as they came. */
export interface AgiRequest {
  /** What stands after `agi://host/`, without the query: `responsible`. */
  readonly script: string;
  /** The query of the address, `?phone=…&did=…`; of a repeated key the first. */
  readonly query: ReadonlyMap<string, string>;
  /** `agi_arg_1`, `agi_arg_2`, …; up to the first that is missing. */
  readonly args: readonly string[];
  /** `agi_callerid`; undefined if unknown. */
  readonly callerNumber: string | undefined;
  /** The number that was dialled: `agi_dnid`, else `agi_extension`. */
  readonly dialled: string | undefined;
  readonly uniqueid: string | undefined;
}

/** Bounds of what Asterisk sends first. A real one has about 25 lines and 700 bytes. */
export const environmentLimits = { bytes: 16_384, lines: 200 } as const;

/** Longest value of a channel variable, in characters: names are shown on telephones. */
const longestValue = 80;

/** True as long as these first bytes can still become an AGI environment: everything else is shown the door at once. */
export function beginsLikeAgi(text: string): boolean {
  const start = 'agi_network: ';
  return text.startsWith(start) || start.startsWith(text);
}

/** The lines before the blank one. undefined if one of them is no `agi_…: value` line or there are too many. */
export function readEnvironment(text: string): ReadonlyMap<string, string> | undefined {
  const lines = text.split('\n');
  if (lines.length > environmentLimits.lines) return undefined;
  const environment = new Map<string, string>();
  for (const raw of lines) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    const colon = line.indexOf(':');
    const key = line.slice(0, colon);
    if (colon < 0 || !/^agi_[a-z0-9_]{1,40}$/.test(key)) return undefined;
    // What stands first is Asterisk's own; a caller's name may try to say it again.
    if (!environment.has(key)) environment.set(key, line.slice(colon + 1).trim());
  }
  return environment;
}

/** What is asked, from what Asterisk said. */
export function readRequest(environment: ReadonlyMap<string, string>): AgiRequest {
  const address = environment.get('agi_network_script') ?? '';
  const mark = address.indexOf('?');
  const script = (mark < 0 ? address : address.slice(0, mark)).replace(/^\/+|\/+$/g, '');
  const query = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(mark < 0 ? '' : address.slice(mark + 1)))
    if (!query.has(key)) query.set(key, value);
  const args: string[] = [];
  for (let arg = environment.get('agi_arg_1'); arg !== undefined; arg = environment.get(`agi_arg_${args.length + 1}`))
    args.push(arg);
  const known = (key: string): string | undefined => {
    const value = environment.get(key);
    return value === undefined || value === '' || value === 'unknown' ? undefined : value;
  };
  return {
    script,
    query,
    args,
    callerNumber: known('agi_callerid'),
    dialled: known('agi_dnid') ?? known('agi_extension'),
    uniqueid: known('agi_uniqueid'),
  };
}

/**
 * A text as the value of a channel variable: letters, digits and a few signs. Dial plans put values into expressions,
 * arguments and shells, so nothing that means something there may come from a customer's card. May end up empty.
 */
export function plainValue(text: string): string {
  const plain = text
    .normalize('NFC')
    .replaceAll(/['`´]/g, '’')
    .replaceAll(/[^\p{L}\p{M}\p{N} .+*#_№’-]+/gu, ' ')
    .replaceAll(/ {2,}/g, ' ')
    .trim();
  return Array.from(plain).slice(0, longestValue).join('').trim();
}

/** The command that sets a channel variable. Throws on a name that is none: names are ours. */
export function setVariable(name: string, value: string): string {
  if (!/^[A-Z][A-Z0-9_]{0,40}$/.test(name)) throw new Error(`${name} is no name of a channel variable`);
  return `SET VARIABLE ${name} "${plainValue(value)}"\n`;
}

/** What Asterisk answered to a command. `hangup`: the caller is gone; the rest is of no use. */
export function readReply(line: string): 'done' | 'refused' | 'hangup' {
  if (line.startsWith('200 ')) return 'done';
  return line.startsWith('HANGUP') || line.startsWith('511') ? 'hangup' : 'refused';
}
