/** What really happened in a scenario, by the phones' own clock: the truth the daemon is measured against. */
import type { ChannelDriver } from '../lab/conf/setup.ts';
import type { Lab, Phone } from '../lab/lab.ts';
import type { Call } from '../lab/sip/call.ts';

/** How the ringing of one phone ended. */
export type RangOutcome =
  | 'answered'
  | 'answered elsewhere'
  | 'cancelled'
  | 'no answer'
  | 'busy'
  | 'declined'
  | 'forwarded';

/** One phone that was called. */
export interface Rang {
  ext: string;
  /** Its INVITE, milliseconds since 1970. */
  at: number;
  outcome: RangOutcome;
  /** `stays`: she is rung again at once, so her popup stays open. */
  popup?: 'stays';
}

/** One transfer of a call to somebody else. */
export interface Transfer {
  type: 'blind' | 'attended' | 'redirect' | 'park';
  /** Who gave the customer away. */
  from: string;
  /** Who was to have her: the person, not the queue, room or parking slot on the way. */
  to: string;
  /** When she was given away: the REFER, the last key, the AMI action; milliseconds since 1970. */
  at: number;
  /** What became of it. */
  result: 'answered' | 'busy' | 'cancelled' | 'no answer';
}

/** One call as it should be told; the fields of the captures' truth files. Moments are milliseconds since 1970. */
export interface ExpectedCall {
  direction: 'in' | 'out' | 'internal';
  /** False: nothing of this call may reach the CRM. */
  logToCrm: boolean;
  /** The daemon was dead from its beginning to its end: it cannot tell the CRM. */
  unseen?: true;
  /** The CRM was away while it rang: nobody can say which popups it was shown. */
  popupsUnsure?: true;
  /** E.164; null if the caller hides it. */
  customerPhone: string | null;
  /** As on the wire (in) or as dialled (out). */
  customerPhoneRaw: string | null;
  customerName: string | null;
  /** The DID (in) or the number shown to the customer (out). */
  externalPhone: string | null;
  result: 'answered' | 'no answer' | 'busy' | 'failed';
  /** Other results that are right as well. */
  resultAlternatives: string[];
  resultDetail: string | null;
  startedAt: number;
  customerLegAt: number | null;
  /** First human and customer can talk. */
  answeredAt: number | null;
  endedAt: number;
  /** Seconds by which `endedAt` may be off; 0.7 unless the end was an accident. */
  endTolerance: number;
  answeredBy: string | null;
  handledBy: string[];
  initiatedBy: string | null;
  rang: Rang[];
  transfers: Transfer[];
  /** Whether a recording with sound exists, named after the call's first Uniqueid. */
  recorded: boolean;
}

/** What a scenario says about an inbound call beyond the customer's own leg. */
export interface InboundStory {
  from: string | null;
  raw?: string;
  name?: string;
  did: string;
  /** Who the customer talked to, in order, each with the moment the two were connected. */
  talked?: [ext: string, at: number | undefined][];
  result?: ExpectedCall['result'];
  alternatives?: string[];
  detail?: string;
  rang?: Rang[];
  transfers?: Transfer[];
  endTolerance?: number;
}

/** An inbound call from the customer's leg and the story around it. */
export function inbound(customer: Call, story: InboundStory): ExpectedCall {
  const first = story.talked?.[0];
  return {
    direction: 'in',
    logToCrm: true,
    customerPhone: story.from,
    customerPhoneRaw: story.raw ?? story.from,
    customerName: story.name ?? null,
    externalPhone: story.did,
    result: story.result ?? (first === undefined ? 'no answer' : 'answered'),
    resultAlternatives: story.alternatives ?? [],
    resultDetail: story.detail ?? null,
    startedAt: customer.at.started,
    customerLegAt: customer.at.started,
    answeredAt: first?.[1] ?? null,
    endedAt: happened(customer.at.ended),
    endTolerance: story.endTolerance ?? 0.7,
    answeredBy: first?.[0] ?? null,
    handledBy: withoutRepeats((story.talked ?? []).map(([ext]) => ext)),
    initiatedBy: null,
    rang: story.rang ?? [],
    transfers: story.transfers ?? [],
    recorded: first !== undefined,
  };
}

/** Somebody's phone in a hand-over, and the moment the customer got her, if it is not when she picked up. */
type Talker = [phone: Phone, call: Call, at?: number];

