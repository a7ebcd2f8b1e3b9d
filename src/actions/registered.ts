import { deviceState } from '../ami/control.ts';
import type { ActionHost } from './host.ts';

/** How long the host may think about a phone's state: a click does not wait for what it can do without. */
const STATE_MS = 800;

/** States of a phone that cannot ring: not registered, and not known at all. */
const unreachable: ReadonlySet<string> = new Set(['UNAVAILABLE', 'INVALID']);

/**
 * Whether a phone can ring, as far as the host tells; true when it does not. Only the plain form `PJSIP/150`, `SIP/150`
 * is asked for: a Local channel has no state of its own.
 */
export async function registered(host: ActionHost, channel: string): Promise<boolean> {
  if (channel.startsWith('Local/') || channel.indexOf('/') !== channel.lastIndexOf('/')) return true;
  const built = deviceState(channel);
  if (built.refused !== undefined) return true;
  const reply = await host.action(built.action, STATE_MS);
  return reply.outcome !== 'answered' || !unreachable.has(reply.response.get('Value') ?? '');
}
