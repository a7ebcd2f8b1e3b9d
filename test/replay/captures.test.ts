import { describe, expect, test } from '@jest/globals';
import type { CallRecord } from '../../src/calls/record.ts';
import { type ReplayLine, replay } from '../../src/replay.ts';
import { captures, eventsOf, example, type Capture, type TruthCall } from '../support/callsCaptures.ts';

const { rules, settings } = example();
const MOMENT_MS = 700;
const DURATION_S = 1;
/** Rings this close to each other may come in either order. */
const TOGETHER_MS = 50;

const all = captures().map((one) => ({ one, name: one.name, lines: [...replay(eventsOf(one), rules, settings)] }));

test('both generations of Asterisk are here', () => {
  const counts = ['ast22', 'ast16'].map((version) => all.filter(({ name }) => name.startsWith(version)).length);
  expect(Math.min(...counts)).toBeGreaterThanOrEqual(49);
});

describe.each(all)('$name', ({ one, lines }) => {
  const calls = lines.filter((line) => line.type === 'call');

  test.each(one.truth.calls.map((truth) => ({ truth, id: `pbx1-${truth.firstUniqueid}`, direction: truth.direction })))(
    'call $id ($direction) is told as it was',
    ({ truth, id }) => {
      const call = calls.find(({ externalId }) => externalId === id);
      expect(call).toMatchObject({
        externalId: id,
        linkedid: truth.linkedid,
        direction: truth.direction,
        logToCrm: truth.logToCrm,
        customerPhone: truth.customerPhone,
        externalPhone: truth.externalPhone,
        answeredBy: truth.answeredBy,
        handledBy: truth.handledBy,
        initiatedBy: truth.initiatedBy,
        recording: truth.recording,
      });
      expect(call === undefined ? ['no call'] : differences(call, truth)).toEqual([]);
    },
  );

  test('nothing else is taken for a call', () => {
    expect(strangers(one, calls)).toEqual([]);
    expect(new Set(calls.map(({ externalId }) => externalId)).size).toBe(calls.length);
  });

  test('each call of the CRM is uploaded once, every other has its drop line', () => {
    const uploads = lines.flatMap(uploadOf).map(stripped);
    const drops = lines.filter((line) => line.type === 'dropped');
    const told = calls.filter((call) => call.logToCrm);
    expect(uploads.sort(byId)).toEqual(told.map((call) => expectedUpload(call, truthOf(one, call))).sort(byId));
    const dropped = drops.map(({ linkedid }) => linkedid);
    const linkedids = (logToCrm: boolean): string[] =>
      one.truth.calls.filter((call) => call.logToCrm === logToCrm).map(({ linkedid }) => linkedid);
    expect(dropped).toEqual(expect.arrayContaining(linkedids(false)));
    expect(linkedids(true).filter((linkedid) => dropped.includes(linkedid))).toEqual([]);
  });

  test('popups: at most one per employee and call, each closed once, none after the end', () => {
    expect(popupTroubles(lines)).toEqual([]);
  });
});

/** Everything that may differ a little, as sentences. */
function differences(call: CallRecord, truth: TruthCall): string[] {
  const found: string[] = [];
  const results = [truth.result, ...(truth.extra?.resultAlternatives ?? [])];
  if (!results.includes(call.result)) found.push(`result is ${call.result}, not ${results.join(' or ')}`);
  const moment = (what: string, got: string | null, want: string | null, tolerance = MOMENT_MS): void => {
    if (got === null && want === null) return;
    if (got !== null && want !== null && Math.abs(Date.parse(got) - Date.parse(want)) <= tolerance) return;
    found.push(`${what} is ${String(got)}, not ${String(want)}`);
  };
  moment('startedAt', call.startedAt, truth.startedAt);
  moment('answeredAt', call.answeredAt, truth.answeredAt);
  moment('endedAt', call.endedAt, truth.endedAt, (truth.extra?.endTolerance ?? 0.7) * 1000);
  const lasted = (what: string, got: number, want: number): void => {
    if (Math.abs(got - want) > DURATION_S) found.push(`${what} is ${String(got)}, not ${String(want)}`);
  };
  lasted('waitSeconds', call.waitSeconds, truth.waitSeconds);
  lasted('talkSeconds', call.talkSeconds, truth.talkSeconds);

  const rang = inOrderOf(call.rang, truth.rang);
  const words = (rings: readonly { ext: string; outcome: string }[]): string =>
    rings.map((ring) => `${ring.ext} ${ring.outcome}`).join(', ');
  if (words(rang) !== words(truth.rang)) found.push(`rang is ${words(rang)}, not ${words(truth.rang)}`);
  else for (const [i, ring] of rang.entries()) moment(`ring ${i}`, ring.at, truth.rang[i]?.at ?? null);

  const transfers = truth.transfers ?? [];
  const steps = (list: readonly { type: string; from: string; to: string | null; result: string }[]): string =>
    list.map((step) => `${step.type} ${step.from} → ${String(step.to)} ${step.result}`).join(', ');
  if (steps(call.transfers) !== steps(transfers)) {
    found.push(`transfers are ${steps(call.transfers)}, not ${steps(transfers)}`);
  } else for (const [i, step] of call.transfers.entries()) moment(`transfer ${i}`, step.at, transfers[i]?.at ?? null);
  return found;
}

