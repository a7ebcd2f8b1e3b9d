import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { AgiRequest } from '../../../src/agi/protocol.ts';
import { type AgiServer, type AgiServerOptions, startAgiServer, type Variables } from '../../../src/agi/server.ts';
import { silentLog } from '../../../src/log.ts';

let server: AgiServer | undefined;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.stop();
});

/** Nobody is late on a busy machine, unless a test is about that. */
const patient = { environmentMs: 30_000, replyMs: 30_000 };

async function start(options: Partial<AgiServerOptions> = {}): Promise<AgiServer> {
  server = await startAgiServer({
    address: '127.0.0.1',
    port: 0,
    answer: () => Promise.resolve({ RESPONSIBLE_EXT: '150', CUSTOMER_NAME: 'Anna' }),
    log: silentLog,
    limits: patient,
    ...options,
  });
  return server;
}

/** Somebody at the port: what was said to it so far, and its end. */
async function dial(): Promise<{ socket: Socket; heard: () => string; ended: Promise<unknown> }> {
  const socket = connect(server?.port ?? 0, '127.0.0.1');
  sockets.push(socket);
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes.toString();
  });
  socket.on('error', () => undefined);
  const ended = new Promise((resolve) => socket.once('close', resolve));
  await once(socket, 'connect');
  return { socket, heard: () => text, ended };
}

/** The server hears of a closed connection a moment after its peer. */
async function expectForgotten(): Promise<void> {
  for (let tries = 0; tries < 200 && server?.connections() !== 0; tries++)
    await new Promise((resolve) => setTimeout(resolve, 5));
  expect(server?.connections()).toBe(0);
}

const environment = 'agi_network: yes\nagi_network_script: responsible\nagi_callerid: +375290000101\n\n';

/** Plays Asterisk: says the environment, answers every command, returns the commands. */
async function call(text = environment): Promise<string[]> {
  const { socket, heard, ended } = await dial();
  let replied = 0;
  socket.on('data', () => {
    const commands = heard().split('\n').length - 1;
    for (; replied < commands; replied++) socket.write('200 result=1\n');
  });
  socket.write(text);
  await ended;
  return heard().split('\n').slice(0, -1);
}