/** An inbound call whose customer talked to the first and was handed over to the second; nobody else rang. */
export function handedOver(
  customer: Call,
  story: { from: string; did: string },
  [phone, call]: Talker,
  [nextPhone, next, at = next.at.answered]: Talker,
  transfer: Transfer,
): ExpectedCall {
  return inbound(customer, {
    ...story,
    talked: [
      [phone.ext, call.at.answered],
      [nextPhone.ext, at],
    ],
    rang: [rang(phone, call, 'answered'), rang(nextPhone, next, 'answered')],
    transfers: [transfer],
  });
}

/** The same person twice in a row is one person: taken back from the parking lot, for instance. */
function withoutRepeats(names: string[]): string[] {
  return names.filter((name, index) => name !== names[index - 1]);
}

/** What a scenario says about an outgoing call beyond its two legs. */
export interface OutboundStory {
  by: string;
  /** As dialled. */
  dialled: string;
  to: string;
  shown?: string;
  result?: ExpectedCall['result'];
  alternatives?: string[];
  detail?: string;
  /** Who the customer talked to after the one who dialled. */
  then?: string[];
  rang?: Rang[];
  transfers?: Transfer[];
  /** False where the customer was never dialled. */
  logToCrm?: boolean;
}

/** An outgoing call from the employee's leg and the customer's (undefined if nobody was reached at all). */
export function outbound(employee: Call, customer: Call | undefined, story: OutboundStory): ExpectedCall {
  const answeredAt = customer?.at.answered ?? null;
  return {
    direction: 'out',
    logToCrm: story.logToCrm ?? true,
    customerPhone: story.to,
    customerPhoneRaw: story.dialled,
    customerName: null,
    externalPhone: story.logToCrm === false ? null : (story.shown ?? '+375171234501'),
    result: story.result ?? (answeredAt === null ? 'no answer' : 'answered'),
    resultAlternatives: story.alternatives ?? [],
    resultDetail: story.detail ?? null,
    startedAt: employee.at.started,
    customerLegAt: customer?.at.started ?? null,
    answeredAt,
    endedAt: happened(answeredAt === null ? employee.at.ended : customer?.at.ended),
    endTolerance: 0.7,
    answeredBy: answeredAt === null ? null : story.by,
    handledBy: answeredAt === null ? [] : [story.by, ...(story.then ?? [])],
    initiatedBy: story.by,
    rang: story.rang ?? [],
    transfers: story.transfers ?? [],
    recorded: answeredAt !== null,
  };
}

/** A call between employees: nothing of it may reach the CRM. */
export function internal(caller: Call, from: string, to: Call, toExt: string): ExpectedCall {
  return {
    ...outbound(caller, to, { by: from, dialled: toExt, to: toExt }),
    direction: 'internal',
    logToCrm: false,
    customerPhone: null,
    customerPhoneRaw: null,
    externalPhone: null,
    answeredBy: to.at.answered === undefined ? null : toExt,
    handledBy: to.at.answered === undefined ? [] : [toExt],
    rang: [{ ext: toExt, at: to.at.started, outcome: to.at.answered === undefined ? 'cancelled' : 'answered' }],
    recorded: false,
  };
}

/** A hand-over that worked, unless `result` says otherwise. */
export function gave(
  type: Transfer['type'],
  from: string,
  to: string,
  at: number | undefined,
  result: Transfer['result'] = 'answered',
): Transfer {
  return { type, from, to, at: happened(at), result };
}

/** One ringing of a phone, from the phone's leg. */
export function rang(phone: Phone, call: Call, outcome: RangOutcome): Rang {
  return { ext: phone.ext, at: call.at.started, outcome };
}

/** A moment that must have come; a scenario that ends without it is wrong. */
export function happened(at: number | undefined): number {
  if (at === undefined) throw new Error('the scenario is over, but this moment never came');
  return at;
}

/** A scenario: its name, what it is in a sentence, and how it is played. */
export interface Scenario {
  name: string;
  what: string;
  /** Plays it on a fresh PBX and tells what happened. Every call is over when it resolves. */
  play(lab: Lab): Promise<ExpectedCall[]>;
  /** Also played with chan_sip on Asterisk 16, as NAME@chansip. */
  chansip?: boolean;
  /** Only for this channel driver's sake it exists. */
  pjsipOnly?: boolean;
  /** Keys of the daemon's `click_to_call` that this scenario needs. */
  click?(driver: ChannelDriver): Readonly<Record<string, unknown>>;
  /** Makes sense with our daemon only: left out where it does not run. */
  daemonOnly?: boolean;
}
