/** What calls leave behind: real intakes and a real outbox, lanes of the account, the emulator as the CRM. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { HostEvent } from '../../src/calls/events.ts';
import { nationalDigits, normalisePhone } from '../../src/config/phones.ts';
import type { CustomerSettings } from '../../src/config/settings.ts';
import { Customers } from '../../src/customers/customers.ts';
import { customerErrands } from '../../src/customers/errands.ts';
import { ErrandLane } from '../../src/delivery/errandLane.ts';
import { Pacer } from '../../src/delivery/pacer.ts';
import { Intake } from '../../src/intake.ts';
import { silentLog } from '../../src/log.ts';
import { planSettings } from '../../src/planSettings.ts';
import { add as addCard, merge } from '../../src/sandbox/customers.ts';
import type { Switches } from '../../src/sandbox/switches.ts';
import { beginErrand, cardKey } from '../../src/store/errands.ts';
import { listDead, retryDead } from '../../src/store/deadLetters.ts';
import { claim, settle } from '../../src/store/outbox.ts';
import { takeBack } from '../../src/store/takeBack.ts';
import { example } from '../support/callsCaptures.ts';
import { Script } from '../support/callsScript.ts';
import { type Harness, startHarness } from './deliveryHarness.ts';

let h: Harness;
const ending: (() => Promise<void>)[] = [];
const stranger = '+375290000001';

beforeAll(async () => {
  h = await startHarness();
});
afterEach(async () => {
  for (const end of ending.splice(0)) await end();
  await h.database.query('truncate retailcrm_customers, calls, drops');
  await h.reset();
});
afterAll(() => h.close());

/** The rules of the example with some switched on. */
type Rules = { create?: Partial<CustomerSettings['create']>; missed?: Partial<CustomerSettings['missed']> };

/** One process: intakes, a cache and a lane of the account `demo`. */
function daemon(rules: Rules, name = 'test/1/a') {
  const {
    enterprise,
    host,
    rules: hostRules,
  } = example((shipped) => ({
    ...shipped,
    customers: {
      ...shipped.customers,
      create: { ...shipped.customers.create, ...rules.create },
      missed: { ...shipped.customers.missed, ...rules.missed },
    },
  }));
  const paces = { telephony: new Pacer({ intervalMs: 1 }), general: new Pacer({ intervalMs: 1 }) };
  const client = h.client();
  const customers = new Customers({
    db: h.database.db,
    client,
    paces,
    enterpriseNumber: '7',
    numbering: {
      normalise: (raw) => {
        const phone = normalisePhone(raw, ['BY']);
        return phone.kind === 'phone' ? phone.e164 : undefined;
      },
      national: nationalDigits,
    },
    extensionOf: ({ code }) => code,
    enabled: true,
    freshMs: 3_600_000,
    missMs: 60_000,
    log: silentLog,
  });
  const lane = new ErrandLane({
    db: h.database.db,
    account: 'demo',
    owner: name,
    pacer: paces.general,
    log: h.log,
    pollMs: 20,
    retryMs: 5,
    patienceMs: 500,
  });
  const end = new AbortController();
  const settings = planSettings(enterprise, host, hostRules, 'Europe/Minsk', customers);
  const users: Record<string, number> = { '150': 7, '151': 8 };
  const start = (): void =>
    lane.start(
      customerErrands({
        client,
        paces,
        customers,
        zone: () => 'Europe/Minsk',
        userOf: (extension) => users[extension],
        signal: end.signal,
      }),
    );
  ending.push(async () => {
    end.abort();
    await lane.stop();
    await customers.stop();
  });
  return {
    customers,
    lane,
    start,
    /** Plays events on a host and writes what follows. */
    async play(events: readonly HostEvent[], hostId = 'pbx1'): Promise<void> {
      const intake = new Intake({
        enterprise: 'acme',
        host: hostId,
        account: 'demo',
        rules: { ...hostRules, hostId },
        settings: () => settings,
        db: h.database.db,
        log: silentLog,
        onCommitted: () => lane.wake(),
        expect: (phone) => customers.expect(phone),
        commitMs: 1,
      });
      intake.take(events);
      await intake.stop();
    },
  };
}

