/** The oracle (`delivery.md` 4): what the CRM holds against what the simulated PBXs know they did. */
import { formOf, type RecordedRequest } from '../../src/sandbox/requests.ts';
import type { Call, CallEvent } from '../../src/sandbox/account.ts';
import { toAccountTime } from '../../src/retailcrm/time.ts';
import { balance, unaccounted } from '../../src/store/oracle.ts';
import type { CallTruth } from '../support/pbxCalls.ts';
import type { Deafness } from '../support/pbx.ts';
import type { Scene, SceneHost } from './scene.ts';
import { expect, until } from './wait.ts';

/** How strict to be where a test asks for less, and how patient. */
export interface OracleOptions {
  /** Events of so many milliseconds before a kill may not have been committed. Default 0: the daemon was never killed. */
  uncommittedMs?: number;
  /** The same on a machine that is busy with something else: what only this excuses is counted apart. */
  slowMs?: number;
  /** Rows a killed daemon had claimed come again after their lease of 120 s; true lets that time pass by decree. */
  endLeases?: boolean;
  /** Longest wait for everything to be settled, milliseconds. Default 60,000. */
  settleMs?: number;
  /** False where popups are lost on purpose and only records count. */
  popups?: boolean;
  /** Ids (parts of them) that must be dead letters, and nothing else may be. */
  dead?: (externalId: string) => boolean;
}

/** What the oracle counted. */
export interface Verdict {
  /** Calls the PBXs ran. */
  calls: number;
  /** Heard from begin to end. */
  whole: number;
  /** Live in some moment we surely heard, but not heard whole. */
  spanned: number;
  /** Began and ended while nobody surely heard: not counted as lost. */
  inGap: number;
  /** Of these, told to the CRM nevertheless. */
  inGapHeld: number;
  /** Excused only by a machine that was busy with something else. */
  uncertain: number;
  /** Records in the CRM. */
  held: number;
  /** Dead letters. */
  dead: number;
  /** Records sent more than once. */
  repeated: number;
  /** Popups still open although their call is over. */
  popupsOpen: number;
  /** Popups sent. */
  popups: number;
  /** From the end of a fresh call to its record in the CRM, the slowest host, milliseconds. */
  freshMs: number;
}

/**
 * Lets the scene come to rest, then compares. Calls stop coming, those under way end; a fresh call on each host must reach the CRM
 * within 60 s; then everything due must be settled.
 * @throws Finding with everything that is wrong
 */
export async function judge(scene: Scene, options: OracleOptions = {}): Promise<Verdict> {
  for (const { load } of scene.hosts) load.hush();
  await Promise.all(scene.hosts.map(({ load }) => load.over()));
  await scene.heard(60_000);
  const freshMs = await fresh(scene);
  const { db } = await scene.store();
  if (options.endLeases === true) await endForeignLeases(scene);
  await until(async () => (await balance(db)).open === 0, options.settleMs ?? 60_000, 'an empty outbox');

  const wrong: string[] = [];
  const verdict: Verdict = {
    ...{ calls: 0, whole: 0, spanned: 0, inGap: 0, inGapHeld: 0, uncertain: 0, held: scene.held, dead: 0, repeated: 0 },
    ...{ popupsOpen: 0, popups: 0, freshMs },
  };
  const dead = (await db.selectFrom('outbox').select('external_id').where('state', '=', 'dead').execute()).map(
    (row) => row.external_id,
  );
  verdict.dead = dead.length;
  for (const id of dead) if (options.dead?.(id) !== true) wrong.push(`${id} is a dead letter`);
  for (const host of scene.hosts) compareHost(scene, host, new Set(dead), options, verdict, wrong);
  for (const tenant of scene.crm.tenants) compareAccount(scene, tenant, options, verdict, wrong);

  for (const id of (await unaccounted(db)).slice(0, 10)) wrong.push(`${id} ended and is in no ledger`);
  const rows = await balance(db);
  if (rows.issued !== rows.delivered + rows.dead + rows.expired + rows.open) wrong.push('the outbox does not add up');
  const live = await db.selectFrom('calls').select('external_id').where('state', '=', 'live').execute();
  for (const { external_id } of live.slice(0, 10)) wrong.push(`${external_id} still lives in the database`);
  expect(wrong.length === 0, `${wrong.length} wrong:\n    ${wrong.slice(0, 12).join('\n    ')}`);
  return verdict;
}

/** A call of half a second on each host; how long the slowest took to reach the CRM. */
async function fresh(scene: Scene): Promise<number> {
  const waits = scene.hosts.map(async ({ tenant, id, load }) => {
    const truth = load.one('in answered');
    await load.over();
    return until(
      () => scene.crm.account(tenant).calls.has(`${id}-${truth.uniqueid}`),
      60_000,
      'delivery of a fresh call',
    );
  });
  return Math.max(...(await Promise.all(waits)));
}

