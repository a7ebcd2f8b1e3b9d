/** What the configuration of one lab Asterisk is generated from. */
import type { Tree } from '../install.ts';
import type { Network } from '../network.ts';

/** The SIP channel driver of phones and trunks. chan_sip (`sip`) exists in Asterisk 16 only. */
export type ChannelDriver = 'pjsip' | 'sip';

/** One AMI user of manager.conf. */
export interface ManagerUser {
  user: string;
  secret: string;
}

/** Everything that differs between two lab instances. */
export interface Setup {
  tree: Tree;
  driver: ChannelDriver;
  network: Network;
  /** Directory of this instance as seen inside the chroot. */
  home: string;
  /** `timestampevents` of manager.conf. */
  timestamps: boolean;
  /** `systemname` of asterisk.conf: prefix of every Uniqueid; empty for none. */
  systemName: string;
  /** `channelvars` of manager.conf; empty for none. */
  channelVars: string;
  /** Whether AMI sends `Cdr` events (cdr_manager.conf). */
  cdrEvents: boolean;
  /** The user our daemon logs in as: read=call,system,agent (for pauses) and no more. */
  daemon: ManagerUser;
  /** The user of the lab itself and of recordings: read=all, write=all. */
  full: ManagerUser;
}

/** How Asterisk dials the phone of an extension: `PJSIP/150`, `SIP/150`. */
export function phoneDial(driver: ChannelDriver, extension: string): string {
  return `${driver === 'pjsip' ? 'PJSIP' : 'SIP'}/${extension}`;
}

/** How Asterisk dials a number through a provider; the two drivers spell it differently. */
export function trunkDial(driver: ChannelDriver, trunk: string, number: string): string {
  return driver === 'pjsip' ? `PJSIP/${number}@${trunk}` : `SIP/${trunk}/${number}`;
}
