/** Calls that are taken elsewhere: forwards, follow-me, pickup, parking, conference, a listener. */
import { field, type Message } from '../lab/manager.ts';
import type { Call } from '../lab/sip/call.ts';
import { pass } from '../lab/wait.ts';
import { gave, inbound, rang, type Rang, type Scenario } from './expect.ts';
import { channelOf, customerCalls, dids, hangUp, outsidePicksUp, picksUp, rings, talkMs, talkTo150 } from './play.ts';

const did = '+375171234503';

export const elsewhereScenarios: Scenario[] = [
  {
    name: 'in_forward_302',
    what: "150's phone forwards to 151 by 302, 151 answers",
    chansip: true,
    play: async (lab) => {
      const from = '+375290000481';
      const customer = await customerCalls(lab, from, dids.direct150);
      const at150 = await lab.phone150.agent.nextCall();
      await at150.redirect('151');
      const at151 = await picksUp(lab.phone151);
      await pass(talkMs);
      await hangUp(customer, at151);
      const all = [rang(lab.phone150, at150, 'forwarded'), rang(lab.phone151, at151, 'answered')];
      return [inbound(customer, { from, did, talked: [['151', at151.at.answered]], rang: all })];
    },
  },
  {
    name: 'in_forward_302_external',
    what: "150's phone forwards to a mobile by 302: still one inbound call, no outgoing one",
    play: async (lab) => {
      const from = '+375290000482';
      const customer = await customerCalls(lab, from, dids.direct150);
      const at150 = await lab.phone150.agent.nextCall();
      await at150.redirect('80290000782');
      const mobile = await outsidePicksUp(lab.by, '+375290000782');
      await pass(talkMs);
      await hangUp(customer, mobile);
      const all = [rang(lab.phone150, at150, 'forwarded')];
      return [inbound(customer, { from, did, talked: [['+375290000782', mobile.at.answered]], rang: all })];
    },
  },
  {
    name: 'in_forward_external',
    what: "the dial plan forwards 150 to the employee's mobile",
    play: async (lab) => {
      const from = '+375290000483';
      await lab.asterisk.command('database put CF 150 80290000783');
      const customer = await customerCalls(lab, from, dids.direct150);
      const mobile = await outsidePicksUp(lab.by, '+375290000783');
      await pass(talkMs);
      await hangUp(customer, mobile);
      return [inbound(customer, { from, did, talked: [['+375290000783', mobile.at.answered]] })];
    },
  },
  {
    name: 'in_follow_me',
    what: "150 and the employee's mobile ring together, the mobile answers",
    play: async (lab) => {
      const from = '+375290000484';
      const customer = await customerCalls(lab, from, dids.followMe);
      const [at150, mobile] = await Promise.all([rings(lab.phone150), outsidePicksUp(lab.by, '+375290000309', 900)]);
      await pass(talkMs);
      await hangUp(customer, mobile);
      const all = [rang(lab.phone150, at150, 'answered elsewhere')];
      return [
        inbound(customer, { from, did: '+375171234509', talked: [['+375290000309', mobile.at.answered]], rang: all }),
      ];
    },
  },
  {
    name: 'in_forward_loop',
    what: 'two phones forward to each other by 302: a burst of channels, one missed call',
    play: async (lab) => {
      const from = '+375290000485';
      const customer = await customerCalls(lab, from, dids.direct150);
      const over = customer.ended();
      const forwards = async (phone: typeof lab.phone150, to: string): Promise<void> => {
        for (;;) {
          const call = await Promise.race([phone.agent.nextCall(), over]);
          if (call === undefined) return;
          await Promise.race([call.redirect(to), call.ended()]);
        }
      };
      await Promise.all([forwards(lab.phone150, '151'), forwards(lab.phone151, '150')]);
      const all: Rang[] = [lab.phone150, lab.phone151]
        .flatMap((phone) => phone.agent.calls.map((call) => rang(phone, call, 'forwarded')))
        .sort((a, b) => a.at - b.at);
      const story = { from, did, detail: 'forwarding loop', alternatives: ['failed', 'busy'] };
      return [inbound(customer, { ...story, rang: all })];
    },
  },
  {
    name: 'in_pickup',
    what: '150 rings, 151 picks the call up by *8',
    chansip: true,
    play: async (lab) => {
      const from = '+375290000486';
      const customer = await customerCalls(lab, from, dids.direct150);
      const at150 = await rings(lab.phone150);
      await customer.ringing();
      await pass(900);
      const picked = await lab.phone151.agent.call('*8');
      await Promise.all([picked.answered(), at150.ended(), customer.answered()]);
      await pass(talkMs);
      await hangUp(customer, picked);
      const all = [rang(lab.phone150, at150, 'answered elsewhere')];
      return [inbound(customer, { from, did, talked: [['151', picked.at.answered]], rang: all })];
    },
  },
  {
    name: 'in_pickup_directed',
    what: "150 rings, 152 picks up 150's call by **150",
    play: async (lab) => {
      const from = '+375290000487';
      const customer = await customerCalls(lab, from, dids.direct150);
      const at150 = await rings(lab.phone150);
      await customer.ringing();
      await pass(900);
      const picked = await lab.phone152.agent.call('**150');
      await Promise.all([picked.answered(), at150.ended(), customer.answered()]);
      await pass(talkMs);
      await hangUp(picked, customer);
      const all = [rang(lab.phone150, at150, 'answered elsewhere')];
      return [inbound(customer, { from, did, talked: [['152', picked.at.answered]], rang: all })];
    },
  },
  {
    name: 'in_park_retrieve',
    what: '150 parks the customer, 151 takes him from slot 701',
    play: async (lab) => {
      const from = '+375290000488';
      const { customer, at150 } = await talkTo150(lab, from);
      const parked = lab.asterisk.manager.nextEvent('ParkedCall');
      await Promise.all([parked, at150.transfer('700')]);
      await pass(1500);
      const at151 = await lab.phone151.agent.call('701');
      await at151.answered();
      await pass(talkMs);
      await hangUp(customer, at151);
      return [
        inbound(customer, {
          from,
          did,
          talked: [
            ['150', at150.at.answered],
            ['151', at151.at.answered],
          ],
          rang: [rang(lab.phone150, at150, 'answered')],
          transfers: [gave('park', '150', '151', at150.at.transferred)],
        }),
      ];
    },
  },
  {
    name: 'in_park_timeout',
    what: 'nobody takes the parked customer: after 6 s 150 rings and answers',
    play: async (lab) => {
      const from = '+375290000489';
      const { customer, at150 } = await talkTo150(lab, from);
      const parked = lab.asterisk.manager.nextEvent('ParkedCall');
      await Promise.all([parked, at150.transfer('750')]);
      const back = await picksUp(lab.phone150);
      await pass(talkMs);
      await hangUp(customer, back);
      return [
        inbound(customer, {
          from,
          did,
          talked: [
            ['150', at150.at.answered],
            ['150', back.at.answered],
          ],
          rang: [rang(lab.phone150, at150, 'answered'), rang(lab.phone150, back, 'answered')],
          transfers: [gave('park', '150', '150', at150.at.transferred)],
        }),
      ];
    },
  },
  {
    name: 'in_two_parked',
    what: 'two customers parked in one lot: they share a bridge and do not talk to each other',
    play: async (lab) => {
      const { manager } = lab.asterisk;
      const parking: Promise<number>[] = [];
      const numbers = ['+375290000490', '+375290000491'] as const;
      const park = async (from: string): Promise<{ customer: Call; at150: Call }> => {
        const legs = await talkTo150(lab, from);
        const parked = manager.nextEvent('ParkedCall');
        // The parker's own leg hears the slot read out for 3 s: the next customer does not wait for that.
        const given = legs.at150.transfer('700');
        given.catch(() => undefined);
        parking.push(given);
        await parked;
        return legs;
      };
      const first = await park(numbers[0]);
      const second = await park(numbers[1]);
      const at151 = await lab.phone151.agent.call('701');
      const at152 = await lab.phone152.agent.call('702');
      await Promise.all([at151.answered(), at152.answered(), ...parking]);
      await pass(talkMs);
      await hangUp(first.customer, at151);
      await hangUp(second.customer, at152);
      const told = (from: string, legs: typeof first, ext: string, taken: Call): ReturnType<typeof inbound> =>
        inbound(legs.customer, {
          from,
          did,
          talked: [
            ['150', legs.at150.at.answered],
            [ext, taken.at.answered],
          ],
          rang: [rang(lab.phone150, legs.at150, 'answered')],
          transfers: [gave('park', '150', ext, legs.at150.at.transferred)],
        });
      return [told(numbers[0], first, '151', at151), told(numbers[1], second, '152', at152)];
    },
  },
  {
    name: 'in_conference',
    what: '151 waits in a conference, 150 transfers the customer into it, 152 joins them',
    play: async (lab) => {
      const from = '+375290000492';
      const inRoom = (endpoint: string): Promise<Message> =>
        lab.asterisk.manager.event('ConfbridgeJoin', (message) => field(message, 'Channel').includes(`/${endpoint}-`));
      const at151 = await lab.phone151.agent.call('8001');
      await inRoom('151');
      const { customer, at150 } = await talkTo150(lab, from);
      const [joined] = await Promise.all([inRoom('provider-by'), at150.transfer('8001')]);
      const at152 = await lab.phone152.agent.call('8001');
      await Promise.all([at152.answered(), inRoom('152')]);
      await pass(talkMs);
      await customer.hangUp();
      await at152.hangUp();
      await at151.hangUp();
      return [
        inbound(customer, {
          from,
          did,
          talked: [
            ['150', at150.at.answered],
            ['151', joined.at],
            ['152', at152.at.answered],
          ],
          rang: [rang(lab.phone150, at150, 'answered')],
          transfers: [gave('blind', '150', '151', at150.at.transferred)],
        }),
      ];
    },
  },
  {
    name: 'monitor_chanspy',
    what: 'a supervisor (152) listens to a running call: she is no party of it',
    play: async (lab) => {
      const from = '+375290000493';
      const { customer, at150 } = await talkTo150(lab, from);
      const { asterisk } = lab;
      await asterisk.manager.action('Originate', {
        Async: 'true',
        Channel: asterisk.driver === 'pjsip' ? 'PJSIP/152' : 'SIP/152',
        Application: 'ChanSpy',
        Data: `${channelOf(lab, '150')},qEb`,
        CallerID: '"Monitor" <152>',
      });
      const spy = await picksUp(lab.phone152, 300);
      await asterisk.manager.event('ChanSpyStart', () => true);
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
];
