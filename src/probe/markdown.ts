import type { WireExchange } from '../retailcrm/http.ts';
import { MEANING } from './conclusions.ts';
import { maskFree, maskJson } from './mask.ts';
import { parsed } from './peculiarities.ts';
import { AREAS, type CheckResult, type Protocol } from './types.ts';

const MOST_LINES = 60;

/** The protocol as a page to read, to keep and to send: no key, no secret, no number, no name in it. */
export function markdownOf(protocol: Protocol, version: string): string {
  const { results, created, peculiarities, conclusions, mark } = protocol;
  const requests = results.reduce((sum, { latencies }) => sum + latencies.length, 0);
  const count = (outcome: CheckResult['outcome']): number => results.filter((one) => one.outcome === outcome).length;
  const lines = [
    '# RetailCRM API: protocol of a probe',
    '',
    ...table(
      ['', ''],
      [
        ['account', `\`${protocol.account}\` (enterprise \`${protocol.enterprise}\`)`],
        ['run', `\`${protocol.id}\`, ${protocol.mode}`],
        ['from, to', `${protocol.startedAt.toISOString()}, ${protocol.endedAt.toISOString()}`],
        ['program', `asterisk-retailcrm ${version}`],
        [
          'checks',
          `${count('ok')} ok, ${count('failed')} failed, ${count('skipped')} skipped; ${requests} requests measured`,
        ],
      ],
    ),
    '',
    'Secrets, phone numbers, mailboxes and names are masked, long lists are cut. Each request carries the header `X-API-KEY`,',
    'but for the mistakes that are about it.',
    '',
    '## Conclusions',
    '',
    ...conclusions.map((line) => `- ${line}`),
    '',
    '## Peculiarities of this account',
    '',
    ...(peculiarities.length > 0 ? peculiarities.map((line) => `- ${line}`) : ['None.']),
    '',
    '## What was created',
    '',
    ...(created.length === 0
      ? ['Nothing.']
      : table(
          ['what', 'id', 'how to find it'],
          created.map(({ what, id, hint }) => [what, `\`${id}\``, hint]),
        )),
    '',
    '## Checks and times',
    '',
    'Times in milliseconds, from the request to the last byte of the answer.',
    '',
    ...table(
      ['check', 'result', 'status', 'n', 'min', 'median', 'max', 'what came of it'],
      results.map((result) => [
        `\`${result.id}\``,
        result.outcome,
        statusOf(result),
        ...times(result.latencies),
        cell(result.says),
      ]),
    ),
    '',
    '## Error codes met',
    '',
    ...errorTable(results),
    '',
    '## Requests and replies',
    '',
    ...AREAS.flatMap((area) => areaLines(area, results, mark)),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

function areaLines(area: string, results: readonly CheckResult[], mark: string): string[] {
  const own = results.filter((result) => result.area === area && result.exchanges.length > 0);
  if (own.length === 0) return [];
  return [
    `### ${area}`,
    '',
    ...own.flatMap((result) => [
      `#### ${result.id}: ${result.title}`,
      '',
      ...result.exchanges.flatMap((exchange) => [...exchangeLines(exchange, mark), '']),
    ]),
  ];
}

function exchangeLines(exchange: WireExchange, mark: string): string[] {
  const query = readable(exchange.query, mark);
  const request = [
    `${exchange.method} ${pathOf(exchange.path, mark)}${query.length > 0 ? `?${query.map(([name, value]) => `${name}=${value}`).join('&')}` : ''}`,
    ...(exchange.contentType === undefined ? [] : [`Content-Type: ${exchange.contentType}`]),
    ...bodyLines(exchange.body, mark),
  ];
  const took = `${Math.round(exchange.latencyMs)} ms`;
  const answer =
    exchange.status === null ? [`no answer: ${exchange.error?.errorMsg ?? 'no reason'}`] : replyLines(exchange, mark);
  const status = exchange.status === null ? 'nothing' : `**${exchange.status}**`;
  const kind = exchange.error === undefined ? '' : `, class ${exchange.error.kind}`;
  return [
    '```http',
    ...fenced(request),
    '```',
    '',
    `${status} after ${took}${kind}:`,
    '',
    '```json',
    ...fenced(answer),
    '```',
  ];
}

/** Nothing in the lines ends the block they stand in. */
const fenced = (lines: readonly string[]): string[] => lines.map((line) => line.replaceAll('```', "'''"));

/** Fields of a query or a form: decoded, JSON inside masked. */
function readable(encoded: string, mark: string): [string, string][] {
  return [...new URLSearchParams(encoded)].map(([name, value]): [string, string] => {
    const json = /^[[{]/.test(value) ? parsed(Buffer.from(value, 'utf8')) : undefined;
    const bare = /\[?([A-Za-z]+)\]?$/.exec(name)?.[1] ?? name;
    return [
      name,
      json === undefined ? String(maskJson(value, mark, bare)) : JSON.stringify(maskJson(json, mark, bare)),
    ];
  });
}

function bodyLines(body: string | Uint8Array | undefined, mark: string): string[] {
  if (body === undefined) return [];
  if (typeof body !== 'string') return ['', `(${body.length} bytes)`];
  const fields = readable(body, mark);
  return fields.length === 0 ? ['', '(empty)'] : ['', ...fields.map(([name, value]) => `${name} = ${value}`)];
}

function replyLines(exchange: WireExchange, mark: string): string[] {
  const body = parsed(exchange.reply);
  if (body === undefined) {
    if (exchange.path.endsWith('/download') && exchange.error === undefined)
      return [`(${exchange.reply.length} bytes)`];
    const text = maskFree(exchange.reply.subarray(0, 300).toString('utf8').replaceAll(/\s+/g, ' ')).replaceAll(
      '```',
      "'''",
    );
    return [`${exchange.replyType ?? 'no type'}: ${text === '' ? '(empty)' : text}`];
  }
  const lines = JSON.stringify(maskJson(body, mark), undefined, 2).split('\n');
  return lines.length <= MOST_LINES
    ? lines
    : [...lines.slice(0, MOST_LINES), `… ${lines.length - MOST_LINES} more lines`];
}

/** Ids in a path stay; an externalId that holds a number does not. */
const pathOf = (path: string, mark: string): string =>
  path
    .split('/')
    .map((part) => (mark.endsWith(part.replace('probe-', '')) || /^\d+$/.test(part) ? part : maskFree(part)))
    .join('/');

function errorTable(results: readonly CheckResult[]): string[] {
  const met = new Map<string, { status: string; message: string; kind: string; where: Set<string> }>();
  for (const { id, exchanges } of results) {
    for (const { error } of exchanges) {
      if (error === undefined) continue;
      const status = error.status === null ? '–' : String(error.status);
      const key = `${status} ${error.errorMsg}`;
      const row = met.get(key) ?? { status, message: error.errorMsg, kind: error.kind, where: new Set() };
      row.where.add(id);
      met.set(key, row);
    }
  }
  if (met.size === 0) return ['None.'];
  const rows = [...met].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  return table(
    ['status', 'errorMsg', 'class', 'means', 'the daemon', 'met in'],
    rows.map(({ status, message, kind, where }) => [
      status,
      `\`${cell(message)}\``,
      kind,
      MEANING[kind]?.means ?? '',
      MEANING[kind]?.daemon ?? '',
      [...where].map((id) => `\`${id}\``).join(' '),
    ]),
  );
}

const statusOf = ({ exchanges }: CheckResult): string => {
  const seen = [...new Set(exchanges.map(({ status }) => (status === null ? '–' : String(status))))];
  return seen.join(', ');
};

/** n, min, median, max. */
export function times(latencies: readonly number[]): string[] {
  if (latencies.length === 0) return ['', '', '', ''];
  const sorted = latencies.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const median =
    sorted.length % 2 === 1
      ? (sorted[Math.floor(middle)] ?? 0)
      : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
  return [String(sorted.length), ...[sorted[0] ?? 0, median, sorted.at(-1) ?? 0].map((ms) => `${Math.round(ms)} ms`)];
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(titles), `|${titles.map(() => '---').join('|')}|`, ...rows.map(line)];
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ');
