/** All of it, in the order a person would mend it: database, disks, each PBX, each account, the way in. */
import type { DaemonSettings, EnterpriseSettings } from '../config/settings.ts';
import { lastCalls, recentCustomer, recentOwners, recentRecordUrl } from '../store/checkup.ts';
import type { Db } from '../store/database.ts';
import { examineCallbacks } from './callbacks.ts';
import { examineCrm } from './crm.ts';
import { examineDatabase, examineRows } from './database.ts';
import { examineDisks, type Place } from './disk.ts';
import { type Area, type Finding, Findings, wordsOf } from './finding.ts';
import { examinePbx } from './pbx.ts';
import { examineRecordings } from './recordings.ts';

/** What to look at, and with what. */
export interface ExamineOptions {
  readonly daemon: DaemonSettings;
  readonly enterprises: readonly EnterpriseSettings[];
  /** Only hosts with this id. */
  readonly host: string | undefined;
  readonly areas: ReadonlySet<Area>;
  /** The open database, or why there is none. */
  readonly database: { readonly db: Db; readonly trouble?: never } | { readonly db?: never; readonly trouble: string };
  /** Directory of the program's migrations. */
  readonly migrations: string;
  /** Disks to look at. */
  readonly places: readonly Place[];
  readonly watchSeconds: number;
  readonly managerConf: string;
  /** Told of the findings of each step as soon as there are any. */
  readonly onFindings: (findings: readonly Finding[]) => void;
}

/** How far back calls are counted for "who has no CRM user", ms. */
const RECENT_MS = 30 * 24 * 3600_000;

/** What the database knows of an enterprise and the other steps want. */
interface Known {
  lastCall: ReadonlyMap<string, Date>;
  owners: readonly { owner: string; calls: number }[];
  customer: string | undefined;
  recordUrl: string | undefined;
}

const nothing: Known = { lastCall: new Map(), owners: [], customer: undefined, recordUrl: undefined };

/** Looks at everything. @returns all findings */
export async function examine(options: ExamineOptions): Promise<readonly Finding[]> {
  const { daemon, enterprises, areas, onFindings } = options;
  const all: Finding[] = [];
  const note = (findings: readonly Finding[]): void => {
    const wanted = findings.filter(({ area }) => areas.has(area));
    all.push(...wanted);
    if (wanted.length > 0) onFindings(wanted);
  };
  const usable = await lookAtDatabase(options, note);
  if (areas.has('disk')) note(await guarded('disk', '', () => examineDisks(options.places)));
  const identities = new Map<string, string>();
  for (const enterprise of enterprises) {
    // A database that goes away meanwhile was a finding already, or is one of the next steps.
    const known = usable === undefined ? nothing : await knownOf(usable, enterprise.id).catch(() => nothing);
    if (areas.has('pbx')) await lookAtHosts(enterprise, known, options, identities, note);
    if (areas.has('crm')) {
      const phone = known.customer ?? enterprise.defaultDid ?? enterprise.dids[0]?.number;
      const { publicUrl } = daemon.http;
      note(
        await guarded('crm', enterprise.id, () => examineCrm(enterprise, { publicUrl, phone, owners: known.owners })),
      );
    }
  }
  if (areas.has('callbacks')) note(await guarded('callbacks', '', () => examineCallbacks(daemon.http, enterprises)));
  return all;
}

/** A step that breaks off is a finding, and the others go on: that is when they are needed most. */
async function guarded(
  area: Area,
  subject: string,
  step: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await step();
  } catch (error) {
    const findings = new Findings(area, subject);
    findings.fail('broken', `the look at it broke off: ${wordsOf(error)}`, 'run doctor again; if it stays, report it');
    return findings.all;
  }
}

/** @returns the database if its schema can be asked */
async function lookAtDatabase(
  { database, migrations, enterprises }: ExamineOptions,
  note: (findings: readonly Finding[]) => void,
): Promise<Db | undefined> {
  const { db } = database;
  if (db === undefined) {
    const findings = new Findings('database', '');
    findings.fail(
      'server',
      database.trouble,
      'is the server of database.url running and reachable, and its password right',
    );
    note(findings.all);
    return undefined;
  }
  const found = await guarded('database', '', () => examineDatabase(db, migrations));
  note(found);
  if (!found.some(({ check, level }) => check === 'schema' && level === 'ok')) return undefined;
  for (const { id, hosts } of enterprises) {
    const ids = hosts.map((host) => host.id);
    note(await guarded('database', id, () => examineRows(db, id, ids, new Date())));
  }
  return db;
}

async function knownOf(db: Db, enterprise: string): Promise<Known> {
  const since = new Date(Date.now() - RECENT_MS);
  const [lastCall, owners, customer, recordUrl] = await Promise.all([
    lastCalls(db, enterprise),
    recentOwners(db, enterprise, since),
    recentCustomer(db, enterprise),
    recentRecordUrl(db, enterprise),
  ]);
  return { lastCall, owners, customer, recordUrl };
}

async function lookAtHosts(
  enterprise: EnterpriseSettings,
  known: Known,
  options: ExamineOptions,
  identities: Map<string, string>,
  note: (findings: readonly Finding[]) => void,
): Promise<void> {
  const { watchSeconds, managerConf } = options;
  const hosts = enterprise.hosts.filter(({ id }) => options.host === undefined || id === options.host);
  const reports = await Promise.all(
    hosts.map((host) =>
      examinePbx(enterprise, host, { watchSeconds, managerConf, lastCall: known.lastCall.get(host.id) }),
    ),
  );
  for (const [index, { findings, identity }] of reports.entries()) {
    note(findings);
    const name = `${enterprise.id}/${hosts[index]?.id ?? ''}`;
    const twin = identity === undefined ? undefined : identities.get(identity);
    if (twin !== undefined) note(sameAsterisk(name, twin));
    if (identity !== undefined) identities.set(identity, name);
  }
  note(await examineRecordings(enterprise, known.recordUrl));
}

/** Two entries that lead to one Asterisk would tell each call twice. */
function sameAsterisk(name: string, twin: string): readonly Finding[] {
  const findings = new Findings('pbx', name);
  findings.warn(
    'twin',
    `it was started in the same second as ${twin}: is it the same Asterisk`,
    'one Asterisk is one host; several enterprises on one Asterisk each name their own trunks and numbers',
  );
  return findings.all;
}
