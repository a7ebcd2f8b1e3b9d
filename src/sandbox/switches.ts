/** What the emulator can be told to do differently: the points on which real accounts differ or are unknown, and faults. */

/** A reply to give instead of the emulator's own. */
export interface ScriptedReply {
  /** HTTP status. */
  status: number;
  /** Text goes out as it is; anything else as JSON. */
  body?: unknown;
  /** Further headers, for example `location` or `retry-after`. */
  headers?: Record<string, string>;
  /** Only for requests whose path contains this text; others pass by. */
  path?: string;
  /** true: carry the request out first, then give this reply. */
  process?: boolean;
}

/** Every switch with its default in `DEFAULT_SWITCHES`. Counters of the form "every n" are off at 0. */
export interface Switches {
  /** Status for a request without a key. */
  missingKeyStatus: 400 | 403;
  /** Status of `Telephony not enabled…`; with 200 the reply carries `success: "false"` as text. */
  telephonyOffStatus: 400 | 200;
  /** How a request over the rate limit is refused. */
  rateLimitReply: '503html' | '503json' | '429json';
  /** `Retry-After` of `429json`, seconds. */
  retryAfterSeconds: number;
  /** What happens to a filter nobody knows. */
  unknownFilter: 'ignore' | '400';
  /** Status of a successful customers/create. */
  createStatus: 201 | 200;
  /** How an empty `info` of a module edit is written. */
  emptyInfo: '[]' | '{}';
  /** Type of `manager.id` in telephony/manager. */
  managerIdType: 'number' | 'string';
  /** Shape of `errors`. */
  errorsShape: 'map' | 'list';
  /** Language of the texts in `errors`. */
  language: 'en' | 'ru';
  /** Status of `filter[sinceId]` together with `page`; one position only. */
  sinceIdWithPage: 400;
  /** Whether duplicates count in `processedCallsCount`. */
  dupCounts: 'exclude' | 'include';

  /** Every n-th API request is carried out, then the connection is cut without a reply. */
  loseReplyEvery: number;
  /** Every reply waits this long, milliseconds; the request itself is carried out at once. */
  delayMs: number;
  /** Every n-th API request is answered 500 with HTML and not carried out. */
  fail5xxEvery: number;
  /** Connections are cut as soon as an API request arrives. `/__emu/` stays reachable. */
  down: boolean;
  /** So many of the next batch uploads store their first half and answer 500. */
  halfBatchThen500: number;
  /** Every API request gets a 200 with an HTML page and is not carried out. */
  html200: boolean;
  /** Replies for the next requests, first one first. */
  failNext: ScriptedReply[];
  /** Every key is answered 403 `Wrong "apiKey" value.` */
  authOff: boolean;
  /** The account does not exist: behaviour 4. */
  accountGone: boolean;
  /** Replies leave in pieces of so many bytes, one each `dripEveryMs`; 0 is off. */
  dripBytes: number;
  /** Pause between the pieces of `dripBytes`, milliseconds. */
  dripEveryMs: number;
  /** A call whose externalId contains this text makes its whole upload fail with 400 and no field named; empty is off. */
  poison: string;
  /** Share of both rate limits that other software uses up, 0 to 1. */
  quotaTaken: number;
}

/** The defaults of the specification, all faults off. */
export const DEFAULT_SWITCHES: Readonly<Switches> = {
  missingKeyStatus: 400,
  telephonyOffStatus: 400,
  rateLimitReply: '503html',
  retryAfterSeconds: 1,
  unknownFilter: 'ignore',
  createStatus: 201,
  emptyInfo: '[]',
  managerIdType: 'number',
  errorsShape: 'map',
  language: 'en',
  sinceIdWithPage: 400,
  dupCounts: 'exclude',
  loseReplyEvery: 0,
  delayMs: 0,
  fail5xxEvery: 0,
  down: false,
  halfBatchThen500: 0,
  html200: false,
  failNext: [],
  authOff: false,
  accountGone: false,
  dripBytes: 0,
  dripEveryMs: 20,
  poison: '',
  quotaTaken: 0,
};

const CHOICES: { [name in keyof Switches]?: readonly unknown[] } = {
  missingKeyStatus: [400, 403],
  telephonyOffStatus: [400, 200],
  rateLimitReply: ['503html', '503json', '429json'],
  unknownFilter: ['ignore', '400'],
  createStatus: [201, 200],
  emptyInfo: ['[]', '{}'],
  managerIdType: ['number', 'string'],
  errorsShape: ['map', 'list'],
  language: ['en', 'ru'],
  sinceIdWithPage: [400],
  dupCounts: ['exclude', 'include'],
};

/**
 * Checks switches that came from outside. A known value given as text (`"400"` for 400) is taken as meant.
 * @throws Error naming every unknown switch and every value that is not a position of its switch.
 */
export function readSwitches(given: unknown): Partial<Switches> {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new Error('switches must be an object');
  const wrong: string[] = [];
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    const standard: unknown = Object.hasOwn(DEFAULT_SWITCHES, name)
      ? DEFAULT_SWITCHES[name as keyof Switches]
      : undefined;
    if (standard === undefined) {
      wrong.push(`unknown switch ${name}`);
      continue;
    }
    const choices = CHOICES[name as keyof Switches];
    const meant = choices ? choices.find((choice) => String(choice) === String(value)) : position(standard, value);
    if (meant === undefined) wrong.push(`${name}: ${choices ? choices.join(' | ') : `a ${kind(standard)}`} expected`);
    else read[name] = meant;
  }
  if (wrong.length > 0) throw new Error(wrong.join('; '));
  return read;
}

function kind(standard: unknown): string {
  return Array.isArray(standard) ? 'list of {status, body, headers, path, process}' : typeof standard;
}

function position(standard: unknown, value: unknown): unknown {
  if (Array.isArray(standard)) return Array.isArray(value) && value.every(isScripted) ? value : undefined;
  if (typeof standard === 'number') return typeof value === 'number' && value >= 0 ? value : undefined;
  return typeof value === typeof standard ? value : undefined;
}

function isScripted(value: unknown): value is ScriptedReply {
  if (typeof value !== 'object' || value === null || !('status' in value)) return false;
  return typeof value.status === 'number' && value.status >= 200 && value.status <= 599;
}
