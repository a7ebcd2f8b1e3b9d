/** Order rules: an order comes to a status in the CRM, and something happens at the telephone, once. */
import { SAME_CLICK_MS } from '../../../src/actions/clicks.ts';
import type { Lab } from '../lab/lab.ts';
import { field } from '../lab/manager.ts';
import { pass } from '../lab/wait.ts';
import { account, answers, crmShows, daemonOf, inQueues, pauses, until } from './ask.ts';
import { outbound, rang, type Scenario } from './expect.ts';
import { dials, hangUp, outsidePicksUp, picksUp } from './play.ts';

/** Somebody works with an order in the CRM's pages; its id. */
async function inCrm(lab: Lab, order: Readonly<Record<string, unknown>>, id?: number): Promise<number> {
  const url = `${daemonOf(lab).crm.url}/__emu/ui/orders${id === undefined ? '' : `/${id}`}`;
  const reply = await fetch(url, { method: 'POST', body: JSON.stringify({ order }) });
  const saved: unknown = await reply.json();
  if (typeof saved === 'object' && saved !== null && 'id' in saved && typeof saved.id === 'number') return saved.id;
  throw new Error(`the CRM did not save the order: ${JSON.stringify(saved)}`);
}

/** The CRM's trigger fires as often; the daemon has taken each. */
async function trigger(lab: Lab, order: number, times: number): Promise<void> {
  const replies = await Promise.all(Array.from({ length: times }, () => daemonOf(lab).hint(order)));
  for (const reply of replies) answers(reply, 200);
}

/** The trigger fires again, and the daemon has read the order and been through its rules once more. */
async function triggerAgain(lab: Lab, order: number): Promise<void> {
  const { crm } = daemonOf(lab);
  const reads = (): number => crm.requests().filter(({ path }) => path === '/api/v5/orders').length;
  // One round follows the other: when the second has begun to read, the first is over.
  for (const round of ['first', 'second']) {
    const before = reads();
    await trigger(lab, order, 1);
    await until(`the daemon reads the order for the ${round} time`, () => reads() > before);
  }
}

export const orderScenarios: Scenario[] = [
  {
    name: 'order_call',
    what: "an order comes to a status: its manager's phone rings, then the customer's; the trigger says so four times",
    daemonOnly: true,
    chansip: true,
    play: async (lab) => {
      const to = '+375290000801';
      const order = await inCrm(lab, { managerId: 5, firstName: 'Rita', phone: '8 (029) 000-08-01' });
      await inCrm(lab, { status: 'call-back' }, order);
      await trigger(lab, order, 2);
      const phone = await picksUp(lab.phone150, 500);
      if (!phone.remoteParty.includes(to)) throw new Error(`the phone shows ${phone.remoteParty}, not ${to}`);
      const customer = await outsidePicksUp(lab.by, to, 500);
      // They talk until a second click with this number would be a new one.
      await pass(SAME_CLICK_MS + 500);
      await triggerAgain(lab, order);
      await hangUp(customer, phone);
      const legs = [lab.phone150.agent.calls.length, lab.by.calls.length].join();
      if (legs !== '1,1') throw new Error(`${legs} calls at manager and customer, there was one`);
      // The record has the click's name: it is looked for under the id of this channel.
      const channels = lab.asterisk.manager.events.filter(({ event }) => event === 'Newchannel');
      const [id = ''] = channels.map((message) => field(message, 'Uniqueid'));
      if (!id.startsWith('crm-')) throw new Error(`the call began as ${id}, that is no click`);
      const all = [rang(lab.phone150, phone, 'answered')];
      return [outbound(phone, customer, { by: '150', dialled: to, to, rang: all })];
    },
  },
  {
    name: 'order_pause',
    what: 'an order comes to a status: its manager is paused in her queues, and once she is back she stays back',
    daemonOnly: true,
    play: async (lab) => {
      const order = await inCrm(lab, { managerId: 6, firstName: 'Rita', phone: '+375290000802' });
      await inCrm(lab, { status: 'complete' }, order);
      await trigger(lab, order, 2);
      await inQueues(lab, '151', 'paused busy');
      await crmShows(lab, 6, 'busy');
      await dials(lab.phone151, '*47');
      await crmShows(lab, 6, 'free');
      await triggerAgain(lab, order);
      await inQueues(lab, '151', 'free');
      const others = pauses(lab, '150') + pauses(lab, '152');
      if (pauses(lab, '151', true) !== 2 || others !== 0)
        throw new Error(`paused ${pauses(lab, '151', true)} times in two queues, and ${others} times somebody else`);
      return [];
    },
  },
  {
    name: 'order_notify',
    what: 'an order comes to a status while the daemon is dead: its manager is notified when it is back, without a trigger',
    daemonOnly: true,
    play: async (lab) => {
      const daemon = daemonOf(lab);
      const order = await inCrm(lab, { managerId: 7, firstName: 'Rita', lastName: 'Zimina' });
      // It has looked at the histories once: what comes from now on is news.
      await triggerAgain(lab, order);
      await daemon.kill();
      await inCrm(lab, { status: 'cancel-other' }, order);
      await daemon.restart();
      const sent = (): string[] => account(lab).notifications.map((one) => JSON.stringify(one));
      await until('the manager is notified', () => sent().length > 0);
      await triggerAgain(lab, order);
      const [first = '', ...more] = sent();
      const wanted = [
        '"userIds":[7]',
        `Rita Zimina cancelled order ${account(lab).orders.get(order)?.number} (Cancelled)`,
      ];
      const missing = wanted.filter((words) => !first.includes(words));
      if (missing.length > 0 || more.length > 0)
        throw new Error(`${1 + more.length} notifications, the first without ${missing.join(', ')}: ${first}`);
      return [];
    },
  },
];
