import { randomBytes, randomInt } from 'node:crypto';
import { Agent, request } from 'node:http';
import { type Shown, admit, digest } from '../src/http/admission.ts';
import type { Tenant } from '../src/http/tenant.ts';
import type { BenchResult } from './ami.ts';
import { type HttpStage, httpStage, knownPhone, pass, quantile } from './httpStage.ts';

const perSecond = 200;

/**
 * The daemon as a process of its own against a real PostgreSQL (fsync on) and the CRM emulator; the requests come from this process
 * over kept connections, at their appointed time whatever became of those before: a late answer counts from when it was due.
 */
export async function run({ smoke }: { smoke: boolean }): Promise<BenchResult[]> {
  const stage = await httpStage(2);
  const agent = new Agent({ keepAlive: true, maxSockets: 40 });
  try {
    const { port, secret } = stage;
    const { clientId, pathToken } = stage.keys[0] ?? { clientId: '', pathToken: '' };
    const ask = (path: string): Promise<number> => send(agent, port, path);
    const who = `/api/responsible?${new URLSearchParams({ clientId, phone: knownPhone }).toString()}`;
    while ((await ask(who)) !== 200) await pass(100); // until the daemon has read the credentials
    await pass(1_000); // its first look-up is in the cache then

    const seconds = smoke ? 3 : 20;
    const hook = (n: number): string =>
      `/retailcrm/webhook?${new URLSearchParams({ clientId, secret, event: 'customer.edit', id: String(1 + (n % 500)) }).toString()}`;
    const hooks = await steady(ask, hook, perSecond * seconds);
    const responsible = await steady(ask, () => who, perSecond * seconds);
    const forged = await forge(ask, { clientId, pathToken }, smoke ? 5_000 : 100_000);
    const after = await steady(ask, () => who, perSecond);
    return [
      atMost('http: webhook acknowledged and on disk, p99 at 200/s', quantile(hooks.ms, 0.99), 100, 'ms'),
      { name: 'http: webhook acknowledged, p50', value: quantile(hooks.ms, 0.5), unit: 'ms' },
      atMost('http: webhooks not answered with 200', hooks.refused, 0, ''),
      { name: 'http: who is responsible, p50', value: quantile(responsible.ms, 0.5), unit: 'ms' },
      atMost('http: who is responsible, p99 at 200/s', quantile(responsible.ms, 0.99), 20, 'ms'),
      atMost('http: who is responsible, longest', Math.max(...responsible.ms), 150, 'ms'),
      atMost(`http: forged callbacks accepted, of ${forged.sent}`, forged.accepted, 0, ''),
      { name: 'http: forged callbacks refused', value: forged.sent / forged.seconds, unit: 'requests/s' },
      atMost('http: who is responsible, refused right after them', after.refused, 0, ''),
      ...(await timingOverHttp(stage, smoke)),
      ...timing(smoke),
    ];
  } finally {
    agent.destroy();
    await stage.end();
  }
}

interface Answers {
  /** From when each request was due to its answer, milliseconds. */
  ms: number[];
  /** Other answers than 200. */
  refused: number;
}

/** Open loop: request `n` leaves at its time, however many are still under way. */
async function steady(
  ask: (path: string) => Promise<number>,
  path: (n: number) => string,
  count: number,
): Promise<Answers> {
  const begun = performance.now();
  const under: Promise<void>[] = [];
  const answers: Answers = { ms: [], refused: 0 };
  for (let n = 0; n < count; ) {
    const due = begun + (n * 1000) / perSecond;
    if (performance.now() < due) {
      await pass(Math.max(0, due - performance.now()));
      continue;
    }
    under.push(
      ask(path(n)).then((status) => {
        answers.ms.push(performance.now() - due);
        if (status !== 200) answers.refused += 1;
      }),
    );
    n += 1;
  }
  await Promise.all(under);
  return answers;
}

