/**
 * The dial plan asks who is responsible, statuses and pauses are one switch, the module is registered. The dial plan is the
 * one of docs/dialplan.md.
 */
import type { UserStatus } from '../../../src/retailcrm/account.ts';
import type { Lab } from '../lab/lab.ts';
import { field } from '../lab/manager.ts';
import type { Line } from '../lab/proxy.ts';
import type { Call } from '../lab/sip/call.ts';
import { pass } from '../lab/wait.ts';
import { account, answers, crmShows, daemonOf, inQueues, knows, pauses, until } from './ask.ts';
import { type ExpectedCall, inbound, rang, type Scenario } from './expect.ts';
import { customerCalls, dials, dids, hangUp, picksUp, rings, talkMs } from './play.ts';

/** Igor Klimov of the demo shop; his manager is user 7, who has 152. */
const igor = '+375290000164';
/** Longest from a customer's INVITE to the first phone's, milliseconds: two questions' worth and a busy machine. */
const promptly = 2_500;
/** Longest until somebody who asks who is responsible has an answer, milliseconds: the promise. */
const answerMs = 150;
/** What a busy machine may add to it for one call, where Asterisk and a new thread of it have a part, milliseconds. */
const busyMs = 1_700;
/** Longest until the daemon has noticed that the CRM is back, milliseconds: its pauses double while it is away. */
const backMs = 40_000;

/** Throws when the first phone rang much later than the customer called. */
function soon(lab: Lab, customer: Call, ...phones: Call[]): void {
  const took = Math.min(...phones.map(({ at }) => at.started)) - customer.at.started;
  if (took > promptly + lab.slowestMs()) throw new Error(`the first phone rang ${took} ms after the customer called`);
}

/** A call that goes to the queue at once: all three ring, 150 answers. */
async function straightToQueue(lab: Lab, from: string, talk: () => Promise<void>): Promise<ExpectedCall> {
  const customer = await customerCalls(lab, from, dids.knownFirst);
  const [a, b, c] = await Promise.all([rings(lab.phone150), rings(lab.phone151), rings(lab.phone152)]);
  soon(lab, customer, a, b, c);
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

/** A known customer rings his manager 152 first, by name. */
async function ringsManager(lab: Lab): Promise<ExpectedCall> {
  const customer = await customerCalls(lab, igor, dids.knownFirst);
  const phone = await picksUp(lab.phone152, 800);
  soon(lab, customer, phone);
  if (!phone.remoteParty.includes('Igor Klimov')) throw new Error(`152 shows ${phone.remoteParty}`);
  await pass(talkMs);
  await hangUp(customer, phone);
  const talked: [string, number | undefined][] = [['152', phone.at.answered]];
  return inbound(customer, { from: igor, did: '+375171234514', talked, rang: [rang(lab.phone152, phone, 'answered')] });
}

/** Throws unless each of so many questions of the dial plan was over in time, and questions by HTTP, too. */
async function askedInTime(lab: Lab, questions: number): Promise<void> {
  const steps = lab.asterisk.manager.events.filter(({ event }) => event === 'Newexten');
  const took = steps.flatMap((step, index) => {
    if (field(step, 'Application') !== 'AGI') return [];
    const next = steps.find((one, later) => later > index && field(one, 'Uniqueid') === field(step, 'Uniqueid'));
    return [(next?.at ?? Infinity) - step.at];
  });
  if (took.length !== questions || took.some((ms) => ms > answerMs + busyMs + lab.slowestMs()))
    throw new Error(`the dial plan waited ${took.join(' and ')} ms for ${questions} answers`);
  const byHttp: number[] = [];
  // The quickest of some: the machine is busy with others.
  for (let number = 10; number < 35 && Math.min(...byHttp) > answerMs; number++) {
    const asked = performance.now();
    answers(await daemonOf(lab).api('responsible', { phone: `+3752900006${number}` }), 200, '"known":false');
    byHttp.push(Math.round(performance.now() - asked));
  }
  if (Math.min(...byHttp) > answerMs) throw new Error(`answers by HTTP took ${byHttp.join(', ')} ms`);
}

/** The CRM goes away after it was asked about one customer: calls ring all the same, and it has them when it is back. */
function withoutCrm(name: string, line: Line, words: string): Scenario {
  return {
    name,
    what: `the CRM ${words}: a known customer rings his manager, an unknown one the queue; told when it is back`,
    daemonOnly: true,
    play: async (lab) => {
      const daemon = daemonOf(lab);
      await knows(daemon, igor, '152');
      await daemon.crmLine(line);
      // The queue first: 152 must be free in its eyes.
      const unknown = await straightToQueue(lab, '+375290000672', () => pass(talkMs));
      const known = await ringsManager(lab);
      await askedInTime(lab, 2);
      if (account(lab).calls.size > 0) throw new Error('the CRM was not away');
      await daemon.crmLine('up');
      await until('the CRM has both calls', () => account(lab).calls.size === 2, backMs);
      return [unknown, known].map((call): ExpectedCall => ({ ...call, popupsUnsure: true }));
    },
  };
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

export const routingScenarios: Scenario[] = [
  {
    name: 'route_known',
    what: 'a known customer rings his manager 152 first, by name; nobody else rings',
    daemonOnly: true,
    play: async (lab) => {
      await knows(daemonOf(lab), igor, '152');
      return [await ringsManager(lab)];
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
      await inQueues(lab, '152', 'paused dinner');
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
    what: 'the CRM takes 3 s for every answer: a number the daemon has not met rings as if nobody had asked',
    daemonOnly: true,
    play: async (lab) => {
      const { crm } = daemonOf(lab);
      crm.setSwitches({ delayMs: 3_000 });
      const call = await straightToQueue(lab, igor, () => pass(talkMs));
      crm.setSwitches({ delayMs: 0 });
      return [call];
    },
  },
  withoutCrm('route_crm_refuses', 'refused', 'does not listen any more'),
  withoutCrm('route_crm_silent', 'silent', 'takes connections and never answers'),
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
      const told = (): number => daemonOf(lab).crm.requests({ path: '/users/5/status' }).length;

      for (const status of ['busy', 'dinner', 'break'] as const) {
        await choose(lab, 5, status);
        await inQueues(lab, '150', `paused ${status}`);
      }
      await dials(lab.phone150, '*47');
      await inQueues(lab, '150', 'free');
      await crmShows(lab, 5, 'free');
      await dials(lab.phone150, '*46');
      await inQueues(lab, '150', 'paused break');
      await crmShows(lab, 5, 'break');
      // The CRM tells us back what we told it: somebody chooses after that.
      await daemonOf(lab).crm.callbacks.settled();
      await choose(lab, 5, 'free');
      await inQueues(lab, '150', 'free');
      // An echo would come within the daemon's quiet time and a callback.
      await pass(1_500);
      // Two queues; three statuses, two codes, one status.
      const counts = [pauses(lab, '150'), told()].join();
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
