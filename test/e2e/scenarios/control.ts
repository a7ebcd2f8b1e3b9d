/** Live calls in the hands of a program: transfers, monitoring and hangups over the daemon's API. */
import { pass } from '../lab/wait.ts';
import { answers, daemonOf, talkKnown } from './ask.ts';
import { gave, handedOver, happened, inbound, outbound, rang, type Scenario } from './expect.ts';
import { hangUp, joins, outsidePicksUp, picksUp, talkMs } from './play.ts';

const did = '+375171234503';

export const controlScenarios: Scenario[] = [
  {
    name: 'api_blind',
    what: 'API: 150 hands the customer to 151; a colleague may not, an unknown number may not be the target',
    daemonOnly: true,
    chansip: true,
    play: async (lab) => {
      const from = '+375290000611';
      const { customer, at150 } = await talkKnown(lab, from);
      const daemon = daemonOf(lab);
      const blind = (by: string, to: string) => daemon.api('transfer', { code: '150', by, kind: 'blind', to });
      answers(await blind('151', '151'), 403, 'not_allowed');
      answers(await blind('150', '+442079460123'), 403, 'not_allowed');
      answers(await blind('150', '112'), 403, 'not_allowed');
      const moved = Date.now();
      answers(await blind('150', '151'), 200);
      const at151 = await picksUp(lab.phone151);
      await at150.ended();
      await pass(talkMs);
      await hangUp(customer, at151);
      return [
        handedOver(
          customer,
          { from, did },
          [lab.phone150, at150],
          [lab.phone151, at151],
          gave('blind', '150', '151', moved),
        ),
      ];
    },
  },
  {
    name: 'api_attended',
    what: 'API: 150 consults 152 and completes the transfer',
    daemonOnly: true,
    chansip: true,
    play: async (lab) => {
      const from = '+375290000612';
      const { customer, at150 } = await talkKnown(lab, from);
      const daemon = daemonOf(lab);
      answers(await daemon.api('transfer', { code: '150', by: '150', kind: 'complete' }), 409, 'no_consultation');
      const consulting = joins(lab, '152');
      answers(await daemon.api('transfer', { code: '150', by: '150', kind: 'attended', to: '152' }), 200);
      const at152 = await picksUp(lab.phone152, 800);
      await consulting;
      await pass(1500);
      const joined = Date.now();
      answers(await daemon.api('transfer', { code: '150', by: '150', kind: 'complete' }), 200);
      await at150.ended();
      await pass(talkMs);
      await hangUp(customer, at152);
      return [
        handedOver(
          customer,
          { from, did },
          [lab.phone150, at150],
          [lab.phone152, at152, happened(at150.at.ended)],
          gave('attended', '150', '152', joined),
        ),
      ];
    },
  },
  {
    name: 'api_attended_cancel',
    what: 'API: 150 consults 152, cancels, and has her customer back',
    daemonOnly: true,
    chansip: true,
    play: async (lab) => {
      const from = '+375290000613';
      const { customer, at150 } = await talkKnown(lab, from);
      const daemon = daemonOf(lab);
      const consulting = joins(lab, '152');
      answers(await daemon.api('transfer', { code: '150', by: '150', kind: 'attended', to: '152' }), 200);
      const at152 = await picksUp(lab.phone152, 500);
      await consulting;
      await pass(1000);
      answers(await daemon.api('transfer', { code: '150', by: '150', kind: 'cancel' }), 200);
      await at152.ended();
      await pass(talkMs);
      await hangUp(customer, at150);
      return [
        inbound(customer, {
          from,
          did,
          talked: [['150', at150.at.answered]],
          rang: [rang(lab.phone150, at150, 'answered'), rang(lab.phone152, at152, 'answered')],
        }),
      ];
    },
  },
  {
    name: 'api_monitor',
    what: 'API: a supervisor (152) listens to 150; an employee may not; the supervisor is no party of the call',
    daemonOnly: true,
    chansip: true,
    play: async (lab) => {
      const from = '+375290000614';
      const { customer, at150 } = await talkKnown(lab, from);
      const daemon = daemonOf(lab);
      answers(await daemon.api('monitor', { code: '150', by: '151', mode: 'listen' }), 403, 'not_allowed');
      answers(await daemon.api('monitor', { code: '150', by: '152', mode: 'whisper' }), 200);
      const spy = await picksUp(lab.phone152, 300);
      await lab.asterisk.manager.event('ChanSpyStart', () => true);
      await pass(talkMs);
      await hangUp(customer, at150, spy);
      return [
        inbound(customer, {
          from,
          did,
          talked: [['150', at150.at.answered]],
          rang: [rang(lab.phone150, at150, 'answered')],
        }),
      ];
    },
  },
  {
    name: 'api_hangup',
    what: "API: a supervisor ends 150's call by its id; 151 ends her own by her extension",
    daemonOnly: true,
    chansip: true,
    play: async (lab) => {
      const from = '+375290000615';
      const daemon = daemonOf(lab);
      const { customer, at150 } = await talkKnown(lab, from);
      answers(await daemon.api('hangup', { callId: 'pbx1-nothing', by: '152' }), 404, 'no_such_call');
      answers(await daemon.api('hangup', { code: '150', by: '151' }), 403, 'not_allowed');
      answers(await daemon.api('hangup', { code: '150', by: '152' }), 200);
      await Promise.all([customer.ended(), at150.ended()]);
      const answered = daemon.says('answered by the customer of 151 ');
      const at151 = await lab.phone151.agent.call('80290000616');
      const second = await outsidePicksUp(lab.by, '+375290000616');
      await Promise.all([at151.answered(), answered]);
      await pass(talkMs);
      answers(await daemon.api('hangup', { code: '151', by: '151' }), 200);
      await Promise.all([second.ended(), at151.ended()]);
      return [
        inbound(customer, {
          from,
          did,
          talked: [['150', at150.at.answered]],
          rang: [rang(lab.phone150, at150, 'answered')],
        }),
        outbound(at151, second, { by: '151', dialled: '80290000616', to: '+375290000616' }),
      ];
    },
  },
];
