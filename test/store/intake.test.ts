import { type Call, STOP_GRACE_MS } from '../../src/calls/call.ts';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { HostEvent } from '../../src/calls/events.ts';
import type { PlanSettings } from '../../src/delivery/plan.ts';
import { Intake, type IntakeOptions } from '../../src/intake.ts';
import { type Logger, silentLog } from '../../src/log.ts';
import { Recordings } from '../../src/recordings.ts';
import { example } from '../support/callsCaptures.ts';
import { Script } from '../support/callsScript.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
const { enterprise, rules, settings } = example();
const zoned: PlanSettings = { ...settings, zone: 'Europe/Minsk' };
const running: Intake[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(() => database.query('truncate calls, outbox, drops restart identity cascade'));
afterEach(async () => {
  await Promise.all(running.splice(0).map((intake) => intake.stop()));
});
afterAll(() => database.drop());

/** An intake of host pbx1. */
function intake(over: Partial<IntakeOptions> = {}): Intake {
  const one = new Intake({
    enterprise: 'acme',
    host: 'pbx1',
    account: 'acme-crm',
    rules,
    settings: () => zoned,
    db: database.db,
    log: silentLog,
    onCommitted: () => undefined,
    commitMs: 1,
    ...over,
  });
  running.push(one);
  return one;
}

/** The events with the last one happening now: what is late is not sent. */
function asOfNow(stream: Script): HostEvent[] {
  const shift = Date.now() - Math.max(...stream.events.map((event) => event.at));
  return stream.events.map((event) => ({ ...event, at: event.at + shift }));
}

/** `c` comes in and rings at 150 and 151. */
function ringing(): Script {
  const stream = new Script().incoming('c').wait(100).dial('c', 'p', { ext: '150' }).ring('p');
  return stream.dial('c', 'q', { ext: '151' }).ring('q').wait(200).tick();
}

/** 150 takes it, 151 stops. */
function answered(stream = ringing()): Script {
  stream.wait(300).dialEnd('q', 'CANCEL').answer('p').up('c').bridge('b', 'p', 'c').hangup('q', 26);
  return stream;
}

const rows = (table: 'calls' | 'outbox' | 'drops', what: string, order: string): Promise<Record<string, unknown>[]> =>
  database.query(`select ${what} from ${table} order by ${order}`);
const outbox = async (): Promise<string[]> =>
  (
    await rows(
      'outbox',
      "coalesce(type, kind) || ' ' || array_to_string(coalesce(codes, '{}'), '+') || ' ' || state as says",
      'id',
    )
  ).map(({ says }) => String(says));

/** Settles when the intake has committed something for the lane. */
function committed(): { onCommitted: () => void; once: Promise<void> } {
  let settle: () => void = () => undefined;
  const once = new Promise<void>((resolve) => {
    settle = resolve;
  });
  return { onCommitted: () => settle(), once };
}

/** Two ends of a connection. */
async function connected(): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [far] = (await accepted) as [Socket];
  server.close();
  return [near, far];
}

/** A log that keeps its sentences. */
function keeping(): { log: Logger; said: string[] } {
  const said: string[] = [];
  const say = (message: string): void => void said.push(message);
  const log: Logger = { error: say, warn: say, info: say, debug: say, child: () => log };
  return { log, said };
}

