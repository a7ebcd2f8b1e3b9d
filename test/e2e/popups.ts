/** The popups the CRM was asked for, against whose phone rang and what became of it. */
import type { Account, CallEvent } from '../../src/sandbox/account.ts';
import type { ExpectedCall, Rang } from './scenarios/expect.ts';

/** What one employee saw of one call. */
interface Seen {
  call: string;
  code: string;
  /** Events in order of arrival. */
  events: CallEvent[];
}

/** A sentence for each popup that is missing, doubled, stays, was nobody's, or closed with the wrong word. */
export function popupProblems(
  account: Pick<Account, 'events' | 'openPopups'>,
  calls: ReadonlyMap<string, ExpectedCall>,
): string[] {
  const problems: string[] = [];
  for (const { userId } of account.openPopups.values()) problems.push(`the popup of user ${userId} stays open`);
  const seen = seenBy(account.events);
  for (const one of seen) {
    const call = calls.get(one.call);
    if (call?.logToCrm !== true) problems.push(`${one.code} saw a popup of ${one.call}, which is no call for the CRM`);
    else if (call.popupsUnsure !== true)
      problems.push(...wrongWith(one, call).map((wrong) => `${one.code}, ${call.customerPhone}: ${wrong}`));
  }
  for (const [id, call] of calls) {
    const shown = new Set(seen.filter((one) => one.call === id).map(({ code }) => code));
    for (const ext of due(call)) if (!shown.has(ext)) problems.push(`${ext} got no popup of ${call.customerPhone}`);
  }
  return problems;
}

function seenBy(events: readonly CallEvent[]): Seen[] {
  const seen = new Map<string, Seen>();
  for (const event of events) {
    for (const code of event.codes) {
      const call = event.callExternalId ?? 'no call';
      const key = `${call} ${code}`;
      const one = seen.get(key) ?? { call, code, events: [] };
      one.events.push(event);
      seen.set(key, one);
    }
  }
  return [...seen.values()];
}

function wrongWith({ code, events }: Seen, call: ExpectedCall): string[] {
  const wrong: string[] = [];
  for (const type of ['in', 'out', 'hangup']) {
    const times = events.filter((event) => event.type === type).length;
    if (times > 1) wrong.push(`${times} times ${type}`);
  }
  const [first, closed] = [events[0], events.find(({ type }) => type === 'hangup')];
  if (first?.type === 'hangup') wrong.push('hangup without or before its popup');
  if (events.at(-1)?.type !== 'hangup') wrong.push('the last event is no hangup');
  if (events.some(({ type }) => type === 'in') && !call.rang.some(({ ext }) => ext === code))
    wrong.push('a popup, but the phone was not called');
  if (events.some(({ type }) => type === 'out') && call.initiatedBy !== code)
    wrong.push('an outgoing popup, but dialled by somebody else');
  const words = statuses(code, call);
  if (closed !== undefined && !words.includes(closed.hangupStatus ?? ''))
    wrong.push(`hangupStatus ${closed.hangupStatus}, it was ${words.join(' or ')}`);
  return wrong;
}

/** Employees who must have seen the call. */
function due(call: ExpectedCall): Set<string> {
  if (!call.logToCrm || call.popupsUnsure === true) return new Set();
  if (call.direction === 'out') return new Set(call.customerLegAt === null ? [] : [call.initiatedBy ?? '']);
  // Refused or forwarded at once: over before a popup is due. A consultation is an internal call until it is joined.
  const brief = new Set(['busy', 'forwarded']);
  const consulted = new Set(call.transfers.filter(({ type }) => type === 'attended').map(({ to }) => to));
  const rung = call.rang.filter(({ ext, outcome }) => !brief.has(outcome) && !consulted.has(ext));
  return new Set(rung.map(({ ext }) => ext));
}

/** The words a popup of this employee may close with (`calls.md` 2). */
function statuses(code: string, call: ExpectedCall): string[] {
  const ring: Rang | undefined = call.rang.find(({ ext, popup }) => ext === code && popup !== 'stays');
  const before = call.answeredAt === null || (ring?.at ?? Infinity) < call.answeredAt;
  // Hers stopped ringing before anybody answered; a later round opens no second popup.
  if (call.direction === 'in' && ring?.outcome === 'no answer' && before) return ['no answered'];
  if (call.answeredAt !== null) {
    // A transfer's target who did not take the call may be told that it was answered, or that she did not answer.
    return before || ring?.outcome === 'answered' ? ['answered'] : ['answered', 'no answered', 'cancel', 'busy'];
  }
  const words = [call.result, ...call.resultAlternatives].flatMap((result) => wordsOf(result, call));
  const seenEnd = !call.resultAlternatives.includes('unknown');
  return call.direction === 'in' && ring?.outcome === 'cancelled' && seenEnd ? ['cancel'] : words;
}

function wordsOf(result: string, call: ExpectedCall): string[] {
  if (result === 'unknown') return ['failed'];
  if (result !== 'no answer') return [result];
  return call.direction === 'out' ? ['no answered', 'cancel'] : ['no answered'];
}