/** The rings, with those that began together put in the order of the truth. */
function inOrderOf<T extends { ext: string; at: string }>(rings: readonly T[], truth: readonly { ext: string }[]): T[] {
  const sorted = [...rings];
  for (let i = 0; i < sorted.length; i++) {
    const now = sorted[i];
    if (now === undefined || now.ext === truth[i]?.ext) continue;
    const swap = sorted.findIndex(
      (ring, j) =>
        j > i && ring.ext === truth[i]?.ext && Math.abs(Date.parse(ring.at) - Date.parse(now.at)) <= TOGETHER_MS,
    );
    const wanted = sorted[swap];
    if (wanted === undefined) continue;
    sorted[i] = wanted;
    sorted[swap] = now;
  }
  return sorted;
}

/** Calls that no truth names, not even as optional. */
function strangers(one: Capture, calls: readonly CallRecord[]): CallRecord[] {
  const allowed = [...one.truth.calls, ...(one.truth.extra?.optionalCalls ?? [])];
  const ids = new Set(allowed.map((truth) => `pbx1-${truth.firstUniqueid}`));
  return calls.filter((call) => !ids.has(call.externalId));
}

function uploadOf(line: ReplayLine): Record<string, unknown>[] {
  if (line.type !== 'request' || line.path !== '/api/v5/telephony/calls/upload') return [];
  return JSON.parse(line.form['calls'] ?? '[]') as Record<string, unknown>[];
}

function stripped(upload: Record<string, unknown>): Record<string, unknown> {
  const { externalId, type, phone, result, duration, durationWaiting, code, externalPhone } = upload;
  return { externalId, type, phone, result, duration, durationWaiting, code, externalPhone };
}

function truthOf(one: Capture, call: CallRecord): TruthCall | undefined {
  return one.truth.calls.find((truth) => `pbx1-${truth.firstUniqueid}` === call.externalId);
}

/** What the CRM must be told of a call; its owner is the employee who was responsible last, by the truth. */
function expectedUpload(call: CallRecord, truth: TruthCall | undefined): Record<string, unknown> {
  const talked = truth?.talked?.map(({ party }) => party) ?? truth?.handledBy ?? [];
  const talkers = talked.filter((party) => !party.startsWith('+'));
  const owner = talkers.at(-1) ?? (call.direction === 'out' ? call.initiatedBy : call.rang.at(-1)?.ext);
  return {
    externalId: call.externalId,
    type: call.direction,
    phone: call.customerPhone ?? 'anonymous',
    result: call.result,
    duration: Math.round(call.talkSeconds),
    durationWaiting: Math.round(call.waitSeconds),
    code: owner ?? undefined,
    externalPhone: call.externalPhone ?? undefined,
  };
}

function byId(a: Record<string, unknown>, b: Record<string, unknown>): number {
  return String(a['externalId']).localeCompare(String(b['externalId']));
}

function popupTroubles(lines: readonly ReplayLine[]): string[] {
  const open = new Set<string>();
  const shown = new Set<string>();
  const ended = new Set<string>();
  const troubles: string[] = [];
  for (const line of lines) {
    if (line.type === 'call') ended.add(line.externalId);
    if (line.type !== 'request' || line.form['event'] === undefined) continue;
    const event = JSON.parse(line.form['event']) as { type: string; codes: string[]; callExternalId: string };
    for (const code of event.codes) {
      const popup = `${code} of ${event.callExternalId}`;
      if (ended.has(event.callExternalId)) troubles.push(`${event.type} for ${popup} after the end`);
      if (event.type === 'hangup') {
        if (!open.delete(popup)) troubles.push(`hangup for ${popup}, which was not shown`);
      } else {
        if (shown.has(popup)) troubles.push(`second ${event.type} for ${popup}`);
        shown.add(popup);
        open.add(popup);
      }
    }
  }
  return [...troubles, ...[...open].map((popup) => `${popup} stays open`)];
}
