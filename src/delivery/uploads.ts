import { CrmError } from '../retailcrm/errors.ts';
import type { ClaimedRow, Settlement } from '../store/outbox.ts';
import type { Pass } from './account.ts';
import { batchSize, keepUploadsMs, lonelyAttempts, uploadRetryMs } from './classify.ts';
import { type Lane, dead, done, later } from './lane.ts';
import { PacerStopped } from './pacer.ts';

/** How far a job may go. */
interface Leave {
  /** Monotonic ms after which no request may start. */
  readonly until: number;
  readonly pass: Pass;
}

/** What one request did to its rows: `refused` rows are not settled yet. */
type Sent = { readonly fate: 'settled' | 'stop' } | { readonly fate: 'refused'; readonly error: CrmError };

/**
 * Sends claimed uploads, oldest first, in as few requests as may be. Nothing starts after `until` (monotonic ms): what is left
 * then goes back, so that no row is sent under a lease that has ended.
 */
export async function sendUploads(lane: Lane, rows: readonly ClaimedRow[], leave: Leave): Promise<void> {
  const left = batches(rows);
  for (let batch = left.shift(); batch; batch = left.shift()) {
    if ((await sendBatch(lane, batch, leave)) === 'stop') return lane.ledger.release(left.flat());
  }
}

/** Rows that had ambiguous answers before share a request with fewer others, or with none. */
export function batches(rows: readonly ClaimedRow[]): ClaimedRow[][] {
  const result: ClaimedRow[][] = [];
  let room = 0;
  for (const row of rows) {
    const size = batchSize(row.attempts);
    const last = result.at(-1);
    if (last && last.length < Math.min(room, size)) {
      last.push(row);
      room = Math.min(room, size);
    } else {
      result.push([row]);
      room = size;
    }
  }
  return result;
}

/** One batch to its end: taken, kept, or bisected down to the rows the CRM refuses. */
async function sendBatch(lane: Lane, rows: readonly ClaimedRow[], leave: Leave): Promise<'settled' | 'stop'> {
  const sent = await send(lane, rows, leave);
  if (sent.fate !== 'refused') return sent.fate;
  return bisect(lane, rows, sent.error, leave);
}

/**
 * `rows` were refused together with `error`. Halves them until single rows are refused; a half whose sibling was taken is known to
 * hold the bad row and is not asked again as a whole. One bad row in 50 costs at most 12 requests.
 */
async function bisect(
  lane: Lane,
  rows: readonly ClaimedRow[],
  error: CrmError,
  leave: Leave,
): Promise<'settled' | 'stop'> {
  const [only] = rows;
  if (only && rows.length === 1) {
    await settleAll(lane, rows, (row) => dead(row, error));
    return 'settled';
  }
  const middle = Math.ceil(rows.length / 2);
  const [left, right] = [rows.slice(0, middle), rows.slice(middle)];
  const sent = await send(lane, left, leave);
  if (sent.fate === 'stop') {
    await lane.ledger.release(right);
    return 'stop';
  }
  if (sent.fate === 'refused') {
    if ((await bisect(lane, left, sent.error, leave)) === 'stop') {
      await lane.ledger.release(right);
      return 'stop';
    }
    return sendBatch(lane, right, leave);
  }
  // The words for a single row must be its own, so it is sent once more alone.
  return right.length === 1 ? sendBatch(lane, right, leave) : bisect(lane, right, error, leave);
}

/** One request. Payloads are joined as they were frozen: the CRM sees the same bytes each time. */
async function send(lane: Lane, rows: readonly ClaimedRow[], leave: Leave): Promise<Sent> {
  try {
    await lane.pacer.take({ urgent: false, signal: lane.stopping });
  } catch (error) {
    if (!(error instanceof PacerStopped)) throw error;
    await lane.ledger.release(rows);
    return { fate: 'stop' };
  }
  const started = lane.now();
  if (started >= leave.until || !lane.account.admits(leave.pass)) {
    await lane.ledger.release(rows);
    return { fate: 'stop' };
  }
  try {
    const reply = await lane.client.uploadCalls(`[${rows.map((row) => row.payload).join(',')}]`);
    lane.account.succeeded(started);
    const latencyMs = lane.now() - started;
    const known = new Set(reply.duplicateCalls);
    await settleAll(lane, rows, (row) => done(row, latencyMs, known.has(row.externalId) ? 'duplicate' : 'taken'));
    return { fate: 'settled' };
  } catch (error) {
    if (!(error instanceof CrmError)) throw error;
    const lonely = rows.every((row) => row.attempts >= lonelyAttempts);
    const verdict = lane.account.failed(error, started, !lonely);
    if (verdict === 'rejected') return { fate: 'refused', error };
    await settleAll(lane, rows, (row) => again(lane, row, error, verdict === 'kept'));
    return { fate: 'stop' };
  }
}

/** Ambiguous or refused for now: untouched, or a little later so that others are tried in between. */
function again(lane: Lane, row: ClaimedRow, error: CrmError, kept: boolean): Settlement {
  if (!kept) return later(row, error, 0, false);
  // Only an answer says something about the row; silence says it about the account.
  const counts = error.status !== null;
  if (counts && row.attempts >= lonelyAttempts && Date.now() - row.createdAt.getTime() > keepUploadsMs)
    return dead(row, error, 'given up after 14 days: ');
  return later(row, error, uploadRetryMs(counts ? row.attempts : 0, lane.littleMs, lane.random()), counts);
}

const settleAll = (lane: Lane, rows: readonly ClaimedRow[], of: (row: ClaimedRow) => Settlement): Promise<void> =>
  lane.ledger.settle(rows.map((row) => ({ row, settlement: of(row) })));
