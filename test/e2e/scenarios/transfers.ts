/** A call changes hands: by the phone (REFER), by keys (DTMF), by AMI. */
import type { Lab } from '../lab/lab.ts';
import type { Call } from '../lab/sip/call.ts';
import { pass } from '../lab/wait.ts';
import { gave, handedOver, happened, inbound, outbound, rang, type Scenario } from './expect.ts';
import { channelOf, hangUp, joins, outsidePicksUp, picksUp, rings, talkMs, talkTo150 } from './play.ts';

const did = '+375171234503';

/** "Transfer" is said while the customer hears music; keys pressed meanwhile are not heard. Milliseconds. */
const promptMs = 3500;

/** 150 presses a feature code, hears "transfer", and presses the number. */
async function byKeys(lab: Lab, at150: Call, code: string, number: string): Promise<void> {
  const waits = lab.asterisk.manager.nextEvent('MusicOnHoldStart');
  await at150.press(code);
  await waits;
  await pass(promptMs);
  await at150.press(number);
}

export const transferScenarios: Scenario[] = [
  {
    name: 'in_blind_refer',
    what: '150 answers and transfers blind to 151 (REFER), who answers',
    chansip: true,
    play: async (lab) => {
      const from = '+375290000461';
      const { customer, at150 } = await talkTo150(lab, from);
      const [at151] = await Promise.all([picksUp(lab.phone151, 800), at150.transfer('151')]);
      await pass(talkMs);
      await hangUp(customer, at151);
      return [
        handedOver(
          customer,
          { from, did },
          [lab.phone150, at150],
          [lab.phone151, at151],
          gave('blind', '150', '151', at150.at.transferred),
        ),
      ];
    },
  },
  {
    name: 'in_blind_dtmf',
    what: '150 transfers blind by keys (##151)',
    play: async (lab) => {
      const from = '+375290000462';
      const { customer, at150 } = await talkTo150(lab, from);
      await byKeys(lab, at150, '##', '151');
      const at151 = await picksUp(lab.phone151, 800);
      await pass(talkMs);
      await hangUp(customer, at151);
      return [
        handedOver(
          customer,
          { from, did },
          [lab.phone150, at150],
          [lab.phone151, at151],
          gave('blind', '150', '151', at151.at.started),
        ),
      ];
    },
  },
  {
    name: 'in_blind_external',
    what: '150 transfers the customer blind to an outside mobile',
    play: async (lab) => {
      const from = '+375290000463';
      const { customer, at150 } = await talkTo150(lab, from);
      const [courier] = await Promise.all([
        outsidePicksUp(lab.by, '+375290000763', 800),
        at150.transfer('80290000763'),
      ]);
      await pass(talkMs);
      await hangUp(customer, courier);
      return [
        inbound(customer, {
          from,
          did,
          talked: [
            ['150', at150.at.answered],
            ['+375290000763', courier.at.answered],
          ],
          rang: [rang(lab.phone150, at150, 'answered')],
          transfers: [gave('blind', '150', '+375290000763', at150.at.transferred)],
        }),
      ];
    },
  },
  {
    name: 'in_blind_busy',
    what: '150 transfers blind to 151, who is busy: the customer is lost',
    play: async (lab) => {
      const from = '+375290000464';
      const { customer, at150 } = await talkTo150(lab, from);
      const refuse = lab.phone151.agent.nextCall().then(async (call) => {
        await call.refuse(486);
        return call;
      });
      const [at151] = await Promise.all([refuse, at150.transfer('151')]);
      await customer.ended();
      return [
        inbound(customer, {
          from,
          did,
          talked: [['150', at150.at.answered]],
          rang: [rang(lab.phone150, at150, 'answered'), rang(lab.phone151, at151, 'busy')],
          transfers: [gave('blind', '150', '151', at150.at.transferred, 'busy')],
        }),
      ];
    },
  },
  {
    name: 'in_blind_noanswer',
    what: '150 transfers blind to 151, who does not answer; the customer gives up',
    play: async (lab) => {
      const from = '+375290000465';
      const { customer, at150 } = await talkTo150(lab, from);
      const [at151] = await Promise.all([rings(lab.phone151), at150.transfer('151')]);
      await pass(2500);
      await hangUp(customer, at151);
      return [
        inbound(customer, {
          from,
          did,
          talked: [['150', at150.at.answered]],
          rang: [rang(lab.phone150, at150, 'answered'), rang(lab.phone151, at151, 'cancelled')],
          transfers: [gave('blind', '150', '151', at150.at.transferred, 'cancelled')],
        }),
      ];
    },
  },
  {
    name: 'in_blind_chain',
    what: 'a chain of transfers: 150 to 151 to 152',
    play: async (lab) => {
      const from = '+375290000466';
      const { customer, at150 } = await talkTo150(lab, from);
      const [at151] = await Promise.all([picksUp(lab.phone151), at150.transfer('151')]);
      await pass(talkMs);
      const [at152] = await Promise.all([picksUp(lab.phone152), at151.transfer('152')]);
      await pass(talkMs);
      await hangUp(customer, at152);
      return [
        inbound(customer, {
          from,
          did,
          talked: [
            ['150', at150.at.answered],
            ['151', at151.at.answered],
            ['152', at152.at.answered],
          ],
          rang: [
            rang(lab.phone150, at150, 'answered'),
            rang(lab.phone151, at151, 'answered'),
            rang(lab.phone152, at152, 'answered'),
          ],
          transfers: [
            gave('blind', '150', '151', at150.at.transferred),
            gave('blind', '151', '152', at151.at.transferred),
          ],
        }),
      ];
    },
  },
  {
    name: 'in_blind_queue',
    what: '150 transfers to a queue; nobody in its first round, 152 answers in the second',
    play: async (lab) => {
      const from = '+375290000467';
      const { customer, at150 } = await talkTo150(lab, from);
      const others = [lab.phone151, lab.phone152];
      // 150 itself may be rung too, depending on how fast its own leg is gone: it lets it ring.
      const [first] = await Promise.all([
        Promise.all(others.map(async (phone) => ({ phone, call: await rings(phone) }))),
        at150.transfer('601'),
      ]);
      await Promise.all(first.map(({ call }) => call.ended()));
      const [again151, at152] = await Promise.all([rings(lab.phone151), picksUp(lab.phone152)]);
      await pass(talkMs);
      await hangUp(customer, at152);
      const own = lab.phone150.agent.calls.slice(1);
      // Between the two rounds: phones of one round are called together.
      const secondRound = (Math.max(...first.map(({ call }) => call.at.started)) + again151.at.started) / 2;
      return [
        inbound(customer, {
          from,
          did,
          talked: [
            ['150', at150.at.answered],
            ['152', at152.at.answered],
          ],
          rang: [
            rang(lab.phone150, at150, 'answered'),
            ...first.map(({ phone, call }) => rang(phone, call, 'no answer')),
            rang(lab.phone151, again151, 'answered elsewhere'),
            rang(lab.phone152, at152, 'answered'),
            ...own.map((call) =>
              rang(lab.phone150, call, call.at.started < secondRound ? 'no answer' : 'answered elsewhere'),
            ),
          ].sort((a, b) => a.at - b.at),
          transfers: [gave('blind', '150', '152', at150.at.transferred)],
        }),
      ];
    },
  },
  {
    name: 'in_attended_refer',
    what: 'attended transfer by the phone (REFER with Replaces): 150 consults 151, then connects',
    chansip: true,
    play: async (lab) => {
      const from = '+375290000468';
      const { customer, at150 } = await talkTo150(lab, from);
      await at150.hold();
      const consultation = await lab.phone150.agent.call('151');
      const at151 = await picksUp(lab.phone151);
      await consultation.answered();
      await pass(talkMs);
      const joined = Date.now();
      await at150.transferTo(consultation);
      await consultation.hangUp();
      await pass(talkMs);
      await hangUp(customer, at151);
      return [
        handedOver(
          customer,
          { from, did },
          [lab.phone150, at150],
          [lab.phone151, at151, joined],
          gave('attended', '150', '151', joined),
        ),
      ];
    },
  },
  {
    name: 'in_attended_ringing',
    what: 'attended transfer completed while 151 still rings',
    pjsipOnly: true,
    play: async (lab) => {
      const from = '+375290000469';
      const { customer, at150 } = await talkTo150(lab, from);
      await at150.hold();
      const consultation = await lab.phone150.agent.call('151');
      const at151 = await rings(lab.phone151);
      await consultation.ringing();
      await pass(700);
      await at150.transferTo(consultation);
      await pass(700);
      await at151.answer();
      await consultation.hangUp();
      await pass(talkMs);
      await hangUp(customer, at151);
      return [
        handedOver(
          customer,
          { from, did },
          [lab.phone150, at150],
          [lab.phone151, at151],
          gave('attended', '150', '151', at150.at.transferred),
        ),
      ];
    },
  },
  {
    name: 'in_attended_refused',
    what: 'attended transfer that fails: 151 declines, 150 takes the customer back',
    play: async (lab) => {
      const from = '+375290000470';
      const { customer, at150 } = await talkTo150(lab, from);
      await at150.hold();
      const consultation = await lab.phone150.agent.call('151');
      const at151 = await rings(lab.phone151);
      await pass(500);
      await at151.refuse(603);
      await consultation.ended();
      await at150.resume();
      await pass(talkMs);
      await hangUp(customer, at150);
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
    name: 'in_attended_dtmf',
    what: 'attended transfer by keys (*2): 150 consults 152 and hangs up',
    play: async (lab) => {
      const from = '+375290000471';
      const { customer, at150 } = await talkTo150(lab, from);
      const consulting = joins(lab, '152');
      await byKeys(lab, at150, '*2', '152');
      const at152 = await picksUp(lab.phone152, 800);
      await consulting;
      await pass(1500);
      await at150.hangUp();
      await pass(talkMs);
      await hangUp(customer, at152);
      return [
        handedOver(
          customer,
          { from, did },
          [lab.phone150, at150],
          [lab.phone152, at152, happened(at150.at.ended)],
          gave('attended', '150', '152', at150.at.ended),
        ),
      ];
    },
  },
  {
    name: 'out_blind_refer',
    what: '150 calls a customer and transfers her blind to 151',
    play: async (lab) => {
      const at150 = await lab.phone150.agent.call('80290000472');
      const customer = await outsidePicksUp(lab.by, '+375290000472');
      await at150.answered();
      await pass(talkMs);
      const [at151] = await Promise.all([picksUp(lab.phone151), at150.transfer('151')]);
      await pass(talkMs);
      await hangUp(customer, at151);
      return [
        outbound(at150, customer, {
          by: '150',
          dialled: '80290000472',
          to: '+375290000472',
          then: ['151'],
          rang: [rang(lab.phone151, at151, 'answered')],
          transfers: [gave('blind', '150', '151', at150.at.transferred)],
        }),
      ];
    },
  },
  {
    name: 'in_ami_redirect',
    what: "AMI Redirect of the customer's channel to 151: no transfer event at all",
    play: async (lab) => {
      const from = '+375290000473';
      const { customer, at150 } = await talkTo150(lab, from);
      const target = { Context: 'from-internal', Exten: '151', Priority: '1' };
      const moved = Date.now();
      await lab.asterisk.manager.action('Redirect', { Channel: channelOf(lab, 'provider-by'), ...target });
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
          gave('redirect', '150', '151', moved),
        ),
      ];
    },
  },
  {
    name: 'in_ami_blind',
    what: "AMI BlindTransfer of 150's channel to 151",
    play: async (lab) => {
      const from = '+375290000474';
      const { customer, at150 } = await talkTo150(lab, from);
      const target = { Context: 'from-internal', Exten: '151' };
      const moved = Date.now();
      await lab.asterisk.manager.action('BlindTransfer', { Channel: channelOf(lab, '150'), ...target });
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
    name: 'in_ami_atxfer',
    what: 'AMI Atxfer: 150 consults 152 and hangs up',
    play: async (lab) => {
      const from = '+375290000475';
      const { customer, at150 } = await talkTo150(lab, from);
      const target = { Context: 'from-internal', Exten: '152' };
      const consulting = joins(lab, '152');
      await lab.asterisk.manager.action('Atxfer', { Channel: channelOf(lab, '150'), ...target });
      const at152 = await picksUp(lab.phone152, 800);
      await consulting;
      await pass(1500);
      await at150.hangUp();
      await pass(talkMs);
      await hangUp(customer, at152);
      return [
        handedOver(
          customer,
          { from, did },
          [lab.phone150, at150],
          [lab.phone152, at152, happened(at150.at.ended)],
          gave('attended', '150', '152', at150.at.ended),
        ),
      ];
    },
  },
];
