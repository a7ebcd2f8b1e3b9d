import { Chance } from '../../support/pbxRandom.ts';
import { type FaultCase, onScene } from '../case.ts';
import { figures, judge } from '../oracle.ts';
import { Proxy } from '../proxy.ts';
import { expect, pass, until } from '../wait.ts';

/** Login refused: next try in a minute, less a fifth. */
const refusedPauseMs = 48_000;

export const asteriskCases: FaultCase[] = [
  {
    name: 'A10 A11: AMI cut in mid-call, again and again',
    smoke: true,
    run: (trial) =>
      onScene(trial, { name: 'ami-cut', callsPerSecond: 5 }, async (scene) => {
        const { pbx } = scene.host;
        const moments = new Chance(trial.seed + 1);
        await scene.begin();
        scene.busy();
        const cycles = trial.cycles(0.5);
        let longest = 0;
        for (let cycle = 1; cycle <= cycles; cycle++) {
          await pass(moments.between(100, 800));
          pbx.cut();
          longest = Math.max(longest, await scene.heard(40_000));
          trial.progress(`${cycle}/${cycles} cuts, ${scene.held} records`);
        }
        const verdict = await judge(scene);
        expect(verdict.spanned > 0, 'no call spanned a cut: the test proved nothing');
        return `${cycles} cuts, heard again after ${(longest / 1000).toFixed(1)} s at most, ${figures(verdict)}`;
      }),
  },
  {
    name: 'A1: half-open connection is found within 15 s',
    run: async (trial) => {
      let proxy: Proxy | undefined;
      const amiPort = async (port: number): Promise<number> => (proxy = await Proxy.to(port)).port;
      try {
        return await onScene(trial, { name: 'half-open', amiPort }, async (scene) => {
          await scene.begin();
          scene.busy();
          await pass(3000);
          proxy?.blackHole();
          await scene.host.pbx.alone();
          const found = await scene.heard(20_000);
          expect(found <= 16_000, `found after ${(found / 1000).toFixed(1)} s`);
          await pass(2000);
          return `found after ${(found / 1000).toFixed(1)} s, ${figures(await judge(scene, { uncommittedMs: 100 }))}`;
        });
      } finally {
        await proxy?.close();
      }
    },
  },
  {
    name: 'A3: Asterisk crashes in mid-call and boots anew',
    smoke: true,
    run: (trial) =>
      onScene(trial, { name: 'crash', callsPerSecond: 6 }, async (scene) => {
        const { pbx } = scene.host;
        await scene.begin();
        scene.busy();
        const boots = trial.smoke ? 1 : 10;
        for (let boot = 1; boot <= boots; boot++) {
          await pass(3000);
          await until(() => scene.host.load.live > 0, 30_000, 'a call to crash in the middle of');
          pbx.crash();
          await pbx.close();
          await pass(1500);
          await pbx.open();
          await scene.heard(40_000);
        }
        const verdict = await judge(scene);
        return `${boots} crashes, ${figures(verdict)}`;
      }),
  },
  {
    name: 'A3: "core restart now" in mid-call',
    run: (trial) =>
      onScene(trial, { name: 'core-restart', callsPerSecond: 6 }, async (scene) => {
        const { pbx } = scene.host;
        await scene.begin();
        scene.busy();
        await pass(3000);
        await until(() => scene.host.load.live > 0, 30_000, 'a call to restart in the middle of');
        pbx.restart();
        await pbx.close();
        await pass(1500);
        await pbx.open();
        await scene.heard(40_000);
        await pass(2000);
        return figures(await judge(scene));
      }),
  },
  {
    name: 'A5: wrong password at one host: no hammering, the other tenant works, the right one heals it',
    run: (trial) =>
      onScene(trial, { name: 'password', tenants: 2, callsPerSecond: 1 }, async (scene) => {
        const [bad, good] = scene.hosts;
        if (bad === undefined || good === undefined) throw new Error('two hosts are needed');
        const right = bad.pbx.secret;
        bad.pbx.secret = 'another';
        scene.daemon.start();
        await good.pbx.synced();
        const refused = await scene.daemon.says(/refuses user/, 30_000);
        expect(refused.level === 'error', 'a refused login must wake somebody');
        good.load.start();
        await pass(refusedPauseMs);
        const tries = bad.pbx.connections;
        expect(tries <= 2, `${tries} logins in ${refusedPauseMs / 1000} s`);
        await until(() => scene.crm.account(good.tenant).calls.size > 0, 60_000, 'delivery of the other tenant');
        bad.pbx.secret = right;
        const healed = await scene.heard(75_000);
        return `${tries} tries in 48 s, in again ${(healed / 1000).toFixed(0)} s after the password was right, ${figures(await judge(scene))}`;
      }),
  },
  {
    name: 'A: a host that is down at start comes up later; the others do not wait',
    run: (trial) =>
      onScene(trial, { name: 'host-away', tenants: 2, awayHost: 0 }, async (scene) => {
        const [away, there] = scene.hosts;
        if (away === undefined || there === undefined) throw new Error('two hosts are needed');
        scene.daemon.start();
        await there.pbx.synced();
        there.load.start();
        away.load.start(); // calls nobody can hear
        await until(() => scene.crm.account(there.tenant).calls.size > 0, 60_000, 'delivery of the other tenant');
        await away.pbx.open();
        const heard = await scene.heard(35_000);
        await pass(3000);
        return `heard ${(heard / 1000).toFixed(1)} s after it came up, ${figures(await judge(scene))}`;
      }),
  },
  {
    name: 'A23: ten hosts return at once',
    run: (trial) =>
      onScene(trial, { name: 'ten-hosts', tenants: 2, hostsPerTenant: 5, callsPerSecond: 1 }, async (scene) => {
        await scene.begin();
        scene.busy();
        await pass(3000);
        for (const { pbx } of scene.hosts) await pbx.close();
        await pass(5000);
        for (const { pbx } of scene.hosts) await pbx.open();
        const heard = await scene.heard(40_000);
        await pass(2000);
        return `all heard ${(heard / 1000).toFixed(1)} s after their return, ${figures(await judge(scene))}`;
      }),
  },
];
