import type { QueuedCaller, SnapshotChannel } from '../calls/events.ts';
import type { AmiSession } from './client.ts';
import { channelOf, defaultVariables, instantFromSeconds, numberOf, textOf } from './events.ts';
import { type AmiMessage, bareRecord } from './message.ts';

/** What an Asterisk tells of itself right after a login. */
export interface HostSnapshot {
  /** All live channels at the time of the answer. */
  channels: SnapshotChannel[];
  /** Who of them waits in a queue; empty if nobody runs Queue, or the host would not say. */
  queued: QueuedCaller[];
  /**
   * `CoreStartupDate` and `CoreStartupTime` as Asterisk wrote them, in the host's local time: good for telling two
   * boots apart, not as a moment. `undefined` without the right to ask (`system` or `reporting` in `write`).
   */
  startup: string | undefined;
  /**
   * Channels that ran the dial plan since that boot (`CoreProcessedCalls`): the difference of two values says how many
   * calls passed meanwhile, about. Asterisk 16 does not count them.
   */
  processedCalls: number | undefined;
  /** Host's clock minus ours in milliseconds, half a round trip uncertain; `undefined` if Ping did not tell. */
  skewMs: number | undefined;
}

/** A snapshot, or why there is none. `refused` will not heal by itself: the user lacks a right. */
export type SnapshotResult = { snapshot: HostSnapshot } | { snapshot?: never; reason: string; refused: boolean };

const cdrStart = 'CDR(start,u)';
const cdrAnswer = 'CDR(answer,u)';

/** A queue with thousands of members answers long: what is known without it must not wait for that. */
const queueMs = 3_000;

/**
 * Asks for the live channels, the time of the last boot and the clock. The three questions are asked at once, that for
 * the queues' callers only if somebody is in a queue.
 */
export async function takeSnapshot(
  session: AmiSession,
  now: () => number,
  variables: ReadonlySet<string> = defaultVariables,
): Promise<SnapshotResult> {
  const asked = [cdrStart, cdrAnswer, ...variables].join(',');
  const [status, core, skewMs] = await Promise.all([
    session.list({ Action: 'Status', Variables: asked }),
    askCore(session),
    askSkew(session, now),
  ]);
  switch (status.outcome) {
    case 'complete': {
      const channels = toSnapshotChannels(status.items);
      const inQueue = channels.some(({ application }) => application === 'Queue');
      const queued = inQueue ? await askQueues(session) : [];
      return { snapshot: { channels, queued, ...core, skewMs } };
    }
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

/** What `CoreStatus` tells of the present boot; nothing without the right to ask (`system` or `reporting` in `write`). */
export interface CoreStatus {
  startup: string | undefined;
  processedCalls: number | undefined;
}

/** Asks for boot and counter. Settles within `deadlineMs`, and throws never. */
export async function askCore(session: Pick<AmiSession, 'action'>, deadlineMs?: number): Promise<CoreStatus> {
  const reply = await session.action({ Action: 'CoreStatus' }, deadlineMs);
  if (reply.outcome !== 'answered') return { startup: undefined, processedCalls: undefined };
  const date = textOf(reply.response, 'CoreStartupDate');
  const time = textOf(reply.response, 'CoreStartupTime');
  return {
    startup: date === undefined || time === undefined ? undefined : `${date} ${time}`,
    processedCalls: numberOf(reply.response, 'CoreProcessedCalls'),
  };
}

/** Nobody, if the host has no queues, refuses or is slow: the queue's name is worth less than the snapshot. */
async function askQueues(session: AmiSession): Promise<QueuedCaller[]> {
  const status = await session.list({ Action: 'QueueStatus' }, queueMs);
  if (status.outcome !== 'complete') return [];
  return status.items.flatMap((item) => {
    const uniqueid = textOf(item, 'Uniqueid');
    const queue = textOf(item, 'Queue');
    if (item.name !== 'QueueEntry' || uniqueid === undefined || queue === undefined) return [];
    return [{ uniqueid, queue, seconds: numberOf(item, 'Wait') }];
  });
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
