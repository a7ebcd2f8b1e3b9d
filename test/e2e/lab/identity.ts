/** What Asterisk calls the calls of a scenario: their channels' ids, found in the stream by end point, number and moment. */
import type { ExpectedCall } from '../scenarios/expect.ts';
import { trunks } from './conf/sip.ts';
import { field, type Message } from './manager.ts';

/** The ids of one call, as captures' truth files name them. */
export interface CallIdentity {
  /** Channel the call began with: the customer's (in), the one that dialled (out, internal). */
  firstUniqueid: string;
  /** The outside party's channel, for internal calls the called phone's; null if it never existed. */
  customerUniqueid: string | null;
  /** Linkedid of the first channel when it came up. */
  linkedid: string;
}

interface Leg {
  uniqueid: string;
  linkedid: string;
  /** `150`, `provider-by`, … */
  endpoint: string;
  exten: string;
  /** DialString, if the channel was dialled. */
  dialled: string | undefined;
  at: number;
}

/** The ids of each call, in the order of `calls`. Throws where the stream has no such channel. */
export function identities(events: Message[], calls: ExpectedCall[]): CallIdentity[] {
  const legs = legsOf(events);
  const used = new Set<Leg>();
  return calls.map((call) => {
    const of = (at: number, fits: (leg: Leg) => boolean): Leg | undefined => {
      const [leg] = legs
        .filter((one) => !used.has(one) && fits(one))
        .sort((a, b) => Math.abs(a.at - at) - Math.abs(b.at - at));
      if (leg !== undefined) used.add(leg);
      return leg;
    };
    const first = of(call.startedAt, (leg) =>
      call.direction === 'in'
        ? leg.endpoint in trunks && leg.dialled === undefined && digits(leg.exten) === digits(call.externalPhone)
        : leg.endpoint === call.initiatedBy,
    );
    if (first === undefined) throw new Error(`the stream has no first channel of a call of ${call.customerPhone}`);
    const { uniqueid, linkedid } = first;
    if (call.direction === 'in') return { firstUniqueid: uniqueid, customerUniqueid: uniqueid, linkedid };
    const customer = of(call.customerLegAt ?? call.startedAt, (leg) =>
      call.direction === 'out'
        ? leg.endpoint in trunks && leg.dialled?.includes(call.customerPhone ?? '?') === true
        : leg.dialled !== undefined && leg.endpoint === call.rang[0]?.ext,
    );
    return { firstUniqueid: uniqueid, customerUniqueid: customer?.uniqueid ?? null, linkedid };
  });
}

function legsOf(events: Message[]): Leg[] {
  const legs = new Map<string, Leg>();
  for (const message of events) {
    if (message.event === 'Newchannel') {
      const uniqueid = field(message, 'Uniqueid');
      const endpoint = /^(?:PJSIP|SIP)\/(.+)-[0-9a-f]{8}$/.exec(field(message, 'Channel'))?.[1] ?? '';
      const exten = field(message, 'Exten');
      const linkedid = field(message, 'Linkedid');
      legs.set(uniqueid, { uniqueid, linkedid, endpoint, exten, dialled: undefined, at: message.at });
    }
    if (message.event !== 'DialBegin') continue;
    const leg = legs.get(field(message, 'DestUniqueid'));
    if (leg !== undefined) leg.dialled = field(message, 'DialString');
  }
  return [...legs.values()];
}

function digits(text: string | null): string {
  return (text ?? '').replace(/\D/g, '');
}