describe('facts become rows', () => {
  test('a ringing call is a live row and a popup', async () => {
    const one = intake();
    one.take(asOfNow(ringing()));
    await one.drain();
    expect(await rows('calls', 'external_id, state, direction, customer_phone, external_phone', 'external_id')).toEqual(
      [
        {
          external_id: 'pbx1-c',
          state: 'live',
          direction: 'in',
          customer_phone: '+375290000001',
          external_phone: '+375171234501',
        },
      ],
    );
    expect(await outbox()).toEqual(['in 150+151 pending']);
  });

  test('the answer takes the losers off a popup that has not been sent: nothing of theirs is left to close', async () => {
    const one = intake();
    const stream = answered();
    const events = asOfNow(stream);
    const round = events.findIndex((event) => event.event === 'Tick') + 1;
    one.take(events.slice(0, round));
    await one.drain();
    one.take(events.slice(round));
    await one.drain();
    expect(await outbox()).toEqual(['in 150 pending']);
    const [popup] = await rows('outbox', 'payload', 'id');
    expect(JSON.parse(String(popup?.['payload']))).toMatchObject({ codes: ['150'] });
  });

  test('an answer that came while this process stood still is told before the time that passed', async () => {
    const one = intake();
    const events = asOfNow(answered(ringing().wait(2_000)));
    const stops = events.findIndex((event) => event.event === 'DialEnd');
    const [pbx, heard] = await connected();
    const told = once(heard, 'data').then(() => one.take(events.slice(stops + 1)));
    one.take(events.slice(0, stops));
    await one.drain();
    await database.query("update outbox set state = 'done'"); // the popup is shown
    one.take(events.slice(stops, stops + 1));
    pbx.write('the rest');
    for (const late = performance.now() + STOP_GRACE_MS + 200; performance.now() < late; );
    await told;
    await one.drain();
    pbx.destroy();
    const hangups = await rows('outbox', "payload::json ->> 'hangupStatus' as says", 'id');
    expect(hangups.slice(1)).toEqual([{ says: 'answered' }]);
  });

  test('the end is one upload and an ended row with its owner', async () => {
    const one = intake();
    one.take(asOfNow(answered().wait(500).hangup('p').hangup('c')));
    await one.drain();
    expect(await rows('calls', 'external_id, state, result, owner, live', 'external_id')).toEqual([
      { external_id: 'pbx1-c', state: 'ended', result: 'answered', owner: '150', live: null },
    ]);
    expect((await outbox()).filter((row) => row.startsWith('upload'))).toEqual(['upload  pending']);
  });

  test('the same call told twice is one upload', async () => {
    const events = asOfNow(answered().wait(500).hangup('p').hangup('c'));
    for (let i = 0; i < 2; i++) {
      const one = intake();
      one.take(events);
      await one.drain();
    }
    expect((await outbox()).filter((row) => row.startsWith('upload'))).toHaveLength(1);
  });

  test('receivers of webhooks are told in the same transaction, each of what it wants, and once', async () => {
    const webhooks = [
      { account: 'webhook:acme/bi', events: ['call.incoming', 'call.answered', 'call.finished'] as const },
      { account: 'webhook:acme/wall', events: ['call.missed'] as const },
    ];
    const kinds: string[][] = [];
    const one = intake({ webhooks, onCommitted: (committed) => void kinds.push([...committed]) });
    const events = asOfNow(answered().wait(500).hangup('p').hangup('c'));
    one.take(events);
    await one.drain();
    const told = (): Promise<Record<string, unknown>[]> =>
      database.query(`select account, external_id, call_id, xmin = (select xmin from calls) as together
        from outbox where kind = 'webhook' order by id`);
    const row = (type: string): Record<string, unknown> => ({
      account: 'webhook:acme/bi',
      external_id: `pbx1-c/${type}`,
      call_id: 'pbx1-c',
      together: true,
    });
    expect(await told()).toEqual([row('call.incoming'), row('call.answered'), row('call.finished')]);
    expect(kinds.flat()).toContain('webhook');
    const again = intake({ webhooks });
    again.take(events);
    await again.drain();
    expect(await told()).toHaveLength(3);
  });

  test('internal traffic is a row of the ledger and nothing else', async () => {
    const one = intake();
    one.take(
      asOfNow(
        new Script()
          .employee('e', '150', '151')
          .dial('e', 'p', { ext: '151' })
          .ring('p')
          .wait(100)
          .hangup('p')
          .hangup('e'),
      ),
    );
    await one.drain();
    expect(await rows('drops', 'linkedid, reason, external_id', 'linkedid')).toEqual([
      { linkedid: 'e', reason: 'internal', external_id: 'pbx1-e' },
    ]);
    expect([await rows('calls', '*', 'external_id'), await outbox()]).toEqual([[], []]);
  });

  test('a ring round is closed without any further event', async () => {
    const { onCommitted, once } = committed();
    const one = intake({ onCommitted });
    one.take(asOfNow(new Script().incoming('c').dial('c', 'p', { ext: '150' }).ring('p')));
    await once;
    expect(await outbox()).toEqual(['in 150 pending']);
  });
});

describe('the database is away', () => {
  test('one transaction: what cannot be written whole is not written at all, and is written later', async () => {
    const one = intake();
    await database.query('alter table outbox rename to outbox_away');
    one.take(asOfNow(answered().wait(500).hangup('p').hangup('c')));
    const { log, said } = keeping();
    const other = intake({ log });
    other.take(asOfNow(new Script().incoming('d').wait(10).hangup('d')));
    await untilSaid(said, 'does not take writes');
    expect(await rows('calls', 'external_id', 'external_id')).toEqual([]);
    await database.query('alter table outbox_away rename to outbox');
    await Promise.all([one.drain(), other.drain()]);
    expect(await rows('calls', 'external_id, state', 'external_id')).toEqual([
      { external_id: 'pbx1-c', state: 'ended' },
      { external_id: 'pbx1-d', state: 'ended' },
    ]);
    expect(said.at(-1)).toContain('takes writes again');
    expect((await outbox()).filter((row) => row.startsWith('upload'))).toHaveLength(2);
  });

  test('connections cut in between lose nothing', async () => {
    const one = intake();
    const events = asOfNow(answered().wait(500).hangup('p').hangup('c'));
    one.take(events.slice(0, 5));
    await one.drain();
    await database.admin(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database.name}'`);
    one.take(events.slice(5));
    await one.drain();
    expect(await rows('calls', 'external_id, state', 'external_id')).toEqual([
      { external_id: 'pbx1-c', state: 'ended' },
    ]);
    expect((await outbox()).filter((row) => row.startsWith('upload'))).toHaveLength(1);
  });
});

