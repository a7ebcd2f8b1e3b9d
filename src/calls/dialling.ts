/** Somebody dials: employees’ phones, outside legs, and whose call that is. */
import type { Call, Fact, Ring } from './call.ts';
import { excluded, seen, takeStashed } from './channels.ts';
import { dialledNumber } from './dialled.ts';
import { endOutgoing } from './endings.ts';
import type { HostEvent, Instant } from './events.ts';
import { callOfRoot, employeeOf, talksWithCustomer } from './lookup.ts';
import { ringOutcome } from './result.ts';
import type { HostState } from './state.ts';
import { foldGroups } from './talking.ts';
import { forget, keep, newCall, tell, tellRing } from './telling.ts';
import type { Channel, Group } from './topology.ts';

/** `DialBegin`: a phone, an outside leg or a wire is dialled. */
export function dialBegin(host: HostState, event: Extract<HostEvent, { event: 'DialBegin' }>, facts: Fact[]): void {
  const { at } = event;
  const from = event.chan === undefined ? undefined : seen(host, event.chan, at, false, facts);
  const dest = seen(host, event.dest, at, false, facts);
  if (dest === undefined || dest.dialledBy !== undefined) return;
  dest.dialledBy = from?.uniqueid ?? '';
  dest.dialString = event.dialString;
  if (from !== undefined) {
    const merged = host.topology.join(from, dest);
    if (merged !== undefined) foldGroups(host, merged, at, facts);
  }
  if (dest.side.side === 'employee') phoneCalled(host, dest, at, facts);
  else if (dest.side.side === 'trunk') outsideCalled(host, dest, event.chan?.callerNum, at, facts);
  else if (dest.side.side === 'unknown') {
    facts.push({ fact: 'unknown channel', at, linkedid: dest.linkedid, channel: dest.side.name });
  }
}

function phoneCalled(host: HostState, dest: Channel, at: Instant, facts: Fact[]): void {
  if (dest.side.side !== 'employee' || dest.dialledBy === '') return;
  const root = host.topology.root(dest);
  let id = callOfRoot(host, root);
  if (id === undefined && root !== dest && root.side.side === 'employee' && root.dialledBy === undefined) {
    const call = newCall(host, root, 'internal', {
      customerUniqueid: dest.uniqueid,
      customerLegAt: dest.createdAt,
      excluded: talksWithCustomer(host, root.side.ext) === undefined ? undefined : 'part_of_call',
    });
    keep(host, call);
    id = call.externalId;
  }
  if (id === undefined) return;
  host.rings.set(dest.uniqueid, id);
  const ringing = dest.state === 'Ringing';
  tell(
    host,
    id,
    { input: 'phone called', at, uniqueid: dest.uniqueid, ext: dest.side.ext, root: root.uniqueid, ringing },
    facts,
  );
}

function outsideCalled(host: HostState, dest: Channel, shown: string | undefined, at: Instant, facts: Fact[]): void {
  if (dest.side.side !== 'trunk') return;
  const { country, trunk } = dest.side;
  // A leg found by a snapshot has no DialString, once it is answered no Exten either: Dial made its number the called one.
  const raw = dialledNumber(dest.dialString) ?? dest.firstExten ?? dest.firstNum;
  const customer = host.rules.phone(raw, country);
  const number = customer.kind === 'phone' ? customer.e164 : (raw ?? '');
  const mobileOf = customer.kind === 'phone' ? host.rules.employeeByMobile(customer.e164) : undefined;
  const party = mobileOf ?? number;
  host.outside.set(dest.uniqueid, party);
  const root = host.topology.root(dest);
  const group = host.topology.group(dest);

  const owner = ownerOfOutsideLeg(host, root, group);
  const ownCall = owner?.direction === 'in' && host.rules.policies.forwardedLegs === 'own_call';
  if (owner !== undefined && !ownCall) {
    group.hadCall = true;
    const sameCustomer =
      owner.direction === 'out' && owner.answeredAt === undefined && host.legs.get(root.uniqueid) === owner.externalId;
    if (
      sameCustomer &&
      owner.customer.kind === 'phone' &&
      customer.kind === 'phone' &&
      owner.customer.e164 !== customer.e164
    ) {
      // The same channel tries another number: that is the next call.
      endOutgoing(host, owner.externalId, at, undefined, facts);
    } else {
      if (sameCustomer) relink(host, owner, dest);
      tell(host, owner.externalId, { input: 'outside called', at, party }, facts);
      return;
    }
  }

  const first = ownCall ? dest : root;
  const forwarded = ownCall && root.side.side !== 'employee';
  const externalPhone = host.rules.phone(shown, country);
  const shownPhone = externalPhone.kind === 'phone' ? externalPhone.e164 : undefined;
  const internal = [...group.calls].map((id) => host.calls.get(id)).find((call) => call?.direction === 'internal');
  const click = root.dialledBy === '' || (root.side.side === 'local' && root.dialledBy === undefined);
  const call = newCall(host, first, 'out', {
    customerUniqueid: dest.uniqueid,
    customer,
    customerRaw: raw,
    customerName: undefined,
    externalPhone: shownPhone === number ? undefined : shownPhone,
    trunk,
    customerLegAt: dest.createdAt,
    initiatedBy: forwarded ? forwarderOf(owner, root) : employeeOf(host, root),
    originated: click,
    forwarded,
    rang: internal?.rang ?? originatedRings(root),
    recordings: internal?.recordings ?? [],
    excluded: excluded(host, customer, shownPhone),
  });
  if (internal !== undefined) forget(host, internal);
  const begun = ownCall ? call : { ...call, startedAt: root.createdAt };
  keep(host, begun);
  for (const ring of begun.rang) host.rings.set(ring.uniqueid, begun.externalId);
  takeStashed(host, begun.externalId, at, facts);
  tell(host, begun.externalId, { input: 'outside called', at, party }, facts);
  facts.push({ fact: 'call.outgoing', at, call: host.calls.get(begun.externalId) ?? begun });
}

