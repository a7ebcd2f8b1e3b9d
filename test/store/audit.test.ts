import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AuditLog, anchorDaily } from '../../src/actions/audit.ts';
import { maskText } from '../../src/log-mask.ts';
import { silentLog } from '../../src/log.ts';
import { type AuditEntry, appendAudit, auditHead, listAudit, verifyAudit } from '../../src/store/audit.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { memoryLog } from '../unit/ami/support.ts';

let db: TestDatabase;
let count = 0;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());

const entry = (enterprise: string, over: Partial<AuditEntry> = {}): AuditEntry => ({
  ...{ enterprise, who: '150', what: 'makecall', subject: '+375***2233', from: '10.0.0.1', outcome: 'done' },
  ...over,
});

/** An enterprise with so many rows. */
async function withRows(rows: number): Promise<string> {
  const enterprise = `shop${++count}`;
  await appendAudit(
    db.db,
    Array.from({ length: rows }, (_, index) => entry(enterprise, { subject: `call ${index + 1}` })),
  );
  return enterprise;
}

/** What an administrator can do and the daemon cannot: with the triggers off. */
async function tamper(statement: string): Promise<void> {
  await db.query(`alter table audit_log disable trigger user; ${statement}; alter table audit_log enable trigger user`);
}

const brokenAt = async (enterprise: string): Promise<number | undefined> =>
  (await verifyAudit(db.db, enterprise))[0]?.brokenAt;

describe('the audit log', () => {
  test('keeps what was done, newest first', async () => {
    const enterprise = await withRows(3);
    await appendAudit(db.db, [entry(enterprise, { who: '152', what: 'hangup', outcome: 'not_allowed' })]);
    const rows = await listAudit(db.db, { enterprise, limit: 2 });
    expect(rows.map(({ seq, who, what, outcome }) => [seq, who, what, outcome])).toEqual([
      [4, '152', 'hangup', 'not_allowed'],
      [3, '150', 'makecall', 'done'],
    ]);
    expect(await listAudit(db.db, { enterprise, who: '152', what: 'hangup', limit: 9 })).toHaveLength(1);
    expect(await listAudit(db.db, { enterprise, since: new Date(Date.now() + 60_000), limit: 9 })).toEqual([]);
  });

  test.each([
    ['update audit_log set outcome = $$done$$', 'changed'],
    ['delete from audit_log', 'deleted'],
    ['truncate audit_log', 'emptied'],
  ])('%s: nothing can be %s', async (statement) => {
    await withRows(1);
    await expect(db.query(statement)).rejects.toThrow('audit_log is insert-only');
  });

  test('an untouched log is as it was written, every character of it', async () => {
    const enterprise = await withRows(25);
    const strange = 'Анна "x"\\ \u0000 \ud800 \u2028 \u{1f600} \r\n';
    await appendAudit(db.db, [entry(enterprise, { who: strange, subject: strange.repeat(100) })]);
    expect(await verifyAudit(db.db, enterprise)).toMatchObject([{ rows: 26, brokenAt: undefined, head: { seq: 26 } }]);
  });

  test.each([
    { words: 'an outcome was changed', statement: `update audit_log set outcome = 'x' where seq = 7`, at: 7 },
    { words: 'a moment was changed', statement: `update audit_log set at = at - interval '1 ms' where seq = 1`, at: 1 },
    {
      words: 'a moment was shifted by less than the seal holds',
      statement: `update audit_log set at = at + interval '3 us' where seq = 4`,
      at: 4,
    },
    { words: 'a row was taken out', statement: 'delete from audit_log where seq = 5', at: 5 },
    { words: 'the first row was taken out', statement: 'delete from audit_log where seq = 1', at: 1 },
    {
      words: 'two rows changed places',
      statement: `update audit_log set seq = 21 - seq + 1000 where seq in (10, 11); update audit_log set seq = seq - 1000 where seq > 1000`,
      at: 10,
    },
    {
      words: 'a row was taken out and the rest moved up',
      statement: 'delete from audit_log where seq = 5; update audit_log set seq = seq - 1 where seq > 5',
      at: 5,
    },
    {
      words: 'a row was put in at the end',
      statement: `insert into audit_log select enterprise, 21, at, who, what, subject, source, outcome, hash from audit_log where seq = 20`,
      at: 21,
    },
  ])('$words: row $at is named', async ({ statement, at }) => {
    const enterprise = await withRows(20);
    await tamper(statement.replaceAll('where seq', `where enterprise = '${enterprise}' and seq`));
    expect(await brokenAt(enterprise)).toBe(at);
  });

  test('what was cut off the end is found by a seal kept elsewhere', async () => {
    const enterprise = await withRows(20);
    const [before] = await verifyAudit(db.db, enterprise);
    await tamper(`delete from audit_log where enterprise = '${enterprise}' and seq > 15`);
    expect(await brokenAt(enterprise)).toBeUndefined();
    expect(await verifyAudit(db.db, enterprise, before?.head)).toMatchObject([{ brokenAt: 16 }]);
    // Written anew with the same words, it is still not the same log.
    await appendAudit(
      db.db,
      Array.from({ length: 10 }, () => entry(enterprise)),
    );
    expect(await verifyAudit(db.db, enterprise, before?.head)).toMatchObject([{ brokenAt: 20 }]);
  });

  test('two writers at once: one chain', async () => {
    const enterprise = `shop${++count}`;
    await Promise.all(Array.from({ length: 20 }, () => appendAudit(db.db, [entry(enterprise), entry(enterprise)])));
    expect(await verifyAudit(db.db, enterprise)).toMatchObject([{ rows: 40, brokenAt: undefined }]);
  });
});

describe('notes', () => {
  test('are durable when they say so, in their order', async () => {
    const enterprise = `shop${++count}`;
    const audit = new AuditLog(db.db, silentLog);
    await Promise.all(Array.from({ length: 50 }, (_, index) => audit.note(entry(enterprise, { subject: `${index}` }))));
    const rows = await listAudit(db.db, { enterprise, limit: 50 });
    expect(rows.map(({ subject }) => Number(subject)).reverse()).toEqual([...Array.from({ length: 50 }).keys()]);
  });

  test('that the database does not take are in the log', async () => {
    const broken = await createTestDatabase();
    await broken.drop();
    const { log, lines } = memoryLog();
    await new AuditLog(broken.db, log).note(entry('shop', { who: '152' }));
    expect(lines.join()).toMatch(/audit: entries could not be written.*"who":"152"/);
  });
});

describe('the anchor in the log', () => {
  test('names the last row and its seal, now and again, as --head takes it, with nothing of it masked', async () => {
    const enterprise = await withRows(3);
    // Sealed as the daemon would have, ten million rows later: a number that long looks like a telephone's.
    await tamper(`update audit_log set seq = 12345678 where enterprise = '${enterprise}' and seq = 3`);
    const { hash = '' } = (await listAudit(db.db, { enterprise, limit: 1 }))[0] ?? {};
    const lines: string[] = [];
    let end: () => void = () => undefined;
    await new Promise<void>((resolve) => {
      const info = (text: string): void => {
        lines.push(text);
        if (lines.length > 1) resolve();
      };
      end = anchorDaily(db.db, enterprise, { ...silentLog, info }, 5);
    });
    end();
    const [line = ''] = lines;
    expect(lines[1]).toBe(line);
    expect(line.replaceAll('-', '')).toBe(`audit: the log ends at row 12345678:${hash}`);
    expect(maskText(line)).toBe(line);
  });

  test('an empty log has none', async () => {
    expect(await auditHead(db.db, 'nobody')).toBeUndefined();
  });
});
