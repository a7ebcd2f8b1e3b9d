import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type Player, type PlayerOptions, type Progress, startPlayer } from '../../../src/sandbox/player.ts';
import { holdTime } from '../../support/heldTime.ts';

const CAPTURE = join(import.meta.dirname, '../../captures/ast22/in_direct_answer.ami');
const BOOTED = 'Event: FullyBooted';
let recorded = '';
const open: { player: Player; sockets: Socket[] }[] = [];

beforeAll(async () => {
  recorded = await readFile(CAPTURE, 'latin1');
});

afterEach(async () => {
  jest.useRealTimers();
  for (const { player, sockets } of open.splice(0)) {
    for (const socket of sockets) socket.destroy();
    await player.stop();
  }
});

/** A raw AMI client: all bytes received, and a promise for a text to appear. */
class Client {
  received = '';
  closed = false;
  #look: () => void = () => undefined;
  readonly socket: Socket;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setEncoding('latin1');
    this.socket.on('error', () => undefined);
    this.socket.on('data', (text: string) => {
      this.received += text;
      this.#look();
    });
    this.socket.on('close', () => {
      this.closed = true;
      this.#look();
    });
  }

  /** Waits for a text, or with `closed` for the end of the connection. */
  async until(what: string): Promise<void> {
    while (what === 'closed' ? !this.closed : !this.received.includes(what)) {
      if (this.closed) throw new Error(`closed before "${what}"; received:\n${this.received.slice(0, 500)}`);
      await new Promise<void>((resolve) => {
        this.#look = resolve;
      });
    }
  }

  send(headers: Record<string, string>): void {
    this.socket.write(
      `${Object.entries(headers)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('')}\r\n`,
    );
  }

  async ask(headers: Record<string, string>, until: string): Promise<string> {
    const before = this.received.length;
    this.send(headers);
    while (!this.received.slice(before).includes(until)) {
      if (this.closed) return this.received.slice(before);
      await new Promise<void>((resolve) => {
        this.#look = resolve;
      });
    }
    return this.received.slice(before);
  }

  async login(events = 'on'): Promise<void> {
    await this.ask({ Action: 'Login', Username: 'u', Secret: 's', Events: events }, 'Authentication accepted');
  }

  async start(events = 'on'): Promise<void> {
    await this.login(events);
    await this.ask({ Action: 'Status', ActionID: 'snap' }, 'StatusComplete');
    await this.until('ListItems: 0\r\n\r\n');
  }

  /** Everything after the snapshot: the stream. */
  get stream(): string {
    return this.received.slice(this.received.indexOf('ListItems: 0\r\n\r\n') + 'ListItems: 0\r\n\r\n'.length);
  }
}

async function player(options: Partial<PlayerOptions> = {}): Promise<{ player: Player; client: () => Client }> {
  const player = await startPlayer({
    ...{ captures: [CAPTURE], port: 0, speed: 5000, user: 'u', secret: 's', snapshotGraceMs: 60_000 },
    ...options,
  });
  const sockets: Socket[] = [];
  open.push({ player, sockets });
  return {
    player,
    client: () => {
      const client = new Client(player.port);
      sockets.push(client.socket);
      return client;
    },
  };
}