describe('a dial plan asks', () => {
  test('variables are set one after another, then the line is free', async () => {
    await start();
    expect(await call()).toEqual(['SET VARIABLE RESPONSIBLE_EXT "150"', 'SET VARIABLE CUSTOMER_NAME "Anna"']);
  });

  test('the question arrives as it was asked', async () => {
    let asked: AgiRequest | undefined;
    await start({
      answer: (request) => {
        asked = request;
        return Promise.resolve({});
      },
    });
    await call('agi_network: yes\nagi_network_script: responsible?did=1\nagi_calleridname: Щёткин\nagi_arg_1: Щ\n\n');
    expect(asked).toMatchObject({ script: 'responsible', query: new Map([['did', '1']]), args: ['Щ'] });
  });

  test('byte by byte is as good as at once', async () => {
    await start();
    const { socket, heard, ended } = await dial();
    socket.setNoDelay(true);
    for (const byte of environment) {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    while (!heard().includes('EXT "150"')) await once(socket, 'data');
    socket.write('HANG');
    socket.write('UP\n');
    await ended;
    expect(heard()).toBe('SET VARIABLE RESPONSIBLE_EXT "150"\n');
  });

  test('a refused command does not keep the next from being tried', async () => {
    await start();
    const { socket, heard, ended } = await dial();
    socket.on('data', () => socket.write('510 Invalid or unknown command\n'));
    socket.write(environment);
    await ended;
    expect(heard().split('\n')).toHaveLength(3);
  });

  test('a hundred at once are all answered', async () => {
    await start();
    const answers = await Promise.all(Array.from({ length: 100 }, () => call()));
    expect(answers.filter((commands) => commands.length === 2)).toHaveLength(100);
  });
});

describe('fail-open: the line is given back, no variable set', () => {
  test.each<[string, AgiServerOptions['answer']]>([
    ['the answer is late', () => new Promise(() => undefined)],
    ['the answer fails', () => Promise.reject(new Error('broken'))],
    ['nothing of that name', () => Promise.resolve(undefined)],
  ])('%s', async (_says, answer) => {
    await start({ answer, limits: { answerMs: 30 } });
    expect(await call()).toEqual([]);
  });

  // Timers of one turn fire in their order, however late: which of the two comes first does not depend on the machine.
  test.each([
    { answersAfter: 100, commands: ['SET VARIABLE X "1"'] },
    { answersAfter: 200, commands: [] },
  ])('late means 140 ms: an answer after $answersAfter', async ({ answersAfter, commands }) => {
    const answer = (): Promise<Variables> =>
      new Promise((resolve) => setTimeout(() => resolve({ X: '1' }), answersAfter));
    await start({ answer });
    expect(await call()).toEqual(commands);
  });
});

describe('strangers', () => {
  test.each([
    ['HTTP', 'GET /responsible HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['TLS', '\u0016\u0003\u0001\u0002\u0000'],
    ['AMI', 'Action: Login\r\n\r\n'],
    ['an environment that goes wrong', 'agi_network: yes\nGET / HTTP/1.1\n\n'],
    ['an endless line', `agi_network: ${'x'.repeat(100_000)}`],
    ['endless lines', `agi_network: yes\n${'agi_arg_1: x\n'.repeat(10_000)}`],
    ['NUL', '\u0000'.repeat(100)],
  ])('are shown the door: %s', async (_says, text) => {
    await start({ limits: { environmentMs: 5_000 } });
    const { socket, heard, ended } = await dial();
    socket.write(text);
    await ended;
    expect(heard()).toBe('');
    await expectForgotten();
  });

  test.each([
    ['says nothing', ''],
    ['says half of it', environment.slice(0, 40)],
    ['does not reply to a command', environment],
  ])('one that %s is not waited for', async (_says, text) => {
    await start({ limits: { environmentMs: 30, replyMs: 30 } });
    const { socket, ended } = await dial();
    socket.write(text);
    await ended;
    await expectForgotten();
  });

  test('what came in time counts, though this process stood still until it was late', async () => {
    await start({ limits: { ...patient, environmentMs: 50 } });
    const { socket, heard, ended } = await dial();
    while (server?.connections() !== 1) await new Promise((resolve) => setImmediate(resolve));
    const said = once(socket, 'data');
    socket.write(environment);
    for (const late = performance.now() + 100; performance.now() < late; );
    await Promise.race([said, ended]);
    expect(heard()).toBe('SET VARIABLE RESPONSIBLE_EXT "150"\n');
  });

  test('one that drips for ever has the time of one that is slow', async () => {
    await start({ limits: { environmentMs: 60 } });
    const { socket, ended } = await dial();
    socket.write('agi_network: yes\nagi_arg_1: ');
    const drip = setInterval(() => socket.write('x'), 10);
    await ended;
    clearInterval(drip);
    await expectForgotten();
  });

  test('one that replies without end is cut off', async () => {
    await start();
    const { socket, ended } = await dial();
    socket.write(environment + '5'.repeat(50_000));
    await ended;
    await expectForgotten();
  });

  test('one that goes away in the middle is forgotten', async () => {
    await start({ answer: () => new Promise((resolve) => setTimeout(() => resolve({ X: '1' }), 20)) });
    const { socket, ended } = await dial();
    socket.write(environment);
    socket.resetAndDestroy();
    await ended;
    expect(await call()).toEqual(['SET VARIABLE X "1"']);
    await expectForgotten();
  });

  test('a flood does not keep the dial plan waiting once it is over, and memory does not grow with it', async () => {
    await start({ limits: { ...patient, connections: 20 } });
    const flood = await Promise.all(Array.from({ length: 300 }, () => dial()));
    await new Promise<void>((resolve) => {
      let gone = 0;
      for (const { ended } of flood) void ended.then(() => ++gone === 280 && resolve());
    });
    expect(server?.connections()).toBe(20);
    for (const { socket } of flood) socket.destroy();
    await expectForgotten();
    expect(await call()).toHaveLength(2);
  });
});

test('stop closes what is open', async () => {
  let asked: () => void = () => undefined;
  const under = new Promise<void>((resolve) => (asked = resolve));
  const running = await start({
    answer: () => {
      asked();
      return new Promise(() => undefined);
    },
  });
  const { socket, ended } = await dial();
  socket.write(environment);
  await under;
  await running.stop();
  await ended;
  expect(running.connections()).toBe(0);
});

test('an address that cannot be had is an error', async () => {
  const { port } = await start();
  await expect(
    startAgiServer({ address: '127.0.0.1', port, answer: () => Promise.resolve({}), log: silentLog }),
  ).rejects.toThrow(/EADDRINUSE/);
});
