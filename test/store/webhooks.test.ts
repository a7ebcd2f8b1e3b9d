import { createHmac, randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { webhookId } from '../../src/delivery/webhookSign.ts';
import { WebhookLane, type WebhookLaneOptions } from '../../src/delivery/webhooks.ts';
import { listDead, retryDead, showDead } from '../../src/store/deadLetters.ts';
import { claimQuery } from '../../src/store/claim.ts';
import { type NewOutboxRow, claim, enqueue } from '../../src/store/outbox.ts';
import { takeBack } from '../../src/store/takeBack.ts';
import { type TestDatabase, createTestDatabase } from '../support/database.ts';
import { type Receiver, startReceiver, status } from '../support/receiver.ts';
import { testTls } from '../support/testTls.ts';
import { recordingLog } from './deliveryHarness.ts';

const key = randomBytes(32);
const oldKey = randomBytes(32);
const log = recordingLog();
const day = 24 * 3_600_000;
const ending: (() => Promise<void>)[] = [];
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
  await database.query('truncate outbox, attempts restart identity');
  log.lines.length = 0;
});
afterAll(() => database.drop());

async function receiver(options: { tls?: boolean; port?: number } = {}): Promise<Receiver> {
  const one = await startReceiver(options);
  ending.push(() => one.stop());
  return one;
}

/** A lane that does not wait where a test need not; `skip.ms` is added to its monotonic clock. */
function lane(url: string, over: Partial<WebhookLaneOptions> = {}, skip = { ms: 0 }): WebhookLane {
  const one = new WebhookLane({
    db: database.db,
    account: 'webhook:acme/bi',
    id: 'bi',
    url,
    allowPrivate: true,
    keys: [key],
    log,
    owner: `test/${ending.length}`,
    deadlineMs: 30_000,
    pollMs: 20,
    retryMs: 5,
    patienceMs: 200,
    now: () => performance.now() + skip.ms,
    ...over,
  });
  ending.push(() => one.stop());
  return one;
}

const body = (call: string, type: string): string =>
  JSON.stringify({ type, timestamp: '2026-11-22T09:00:00.000Z', data: { callId: call } });

function message(call: string, type = 'call.incoming', more: Partial<NewOutboxRow> = {}): NewOutboxRow {
  return {
    enterprise: 'acme',
    account: 'webhook:acme/bi',
    host: 'pbx1',
    kind: 'webhook',
    externalId: `${call}/${type}`,
    callId: call,
    payload: body(call, type),
    expiresAt: new Date(Date.now() + 3 * day),
    ...more,
  };
}

const put = (...rows: NewOutboxRow[]): Promise<number> => enqueue(database.db, rows);
const rows = (): Promise<Record<string, unknown>[]> =>
  database.query('select external_id, state, attempts, status, reason, lease_owner from outbox order by id');
const states = async (): Promise<unknown[]> => (await rows()).map(({ state }) => state);
const told = (to: Receiver): string[] =>
  to.received.map(({ body: text }) => {
    const { type, data } = JSON.parse(text) as { type: string; data: { callId: string } };
    return `${data.callId} ${type.replace('call.', '')}`;
  });

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Checked as the specification says it, by other means than the daemon's. */
function signatureHolds(request: Receiver['received'][number], by: Buffer): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': given } = request.headers;
  const hmac = createHmac('sha256', by);
  for (const part of [String(id), '.', String(at), '.']) hmac.update(part);
  const expected = hmac.update(Buffer.from(request.body)).digest('base64');
  return String(given).split(' ').includes(`v1,${expected}`);
}

