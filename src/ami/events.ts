import type { ChannelSnapshot, ChannelState, HostEvent, Instant } from '../calls/events.ts';
import { type AmiMessage, bareRecord, unescapeC } from './message.ts';

/**
 * Events that say nothing about calls and are handed on as they are (`HostLinkOptions.onNotice`): what became of an
 * Originate, who listens to whom, who is paused in her queues (`QueueMemberPaused` before Asterisk 12).
 */
export const noticedEvents: ReadonlySet<string> = new Set([
  'OriginateResponse',
  'ChanSpyStart',
  'ChanSpyStop',
  'QueueMemberPause',
  'QueueMemberPaused',
]);

/** The events the core is told of, those handed on as they are, and the two that speak of the connection itself. Everything else is never decoded. */
export const neededEvents: ReadonlySet<string> = new Set([
  'Newchannel',
  'Newstate',
  'DialBegin',
  'DialEnd',
  'BridgeEnter',
  'BridgeLeave',
  'Hangup',
  'VarSet',
  'BlindTransfer',
  'AttendedTransfer',
  'QueueCallerJoin',
  'Shutdown',
  'FullyBooted',
  ...noticedEvents,
]);

/** Channel variables the core wants from `VarSet`: the recording's name and the id of a click. */
export const defaultVariables: ReadonlySet<string> = new Set(['MIXMONITOR_FILENAME', 'X_CRM_ID']);

const states: ReadonlySet<string> = new Set<ChannelState>([
  'Down',
  'Rsrvd',
  'OffHook',
  'Dialing',
  'Ring',
  'Ringing',
  'Up',
  'Busy',
]);

/**
 * One AMI event in the core's words; `undefined` if the core has no use for it or it names no channel.
 * @param arrivedAt milliseconds, used where the stream has no `Timestamp` (`timestampevents = no`).
 * @param variables names of the channel variables to report from `VarSet`.
 */
export function toHostEvent(
  message: AmiMessage,
  arrivedAt: Instant,
  variables: ReadonlySet<string> = defaultVariables,
): HostEvent | undefined {
  if (message.kind !== 'Event') return undefined;
  const event = message.name;
  switch (event) {
    case 'Newchannel':
    case 'Newstate': {
      const chan = channelOf(message, '');
      return chan && { event, at: instantOf(message, arrivedAt), chan };
    }
    case 'DialBegin':
    case 'DialEnd':
      return dial(message, event, instantOf(message, arrivedAt));
    case 'BridgeEnter':
    case 'BridgeLeave':
      return bridge(message, event, instantOf(message, arrivedAt));
    case 'Hangup': {
      const chan = channelOf(message, '');
      const cause = numberOf(message, 'Cause');
      return chan && { event, at: instantOf(message, arrivedAt), chan, cause, techCause: textOf(message, 'TechCause') };
    }
    case 'VarSet':
      return varSet(message, instantOf(message, arrivedAt), variables);
    case 'BlindTransfer': {
      const transferer = channelOf(message, 'Transferer');
      const transferee = channelOf(message, 'Transferee');
      const exten = textOf(message, 'Extension');
      return transferer && { event, at: instantOf(message, arrivedAt), transferer, transferee, exten };
    }
    case 'AttendedTransfer': {
      const transferer = channelOf(message, 'OrigTransferer');
      const secondTransferer = channelOf(message, 'SecondTransferer');
      return transferer && { event, at: instantOf(message, arrivedAt), transferer, secondTransferer };
    }
    case 'QueueCallerJoin': {
      const chan = channelOf(message, '');
      const queue = textOf(message, 'Queue');
      return chan && queue !== undefined ? { event, at: instantOf(message, arrivedAt), chan, queue } : undefined;
    }
    case 'Shutdown':
      return { event, at: instantOf(message, arrivedAt), restart: message.get('Restart') === 'True' };
    default:
      return undefined;
  }
}

/** `DialBegin` and `DialEnd`: the dialled channel is a must, the dialling one is missing when an Originate dials. */
function dial(message: AmiMessage, event: 'DialBegin' | 'DialEnd', at: Instant): HostEvent | undefined {
  const dest = channelOf(message, 'Dest');
  if (!dest) return undefined;
  const chan = channelOf(message, '');
  if (event === 'DialBegin') return { event, at, chan, dest, dialString: textOf(message, 'DialString') };
  const dialStatus = textOf(message, 'DialStatus');
  return dialStatus === undefined
    ? undefined
    : { event, at, chan, dest, dialStatus, forward: textOf(message, 'Forward') };
}

