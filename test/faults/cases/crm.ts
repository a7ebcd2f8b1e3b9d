import type { Switches } from '../../../src/sandbox/switches.ts';
import { DEFAULT_SWITCHES } from '../../../src/sandbox/switches.ts';
import { type FaultCase, onScene, type Trial } from '../case.ts';
import { figures, judge, type OracleOptions } from '../oracle.ts';
import type { Scene } from '../scene.ts';
import { expect, pass, until } from '../wait.ts';

/** What the first tenant's account does for a while; the second tenant must not notice. */
interface Trouble {
  name: string;
  smoke?: boolean;
  switches: Partial<Switches>;
  /** Milliseconds it lasts; a third in a smoke run. Default 9,000. */
  lasts?: number;
  /** Popups are lost on purpose: only their order is judged. */
  oracle?: OracleOptions;
  /** What else must hold when it is over, before the oracle speaks. */
  after?: (scene: Scene) => Promise<void> | void;
}

const troubles: Trouble[] = [
  { name: 'C1: the CRM is down for a while', switches: { down: true } },
  { name: 'C4: 500 to every second request', switches: { fail5xxEvery: 2 } },
  { name: 'C6: 200 with an HTML page', switches: { html200: true } },
  { name: 'C8: every third reply is lost after the request was applied', smoke: true, switches: { loseReplyEvery: 3 } },
  { name: 'C9: half of a batch applied, then 500', switches: { halfBatchThen500: 3 } },
  { name: 'C10: every answer takes 3 s', switches: { delayMs: 3000 } },
  { name: 'C10: answers drip', switches: { dripBytes: 3, dripEveryMs: 100 } },
  { name: 'C2 C3: other software takes 80 % of the rate', switches: { quotaTaken: 0.8 } },
  { name: 'C2: as C3, refused with 429', switches: { quotaTaken: 0.8, rateLimitReply: '429json' } },
  { name: 'C2: as C3, refused with 503 and JSON', switches: { quotaTaken: 0.8, rateLimitReply: '503json' } },
  {
    name: 'C16: redirects are not followed',
    switches: {
      failNext: Array.from({ length: 20 }, () => ({ status: 302, headers: { location: 'http://127.0.0.1:9/' } })),
    },
  },
  {
    name: 'C7: success false without a word',
    switches: { failNext: Array.from({ length: 10 }, () => ({ status: 200, body: { success: false } })) },
  },
];

/** Calls before, during and after; then everybody's calls must be where they belong. */
function troubleCase(trouble: Trouble): FaultCase {
  const { name, smoke = false, switches, lasts = 9000, oracle = {} } = trouble;
  return {
    ...{ name, smoke },
    run: (trial) =>
      onScene(trial, { name, tenants: 2, callsPerSecond: 3 }, async (scene) => {
        await scene.begin();
        scene.busy();
        await pass(2000);
        scene.crm.setSwitches(switches, 'tenant1');
        const before = scene.crm.account('tenant2').calls.size;
        await pass(lasts / (trial.smoke ? 3 : 1));
        // While it lasts: the other tenant is not touched.
        await until(() => scene.crm.account('tenant2').calls.size > before, 30_000, 'delivery of the other tenant');
        scene.crm.setSwitches({ ...DEFAULT_SWITCHES }, 'tenant1');
        await pass(1000);
        await trouble.after?.(scene);
        return figures(await judge(scene, { settleMs: 90_000, ...oracle }));
      }),
  };
}

/** Answers in another shape: nothing fails, nothing may change. */
const shapes: Partial<Switches>[] = [
  { errorsShape: 'list' },
  { language: 'ru' },
  { dupCounts: 'include', loseReplyEvery: 4 },
  { unknownFilter: '400' },
  { createStatus: 200 },
  { managerIdType: 'string' },
  { missingKeyStatus: 403 },
  { emptyInfo: '{}' },
];

