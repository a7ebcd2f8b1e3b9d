// What the package `asterisk-manager` does with the same streams. The first half shows that on a well-formed stream we
// read what it reads; the second proves why it does not carry the events (docs/asterisk-manager.md). Each proof shows the
// defect and, beside it, what our client does in the same place.
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import AsteriskManager, { type AsteriskManager as Manager, type ManagerItem } from 'asterisk-manager';
import type { AmiMessage } from '../../../src/ami/message.ts';
import type { FakeAmi, FakeSession } from '../../support/fakeAmi.ts';
import { capture, cleanUp, frames, later, ManualClock, readText, startClient, startFake, Told } from './support.ts';

afterEach(cleanUp);

interface Reference {
  manager: Manager;
  items: ManagerItem[];
  told: Told;
}

/** The package as its README uses it, logged in to a fake. */
function startReference({ address }: Pick<FakeAmi, 'address'>, keepConnected = false): Reference {
  const manager = new AsteriskManager(address.port, address.host, address.username, address.secret, true);
  if (keepConnected) manager.keepConnected();
  const told = new Told();
  const items: ManagerItem[] = [];
  // Everything it reads is a `managerevent` or, without an event, an `asterisk`; some are a `response` besides.
  for (const name of ['managerevent', 'asterisk', 'close']) {
    manager.on(name, (item: ManagerItem) => {
      if (name !== 'close') items.push(item);
      told.changed();
    });
  }
  later(() => manager.disconnect());
  return { manager, items, told };
}

/** One of our messages in the shape the package gives: lower-cased keys, arrays for repeated ones, variables as objects. */
function asReference(read: AmiMessage): ManagerItem {
  const item: ManagerItem = {};
  for (const [name, value] of read.entries()) {
    const key = name.replace(/\s/g, '').toLowerCase();
    if (key === 'variable' || key === 'chanvariable') {
      const [variable = '', ...rest] = value.split('=');
      item[key] = { ...(typeof item[key] === 'object' ? item[key] : {}), [variable]: rest.join('=') };
    } else if (key in item) item[key] = ([] as unknown[]).concat(item[key], value);
    else item[key] = value;
  }
  return item;
}

describe('on a well-formed stream both read the same events with the same values', () => {
  test.each([
    'ast22/in_direct_answer',
    'ast22/in_utf8_name',
    'ast22/in_attended_dtmf',
    'ast22/fault_restart',
    'ast16/click_answer@chanvars',
    'ast16/in_attended_refer@chansip',
  ])('%s', async (name) => {
    const bytes = capture(name);
    const ours = frames(bytes, 1448).texts.flatMap((text) => readText(text) ?? []);
    const ami = await startFake({ fullyBooted: 'never' });
    const { items, told } = startReference(ami);
    const session = await ami.nextLogin();
    session.push(bytes);
    const live = () => items.filter((item) => item['event'] !== undefined);
    await told.until(() => live().length === ours.length);
    expect(live()).toEqual(ours.map(asReference));
  });
});

const half = 'Event: Hangup\r\nUniqueid: old.1\r\n';

