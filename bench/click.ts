import { join } from 'node:path';
import { silentLog } from '../src/log.ts';
import { projectRoot } from '../src/root.ts';
import { ensureCredentials } from '../src/store/credentials.ts';
import { openStore } from '../src/store/database.ts';
import { migrateDatabase } from '../src/store/migrations.ts';
import { Pbx } from '../test/support/pbx.ts';
import { extensions } from '../test/support/pbxCalls.ts';
import type { BenchResult } from './ami.ts';
import { pass, tenants, underLoad } from './stage.ts';

const clicksPerSecond = 10;

/**
 * Clicks over HTTP while 20 PBXs say 2,000 events a second: from the request to the bytes of the Originate on the PBX's socket, and
 * to the answer. The customer is nobody's the first time: each click asks the CRM who that is.
 */
export function run({ smoke }: { smoke: boolean }): Promise<BenchResult[]> {
  return underLoad({ clicks: true, level: 'info' }, async (stage) => {
    const { hosts, daemon } = stage;
    const clientIds = await credentials(
      stage.databaseUrl,
      hosts.map(({ id }) => id),
    );
    await stage.start();
    const listening = await daemon.says(/^http: listening$/, 20_000);
    const address = /"address":"([^"]+)"/.exec(listening.text)?.[1] ?? '';
    await stage.warmUp();
    const before = stage.events();
    const from = performance.now();
    const clicks: Promise<Click | string>[] = [];
    const seconds = smoke ? 10 : 60;
    for (let index = 0; index < seconds * clicksPerSecond; index++) {
      const { id, pbx } = hosts[index % tenants] ?? { id: '', pbx: await Pbx.start() };
      clicks.push(click(address, clientIds.get(id) ?? '', pbx, index).catch(String));
      await pass(from + ((index + 1) * 1000) / clicksPerSecond - performance.now());
    }
    const all = await Promise.all(clicks);
    const made = all.filter((one) => typeof one !== 'string');
    const failed = all.find((one) => typeof one === 'string');
    if (failed !== undefined) throw new Error(`${all.length - made.length} of ${all.length} clicks failed: ${failed}`);
    return figures(made, (stage.events() - before) / ((performance.now() - from) / 1000));
  });
}

/** Milliseconds from the request. */
interface Click {
  bytes: number;
  answer: number;
}

async function click(address: string, clientId: string, pbx: Pbx, index: number): Promise<Click> {
  const code = extensions[index % extensions.length] ?? '';
  const body = new URLSearchParams({ code, phone: `+37529${String(2_000_000 + index)}` });
  const begun = performance.now();
  const headers = { 'x-client-id': clientId };
  const reply = await fetch(`http://${address}/api/makecallexternal`, { method: 'POST', body, headers });
  const answer = performance.now() - begun;
  const text = await reply.text();
  const id = /"clickId":"([^"]+)"/.exec(text)?.[1];
  const originate = pbx.originates.find(({ channelId }) => channelId === id);
  if (originate === undefined) throw new Error(`a click was not made: ${reply.status} ${text}`);
  return { bytes: originate.at - begun, answer };
}

/** Before the daemon starts: it reads them then. */
async function credentials(url: string, ids: readonly string[]): Promise<Map<string, string>> {
  await migrateDatabase({ url, dir: join(projectRoot(), 'db/migrations'), log: silentLog });
  const store = await openStore({ url, log: silentLog, poolSize: 1 });
  try {
    const found = new Map<string, string>();
    for (const id of ids) found.set(id, (await ensureCredentials(store.db, id)).clientId);
    return found;
  } finally {
    await store.close();
  }
}

function figures(made: readonly Click[], events: number): BenchResult[] {
  const rank = (name: keyof Click, share: number): number =>
    made.map((one) => one[name]).sort((a, b) => a - b)[Math.floor(made.length * share)] ?? Number.NaN;
  const p99 = rank('bytes', 0.99);
  return [
    { name: 'click: events beside it', value: events, unit: 'events/s', target: '≥ 1900', ok: events >= 1900 },
    { name: 'click: clicks', value: made.length, unit: 'clicks' },
    { name: 'click: request → Originate on the socket p50', value: rank('bytes', 0.5), unit: 'ms' },
    { name: 'click: request → Originate on the socket p99', value: p99, unit: 'ms', target: '≤ 150', ok: p99 <= 150 },
    { name: 'click: request → answer p99', value: rank('answer', 0.99), unit: 'ms' },
  ];
}
