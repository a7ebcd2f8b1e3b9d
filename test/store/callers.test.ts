/** Look-ups beside calls: popups do not wait for them, and a missed call belongs to the customer's manager. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { HostEvent } from '../../src/calls/events.ts';
import { nationalDigits } from '../../src/config/phones.ts';
import { Customers } from '../../src/customers/customers.ts';
import type { Found } from '../../src/customers/found.ts';
import { type AccountPacers, accountPacers, Pacer } from '../../src/delivery/pacer.ts';
import { Intake } from '../../src/intake.ts';
import { silentLog } from '../../src/log.ts';
import { planSettings } from '../../src/planSettings.ts';
import { add as addCard } from '../../src/sandbox/customers.ts';
import { capture, eventsOf, example } from '../support/callsCaptures.ts';
import { Script } from '../support/callsScript.ts';
import { type Harness, startHarness } from './deliveryHarness.ts';

let h: Harness;
const ending: (() => Promise<void>)[] = [];
/** Of the demo shop: her manager is user 7. */
const anna = '+375290000101';

beforeAll(async () => {
  h = await startHarness();
});
afterEach(async () => {
  for (const end of ending.splice(0)) await end();
  await h.database.query('truncate retailcrm_customers, calls, drops');
  await h.reset();
});
afterAll(() => h.close());

/** A cache and an intake of host pbx1 as the daemon joins them. */
function daemon(
  paces: AccountPacers = { telephony: new Pacer({ intervalMs: 1 }), general: new Pacer({ intervalMs: 1 }) },
) {
  const { enterprise, host, rules } = example();
  const customers = new Customers({
    db: h.database.db,
    client: h.client(),
    paces,
    enterpriseNumber: '7',
    numbering: { normalise: (raw) => raw, national: nationalDigits },
    extensionOf: ({ id }) => (id === 7 ? '157' : undefined),
    enabled: true,
    freshMs: 3_600_000,
    missMs: 60_000,
    log: silentLog,
  });
  const settings = planSettings(enterprise, host, rules, 'Europe/Minsk', customers);
  const worker = h.worker({ pacers: paces });
  const intake = new Intake({
    enterprise: 'acme',
    host: 'pbx1',
    account: 'demo',
    rules,
    settings: () => settings,
    db: h.database.db,
    log: silentLog,
    onCommitted: (kinds) => worker.wake(kinds),
    expect: (phone) => customers.expect(phone),
    commitMs: 1,
  });
  ending.push(
    () => intake.stop(),
    () => worker.stop(),
    () => customers.stop(),
  ); // prettier-ignore
  return { customers, worker, intake };
}

/** The events with the last one happening now: what is late is not sent. */
function asOfNow(stream: Script): HostEvent[] {
  const shift = Date.now() - Math.max(...stream.events.map((event) => event.at));
  return stream.events.map((event) => ({ ...event, at: event.at + shift }));
}

const isComplete = (found: Found | undefined): boolean => found?.who === 'customer' && found.complete;

/** Anna calls, 150 rings. */
const ringing = (from = anna): Script =>
  new Script().incoming('c', { from }).wait(100).dial('c', 'p', { ext: '150' }).ring('p').wait(200).tick();
const missed = (): Script => ringing().wait(4000).dialEnd('p', 'CANCEL').hangup('p', 26).hangup('c');

describe('a popup does not wait for the look-up', () => {
  test('the CRM takes its time to say who calls: the popup is shown meanwhile', async () => {
    h.emulator.setSwitches({ delayMs: 3_000 });
    const { customers, worker, intake } = daemon();
    worker.start();
    intake.take(asOfNow(ringing()));
    await h.until(() => h.emulator.account().openPopups.size === 1, 'the popup is shown');
    // Either may come first. Had the popup waited for the answer, it would be known by now.
    await h.until(() => h.emulator.requests({ path: 'telephony/manager' }).length === 1, 'the CRM is asked once');
    expect(customers.cached(anna)).toBeUndefined(); // the answer is still on its way
  });

  test.each([
    { name: 'refuses connections', switches: { down: true } },
    { name: 'answers 500', switches: { fail5xxEvery: 1 } },
  ])('a CRM that $name at the look-up: the call goes on as if there were none', async ({ switches }) => {
    const { customers, worker, intake } = daemon();
    h.emulator.setSwitches(switches);
    expect((await customers.lookup(anna)).who).toBe('unknown');
    h.emulator.setSwitches({ down: false, fail5xxEvery: 0 });
    worker.start();
    intake.take(asOfNow(ringing()));
    await h.until(() => h.emulator.account().openPopups.size === 1, 'the popup is shown');
    expect(h.emulator.account().openPopups.size).toBe(1);
  });

  test('two hundred look-ups that wait for their turn: the popup goes before them', async () => {
    const { customers, worker, intake } = daemon({
      // The look-ups alone would take more than a minute.
      telephony: new Pacer({ intervalMs: 100, reservePerSecond: 8 }),
      general: new Pacer({ intervalMs: 120 }),
    });
    worker.start();
    for (let n = 0; n < 200; n++) customers.expect(`+37529000${1000 + n}`);
    await h.until(() => h.emulator.requests({ path: 'telephony/manager' }).length > 0, 'look-ups are under way');
    intake.take(asOfNow(ringing()));
    await h.until(() => h.emulator.account().openPopups.size === 1, 'the popup is shown');
    expect(h.emulator.requests({ path: 'telephony/manager' }).length).toBeLessThan(60);
  });
});

