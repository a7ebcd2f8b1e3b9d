/**
 * What the core is told: the AMI events that decide what a call is (`ami-events.md` 1), typed and cleaned at the edge,
 * and four things that are not AMI events: a snapshot after (re)connect, the loss of the connection, a late fact about a
 * recording, and the passing of time. Everything else Asterisk sends never reaches the core.
 */

/** Milliseconds since 1970-01-01T00:00:00Z; fractions carry Asterisk's microseconds. */
export type Instant = number;

/** `ChannelStateDesc` of Asterisk. Anything unknown to us is `Other`. */
export type ChannelState = 'Down' | 'Rsrvd' | 'OffHook' | 'Dialing' | 'Ring' | 'Ringing' | 'Up' | 'Busy' | 'Other';

/**
 * One channel as every channel event shows it (header prefix none, or `Dest` in Dial events).
 * Absent, empty and `<unknown>` values are `undefined`. Names are unescaped and valid Unicode.
 */
export interface ChannelSnapshot {
  /** `Uniqueid`: the channel's key on its host. Never key by name: names are reused. */
  uniqueid: string;
  /** `Linkedid`: the group the channel belongs to now; it may change while the channel lives. */
  linkedid: string;
  /** `Channel`, e.g. `PJSIP/150-00000001`. */
  channel: string;
  /** `ChannelStateDesc`. */
  state: ChannelState;
  /** `CallerIDNum`. */
  callerNum: string | undefined;
  /** `CallerIDName`. */
  callerName: string | undefined;
  /** `ConnectedLineNum`. */
  connectedNum: string | undefined;
  /** `Context`. */
  context: string | undefined;
  /** `Exten`. */
  exten: string | undefined;
  /** `ChanVariable: NAME=value` lines (`channelvars` of manager.conf), only those with a value. */
  variables: Readonly<Record<string, string>> | undefined;
}

/** One live channel of a `Status` snapshot (`ami-events.md` 6). */
export interface SnapshotChannel extends ChannelSnapshot {
  /** `BridgeID`, if the channel is in a bridge. */
  bridgeId: string | undefined;
  /** `Type` of the bridge is not given by Status; parking lots are told by `Application`. */
  application: string | undefined;
  /** `DNID`: the number that was dialled when the channel came in (the DID of an incoming one). */
  dnid: string | undefined;
  /** `Seconds` since the channel was created. */
  seconds: number | undefined;
  /** `CDR(start,u)` in milliseconds, if asked for and set. */
  cdrStart: Instant | undefined;
  /** `CDR(answer,u)` in milliseconds: on a manager's channel the human answer, on the customer's the PBX's. */
  cdrAnswer: Instant | undefined;
}

/** A caller who waits in a queue, by `QueueStatus`. */
export interface QueuedCaller {
  uniqueid: string;
  queue: string;
  /** How long she has waited there. */
  seconds: number | undefined;
}

/** Everything `HostCalls.apply` understands. `at` is `Timestamp` where the stream has it, else the time of arrival. */
export type HostEvent =
  | { event: 'Newchannel'; at: Instant; chan: ChannelSnapshot }
  | { event: 'Newstate'; at: Instant; chan: ChannelSnapshot }
  /** `chan` (the dialling side) is absent for an Originate. `dialString` e.g. `+37529…@provider-by`, `PJSIP/150`. */
  | {
      event: 'DialBegin';
      at: Instant;
      chan: ChannelSnapshot | undefined;
      dest: ChannelSnapshot;
      dialString: string | undefined;
    }
  /** `dialStatus` ANSWER, BUSY, NOANSWER, CANCEL, CONGESTION, CHANUNAVAIL, …; `forward` = header `Forward` of a 302. */
  | {
      event: 'DialEnd';
      at: Instant;
      chan: ChannelSnapshot | undefined;
      dest: ChannelSnapshot;
      dialStatus: string;
      forward: string | undefined;
    }
  | {
      event: 'BridgeEnter';
      at: Instant;
      chan: ChannelSnapshot;
      bridgeId: string;
      /** `BridgeTechnology`; `holding_bridge` is a parking lot, not a conversation. */
      technology: string | undefined;
      /** `SwapUniqueid`: the channel whose place this one takes (attended transfer). */
      swapUniqueid: string | undefined;
    }
  | { event: 'BridgeLeave'; at: Instant; chan: ChannelSnapshot; bridgeId: string }
  /** `cause` = `Cause` (Q.850), `techCause` = `TechCause` (SIP code, Asterisk 22 with PR 1533). */
  | { event: 'Hangup'; at: Instant; chan: ChannelSnapshot; cause: number | undefined; techCause: string | undefined }
  /** A channel variable we care about (`MIXMONITOR_FILENAME`, `X_CRM_ID`), from VarSet or ChanVariable; `__` cut off. */
  | { event: 'VarSet'; at: Instant; uniqueid: string; linkedid: string | undefined; name: string; value: string }
  /** Labels: they name the kind of a transfer, they never decide who talked. `transferee` is the party handed over. */
  | {
      event: 'BlindTransfer';
      at: Instant;
      transferer: ChannelSnapshot;
      transferee: ChannelSnapshot | undefined;
      exten: string | undefined;
    }
  | {
      event: 'AttendedTransfer';
      at: Instant;
      transferer: ChannelSnapshot;
      secondTransferer: ChannelSnapshot | undefined;
    }
  | { event: 'QueueCallerJoin'; at: Instant; chan: ChannelSnapshot; queue: string }
  | { event: 'Shutdown'; at: Instant; restart: boolean }
  /** The connection to the host is gone. Nothing is cleared: the next Resync tells what still lives. */
  | { event: 'Disconnected'; at: Instant }
  /** All live channels of the host after a (re)connect. `fresh` = the host was booted after we lost it. */
  | {
      event: 'Resync';
      at: Instant;
      channels: readonly SnapshotChannel[];
      fresh: boolean;
      queued?: readonly QueuedCaller[];
    }
  /** Time passes: ring rounds are closed, deadlines fall due. */
  | { event: 'Tick'; at: Instant };
