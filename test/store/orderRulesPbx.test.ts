/** Order rules on a scripted Asterisk: what goes out on the manager interface when an order comes to a status. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { ruleActions } from '../../src/crmSync.ts';
import { Actions, registerPhones } from './actionsHarness.ts';
import { startSyncHarness, type SyncHarness } from './syncHarness.ts';

let h: SyncHarness;
beforeAll(async () => {
  h = await startSyncHarness();
});
afterEach(() => h.reset());
afterAll(() => h.close());

const orderRules = [{ status: 'call-back', action: 'call', text: undefined }] as const;
const nobodyPauses = { pause: () => Promise.resolve('no such member') };

/** An order of this number comes to the status; the CRM's trigger tells of it three times. */
async function comes(shop: Actions, phone: string): Promise<string[]> {
  const sync = h.sync({ orderRules, actions: ruleActions(shop.actions.doors.makeCall, nobodyPauses) });
  await sync.drain();
  await h.ui('orders', { order: { managerId: 7, phone } });
  await h.ui('orders/88', { order: { status: 'call-back' } });
  for (let n = 0; n < 3; n += 1) {
    await sync.changed({ event: 'order.edit', id: 88 });
    await sync.drain();
  }
  return (await h.query('select state, note from order_rule_runs')).map(({ state, note }) =>
    [state, note].flatMap((part) => (typeof part === 'string' ? part : [])).join(': '),
  );
}

test("the manager's phone rings and calls the number of the order, once", async () => {
  const shop = await Actions.start(h.database);
  expect(await comes(shop, '8 (029) 111-22-33')).toEqual(['done']);
  expect(shop.written.map((one) => [one.action, one.get('Channel'), one.get('Exten')])).toEqual([
    ['Originate', 'PJSIP/150', '+375291112233'],
  ]);
  expect(await shop.rows('audit_log')).toMatchObject([{ who: '150', what: 'makecall', source: 'order rule' }]);
});

test.each([
  { words: 'a number that may not be called', phone: '+79161112233', phones: { 'PJSIP/150': 'NOT_INUSE' } },
  { words: 'a phone that is not registered', phone: '+375291112233', phones: { 'PJSIP/150': 'UNAVAILABLE' } },
])('$words: nothing is originated, and the log says why', async ({ phone, phones }) => {
  const shop = await Actions.start(h.database);
  registerPhones(shop.ami, phones);
  const [run = ''] = await comes(shop, phone);
  expect(run).toMatch(/^failed: \S/);
  expect(shop.written).toEqual([]);
  expect(
    h.lines.some((line) => line.startsWith('warn: order 88A came to status call-back: call at extension 150 failed')),
  ).toBe(true);
});

test('a pause that cannot be set is told with its reason', async () => {
  const actions = ruleActions(undefined, nobodyPauses);
  const sync = h.sync({ orderRules: [{ status: 'call-back', action: 'pause', text: undefined }], actions });
  await sync.drain();
  await h.ui('orders', { order: { managerId: 8, status: 'call-back' } });
  await sync.drain();
  expect(h.lines).toContain('warn: order 88A came to status call-back: pause at extension 151 failed: no such member');
});
