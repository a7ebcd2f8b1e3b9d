/** Customers call: one phone, several phones, IVR, voice mail, nobody. */
import { pass } from '../lab/wait.ts';
import { inbound, rang, type Scenario } from './expect.ts';
import { customerCalls, dids, hangUp, picksUp, rings, talkMs } from './play.ts';

export const inboundScenarios: Scenario[] = [
  {
    name: 'in_direct_answer',
    what: 'a DID straight to 150, who answers; the customer hangs up',
    chansip: true,
    play: async (lab) => {
      const from = '+375290000401';
      const customer = await customerCalls(lab, from, dids.direct150, { name: 'Test Customer' });
      const phone = await picksUp(lab.phone150, 1000);
      await pass(2000);
      await hangUp(customer, phone);
      const talked: [string, number | undefined][] = [['150', phone.at.answered]];
      return [
        inbound(customer, {
          from,
          name: 'Test Customer',
          did: '+375171234503',
          talked,
          rang: [rang(lab.phone150, phone, 'answered')],
        }),
      ];
    },
  },
  {
    name: 'in_direct_agent_hangup',
    what: 'the same, but the employee hangs up first',
    play: async (lab) => {
      const from = '+375290000402';
      const customer = await customerCalls(lab, from, dids.direct150);
      const phone = await picksUp(lab.phone150);
      await pass(talkMs);
      await hangUp(phone, customer);
      return [
        inbound(customer, {
          from,
          did: '+375171234503',
          talked: [['150', phone.at.answered]],
          rang: [rang(lab.phone150, phone, 'answered')],
        }),
      ];
    },
  },
  {
    name: 'in_direct_abandon',
    what: 'the customer gives up while 150 rings',
    chansip: true,
    play: async (lab) => {
      const from = '+375290000403';
      const customer = await customerCalls(lab, from, dids.direct150);
      const phone = await rings(lab.phone150);
      await customer.ringing();
      await pass(1500);
      await hangUp(customer, phone);
      return [
        inbound(customer, {
          from,
          did: '+375171234503',
          detail: 'abandoned',
          rang: [rang(lab.phone150, phone, 'cancelled')],
        }),
      ];
    },
  },
  {
    name: 'in_direct_busy',
    what: '150 is busy (486)',
    chansip: true,
    play: async (lab) => {
      const from = '+375290000404';
      const customer = await customerCalls(lab, from, dids.direct150);
      const phone = await lab.phone150.agent.nextCall();
      await phone.refuse(486);
      await customer.ended();
      return [
        inbound(customer, { from, did: '+375171234503', result: 'busy', rang: [rang(lab.phone150, phone, 'busy')] }),
      ];
    },
  },
  {
    name: 'in_direct_declined',
    what: '150 rings and declines (603)',
    play: async (lab) => {
      const from = '+375290000405';
      const customer = await customerCalls(lab, from, dids.direct150);
      const phone = await rings(lab.phone150);
      await pass(700);
      await phone.refuse(603);
      await customer.ended();
      // In the stream 603 and 403 look alike in 16, hence the choice.
      const story = { from, did: '+375171234503', result: 'no answer' as const, alternatives: ['failed', 'busy'] };
      return [inbound(customer, { ...story, rang: [rang(lab.phone150, phone, 'declined')] })];
    },
  },
  {
    name: 'in_direct_noanswer',
    what: '150 rings 8 s, nobody answers, the PBX hangs up',
    play: async (lab) => {
      const from = '+375290000406';
      const customer = await customerCalls(lab, from, dids.direct150);
      const phone = await rings(lab.phone150);
      await customer.ended();
      return [
        inbound(customer, {
          from,
          did: '+375171234503',
          detail: 'ring timeout',
          rang: [rang(lab.phone150, phone, 'no answer')],
        }),
      ];
    },
  },
  {
    name: 'in_ringgroup',
    what: '150 and 151 ring together, 151 answers, 150 stops ringing',
    chansip: true,
    play: async (lab) => {
      const from = '+375290000407';
      const customer = await customerCalls(lab, from, dids.ringGroup);
      const [loser, winner] = await Promise.all([rings(lab.phone150), picksUp(lab.phone151, 900)]);
      await loser.ended();
      await pass(talkMs);
      await hangUp(customer, winner);
      const rings2 = [rang(lab.phone150, loser, 'answered elsewhere'), rang(lab.phone151, winner, 'answered')];
      return [inbound(customer, { from, did: '+375171234504', talked: [['151', winner.at.answered]], rang: rings2 })];
    },
  },
  {
    name: 'in_hunt',
    what: 'hunt: 150 does not answer for 3 s, 151 is busy, 152 answers',
    play: async (lab) => {
      const from = '+375290000408';
      const customer = await customerCalls(lab, from, dids.hunt);
      const first = await rings(lab.phone150);
      const second = await lab.phone151.agent.nextCall();
      await second.refuse(486);
      const third = await picksUp(lab.phone152);
      await pass(talkMs);
      await hangUp(customer, third);
      const all = [
        rang(lab.phone150, first, 'no answer'),
        rang(lab.phone151, second, 'busy'),
        rang(lab.phone152, third, 'answered'),
      ];
      return [inbound(customer, { from, did: '+375171234506', talked: [['152', third.at.answered]], rang: all })];
    },
  },
  {
    name: 'in_ivr',
    what: 'IVR: the customer presses 1, a ring group rings, 150 answers',
    play: async (lab) => {
      const from = '+375290000409';
      const customer = await customerCalls(lab, from, dids.ivr);
      await customer.answered();
      await lab.asterisk.manager.event('Newexten', ({ fields }) => fields.get('Application') === 'BackGround');
      await pass(400);
      await customer.press('1');
      const [winner, loser] = await Promise.all([picksUp(lab.phone150), rings(lab.phone151)]);
      await pass(talkMs);
      await hangUp(customer, winner);
      const all = [rang(lab.phone150, winner, 'answered'), rang(lab.phone151, loser, 'answered elsewhere')];
      return [inbound(customer, { from, did: '+375171234502', talked: [['150', winner.at.answered]], rang: all })];
    },
  },
  {
    name: 'in_ivr_abandon',
    what: 'the customer hangs up in the IVR',
    play: async (lab) => {
      const from = '+375290000410';
      const customer = await customerCalls(lab, from, dids.ivr);
      await customer.answered();
      await pass(1500);
      await customer.hangUp();
      return [inbound(customer, { from, did: '+375171234502', detail: 'IVR only' })];
    },
  },
  {
    name: 'in_voicemail',
    what: '150 does not answer for 4 s, the customer leaves a voice mail',
    play: async (lab) => {
      const from = '+375290000411';
      const customer = await customerCalls(lab, from, dids.voicemail);
      const phone = await rings(lab.phone150);
      await customer.answered();
      await pass(3500);
      await customer.hangUp();
      return [
        inbound(customer, {
          from,
          did: '+375171234505',
          detail: 'voicemail',
          rang: [rang(lab.phone150, phone, 'no answer')],
        }),
      ];
    },
  },
  {
    name: 'in_off_hours',
    what: 'closed: an announcement, nobody rings',
    play: async (lab) => {
      const from = '+375290000412';
      const customer = await customerCalls(lab, from, dids.offHours);
      await customer.answered();
      await customer.ended();
      return [inbound(customer, { from, did: '+375171234510', detail: 'off hours' })];
    },
  },
  {
    name: 'in_two_devices',
    what: '152 has two devices, both ring, one answers',
    pjsipOnly: true,
    play: async (lab) => {
      const from = '+375290000413';
      const second = await lab.secondDevice('152', 162);
      const customer = await customerCalls(lab, from, dids.twoDevices);
      const [loser, winner] = await Promise.all([rings(lab.phone152), picksUp(second, 800)]);
      await pass(talkMs);
      await hangUp(customer, winner);
      const all = [rang(lab.phone152, loser, 'answered elsewhere'), rang(second, winner, 'answered')];
      return [inbound(customer, { from, did: '+375171234512', talked: [['152', winner.at.answered]], rang: all })];
    },
  },
  {
    name: 'in_hold',
    what: '150 puts the customer on hold and takes him back',
    chansip: true,
    play: async (lab) => {
      const from = '+375290000414';
      const customer = await customerCalls(lab, from, dids.direct150);
      const phone = await picksUp(lab.phone150);
      await pass(talkMs);
      await phone.hold();
      await pass(1500);
      await phone.resume();
      await pass(talkMs);
      await hangUp(customer, phone);
      return [
        inbound(customer, {
          from,
          did: '+375171234503',
          talked: [['150', phone.at.answered]],
          rang: [rang(lab.phone150, phone, 'answered')],
        }),
      ];
    },
  },
];
