/** The database: there, of our schema, with a clock that agrees, and what lies in it that somebody should look at. */
import { readdir } from 'node:fs/promises';
import { appliedMigrations, backlog, lastBeats, serverFacts } from '../store/checkup.ts';
import type { Db } from '../store/database.ts';
import { listGaps } from '../store/gaps.ts';
import { type Finding, Findings, many } from './finding.ts';

/** PostgreSQL 13: what the program is tested with and newer. */
const OLDEST = 130_000;
/** Leases are told by the server's clock, popups by ours: beyond this they disagree on what is still fresh, ms. */
const SKEW_MS = 1_000;
/** A host that was not in sync for this long is not being watched, ms. */
const BEAT_MS = 60_000;
const DAY_MS = 24 * 3600_000;

/** Looks at server and schema. @param migrations directory of the program's own migrations */
export async function examineDatabase(db: Db, migrations: string): Promise<readonly Finding[]> {
  const findings = new Findings('database', '');
  const asked = Date.now();
  const facts = await serverFacts(db);
  const skew = Math.round(facts.now.getTime() - (asked + Date.now()) / 2);
  if (facts.versionNumber < OLDEST) {
    findings.fail('version', `PostgreSQL ${facts.version} is too old`, 'upgrade to PostgreSQL 13 or later');
  } else findings.ok('version', `PostgreSQL ${facts.version}, ${Math.ceil(facts.bytes / 1024 / 1024)} MiB of data`);
  if (facts.readOnly) {
    findings.fail(
      'writes',
      'the database takes no writes',
      'name the primary server in database.url; a standby only reads',
    );
  }
  if (Math.abs(skew) > SKEW_MS) {
    findings.warn(
      'clock',
      `the database's clock differs from ours by ${(skew / 1000).toFixed(1)} s`,
      'run chrony or systemd-timesyncd on both machines',
    );
  } else findings.ok('clock', `the database's clock agrees with ours (${skew} ms)`);

  const known = (await readdir(migrations))
    .filter((name) => name.endsWith('.sql'))
    .map((name) => name.slice(0, -4))
    .sort();
  const applied = await appliedMigrations(db);
  const missing = known.filter((name) => !applied.includes(name));
  const strange = applied.filter((name) => !known.includes(name));
  if (strange.length > 0) {
    findings.fail(
      'schema',
      `the database is newer than this program (${strange.join(', ')})`,
      'start the newer program; the data was not touched',
    );
  } else if (missing.length > 0) {
    findings.warn(
      'schema',
      `${many(missing.length, 'migration')} not applied yet, from ${missing[0] ?? ''}`,
      'run "migrate", or start the daemon: it does it too',
    );
  } else findings.ok('schema', `the schema is at ${known.at(-1) ?? 'nothing'}`);
  return findings.all;
}

/** Looks at what the database holds of one enterprise. Only for a schema that is complete. */
export async function examineRows(
  db: Db,
  enterprise: string,
  hosts: readonly string[],
  now: Date,
): Promise<readonly Finding[]> {
  const findings = new Findings('database', enterprise);
  const { late, dead } = await backlog(db, enterprise);
  if (late > 0) {
    findings.warn(
      'backlog',
      `${many(late, 'request')} to the CRM wait for more than ten minutes`,
      'is the daemon running, and what does its log say of the CRM',
    );
  }
  if (dead > 0) {
    findings.warn(
      'dead',
      `the CRM refused ${many(dead, 'request')} for good`,
      '"dead list" tells why; "dead retry" sends again, "dead discard" puts aside',
    );
  }
  if (late + dead === 0) findings.ok('backlog', 'nothing waits for the CRM, nothing was refused');
  const gaps = await listGaps(db, { enterprise, since: new Date(now.getTime() - DAY_MS) });
  const unseen = gaps.reduce((sum, { lost }) => sum + (lost ?? 0), 0);
  if (unseen > 0) {
    findings.warn(
      'gaps',
      `about ${many(unseen, 'call')} of the last day passed while nobody watched`,
      '"gaps list" tells when and why',
    );
  }
  const beats = await lastBeats(db, enterprise);
  for (const host of hosts) {
    const at = beats.get(host);
    if (at === undefined) findings.ok('daemon', `the daemon was never in sync with ${host} yet`);
    else if (now.getTime() - at.getTime() > BEAT_MS) {
      findings.warn(
        'daemon',
        `the daemon was last in sync with ${host} at ${at.toISOString()}`,
        'start the daemon (systemctl start asterisk-retailcrm) and look into its log',
      );
    } else findings.ok('daemon', `the daemon is in sync with ${host}`);
  }
  return findings.all;
}
