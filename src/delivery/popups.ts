import { CrmError } from '../retailcrm/errors.ts';
import type { ClaimedRow } from '../store/outbox.ts';
import type { Pass } from './account.ts';
import { popupAfter } from './classify.ts';
import { type Lane, dead, done, expired, later } from './lane.ts';
import { PacerStopped } from './pacer.ts';

/** Pause before a popup that certainly showed nothing is sent again, ms. */
const againMs = 200;

/**
 * Sends one claimed popup, at most once. Its freshness is looked at when it comes and again with the permit in hand: waiting for
 * a permit may have been what made it stale.
 */
export async function sendPopup(lane: Lane, row: ClaimedRow, pass: Pass): Promise<void> {
  if (stale(row)) return expire(lane, row, 'too late to show');
  try {
    await lane.pacer.take({ signal: lane.stopping });
  } catch (error) {
    if (error instanceof PacerStopped) return lane.ledger.release([row]);
    throw error;
  }
  if (stale(row)) return expire(lane, row, 'too late to show');
  if (!lane.account.admits(pass)) return lane.ledger.release([row]);
  if (lane.shown.has(row.id)) return expire(lane, row, 'it was sent before the database forgot its claim');
  remember(lane, row);
  const started = lane.now();
  try {
    const reply = await lane.client.callEvent(row.payload);
    lane.account.succeeded(started);
    await lane.ledger.settle([{ row, settlement: done(row, lane.now() - started, JSON.stringify(reply)) }]);
  } catch (error) {
    if (!(error instanceof CrmError)) throw error;
    lane.account.failed(error, started);
    switch (popupAfter(error)) {
      case 'dead':
        return lane.ledger.settle([{ row, settlement: dead(row, error) }]);
      case 'givenUp':
        return expire(lane, row, `given up, it may have been shown: ${error.kind}: ${error.errorMsg}`);
      case 'again':
        lane.shown.delete(row.id);
        if (row.expiresAt && Date.now() + againMs >= row.expiresAt.getTime())
          return expire(lane, row, `too late to show: ${error.kind}: ${error.errorMsg}`);
        return lane.ledger.settle([{ row, settlement: later(row, error, againMs, false) }]);
    }
  }
}

/** A hangup without a time lives this long, ms. */
const longestLifeMs = 60_000;

function remember({ shown }: Lane, row: ClaimedRow): void {
  const now = Date.now();
  for (const [id, until] of shown) {
    if (until > now) break;
    shown.delete(id);
  }
  shown.set(row.id, row.expiresAt?.getTime() ?? now + longestLifeMs);
}

const stale = (row: ClaimedRow): boolean => row.expiresAt !== null && Date.now() >= row.expiresAt.getTime();

const expire = (lane: Lane, row: ClaimedRow, reason: string): Promise<void> =>
  lane.ledger.settle([{ row, settlement: expired(row, reason) }]);
