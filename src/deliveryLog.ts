import type { Logger } from './log.ts';
import type { ClaimedRow, Settlement } from './store/outbox.ts';

/** A row of an account and what became of it. */
export interface Settled {
  account: string;
  row: ClaimedRow;
  outcome: Settlement;
}

/** One line per thing the CRM was told, or was not. */
export function deliveryLog(log: Logger, row: ClaimedRow, outcome: Settlement): void {
  const fields = { call: row.callId };
  const what =
    row.kind === 'upload'
      ? 'record of the call'
      : `popup "${row.type ?? ''}"${row.codes === null ? '' : ` for ${row.codes.join(', ')}`}`;
  switch (outcome.outcome) {
    case 'done': {
      const age = Date.now() - row.dueAt.getTime();
      log.info(`${what} is in the CRM ${(age / 1000).toFixed(1)} s after it was due`, {
        ...fields,
        ms: outcome.latencyMs,
      });
      return;
    }
    case 'later':
      log.debug(`${what} will be sent again: ${outcome.reason}`, fields);
      return;
    case 'expired':
      log.warn(`${what} was not shown: ${outcome.reason}`, fields);
      return;
    case 'dead':
      log.error(`${what} was refused by the CRM and is now a dead letter: ${outcome.reason}`, fields);
      return;
  }
}
