/** Clicks on a number in the CRM: the daemon is asked over HTTP and asks Asterisk; the phones tell what came of it. */
import type { Lab } from '../lab/lab.ts';
import type { Call } from '../lab/sip/call.ts';
import { pass } from '../lab/wait.ts';
import { answers, daemonOf, knows, until } from './ask.ts';
import { type ExpectedCall, outbound, rang, type Scenario } from './expect.ts';
import { hangUp, outsidePicksUp, picksUp, rings, talkMs } from './play.ts';

/** User of 150 in the lab's CRM. */
const user150 = 5;

/** Each driver's way to put a header into the employee's INVITE, as docs/click-to-call.md has it. */
const autoAnswer = {
  pjsip: {
    ...{ name: 'Alert-Info', value: '<http://pbx.example>;info=alert-autoanswer' },
    setting: { variable: 'PJSIP_HEADER(add,Alert-Info)', value: '<http://pbx.example>;info=alert-autoanswer' },
  },
  sip: {
    ...{ name: 'Call-Info', value: '<sip:pbx.example>;answer-after=0' },
    setting: { variable: 'SIPADDHEADER51', value: 'Call-Info: <sip:pbx.example>;answer-after=0' },
  },
};

/** What 150's phone shows must hold all of this. */
function shows(phone: Call, ...words: string[]): void {
  const missing = words.filter((word) => !phone.remoteParty.includes(word));
  if (missing.length > 0) throw new Error(`the phone shows ${phone.remoteParty}, not ${missing.join(', ')}`);
}

function clicked(
  lab: Lab,
  phone: Call,
  customer: Call | undefined,
  to: string,
  more: Partial<ExpectedCall>,
): ExpectedCall {
  const all = [rang(lab.phone150, phone, 'answered')];
  const call = outbound(phone, customer, { by: '150', dialled: to, to, rang: all });
  return { ...call, ...more };
}