const demo = () => h.emulator.account();
const cardsOf = (phone: string) =>
  [...demo().customers.values()].filter((card) => card.phones.some(({ number }) => number === phone));
const errands = (): Promise<Record<string, unknown>[]> =>
  h.database.query("select external_id, state, reply, reason from outbox where kind = 'errand' order by id");

/** Resolves when no errand is on its way. */
const settled = (): Promise<void> =>
  h.until(async () => (await errands()).every(({ state }) => state !== 'pending'), 'every errand is settled');

/** A call of `from` that rings 150 and is given up. */
const missedCall = (id: string, from = stranger): HostEvent[] =>
  new Script()
    .incoming(id, { from })
    .wait(100)
    .dial(id, `${id}p`, { ext: '150' })
    .ring(`${id}p`)
    .wait(4000)
    .dialEnd(`${id}p`, 'CANCEL')
    .hangup(`${id}p`, 26)
    .hangup(id).events; // prettier-ignore

/** A call of `from` that 151 takes. */
const answeredCall = (id: string, from = stranger): HostEvent[] =>
  new Script()
    .incoming(id, { from, name: 'Anna' })
    .wait(100)
    .dial(id, `${id}p`, { ext: '151' })
    .ring(`${id}p`)
    .wait(400)
    .answer(`${id}p`)
    .up(id)
    .bridge(`${id}b`, `${id}p`, id)
    .wait(500)
    .hangup(`${id}p`)
    .hangup(id).events; // prettier-ignore

/** The card is made, but the answer says otherwise. */
const madeAnd502 = { status: 502, body: '<html>', path: '/customers/create', process: true };

const always: Rules = { create: { when: ['in_answered', 'in_missed'] } };

describe('P8: a hundred first calls of one number at once, on five hosts and through two lanes: exactly one card', () => {
  test.each<{ name: string; switches: Partial<Switches>; prefix: string | undefined }>([
    { name: 'all is well', switches: {}, prefix: 'tel-' },
    { name: 'every second reply is lost', switches: { loseReplyEvery: 2 }, prefix: 'tel-' },
    { name: 'every third answer is a 500', switches: { fail5xxEvery: 3 }, prefix: 'tel-' },
    { name: 'create answers 200', switches: { createStatus: 200 }, prefix: 'tel-' },
    { name: 'the externalId belongs to the shop', switches: {}, prefix: undefined },
    { name: 'the same, and every third reply is lost', switches: { loseReplyEvery: 3 }, prefix: undefined },
    { name: 'a 502 after the card was made', switches: { failNext: [madeAnd502] }, prefix: 'tel-' },
    { name: 'the same, with the externalId not ours', switches: { failNext: [madeAnd502] }, prefix: undefined },
  ])('$name', async ({ switches, prefix }) => {
    h.emulator.setSwitches(switches);
    const rules = { create: { ...always.create, externalIdPrefix: prefix } };
    const [one, other] = [daemon(rules, 'test/1/a'), daemon(rules, 'test/2/b')];
    one.start();
    other.start();
    await Promise.all(
      [1, 2, 3, 4, 5].map((host) => {
        const calls = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? missedCall : answeredCall)(`${host}.${n}`));
        return (host % 2 === 0 ? one : other).play(calls.flat(), `pbx${host}`);
      }),
    );
    await settled();
    expect(cardsOf(stranger)).toHaveLength(1);
    expect(cardsOf(stranger)[0]?.externalId).toBe(prefix === undefined ? undefined : 'tel-375290000001');
    expect(await errands()).toMatchObject([{ external_id: cardKey(stranger), state: 'done' }]);
    expect(h.emulator.requests().flatMap(({ flags }) => flags)).toEqual([]);
  });
});