/** As if 120 s had passed for rows that daemons killed before had claimed; the living one's stay as they are. */
async function endForeignLeases(scene: Scene): Promise<void> {
  const { db } = await scene.store();
  await db
    .updateTable('outbox')
    .set({ lease_until: new Date(0) })
    .where('state', '=', 'pending')
    .where('lease_owner', 'is not', null)
    .where('lease_owner', 'not like', `%/${scene.daemon.pid ?? 0}/%`)
    .execute();
}

type Coverage = 'whole' | 'spanned' | 'in gap';

/** How much of a call was surely heard. */
function coverage(call: CallTruth, deaf: readonly Deafness[], uncommittedMs: number): Coverage {
  const end = call.endedAt ?? Infinity;
  const gaps = deaf
    .map(({ from, to }) => ({ from: from - uncommittedMs, to }))
    .filter(({ from, to }) => from <= end && to >= call.startedAt);
  if (gaps.length === 0) return 'whole';
  let heardUpTo = call.startedAt;
  for (const { from, to } of gaps) {
    if (from > heardUpTo) return 'spanned';
    heardUpTo = Math.max(heardUpTo, to);
  }
  return heardUpTo < end ? 'spanned' : 'in gap';
}

function compareHost(
  scene: Scene,
  host: SceneHost,
  dead: ReadonlySet<string>,
  options: OracleOptions,
  verdict: Verdict,
  wrong: string[],
): void {
  const { calls } = scene.crm.account(host.tenant);
  for (const truth of host.load.calls) {
    const id = `${host.id}-${truth.uniqueid}`;
    const record = calls.get(id);
    const heard = coverage(truth, host.pbx.deaf, options.uncommittedMs ?? 0);
    verdict.calls++;
    if (!truth.logToCrm) {
      if (record !== undefined) wrong.push(`${id} (${truth.kind}) is not the CRM's business and is there`);
      continue;
    }
    if (heard === 'whole') verdict.whole++;
    else if (heard === 'spanned') verdict.spanned++;
    else {
      verdict.inGap++;
      if (record !== undefined) verdict.inGapHeld++;
    }
    const slowly = coverage(truth, host.pbx.deaf, Math.max(options.uncommittedMs ?? 0, options.slowMs ?? 0));
    if (record === undefined) {
      if (heard === 'in gap' || dead.has(id)) continue;
      if (slowly === 'in gap') verdict.uncertain++;
      else wrong.push(`${id} (${truth.kind}, ${heard}) is lost: ${moments(truth, host)}`);
      continue;
    }
    const differences = compareRecord(record, truth, heard);
    if (differences.length === 0) continue;
    if (compareRecord(record, truth, slowly).length === 0) verdict.uncertain++;
    else wrong.push(`${id} (${truth.kind}, ${heard}): ${differences.join(', ')}: ${moments(truth, host)}`);
  }
}

/** When it all was, in seconds since the call began, for whoever looks into it. */
function moments(truth: CallTruth, host: SceneHost): string {
  const since = (at: number | undefined): string =>
    at === undefined ? '–' : Number.isFinite(at) ? ((at - truth.startedAt) / 1000).toFixed(2) : '∞';
  const end = truth.endedAt ?? Infinity;
  const gaps = host.pbx.deaf.filter(({ from, to }) => from - 1000 <= end && to >= truth.startedAt);
  return `answered ${since(truth.answeredAt)}, ended ${since(truth.endedAt)}, deaf ${gaps.map(({ from, to }) => `${since(from)}…${since(to)}`).join(' ')}`;
}

function compareRecord(record: Call, truth: CallTruth, heard: Coverage): string[] {
  const found: string[] = [];
  const differs = (what: string, got: unknown, want: unknown): void => {
    found.push(`${what} ${String(got)}, not ${String(want)}`);
  };
  if (record.type !== truth.direction) differs('type', record.type, truth.direction);
  if (record.phone !== truth.customerPhone) differs('phone', record.phone, truth.customerPhone);
  if (record.conflicts > 0) found.push('it was sent with two different contents');
  if (heard !== 'whole' || truth.interrupted) return found;
  if (record.result !== truth.result) differs('result', record.result, truth.result);
  const start = truth.startedAt;
  const dates = [start - 1000, start, start + 1000].map((at) => toAccountTime(at, 'Europe/Minsk'));
  if (!dates.includes(record.date)) differs('date', record.date, dates[1]);
  const talk = truth.answeredAt === undefined ? 0 : ((truth.endedAt ?? 0) - truth.answeredAt) / 1000;
  if (Math.abs((record.duration ?? 0) - talk) > 1.5) differs('duration', record.duration, talk);
  const last = truth.talkers.at(-1);
  if (last !== undefined && record.code !== last) differs('code', record.code, last);
  return found;
}

