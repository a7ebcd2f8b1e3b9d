import type { SnapshotChannel } from '../calls/events.ts';
import type { AmiSession } from './client.ts';
import { channelOf, defaultVariables, instantFromSeconds, numberOf, textOf } from './events.ts';
import { type AmiMessage, bareRecord } from './message.ts';

/** What an Asterisk tells of itself right after a login. */
export interface HostSnapshot {
  /** All live channels at the time of the answer. */
  channels: SnapshotChannel[];
  /**
   * `CoreStartupDate` and `CoreStartupTime` as Asterisk wrote them, in the host's local time: good for telling two
   * boots apart, not as a moment. `undefined` without the right to ask (`system` or `reporting` in `write`).
   */
  startup: string | undefined;
  /** Host's clock minus ours in milliseconds, half a round trip uncertain; `undefined` if Ping did not tell. */
  skewMs: number | undefined;
}

/** A snapshot, or why there is none. `refused` will not heal by itself: the user lacks a right. */
export type SnapshotResult = { snapshot: HostSnapshot } | { snapshot?: never; reason: string; refused: boolean };

const cdrStart = 'CDR(start,u)';
const cdrAnswer = 'CDR(answer,u)';

/** Asks for the live channels, the time of the last boot and the clock. The three questions are asked at once. */
export async function takeSnapshot(
  session: AmiSession,
  now: () => number,
  variables: ReadonlySet<string> = defaultVariables,
): Promise<SnapshotResult> {
  const asked = [cdrStart, cdrAnswer, ...variables].join(',');
  const [status, startup, skewMs] = await Promise.all([
    session.list({ Action: 'Status', Variables: asked }),
    askStartup(session),
    askSkew(session, now),
  ]);
  switch (status.outcome) {
    case 'complete':
      return { snapshot: { channels: toSnapshotChannels(status.items), startup, skewMs } };
    case 'refused':
      return { reason: `Status refused: ${status.message.slice(0, 200)}`, refused: true };
    case 'notSent':
    case 'unknown':
      return { reason: `Status: ${status.reason}`, refused: false };
  }
}

/** The `Status` events of a list as channels. `Variable: NAME=value` lines are merged into the channel's variables. */
export function toSnapshotChannels(items: readonly AmiMessage[]): SnapshotChannel[] {
  const channels: SnapshotChannel[] = [];
  for (const item of items) {
    const chan = item.name === 'Status' ? channelOf(item, '') : undefined;
    if (!chan) continue;
    const { [cdrStart]: start, [cdrAnswer]: answer, ...others } = item.variables('Variable');
    const variables = Object.assign(bareRecord(), chan.variables);
    for (const [name, value] of Object.entries(others)) {
      if (value !== '' && value !== '(null)') variables[name] ??= value;
    }
    channels.push({
      ...chan,
      variables: Object.keys(variables).length > 0 ? variables : undefined,
      bridgeId: textOf(item, 'BridgeID'),
      application: textOf(item, 'Application'),
      dnid: textOf(item, 'DNID'),
      seconds: numberOf(item, 'Seconds'),
      cdrStart: instantFromSeconds(start),
      cdrAnswer: instantFromSeconds(answer),
    });
  }
  return channels;
}

async function askStartup(session: AmiSession): Promise<string | undefined> {
  const reply = await session.action({ Action: 'CoreStatus' });
  if (reply.outcome !== 'answered') return undefined;
  const date = textOf(reply.response, 'CoreStartupDate');
  const time = textOf(reply.response, 'CoreStartupTime');
  return date === undefined || time === undefined ? undefined : `${date} ${time}`;
}

async function askSkew(session: AmiSession, now: () => number): Promise<number | undefined> {
  const before = now();
  const reply = await session.action({ Action: 'Ping' });
  const middle = (before + now()) / 2;
  const theirs = reply.outcome === 'answered' ? instantFromSeconds(reply.response.get('Timestamp')) : undefined;
  return theirs === undefined ? undefined : theirs - middle;
}

/** How the host looked when we lost it. */
export interface LastSeen {
  startup: string | undefined;
  /** When the last byte came, by our clock. */
  heardAt: number;
}

/**
 * Was the host booted after we last heard of it? The times of start decide if both are known (they are only compared,
 * so the host's time zone does not matter), else the up time that FullyBooted told. Unknown counts as no.
 * @param uptime seconds since the boot, rounded down. @param now our clock.
 */
export function isFreshBoot(
  last: LastSeen | undefined,
  startup: string | undefined,
  uptime: number | undefined,
  now: number,
): boolean {
  if (!last) return false;
  if (last.startup !== undefined && startup !== undefined) return last.startup !== startup;
  return uptime !== undefined && now - uptime * 1000 > last.heardAt;
}
