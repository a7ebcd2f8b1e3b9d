/**
 * The dial plan asks who is responsible, statuses and pauses are one switch, the module is registered. The dial plan is the
 * one of docs/dialplan.md.
 */
import type { UserStatus } from '../../../src/retailcrm/account.ts';
import type { Account } from '../../../src/sandbox/account.ts';
import type { DaemonTrouble, Lab, Phone } from '../lab/lab.ts';
import { field, type Message } from '../lab/manager.ts';
import type { Call } from '../lab/sip/call.ts';
import { pass } from '../lab/wait.ts';
import { answers, daemonOf } from './clicks.ts';
import { type ExpectedCall, inbound, rang, type Scenario } from './expect.ts';
import { customerCalls, dids, hangUp, picksUp, rings, talkMs } from './play.ts';

/** Igor Klimov of the demo shop; his manager is user 7, who has 152. */
const igor = '+375290000164';
/** Longest from a customer's INVITE to the first phone's, milliseconds: two questions' worth and a busy machine. */
const promptly = 1_500;
/** Longest until one side has followed the other, milliseconds. */
const followMs = 10_000;

/** Until it is so. Throws after a while. */
async function until(what: string, so: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + followMs; Date.now() < end; ) {
    if (await so()) return;
    await pass(50);
  }
  throw new Error(`it never came that ${what}`);
}

/** The daemon has asked the CRM about a number: from now on it answers from memory. */
async function knows(daemon: DaemonTrouble, phone: string, extension: string): Promise<void> {
  await until(`the daemon knows who is responsible for a number`, async () => {
    const { body } = await daemon.api('responsible', { phone });
    return body.includes(`"extension":"${extension}"`);
  });
}

/** Throws when the first phone rang much later than the customer called. */
function soon(customer: Call, ...phones: Call[]): void {
  const took = Math.min(...phones.map(({ at }) => at.started)) - customer.at.started;
  if (took > promptly) throw new Error(`the first phone rang ${took} ms after the customer called`);
}

/** A call that goes to the queue at once: all three ring, 150 answers. */
async function straightToQueue(lab: Lab, from: string, talk: () => Promise<void>): Promise<ExpectedCall> {
  const customer = await customerCalls(lab, from, dids.knownFirst);
  const [a, b, c] = await Promise.all([rings(lab.phone150), rings(lab.phone151), rings(lab.phone152)]);
  soon(customer, a, b, c);
  await pass(500);
  await a.answer();
  await Promise.all([b.ended(), c.ended()]);
  await talk();
  await hangUp(customer, a);
  return inbound(customer, {
    from,
    did: '+375171234514',
    talked: [['150', a.at.answered]],
    rang: [
      rang(lab.phone150, a, 'answered'),
      rang(lab.phone151, b, 'answered elsewhere'),
      rang(lab.phone152, c, 'answered elsewhere'),
    ],
  });
}

/** What the queues say of a phone: `sales paused dinner`, one line per queue. */
async function standing(lab: Lab, member: string): Promise<string[]> {
  const { manager } = lab.asterisk;
  const answer = await manager.action('QueueStatus', { Member: member });
  const id = field(answer, 'ActionID');
  const mine = (message: Message): boolean => field(message, 'ActionID') === id;
  await manager.event('QueueStatusComplete', mine);
  return manager.events
    .filter((message) => message.event === 'QueueMember' && mine(message))
    .map((message) => {
      const paused = field(message, 'Paused') === '1';
      return [field(message, 'Queue'), ...(paused ? ['paused', field(message, 'PausedReason')] : ['free'])].join(' ');
    })
    .sort();
}

function account(lab: Lab): Account {
  return daemonOf(lab).crm.account();
}

/** Somebody chooses a status in the CRM; the daemon must have taken it. */
async function choose(lab: Lab, user: number, status: UserStatus): Promise<void> {
  const own = account(lab).users.get(user);
  if (own === undefined) throw new Error(`no user ${user}`);
  own.status = status;
  const placed = await daemonOf(lab).crm.callbacks.userStatus(account(lab), own);
  if (placed?.ok !== true)
    throw new Error(`the status was not taken: ${placed?.status ?? placed?.error ?? 'no address'}`);
}

/** An employee dials a feature code and lets the dial plan hang up. */
async function dials(phone: Phone, code: string): Promise<void> {
  const call = await phone.agent.call(code);
  await call.answered();
  await call.ended();
}

const member = (lab: Lab, ext: string): string => `${lab.asterisk.driver === 'pjsip' ? 'PJSIP' : 'SIP'}/${ext}`;