export const clickScenarios: Scenario[] = [
  {
    name: 'crm_click',
    what: "a click in the CRM: 150's phone rings and shows the customer by name; both answer",
    daemonOnly: true,
    chansip: true,
    play: async (lab) => {
      const to = '+375290000101';
      // A click waits a tenth of a second for the name, and no longer.
      await knows(daemonOf(lab), to, '152');
      answers(await daemonOf(lab).click(user150, '8 (029) 000-01-01'), 200);
      const phone = await rings(lab.phone150);
      shows(phone, to, 'Anna Lisitsa');
      await pass(500);
      await phone.answer();
      const customer = await outsidePicksUp(lab.by, to, 800);
      await pass(talkMs);
      await hangUp(customer, phone);
      return [clicked(lab, phone, customer, to, {})];
    },
  },
  {
    name: 'crm_click_auto_answer',
    what: "150's phone is told to answer a click by itself; the customer's is not",
    daemonOnly: true,
    chansip: true,
    click: (driver) => ({ auto_answer: autoAnswer[driver].setting }),
    play: async (lab) => {
      const to = '+375290000608';
      const { name, value } = autoAnswer[lab.asterisk.driver];
      answers(await daemonOf(lab).click(user150, to), 200);
      const phone = await lab.phone150.agent.nextCall();
      if (phone.header(name) !== value) throw new Error(`150's INVITE has ${name}: ${phone.header(name)}`);
      await phone.answer();
      const customer = await outsidePicksUp(lab.by, to, 300);
      if (customer.header(name) !== undefined) throw new Error(`the customer's INVITE has ${name}, too`);
      await pass(talkMs);
      await hangUp(customer, phone);
      return [clicked(lab, phone, customer, to, {})];
    },
  },
  {
    name: 'crm_click_twice',
    what: 'the same click three times within a second: one call',
    daemonOnly: true,
    play: async (lab) => {
      const to = '+375290000602';
      const daemon = daemonOf(lab);
      const replies = await Promise.all([daemon.click(user150, to), daemon.click(user150, '80290000602')]);
      for (const reply of replies) answers(reply, 200);
      // Within the time in which it is the same click.
      answers(await daemon.api('makecallexternal', { code: '150', phone: to }), 200, '"repeated":true');
      const phone = await rings(lab.phone150);
      await phone.answer();
      const customer = await outsidePicksUp(lab.by, to, 300);
      await pass(talkMs);
      await hangUp(phone, customer);
      return [clicked(lab, phone, customer, to, {})];
    },
  },
  {
    name: 'crm_click_declined',
    what: 'a click, and the employee declines: nothing for the CRM',
    daemonOnly: true,
    play: async (lab) => {
      const to = '+375290000603';
      answers(await daemonOf(lab).click(user150, to), 200);
      const phone = await rings(lab.phone150);
      await pass(500);
      await phone.refuse(603);
      return [clicked(lab, phone, undefined, to, unlogged([rang(lab.phone150, phone, 'declined')]))];
    },
  },
  {
    name: 'crm_click_noanswer',
    what: 'a click, and the employee does not pick up: nothing for the CRM',
    daemonOnly: true,
    play: async (lab) => {
      const to = '+375290000604';
      answers(await daemonOf(lab).click(user150, to), 200);
      const phone = await rings(lab.phone150);
      await phone.ended();
      return [clicked(lab, phone, undefined, to, unlogged([rang(lab.phone150, phone, 'no answer')]))];
    },
  },
  {
    name: 'crm_click_busy',
    what: 'a click, the employee answers, the customer is busy',
    daemonOnly: true,
    chansip: true,
    play: async (lab) => {
      const to = '+375290000605';
      answers(await daemonOf(lab).click(user150, to), 200);
      const phone = await picksUp(lab.phone150);
      const customer = await lab.by.nextCall(to);
      await customer.refuse(486);
      await phone.ended();
      return [clicked(lab, phone, customer, to, { result: 'busy' })];
    },
  },
  {
    name: 'crm_click_not_possible',
    what: 'clicks that cannot be: phone not registered, number not allowed, nobody with that code',
    daemonOnly: true,
    chansip: true,
    play: async (lab) => {
      const daemon = daemonOf(lab);
      const click = (code: string, phone: string) => daemon.api('makecallexternal', { code, phone });
      await lab.phone151.registered(false);
      answers(await click('151', '+375290000606'), 409, 'not_registered');
      answers(await click('150', '+4420794601234'.slice(0, 13)), 403, 'not_allowed');
      answers(await click('150', '112'), 403, 'not_allowed');
      answers(await click('199', '+375290000606'), 404, 'unknown_extension');
      answers(await click('150', '+375290000606,1'), 400);
      await lab.phone151.registered(true);
      answers(await click('151', '+375290000606'), 200);
      const phone = await picksUp(lab.phone151, 300);
      const customer = await outsidePicksUp(lab.by, '+375290000606', 300);
      await pass(talkMs);
      await hangUp(phone, customer);
      const all = [rang(lab.phone151, phone, 'answered')];
      return [outbound(phone, customer, { by: '151', dialled: '+375290000606', to: '+375290000606', rang: all })];
    },
  },
  {
    name: 'crm_click_killed',
    what: 'the daemon is killed while the phone of a click rings: it rings once, the call is told',
    daemonOnly: true,
    click: () => ({ timeout_seconds: 50 }),
    play: async (lab) => {
      const to = '+375290000607';
      const daemon = daemonOf(lab);
      // With an id of its own the click is known however long the daemon was away.
      const click = { code: '150', phone: to, requestId: 'order-55' };
      const again = (): ReturnType<typeof daemon.api> => daemon.api('makecallexternal', click);
      answers(await again(), 200);
      const phone = await rings(lab.phone150);
      await daemon.kill();
      await daemon.restart();
      // That it was begun is written a moment after the answer: killed before, the ringing phone tells it.
      await until('the click is known as begun', async () => (await again()).body.includes('"repeated":true'));
      await phone.answer();
      const customer = await outsidePicksUp(lab.by, to, 300);
      await pass(talkMs);
      await hangUp(customer, phone);
      return [clicked(lab, phone, customer, to, {})];
    },
  },
];

/** A call nobody answered at 150: the customer was never dialled. */
function unlogged(all: ExpectedCall['rang']): Partial<ExpectedCall> {
  return { logToCrm: false, externalPhone: null, rang: all };
}