/** A dialled outside leg belongs to an incoming call of its group, to the outgoing call it repeats, or to a call its dialler is talking in. */
function ownerOfOutsideLeg(host: HostState, root: Channel, group: Group): Call | undefined {
  const calls = [...group.calls].map((id) => host.calls.get(id)).filter((call) => call !== undefined);
  const own = host.legs.get(root.uniqueid);
  const owned = own === undefined ? undefined : host.calls.get(own);
  if (owned !== undefined && owned.direction !== 'internal') return owned;
  const incoming =
    calls.findLast((call) => call.direction === 'in') ?? calls.findLast((call) => call.direction === 'out');
  if (incoming !== undefined) return incoming;
  if (root.side.side !== 'employee' || root.dialledBy === '') return undefined;
  const ext = root.side.ext;
  if (host.rules.policies.forwardedLegs === 'own_call') return undefined;
  const call = talksWithCustomer(host, ext);
  return call?.direction === 'in' ? call : undefined;
}

/**
 * Who gave the customer away to an outside party: who transferred her, whose phone answered 302, or whose phone rings
 * beside it (follow-me). undefined: the dial plan alone, or too many to say.
 */
function forwarderOf(owner: Call, root: Channel): string | undefined {
  const transfer = owner.transfers.at(-1);
  if (transfer?.result === 'pending') return transfer.from;
  const redirecting = owner.rang.findLast((ring) => ring.outcome === 'forwarded');
  if (redirecting !== undefined) return redirecting.ext;
  const beside = owner.rang.filter((ring) => ring.root === root.uniqueid && ring.endedAt === undefined);
  const exts = new Set(beside.map((ring) => ring.ext));
  return exts.size === 1 ? beside[0]?.ext : undefined;
}

/** Trunk failover: the outgoing call goes on over another outside leg. */
function relink(host: HostState, call: Call, dest: Channel): void {
  if (call.customerUniqueid !== undefined && call.customerUniqueid !== call.firstUniqueid)
    host.legs.delete(call.customerUniqueid);
  host.legs.set(dest.uniqueid, call.externalId);
  host.calls.set(call.externalId, { ...call, customerUniqueid: dest.uniqueid });
}

/** The phone a click-to-call rang before the customer was dialled. */
function originatedRings(root: Channel): Ring[] {
  if (root.side.side !== 'employee' || root.dialledBy !== '') return [];
  const ended = root.upAt;
  return [
    {
      uniqueid: root.uniqueid,
      ext: root.side.ext,
      at: root.createdAt,
      ringingAt: root.createdAt,
      endedAt: ended,
      outcome: ended === undefined ? undefined : 'answered',
      root: root.uniqueid,
    },
  ];
}

/** `DialEnd`: may come twice, without its DialBegin, or after the Hangup (`ami-events.md` trap 2, `calls.md` 3.36). */
export function dialEnd(host: HostState, event: Extract<HostEvent, { event: 'DialEnd' }>, facts: Fact[]): void {
  const { at, dialStatus, forward } = event;
  const from = event.chan && seen(host, event.chan, at, false, facts);
  const uniqueid = event.dest.uniqueid;
  const departed = host.departed.get(uniqueid);
  if (departed !== undefined) {
    if (departed.call === undefined) return;
    const outcome = ringOutcome({ dialStatus, forward, cause: departed.cause, up: departed.up });
    tell(host, departed.call, { input: 'phone over', at, uniqueid, outcome, settled: true }, facts);
    return;
  }
  const dest = seen(host, event.dest, at, false, facts);
  if (dest === undefined) return;
  if (from !== undefined) {
    const merged = host.topology.join(from, dest);
    if (merged !== undefined) foldGroups(host, merged, at, facts);
  }
  dest.dialStatus ??= dialStatus;
  dest.forward ??= forward;
  const outcome = ringOutcome({
    dialStatus: dest.dialStatus,
    forward: dest.forward,
    cause: undefined,
    up: dest.state === 'Up',
  });
  tellRing(host, uniqueid, { input: 'phone over', at, uniqueid, outcome, settled: false }, facts);
}