export const routingScenarios: Scenario[] = [
  {
    name: 'route_known',
    what: 'a known customer rings his manager 152 first, by name; nobody else rings',
    daemonOnly: true,
    play: async (lab) => {
      await knows(daemonOf(lab), igor, '152');
      const customer = await customerCalls(lab, igor, dids.knownFirst);
      const phone = await picksUp(lab.phone152, 800);
      soon(customer, phone);
      if (!phone.remoteParty.includes('Igor Klimov')) throw new Error(`152 shows ${phone.remoteParty}`);
      await pass(talkMs);
      await hangUp(customer, phone);
      const talked: [string, number | undefined][] = [['152', phone.at.answered]];
      return [
        inbound(customer, { from: igor, did: '+375171234514', talked, rang: [rang(lab.phone152, phone, 'answered')] }),
      ];
    },
  },
  {
    name: 'route_known_queue',
    what: 'his manager does not answer: then the queue, and 151 takes it',
    daemonOnly: true,
    play: async (lab) => {
      await knows(daemonOf(lab), igor, '152');
      const customer = await customerCalls(lab, igor, dids.knownFirst);
      const first = await rings(lab.phone152);
      await first.ended();
      const [a, b, c] = await Promise.all([rings(lab.phone150), picksUp(lab.phone151), rings(lab.phone152)]);
      await Promise.all([a.ended(), c.ended()]);
      await pass(talkMs);
      await hangUp(customer, b);
      const all = [
        { ...rang(lab.phone152, first, 'no answer'), popup: 'stays' as const },
        rang(lab.phone150, a, 'answered elsewhere'),
        rang(lab.phone151, b, 'answered'),
        rang(lab.phone152, c, 'answered elsewhere'),
      ];
      return [inbound(customer, { from: igor, did: '+375171234514', talked: [['151', b.at.answered]], rang: all })];
    },
  },
  {
    name: 'route_away',
    what: 'his manager is at dinner in the CRM: straight to the queue, where she is paused',
    daemonOnly: true,
    play: async (lab) => {
      await knows(daemonOf(lab), igor, '152');
      await choose(lab, 7, 'dinner');
      const wanted = ['hunt paused dinner', 'sales paused dinner'].join();
      await until('152 is paused', async () => (await standing(lab, member(lab, '152'))).join() === wanted);
      const customer = await customerCalls(lab, igor, dids.knownFirst);
      const [a, b] = await Promise.all([picksUp(lab.phone150), rings(lab.phone151)]);
      await b.ended();
      await pass(talkMs);
      await hangUp(customer, a);
      const all = [rang(lab.phone150, a, 'answered'), rang(lab.phone151, b, 'answered elsewhere')];
      return [inbound(customer, { from: igor, did: '+375171234514', talked: [['150', a.at.answered]], rang: all })];
    },
  },
  {
    name: 'route_unknown',
    what: 'a number the CRM does not know goes to the queue at once',
    daemonOnly: true,
    play: async (lab) => [await straightToQueue(lab, '+375290000671', () => pass(talkMs))],
  },
  {
    name: 'route_crm_slow',
    what: 'the CRM takes 1.5 s for every answer: a number the daemon has not met rings as if nobody had asked',
    daemonOnly: true,
    play: async (lab) => {
      const { crm } = daemonOf(lab);
      crm.setSwitches({ delayMs: 1_500 });
      const call = await straightToQueue(lab, igor, () => pass(talkMs));
      crm.setSwitches({ delayMs: 0 });
      return [call];
    },
  },
  {
    name: 'route_daemon_dead',
    what: 'the daemon is dead: the call rings as if nobody had asked',
    daemonOnly: true,
    play: async (lab) => {
      await knows(daemonOf(lab), igor, '152');
      await lab.daemon?.kill();
      const call = await straightToQueue(lab, igor, () => pass(talkMs));
      await lab.daemon?.restart();
      // Begun and ended while nobody looked: AMI cannot tell of it.
      return [{ ...call, unseen: true }];
    },
  },
  {
    name: 'status_both_ways',
    what: "a status in the CRM pauses the queues, a pause by the phone is the CRM's status; neither comes back as an echo",
    daemonOnly: true,
    play: async (lab) => {
      const me = member(lab, '150');
      const queues = async (state: string): Promise<void> =>
        until(`150 is ${state} in her queues`, async () =>
          (await standing(lab, me)).every((queue) => queue.slice(queue.indexOf(' ') + 1) === state),
        );
      const crmSays = (status: UserStatus): Promise<void> =>
        until(`the CRM shows ${status}`, () => account(lab).users.get(5)?.status === status);
      const pauses = (): number =>
        lab.asterisk.manager.events.filter(
          (message) => message.event === 'QueueMemberPause' && field(message, 'Interface') === me,
        ).length;
      const told = (): number => daemonOf(lab).crm.requests({ path: '/users/5/status' }).length;

      for (const status of ['busy', 'dinner', 'break'] as const) {
        await choose(lab, 5, status);
        await queues(`paused ${status}`);
      }
      await dials(lab.phone150, '*47');
      await queues('free');
      await crmSays('free');
      await dials(lab.phone150, '*46');
      await queues('paused break');
      await crmSays('break');
      await choose(lab, 5, 'free');
      await queues('free');
      // An echo would come within the daemon's quiet time and a callback.
      await pass(1_500);
      // Two queues; three statuses, two codes, one status.
      const counts = [pauses(), told()].join();
      if (counts !== '12,2') throw new Error(`${counts}: pauses and statuses told, expected 12,2`);
      return [];
    },
  },
  {
    name: 'crm_module',
    what: 'the module is registered at start: click icon, extensions, settings page, switched off and on',
    daemonOnly: true,
    play: async (lab) => {
      const { crm } = daemonOf(lab);
      const module = account(lab).modules.get('asterisk-e2e');
      const telephony = module?.telephony;
      if (module === undefined || telephony === undefined) throw new Error('there is no module in the CRM');
      const codes = telephony.additionalCodes.map(({ userId, code }) => `${userId}:${code}`).join(' ');
      if (!module.active || codes !== '5:150 6:151 7:152')
        throw new Error(`active ${module.active}, extensions ${codes}`);
      if (telephony.makeCallUrl === undefined || telephony.changeUserStatusUrl === undefined)
        throw new Error('no icon: makeCallUrl or changeUserStatusUrl is missing');
      const page = await crm.callbacks.accountUrl(account(lab), module);
      if (!page.ok) throw new Error(`the settings page: ${page.status ?? page.error ?? ''}`);
      for (const active of [false, true]) {
        module.active = active;
        const placed = await crm.callbacks.activity(account(lab), module, crm.url);
        if (!placed.ok) throw new Error(`activity: ${placed.status ?? placed.error ?? ''} ${placed.body}`);
      }
      answers(await daemonOf(lab).api('responsible', { phone: igor, clientId: 'x'.repeat(43) }), 403);
      return [];
    },
  },
];
