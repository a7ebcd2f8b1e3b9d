/** From the phone to the receiver: an intake, the enterprise's webhooks, and programs that listen. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Accounts } from '../../src/accounts.ts';
import { MOST_WEBHOOKS, emptyBatch, shedWebhooks } from '../../src/batch.ts';
import { SecretError } from '../../src/config/secrets.ts';
import type { EnterpriseSettings, WebhookSettings } from '../../src/config/settings.ts';
import { Intake } from '../../src/intake.ts';
import { silentLog } from '../../src/log.ts';
import { Webhooks } from '../../src/webhooks.ts';
import { claim, enqueue, type NewOutboxRow } from '../../src/store/outbox.ts';
import { capture, eventsOf, example } from '../support/callsCaptures.ts';
import { type TestDatabase, createTestDatabase } from '../support/database.ts';
import { type Receiver, startReceiver, status } from '../support/receiver.ts';
import { recordingLog } from './deliveryHarness.ts';

const { enterprise, rules, settings } = example();
const log = recordingLog();
const ending: (() => Promise<void>)[] = [];
let database: TestDatabase;
let dir: string;

beforeAll(async () => {
  database = await createTestDatabase();
  dir = mkdtempSync(join(tmpdir(), 'webhooks-'));
  writeFileSync(join(dir, 'secret'), `whsec_${randomBytes(32).toString('base64')}\n`);
  writeFileSync(join(dir, 'wrong'), 'hunter2\n');
});
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
  await database.query('truncate calls, outbox, attempts restart identity');
  log.lines.length = 0;
});
afterAll(async () => {
  await database.drop();
  rmSync(dir, { recursive: true });
});

async function receiver(): Promise<Receiver> {
  const one = await startReceiver();
  ending.push(() => one.stop());
  return one;
}

function hook(url: string, over: Partial<WebhookSettings> = {}): WebhookSettings {
  const events = ['call.incoming', 'call.outgoing', 'call.answered', 'call.finished', 'call.missed'] as const;
  const secret = { key: 'webhooks[0].secret', from: 'file', name: join(dir, 'secret') } as const;
  return { id: 'bi', url, secret, events, allowPrivate: true, ...over };
}

function webhooks(hooks: WebhookSettings[], owner = 'test/1'): Webhooks {
  const one = new Webhooks({ ...enterprise, webhooks: hooks }, database.db, log, owner);
  ending.push(() => one.stop());
  one.start();
  return one;
}

function intake(to: Webhooks): Intake {
  const one = new Intake({
    enterprise: enterprise.id,
    host: 'pbx1',
    account: 'acme-crm',
    rules,
    settings: () => settings,
    webhooks: to.receivers,
    db: database.db,
    log: silentLog,
    onCommitted: (kinds) => {
      if (kinds.includes('webhook')) to.wake();
    },
    commitMs: 1,
  });
  ending.push(() => one.stop());
  return one;
}

const types = (to: Receiver): string[] => to.received.map(({ body }) => (JSON.parse(body) as { type: string }).type);
const row = (over: Partial<NewOutboxRow> = {}): NewOutboxRow => ({
  enterprise: enterprise.id,
  account: `webhook:${enterprise.id}/bi`,
  host: 'pbx1',
  kind: 'webhook',
  externalId: 'c1/call.missed',
  callId: 'c1',
  payload: '{"type":"call.missed"}',
  expiresAt: new Date(Date.now() + 3_600_000),
  ...over,
});

test('a recorded call is told step by step, to everybody what he wants, while one of them is down', async () => {
  const [bi, wall, down] = [await receiver(), await receiver(), await receiver()];
  down.answer = status(503);
  const to = webhooks([
    hook(bi.url),
    hook(wall.url, { id: 'wall', events: ['call.finished'] }),
    hook(down.url, { id: 'down' }),
  ]);
  const one = intake(to);
  one.take(eventsOf(capture('ast22/in_queue')));
  await one.drain();
  await to.drain();
  expect(types(bi)).toEqual(['call.incoming', 'call.answered', 'call.finished']);
  expect(types(wall)).toEqual(['call.finished']);
  expect(new Set(types(down))).toEqual(new Set(['call.incoming']));
  expect(JSON.parse(bi.received[2]?.body ?? '{}')).toMatchObject({
    data: { direction: 'in', state: 'ended', result: 'answered', employee: '151', notInCrm: null },
  });
  expect(to.status()).toMatchObject({ bi: 'closed', wall: 'closed' });
  expect(log.lines.filter((line) => line.includes('receiver bi was told'))).toHaveLength(3);
  expect(log.lines.join('\n')).not.toMatch(/\+375\d{6}/);
});

test('what a killed run held is taken back with the account', async () => {
  const bi = await receiver();
  await enqueue(database.db, [row()]);
  const account = row().account;
  await claim(database.db, { account, kinds: ['webhook'], limit: 1, owner: 'pbx/1/a', leaseSeconds: 120 });
  const accounts = new Accounts(database.db, log, 'pbx/2/b');
  const secret = { key: 'retailcrm.key', from: 'file', name: join(dir, 'secret') } as const;
  const acme: EnterpriseSettings = {
    ...enterprise,
    retailcrm: { ...enterprise.retailcrm, key: secret },
    webhooks: [hook(bi.url)],
  };
  const mine = accounts.of(acme);
  ending.push(() => accounts.stop());
  await accounts.takeBack();
  mine.webhooks.start();
  await mine.webhooks.drain();
  expect(types(bi)).toEqual(['call.missed']);
});

test('what waits for a receiver that was taken out of the configuration becomes a dead letter', async () => {
  const bi = await receiver();
  await enqueue(database.db, [
    row(),
    row({ account: `webhook:${enterprise.id}/old` }),
    row({ account: 'webhook:other/x', enterprise: 'other' }),
  ]);
  await webhooks([hook(bi.url)]).drain();
  const rows = await database.query('select account, state, reason from outbox order by id');
  expect(rows).toEqual([
    { account: `webhook:${enterprise.id}/bi`, state: 'done', reason: null },
    { account: `webhook:${enterprise.id}/old`, state: 'dead', reason: 'the receiver is no longer configured' },
    { account: 'webhook:other/x', state: 'pending', reason: null },
  ]);
  expect(log.lines).toContain(
    'warn: 1 webhooks were for receivers that are no longer configured: they are dead letters now',
  );
});

describe('a receiver that cannot be told', () => {
  test('an address that must not be called is reported, and the others are told', async () => {
    const bi = await receiver();
    const to = webhooks([hook('https://10.0.0.1/x', { id: 'inside', allowPrivate: false }), hook(bi.url)]);
    expect(to.receivers.map(({ account }) => account)).toEqual([`webhook:${enterprise.id}/bi`]);
    expect(log.lines).toEqual([
      'error: receiver inside is not told anything, its address must not be called: it leads to a private network',
    ]);
  });

  test('a secret that is none stops the start and is not repeated', () => {
    const wrong = { key: 'webhooks[0].secret', from: 'file', name: join(dir, 'wrong') } as const;
    const start = (): Webhooks => webhooks([hook('https://bi.example', { secret: wrong })]);
    expect(start).toThrow(SecretError);
    expect(start).toThrow('webhooks[0].secret: it must begin with whsec_');
    expect(start).not.toThrow('hunter2');
  });
});

test('P10: while the database is away the oldest webhooks are shed, and nothing else', () => {
  const many = Array.from({ length: MOST_WEBHOOKS + 3 }, (_, n) => row({ externalId: `${n}` }));
  const upload = row({ kind: 'upload', externalId: 'u' });
  const batch = { ...emptyBatch(), outbox: [upload, ...many] };
  expect(shedWebhooks(batch)).toBe(3);
  expect(batch.outbox.slice(0, 3).map(({ externalId }) => externalId)).toEqual(['u', '3', '4']);
  expect(shedWebhooks(batch)).toBe(0);
  expect(batch.outbox).toHaveLength(MOST_WEBHOOKS + 1);
});
