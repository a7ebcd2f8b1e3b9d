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
  const what = subject(row);
  switch (outcome.outcome) {
    case 'done': {
      const age = ((Date.now() - row.dueAt.getTime()) / 1000).toFixed(1);
      if (row.kind === 'errand') {
        log.info(`${what} done after ${age} s: ${outcome.reply ?? ''}`, { ...fields, ms: outcome.latencyMs });
        return;
      }
      const said = row.kind === 'upload' ? 'stands in the CRM' : row.type === 'hangup' ? 'closed' : 'shown';
      log.info(`${what} ${said} after ${age} s`, { ...fields, ms: outcome.latencyMs });
      return;
    }
    case 'later':
      log.debug(`${what} will be sent again: ${outcome.reason}`, fields);
      return;
    case 'expired':
      log.warn(`${what} was not shown: ${outcome.reason}`, fields);
      return;
    case 'dead':
      if (row.kind === 'errand') log.error(`${what} failed and is now a dead letter: ${outcome.reason}`, fields);
      else log.error(`${what} was refused by the CRM and is now a dead letter: ${outcome.reason}`, fields);
      return;
  }
}

function subject(row: ClaimedRow): string {
  const codes = row.codes?.join(', ') ?? '';
  if (row.kind === 'upload') return 'record of the call';
  if (row.kind === 'errand') return `errand ${row.externalId.slice(0, row.externalId.indexOf('/'))}`;
  return row.type === 'hangup' ? `popup of ${codes}` : `popup for ${codes}`;
}
