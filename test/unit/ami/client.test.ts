import { afterEach, describe, expect, test } from '@jest/globals';
import { AmiClient, backoffMs, refusedPauseMs } from '../../../src/ami/client.ts';
import { silentLog } from '../../../src/log.ts';
import { portToBe } from '../../support/ports.ts';
import { cleanUp, later, ManualClock, memoryLog, startClient, startFake } from './support.ts';

afterEach(cleanUp);

describe('pauses', () => {
  test.each([
    { failures: 0, bound: 200 },
    { failures: 1, bound: 400 },
    { failures: 5, bound: 6_400 },
    { failures: 8, bound: 30_000 },
    { failures: 2_000, bound: 30_000 },
  ])('after $failures failures anywhere up to $bound ms', ({ failures, bound }) => {
    expect([0, 0.5, 1].map((random) => backoffMs(failures, random))).toEqual([0, bound / 2, bound]);
  });

  test('a refused login waits 48 to 72 s', () => {
    expect([0, 0.5, 1].map((random) => refusedPauseMs(random))).toEqual([48_000, 60_000, 72_000]);
  });

  test('a connect alone does not start the pauses over, a session of 30 s does', async () => {
    const clock = new ManualClock();
    const ami = await startFake({ fullyBooted: 'never' });
    const { told } = startClient(ami, { clock, random: () => 0.5, limits: { bootedMs: 1, pingMs: 3_600_000 } });
    const pauses: (number | undefined)[] = [];
    for (const seconds of [0, 0, 0, 31, 0]) {
      const session = await ami.nextLogin();
      const downs = told.downs.length;
      session.event('Alarm');
      await told.until(() => told.events.length === downs + 1);
      clock.advance(1);
      clock.advance(seconds * 1000);
      session.end();
      await told.until(() => told.downs.length === downs + 1);
      pauses.push(clock.waiting[0]);
      clock.advance(clock.waiting[0] ?? 0);
    }
    expect(pauses).toEqual([100, 200, 400, 100, 200]);
  });

  test('a refused login: told once, at most two attempts a minute, and back in when the server has changed its mind (A5)', async () => {
    const clock = new ManualClock();
    const { log, lines } = memoryLog();
    const users = { crm: 'new-secret' };
    const ami = await startFake({ users });
    const { told } = startClient(ami, { clock, log, secret: 'old-secret', random: () => 0 });
    for (let attempt = 1; attempt <= 3; attempt++) {
      await ami.until(() => ami.actions.filter(({ action }) => action === 'Login').length === attempt);
      await told.until(() => told.refused.length === 1);
      while (clock.waiting.length !== 1 || clock.waiting[0] !== 48_000)
        await new Promise((resolve) => setImmediate(resolve));
      clock.advance(47_999);
      expect(ami.connections).toBe(attempt);
      if (attempt === 3) users.crm = 'old-secret';
      clock.advance(1);
    }
    await told.until(() => told.ups.length === 1);
    expect(told.refused).toHaveLength(1);
    expect(lines.filter((line) => line.startsWith('error'))).toHaveLength(1);
    expect(lines.join()).not.toMatch(/old-secret|new-secret/);
  });

  test('nobody listens: tried again', async () => {
    const port = await portToBe();
    const { log, lines } = memoryLog();
    const { told } = startClient({ address: { host: '127.0.0.1', port, username: 'crm', secret: 'secret' } }, { log });
    while (!lines.join().includes('ECONNREFUSED')) await new Promise((resolve) => setImmediate(resolve));
    const ami = await startFake({ port });
    await ami.nextLogin();
    await told.until(() => told.ups.length === 1);
    expect(told.downs).toEqual([]);
  });

  test('the resolver is down: the address that worked last is as good (A24)', async () => {
    const ami = await startFake();
    const asked: string[] = [];
    const { told } = startClient(ami, {
      host: 'pbx.test',
      lookup: (host, _, done) => {
        asked.push(host);
        if (asked.length === 1) done(null, [{ address: '127.0.0.1', family: 4 }]);
        else done(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), []);
      },
    });
    for (let drop = 1; drop <= 3; drop++) {
      const session = await ami.nextLogin();
      await told.until(() => told.ups.length === drop);
      session.end();
    }
    await told.until(() => told.ups.length === 4);
    expect(asked).toEqual(['pbx.test', 'pbx.test', 'pbx.test', 'pbx.test']);
  });

  test('settings nobody can connect with are said, not thrown', () => {
    const clock = new ManualClock();
    const { log, lines } = memoryLog();
    const { client } = startClient(
      { address: { host: '127.0.0.1', port: 70_000, username: 'crm', secret: 'x' } },
      { clock, log },
    );
    expect(lines.join()).toContain('error ami: cannot connect');
    expect(clock.waiting).toHaveLength(1);
    expect(client.up).toBe(false);
  });
});

