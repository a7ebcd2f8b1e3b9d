import type { WireExchange } from '../retailcrm/http.ts';
import type { Session } from './session.ts';
import type { CheckResult } from './types.ts';

/** Fields that hold a map; PHP writes an empty one as a list. */
const maps = new Set(['customFields', 'actions', 'info', 'errors', 'payments', 'customerFields', 'integrations']);
/** Server and our clock may differ this much before it is worth a line, ms. */
const skewMs = 5_000;

/** What is noteworthy in the replies themselves, and what checks noticed. In a stable order. */
export function peculiaritiesOf(results: readonly CheckResult[], session: Session): string[] {
  const exchanges = results.flatMap((result) => result.exchanges);
  const seen: Seen = {
    emptyMaps: new Set(),
    textIds: new Set(),
    emptyTexts: new Set(),
    spelled: new Map(),
    errorShapes: new Set(),
    russian: false,
    oddSuccess: new Set(),
    foreign: new Set(),
  };
  for (const exchange of exchanges) look(exchange, seen);
  const say: string[] = [];
  const list = (set: Set<string>): string => [...set].sort().join(', ');
  if (seen.emptyMaps.size > 0) say.push(`Empty maps come as \`[]\`: ${list(seen.emptyMaps)}.`);
  if (seen.textIds.size > 0) say.push(`Ids come as texts: ${list(seen.textIds)}.`);
  if (seen.emptyTexts.size > 0) say.push(`What is not set comes as \`""\`: ${list(seen.emptyTexts)}.`);
  const spellings = [...seen.spelled].sort(([a], [b]) => (a < b ? -1 : 1));
  const national = spellings.filter(([shape]) => !shape.startsWith('+'));
  if (national.length > 0) {
    const count = national.reduce((sum, [, times]) => sum + times, 0);
    const all = spellings.reduce((sum, [, times]) => sum + times, 0);
    say.push(
      `Numbers on cards are spelled as people typed them: ${count} of ${all} without a plus (${national.map(([shape]) => `\`${shape}\``).join(', ')}).`,
    );
  }
  if (seen.errorShapes.size > 0) say.push(`\`errors\` comes as ${list(seen.errorShapes)}.`);
  if (seen.russian) say.push('Error texts are in Russian: never decide by them.');
  if (seen.oddSuccess.size > 0) say.push(`\`success\` is not always a boolean: ${list(seen.oddSuccess)}.`);
  if (seen.foreign.size > 0) say.push(`Some replies are not JSON: ${list(seen.foreign)}.`);
  const skew = clockSkew(exchanges);
  if (skew !== undefined) say.push(`The CRM's clock is ${skew} s ahead of ours (negative: behind).`);
  return [...say, ...session.notes];
}

interface Seen {
  readonly emptyMaps: Set<string>;
  readonly textIds: Set<string>;
  readonly emptyTexts: Set<string>;
  /** Shapes of numbers on cards (`8 (999) 999-99-99`) and how often. */
  readonly spelled: Map<string, number>;
  readonly errorShapes: Set<string>;
  russian: boolean;
  readonly oddSuccess: Set<string>;
  readonly foreign: Set<string>;
}

function look(exchange: WireExchange, seen: Seen): void {
  if (exchange.status === null || exchange.path.endsWith('/download')) return;
  const body = parsed(exchange.reply);
  if (body === undefined) {
    seen.foreign.add(`${exchange.status} ${exchange.replyType ?? 'without a type'}`);
    return;
  }
  if (typeof body !== 'object' || body === null) return;
  const { success, errors, errorMsg } = body as { success?: unknown; errors?: unknown; errorMsg?: unknown };
  if (success !== undefined && typeof success !== 'boolean') seen.oddSuccess.add(JSON.stringify(success));
  if (exchange.error !== undefined && errors !== undefined && !isEmpty(errors))
    seen.errorShapes.add(Array.isArray(errors) ? 'a list' : 'a map');
  if (/[а-яё]/i.test(JSON.stringify([errors, errorMsg]))) seen.russian = true;
  walk(body, '', seen);
}

function walk(value: unknown, path: string, seen: Seen): void {
  if (Array.isArray(value)) {
    for (const item of value.slice(0, 200)) walk(item, `${path}[]`, seen);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value) as [string, unknown][]) {
    const here = path === '' ? key : `${path}.${key}`;
    if (maps.has(key) && Array.isArray(inner) && inner.length === 0) seen.emptyMaps.add(key);
    if (
      /^id$|Id$/.test(key) &&
      key !== 'externalId' &&
      key !== 'clientId' &&
      typeof inner === 'string' &&
      /^\d+$/.test(inner)
    )
      seen.textIds.add(here);
    if (inner === '' && !here.includes('phones')) seen.emptyTexts.add(key);
    if (key === 'number' && path.endsWith('phones[]') && typeof inner === 'string') {
      const shape = inner.replaceAll(/\d/g, '9');
      seen.spelled.set(shape, (seen.spelled.get(shape) ?? 0) + 1);
    }
    walk(inner, here, seen);
  }
}

const isEmpty = (errors: unknown): boolean =>
  typeof errors !== 'object' || errors === null || Object.keys(errors).length === 0;

/** The reply as JSON; undefined when it is none. */
export function parsed(reply: Buffer): unknown {
  try {
    return JSON.parse(reply.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

/** Seconds the server's `Date` is ahead; undefined when it agrees with ours. */
function clockSkew(exchanges: readonly WireExchange[]): number | undefined {
  const last = exchanges.findLast(({ date }) => date !== undefined && !Number.isNaN(Date.parse(date)));
  if (last?.date === undefined) return undefined;
  const ahead = Date.parse(last.date) - Date.now();
  return Math.abs(ahead) < skewMs ? undefined : Math.round(ahead / 1000);
}