function bridge(message: AmiMessage, event: 'BridgeEnter' | 'BridgeLeave', at: Instant): HostEvent | undefined {
  const chan = channelOf(message, '');
  const bridgeId = textOf(message, 'BridgeUniqueid');
  if (!chan || bridgeId === undefined) return undefined;
  if (event === 'BridgeLeave') return { event, at, chan, bridgeId };
  const technology = textOf(message, 'BridgeTechnology');
  return { event, at, chan, bridgeId, technology, swapUniqueid: textOf(message, 'SwapUniqueid') };
}

function varSet(message: AmiMessage, at: Instant, wanted: ReadonlySet<string>): HostEvent | undefined {
  // Inherited variables are announced with the one or two underscores that made them inherited (trap 18).
  const name = message.get('Variable')?.replace(/^__?/, '');
  if (name === undefined || !wanted.has(name)) return undefined;
  const uniqueid = textOf(message, 'Uniqueid');
  const value = textOf(message, 'Value');
  // Globals are announced with the channel "none", all of them at every reload.
  if (uniqueid === undefined || uniqueid === 'none' || value === undefined) return undefined;
  return { event: 'VarSet', at, uniqueid, linkedid: textOf(message, 'Linkedid'), name, value: unescapeC(value) };
}

/** The channel whose headers start with `prefix`; `undefined` if the message shows none. */
export function channelOf(message: AmiMessage, prefix: ChannelPrefix): ChannelSnapshot | undefined {
  const keys = channelKeys[prefix];
  const uniqueid = textOf(message, keys.uniqueid);
  if (uniqueid === undefined) return undefined;
  const state = message.get(keys.state);
  return {
    uniqueid,
    linkedid: textOf(message, keys.linkedid) ?? uniqueid,
    channel: message.get(keys.channel) ?? '',
    state: isState(state) ? state : 'Other',
    callerNum: textOf(message, keys.callerNum),
    callerName: nameOf(message, keys.callerName),
    connectedNum: textOf(message, keys.connectedNum),
    context: textOf(message, keys.context),
    exten: textOf(message, keys.exten),
    variables: setVariables(message.variables(keys.variables)),
  };
}

/** What stands before the header names of a channel in events that show more than one. */
export type ChannelPrefix = '' | 'Dest' | 'Transferer' | 'Transferee' | 'OrigTransferer' | 'SecondTransferer';

function keysWith(prefix: string) {
  return {
    uniqueid: `${prefix}Uniqueid`,
    linkedid: `${prefix}Linkedid`,
    channel: `${prefix}Channel`,
    state: `${prefix}ChannelStateDesc`,
    callerNum: `${prefix}CallerIDNum`,
    callerName: `${prefix}CallerIDName`,
    connectedNum: `${prefix}ConnectedLineNum`,
    context: `${prefix}Context`,
    exten: `${prefix}Exten`,
    variables: `${prefix}ChanVariable`,
  };
}

const channelKeys: Readonly<Record<ChannelPrefix, ReturnType<typeof keysWith>>> = {
  '': keysWith(''),
  Dest: keysWith('Dest'),
  Transferer: keysWith('Transferer'),
  Transferee: keysWith('Transferee'),
  OrigTransferer: keysWith('OrigTransferer'),
  SecondTransferer: keysWith('SecondTransferer'),
};

/** A header's value; absent, empty, `<unknown>` and `(null)` are all `undefined`. */
export function textOf(message: AmiMessage, key: string): string | undefined {
  const value = message.get(key);
  return value === undefined || value === '' || value === '<unknown>' || value === '(null)' ? undefined : value;
}

function nameOf(message: AmiMessage, key: string): string | undefined {
  const name = textOf(message, key);
  return name === undefined ? undefined : unescapeC(name);
}

/** A header's value as a number; `undefined` if it is absent or not one. */
export function numberOf(message: AmiMessage, key: string): number | undefined {
  const text = textOf(message, key);
  const value = Number(text ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}

/** Seconds with microseconds, as Asterisk writes moments, in milliseconds; `undefined` for anything else and for 0. */
export function instantFromSeconds(text: string | undefined): Instant | undefined {
  const seconds = Number(text ?? Number.NaN);
  return seconds > 0 && Number.isFinite(seconds) ? Math.round(seconds * 1e6) / 1e3 : undefined;
}

function instantOf(message: AmiMessage, arrivedAt: Instant): Instant {
  return instantFromSeconds(message.get('Timestamp')) ?? arrivedAt;
}

function isState(text: string | undefined): text is ChannelState {
  return text !== undefined && states.has(text);
}

function setVariables(raw: Record<string, string>): Record<string, string> | undefined {
  let found: Record<string, string> | undefined;
  for (const name of Object.keys(raw)) {
    const value = raw[name];
    if (value === undefined || value === '') continue;
    found ??= bareRecord();
    found[name] = unescapeC(value);
  }
  return found;
}
