/** Employees call customers: answered, refused, trunk failover, early media, click-to-call. */
import { randomUUID } from 'node:crypto';
import type { Lab } from '../lab/lab.ts';
import { pass } from '../lab/wait.ts';
import { outbound, rang, type Scenario } from './expect.ts';
import { hangUp, outsidePicksUp, picksUp, rings, talkMs } from './play.ts';

/** Asks Asterisk to ring 150 and then dial the customer, as our daemon does. */
async function click(lab: Lab, customer: string, timeoutMs: number): Promise<void> {
  const { asterisk } = lab;
  await asterisk.manager.action('Originate', {
    Async: 'true',
    Channel: asterisk.driver === 'pjsip' ? 'PJSIP/150' : 'SIP/150',
    Context: 'from-internal',
    Exten: customer,
    Priority: '1',
    CallerID: `"${customer}" <${customer}>`,
    Timeout: String(timeoutMs),
    ChannelId: `click-${randomUUID()}`,
    Variable: '__X_CRM_ID=click-1',
  });
}

/** 150 dials, the provider refuses with a status. */
function refused(
  name: string,
  status: number,
  number: string,
  result: 'busy' | 'failed' | 'no answer',
  more: Partial<Scenario> = {},
): Scenario {
  return {
    name,
    what: `150 calls out, the provider answers ${status}`,
    ...more,
    play: async (lab) => {
      const phone = await lab.phone150.agent.call(`80${number.slice(4)}`);
      const customer = await lab.by.nextCall(number);
      await customer.refuse(status);
      await phone.ended();
      return [
        outbound(phone, customer, {
          by: '150',
          dialled: `80${number.slice(4)}`,
          to: number,
          result,
          detail: String(status),
        }),
      ];
    },
  };
}