describe('asterisk-manager', () => {
  test('turns half an event and the next login into a Hangup without a cause; ours drops the half', async () => {
    const drop = (session: FakeSession): void => {
      session.push(half);
      session.end();
    };
    const ami = await startFake({ fullyBooted: 'never' });
    const { manager, items, told } = startReference(ami);
    drop(await ami.nextLogin());
    await told.until(() => !manager.isConnected());
    // What its own keepConnected does after 10 s: connect again, log in again.
    const reconnect = manager as unknown as {
      connect(port: number, host: string, done: () => void): void;
      login(): void;
    };
    reconnect.connect(ami.port, '127.0.0.1', () => reconnect.login());
    await ami.nextLogin();
    await told.until(() => items.some((item) => item['event'] === 'Hangup'));
    const forged = items.find((item) => item['event'] === 'Hangup');
    expect(forged).toMatchObject({ event: 'Hangup', uniqueid: 'old.1', response: 'Success' });
    expect(forged).not.toHaveProperty('cause');

    const own = await startFake();
    const { told: ours } = startClient(own);
    drop(await own.nextLogin());
    await ours.until(() => ours.ups.length === 2);
    expect(ours.events).toEqual([]);
  });

  test('lets CR LF in a value start a second action; ours refuses the value', async () => {
    const exten = '100\r\n\r\nAction: Command\r\nCommand: core stop now';
    const ami = await startFake();
    const { manager, told } = startReference(ami);
    await ami.nextLogin();
    await told.until(() => manager.isConnected());
    manager.action({ action: 'originate', channel: 'PJSIP/150', exten });
    expect((await ami.received('Command')).get('Command')).toBe('core stop now');

    const own = await startFake();
    const { client, told: ours } = startClient(own);
    await ours.until(() => ours.ups.length === 1);
    expect(await client.action({ Action: 'Originate', Channel: 'PJSIP/150', Exten: exten })).toMatchObject({
      outcome: 'notSent',
    });
    await client.action({ Action: 'Ping' });
    expect(own.actions.map(({ action }) => action)).not.toContain('Command');
  });

  test('takes LF LF inside a value for the end of an event; ours keeps the value whole', async () => {
    const stream = 'Event: Newexten\r\nAppData: a\n\nEvent: Hangup\nUniqueid: 1.1\n\r\n\r\n';
    const ami = await startFake({ fullyBooted: 'never' });
    const { items, told } = startReference(ami);
    (await ami.nextLogin()).push(stream);
    await told.until(() => items.some((item) => item['event'] === 'Hangup'));
    expect(items).toContainEqual(expect.objectContaining({ event: 'Hangup', uniqueid: '1.1' }));
    expect(frames(Buffer.from(stream), 1000).texts.map((text) => readText(text)?.name)).toEqual(['Newexten']);
  });

  test('copies a long message again with every chunk: work grows with the square; ours with the length', async () => {
    const answer = (lines: number) => Buffer.from(`Response: Success\r\n${'Output: x\r\n'.repeat(lines)}\r\n`);
    // It joins all lines read so far with the new ones, at each chunk: the elements copied are the work it does.
    const copied = async (lines: number): Promise<number> => {
      const ami = await startFake({ fullyBooted: 'never' });
      const { items, told } = startReference(ami);
      const session = await ami.nextLogin();
      await told.until(() => items.length === 1);
      let elements = 0;
      const concat = Reflect.get(Array.prototype, 'concat') as (this: unknown[], ...others: unknown[][]) => unknown[];
      Reflect.set(Array.prototype, 'concat', function (this: unknown[], ...others: unknown[][]): unknown[] {
        elements += this.length;
        return concat.apply(this, others);
      });
      try {
        await session.pushSlowly(answer(lines), 1448);
        await told.until(() => items.length === 2);
      } finally {
        Reflect.set(Array.prototype, 'concat', concat);
      }
      return elements;
    };
    const [small, large] = [await copied(2_000), await copied(8_000)];
    expect(large / small).toBeGreaterThan(10);

    const held = (lines: number): number => {
      let bytes = 0;
      const allocate = jest.spyOn(Buffer, 'allocUnsafe').mockImplementation((size) => {
        bytes += size;
        return Buffer.alloc(size);
      });
      frames(answer(lines), 1448);
      allocate.mockRestore();
      return bytes;
    };
    expect(held(8_000) / held(2_000)).toBeLessThan(6);
  });

  test('sends the secret to whoever listens, before a greeting; ours says nothing', async () => {
    const ami = await startFake({ greeting: false });
    startReference(ami);
    expect((await ami.received('login')).get('Secret')).toBe('secret');

    const own = await startFake({ greeting: false });
    const clock = new ManualClock();
    startClient(own, { clock });
    await own.until(() => own.connections === 1);
    clock.advance(5_000);
    expect(own.actions).toEqual([]);
  });

  test('into a TLS port too: it has no TLS; ours has', async () => {
    const ami = await startFake({ tls: true });
    const { manager } = startReference(ami);
    await new Promise<void>((resolve) => manager.on('close', () => resolve()));
    expect(ami.actions).toEqual([]);
  });

  test('asks for no classes of events: Asterisk reads `Events`, it writes `Event`; ours asks', async () => {
    const ami = await startFake();
    startReference(ami);
    const { mask } = await ami.nextLogin();
    expect(mask).toBeUndefined();
    expect((await ami.received('login')).get('Event')).toBe('on');

    const own = await startFake();
    startClient(own);
    expect((await own.nextLogin()).mask).toBe('call,system');
  });

  test('parks an action without a login and says nothing; ours says notSent', async () => {
    const ami = await startFake({ users: { crm: 'other' } });
    const { manager, items, told } = startReference({ address: { ...ami.address, secret: 'wrong' } });
    let answered = 0;
    manager.action({ action: 'originate', channel: 'PJSIP/150' }, () => answered++);
    await told.until(() => items.length === 1 && !manager.isConnected());
    expect(answered).toBe(0);

    const { client, told: ours } = startClient({ address: { ...ami.address, secret: 'wrong' } });
    expect(await client.action({ Action: 'Originate' })).toMatchObject({ outcome: 'notSent' });
    await ours.until(() => ours.refused.length === 1);
  });

  test('never answers an action whose connection died; ours says unknown', async () => {
    const silent = (ami: FakeAmi) =>
      ami.on('Originate', (_, session) => {
        session.end();
        return undefined;
      });
    const ami = await startFake();
    silent(ami);
    const { manager, items, told } = startReference(ami);
    await ami.nextLogin();
    await told.until(() => items.length > 0);
    let answered = 0;
    const id = manager.action({ action: 'originate' }, () => answered++);
    await told.until(() => !manager.isConnected());
    expect({ answered, leaked: manager.listeners(id).length }).toEqual({
      answered: 0,
      leaked: 1,
    });

    const own = await startFake();
    silent(own);
    const { client, told: ours } = startClient(own);
    await ours.until(() => ours.ups.length === 1);
    expect(await client.action({ Action: 'Originate' })).toMatchObject({ outcome: 'unknown' });
  });
});
