import type { Call, Fact } from '../calls/call.ts';
import type { Instant } from '../calls/events.ts';
import { answeredBy, dropReason, ownerOf } from '../calls/record.ts';
import type { Policies } from '../calls/rules.ts';
import { cardKey } from '../store/errands.ts';

/** Kinds of calls that make a customer card of a new number. */
export type CreateWhen = 'in_answered' | 'in_missed' | 'out_answered' | 'out_missed';

/** Where a customer came from, as the CRM's cards say it. */
export interface CardSource {
  readonly source?: string;
  readonly medium?: string;
  readonly campaign?: string;
}

/** What calls leave behind in the CRM besides their record. */
export interface FollowUpSettings {
  readonly policies: Policies;
  /** Which calls to this number of ours create customers. */
  createWhen(externalPhone: string | undefined): readonly CreateWhen[];
  readonly card: {
    /** Template of the first name. */
    readonly name: string;
    readonly manager: 'employee' | 'none' | number;
    readonly source: CardSource | undefined;
    /** undefined = cards get no externalId from us. */
    readonly externalIdPrefix: string | undefined;
  };
  readonly missed: {
    readonly order:
      | { readonly method: string; readonly status: string | undefined; readonly comment: string }
      | undefined;
    readonly task:
      | {
          readonly text: string;
          readonly withinMinutes: number;
          /** Extension, or `responsible`: the customer's manager. */
          readonly performer: string;
        }
      | undefined;
    readonly note: string | undefined;
  };
  /** Our number when a call tells none. */
  readonly defaultDid: string | undefined;
  siteOf(externalPhone: string | undefined): string | undefined;
  /** Name of a number of ours, if it has one. */
  didName(externalPhone: string): string | undefined;
  /** The number has a card for certain: none is to be made. */
  hasCard(phone: string): boolean;
}

/** A call as the texts of errands may quote it. */
interface Quoted {
  readonly phone: string;
  /** Name or number of ours. */
  readonly did: string | undefined;
  /** The call's start. */
  readonly at: Instant;
}

/**
 * Something the CRM shall do because of a call: payload of an outbox row of the kind `errand`. Texts are templates with
 * `{phone}` `{did}` `{time}` (and `{name}` of a card): the account's zone may be known only when they are sent.
 */
export type Errand =
  | ({
      readonly do: 'customer';
      readonly name: string;
      /** What the line told of the caller. */
      readonly lineName: string | undefined;
      /** The employee whose customer it becomes, or her CRM user. */
      readonly manager: { readonly extension: string } | { readonly user: number } | undefined;
      readonly source: CardSource | undefined;
      readonly externalId: string | undefined;
      readonly site: string | undefined;
    } & Quoted)
  | ({
      readonly do: 'order';
      readonly method: string;
      readonly status: string | undefined;
      readonly comment: string;
      readonly externalId: string;
      readonly site: string | undefined;
    } & Quoted)
  | ({
      readonly do: 'task';
      readonly text: string;
      /** When it must be done. */
      readonly deadline: Instant;
      /** Extension; `responsible`: the customer's manager, or `otherwise`. */
      readonly performer: string;
      /** Extension that owns the call when the customer has no manager. */
      readonly otherwise: string | undefined;
      readonly site: string | undefined;
    } & Quoted)
  | ({ readonly do: 'note'; readonly text: string; readonly site: string | undefined } & Quoted);

/** An errand and its key, unique per account: the same fact planned twice is one errand. */
export interface PlannedErrand {
  readonly key: string;
  readonly callId: string;
  readonly errand: Errand;
}

/**
 * What the CRM shall do because of this fact. Pure: the same fact gives the same errands. Never for hidden numbers, never for
 * what is not told to the CRM.
 */
export function followUps(fact: Fact, settings: FollowUpSettings): PlannedErrand[] {
  if (fact.fact !== 'call.answered' && fact.fact !== 'call.finished' && fact.fact !== 'call.missed') return [];
  const { call } = fact;
  if (call.direction === 'internal' || call.customer.kind !== 'phone') return [];
  if (dropReason(call, settings.policies) !== undefined) return [];
  const ours = call.externalPhone ?? settings.defaultDid;
  const did = ours === undefined ? undefined : (settings.didName(ours) ?? ours);
  const quoted: Quoted = { phone: call.customer.e164, did, at: call.startedAt };
  const site = settings.siteOf(ours);
  const when = occasion(call);
  const wanted = when !== undefined && settings.createWhen(ours).includes(when) && !settings.hasCard(quoted.phone);
  return [
    ...(wanted ? [card(fact.fact === 'call.answered' ? fact.by : undefined, call, quoted, site, settings)] : []),
    ...(fact.fact === 'call.missed' && call.direction === 'in' ? missed(fact.at, call, quoted, site, settings) : []),
  ];
}

/** Made at the answer, so that the employee can open it while she talks, or at the end of a call nobody answered. */
function card(
  by: string | undefined,
  call: Call,
  quoted: Quoted,
  site: string | undefined,
  settings: FollowUpSettings,
): PlannedErrand {
  const { name, manager, source, externalIdPrefix } = settings.card;
  const digits = quoted.phone.replace(/\D/g, '');
  // Whoever is credited with a missed call may never have heard of it: nobody's customer yet, unless somebody dialled.
  const employee = call.direction === 'out' ? call.initiatedBy : (by ?? answeredBy(call));
  return {
    key: cardKey(quoted.phone),
    callId: call.externalId,
    errand: {
      do: 'customer',
      ...quoted,
      name,
      lineName: call.customerName,
      manager:
        typeof manager === 'number'
          ? { user: manager }
          : manager === 'employee' && employee !== undefined
            ? { extension: employee }
            : undefined,
      source,
      externalId: externalIdPrefix === undefined ? undefined : `${externalIdPrefix}${digits}`,
      site,
    },
  };
}

/** undefined: a call out that never reached a telephone says nothing about the number. */
function occasion(call: Call): CreateWhen | undefined {
  if (call.answeredAt !== undefined) return `${call.direction === 'out' ? 'out' : 'in'}_answered`;
  if (call.direction === 'in') return 'in_missed';
  return call.result === 'no answer' || call.result === 'busy' ? 'out_missed' : undefined;
}

function missed(
  at: Instant,
  call: Call,
  quoted: Quoted,
  site: string | undefined,
  { missed: { order, task, note }, policies }: FollowUpSettings,
): PlannedErrand[] {
  const errands: Errand[] = [];
  if (order !== undefined) {
    errands.push({ do: 'order', ...quoted, ...order, externalId: `call-${call.externalId}`, site });
  }
  if (task !== undefined) {
    const { text, withinMinutes, performer } = task;
    const deadline = at + withinMinutes * 60_000;
    const otherwise = policies.defaultOwner ?? ownerOf(call, policies) ?? undefined;
    errands.push({ do: 'task', ...quoted, text, deadline, performer, otherwise, site });
  }
  if (note !== undefined) errands.push({ do: 'note', ...quoted, text: note, site });
  return errands.map((errand) => ({ key: `${errand.do}/${call.externalId}`, callId: call.externalId, errand }));
}