test.each(['ast22/in_direct_answer', 'ast16/in_direct_answer'])(
  '23: two customers share one phone: %s is one record, whoever is chosen',
  async (name) => {
    const events = eventsOf(capture(name));
    const phone = capture(name).truth.calls[0]?.customerPhone ?? '';
    // The demo shop's card 501 has the number, too.
    const shared = { phones: [{ number: phone }] };
    const { id } = addCard(h.emulator.account(), 'shop-a', '2026-01-01 00:00:00', shared, { key: 'x' }, 0);
    const { customers, worker, intake } = daemon();
    intake.take(events);
    await intake.drain();
    // The first question is answered before it is known who else has the number, and serves meanwhile.
    await h.until(() => isComplete(customers.cached(phone)), 'all cards of the number are known');
    await worker.drain();
    expect(customers.cached(phone)).toMatchObject({ customer: { id: 501, otherIds: [id] } });
    expect([...h.emulator.account().calls.values()]).toMatchObject([{ phone }]);
    expect(await h.database.query("select 1 from outbox where kind = 'upload'")).toHaveLength(1);
  },
);

describe("the account's real budgets", () => {
  let limited: Harness;
  beforeAll(async () => {
    limited = await startHarness({ limits: true });
  });
  afterAll(() => limited.close());

  test('look-ups of thirty numbers at once: none is refused for its speed, popups pass', async () => {
    const unlimited = h;
    h = limited;
    try {
      const { customers, worker, intake } = daemon(accountPacers({ startDelayMs: 0 }));
      worker.start();
      const all = Array.from({ length: 30 }, (_, n) => customers.lookup(`+3752900020${10 + n}`));
      intake.take(asOfNow(ringing()));
      await h.until(() => h.emulator.account().openPopups.size === 1, 'the popup is shown');
      const found = await Promise.all(all);
      expect(new Set(found.map(({ who }) => who))).toEqual(new Set(['nobody']));
      expect(h.emulator.requests().filter(({ outcome }) => outcome === 'rate limited')).toEqual([]);
      for (const end of ending.splice(0)) await end();
    } finally {
      h = unlimited;
    }
  });
});

describe('whose a missed call is', () => {
  /** Owner in the call's row, code in the upload. */
  async function owner(): Promise<[unknown, unknown]> {
    const [call] = await h.database.query("select owner from calls where external_id = 'pbx1-c'");
    const [upload] = await h.database.query("select payload from outbox where kind = 'upload'");
    const payload = JSON.parse(String(upload?.['payload'])) as Record<string, unknown>;
    return [call?.['owner'], payload['code']];
  }

  test("the customer's manager, when she became known while it rang", async () => {
    const { customers, intake } = daemon();
    const events = asOfNow(missed());
    const begun = events.findIndex(({ event }) => event === 'Tick') + 1;
    intake.take(events.slice(0, begun));
    await customers.lookup(anna);
    intake.take(events.slice(begun));
    await intake.drain();
    expect(await owner()).toEqual(['157', '157']);
  });

  test('who rang last, when nobody knows the customer', async () => {
    h.emulator.setSwitches({ down: true });
    const { intake } = daemon();
    intake.take(asOfNow(missed()));
    await intake.drain();
    expect(await owner()).toEqual(['150', '150']);
  });

  test.each([
    { name: "the manager's, whom the table knew", warm: true, owns: '157' },
    { name: 'else who rang last', warm: false, owns: '150' },
  ])('a call that ended while the daemon was away: $name', async ({ warm, owns }) => {
    const first = daemon();
    first.intake.take(asOfNow(ringing()));
    await first.customers.lookup(anna);
    await first.intake.stop();
    h.emulator.setSwitches({ down: true });
    const second = daemon();
    await second.intake.start();
    const phones = second.intake.liveCalls.flatMap(({ customer }) => (customer.kind === 'phone' ? customer.e164 : []));
    expect(phones).toEqual([anna]);
    if (warm) await second.customers.warm(phones);
    const gone = ringing().wait(60_000).hangup('p', 26).hangup('c').resync();
    second.intake.take(asOfNow(gone).slice(-1));
    await second.intake.drain();
    expect(await owner()).toEqual([owns, owns]);
  });

  test('decided once: what is learnt later does not change the record', async () => {
    h.emulator.setSwitches({ down: true });
    const { customers, intake } = daemon();
    const events = asOfNow(missed());
    intake.take(events);
    await intake.drain();
    h.emulator.setSwitches({ down: false });
    await customers.learn(anna, {
      ...{ id: 501, otherIds: [], name: undefined, managerId: 7, managerName: undefined, managerCode: undefined },
      links: {},
    });
    intake.take(events);
    await intake.drain();
    expect((await owner())[1]).toBe('150');
  });
});