describe('an action ends', () => {
  test('answered, by what the server said, an error too', async () => {
    const ami = await startFake();
    const { client, told } = startClient(ami);
    await told.until(() => told.ups.length === 1);
    const good = await client.action({ Action: 'Ping' });
    const bad = await client.action({ Action: 'Nonsense' });
    expect([good, bad].map((one) => one.outcome === 'answered' && one.response.name)).toEqual(['Success', 'Error']);
  });

  test('each with its own answer, in whatever order they come', async () => {
    const ami = await startFake();
    const held: (() => void)[] = [];
    ami.on('Getvar', (action, session) => {
      held.unshift(() => session.reply(action, { Value: action.get('Variable') ?? '' }));
      return undefined;
    });
    const { client, told } = startClient(ami);
    await told.until(() => told.ups.length === 1);
    const asked = Array.from({ length: 50 }, (_, i) => client.action({ Action: 'Getvar', Variable: `V${i}` }));
    await ami.until(() => held.length === 50);
    for (const answer of held) answer();
    const values = (await Promise.all(asked)).map((one) => one.outcome === 'answered' && one.response.get('Value'));
    expect(values).toEqual(Array.from({ length: 50 }, (_, i) => `V${i}`));
    expect(new Set(ami.actions.map((one) => one.get('ActionID'))).size).toBe(ami.actions.length);
  });

  test('notSent before there is a connection, and nothing is parked', async () => {
    const ami = await startFake();
    const client = new AmiClient(
      { ...ami.address, log: silentLog },
      { onUp: () => undefined, onDown: () => undefined, onMessage: () => undefined },
    );
    expect(await client.action({ Action: 'Originate' })).toEqual({ outcome: 'notSent', reason: 'not connected' });
    client.start();
    later(() => client.stop());
    await ami.nextLogin();
    await client.stop();
    expect(ami.actions.map(({ action }) => action)).not.toContain('Originate');
  });

  test('notSent between a drop and the next login, and nothing is replayed', async () => {
    const ami = await startFake();
    const { client, told } = startClient(ami);
    const session = await ami.nextLogin();
    await told.until(() => told.ups.length === 1);
    session.end();
    await told.until(() => told.downs.length === 1);
    expect(await client.action({ Action: 'Originate' })).toMatchObject({ outcome: 'notSent' });
    await told.until(() => told.ups.length === 2);
    await client.action({ Action: 'Ping' });
    expect(ami.actions.map(({ action }) => action)).not.toContain('Originate');
  });

  test('notSent if a value would start a second action: no byte of it leaves', async () => {
    const ami = await startFake();
    const { client, told } = startClient(ami);
    await told.until(() => told.ups.length === 1);
    const exten = '100\r\n\r\nAction: Command\r\nCommand: core stop now';
    expect(await client.action({ Action: 'Originate', Exten: exten })).toEqual({
      outcome: 'notSent',
      reason: 'line break or NUL in the value of Exten',
    });
    await client.action({ Action: 'Ping' });
    expect(ami.actions.map(({ action }) => action).filter((action) => action !== 'Ping')).toEqual([
      'Challenge',
      'Login',
    ]);
  });

  test('unknown if it was written and the connection died (A26)', async () => {
    const ami = await startFake();
    ami.on('Originate', (_, session) => {
      session.cut();
      return undefined;
    });
    const { client, told } = startClient(ami);
    await told.until(() => told.ups.length === 1);
    expect(await client.action({ Action: 'Originate' })).toEqual({
      outcome: 'unknown',
      reason: 'connection lost: socketError',
    });
    await told.until(() => told.ups.length === 2);
    expect(ami.actions.filter(({ action }) => action === 'Originate')).toHaveLength(1);
  });

  test('unknown if no answer comes in 5 s; a late one disturbs nobody', async () => {
    const clock = new ManualClock();
    const ami = await startFake();
    let answerLate = () => undefined as unknown;
    ami.on('Getvar', (action, session) => {
      answerLate = () => session.reply(action, { Value: 'late' });
      return undefined;
    });
    const { client, told } = startClient(ami, { clock });
    await told.until(() => told.ups.length === 1);
    const asked = client.action({ Action: 'Getvar' });
    await ami.received('Getvar');
    clock.advance(5_000);
    expect(await asked).toEqual({ outcome: 'unknown', reason: 'no answer in time' });
    answerLate();
    await client.action({ Action: 'Ping' });
    expect(client.counters.strayResponses).toBe(1);
  });

  test('notSent beyond 256 unanswered ones', async () => {
    const ami = await startFake();
    ami.on('Getvar', () => undefined);
    const { client, told } = startClient(ami);
    await told.until(() => told.ups.length === 1);
    const all = Array.from({ length: 257 }, () => client.action({ Action: 'Getvar' }));
    expect(await all[256]).toEqual({ outcome: 'notSent', reason: 'too many unanswered actions' });
    await client.stop();
    expect(new Set((await Promise.all(all.slice(0, 256))).map(({ outcome }) => outcome))).toEqual(new Set(['unknown']));
  });
});

