/** What the emulated CRM holds after a scenario, against what really happened. */
import { toAccountTime } from '../../src/retailcrm/time.ts';
import type { Account, Call } from '../../src/sandbox/account.ts';
import type { Emulator } from '../../src/sandbox/emulator.ts';
import type { CallIdentity } from './lab/identity.ts';
import { popupProblems } from './popups.ts';
import type { ExpectedCall } from './scenarios/expect.ts';

/** Seconds a duration may be off. */
const durationTolerance = 1;
/** The CRM's dates have whole seconds; milliseconds by which one may differ from the phone's clock. */
const dateTolerance = 1700;
/** Phones called within this time were called together: each of them may be the last one. Milliseconds. */
const together = 100;

/** One call that happened, with what Asterisk calls it. */
export interface KnownCall {
  expected: ExpectedCall;
  identity: CallIdentity;
}

/** Calls the CRM must hold for a scenario. */
export function logged(expected: ExpectedCall[]): ExpectedCall[] {
  return expected.filter(({ logToCrm }) => logToCrm);
}

/**
 * A sentence for each thing the CRM has wrong; empty if it was told right.
 * @param stallMs how long the machine was seen to stand still: moments may differ by so much more
 */
export function crmDisagreements(crm: Emulator, calls: KnownCall[], stallMs: number): string[] {
  const account = crm.account();
  const problems: string[] = [];
  const held = new Map(account.calls);
  for (const { expected, identity } of calls) {
    if (!expected.logToCrm) continue;
    const who = expected.customerPhone ?? 'the caller without number';
    const id = externalId(identity);
    const record = held.get(id);
    if (record === undefined) {
      problems.push(`the CRM holds no ${expected.direction} call of ${who} (${id})`);
      continue;
    }
    held.delete(id);
    problems.push(...wrongFields(record, expected, account, stallMs).map((wrong) => `${who}: ${wrong}`));
  }
  for (const extra of held.values())
    problems.push(
      `the CRM holds a call nobody made: ${extra.type} ${extra.phone} ${extra.result} (${extra.externalId})`,
    );
  const known = new Map(calls.map(({ expected, identity }) => [externalId(identity), expected]));
  return [...problems, ...popupProblems(account, known), ...mannerProblems(crm)];
}

/** The call's name in the CRM (`calls.md` 1). */
function externalId(identity: CallIdentity): string {
  return `pbx1-${identity.firstUniqueid}`;
}

function wrongFields(record: Call, call: ExpectedCall, account: Account, stallMs: number): string[] {
  const wrong: string[] = [];
  if (record.type !== call.direction) wrong.push(`is a call ${record.type}, it was ${call.direction}`);
  if (call.customerPhone === null ? record.phone !== 'anonymous' : !sameNumber(record.phone, call.customerPhone))
    wrong.push(`phone ${record.phone}, it was ${call.customerPhone}`);
  const ours = Date.parse(`${toAccountTime(call.startedAt, account.timezone).replace(' ', 'T')}Z`);
  if (Math.abs(Date.parse(`${record.date.replace(' ', 'T')}Z`) - ours) > dateTolerance + stallMs)
    wrong.push(`date ${record.date}, it was ${toAccountTime(call.startedAt, account.timezone)}`);
  if (![call.result, ...call.resultAlternatives].includes(record.result)) {
    wrong.push(`result ${record.result}, it was ${call.result}`);
  }
  const wait = ((call.answeredAt ?? call.endedAt) - (call.customerLegAt ?? call.startedAt)) / 1000;
  const talk = call.answeredAt === null ? 0 : (call.endedAt - call.answeredAt) / 1000;
  const slack = durationTolerance + Math.max(0, call.endTolerance - 0.7) + stallMs / 1000;
  if (Math.abs((record.duration ?? 0) - talk) > slack)
    wrong.push(`duration ${record.duration}, it was ${talk.toFixed(1)}`);
  if (Math.abs((record.durationWaiting ?? 0) - wait) > slack) {
    wrong.push(`durationWaiting ${record.durationWaiting}, it was ${wait.toFixed(1)}`);
  }
  if (!sameNumber(record.externalPhone, call.externalPhone)) {
    wrong.push(`externalPhone ${record.externalPhone}, it was ${call.externalPhone}`);
  }
  const owners = ownersOf(call, stallMs);
  if (!owners.includes(record.code)) wrong.push(`code ${record.code}, the owner is ${owners.join(' or ')}`);
  if (call.recorded && record.recordUrl === undefined) wrong.push('has no recordUrl');
  if (!call.recorded && record.recordUrl !== undefined) wrong.push('has a recordUrl, nothing was recorded');
  if (record.copies > 0) wrong.push(`was uploaded ${record.copies + 1} times`);
  return wrong;
}

/**
 * Default policy: the last employee who talked; of an outgoing call nobody took the one who dialled; of a missed one, or
 * one only people outside took, the last employee rung. Several if phones began to ring together; undefined is nobody.
 */
function ownersOf(call: ExpectedCall, stallMs: number): (string | undefined)[] {
  const talker = call.handledBy.findLast((party) => /^1\d\d$/.test(party));
  if (talker !== undefined) return [talker];
  if (call.direction === 'out') return [call.initiatedBy ?? undefined];
  const last = Math.max(...call.rang.map(({ at }) => at));
  const rung = call.rang.filter(({ at }) => at >= last - together - stallMs).map(({ ext }) => ext);
  return rung.length === 0 ? [undefined] : rung;
}

/** What no well-behaved client does: over the rate, or a request the emulator shakes its head at. */
function mannerProblems(crm: Emulator): string[] {
  const problems = crm
    .requests()
    .flatMap(({ method, path, flags }) => flags.map((flag) => `${method} ${path}: ${flag}`));
  const { telephony, general } = crm.stats().peak;
  if (telephony > 40) problems.push(`${telephony} telephony requests within a second, 40 are allowed`);
  if (general > 10) problems.push(`${general} general requests within a second, 10 are allowed`);
  return [...new Set(problems)];
}

function sameNumber(a: string | null | undefined, b: string | null | undefined): boolean {
  return (a ?? '').replace(/\D/g, '') === (b ?? '').replace(/\D/g, '');
}
