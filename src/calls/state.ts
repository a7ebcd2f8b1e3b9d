import type { Call } from './call.ts';
import type { Instant } from './events.ts';
import type { HostRules } from './rules.ts';
import type { Topology } from './topology.ts';

/** What is remembered of a channel for a while after its Hangup, so that late events change nothing wrongly. */
export interface Departed {
  at: Instant;
  /** Live call whose ring this was. */
  call: string | undefined;
  cause: number | undefined;
  up: boolean;
}

/** Departed channels are remembered this long: late `DialEnd`, `NewCallerid` and the like come within a second. */
export const REMEMBER_MS = 10_000;

/** Why channels vanished without a Hangup. */
export type Lost = 'pbx restarted' | 'connection lost';

/** Everything known of one host. All of it goes when its channels go: `weight` of an idle host is 0. */
export interface HostState {
  readonly rules: HostRules;
  readonly topology: Topology;
  /** Live calls by externalId. */
  readonly calls: Map<string, Call>;
  /** Customer's channels and first channels of live calls → externalId. */
  readonly legs: Map<string, string>;
  /** Channel of a rung phone → externalId. */
  readonly rings: Map<string, string>;
  /** Party name of dialled outside legs. */
  readonly outside: Map<string, string>;
  /** How many customer calls a channel has begun: the second one's id gets `-2`. */
  readonly begun: Map<string, number>;
  /** Last outside leg of an outgoing call that ended unanswered. */
  readonly failedLegs: Map<string, { dialStatus: string | undefined; cause: number | undefined }>;
  readonly departed: Map<string, Departed>;
  /** Calls with a deadline. */
  readonly waiting: Set<string>;
  /** Recordings announced before the call exists: an employee's channel records before it dials. */
  stashed: { uniqueid: string; file: string; at: Instant }[];
  disconnectedAt: Instant | undefined;
}