describe('a list', () => {
  const items = [
    { Channel: 'PJSIP/150-1', Uniqueid: '1.1' },
    { Channel: 'PJSIP/151-2', Uniqueid: '1.2' },
  ];
  const isList = (outcome: unknown): outcome is { items: { get(name: string): string | undefined }[] } =>
    typeof outcome === 'object' && outcome !== null && 'items' in outcome;

  test('is collected until Complete; events in between are live, though the filter knows none of the list', async () => {
    const ami = await startFake();
    ami.channels = items;
    ami.on('Status', (action, session) => {
      session.replyList(action, 'Status', items.slice(0, 1), false);
      session.event('Hangup', { Uniqueid: '9.9' });
      const ActionID = action.get('ActionID') ?? '';
      session.event('Status', { Uniqueid: '1.2', ActionID });
      session.event('StatusComplete', { ActionID, EventList: 'Complete' });
      return undefined;
    });
    const { client, told } = startClient(ami, { wanted: ['Hangup'] });
    await told.until(() => told.ups.length === 1);
    const list = await client.list({ Action: 'Status' });
    expect(isList(list) && list.items.map((one) => one.get('Uniqueid'))).toEqual(['1.1', '1.2']);
    expect(told.events.map((one) => one.get('Uniqueid'))).toEqual(['9.9']);
  });

  test.each([
    { name: 'refused', say: 'error', outcome: { outcome: 'refused', message: 'Permission denied' } },
    { name: 'cancelled', say: 'cancel', outcome: { outcome: 'unknown', reason: 'the server cancelled the list' } },
    { name: 'too long', say: 'flood', outcome: { outcome: 'unknown', reason: 'the list is too long' } },
    { name: 'without items', say: 'nothing', outcome: { outcome: 'complete', items: [] } },
  ])('$name', async ({ say, outcome }) => {
    const ami = await startFake();
    ami.on('Status', (action, session) => {
      const ActionID = action.get('ActionID') ?? '';
      if (say === 'error') return { Response: 'Error', Message: 'Permission denied' };
      session.replyList(
        action,
        'Status',
        Array.from({ length: say === 'flood' ? 30 : 0 }, () => ({ Uniqueid: '1' })),
        say !== 'cancel',
      );
      if (say === 'cancel') session.event('StatusComplete', { ActionID, EventList: 'Cancelled' });
      return undefined;
    });
    const { client, told } = startClient(ami, { limits: { listItems: 20 } });
    await told.until(() => told.ups.length === 1);
    expect(await client.list({ Action: 'Status' })).toEqual(outcome);
  });

  test('that never completes is unknown after 10 s (A27): a part is not the whole', async () => {
    const clock = new ManualClock();
    const ami = await startFake();
    const { client, told } = startClient(ami, { clock });
    ami.on('Status', (action, session) => {
      session.replyList(action, 'Status', items, false);
      return undefined;
    });
    await told.until(() => told.ups.length === 1);
    const list = client.list({ Action: 'Status' });
    await ami.received('Status');
    clock.advance(10_000);
    expect(await list).toEqual({ outcome: 'unknown', reason: 'no answer in time' });
  });
});

