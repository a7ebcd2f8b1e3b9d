/** How an action ended, in the shape the HTTP room expects (`http/tenant.ts`). */

/** It was not done, and why: an HTTP status, a stable code for programs, a sentence for people. */
export interface Refusal {
  readonly outcome: 'refused';
  readonly status: 400 | 403 | 404 | 409 | 429 | 503;
  readonly code: string;
  readonly message: string;
}

/** Done, or refused. */
export type Reply<T = unknown> = ({ readonly outcome: 'done' } & T) | Refusal;

export function refusal(status: Refusal['status'], code: string, message: string): Refusal {
  return { outcome: 'refused', status, code, message };
}

/** The host is not connected, or not in sync. */
export const hostDown = refusal(503, 'host_down', 'the PBX cannot be reached at the moment; nothing was started');

/** It was written to the host and the answer never came: it may or may not have happened. */
export const outcomeUnknown = refusal(
  503,
  'outcome_unknown',
  'the connection to the PBX broke before it answered; the action may have been done and is not repeated',
);

/** The host said no. `said` is its own sentence, cut and without anything that is not printable. */
export function refusedByHost(said: string | undefined): Refusal {
  const clean = (said ?? 'no reason given').replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 120);
  return refusal(409, 'refused_by_pbx', `the PBX refused: ${clean}`);
}