describe('a restart', () => {
  test('takes the open calls up and finishes them: one upload', async () => {
    const stream = answered();
    const before = stream.events.length;
    const events = asOfNow(stream.resync().wait(500).hangup('p').hangup('c'));
    const first = intake();
    first.take(events.slice(0, before));
    await first.stop();
    const second = intake();
    await second.start();
    expect(second.liveCalls).toMatchObject([{ externalId: 'pbx1-c', state: 'talking' }]);
    second.take(events.slice(before));
    await second.drain();
    expect(second.liveCalls).toEqual([]);
    expect(await rows('calls', 'external_id, state, result, owner', 'external_id')).toEqual([
      { external_id: 'pbx1-c', state: 'ended', result: 'answered', owner: '150' },
    ]);
    expect((await outbox()).filter((row) => row.startsWith('upload'))).toHaveLength(1);
  });

  test("takes up its own host's calls only", async () => {
    const first = intake();
    first.take(asOfNow(answered()));
    await first.stop();
    const other = intake({ host: 'pbx2' });
    await other.start();
    expect(other.liveCalls).toEqual([]);
  });

  test('a stored call that was edited by hand is left alone and told of', async () => {
    const first = intake();
    first.take(asOfNow(answered()));
    await first.stop();
    await database.query(`update calls set live = '{"externalId": "pbx1-c", "rang": 5}'`);
    const { log, said } = keeping();
    const second = intake({ log });
    await second.start();
    expect(second.liveCalls).toEqual([]);
    expect(said).toEqual(['a stored call cannot be read and is left as it is']);
  });
});

describe('uploads that wait', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'recordings-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** A call was recorded to this file and ended; the watcher that completes its upload. */
  async function recorded(
    file: string,
    over: Partial<PlanSettings> = {},
    zone: () => string | undefined = () => 'Europe/Minsk',
  ): Promise<{ watcher: Recordings; ready: () => number }> {
    const recordingPath = (_: Call, name: string): string => join(directory, name);
    const one = intake({ settings: () => ({ ...zoned, recordingPath, recordingWait: 60, ...over }) });
    one.take(
      asOfNow(answered().variable('c', 'MIXMONITOR_FILENAME', `/var/spool/${file}`).wait(500).hangup('p').hangup('c')),
    );
    await one.drain();
    let ready = 0;
    const recordings = { url: 'https://rec.example/{file}', directory, waitSeconds: 60 };
    const watcher = new Recordings({
      db: database.db,
      enterprise: { ...enterprise, id: 'acme', recordings },
      log: silentLog,
      zone,
      onReady: () => (ready += 1),
    });
    return { watcher, ready: () => ready };
  }

  /** State of the upload, and its link and date once it is complete. */
  async function upload(): Promise<[state: unknown, link: unknown, date: unknown]> {
    const [row] = await database.query("select state, payload from outbox where kind = 'upload'");
    const payload = JSON.parse(String(row?.['payload'])) as Record<string, unknown>;
    return [row?.['state'], payload['recordUrl'], typeof payload['date']];
  }
  const waits = ['waiting', undefined, 'undefined'];

  test('for the recording: linked when the file is there and two looks agree on its size', async () => {
    const { watcher, ready } = await recorded('c.wav');
    await watcher.look();
    expect(await upload()).toEqual(waits);
    await writeFile(join(directory, 'c.wav'), Buffer.alloc(44));
    await watcher.look();
    await watcher.look();
    // The header alone is no recording.
    expect(await upload()).toEqual(waits);
    for (const size of [1000, 2000]) {
      await writeFile(join(directory, 'c.wav'), Buffer.alloc(size));
      await watcher.look();
      expect(await upload()).toEqual(waits);
    }
    await watcher.look();
    const [link] = await database.query(
      "select payload::jsonb ->> 'recordUrl' as url from outbox where kind = 'upload'",
    );
    expect(await upload()).toEqual(['pending', link?.['url'], 'string']);
    expect(link?.['url']).toMatch(/^https:\/\/rec\.example\/\d{4}-\d\d-\d\d\/c\.wav$/);
    expect(ready()).toBe(1);
  });

  test('in vain: told without a link after its wait', async () => {
    const { watcher } = await recorded('c.wav');
    await watcher.look();
    await database.query("update outbox set due_at = now() - interval '1 second' where kind = 'upload'");
    await watcher.look();
    expect(await upload()).toEqual(['pending', undefined, 'string']);
  });

  test("for the account's zone: dated once it is known", async () => {
    const account: { zone: string | undefined } = { zone: undefined };
    const { watcher } = await recorded('', { zone: undefined, recordingPath: () => undefined }, () => account.zone);
    await watcher.look();
    expect(await upload()).toEqual(waits);
    account.zone = 'Europe/Minsk';
    await watcher.look();
    expect(await upload()).toEqual(['pending', undefined, 'string']);
  });

  test('a row nobody can read goes as it is', async () => {
    const { watcher } = await recorded('c.wav');
    await database.query("update outbox set payload = '{}' where kind = 'upload'");
    await watcher.look();
    expect((await upload())[0]).toBe('pending');
  });
});

/** Settles when a log line with these words has been written. */
async function untilSaid(said: readonly string[], words: string): Promise<void> {
  while (!said.some((line) => line.includes(words))) await new Promise((resolve) => setImmediate(resolve));
}