describe('a card', () => {
  test('has name, number, manager, source and site by rule', async () => {
    const one = daemon({
      create: { ...always.create, name: '{name} {phone} {did}', source: { source: 'phone', medium: 'call' } },
    });
    one.start();
    await one.play(answeredCall('c'));
    await one.lane.drain();
    const [card] = cardsOf(stranger);
    expect(card).toMatchObject({
      firstName: expect.stringMatching(/^Anna \+375290000001 \S/),
      managerId: 8,
      source: { source: 'phone', medium: 'call' },
      externalId: 'tel-375290000001',
    });
    expect(one.customers.cached(stranger)).toMatchObject({ who: 'customer', customer: { id: card?.id, managerId: 8 } });
  });

  test('is not made where one is, however it spells the number', async () => {
    addCard(demo(), 'shop-a', '2026-01-01 00:00:00', { phones: [{ number: '8 029 000-00-01' }] }, { key: 'x' }, 0);
    const one = daemon(always);
    one.start();
    await one.play(missedCall('c'));
    await one.lane.drain();
    expect(cardsOf(stranger)).toEqual([]);
    expect(h.emulator.requests({ path: 'customers/create' })).toEqual([]);
  });

  test('is not even thought of where the cache knows one', async () => {
    const one = daemon(always);
    await one.customers.lookup('+375290000101');
    await one.play(missedCall('c', '+375290000101'));
    expect(await errands()).toEqual([]);
  });

  test('never of a hidden number', async () => {
    const one = daemon({
      ...always,
      missed: { note: 'n', order: { method: 'phone', status: undefined, comment: '' } },
    });
    one.start();
    const before = demo().customers.size;
    await one.play(missedCall('c', 'anonymous'));
    await one.lane.drain();
    expect(await errands()).toEqual([]);
    expect(demo().customers.size).toBe(before);
  });

  test('whose manager the CRM does not know is made without one', async () => {
    const one = daemon({ create: { ...always.create, manager: 4711 } });
    one.start();
    await one.play(missedCall('c'));
    await one.lane.drain();
    expect(cardsOf(stranger)).toMatchObject([{ managerId: undefined }]);
    expect(await errands()).toMatchObject([
      { state: 'done', reply: expect.stringMatching(/^card \d+ made without its manager: the CRM refused user 4711$/) },
    ]);
  });

  test('refused by the CRM is a dead letter with its words, and a later retry makes it', async () => {
    const refusal = {
      status: 400,
      body: { success: false, errorMsg: 'Errors in the entity format' },
      path: '/customers/create',
    };
    h.emulator.setSwitches({ failNext: [refusal] });
    const one = daemon(always);
    one.start();
    await one.play(missedCall('c'));
    await one.lane.drain();
    expect(await errands()).toMatchObject([
      { state: 'dead', reason: expect.stringContaining('Errors in the entity format') },
    ]);
    expect(cardsOf(stranger)).toEqual([]);
    await retryDead(h.database.db, 'all');
    await one.lane.drain();
    expect(await errands()).toMatchObject([{ state: 'done' }]);
    expect(cardsOf(stranger)).toHaveLength(1);
  });

  test('that exists under our id with another number is not made twice', async () => {
    const id = addCard(
      ...([demo(), 'shop-a', '2026-01-01 00:00:00', { externalId: 'tel-375290000001' }, { key: 'x' }, 0] as const),
    ).id;
    const one = daemon(always);
    one.start();
    await one.play(missedCall('c'));
    await one.lane.drain();
    expect(cardsOf(stranger)).toEqual([]);
    expect(await errands()).toMatchObject([{ state: 'done', reply: `card ${id} was made before` }]);
  });

  test('waits while the CRM is away, and is made when it is back', async () => {
    h.emulator.setSwitches({ down: true });
    const one = daemon(always);
    one.start();
    await one.play(missedCall('c'));
    await h.until(() => one.lane.mode === 'open', 'the lane pauses');
    h.emulator.setSwitches({ down: false });
    await settled();
    expect(cardsOf(stranger)).toHaveLength(1);
    expect(one.lane.mode).toBe('closed');
  });

  test('waits while the key is refused', async () => {
    h.emulator.setSwitches({ authOff: true });
    const one = daemon(always);
    one.start();
    await one.play(missedCall('c'));
    await h.until(() => one.lane.mode === 'parked', 'the lane is parked');
    expect(await errands()).toMatchObject([{ state: 'pending' }]);
    expect(h.log.lines.filter((line) => line.includes('one try a minute'))).toHaveLength(1);
  });
});

