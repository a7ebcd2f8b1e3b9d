import { createHash } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import { testTls } from '../../support/testTls.ts';
import { cleanUp, ManualClock, memoryLog, startClient, startFake } from './support.ts';

afterEach(cleanUp);

const hangup = (uniqueid: string) =>
  `Event: Hangup\r\nPrivilege: call,all\r\nChannel: PJSIP/150-1\r\nUniqueid: ${uniqueid}\r\nLinkedid: ${uniqueid}\r\nCause: 16\r\n\r\n`;

describe('the greeting', () => {
  test.each([
    { name: 'another protocol', greeting: '220 mail.example ESMTP\r\n', cause: 'notAsterisk' },
    { name: 'an endless line', greeting: `Asterisk Call Manager/${'1'.repeat(400)}`, cause: 'notAsterisk' },
    { name: 'a line that only begins like it', greeting: 'Asterisk Call\r\n', cause: 'notAsterisk' },
  ])('$name: nothing is said to it', async ({ greeting }) => {
    const { log, lines } = memoryLog();
    const ami = await startFake({ greeting });
    startClient(ami, { log, retry: { firstMs: 3_600_000 }, random: () => 0.9 });
    await ami.until(() => ami.connections === 1);
    const [session] = ami.sessions;
    await ami.until(() => session?.closed ?? false);
    expect(session?.received).toBe('');
    expect(lines.join()).toContain('notAsterisk');
  });

  test('none within 5 s: closed, nothing was said', async () => {
    const clock = new ManualClock();
    const { log, lines } = memoryLog();
    const ami = await startFake({ greeting: false });
    startClient(ami, { log, clock });
    await ami.until(() => ami.connections === 1);
    const [session] = ami.sessions;
    clock.advance(4_999);
    expect(lines).toEqual([]);
    clock.advance(1);
    expect(lines.join()).toContain('noGreeting');
    await ami.until(() => session?.closed ?? false);
    expect(session?.received).toBe('');
  });

  test('in pieces is a greeting too', async () => {
    const ami = await startFake({ greeting: false });
    const { told } = startClient(ami);
    await ami.until(() => ami.connections === 1);
    const [session] = ami.sessions;
    await session?.pushSlowly('Asterisk Call Manager/5.0.4\r\n', 3);
    await told.until(() => told.ups.length === 1);
    expect(told.ups[0]?.banner).toBe('Asterisk Call Manager/5.0.4');
  });
});

describe('the login', () => {
  test('answers the challenge, asks for its classes by `Events`, and never shows the secret', async () => {
    const { log, lines } = memoryLog();
    const ami = await startFake({ users: { crm: 's3cret-word' } });
    const { told } = startClient(ami, { log });
    const session = await ami.nextLogin();
    await told.until(() => told.ups.length === 1);
    const login = await ami.received('Login');
    expect(login.get('Key')).toBe(
      createHash('md5')
        .update(`${session.challenge ?? ''}s3cret-word`)
        .digest('hex'),
    );
    expect(session.mask).toBe('call,system');
    session.end();
    await told.until(() => told.downs.length === 1);
    expect(session.received + lines.join('\n')).not.toContain('s3cret-word');
  });

  test('asks for other classes when told to', async () => {
    const ami = await startFake();
    startClient(ami, { events: 'call,system,agent' });
    expect((await ami.nextLogin()).mask).toBe('call,system,agent');
  });

  test('without MD5 on the server the secret is not said, and nobody hammers', async () => {
    const ami = await startFake({ md5: false });
    const { told } = startClient(ami);
    await told.until(() => told.refused.length === 1);
    expect(told.refused[0]?.cause).toBe('authRefused');
    expect(ami.actions.map(({ action }) => action)).toEqual(['Challenge']);
  });

  test('unless plaintext is allowed', async () => {
    const ami = await startFake({ md5: false });
    startClient(ami, { allowPlaintext: true });
    expect((await ami.nextLogin()).username).toBe('crm');
  });

  test('an answer that never comes ends the connection after 5 s', async () => {
    const clock = new ManualClock();
    const { log, lines } = memoryLog();
    const ami = await startFake();
    ami.on('Challenge', () => undefined);
    startClient(ami, { log, clock });
    await ami.received('Challenge');
    clock.advance(5_000);
    expect(lines.join()).toContain('loginUnanswered');
  });

  test('events of somebody who has not let us in are not heard', async () => {
    const ami = await startFake();
    ami.on('Challenge', (action, session) => {
      session.push(hangup('forged'));
      session.reply(action, { Challenge: '1' });
      session.challenge = '1';
      return undefined;
    });
    const { told } = startClient(ami);
    const session = await ami.nextLogin();
    session.push(hangup('1.1'));
    await told.until(() => told.events.length === 1);
    expect(told.events.map((one) => one.get('Uniqueid'))).toEqual(['1.1']);
  });
});

