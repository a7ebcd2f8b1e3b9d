/** The whole daemon: recorded calls on a manager interface, the emulated CRM, and a program that listens to webhooks. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { loadEnterpriseFile } from '../../src/config/load.ts';
import type { SecretRef, Settings } from '../../src/config/settings.ts';
import { startDaemon } from '../../src/daemon.ts';
import { silentLog } from '../../src/log.ts';
import { projectRoot } from '../../src/root.ts';
import { startEmulator } from '../../src/sandbox/emulator.ts';
import { startPlayer } from '../../src/sandbox/player.ts';
import { type TestDatabase, createTestDatabase } from '../support/database.ts';
import { startReceiver } from '../support/receiver.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  process.env['WEBHOOK_TEST_KEY'] = 'demo-key';
  process.env['WEBHOOK_TEST_SECRET'] = `whsec_${randomBytes(32).toString('base64')}`;
});
afterAll(() => database.drop());

const env = (key: string, name: string): SecretRef => ({ key, from: 'env', name });

function settings(crm: string, ami: number, receiver: string): Settings {
  const example = loadEnterpriseFile(join(projectRoot(), 'config/enterprises/example.yaml'));
  const key = env('key', 'WEBHOOK_TEST_KEY');
  const access = { address: '127.0.0.1', port: ami, user: 'test', secret: key };
  const health = { address: '127.0.0.1', port: 0 };
  return {
    daemon: {
      file: undefined,
      database: { kind: 'url', url: database.url },
      log: { level: 'info', format: 'json' },
      enterprisesDir: '.',
      instance: 'test',
      http: { enabled: false, address: '127.0.0.1', port: 0, publicUrl: undefined, trustProxy: [], health },
      agi: undefined,
    },
    enterprises: [
      {
        ...example,
        retailcrm: { ...example.retailcrm, url: crm, key, allowInsecure: true, timezone: 'Europe/Minsk' },
        recordings: undefined,
        hosts: example.hosts.map((host) => ({ ...host, ami: { ...host.ami, ...access } })),
        webhooks: [
          {
            id: 'bi',
            url: receiver,
            secret: env('webhooks[0].secret', 'WEBHOOK_TEST_SECRET'),
            events: ['call.incoming', 'call.outgoing', 'call.answered', 'call.finished', 'call.missed'],
            allowPrivate: true,
          },
        ],
      },
    ],
  };
}

test('whatever the CRM is told of calls, the receiver is told too, and more', async () => {
  const crm = await startEmulator({ port: 0 });
  const receiver = await startReceiver();
  const player = await startPlayer({
    captures: ['in_queue', 'out_answer', 'in_queue_abandon'].map((scene) =>
      join(projectRoot(), 'test/captures/ast22', `${scene}.ami`),
    ),
    port: 0,
    speed: 20,
    user: 'test',
    secret: 'demo-key',
    renumber: true,
    classes: ['call', 'system', 'dialplan'],
  });
  const daemon = await startDaemon(settings(crm.url, player.port, receiver.url), silentLog);
  try {
    await player.done;
    const stories = (): Map<string, string[]> => {
      const all = new Map<string, string[]>();
      for (const { body } of receiver.received) {
        const { type, data } = JSON.parse(body) as { type: string; data: { callId: string } };
        all.set(data.callId, [...(all.get(data.callId) ?? []), type.replace('call.', '')]);
      }
      return all;
    };
    const over = (): boolean =>
      [...stories().values()].filter((story) => /finished|missed/.test(story.at(-1) ?? '')).length >= 3;
    for (const until = Date.now() + 20_000; !over() && Date.now() < until; )
      await new Promise((resolve) => setTimeout(resolve, 20));
    await daemon.drain();
    expect([...stories().values()].map((story) => story.join(' ')).sort()).toEqual([
      'incoming answered finished',
      'incoming missed',
      'outgoing answered finished',
    ]);
    expect([...stories().keys()].sort()).toEqual([...crm.account().calls.keys()].sort());
  } finally {
    await daemon.stop();
    await player.stop();
    await receiver.stop();
    await crm.stop();
  }
});
