/** A channel was heard of: new incoming calls, ringing phones, recordings. */
import type { Call, DropReason, Fact } from './call.ts';
import type { ChannelSnapshot, Instant } from './events.ts';
import { callOfRoot } from './lookup.ts';
import type { HostState } from './state.ts';
import { foldGroups } from './talking.ts';
import { keep, newCall, tell, tellLeg, tellRing } from './telling.ts';
import type { Channel } from './topology.ts';

/** Any event of a channel: keeps the books, finds new incoming calls, hears phones ring. */
export function seen(
  host: HostState,
  chan: ChannelSnapshot,
  at: Instant,
  fresh: boolean,
  facts: Fact[],
): Channel | undefined {
  if (host.departed.has(chan.uniqueid)) return undefined;
  const before = host.topology.channel(chan.uniqueid)?.state;
  const { channel, merged } = host.topology.see(chan, at, fresh);
  if (merged !== undefined) foldGroups(host, merged, at, facts);
  for (const name of host.rules.recordingVariables) {
    const file = chan.variables?.[name];
    if (file !== undefined && file !== '') recorded(host, chan.uniqueid, file, at, facts);
  }
  if (channel.state === 'Ring' && channel.side.side === 'trunk' && channel.dialledBy === undefined) {
    incoming(host, channel, at, facts);
  }
  if (before !== channel.state) {
    if (channel.state === 'Ringing')
      tellRing(host, channel.uniqueid, { input: 'phone rings', at, uniqueid: channel.uniqueid }, facts);
    if (channel.state === 'Up') tellLeg(host, channel, { input: 'pbx answered', at }, facts);
  }
  return channel;
}

function incoming(host: HostState, channel: Channel, at: Instant, facts: Fact[]): void {
  if (host.legs.has(channel.uniqueid) || channel.side.side !== 'trunk') return;
  const { country, trunk } = channel.side;
  const customer = host.rules.phone(channel.firstNum, country);
  const did = host.rules.phone(channel.firstExten, country);
  const externalPhone = did.kind === 'phone' ? did.e164 : undefined;
  const call = newCall(host, channel, 'in', {
    customerUniqueid: channel.uniqueid,
    customer,
    customerRaw: channel.firstNum,
    customerName: channel.firstName,
    externalPhone,
    trunk,
    customerLegAt: channel.createdAt,
    excluded: excluded(host, customer, externalPhone),
  });
  keep(host, call);
  facts.push({ fact: 'call.incoming', at, call });
}

/** Why a call with this number on this line of ours is not told to the CRM, as far as its first event knows. */
export function excluded(
  host: HostState,
  customer: Call['customer'],
  externalPhone: string | undefined,
): DropReason | undefined {
  const listed = host.rules.exclusion(customer, externalPhone);
  if (listed !== undefined) return listed;
  if (customer.kind !== 'phone' || host.rules.policies.employeeMobiles === 'log') return undefined;
  return host.rules.employeeByMobile(customer.e164) === undefined ? undefined : 'employee_mobile';
}

/** A recording was announced; kept aside while the call it belongs to does not exist yet. */
export function recorded(host: HostState, uniqueid: string, value: string, at: Instant, facts: Fact[]): void {
  const file = value.slice(value.lastIndexOf('/') + 1);
  const channel = host.topology.channel(uniqueid);
  if (file === '' || channel === undefined) return;
  const id = host.legs.get(uniqueid) ?? host.rings.get(uniqueid) ?? callOfRoot(host, channel);
  if (id !== undefined) tell(host, id, { input: 'recorded', at, uniqueid, file }, facts);
  else if (!host.stashed.some((one) => one.uniqueid === uniqueid && one.file === file))
    host.stashed.push({ uniqueid, file, at });
}

/** A new call takes the recordings that were announced before it. */
export function takeStashed(host: HostState, id: string, at: Instant, facts: Fact[]): void {
  const call = host.calls.get(id);
  if (call === undefined) return;
  for (const one of host.stashed) {
    const channel = host.topology.channel(one.uniqueid);
    if (channel !== undefined && host.topology.group(channel).calls.has(id)) {
      tell(host, id, { input: 'recorded', at, uniqueid: one.uniqueid, file: one.file }, facts);
    }
  }
  host.stashed = host.stashed.filter((one) => {
    const channel = host.topology.channel(one.uniqueid);
    return channel !== undefined && !host.topology.group(channel).calls.has(id);
  });
}