export const outboundScenarios: Scenario[] = [
  {
    name: 'out_answer',
    what: '150 dials a number in national form, the customer answers',
    chansip: true,
    play: async (lab) => {
      const phone = await lab.phone150.agent.call('80290000441');
      const customer = await outsidePicksUp(lab.by, '+375290000441', 1200);
      await pass(1500);
      await hangUp(customer, phone);
      return [outbound(phone, customer, { by: '150', dialled: '80290000441', to: '+375290000441' })];
    },
  },
  refused('out_busy', 486, '+375290000442', 'busy', { chansip: true }),
  refused('out_unavailable', 480, '+375290000443', 'no answer'),
  refused('out_unknown_number', 404, '+375290000444', 'failed'),
  refused('out_forbidden', 403, '+375290000445', 'failed'),
  {
    name: 'out_noanswer',
    what: '150 calls out, the customer does not answer, 150 gives up',
    chansip: true,
    play: async (lab) => {
      const phone = await lab.phone150.agent.call('+375290000446');
      const customer = await lab.by.nextCall('+375290000446');
      customer.ring();
      await phone.ringing();
      await pass(1800);
      await hangUp(phone, customer);
      return [outbound(phone, customer, { by: '150', dialled: '+375290000446', to: '+375290000446' })];
    },
  },
  {
    name: 'out_russian',
    what: '151 dials a Russian number in national form through the other provider',
    play: async (lab) => {
      const phone = await lab.phone151.agent.call('84951110447');
      const customer = await outsidePicksUp(lab.ru, '+74951110447');
      await pass(talkMs);
      await hangUp(phone, customer);
      return [outbound(phone, customer, { by: '151', dialled: '84951110447', to: '+74951110447' })];
    },
  },
  {
    name: 'out_failover',
    what: 'the first trunk says 503, the second one takes the call: two trunk legs, one call',
    play: async (lab) => {
      const phone = await lab.phone150.agent.call('80290000448');
      const first = await lab.by.nextCall('+375290000448');
      await first.refuse(503);
      const customer = await outsidePicksUp(lab.ru, '+375290000448');
      await pass(talkMs);
      await hangUp(phone, customer);
      const call = outbound(phone, customer, { by: '150', dialled: '80290000448', to: '+375290000448' });
      return [{ ...call, customerLegAt: first.at.started }];
    },
  },
  {
    name: 'out_failover_failed',
    what: 'both trunks refuse',
    play: async (lab) => {
      const phone = await lab.phone150.agent.call('80290000449');
      const first = await lab.by.nextCall('+375290000449');
      await first.refuse(503);
      const second = await lab.ru.nextCall('+375290000449');
      await second.refuse(503);
      await phone.ended();
      return [outbound(phone, first, { by: '150', dialled: '80290000449', to: '+375290000449', result: 'failed' })];
    },
  },
  {
    name: 'out_early_media',
    what: 'the network plays an announcement before the answer (183 with audio)',
    play: async (lab) => {
      const phone = await lab.phone150.agent.call('80290000450');
      const customer = await lab.by.nextCall('+375290000450');
      customer.progress();
      await phone.ringing();
      await pass(1500);
      await customer.answer();
      await pass(talkMs);
      await hangUp(phone, customer);
      return [outbound(phone, customer, { by: '150', dialled: '80290000450', to: '+375290000450' })];
    },
  },
  {
    name: 'out_early_media_refused',
    what: 'only an announcement before the answer, then the network refuses (480)',
    play: async (lab) => {
      const phone = await lab.phone150.agent.call('80290000451');
      const customer = await lab.by.nextCall('+375290000451');
      customer.progress();
      await phone.ringing();
      await pass(1500);
      await customer.refuse(480);
      await phone.ended();
      return [
        outbound(phone, customer, { by: '150', dialled: '80290000451', to: '+375290000451', result: 'no answer' }),
      ];
    },
  },
  {
    name: 'click_answer',
    what: 'click-to-call: 150 answers, then the customer',
    chansip: true,
    play: async (lab) => {
      await click(lab, '+375290000452', 10_000);
      const phone = await picksUp(lab.phone150, 800);
      const customer = await outsidePicksUp(lab.by, '+375290000452', 800);
      await pass(talkMs);
      await hangUp(customer, phone);
      const all = [rang(lab.phone150, phone, 'answered')];
      return [outbound(phone, customer, { by: '150', dialled: '+375290000452', to: '+375290000452', rang: all })];
    },
  },
  {
    name: 'click_agent_noanswer',
    what: 'click-to-call: the employee does not pick up, the customer is never dialled',
    play: async (lab) => {
      await click(lab, '+375290000453', 2500);
      const phone = await rings(lab.phone150);
      await phone.ended();
      const story = { by: '150', dialled: '+375290000453', to: '+375290000453', logToCrm: false };
      return [outbound(phone, undefined, { ...story, rang: [rang(lab.phone150, phone, 'no answer')] })];
    },
  },
  {
    name: 'click_agent_declined',
    what: 'click-to-call: the employee declines',
    play: async (lab) => {
      await click(lab, '+375290000454', 10_000);
      const phone = await rings(lab.phone150);
      await pass(500);
      await phone.refuse(603);
      const story = { by: '150', dialled: '+375290000454', to: '+375290000454', logToCrm: false };
      return [outbound(phone, undefined, { ...story, rang: [rang(lab.phone150, phone, 'declined')] })];
    },
  },
  {
    name: 'click_customer_busy',
    what: 'click-to-call: the employee answers, the customer is busy',
    play: async (lab) => {
      await click(lab, '+375290000455', 10_000);
      const phone = await picksUp(lab.phone150);
      const customer = await lab.by.nextCall('+375290000455');
      await customer.refuse(486);
      await phone.ended();
      const all = [rang(lab.phone150, phone, 'answered')];
      return [
        outbound(phone, customer, {
          by: '150',
          dialled: '+375290000455',
          to: '+375290000455',
          result: 'busy',
          rang: all,
        }),
      ];
    },
  },
];