describe('what goes well', () => {
  test('a message arrives over https, signed, under its own id, and is done', async () => {
    const to = await receiver({ tls: true });
    await put(message('c1'));
    await lane(to.url, { ca: testTls.cert }).drain();
    const [request] = to.received;
    if (request === undefined) throw new Error('nothing came');
    expect(request.body).toBe(body('c1', 'call.incoming'));
    expect(signatureHolds(request, key)).toBe(true);
    expect(signatureHolds(request, oldKey)).toBe(false);
    expect(request.headers['webhook-id']).toBe(webhookId('webhook:acme/bi', 'c1/call.incoming'));
    expect(Math.abs(Number(request.headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(30);
    expect(request.headers['user-agent']).toMatch(/^asterisk-retailcrm\//);
    expect(await rows()).toMatchObject([{ state: 'done', status: 204, attempts: 1, lease_owner: null }]);
  });

  test('during a rotation every message is signed with both secrets', async () => {
    const to = await receiver();
    await put(message('c1'));
    await lane(to.url, { keys: [key, oldKey] }).drain();
    expect(to.received.map((one) => [signatureHolds(one, key), signatureHolds(one, oldKey)])).toEqual([[true, true]]);
  });

  test('messages come in order, one at a time', async () => {
    const to = await receiver();
    let open = 0;
    let most = 0;
    to.answer = (response) => {
      most = Math.max(most, (open += 1));
      setTimeout(() => {
        open -= 1;
        response.writeHead(200).end();
      }, 2);
    };
    const calls = Array.from({ length: 10 }, (_, n) => `c${n}`);
    const expected = calls.flatMap((call) => [`${call} incoming`, `${call} answered`, `${call} finished`]);
    await put(
      ...calls.flatMap((call) =>
        ['call.incoming', 'call.answered', 'call.finished'].map((type) => message(call, type)),
      ),
    );
    // Never behind, however long it takes.
    await database.query(`update outbox set created_at = now() + interval '1 hour'`);
    await lane(to.url).drain();
    expect(told(to)).toEqual(expected);
    expect(most).toBe(1);
  });

  test('far behind, several calls are told at once, each in its order', async () => {
    const to = await receiver();
    const answers: (() => void)[] = [];
    // The first one goes alone: its age tells that we are behind. The next ones wait for each other.
    to.answer = (response, _, count) => {
      const answer = (): void => void response.writeHead(200).end();
      if (count === 1) answer();
      else answers.push(answer);
    };
    const calls = Array.from({ length: 30 }, (_, n) => `c${n}`);
    await put(...calls.flatMap((call) => [message(call, 'call.incoming'), message(call, 'call.missed')]));
    await database.query(`update outbox set created_at = now() - interval '1 minute'`);
    const drained = lane(to.url).drain();
    await until(() => answers.length >= 8, 'several under way');
    expect(await database.query('select 1 from outbox where lease_owner is not null')).toHaveLength(8);
    to.answer = status(200);
    for (const answer of answers) answer();
    await drained;
    expect(told(to)).toHaveLength(60);
    for (const call of calls) {
      expect(told(to).filter((one) => one.startsWith(`${call} `))).toEqual([`${call} incoming`, `${call} missed`]);
    }
  });

  test('a message enqueued twice is one', async () => {
    const to = await receiver();
    await put(message('c1'));
    expect(await put(message('c1'))).toBe(0);
    await lane(to.url).drain();
    expect(told(to)).toEqual(['c1 incoming']);
  });

  test('woken, it does not wait for its next look', async () => {
    const to = await receiver();
    const one = lane(to.url, { pollMs: 3_600_000 });
    await one.drain();
    await put(message('c1'));
    one.wake();
    await until(() => to.received.length > 0, 'told');
    expect(told(to)).toEqual(['c1 incoming']);
  });
});

describe('a receiver in trouble', () => {
  test('is told the same bytes under the same id until it takes them, before anything newer', async () => {
    const to = await receiver();
    to.answer = (response, _, count) => void response.writeHead(count < 4 ? 503 : 200).end();
    await put(message('c1'), message('c2'));
    lane(to.url).start();
    await until(() => to.received.length === 5, 'both told');
    expect(told(to)).toEqual(['c1 incoming', 'c1 incoming', 'c1 incoming', 'c1 incoming', 'c2 incoming']);
    const [first, second] = to.received;
    expect(second?.body).toBe(first?.body);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    await until(async () => (await states()).every((state) => state === 'done'), 'settled');
    expect((await rows())[0]).toMatchObject({ attempts: 4, status: 200, reason: null });
  });

  test('answering Retry-After is left alone so long', async () => {
    const to = await receiver();
    const skip = { ms: 0 };
    to.answer = (response, _, count) =>
      void (count === 1 ? response.writeHead(429, { 'retry-after': '60' }) : response.writeHead(200)).end();
    await put(message('c1'));
    const one = lane(to.url, {}, skip);
    await one.drain();
    await one.drain();
    expect(to.received).toHaveLength(1);
    skip.ms = 61_000;
    await one.drain();
    expect(await states()).toEqual(['done']);
  });

  test('after five failures in a row it is probed, one message at a time; one log line for the beginning, one for the end', async () => {
    const to = await receiver();
    const skip = { ms: 0 };
    to.answer = (response) => void response.destroy();
    await put(...Array.from({ length: 20 }, (_, n) => message(`c${n}`)));
    const one = lane(to.url, {}, skip);
    one.start();
    await until(() => one.mode === 'open', 'open');
    await until(() => {
      skip.ms += 300_000; // the longest wait for a probe
      return to.received.length >= 12;
    }, 'probed');
    expect(new Set(told(to))).toEqual(new Set(['c0 incoming']));
    expect(log.lines).toEqual(['warn: receiver bi does not take webhooks: one try at a time']);
    to.answer = status(204);
    await until(async () => {
      skip.ms += 300_000;
      return (await states()).every((state) => state === 'done');
    }, 'caught up');
    expect(one.mode).toBe('closed');
    expect(log.lines.slice(1)).toEqual(['warn: receiver bi takes webhooks again']);
    // Silence is nobody's attempt.
    expect((await rows())[0]).toMatchObject({ attempts: 1 });
  });

  test('that refuses one message is told the others meanwhile', async () => {
    const to = await receiver();
    await put(message('bad', 'call.incoming'), message('bad', 'call.missed'), message('c1'), message('c2'));
    const one = lane(to.url, { patienceMs: 30_000 });
    // The last message ends it: on a slow machine the refused one would be tried again meanwhile.
    const over = new Promise<void>((resolve) => {
      to.answer = (response, { body: text }) => {
        response.writeHead(text.includes('"bad"') ? 422 : 200).end('no');
        if (text.includes('"c2"')) resolve(one.stop());
      };
    });
    one.start();
    await over;
    expect(told(to)).toEqual(['bad incoming', 'c1 incoming', 'c2 incoming']);
    expect(await rows()).toMatchObject([
      { state: 'pending', attempts: 1, status: 422, reason: 'answered 422: no' },
      { state: 'pending', attempts: 0 }, // never before the first one of its call
      { state: 'done' },
      { state: 'done' },
    ]);
    // For half a second to one, from its answer: that came after the request and before now.
    const [{ next_at: again } = {}] = await database.query('select next_at from outbox where id = 1');
    const at = again instanceof Date ? again.getTime() : Number.NaN;
    expect(at - (to.received[0]?.at ?? Number.NaN)).toBeGreaterThanOrEqual(500);
    expect(at - Date.now()).toBeLessThan(1_000);
  });

  test('that breaks on one message is not blocked by it for ever', async () => {
    const to = await receiver();
    const skip = { ms: 0 };
    to.answer = (response, { body: text }) => void response.writeHead(text.includes('"bad"') ? 500 : 200).end();
    await put(message('bad'), message('c1'));
    const one = lane(to.url, {}, skip);
    one.start();
    await until(() => {
      skip.ms += 300_000;
      return told(to).includes('c1 incoming');
    }, 'c1 told');
    expect(told(to).filter((each) => each === 'bad incoming').length).toBeLessThanOrEqual(7);
  });

  test('that is gone (410) is told nothing more, aloud; the next start tries again', async () => {
    const to = await receiver();
    to.answer = status(410);
    await put(message('c1'), message('c2'));
    const one = lane(to.url);
    await one.drain();
    await put(message('c3'));
    await one.drain();
    expect(to.received).toHaveLength(1);
    expect(one.mode).toBe('gone');
    expect(log.lines).toEqual([
      'error: receiver bi says that it is gone (410): it is told nothing more until the daemon starts anew',
    ]);
    expect(await states()).toEqual(['pending', 'pending', 'pending']);
    to.answer = status(200);
    await lane(to.url).drain();
    expect(told(to)).toEqual(['c1 incoming', 'c1 incoming', 'c2 incoming', 'c3 incoming']);
  });

  test('stops nobody: another one is told at once', async () => {
    const [down, up] = [await receiver(), await receiver()];
    down.answer = () => undefined; // hangs
    const other = { account: 'webhook:acme/wall' };
    await put(
      ...Array.from({ length: 20 }, (_, n) => [message(`c${n}`), message(`c${n}`, 'call.incoming', other)]).flat(),
    );
    // It hangs for longer than this test may take: whoever waits for it fails.
    lane(down.url, { deadlineMs: 120_000 }).start();
    await until(() => down.received.length === 1, 'hanging');
    await lane(up.url, { ...other, id: 'wall' }).drain();
    expect(up.received).toHaveLength(20);
    expect(down.received).toHaveLength(1);
  });

  test('does not get two addresses mixed up: a forbidden one is never called, and says why', async () => {
    const to = await receiver();
    await put(message('c1'));
    const one = lane(`https://bi.example:${to.port}/`, {
      allowPrivate: false,
      resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
    });
    await one.drain();
    expect(to.connections).toBe(0);
    expect(await rows()).toMatchObject([
      { state: 'pending', reason: 'the address must not be called: it leads to this machine' },
    ]);
  });
});

describe('kill and lease', () => {
  test('what another run holds is not sent; killed, its rows are taken back and sent by the next', async () => {
    const to = await receiver();
    await put(message('c1'), message('c2'));
    await claim(database.db, {
      account: 'webhook:acme/bi',
      kinds: ['webhook'],
      limit: 1,
      owner: 'pbx/1/old',
      leaseSeconds: 120,
    });
    const one = lane(to.url, { owner: 'pbx/2/new' });
    await one.drain();
    expect(told(to)).toEqual(['c2 incoming']);
    expect(await takeBack(database.db, 'webhook:acme/bi', 'pbx/', 'pbx/2/new')).toEqual({ freed: 1, popups: 0 });
    await one.drain();
    expect(told(to)).toEqual(['c2 incoming', 'c1 incoming']);
  });

  test('a later message of a call waits for one somebody else holds', async () => {
    const to = await receiver();
    await put(message('c1', 'call.incoming'), message('c1', 'call.missed'));
    await claim(database.db, {
      account: 'webhook:acme/bi',
      kinds: ['webhook'],
      limit: 1,
      owner: 'other',
      leaseSeconds: 120,
    });
    await lane(to.url).drain();
    expect(to.received).toEqual([]);
  });

  test('an owner that was paused past its lease changes nothing', async () => {
    const to = await receiver();
    const answers: (() => void)[] = [];
    to.answer = (response) => void answers.push(() => response.writeHead(500).end());
    await put(message('c1'));
    lane(to.url).start();
    await until(() => to.received.length === 1, 'under way');
    await database.query(`update outbox set state = 'done', lease_owner = null, lease_epoch = lease_epoch + 1`);
    answers[0]?.();
    await until(() => log.lines.includes('warn: rows were settled by somebody else'), 'noticed');
    expect(await states()).toEqual(['done']);
  });

  test('stop waits for an answer under way', async () => {
    const to = await receiver();
    const answers: (() => void)[] = [];
    to.answer = (response) => void answers.push(() => response.writeHead(200).end());
    await put(message('c1'), message('c2'));
    const one = lane(to.url, { patienceMs: 30_000 });
    one.start();
    await until(() => answers.length === 1, 'under way');
    const stopped = one.stop();
    answers[0]?.();
    await stopped;
    expect(await states()).toEqual(['done', 'pending']);
  });

  test('… but not for ever: the next run sends it again', async () => {
    const to = await receiver();
    to.answer = () => undefined;
    await put(message('c1'));
    const one = lane(to.url, { deadlineMs: 30_000, patienceMs: 30 });
    one.start();
    await until(() => to.received.length === 1, 'under way');
    await one.stop();
    expect(await rows()).toMatchObject([{ state: 'pending', lease_owner: null, attempts: 0 }]);
    to.answer = status(200);
    await lane(to.url).drain();
    expect(told(to)).toEqual(['c1 incoming', 'c1 incoming']);
  });

  test('a database that goes away is waited for', async () => {
    const to = await receiver();
    await put(message('c1'));
    await database.query('alter table outbox rename to outbox_away');
    lane(to.url).start();
    await until(() => log.lines.some((line) => line.includes('does not answer delivery')), 'reported');
    await database.query('alter table outbox_away rename to outbox');
    await until(() => to.received.length > 0, 'told');
    expect(told(to)).toEqual(['c1 incoming']);
  });
});

describe('after three days', () => {
  test('it is a dead letter with the last reason; retried, it has three days again', async () => {
    const to = await receiver();
    to.answer = status(500);
    const skip = { ms: 0 };
    await put(message('c1'), message('c2'));
    const one = lane(to.url, {}, skip);
    await one.drain();
    await database.query(`update outbox set expires_at = now() - interval '1 second' where id = 1`);
    skip.ms = 600_000; // it looks for old ones every ten minutes
    await until(async () => {
      await one.drain();
      return (await states())[0] === 'dead';
    }, 'dead');
    const [letter] = await listDead(database.db, { limit: 10 });
    expect(letter).toMatchObject({
      id: '1',
      kind: 'webhook',
      reason: 'given up after 3 days: answered 500',
      status: 500,
    });
    expect(log.lines).toContain('error: receiver bi did not take 1 webhooks for 3 days: they are dead letters now');
    expect(await showDead(database.db, '1')).toMatchObject({ payload: body('c1', 'call.incoming') });

    await one.stop(); // else it may hold one of them while the next run looks
    to.answer = status(200);
    expect(await retryDead(database.db, ['1'])).toBe(1);
    await lane(to.url).drain();
    expect(await states()).toEqual(['done', 'done']);
  });
});

test('the claim uses the index made for it', async () => {
  await database.query(`insert into outbox (enterprise, account, host, kind, external_id, call_id, payload, due_at, next_at)
    select 'acme', 'webhook:acme/bi', 'pbx1', 'webhook', 'c' || n || '/x', 'c' || n, '{}', now(), now() from generate_series(1, 20000) n`);
  await database.query('analyze outbox');
  const options = { account: 'webhook:acme/bi', kinds: ['webhook' as const], limit: 1, owner: 'x', leaseSeconds: 120 };
  const claiming = claimQuery(database.db, 'webhook', 1, options, undefined).compile();
  const plan = JSON.stringify(await database.query(`explain (format json) ${claiming.sql}`, [...claiming.parameters]));
  for (const index of ['outbox_claim', 'outbox_open_webhooks']) expect(plan).toContain(`"${index}"`);
  expect(plan).not.toContain('Seq Scan');
});
