/** Who did what, when, from where, with what outcome: rows are added and never changed, and each seals the one before. */
import { hash as digest } from 'node:crypto';
import { sql } from 'kysely';
import { type Db, inTransaction } from './database.ts';
import { chunks, text } from './values.ts';

/** One thing somebody did, or tried to. Numbers of people are masked by whoever writes it. */
export interface AuditEntry {
  readonly enterprise: string;
  /** `150`, `crm`, `operator`; `anonymous` when no credential was right. */
  readonly who: string;
  /** `makecall`, `transfer`, `login`, … */
  readonly what: string;
  /** What it was done to: a call, a number (masked), a setting. */
  readonly subject: string;
  /** Source address, or `cli`. */
  readonly from: string;
  /** `done`, or why not. */
  readonly outcome: string;
}

/** An entry as it is stored. */
export interface AuditRow extends AuditEntry {
  /** 1, 2, 3 … within the enterprise, without gaps. */
  readonly seq: number;
  readonly at: Date;
  /** SHA-256, hex, of the row before it and this one. */
  readonly hash: string;
}

/** What stands before the first row. */
const beginning = Buffer.alloc(32);
const longest = 500;

/** Adds entries, all in one transaction, in order. Entries of one enterprise are added one writer at a time. */
export async function appendAudit(db: Db, entries: readonly AuditEntry[]): Promise<void> {
  // In one order for all writers: two that each write for two enterprises never wait for each other.
  const enterprises = [...new Set(entries.map(({ enterprise }) => enterprise))].sort();
  await inTransaction(db, async (trx) => {
    for (const enterprise of enterprises) {
      await sql`select pg_advisory_xact_lock(hashtextextended(${`audit ${enterprise}`}, 0))`.execute(trx);
      const head = await auditHead(trx, enterprise);
      let seq = head?.seq ?? 0;
      let hash: Buffer = head ? Buffer.from(head.hash, 'hex') : beginning;
      const at = new Date();
      const rows = entries
        .filter((entry) => entry.enterprise === enterprise)
        .map((entry) => {
          const row = { ...cut(entry), seq: ++seq, at };
          hash = sealed(hash, row);
          return { ...row, hash };
        });
      for (const part of chunks(rows, 1_000)) {
        await trx
          .insertInto('audit_log')
          .values(part.map(({ from, ...row }) => ({ ...row, seq: String(row.seq), source: from })))
          .execute();
      }
    }
  });
}

/** Which rows. `since` is included. */
export interface AuditFilter {
  enterprise?: string;
  who?: string;
  what?: string;
  since?: Date;
  limit: number;
}

/** Rows, newest first. */
export async function listAudit(db: Db, filter: AuditFilter): Promise<AuditRow[]> {
  let query = db
    .selectFrom('audit_log')
    .selectAll()
    .orderBy('at', 'desc')
    .orderBy('enterprise')
    .orderBy('seq', 'desc')
    .limit(filter.limit);
  if (filter.enterprise !== undefined) query = query.where('enterprise', '=', filter.enterprise);
  if (filter.who !== undefined) query = query.where('who', '=', filter.who);
  if (filter.what !== undefined) query = query.where('what', '=', filter.what);
  if (filter.since) query = query.where('at', '>=', filter.since);
  return (await query.execute()).map(({ seq, source, hash, ...row }) => ({
    ...row,
    seq: Number(seq),
    from: source,
    hash: hash.toString('hex'),
  }));
}

/** How the log of one enterprise stands. */
export interface AuditVerdict {
  readonly enterprise: string;
  /** Rows looked at, up to the first wrong one. */
  readonly rows: number;
  /** First sequence number that is missing, or whose row was changed or moved; undefined = all is as it was written. */
  readonly brokenAt: number | undefined;
  /** Seal of the last good row, hex: kept elsewhere, it proves later that nothing was cut off the end. */
  readonly head: AuditHead;
}

/** A row's number and its seal, hex. */
export interface AuditHead {
  readonly seq: number;
  readonly hash: string;
}