async function atStart(trial: Trial): Promise<string> {
  return onScene(trial, { name: 'crm-away', tenants: 2 }, async (scene) => {
    scene.crm.setSwitches({ down: true }, 'tenant1');
    await scene.begin();
    scene.busy();
    await until(() => scene.crm.account('tenant2').calls.size > 0, 60_000, 'delivery of the other tenant');
    await pass(trial.smoke ? 1000 : 8000);
    expect(scene.crm.account('tenant1').calls.size === 0, 'the switch does nothing');
    scene.crm.setSwitches({ down: false }, 'tenant1');
    const first = await until(
      () => scene.crm.account('tenant1').calls.size > 0,
      60_000,
      'the first record after the outage',
    );
    return `first record ${(first / 1000).toFixed(1)} s after it came up, ${figures(await judge(scene))}`;
  });
}

async function revoked(trial: Trial, switches: Partial<Switches>): Promise<string> {
  return onScene(
    trial,
    { name: `key-${Object.keys(switches).join()}`, tenants: 2, callsPerSecond: 2 },
    async (scene) => {
      await scene.begin();
      scene.busy();
      await pass(2000);
      scene.crm.setSwitches(switches, 'tenant1');
      const line = await scene.daemon.says(/refuses this account|switched off/, 30_000);
      expect(line.level === 'error', 'a refused account must wake somebody');
      const before = scene.crm.requests('tenant1').length;
      await pass(10_000);
      const asked = scene.crm.requests('tenant1').length - before;
      expect(
        asked <= 2,
        `${asked} requests in 10 s to an account that refuses us: ${scene.crm
          .requests('tenant1')
          .slice(before)
          .map(({ method, path }) => `${method} ${path}`)
          .join(', ')}`,
      );
      const records = scene.crm.account('tenant1').calls.size;
      scene.crm.setSwitches({ ...DEFAULT_SWITCHES }, 'tenant1');
      const again = await until(
        () => scene.crm.account('tenant1').calls.size > records,
        75_000,
        'delivery after the key worked again',
      );
      return `asked ${asked} times in 10 s, delivers ${(again / 1000).toFixed(0)} s after, ${figures(await judge(scene))}`;
    },
  );
}

/** Uploads gather while the CRM is away, so that the bad one travels among many. */
async function poison(trial: Trial): Promise<string> {
  return onScene(trial, { name: 'poison', callsPerSecond: 12 }, async (scene) => {
    await scene.begin();
    scene.crm.setSwitches({ down: true });
    scene.busy();
    const { load, id } = scene.host;
    await until(
      () => load.calls.filter((call) => call.logToCrm && call.endedAt !== undefined).length >= 50,
      30_000,
      '50 calls',
    );
    const bad = load.calls.find((call) => call.logToCrm && call.endedAt !== undefined);
    const name = `${id}-${bad?.uniqueid ?? ''}`;
    load.hush();
    await load.over();
    scene.crm.setSwitches({ down: false, poison: name });
    const { db } = await scene.store();
    const isDead = async (): Promise<boolean> =>
      (await db.selectFrom('outbox').select('id').where('state', '=', 'dead').execute()).length > 0;
    await until(isDead, 60_000, 'a dead letter');
    const verdict = await judge(scene, { dead: (one) => one === name });
    expect(verdict.dead === 1, `${verdict.dead} dead letters`);
    return figures(verdict);
  });
}

export const crmCases: FaultCase[] = [
  { name: 'C1: the CRM is down at start, then up', smoke: true, run: atStart },
  ...troubles.map(troubleCase),
  { name: 'C13: the key is refused, then works again', run: (trial) => revoked(trial, { authOff: true }) },
  { name: 'C14: the account is gone, then back', run: (trial) => revoked(trial, { accountGone: true }) },
  { name: 'C5: a record the CRM refuses becomes a dead letter, its neighbours arrive', run: poison },
  ...shapes.map(
    (switches): FaultCase => ({
      name: `C18 C19: the CRM answers with ${JSON.stringify(switches)}`,
      run: (trial) =>
        onScene(trial, { name: `shape-${Object.keys(switches).join()}` }, async (scene) => {
          scene.crm.setSwitches(switches);
          await scene.begin();
          scene.busy();
          await pass(4000);
          return figures(await judge(scene));
        }),
    }),
  ),
];
