/** What the emulated CRM holds after a scenario, against what really happened. */
import type { Account, Call } from '../../src/sandbox/account.ts';
import type { ExpectedCall } from './scenarios/expect.ts';

/** Seconds a duration may be off. */
const durationTolerance = 1;

/** Calls the CRM must hold for a scenario. */
export function logged(expected: ExpectedCall[]): ExpectedCall[] {
  return expected.filter(({ logToCrm }) => logToCrm);
}

/** A sentence for each thing the CRM has wrong; empty if it was told right. */
export function crmDisagreements(account: Account, expected: ExpectedCall[]): string[] {
  const problems: string[] = [];
  const held = [...account.calls.values()];
  const unused = new Set(held);
  for (const call of logged(expected)) {
    const who = call.customerPhone ?? 'the caller without number';
    const candidates = held.filter((one) => unused.has(one) && isRecordOf(one, call));
    // Two calls of one customer differ by what she dialled.
    const record = candidates.find((one) => sameNumber(one.externalPhone, call.externalPhone)) ?? candidates[0];
    if (record === undefined) {
      problems.push(`the CRM holds no ${call.direction} call of ${who}`);
      continue;
    }
    unused.delete(record);
    problems.push(...wrongFields(record, call).map((wrong) => `${who}: ${wrong}`));
  }
  for (const extra of unused)
    problems.push(`the CRM holds a call nobody made: ${extra.type} ${extra.phone} ${extra.result}`);
  return [...problems, ...popupProblems(account, expected)];
}

function isRecordOf(record: Call, call: ExpectedCall): boolean {
  if (record.type !== call.direction) return false;
  return call.customerPhone === null || sameNumber(record.phone, call.customerPhone);
}

function wrongFields(record: Call, call: ExpectedCall): string[] {
  const wrong: string[] = [];
  if (![call.result, ...call.resultAlternatives].includes(record.result)) {
    wrong.push(`result ${record.result}, it was ${call.result}`);
  }
  const wait = ((call.answeredAt ?? call.endedAt) - (call.customerLegAt ?? call.startedAt)) / 1000;
  const talk = call.answeredAt === null ? 0 : (call.endedAt - call.answeredAt) / 1000;
  const slack = durationTolerance + Math.max(0, call.endTolerance - 0.7);
  if (Math.abs((record.duration ?? 0) - talk) > slack)
    wrong.push(`duration ${record.duration}, it was ${talk.toFixed(1)}`);
  if (Math.abs((record.durationWaiting ?? 0) - wait) > slack) {
    wrong.push(`durationWaiting ${record.durationWaiting}, it was ${wait.toFixed(1)}`);
  }
  if (!sameNumber(record.externalPhone, call.externalPhone)) {
    wrong.push(`externalPhone ${record.externalPhone}, it was ${call.externalPhone}`);
  }
  // Default policy: the last employee who talked owns an answered call; outside parties of a transfer are not employees.
  const owner = call.handledBy.findLast((party) => /^1\d\d$/.test(party));
  if (owner !== undefined && record.code !== owner) wrong.push(`code ${record.code}, the last talker was ${owner}`);
  if (call.recorded && record.recordUrl === undefined) wrong.push('has no recordUrl');
  if (!call.recorded && record.recordUrl !== undefined) wrong.push('has a recordUrl, nothing was recorded');
  if (record.copies > 0) wrong.push(`was uploaded ${record.copies + 1} times`);
  return wrong;
}

function popupProblems(account: Account, expected: ExpectedCall[]): string[] {
  const problems: string[] = [];
  for (const { userId } of account.openPopups.values()) problems.push(`the popup of user ${userId} stays open`);
  const rung = new Set<string>();
  for (const call of expected.filter(({ direction }) => direction === 'in')) {
    // Refused or forwarded at once: over before a popup is due. A consultation is an internal call until it is joined.
    const brief = new Set(['busy', 'forwarded']);
    const consulted = new Set(call.transfers.filter(({ type }) => type === 'attended').map(({ to }) => to));
    for (const { ext, outcome } of call.rang) if (!brief.has(outcome) && !consulted.has(ext)) rung.add(ext);
  }
  const shown = new Set(account.events.filter(({ type }) => type === 'in').flatMap(({ codes }) => codes));
  for (const ext of rung) if (!shown.has(ext)) problems.push(`${ext} was rung and got no popup`);
  return problems;
}

function sameNumber(a: string | null | undefined, b: string | null | undefined): boolean {
  return (a ?? '').replace(/\D/g, '') === (b ?? '').replace(/\D/g, '');
}
