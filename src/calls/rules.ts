/**
 * What the core must be told about one host: which channels are outside lines, which are employees' phones, what a
 * number means, and the enterprise's policies. Built from the configuration at the edge; the core itself reads no file.
 */

/** Whose end of a call a channel is. */
export type Side =
  /** An outside line. `country`: ISO code that national numbers on this line belong to. */
  | { side: 'trunk'; trunk: string; country: string }
  /** A line to another host of the same enterprise: the second half of a call is internal. */
  | { side: 'interhost'; trunk: string }
  /** An employee's phone. */
  | { side: 'employee'; ext: string }
  /** One half (`…;1` or `…;2`) of a Local channel: never a party itself, only a wire. */
  | { side: 'local' }
  /** Asterisk's own helpers (announcers, bridge channels, parking): never a party. */
  | { side: 'service' }
  /** Fits no pattern. Shown by the doctor; a party under its bare name if it talks, because a call must not look missed. */
  | { side: 'unknown'; name: string };

/** What a number on the wire turned out to be. */
export type Phone =
  | { kind: 'phone'; e164: string }
  | { kind: 'anonymous' }
  | { kind: 'extension'; number: string }
  | { kind: 'unparsable'; raw: string };

/** Policies of `calls.md` 1–2, per enterprise. */
export interface Policies {
  /** Whose call it is in the CRM once it was answered. Default `last_talker`. */
  owner: 'last_talker' | 'first_talker' | 'longest_talker';
  /** Extension that owns missed calls which rang nobody; undefined = nobody. */
  defaultOwner: string | undefined;
  /** When the popups of those who did not get the call close. Default `on_answer`. */
  closeLosers: 'on_answer' | 'at_end';
  /** A dialled outside leg of an incoming call: part of it, or a call of its own. Default `part_of_call`. */
  forwardedLegs: 'part_of_call' | 'own_call';
  /** Upload calls of hidden numbers. Default true. */
  anonymous: boolean;
  /** Upload a missed call that left a voice mail. Default true. */
  voicemail: boolean;
  /** Upload incoming calls that reached nobody's phone: closed hours, announcements. Default true. */
  offHours: boolean;
  /** Upload calls given up in the menu, before anybody rang. Default true. */
  ivrOnly: boolean;
  /** Calls from employees' own mobiles are not customer calls. Default `ignore`. */
  employeeMobiles: 'ignore' | 'log';
  /** Click-to-call whose employee never picked up. Default `ignore`. */
  clickNotAnswered: 'ignore' | 'log';
  /** Incoming calls shorter than this many seconds that nobody answered are not uploaded. Default 0 = all. */
  minimumSeconds: number;
}

/** Everything the core asks about one host. All functions are pure and quick; the edge memoises them. */
export interface HostRules {
  /** Immutable id of the host: the first part of every externalId. */
  hostId: string;
  policies: Policies;
  /** Names of channel variables that carry the recording's file name, first match wins. */
  recordingVariables: readonly string[];
  /** Side of a channel by its name (`PJSIP/150-00000001`) and the context of its first event. */
  side(channel: string, context: string | undefined): Side;
  /** Meaning of a number as seen on a line of `country` (the enterprise's own country when undefined). */
  phone(raw: string | undefined, country: string | undefined): Phone;
  /** Whether a dial-plan context says "outside working hours". */
  offHours(context: string): boolean;
  /** Extension of the employee whose listed mobile this is. */
  employeeByMobile(e164: string): string | undefined;
  /** Why calls of this number or DID are not to be told to the CRM, if so. */
  exclusion(customer: Phone, externalPhone: string | undefined): 'blacklisted' | 'did_off' | undefined;
}