/** Lets held time pass, a millisecond a turn of the event loop, until something has happened. */
async function pass(happened: () => boolean): Promise<void> {
  while (!happened()) {
    jest.advanceTimersByTime(1);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Lets held time pass until everything was played. */
async function passAll(playing: Player): Promise<void> {
  let over = false;
  void playing.done.then(() => (over = true));
  await pass(() => over);
}

/** The stream without what the player may change. */
function bare(stream: string): string {
  return stream.replace(/^Timestamp: \d+/gm, 'Timestamp: T');
}

/** The recording without the FullyBooted that belongs to the login. */
function body(): string {
  return recorded.slice(recorded.indexOf('\r\n\r\n') + 4);
}

describe('login', () => {
  test('the recorded greeting comes first', async () => {
    const client = (await player()).client();
    await client.until('\r\n');
    expect(client.received).toBe('Asterisk Call Manager/11.0.0\r\n');
  });

  test('MD5 challenge is accepted', async () => {
    const client = (await player()).client();
    const told = await client.ask({ Action: 'Challenge', AuthType: 'MD5', ActionID: 'c1' }, '\r\n\r\n');
    expect(told).toContain('ActionID: c1');
    const challenge = /Challenge: (\d+)/.exec(told)?.[1] ?? '';
    const key = createHash('md5').update(`${challenge}s`).digest('hex');
    await client.ask({ Action: 'Login', AuthType: 'MD5', Username: 'u', Key: key }, BOOTED);
    expect(client.received).toContain('Response: Success\r\nMessage: Authentication accepted');
  });

  test.each([
    { name: 'a wrong secret', login: { Action: 'Login', Username: 'u', Secret: 'x' } },
    { name: 'a wrong user', login: { Action: 'Login', Username: 'x', Secret: 's' } },
    { name: 'a key without a challenge', login: { Action: 'Login', AuthType: 'MD5', Username: 'u', Key: 'x' } },
  ])('$name is refused and the connection closed', async ({ login }) => {
    const client = (await player()).client();
    client.send(login);
    await client.until('closed');
    expect(client.received).toContain('Response: Error\r\nMessage: Authentication failed');
  });

  test('nothing but login is answered before login', async () => {
    const client = (await player()).client();
    expect(await client.ask({ Action: 'Ping', ActionID: '1' }, '\r\n\r\n')).toContain(
      'Response: Error\r\nActionID: 1\r\nMessage: Permission denied',
    );
  });

  test('a login to a running Asterisk is told FullyBooted at once, and only once', async () => {
    const { player: playing, client: newClient } = await player();
    const client = newClient();
    await client.start();
    await playing.done;
    await client.ask({ Action: 'Ping' }, 'Pong');
    expect(client.received.split(BOOTED)).toHaveLength(2);
  });
});

describe('actions', () => {
  test.each([
    { action: 'Ping', until: 'Pong', told: 'Ping: Pong' },
    { action: 'CoreStatus', until: 'CoreCurrentCalls', told: 'CoreCurrentCalls: 0' },
    { action: 'CoreSettings', until: 'AMIversion', told: 'AMIversion: 11.0.0' },
    {
      action: 'Status',
      until: 'Complete\r\n',
      told: 'Event: StatusComplete\r\nActionID: a1\r\nEventList: Complete\r\nListItems: 0',
    },
    {
      action: 'QueueStatus',
      until: 'Complete\r\n',
      told: 'Event: QueueStatusComplete\r\nActionID: a1\r\nEventList: Complete',
    },
    { action: 'CoreShowChannels', until: 'Complete\r\n', told: 'Event: CoreShowChannelsComplete\r\nActionID: a1' },
    {
      action: 'Originate',
      until: 'Message',
      told: 'Response: Error\r\nActionID: a1\r\nMessage: A recording cannot call anybody',
    },
    { action: 'Nonsense', until: 'Message', told: 'Message: Invalid/unknown command' },
    { action: 'constructor', until: 'Message', told: 'Message: Invalid/unknown command' },
    { action: 'Logoff', until: 'fish.', told: 'Response: Goodbye\r\nActionID: a1' },
  ])('$action is answered with its ActionID', async ({ action, until, told }) => {
    const client = (await player({ speed: 0.001 })).client();
    await client.login('off');
    client.send({ Action: action, ActionID: 'a1' });
    await client.until(until);
    await client.ask({ Action: 'Ping', ActionID: 'last' }, 'ActionID: last');
    expect(client.received).toContain('ActionID: a1');
    expect(client.received).toContain(told);
  });

  test('an action without end closes the connection', async () => {
    const client = (await player()).client();
    client.socket.write('A'.repeat(70_000));
    await client.until('closed');
    expect(client.closed).toBe(true);
  });
});

describe('the stream', () => {
  test('begins after the snapshot and is the recording byte for byte but for the seconds of its times', async () => {
    const { player: playing, client: newClient } = await player();
    const client = newClient();
    await client.start();
    await playing.done;
    await client.ask({ Action: 'Ping' }, 'Pong');
    expect(bare(client.stream).startsWith(bare(body()))).toBe(true);
  });

  test('tells times of now, in recorded distances', async () => {
    const { player: playing, client: newClient } = await player();
    const client = newClient();
    const before = Math.floor(Date.now() / 1000);
    await client.start();
    await playing.done;
    await client.ask({ Action: 'Ping', ActionID: 'end' }, 'ActionID: end');
    const times = [...client.stream.matchAll(/^Timestamp: (\d+\.\d+)/gm)].map((match) => Number(match[1])).slice(0, -1);
    const originals = [...body().matchAll(/^Timestamp: (\d+\.\d+)/gm)].map((match) => Number(match[1]));
    const shift = (times[0] ?? 0) - (originals[0] ?? 0);
    expect(times[0]).toBeGreaterThan(before - 2);
    expect(originals.every((original, index) => Math.abs((times[index] ?? 0) - original - shift) < 0.001)).toBe(true);
  });

  test('without renumber ids stay as recorded', async () => {
    const { player: playing, client: newClient } = await player();
    const client = newClient();
    await client.start();
    await playing.done;
    await client.ask({ Action: 'Ping' }, 'Pong');
    expect(client.stream).toContain('Uniqueid: 1795339498.0\r\n');
  });

  test('with renumber every id moves to now, file names too, and no capture shares an id with another', async () => {
    const { player: playing, client: newClient } = await player({
      captures: [CAPTURE],
      renumber: true,
      loop: true,
      pauseSeconds: 0,
    });
    const client = newClient();
    const before = Math.floor(Date.now() / 1000);
    await client.start();
    const seen = (): string[] => [
      ...new Set([...client.stream.matchAll(/^Uniqueid: (\S+)\r\n/gm)].map((match) => match[1] ?? '')),
    ];
    while (seen().length < 4) await client.ask({ Action: 'Ping' }, 'Pong');
    await playing.stop();
    const ids = seen();
    expect(ids.slice(0, 4).map((id) => id.split('.')[1])).toEqual(['0', '1', '2', '3']);
    expect(ids.every((id) => Number(id.split('.')[0]) >= before - 2)).toBe(true);
    expect(client.stream).not.toContain('1795339498.0');
    expect(client.stream).toContain(`Value: ${ids[0] ?? ''}.wav`);
  });

  test('only classes the user may read are sent', async () => {
    const { player: playing, client: newClient } = await player({ classes: ['call', 'system'] });
    const client = newClient();
    await client.start();
    await playing.done;
    await client.ask({ Action: 'Ping' }, 'Pong');
    const classes = new Set([...client.stream.matchAll(/^Privilege: (\S+)/gm)].map((match) => match[1]));
    expect(classes).toEqual(new Set(['call,all']));
    expect(client.received).toContain(BOOTED);
    expect(client.stream).toContain('Event: Hangup');
  });

  test('Events of a login narrows them further', async () => {
    const { player: playing, client: newClient } = await player();
    const client = newClient();
    await client.start('call');
    await playing.done;
    await client.ask({ Action: 'Ping' }, 'Pong');
    const classes = new Set([...client.stream.matchAll(/^Privilege: (\S+)/gm)].map((match) => match[1]));
    expect(classes).toEqual(new Set(['call,all']));
    expect(client.received).not.toContain(BOOTED);
  });

  test('goes to a session that wants events, never to one with Events: off', async () => {
    const { player: playing, client: newClient } = await player();
    const acting = newClient();
    await acting.start('off');
    const reading = newClient();
    await reading.start();
    await playing.done;
    await reading.ask({ Action: 'Ping' }, 'Pong');
    expect(acting.received).not.toContain('Event: Newchannel');
    expect(reading.received).toContain('Event: Newchannel');
  });

  test('starts without a snapshot after the grace', async () => {
    const { player: playing, client: newClient } = await player({ snapshotGraceMs: 1 });
    const client = newClient();
    await client.login();
    await playing.done;
    await client.ask({ Action: 'Ping' }, 'Pong');
    expect(client.received).toContain('Event: Hangup');
  });

  test('keeps its rhythm: fifty times the speed takes a fiftieth of the time, not less', async () => {
    holdTime();
    const { player: playing, client: newClient } = await player({ speed: 50 });
    const client = newClient();
    await client.start();
    const begun = performance.now();
    await passAll(playing);
    const recordedMs = 6856;
    expect(performance.now() - begun).toBeGreaterThan((recordedMs / 50) * 0.9);
  });

  test('after a lost connection it goes on with the message that was cut', async () => {
    holdTime();
    const { player: playing, client: newClient } = await player({ speed: 10 });
    const first = newClient();
    await first.start();
    await pass(() => first.received.includes('Event: DialBegin'));
    first.socket.destroy();
    const second = newClient();
    await second.start();
    await passAll(playing);
    await second.ask({ Action: 'Ping' }, 'Pong');
    expect(second.stream.startsWith('Event: ')).toBe(true);
    expect(second.stream).toContain('Event: Hangup');
    expect(second.stream).not.toContain('Event: DialBegin');
  });

  test('progress is told', async () => {
    const told: Progress[] = [];
    const { player: playing, client: newClient } = await player({ onProgress: (progress) => told.push(progress) });
    await newClient().start();
    await playing.done;
    expect(told.map(({ capture, number, of, state }) => `${capture} ${number}/${of} ${state}`)).toEqual([
      'in_direct_answer 1/1 waiting',
      'in_direct_answer 1/1 playing',
      'in_direct_answer 1/1 played',
    ]);
  });

  test('stop ends a player nobody ever connected to', async () => {
    const { player: playing } = await player();
    await playing.stop();
    await expect(playing.done).resolves.toBeUndefined();
  });

  test('a recording that is not there is an error at the start', async () => {
    await expect(player({ captures: ['nowhere.ami'] })).rejects.toThrow(/nowhere/);
  });
});

describe('connections that end', () => {
  const event = (name: string, more = ''): string => `Event: ${name}\r\nPrivilege: call,all\r\n${more}\r\n`;
  const booted = `${BOOTED}\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n`;
  let folder = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'player-'));
    const write = async (name: string, text: string, opened: number, cuts: readonly number[]): Promise<void> => {
      await writeFile(join(folder, `${name}.ami`), text, 'latin1');
      const edges = [0, ...cuts, text.length];
      const rows = edges
        .slice(1)
        .map((end, index) => JSON.stringify([edges[index], end - (edges[index] ?? 0), opened + index * 0.1]));
      const head = JSON.stringify({ opened, closed: opened + 5, banner: 'Asterisk Call Manager/11.0.0', user: 'full' });
      await writeFile(join(folder, `${name}.idx.jsonl`), `${[head, ...rows].join('\n')}\n`);
    };
    const id = 'Uniqueid: pbx-1700000000.7\r\n';
    const one =
      booted +
      event('Newchannel', `Timestamp: 1700000000.000100\r\n${id}`) +
      event('NewLast', id) +
      'Event: Cut\r\nPriv';
    // Cuts in the middle of an id and of a time: rewriting must not care.
    const first = booted.length + one.slice(booted.length).indexOf('0.000100');
    await write('restart', one, 1_700_000_000, [first - 4, one.indexOf('pbx-') + 9, one.length - 3]);
    const two = `${event('SuccessfulAuth').replace('call', 'security')}${booted}${event('Newchannel', 'Uniqueid: pbx-1700000006.0\r\n')}`;
    await write('restart.seg2', two, 1_700_000_006, []);
    const three = booted + event('Newchannel') + event('NewLast');
    await write('cut', three, 1_700_000_000, [three.indexOf('NewLast') + 3]);
  });

  afterAll(() => rm(folder, { recursive: true }));

  test('the connection is closed, the next login gets the second segment and its own FullyBooted', async () => {
    const { player: playing, client: newClient } = await player({
      captures: [join(folder, 'restart.ami')],
      renumber: true,
      speed: 50,
    });
    const first = newClient();
    await first.start();
    await first.until('closed');
    expect(first.stream.endsWith('Event: Cut\r\nPriv')).toBe(true);
    const id = /Uniqueid: pbx-(\d{10})\.7\r/.exec(first.stream)?.[1];
    expect(first.stream.split(`Uniqueid: pbx-${id ?? '?'}.7\r\n`)).toHaveLength(3);
    expect(Number(/Timestamp: (\d+)\.000100/.exec(first.stream)?.[1])).toBe(Number(id));
    let second = newClient();
    while (!second.received.includes('accepted')) {
      second = newClient();
      await second.login().catch(() => undefined);
    }
    await playing.done;
    await second.ask({ Action: 'Ping' }, 'Pong');
    expect(second.received.split(BOOTED)).toHaveLength(2);
    expect(second.received.indexOf('SuccessfulAuth')).toBeLessThan(second.received.indexOf(BOOTED));
    expect(second.received).toContain(`Uniqueid: pbx-${Number(id) + 6}.0\r\n`);
  });

  test('a message that was cut by a lost connection is sent again whole', async () => {
    holdTime();
    const { player: playing, client: newClient } = await player({ captures: [join(folder, 'cut.ami')], speed: 1 });
    const first = newClient();
    await first.start();
    await first.until('Event: Newchannel\r\nPrivilege: call,all\r\n\r\nEvent: New');
    first.socket.destroy();
    const second = newClient();
    await second.start();
    await passAll(playing);
    await second.ask({ Action: 'Ping' }, 'Pong');
    expect(second.stream.startsWith('Event: NewLast\r\n')).toBe(true);
  });
});
