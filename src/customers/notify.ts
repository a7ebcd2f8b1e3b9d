import type { RetailCrmClient } from '../retailcrm/client.ts';
import type { Pace } from './ask.ts';

/** The errand of an order rule: payload of an outbox row of the kind `errand`. */
export interface NotifyErrand {
  readonly do: 'notify';
  readonly userIds: readonly number[];
  readonly message: string;
  /** Later than this (ms since 1970) nobody wants to read it. */
  readonly until: number;
}

/** What a lane offers to one errand: the part of `ErrandJob` used here. */
interface Job {
  readonly payload: Readonly<Record<string, unknown>>;
  readonly begin: () => Promise<boolean>;
}

/** Sends a notification of the CRM at most once: two would be worse than none. */
export async function notify(
  client: Pick<RetailCrmClient, 'sendNotification'>,
  general: Pace,
  job: Job,
): Promise<{ end: 'done'; reply: string } | { end: 'dead'; reason: string }> {
  const { userIds, message, until } = job.payload;
  const users = Array.isArray(userIds) ? userIds.filter((id): id is number => Number.isInteger(id)) : [];
  if (users.length === 0 || typeof message !== 'string' || typeof until !== 'number')
    return { end: 'dead', reason: 'the notification cannot be read' };
  await general.take({ urgent: false });
  if (Date.now() > until) return { end: 'done', reply: 'not sent: too late' };
  if (!(await job.begin())) return { end: 'done', reply: 'an earlier attempt may have arrived; not sent again' };
  await client.sendNotification({ type: 'api.info', message, userIds: users });
  return { end: 'done', reply: 'notified' };
}