/** Where the log of an enterprise ends now; undefined = it is empty. */
export async function auditHead(db: Db, enterprise: string): Promise<AuditHead | undefined> {
  const last = await db
    .selectFrom('audit_log')
    .select(['seq', 'hash'])
    .where('enterprise', '=', enterprise)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  return last && { seq: Number(last.seq), hash: last.hash.toString('hex') };
}

/** Rows read at once: a million rows must not be in memory together. */
const PAGE = 10_000;

/**
 * Reads the whole log of every enterprise, or of one, and checks each seal.
 * @param head a row that is known to have been there: what was cut off behind it is found by it
 */
export async function verifyAudit(db: Db, enterprise?: string, head?: AuditHead): Promise<AuditVerdict[]> {
  let names = db.selectFrom('audit_log').select('enterprise').distinct().orderBy('enterprise');
  if (enterprise !== undefined) names = names.where('enterprise', '=', enterprise);
  const verdicts: AuditVerdict[] = [];
  for (const one of await names.execute()) verdicts.push(await verifyOne(db, one.enterprise, head));
  return verdicts;
}

async function verifyOne(db: Db, enterprise: string, known?: AuditHead): Promise<AuditVerdict> {
  let hash: Buffer = beginning;
  let seq = 0;
  const verdict = (brokenAt: number | undefined): AuditVerdict => ({
    ...{ enterprise, rows: seq, brokenAt },
    head: { seq, hash: hash.toString('hex') },
  });
  let coming = pageAfter(db, enterprise, 0);
  for (;;) {
    const page = await coming;
    const last = page.at(-1);
    // The next page comes while this one is being worked on.
    if (last !== undefined) coming = pageAfter(db, enterprise, Number(last.seq));
    for (const row of page) {
      const us = Number(row.us);
      const at = new Date(us / 1_000);
      const expected = sealed(hash, { ...row, at, seq: Number(row.seq) });
      // Moments are written in whole milliseconds: a shift too small for the seal is one too.
      if (Number(row.seq) !== seq + 1 || us % 1_000 !== 0 || !expected.equals(row.hash)) return verdict(seq + 1);
      hash = expected;
      seq += 1;
      if (seq === known?.seq && hash.toString('hex') !== known.hash) return verdict(seq);
    }
    if (last === undefined) return verdict(known !== undefined && known.seq > seq ? seq + 1 : undefined);
  }
}

/** What a row of a page is: its moment in microseconds, which is read far faster than a timestamp. */
interface PageRow extends AuditEntry {
  seq: string;
  us: string;
  hash: Buffer;
}

function pageAfter(db: Db, enterprise: string, seq: number): Promise<PageRow[]> {
  const page = db
    .selectFrom('audit_log')
    .select(['enterprise', 'seq', 'who', 'what', 'subject', 'source as from', 'outcome', 'hash'])
    .select(sql<string>`(extract(epoch from at) * 1000000)::bigint`.as('us'))
    .where('enterprise', '=', enterprise)
    .where('seq', '>', String(seq))
    .orderBy('seq')
    .limit(PAGE)
    .execute();
  page.catch(() => undefined); // it is awaited later
  return page;
}

/** SHA-256 over the seal before and the row as JSON with its keys in this order. */
function sealed(before: Buffer, row: AuditEntry & { seq: number; at: Date }): Buffer {
  const { at, enterprise, from, outcome, seq, subject, what, who } = row;
  const canonical = JSON.stringify({ at: at.toISOString(), enterprise, from, outcome, seq, subject, what, who });
  return digest('sha256', Buffer.concat([before, Buffer.from(canonical)]), 'buffer');
}

/** What PostgreSQL gives back as it was given. */
function cut(entry: AuditEntry): AuditEntry {
  const clean = (value: string): string => text(value.slice(0, longest).replaceAll(/\p{Surrogate}/gu, '\ufffd'));
  return {
    enterprise: entry.enterprise,
    who: clean(entry.who),
    what: clean(entry.what),
    subject: clean(entry.subject),
    from: clean(entry.from),
    outcome: clean(entry.outcome),
  };
}
