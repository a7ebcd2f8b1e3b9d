/**
 * What we ask an Asterisk to do, as actions that cannot be anything else. Each builder takes its own few values, checks
 * every one against what it may look like, and refuses the rest: `Application`, `Data` and `Command` never come from
 * outside, and no value can end its line, its header or its argument (`security.md` 1, `delivery.md` H10–H11).
 */
import type { ActionFields } from './outgoing.ts';

/** An action, or why there is none. The reason names the value's place, never the value. */
export type Built = { readonly action: ActionFields; readonly refused?: never } | Refused;

/** Why there is no action. */
export interface Refused {
  readonly action?: never;
  readonly refused: string;
}

/** What can be dialled: digits, plus, star and hash, at most 20. The only thing from outside that reaches `Exten`. */
export function isDialable(text: string): boolean {
  return /^[0-9+*#]{1,20}$/.test(text);
}

/** Name of a dial plan context. */
const contextName = /^[A-Za-z0-9_-]{1,79}$/;
/** A channel Asterisk told us of, `PJSIP/provider-by-00000001`, `Local/150@ctx-0001;2`: no blank, comma, ampersand, pipe or brace. */
const channelName = /^[A-Za-z0-9]+\/[A-Za-z0-9_.@:;+*#/-]{1,200}$/;
/** A device or the member of a queue: `PJSIP/150`, `Local/150@from-queue/n`. */
const deviceName = /^[A-Za-z0-9]+\/[A-Za-z0-9_.@+*#/-]{1,100}$/;
/** Our own names of clicks and channels: no character that means anything to the dial plan. */
const ownId = /^[A-Za-z0-9_-]{1,64}$/;
// PJSIP_HEADER is the one function among them: a header of the very INVITE, which leaves before any dial plan runs.
const variableName = /^(?:[A-Za-z_][A-Za-z0-9_]{0,63}|PJSIP_HEADER\(add,[A-Za-z][A-Za-z0-9-]{0,39}\))$/;
const queueName = /^[A-Za-z0-9_.-]{1,80}$/;

/** Longest name a phone is asked to show, in characters: SIP phones show about 20. */
const longestName = 40;

/**
 * A name as a caller's name: quotes, brackets and what cannot be printed are left out, white space is one blank. May
 * end up empty.
 */
export function callerName(text: string): string {
  const clean = text
    .normalize('NFC')
    .replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\s\u2028\u2029]+/gu, ' ')
    .replaceAll(/["\\<>]/g, '')
    .replaceAll(/ {2,}/g, ' ')
    .trim();
  return Array.from(clean).slice(0, longestName).join('').trim();
}

/** The channel of an employee's phone: a configured template with `{extension}` filled in; undefined = not a channel. */
export function phoneChannel(template: string, extension: string): string | undefined {
  if (!isDialable(extension)) return undefined;
  const channel = template.replaceAll('{extension}', extension);
  return deviceName.test(channel) ? channel : undefined;
}

/** A click: her phone rings and shows the customer; when she answers, the dial plan dials him. */
export interface OriginateOptions {
  /** Channel of her phone, of `phoneChannel`. */
  readonly channel: string;
  /** Where the call goes when she answers; context and priority are the configuration's. */
  readonly context: string;
  readonly exten: string;
  readonly priority: number;
  /** How long her phone rings, milliseconds. */
  readonly timeoutMs: number;
  /** Shown on her phone: the customer's number, and his name if known. */
  readonly callerNumber: string;
  readonly callerName: string | undefined;
  /** Uniqueid of the channel: all that is told of this call carries it. */
  readonly channelId: string;
  /** Channel variables, name → value; `__` before a name makes it inherited. */
  readonly variables: Readonly<Record<string, string>>;
}

/** `Originate` of a click. The host answers at once (`Async`), `OriginateResponse` tells whether she picked up. */
export function originate(options: OriginateOptions): Built {
  const { channel, context, exten, priority, timeoutMs, callerNumber, channelId, variables } = options;
  const wrong = firstWrong([
    ['channel', deviceName.test(channel)],
    ['context', contextName.test(context)],
    ['exten', isDialable(exten)],
    ['priority', Number.isInteger(priority) && priority > 0],
    ['timeout', Number.isInteger(timeoutMs) && timeoutMs > 0],
    ['callerNumber', isDialable(callerNumber)],
    ['channelId', ownId.test(channelId)],
    // AMI splits one Variable header at commas.
    [
      'variables',
      Object.entries(variables).every(([name, value]) => variableName.test(name) && /^[^\p{Cc},]*$/u.test(value)),
    ],
  ]);
  if (wrong !== undefined) return wrong;
  return {
    action: {
      Action: 'Originate',
      Channel: channel,
      Context: context,
      Exten: exten,
      Priority: String(priority),
      Timeout: String(timeoutMs),
      CallerID: callerId(options.callerName, callerNumber),
      Async: 'true',
      ChannelId: channelId,
      Variable: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
    },
  };
}

/** How somebody listens: unheard, heard by the employee only, or heard by both. */
export type SpyMode = 'listen' | 'whisper' | 'barge';

/** q: nothing is announced; E: ends with the call; b: only while it is connected. */
const spyOptions: Readonly<Record<SpyMode, string>> = { listen: 'qEb', whisper: 'qEbw', barge: 'qEbB' };

/** Somebody's phone rings, and when she answers she hears the call of a channel we found ourselves. */
export interface SpyOptions {
  /** Channel of the listener's phone, of `phoneChannel`. */
  readonly channel: string;
  /** Live channel of the employee, as the host named it. */
  readonly target: string;
  readonly mode: SpyMode;
  readonly timeoutMs: number;
  /** Shown on the listener's phone: the extension that is listened to. */
  readonly callerNumber: string;
  readonly channelId: string;
}

/** `Originate` of `ChanSpy`: the only application that is ever named, with a channel name of the host's own. */
export function chanSpy(options: SpyOptions): Built {
  const { channel, target, mode, timeoutMs, callerNumber, channelId } = options;
  const wrong = firstWrong([
    ['channel', deviceName.test(channel)],
    ['target', channelName.test(target)],
    ['mode', Object.hasOwn(spyOptions, mode)],
    ['timeout', Number.isInteger(timeoutMs) && timeoutMs > 0],
    ['callerNumber', isDialable(callerNumber)],
    ['channelId', ownId.test(channelId)],
  ]);
  if (wrong !== undefined) return wrong;
  return {
    action: {
      Action: 'Originate',
      Channel: channel,
      Application: 'ChanSpy',
      Data: `${target},${spyOptions[mode]}`,
      Timeout: String(timeoutMs),
      CallerID: callerId(`Monitor ${callerNumber}`, callerNumber),
      Async: 'true',
      ChannelId: channelId,
    },
  };
}

/** Hands whoever talks with `channel` (an employee's) on to `exten`, and lets the employee go. */
export function blindTransfer(channel: string, context: string, exten: string): Built {
  return transfer('BlindTransfer', channel, context, exten);
}

/** The employee speaks with `exten` first; her customer waits. `hangup` of her channel completes it. */
export function atxfer(channel: string, context: string, exten: string): Built {
  return transfer('Atxfer', channel, context, exten);
}

/** Ends the consultation and gives the employee her customer back. */
export function cancelAtxfer(channel: string): Built {
  return firstWrong([['channel', channelName.test(channel)]]) ?? action('CancelAtxfer', { Channel: channel });
}

/** Sends one channel into the dial plan, away from whoever it talks with. */
export function redirect(channel: string, context: string, exten: string, priority: number): Built {
  const wrong = firstWrong([
    ['channel', channelName.test(channel)],
    ['context', contextName.test(context)],
    ['exten', isDialable(exten)],
    ['priority', Number.isInteger(priority) && priority > 0],
  ]);
  return wrong ?? action('Redirect', { Channel: channel, Context: context, Exten: exten, Priority: String(priority) });
}

/** Ends a channel. A name that begins with a slash would be a pattern for Asterisk; ours never does. */
export function hangup(channel: string, cause = 16): Built {
  const wrong = firstWrong([
    ['channel', channelName.test(channel)],
    ['cause', Number.isInteger(cause) && cause > 0 && cause < 128],
  ]);
  return wrong ?? action('Hangup', { Channel: channel, Cause: String(cause) });
}

/** Pauses or unpauses a member, in one queue or in all it belongs to. */
export function queuePause(member: string, paused: boolean, queue: string | undefined, reason: string): Built {
  const wrong = firstWrong([
    ['member', deviceName.test(member)],
    ['queue', queue === undefined || queueName.test(queue)],
    ['reason', /^[\p{L}\p{N} _.-]{0,40}$/u.test(reason)],
  ]);
  return wrong ?? action('QueuePause', { Interface: member, Paused: String(paused), Queue: queue, Reason: reason });
}

/**
 * Asks for the state of a device through a dial plan function, since that is the one way that every version, every
 * channel driver and the class `call` have in common. The answer's `Value`: `NOT_INUSE`, `UNAVAILABLE`, `INVALID`, …
 */
export function deviceState(device: string): Built {
  return firstWrong([['device', deviceName.test(device)]]) ?? action('Getvar', { Variable: `DEVICE_STATE(${device})` });
}

function transfer(name: 'BlindTransfer' | 'Atxfer', channel: string, context: string, exten: string): Built {
  const wrong = firstWrong([
    ['channel', channelName.test(channel)],
    ['context', contextName.test(context)],
    ['exten', isDialable(exten)],
  ]);
  return wrong ?? action(name, { Channel: channel, Exten: exten, Context: context });
}

function action(name: string, fields: Readonly<Record<string, string | undefined>>): Built {
  return { action: { Action: name, ...fields } };
}

function callerId(name: string | undefined, number: string): string {
  const shown = callerName(name ?? '');
  return shown === '' ? `<${number}>` : `"${shown}" <${number}>`;
}

function firstWrong(checks: readonly (readonly [string, boolean])[]): Refused | undefined {
  const wrong = checks.find(([, fine]) => !fine);
  return wrong && { refused: `${wrong[0]} is not what it must be` };
}