/** Every kind of wrong credential, forty at once. */
async function forge(
  ask: (path: string) => Promise<number>,
  right: { clientId: string; pathToken: string },
  count: number,
): Promise<{ sent: number; accepted: number; seconds: number }> {
  const begun = performance.now();
  let accepted = 0;
  let sent = 0;
  const near = (text: string): string => text.slice(0, -6) + randomBytes(4).toString('base64url');
  const one = (n: number): string => {
    const clientId = n % 3 === 0 ? right.clientId : near(right.clientId);
    const token = n % 3 === 1 ? right.pathToken : near(right.pathToken);
    const secret = randomBytes(24).toString('hex');
    return n % 4 === 3
      ? `/retailcrm/webhook?${new URLSearchParams({ clientId, secret, event: 'order.edit', id: '5' }).toString()}`
      : `/crm/${token}/makecall?${new URLSearchParams({ clientId, code: '150', phone: knownPhone }).toString()}`;
  };
  const worker = async (): Promise<void> => {
    while (sent < count) {
      sent += 1;
      if ((await ask(one(sent))) < 400) accepted += 1;
    }
  };
  await Promise.all(Array.from({ length: 40 }, worker));
  return { sent, accepted, seconds: (performance.now() - begun) / 1000 };
}

/**
 * H4, H9: does the time of a refusal tell why? Welch's t of each wrong credential against an unknown one, over many tenants, the
 * slowest tenth of all samples cut off (they are the machine's, not ours). |t| above 4.5 would be a sign.
 */
function timing(smoke: boolean): BenchResult[] {
  const random = (): string => randomBytes(24).toString('base64url');
  const secrets = Array.from({ length: 20 }, () => ({ clientId: random(), pathToken: random() }));
  const tenants = secrets.map(({ clientId, pathToken }, n) => mute(`t${n}`, digest(clientId), digest(pathToken)));
  const own = secrets[7] ?? { clientId: '', pathToken: '' };
  const other = secrets[15] ?? own;
  // Every one is made in the same way, so that it is not its making that is measured.
  const shown: Record<string, [clientId: string | undefined, pathToken: string | undefined]> = {
    unknown: [undefined, undefined],
    "another tenant's clientId": [other.clientId, own.pathToken],
    'right clientId, wrong token': [own.clientId, undefined],
    'right token, wrong clientId': [undefined, own.pathToken],
  };
  const made = (text: string | undefined): string => {
    const guess = random();
    return Buffer.from(text ?? guess).toString('latin1');
  };
  const kinds = Object.keys(shown);
  const samples = new Map(kinds.map((kind) => [kind, [] as number[]]));
  const count = (smoke ? 20_000 : 200_000) * kinds.length;
  for (let n = 0; n < count; n++) {
    const kind = kinds[randomInt(kinds.length)] ?? 'unknown';
    const [clientId, pathToken] = shown[kind] ?? [];
    const one: Shown = { clientId: made(clientId), pathToken: made(pathToken) };
    const begun = process.hrtime.bigint();
    const admission = admit(tenants, one);
    const ns = Number(process.hrtime.bigint() - begun);
    if (admission.tenant !== undefined) throw new Error('somebody was let in');
    if (n > count / 10) samples.get(kind)?.push(ns);
  }
  const limit = quantile(
    [...samples.values()].flatMap((list) => list.slice(0, 100_000)),
    0.9,
  );
  const kept = new Map([...samples].map(([kind, list]) => [kind, list.filter((ns) => ns <= limit)]));
  const unknown = kept.get('unknown') ?? [];
  return kinds.slice(1).map((kind) => {
    const t = Math.abs(welch(kept.get(kind) ?? [], unknown));
    const result = { name: `http: |t| of the refusal's time, ${kind} against unknown`, value: t, unit: 't' };
    return { ...result, target: '< 4.5', ok: t < 4.5 };
  });
}

/** Rounds of `timingOverHttp`: the figure is the median of their differences. */
const ROUNDS = 9;

/**
 * H9 as an attacker would measure it: over real HTTP, on kept connections, one request after the other, the kinds in random order,
 * from many addresses, so that none is told that it asks too often. Per round the medians (and the 90th percentiles) of two kinds differ by so much; so do two halves of one and the same
 * kind, by noise alone. What a wrong credential is wrong in cannot be told when the first is not more than the second.
 */