test('a listener that throws is logged and told the next event all the same', async () => {
  const { log, lines } = memoryLog();
  const ami = await startFake();
  const heard: string[] = [];
  let enough: () => void;
  const done = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const client = new AmiClient(
    { ...ami.address, log },
    {
      onUp: () => undefined,
      onDown: () => undefined,
      onMessage: (message) => {
        heard.push(message.name);
        if (heard.length === 3) enough();
        throw new Error('not my day');
      },
    },
  );
  later(() => client.stop());
  client.start();
  const session = await ami.nextLogin();
  for (const name of ['A', 'B', 'C']) session.event(name);
  await done;
  expect(heard).toEqual(['A', 'B', 'C']);
  expect(lines.filter((line) => line.includes('onMessage failed'))).toHaveLength(3);
});

describe('stop', () => {
  test('logs off, and nobody comes back', async () => {
    const ami = await startFake();
    const { client, told } = startClient(ami);
    await told.until(() => told.ups.length === 1);
    await client.stop();
    expect((await ami.received('Logoff')).action).toBe('Logoff');
    expect(told.downs).toEqual([{ cause: 'stopped', detail: 'stopped' }]);
    expect(ami.connections).toBe(1);
  });

  test('in the pause before a reconnect ends the pause', async () => {
    const clock = new ManualClock();
    const ami = await startFake();
    const { client, told } = startClient(ami, { clock, random: () => 0.5 });
    const session = await ami.nextLogin();
    await told.until(() => told.ups.length === 1);
    session.end();
    await told.until(() => told.downs.length === 1);
    await client.stop();
    clock.advance(3_600_000);
    expect(clock.waiting).toEqual([]);
    expect(ami.connections).toBe(1);
  });

  test('while still connecting does not wait for anybody', async () => {
    const ami = await startFake({ greeting: false });
    const { client } = startClient(ami);
    await ami.until(() => ami.connections === 1);
    await client.stop();
    await ami.until(() => ami.sessions.size === 0);
    expect(ami.actions).toEqual([]);
  });

  test('of a server that hangs does not hang', async () => {
    const ami = await startFake();
    const { client, told } = startClient(ami);
    const session = await ami.nextLogin();
    await told.until(() => told.ups.length === 1);
    session.freeze();
    session.socket.pause();
    await client.stop();
    expect(client.up).toBe(false);
  });
});

test('twenty drops leave no listener, no timer and no pending action behind', async () => {
  const clock = new ManualClock();
  const ami = await startFake();
  ami.on('Getvar', () => undefined);
  const { client, told } = startClient(ami, { clock, random: () => 0 });
  const outcomes: Promise<{ outcome: string }>[] = [];
  for (let drop = 1; drop <= 20; drop++) {
    const session = await ami.nextLogin();
    await told.until(() => told.ups.length === drop);
    outcomes.push(client.action({ Action: 'Getvar' }));
    session.end();
    await told.until(() => told.downs.length === drop);
    expect(clock.waiting).toEqual([0]);
    clock.advance(0);
  }
  expect(new Set((await Promise.all(outcomes)).map(({ outcome }) => outcome))).toEqual(new Set(['unknown']));
});
