/** "When an order comes to status X, call, pause or notify": once per change, and never minutes late. */
import { getEventListeners } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type OrderRuleRef, OrderRules, type RuleActions } from '../../src/customers/orderRules.ts';
import { notify } from '../../src/customers/notify.ts';
import { startSyncHarness, type SyncHarness, unpaced } from './syncHarness.ts';

let h: SyncHarness;
beforeAll(async () => {
  h = await startSyncHarness();
});
afterEach(() => h.reset());
afterAll(() => h.close());

const callBack: OrderRuleRef = { status: 'call-back', action: 'call', text: undefined };
const order = { customer: { id: 501 }, phone: '80290000101', managerId: 7, firstName: 'Anna', lastName: 'Lisitsa' };

/** A telephone that notes what it is asked to do. */
function telephone(): RuleActions & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    call: ({ extension, phone, order: number, requestId }) => {
      asked.push(`call ${phone} from ${extension} because of ${number}, ${requestId}`);
      return Promise.resolve({ done: true });
    },
    pause: ({ extension, user }) => {
      asked.push(`pause ${extension} of ${user}`);
      return Promise.resolve({ done: true });
    },
  };
}

const runs = async (): Promise<string[]> =>
  (await h.query('select action, state, note from order_rule_runs order by id')).map(({ action, state, note }) =>
    [action, state, note].flatMap((part) => (typeof part === 'string' ? part : [])).join(' '),
  );
const errands = (): Promise<Record<string, unknown>[]> =>
  h.query("select external_id, payload from outbox where kind = 'errand' order by id");

/** An order that waits in status `new`, known to us. */
async function waiting(over: Parameters<SyncHarness['sync']>[0] = {}): Promise<ReturnType<SyncHarness['sync']>> {
  const sync = h.sync(over);
  await sync.drain();
  await h.ui('orders', { order });
  await sync.drain();
  return sync;
}

test('call: the phone of the manager calls the customer, once', async () => {
  const actions = telephone();
  const sync = await waiting({ orderRules: [callBack], actions });
  await h.ui('orders/88', { order: { status: 'call-back' } });
  await sync.changed({ event: 'order.edit', id: 88 });
  for (let n = 0; n < 3; n += 1) await sync.drain();
  expect(actions.asked).toEqual(['call +375290000101 from 150 because of 88A, rule-2-call']);
  expect(await runs()).toEqual(['call done']);
  expect(h.lines).toContain('info: order 88A came to status call-back: call at extension 150 was begun');
});

test('pause: the queues of the manager', async () => {
  const actions = telephone();
  const sync = await waiting({ orderRules: [{ status: 'call-back', action: 'pause', text: undefined }], actions });
  await h.ui('orders/88', { order: { status: 'call-back' } });
  await sync.drain();
  expect(actions.asked).toEqual(['pause 150 of 7']);
});

test('notify: an errand with the words of the rule, sent at most once', async () => {
  const text = '{customer} wants a call: order {order}, {status}; {unknown}';
  const sync = await waiting({ orderRules: [{ status: 'call-back', action: 'notify', text }] });
  await h.ui('orders/88', { order: { status: 'call-back' } });
  await sync.drain();
  await sync.drain();
  const [errand, ...more] = await errands();
  expect(more).toEqual([]);
  const payload: unknown = JSON.parse(String(errand?.['payload']));
  expect(payload).toMatchObject({
    do: 'notify',
    userIds: [7],
    message: 'Anna Lisitsa wants a call: order 88A, Call back; {unknown}',
  });
  expect(h.told).toEqual(['errands']);

  const job = (first: boolean) => ({ payload: { ...(payload as object) }, begin: () => Promise.resolve(first) });
  await notify(h.client(), unpaced, job(true));
  await notify(h.client(), unpaced, job(false));
  await notify(h.client(), unpaced, { ...job(true), payload: { ...(payload as object), until: Date.now() - 1 } });
  expect(h.emulator.account().notifications).toHaveLength(1);
  expect(await notify(h.client(), unpaced, { ...job(true), payload: {} })).toMatchObject({ end: 'dead' });
});

test('each time the order comes to the status again', async () => {
  const actions = telephone();
  const sync = await waiting({ orderRules: [callBack], actions });
  for (const status of ['call-back', 'complete', 'call-back']) {
    await h.ui('orders/88', { order: { status } });
    await sync.drain();
  }
  expect(actions.asked).toHaveLength(2);
});

test('a call that was begun leaves nothing that waits for its end', async () => {
  const rounds = jest.spyOn(OrderRules.prototype, 'run');
  const sync = await waiting({ orderRules: [callBack], actions: telephone() });
  await h.ui('orders/88', { order: { status: 'call-back' } });
  await sync.drain();
  const signals = rounds.mock.calls.map(([, signal]) => signal);
  rounds.mockRestore();
  expect(signals.length).toBeGreaterThan(0);
  expect(signals.flatMap((signal) => getEventListeners(signal, 'abort'))).toEqual([]);
});