describe('TLS', () => {
  const tls = { ca: testTls.cert };
  test('a certificate we know lets us in', async () => {
    const ami = await startFake({ tls: true });
    const { told } = startClient(ami, { tls });
    await told.until(() => told.ups.length === 1);
    expect((await ami.nextLogin()).username).toBe('crm');
  });

  test.each([
    { name: 'a certificate nobody vouches for', tls: {}, detail: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    {
      name: 'a certificate for another name',
      tls: { ...tls, servername: 'pbx.example' },
      detail: 'ERR_TLS_CERT_ALTNAME_INVALID',
    },
  ])('$name does not', async ({ tls: ours, detail }) => {
    const clock = new ManualClock();
    const { log, lines } = memoryLog();
    const ami = await startFake({ tls: true });
    startClient(ami, { tls: ours, log, clock, random: () => 0.5 });
    // The pause before the next try is the only timer that is left.
    while (lines.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(lines.join()).toContain(detail);
    expect(ami.actions).toEqual([]);
  });

  test('a plain client on a TLS port says nothing', async () => {
    const clock = new ManualClock();
    const ami = await startFake({ tls: true });
    const { told } = startClient(ami, { clock });
    clock.advance(5_000);
    expect(told.ups).toEqual([]);
    expect(ami.actions).toEqual([]);
  });
});

describe('FullyBooted', () => {
  test('nothing is sent before it (A7), events are heard', async () => {
    const ami = await startFake({ fullyBooted: 'held', uptime: 3 });
    const { client, told } = startClient(ami);
    const session = await ami.nextLogin();
    session.push(hangup('1.1'));
    await told.until(() => told.events.length === 1);
    expect(await client.action({ Action: 'Ping' })).toEqual({ outcome: 'notSent', reason: 'not connected' });
    expect(ami.actions.map(({ action }) => action)).toEqual(['Challenge', 'Login']);
    session.boot();
    await told.until(() => told.ups.length === 1);
    expect(told.ups[0]?.bootUptime).toBe(3);
  });

  test('where it never comes (read=call) 10 s are enough', async () => {
    const clock = new ManualClock();
    const ami = await startFake({ fullyBooted: 'never' });
    const { told } = startClient(ami, { clock });
    const session = await ami.nextLogin();
    session.push(hangup('1.1'));
    await told.until(() => told.events.length === 1);
    clock.advance(9_999);
    expect(told.ups).toEqual([]);
    clock.advance(1);
    expect(told.ups).toHaveLength(1);
  });
});

describe('life', () => {
  test('a half-open connection is found in 15 s (A1)', async () => {
    const clock = new ManualClock();
    const ami = await startFake();
    const { told } = startClient(ami, { clock });
    const session = await ami.nextLogin();
    await told.until(() => told.ups.length === 1);
    const heardAt = clock.now();
    session.freeze();
    clock.advance(14_999);
    expect(told.downs).toEqual([]);
    clock.advance(1);
    expect(told.downs).toEqual([{ cause: 'silent', detail: 'nothing was heard after a ping' }]);
    expect(told.heardAt).toEqual([heardAt]);
  });

  test('any byte is a sign of life, a Pong or not', async () => {
    const clock = new ManualClock();
    const ami = await startFake();
    const { told } = startClient(ami, { clock });
    const session = await ami.nextLogin();
    await told.until(() => told.ups.length === 1);
    session.freeze();
    for (let round = 1; round <= 5; round++) {
      clock.advance(10_000 - (round === 1 ? 0 : 5_000));
      session.push(hangup(String(round)));
      await told.until(() => told.events.length === round);
      clock.advance(5_000);
    }
    expect(told.downs).toEqual([]);
    await ami.until(() => session.received.match(/Action: Ping/g)?.length === 5);
  });

  test('a loop that stood still is no dead peer: what arrived meanwhile counts before a deadline speaks (A2)', async () => {
    const ami = await startFake();
    let pings = 0;
    ami.on('Ping', (_, session) => {
      pings++;
      session.event('Alarm');
      // Only a stall as long as `pongMs`, between the ping and the loop's next turn, would be no fault of the client.
      const until = performance.now() + 550;
      while (performance.now() < until);
      return undefined;
    });
    const { told } = startClient(ami, { limits: { pingMs: 10, pongMs: 500 } });
    await ami.until(() => pings === 2);
    await told.until(() => told.events.length >= 2);
    expect(told.downs).toEqual([]);
  });

  test('a close by the server is told at once', async () => {
    const ami = await startFake();
    const { told } = startClient(ami);
    const session = await ami.nextLogin();
    await told.until(() => told.ups.length === 1);
    session.end();
    await told.until(() => told.downs.length === 1);
    expect(told.downs[0]?.cause).toBe('ended');
  });

  test('a reset is told at once, with one reason', async () => {
    const ami = await startFake();
    const { told } = startClient(ami);
    const session = await ami.nextLogin();
    await told.until(() => told.ups.length === 1);
    session.cut();
    await told.until(() => told.ups.length === 2);
    expect(told.downs).toEqual([{ cause: 'socketError', detail: 'ECONNRESET' }]);
  });
});

describe('a connection that breaks in the middle of a message (A12)', () => {
  test('at every byte: the half is never glued to the next connection', async () => {
    const ami = await startFake();
    const { told } = startClient(ami, { retry: { firstMs: 0 } });
    const text = hangup('old');
    for (let cut = 0; cut < text.length; cut++) {
      const broken = await ami.nextLogin();
      broken.push(text.slice(0, cut));
      broken.end();
    }
    const last = await ami.nextLogin();
    last.push(hangup('new'));
    await told.until(() => told.events.length > 0);
    expect(told.events.map((one) => one.entries())).toEqual([
      [
        ['Event', 'Hangup'],
        ['Privilege', 'call,all'],
        ['Channel', 'PJSIP/150-1'],
        ['Uniqueid', 'new'],
        ['Linkedid', 'new'],
        ['Cause', '16'],
      ],
    ]);
    expect(told.ups).toHaveLength(text.length + 1);
  });

  test('half a Response neither: the next login is recognised and actions are answered', async () => {
    const ami = await startFake();
    const { client, told } = startClient(ami);
    const broken = await ami.nextLogin();
    await told.until(() => told.ups.length === 1);
    broken.push('Response: Success\r\nMessage: half\r\n');
    broken.end();
    await told.until(() => told.ups.length === 2);
    expect(await client.action({ Action: 'Ping' })).toMatchObject({ outcome: 'answered' });
  });
});

describe('streams that mean no good', () => {
  test('100 MB without a line end: closed at the limit, memory stays, and we come back (A14)', async () => {
    const ami = await startFake();
    const { client, told } = startClient(ami);
    const session = await ami.nextLogin();
    await told.until(() => told.ups.length === 1);
    const before = process.memoryUsage().rss;
    const chunk = Buffer.alloc(1_000_000, 'x');
    for (let i = 0; i < 100 && !session.closed; i++) await session.pushDrained(chunk);
    await told.until(() => told.ups.length === 2);
    expect(told.downs).toEqual([{ cause: 'badStream', detail: 'line too long' }]);
    expect(client.counters.bytes).toBeLessThan(1_000_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(60e6);
  });

  test('garbage, NUL, lone CR and LF are counted and skipped (A15)', async () => {
    const ami = await startFake();
    const { client, told } = startClient(ami);
    const session = await ami.nextLogin();
    session.push(Buffer.from([0, 1, 2, 255, 13, 10, 13, 10]));
    session.push('\n\n\r\r\0\r\n\r\nnot a message\r\n\r\n: \r\n\r\n\r\n\r\n');
    session.push(hangup('1.1'));
    await told.until(() => told.events.length === 1);
    expect(told.downs).toEqual([]);
    expect(client.counters.unknownBlocks).toBe(4);
  });

  test('one byte at a time, a name in two alphabets: as if whole (A13)', async () => {
    const ami = await startFake();
    const { told } = startClient(ami);
    const session = await ami.nextLogin();
    await session.pushSlowly('Event: Newchannel\r\nCallerIDName: Щёткин 😀\r\nUniqueid: 1\r\n\r\n', 1);
    await told.until(() => told.events.length === 1);
    expect(told.events[0]?.get('CallerIDName')).toBe('Щёткин 😀');
  });

  test('hostile names are plain data, repeated identities are counted (A16, A17)', async () => {
    const ami = await startFake();
    const { client, told } = startClient(ami);
    const session = await ami.nextLogin();
    const names = ['close', 'error', 'rawevent', 'connect', 'end', '__proto__', 'constructor'];
    for (const name of names)
      session.push(`Event: ${name}\r\n__proto__: x\r\nUniqueid: 1\r\nUniqueid: 2\r\nEvent: Hangup\r\n\r\n`);
    await told.until(() => told.events.length === names.length);
    expect(told.events.map((one) => [one.name, one.get('Uniqueid')])).toEqual(names.map((name) => [name, '1']));
    expect(client.counters.anomalies).toBe(2 * names.length);
    expect(told.downs).toEqual([]);
  });

  test('a forged event inside a value stays inside: LF LF ends nothing', async () => {
    const ami = await startFake();
    const { told } = startClient(ami);
    const session = await ami.nextLogin();
    session.push(`Event: Newexten\r\nAppData: a\n\nEvent: Hangup\nUniqueid: 1.1\n\r\n\r\n${hangup('2.2')}`);
    await told.until(() => told.events.length === 2);
    expect(told.events.map((one) => one.name)).toEqual(['Newexten', 'Hangup']);
    expect(told.events[0]?.get('Uniqueid')).toBeUndefined();
  });
});
