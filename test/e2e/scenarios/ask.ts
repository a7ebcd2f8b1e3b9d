/** What scenarios ask of the daemon and the CRM, and how they wait for what neither tells of itself. */
import type { UserStatus } from '../../../src/retailcrm/account.ts';
import type { Account } from '../../../src/sandbox/account.ts';
import type { DaemonTrouble, Lab } from '../lab/lab.ts';
import { field, type Message } from '../lab/manager.ts';
import { pass } from '../lab/wait.ts';
import { talkTo150 } from './play.ts';

/** Longest until one side has followed the other, milliseconds. */
const followMs = 20_000;

/** The daemon of the scenario; those that ask for it are not played without. */
export function daemonOf(lab: Lab): DaemonTrouble {
  if (lab.daemon === undefined) throw new Error('this scenario needs the daemon');
  return lab.daemon;
}

/** The account of the emulated CRM. */
export function account(lab: Lab): Account {
  return daemonOf(lab).crm.account();
}

/** Throws unless the daemon gave this answer. */
export function answers(reply: { status: number; body: string }, status: number, word = ''): void {
  if (reply.status === status && reply.body.includes(word)) return;
  throw new Error(`the daemon answered ${reply.status} ${reply.body}, expected ${status} ${word}`);
}

/** A customer talks to 150 for a while, and the daemon, where there is one, knows it. */
export async function talkKnown(lab: Lab, from: string, ms?: number): ReturnType<typeof talkTo150> {
  const [legs] = await Promise.all([talkTo150(lab, from, ms), lab.daemon?.says('answered by 150 ')]);
  return legs;
}

/** Until it is so. Throws after a while. */
export async function until(what: string, so: () => boolean | Promise<boolean>, ms = followMs): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    if (await so()) return;
    await pass(50);
  }
  throw new Error(`it never came that ${what}`);
}

/** The daemon has asked the CRM about a number: from now on it answers from memory. */
export async function knows(daemon: DaemonTrouble, phone: string, extension: string): Promise<void> {
  await until(`the daemon knows who is responsible for a number`, async () => {
    const { body } = await daemon.api('responsible', { phone });
    return body.includes(`"extension":"${extension}"`);
  });
}

/** The CRM shows this status of a user. */
export function crmShows(lab: Lab, user: number, status: UserStatus): Promise<void> {
  return until(`the CRM shows ${status}`, () => account(lab).users.get(user)?.status === status);
}

/** How an extension's phone stands in `queues.conf`. */
export function member(lab: Lab, ext: string): string {
  return `${lab.asterisk.driver === 'pjsip' ? 'PJSIP' : 'SIP'}/${ext}`;
}

/** All queues have the phone so: `free`, or `paused` and the reason. */
export function inQueues(lab: Lab, ext: string, state: string): Promise<void> {
  return until(`${ext} is ${state} in her queues`, async () => {
    const { manager } = lab.asterisk;
    const answer = await manager.action('QueueStatus', { Member: member(lab, ext) });
    const mine = (message: Message): boolean => field(message, 'ActionID') === field(answer, 'ActionID');
    await manager.event('QueueStatusComplete', mine);
    const queues = manager.events.filter((message) => message.event === 'QueueMember' && mine(message));
    return queues.length > 0 && queues.every((queue) => standing(queue) === state);
  });
}

function standing(queue: Message): string {
  return field(queue, 'Paused') === '1' ? `paused ${field(queue, 'PausedReason')}` : 'free';
}

/** How often a queue paused the phone, or, without `paused`, ended its pause, too. */
export function pauses(lab: Lab, ext: string, paused?: true): number {
  return lab.asterisk.manager.events.filter(
    (message) =>
      message.event === 'QueueMemberPause' &&
      field(message, 'Interface') === member(lab, ext) &&
      (paused === undefined || field(message, 'Paused') === '1'),
  ).length;
}