function compareAccount(scene: Scene, tenant: string, options: OracleOptions, verdict: Verdict, wrong: string[]): void {
  const account = scene.crm.account(tenant);
  const hosts = scene.hosts.filter((host) => host.tenant === tenant);
  const known = new Map<string, CallTruth>(
    hosts.flatMap(({ id, load }) => load.calls.map((truth) => [`${id}-${truth.uniqueid}`, truth] as const)),
  );
  for (const id of account.calls.keys()) if (!known.has(id)) wrong.push(`${id} was invented`);
  for (const one of account.calls.values()) if (one.copies > 0) verdict.repeated++;
  wrong.push(...twoPayloads(scene.crm.requests(tenant, 'calls/upload')));
  const gauge = scene.crm.gauge(tenant);
  if (gauge && gauge.telephony.peak > 40)
    wrong.push(`${tenant}: ${gauge.telephony.peak} telephony requests in one second`);
  if (gauge && gauge.general.peak > 10) wrong.push(`${tenant}: ${gauge.general.peak} general requests in one second`);
  verdict.popups += account.events.length;
  verdict.popupsOpen += account.openPopups.size;
  if (options.popups !== false) wrong.push(...popupFaults(account.events, known, scene.daemon.starts > 1));
}

/** Records that were sent with different bytes. */
function twoPayloads(requests: readonly RecordedRequest[]): string[] {
  const sent = new Map<string, string>();
  const wrong = new Set<string>();
  for (const request of requests) {
    const { calls } = formOf(request);
    const list: unknown = typeof calls === 'string' ? JSON.parse(calls) : [];
    for (const one of Array.isArray(list) ? list : []) {
      const record: unknown = one;
      if (typeof record !== 'object' || record === null || !('externalId' in record)) continue;
      const id = String(record.externalId);
      const bytes = JSON.stringify(record);
      if ((sent.get(id) ?? bytes) !== bytes) wrong.add(`${id} was sent as ${sent.get(id)} and as ${bytes}`);
      sent.set(id, bytes);
    }
  }
  return [...wrong];
}

/**
 * P4, P5: once per (call, employee, type), nothing opens after it was closed, nothing comes later than 10 s after the
 * ring. A hangup that a killed daemon was sending is sent again (`store/takeBack.ts`): that one may come twice.
 */
function popupFaults(
  events: readonly CallEvent[],
  known: ReadonlyMap<string, CallTruth>,
  restarted: boolean,
): string[] {
  const wrong: string[] = [];
  const seen = new Map<string, Set<string>>();
  for (const { type, codes, callExternalId = '', at } of events) {
    const truth = known.get(callExternalId);
    if (truth === undefined) wrong.push(`popup ${type} of an invented call ${callExternalId}`);
    for (const code of codes) {
      const key = `${callExternalId} ${code}`;
      const types = seen.get(key) ?? new Set();
      seen.set(key, types);
      if (types.has(type) && !(restarted && type === 'hangup')) wrong.push(`popup ${type} for ${key} twice`);
      if (type !== 'hangup' && types.has('hangup')) wrong.push(`popup ${type} for ${key} after its hangup`);
      types.add(type);
      const ring = truth?.rings.find(({ ext }) => ext === code);
      if (type === 'in' && ring !== undefined && at - ring.at > 10_500) {
        wrong.push(`popup for ${key} ${((at - ring.at) / 1000).toFixed(1)} s after the ring`);
      }
    }
  }
  return wrong;
}

/** The figures in one line. */
export function figures(verdict: Verdict): string {
  const { calls, whole, spanned, inGap, inGapHeld, uncertain, held, dead, repeated, popups, popupsOpen, freshMs } =
    verdict;
  return [
    `${calls} calls`,
    `${held} held`,
    `${whole} whole`,
    ...(spanned > 0 ? [`${spanned} spanned`] : []),
    ...(inGap > 0 ? [`${inGap} in gaps (${inGapHeld} held)`] : []),
    ...(uncertain > 0 ? [`${uncertain} uncertain`] : []),
    ...(dead > 0 ? [`${dead} dead`] : []),
    ...(repeated > 0 ? [`${repeated} sent again`] : []),
    `${popups} popups`,
    ...(popupsOpen > 0 ? [`${popupsOpen} left open`] : []),
    `fresh call ${(freshMs / 1000).toFixed(1)} s`,
  ].join(', ');
}