describe('a missed call', () => {
  const missed: Rules['missed'] = {
    order: { method: 'missed-call', status: undefined, comment: '{phone} → {did}, {time}' },
    task: { text: 'Call back {phone}', withinMinutes: 30, performer: 'responsible' },
    note: 'Missed at {time}',
  };

  test('leaves one order, one task and one note, however often it is told', async () => {
    const one = daemon({ ...always, missed });
    one.start();
    for (let times = 0; times < 3; times++) await one.play(missedCall('c'));
    await one.lane.drain(5_000);
    const [card] = cardsOf(stranger);
    expect([...demo().orders.values()]).toMatchObject([
      {
        externalId: 'call-pbx1-c',
        orderMethod: 'missed-call',
        customerId: card?.id,
        phone: stranger,
        managerComment: expect.stringMatching(/^\+375290000001 → .*, 2026-11-22 12:00$/),
      },
    ]);
    // Nobody answered and the new card has no manager: whose the call is does it.
    expect(demo().tasks).toMatchObject([
      { text: `Call back ${stranger}`, performerId: 7, datetime: '2026-11-22 12:30', customer: { id: card?.id } },
    ]);
    expect(demo().notes).toMatchObject([{ customerId: card?.id, text: 'Missed at 2026-11-22 12:00' }]);
    expect((await errands()).map(({ state }) => state)).toEqual(['done', 'done', 'done', 'done']);
  });

  test("a known customer's task goes to her manager", async () => {
    const one = daemon({ missed: { task: missed.task } });
    one.start();
    await one.play(missedCall('c', '+375290000116'));
    await one.lane.drain(5_000);
    expect(demo().tasks).toMatchObject([{ performerId: 8, customer: { id: 502 } }]);
  });

  test('an answered call leaves none of them', async () => {
    const one = daemon({ missed });
    one.start();
    await one.play(answeredCall('c'));
    await one.lane.drain();
    expect(await errands()).toEqual([]);
  });

  test('without a card: an order and a task by the number alone, nothing to note', async () => {
    const one = daemon({ missed });
    one.start();
    await one.play(missedCall('c'));
    await one.lane.drain(5_000);
    expect([...demo().orders.values()]).toMatchObject([{ customerId: undefined, phone: stranger }]);
    expect(demo().tasks).toHaveLength(1);
    expect(demo().notes).toEqual([]);
  });

  test('a task nobody can do is a dead letter that says so', async () => {
    const one = daemon({ missed: { task: { text: 't', withinMinutes: 1, performer: '199' } } });
    one.start();
    await one.play(missedCall('c'));
    await one.lane.drain();
    expect(await errands()).toMatchObject([
      { state: 'dead', reason: expect.stringContaining('no CRM user is known for 199') },
    ]);
  });

  test('a card that was merged meanwhile: the other one is noted on', async () => {
    const one = daemon({ missed: { note: 'n' } });
    await one.customers.lookup('+375290000101');
    const [from, into] = [demo().customers.get(501), demo().customers.get(502)];
    if (!from || !into) throw new Error('the demo has both');
    merge(demo(), from, into, { key: 'x' }, 0);
    one.start();
    await one.play(missedCall('c', '+375290000101'));
    await one.lane.drain();
    expect(demo().notes).toMatchObject([{ customerId: 502 }]);
  });

  test.each<{ name: string; switches: Partial<Switches> }>([
    { name: 'every second reply is lost', switches: { loseReplyEvery: 2 } },
    { name: 'every third answer is a 500', switches: { fail5xxEvery: 3 } },
  ])('$name: one order and one note all the same, at most one task', async ({ switches }) => {
    h.emulator.setSwitches(switches);
    const one = daemon({ ...always, missed });
    one.start();
    await one.play(missedCall('c'));
    await settled();
    expect(cardsOf(stranger)).toHaveLength(1);
    expect(demo().orders.size).toBe(1);
    expect(demo().notes).toHaveLength(1);
    expect(demo().tasks.length).toBeLessThanOrEqual(1);
    const dead = await listDead(h.database.db, { limit: 9 });
    // What may or may not stand in the CRM is told to a person.
    expect(dead.map(({ externalId }) => externalId)).toEqual(dead.length === 0 ? [] : ['task/pbx1-c']);
    expect(demo().tasks.length + dead.length).toBeGreaterThan(0);
  });
});