async function timingOverHttp({ port, keys }: HttpStage, smoke: boolean): Promise<BenchResult[]> {
  const [own, other] = keys;
  if (own === undefined || other === undefined) throw new Error('two tenants are needed');
  const random = (): string => randomBytes(24).toString('base64url');
  const click = (clientId: string, token: string): string =>
    `/crm/${token}/makecall?${new URLSearchParams({ clientId, code: '150', phone: knownPhone }).toString()}`;
  const guess = { clientId: random().slice(0, own.clientId.length), token: random().slice(0, own.pathToken.length) };
  const near = (text: string): string => (guess.clientId + guess.token).padEnd(text.length, 'x').slice(0, text.length);
  const kinds: Readonly<Record<string, string>> = {
    unknown: click(near(own.clientId), near(own.pathToken)),
    'unknown again': click(near(own.clientId), near(own.pathToken)),
    "another tenant's clientId": click(other.clientId, own.pathToken),
    'right clientId, wrong token': click(own.clientId, near(own.pathToken)),
    'right token, wrong clientId': click(near(own.clientId), own.pathToken),
  };
  const names = Object.keys(kinds);
  const differences = new Map(names.map((name) => [name, { p50: [] as number[], p90: [] as number[] }]));
  const answers = new Set<string>();
  let addresses = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const samples = new Map(names.map((name) => [name, [] as number[]]));
    for (let n = 0; n < (smoke ? 20 : 400); n++) {
      addresses += 1;
      const localAddress = `127.8.${Math.floor(addresses / 250)}.${(addresses % 250) + 1}`;
      const agent = new Agent({ keepAlive: true, maxSockets: 1, localAddress });
      await answer(agent, port, kinds['unknown'] ?? ''); // the connection, and the line in the log an address gets
      for (const name of Array.from({ length: 5 }, () => shuffled(names)).flat()) {
        const begun = performance.now();
        answers.add(await answer(agent, port, kinds[name] ?? ''));
        samples.get(name)?.push((performance.now() - begun) * 1000);
      }
      agent.destroy();
    }
    const unknown = samples.get('unknown') ?? [];
    for (const [name, { p50, p90 }] of differences) {
      const mine = samples.get(name) ?? [];
      p50.push(quantile(mine, 0.5) - quantile(unknown, 0.5));
      p90.push(quantile(mine, 0.9) - quantile(unknown, 0.9));
    }
  }
  const noise = differences.get('unknown again') ?? { p50: [], p90: [] };
  const figures = names.slice(1).flatMap((name) =>
    (['p50', 'p90'] as const).map((which): BenchResult => {
      const found = differences.get(name)?.[which] ?? [];
      const value = Math.abs(quantile(found, 0.5));
      const what = `http: refusal over HTTP, |difference of ${which}|, ${name} against unknown`;
      if (name === 'unknown again') return { name: what, value, unit: 'µs' };
      // The largest of the same kind's: what nine rounds of nothing but noise came to.
      const most = Math.max(...noise[which].map(Math.abs));
      return { name: what, value, unit: 'µs', target: `≤ noise ${most.toFixed(1)}`, ok: value <= most };
    }),
  );
  return [...figures, atMost('http: different answers to wrong credentials', answers.size, 1, '')];
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function mute(id: string, clientId: Buffer, pathToken: Buffer): Tenant {
  const never = (): Promise<never> => Promise.reject(new Error('not asked in a bench'));
  return {
    ...{ id, credentials: () => [{ clientId, pathToken }], webhookSecret: undefined, allowFrom: [] },
    ...{ makeCall: never, transfer: never, monitor: never, hangup: never, responsible: never },
    ...{ userStatus: never, activity: never, changed: never, refused: () => undefined },
  };
}

function welch(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [moments(a), moments(b)];
  return (x.mean - y.mean) / Math.sqrt(x.variance / a.length + y.variance / b.length);
}

function moments(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1) };
}

function atMost(name: string, value: number, target: number, unit: string): BenchResult {
  return { name, value, unit, target: `≤ ${target}`, ok: value <= target };
}

/** The status of the answer. */
function send(agent: Agent, port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ agent, host: '127.0.0.1', port, path }, (reply) => {
      reply.resume();
      reply.once('end', () => resolve(reply.statusCode ?? 0));
    });
    sent.once('error', reject);
    sent.end();
  });
}

/** The whole answer but its date. */
function answer(agent: Agent, port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ agent, host: '127.0.0.1', port, path }, (reply) => {
      const headers = reply.rawHeaders.filter((_, at, all) => all[at - (at % 2)]?.toLowerCase() !== 'date');
      let text = `${reply.statusCode ?? 0} ${headers.join(' ')} `;
      reply.setEncoding('utf8').on('data', (part: string) => (text += part));
      reply.once('end', () => resolve(text));
    });
    sent.once('error', reject);
    sent.end();
  });
}
