/** Moves that most scenarios share. */
import type { Lab, Phone } from '../lab/lab.ts';
import type { CallerIdentity, SipAgent } from '../lab/sip/agent.ts';
import type { Call } from '../lab/sip/call.ts';
import { pass } from '../lab/wait.ts';

/** How long people talk where nothing depends on it, in milliseconds. */
export const talkMs = 1200;

/** The shop's DIDs by what they do. */
export const dids = {
  queue: '375171234501',
  ivr: '375171234502',
  direct150: '375171234503',
  ringGroup: '375171234504',
  voicemail: '375171234505',
  hunt: '375171234506',
  queueLocal: '375171234507',
  queueLocalOptimised: '375171234508',
  followMe: '375171234509',
  offHours: '375171234510',
  queueLinear: '375171234511',
  twoDevices: '375171234512',
  thenQueue: '375171234513',
  knownFirst: '375171234514',
} as const;

/** The DID of the Russian provider that rings 151. */
export const russianDid = '74950000601';

/** A customer calls a DID. The caller's number is shown with its plus; `identity` changes what is shown. */
export function customerCalls(
  lab: Lab,
  from: string,
  did: string,
  identity: Partial<CallerIdentity> = {},
  via: SipAgent = lab.by,
): Promise<Call> {
  return via.call(did, { number: from, ...identity });
}

/** Takes the call that comes to a phone and lets it ring. */
export async function rings(phone: Phone, ms?: number): Promise<Call> {
  const call = await phone.agent.nextCall(undefined, ms);
  call.ring();
  return call;
}

/** Lets a phone ring for a while, then answers. */
export async function picksUp(phone: Phone, afterMs = 500): Promise<Call> {
  const call = await rings(phone);
  await pass(afterMs);
  await call.answer();
  return call;
}

/** The outside party that our provider was asked for: rings, then answers. */
export async function outsidePicksUp(provider: SipAgent, number: string, afterMs = 500): Promise<Call> {
  const call = await provider.nextCall(number);
  call.ring();
  await pass(afterMs);
  await call.answer();
  return call;
}

/** An employee dials a feature code and lets the dial plan hang up. */
export async function dials(phone: Phone, code: string): Promise<void> {
  const call = await phone.agent.call(code);
  await call.answered();
  await call.ended();
}

/** One side hangs up, the other side hears of it. */
export async function hangUp(first: Call, ...others: Call[]): Promise<void> {
  // Who talks has been answered; as long as she has not heard so, hanging up would be a CANCEL.
  if (others.some(({ at }) => at.answered !== undefined)) await first.answered();
  await first.hangUp();
  await Promise.all(others.map((call) => call.ended()));
}

/** A customer calls 150's DID and talks to 150: the start of most transfer scenarios. */
export async function talkTo150(lab: Lab, from: string, ms = 800): Promise<{ customer: Call; at150: Call }> {
  const customer = await customerCalls(lab, from, dids.direct150);
  const at150 = await picksUp(lab.phone150);
  await customer.answered();
  await pass(ms);
  return { customer, at150 };
}

/** The next time a phone's channel enters a bridge: then Asterisk, too, has her talking with somebody. */
export async function joins(lab: Lab, ext: string): Promise<void> {
  await lab.asterisk.manager.nextEvent(
    'BridgeEnter',
    ({ fields }) => fields.get('Channel')?.split('/')[1]?.startsWith(`${ext}-`) === true,
    30_000,
  );
}

/** The name of a phone's live channel in Asterisk, newest first: what AMI actions want. */
export function channelOf(lab: Lab, endpoint: string): string {
  const names = lab.asterisk.manager.events
    .filter((message) => message.event === 'Newchannel')
    .map((message) => message.fields.get('Channel') ?? '')
    .filter((name) => name.split('/')[1]?.startsWith(`${endpoint}-`) === true);
  const name = names.at(-1);
  if (name === undefined) throw new Error(`${endpoint} has no channel`);
  return name;
}