describe('killed with the errand in hand', () => {
  const killed = 'test/1/killed';

  /** The footprint of a run that was killed: the row is leased, its request may have left. */
  async function interrupted(kind: 'order' | 'task' | 'note', left: boolean): Promise<void> {
    const missed: Rules['missed'] = {
      order: kind === 'order' ? { method: 'missed-call', status: undefined, comment: 'c' } : undefined,
      task: kind === 'task' ? { text: 't', withinMinutes: 1, performer: '150' } : undefined,
      note: kind === 'note' ? 'n' : undefined,
    };
    const first = daemon({ missed });
    await first.play(missedCall('c', '+375290000101'));
    const [row] = await claim(h.database.db, {
      account: 'demo',
      kinds: ['errand'],
      limit: 1,
      owner: killed,
      leaseSeconds: 60,
    });
    if (row === undefined) throw new Error('the errand was planned');
    if (kind !== 'order') expect(await beginErrand(h.database.db, row, killed)).toBe('first');
    if (!left) return;
    if (kind === 'order') await h.client().createOrder({ externalId: 'call-pbx1-c', customer: { id: 501 } });
    if (kind === 'task') await h.client().createTask({ text: 't', performerId: 7 });
    if (kind === 'note') await h.client().createCustomerNote({ text: 'n', customer: { id: 501 } });
  }

  /** The next run of the same instance. */
  async function restarted(): Promise<void> {
    await takeBack(h.database.db, 'demo', 'test/', 'test/2/b');
    const next = daemon({}, 'test/2/b');
    next.start();
    await settled();
    await next.lane.stop();
  }

  test.each([
    { kind: 'order', left: true },
    { kind: 'order', left: false },
    { kind: 'note', left: true },
    { kind: 'note', left: false },
  ] as const)('$kind, its request left: $left: exactly one', async ({ kind, left }) => {
    await interrupted(kind, left);
    await restarted();
    expect(kind === 'order' ? demo().orders.size : demo().notes.length).toBe(1);
    expect(await errands()).toMatchObject([{ state: 'done' }]);
  });

  test.each([true, false])('task, its request left: %s: a person decides, and may have it made', async (left) => {
    await interrupted('task', left);
    await restarted();
    expect(demo().tasks).toHaveLength(left ? 1 : 0);
    expect(await errands()).toMatchObject([
      { state: 'dead', reason: expect.stringContaining('may have been made already') },
    ]);
    await retryDead(h.database.db, 'all');
    await restarted();
    expect(demo().tasks).toHaveLength(left ? 2 : 1);
  });

  test('whoever was only paused settles nothing and sends nothing more', async () => {
    await interrupted('task', false);
    const [row] = await h.database.query('select id, lease_epoch from outbox');
    const stale = { id: String(row?.['id']), leaseEpoch: String(row?.['lease_epoch']) };
    await restarted();
    expect(await beginErrand(h.database.db, stale, killed)).toBe('lost');
    const settled = await settle(h.database.db, killed, [{ ...stale, outcome: 'done', status: 200, latencyMs: 1 }]);
    expect(settled).toEqual([]);
  });
});
