/** Queues: ring-all and linear, phones and Local channels as members, second rounds, nobody. */
import { pass } from '../lab/wait.ts';
import { inbound, rang, type Scenario } from './expect.ts';
import { customerCalls, dids, hangUp, picksUp, rings, talkMs } from './play.ts';

export const queueScenarios: Scenario[] = [
  {
    name: 'in_queue',
    what: 'queue, all three ring, 151 answers',
    chansip: true,
    play: async (lab) => {
      const from = '+375290000431';
      const customer = await customerCalls(lab, from, dids.queue);
      const [a, b, c] = await Promise.all([rings(lab.phone150), picksUp(lab.phone151, 1200), rings(lab.phone152)]);
      await Promise.all([a.ended(), c.ended()]);
      await pass(talkMs);
      await hangUp(customer, b);
      const all = [
        rang(lab.phone150, a, 'answered elsewhere'),
        rang(lab.phone151, b, 'answered'),
        rang(lab.phone152, c, 'answered elsewhere'),
      ];
      return [inbound(customer, { from, did: '+375171234501', talked: [['151', b.at.answered]], rang: all })];
    },
  },
  {
    name: 'in_queue_abandon',
    what: 'queue: the customer leaves while all ring',
    play: async (lab) => {
      const from = '+375290000432';
      const customer = await customerCalls(lab, from, dids.queue);
      const phones = [lab.phone150, lab.phone151, lab.phone152];
      const calls = await Promise.all(phones.map(async (phone) => ({ phone, call: await rings(phone) })));
      await customer.answered();
      await pass(1500);
      await hangUp(customer, ...calls.map(({ call }) => call));
      const all = calls.map(({ phone, call }) => rang(phone, call, 'cancelled'));
      return [inbound(customer, { from, did: '+375171234501', detail: 'abandoned', rang: all })];
    },
  },
  {
    name: 'in_queue_timeout',
    what: 'queue: nobody answers in two rounds, then the queue gives up',
    play: async (lab) => {
      const from = '+375290000433';
      const customer = await customerCalls(lab, from, dids.queue);
      const phones = [lab.phone150, lab.phone151, lab.phone152];
      const round = async (): Promise<ReturnType<typeof rang>[]> => {
        const calls = await Promise.all(phones.map(async (phone) => ({ phone, call: await rings(phone) })));
        await Promise.all(calls.map(({ call }) => call.ended()));
        return calls.map(({ phone, call }) => rang(phone, call, 'no answer'));
      };
      const all = [...(await round()), ...(await round())];
      await customer.ended();
      return [inbound(customer, { from, did: '+375171234501', detail: 'queue timeout', rang: all })];
    },
  },
  {
    name: 'in_queue_second_round',
    what: 'queue: nobody in the first round, 152 answers in the second',
    play: async (lab) => {
      const from = '+375290000434';
      const customer = await customerCalls(lab, from, dids.queue);
      const phones = [lab.phone150, lab.phone151, lab.phone152];
      const first = await Promise.all(phones.map(async (phone) => ({ phone, call: await rings(phone) })));
      await Promise.all(first.map(({ call }) => call.ended()));
      const [a, b, c] = await Promise.all([rings(lab.phone150), rings(lab.phone151), picksUp(lab.phone152)]);
      await pass(talkMs);
      await hangUp(customer, c);
      const all = [
        ...first.map(({ phone, call }) => rang(phone, call, 'no answer')),
        rang(lab.phone150, a, 'answered elsewhere'),
        rang(lab.phone151, b, 'answered elsewhere'),
        rang(lab.phone152, c, 'answered'),
      ];
      return [inbound(customer, { from, did: '+375171234501', talked: [['152', c.at.answered]], rang: all })];
    },
  },
  {
    name: 'in_queue_linear',
    what: 'queue that asks one after another: 150 does not answer, 151 does',
    play: async (lab) => {
      const from = '+375290000435';
      const customer = await customerCalls(lab, from, dids.queueLinear);
      const a = await rings(lab.phone150);
      await a.ended();
      const b = await picksUp(lab.phone151);
      await pass(talkMs);
      await hangUp(customer, b);
      const all = [rang(lab.phone150, a, 'no answer'), rang(lab.phone151, b, 'answered')];
      return [inbound(customer, { from, did: '+375171234511', talked: [['151', b.at.answered]], rang: all })];
    },
  },
  {
    name: 'in_queue_local',
    what: 'queue with Local/…/n members: 150 answers',
    play: async (lab) => {
      const from = '+375290000436';
      const customer = await customerCalls(lab, from, dids.queueLocal);
      const [a, b] = await Promise.all([picksUp(lab.phone150, 1000), rings(lab.phone151)]);
      await pass(talkMs);
      await hangUp(a, customer);
      const all = [rang(lab.phone150, a, 'answered'), rang(lab.phone151, b, 'answered elsewhere')];
      return [inbound(customer, { from, did: '+375171234507', talked: [['150', a.at.answered]], rang: all })];
    },
  },
  {
    name: 'in_queue_local_optimised',
    what: 'queue with Local members that optimise away: 151 answers',
    play: async (lab) => {
      const from = '+375290000437';
      const customer = await customerCalls(lab, from, dids.queueLocalOptimised);
      const [a, b] = await Promise.all([rings(lab.phone150), picksUp(lab.phone151, 1000)]);
      await pass(talkMs);
      await hangUp(customer, b);
      const all = [rang(lab.phone150, a, 'answered elsewhere'), rang(lab.phone151, b, 'answered')];
      return [inbound(customer, { from, did: '+375171234508', talked: [['151', b.at.answered]], rang: all })];
    },
  },
];