describe('it is not done', () => {
  test.each<{ words: string; over?: Record<string, unknown>; then?: string; late?: number; note: string }>([
    { words: 'three minutes late', late: 181_000, note: 'it is 181 s late' },
    { words: 'when the order has gone on', then: 'complete', note: 'the order has gone on to status complete' },
    { words: 'for an order without a manager', over: { managerId: undefined }, note: 'the order has no manager' },
    {
      words: 'for an order and a customer without a phone',
      over: { phone: undefined, customer: undefined },
      note: 'neither the order nor its customer has a phone',
    },
  ])('$words', async ({ over = {}, then, late = 0, note }) => {
    const actions = telephone();
    const first = h.sync({ orderRules: [callBack] });
    await first.drain();
    await h.ui('orders', { order: { ...order, ...over, status: 'call-back' } });
    if (then !== undefined) await h.ui('orders/88', { order: { status: then } });
    const at = (await h.query("select date_trunc('second', now()) as now"))[0]?.['now'] as Date;
    await h
      .sync({
        orderRules: [callBack],
        actions,
        ruleOptions: late === 0 ? {} : { now: () => at.getTime() + late + 1_000 },
      })
      .drain();
    expect(actions.asked).toEqual([]);
    const [run = ''] = await runs();
    expect(run.replace(/18\d s/, '181 s')).toBe(`call skipped ${note}`);
    expect(h.lines.some((line) => line.startsWith('info: order 88') && line.includes('call is skipped'))).toBe(true);
  });

  test('by a manager without an extension, and by a daemon that has no click-to-call', async () => {
    const actions = telephone();
    const sync = h.sync({ orderRules: [callBack], actions, ruleOptions: { extensionOfUser: () => undefined } });
    await sync.drain();
    await h.ui('orders', { order: { ...order, status: 'call-back' } });
    await sync.drain();
    await h.ui('orders', { order: { ...order, status: 'call-back' } });
    await h.sync({ orderRules: [callBack] }).drain();
    expect(await runs()).toEqual([
      'call skipped user 7 has no extension',
      'call skipped this daemon cannot call (see the configuration)',
    ]);
  });
});

test('without a phone on the order it is the first of the customer', async () => {
  const actions = telephone();
  const sync = await waiting({ orderRules: [callBack], actions });
  await h.ui('orders', { order: { customer: { id: 506 }, managerId: 9, status: 'call-back' } });
  await sync.drain();
  expect(actions.asked).toEqual(['call 8 (029) 000-01-70 from 152 because of 89A, rule-2-call']);
});

test('what failed is told, and not begun again', async () => {
  const call = (): Promise<{ done: false; why: string }> =>
    Promise.resolve({ done: false, why: 'the phone is not registered' });
  const sync = await waiting({ orderRules: [callBack], actions: { call } });
  await h.ui('orders/88', { order: { status: 'call-back' } });
  await sync.drain();
  await sync.drain();
  expect(await runs()).toEqual(['call failed the phone is not registered']);
  expect(h.lines).toContain(
    'warn: order 88A came to status call-back: call at extension 150 failed: the phone is not registered',
  );
});

describe('killed -9', () => {
  test('after the change was committed, before anything was done: the next process does it, once', async () => {
    // The history is applied, but the order cannot be read: nothing is begun.
    const sync = await waiting({ orderRules: [callBack], actions: telephone() });
    await h.ui('orders/88', { order: { status: 'call-back' } });
    const may = (credentials: string[] | undefined): void => {
      for (const key of h.emulator.account().keys) key.credentials = credentials;
    };
    may(['/api/customers/history', '/api/orders/history']);
    await sync.drain();
    await sync.stop();
    expect(await runs()).toEqual(['call pending']);
    may(undefined);
    const next = telephone();
    const other = telephone();
    await Promise.all([
      h.sync({ orderRules: [callBack], actions: next }).drain(),
      h.sync({ orderRules: [callBack], actions: other }).drain(),
    ]);
    await h.sync({ orderRules: [callBack], actions: next }).drain();
    expect([...next.asked, ...other.asked]).toHaveLength(1);
  });

  test('while the call is being begun: it is never begun again', async () => {
    let begun = 0;
    const call = (): Promise<never> => {
      begun += 1;
      return new Promise(() => undefined); // the process ends here
    };
    const sync = await waiting({ orderRules: [callBack] });
    await h.ui('orders/88', { order: { status: 'call-back' } });
    const dying = h.sync({ orderRules: [callBack], actions: { call } });
    dying.start();
    await h.until(() => begun === 1, 'the call is being begun');
    const next = telephone();
    await h.sync({ orderRules: [callBack], actions: next }).drain();
    expect(next.asked).toEqual([]);
    expect(await runs()).toEqual(['call started']);
    await sync.stop();
  });
});
