import type { ActionOutcome } from '../ami/actions.ts';
import type { Built } from '../ami/control.ts';
import type { LinkState } from '../ami/link.ts';
import type { ActionFields } from '../ami/outgoing.ts';
import type { LiveCall } from '../calls/live.ts';
import { hostDown, outcomeUnknown, type Refusal, refusal, refusedByHost } from './reply.ts';

/** One Asterisk, as far as actions need it. */
export interface ActionHost {
  readonly id: string;
  /** Only a `live` host is asked for anything: before that we do not know what it is doing. */
  state(): LinkState;
  /** Sends an action now or never; see `AmiConnection.action`. */
  action(fields: ActionFields, deadlineMs: number): Promise<ActionOutcome>;
  /** What lives on it now. */
  live(): readonly LiveCall[];
}

/** Longest wait for the host's answer, milliseconds: the CRM waits two seconds for ours. */
export const ANSWER_MS = 1_200;

/** Asks a host for something; undefined = it said yes. */
export async function ask(host: ActionHost, built: Built): Promise<Refusal | undefined> {
  if (built.refused !== undefined) return refusal(400, 'bad_request', built.refused);
  if (host.state() !== 'live') return hostDown;
  const reply = await host.action(built.action, ANSWER_MS);
  if (reply.outcome === 'notSent') return hostDown;
  if (reply.outcome === 'unknown') return outcomeUnknown;
  const { response } = reply;
  return response.name.toLowerCase() === 'success' ? undefined : refusedByHost(response.get('Message'));
}
