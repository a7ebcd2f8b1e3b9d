import { Chance } from '../../support/pbxRandom.ts';
import { type FaultCase, onScene } from '../case.ts';
import { figures, judge } from '../oracle.ts';
import { expect, pass, until } from '../wait.ts';

/**
 * Events of the last moments before a kill were heard but not committed: the group commit of 20 ms and the database's answer. A call
 * none of whose events was committed was never shown to anybody. On a machine that is busy with something else it takes longer; how
 * much longer, the time of a start tells.
 */
const uncommittedMs = 600;

export const processCases: FaultCase[] = [
  {
    name: 'S2 S3: kill -9 under load, restarted at once, loses and doubles nothing',
    smoke: true,
    run: (trial) =>
      onScene(trial, { name: 'kill-9', tenants: 2, callsPerSecond: trial.smoke ? 6 : 3 }, async (scene) => {
        const moments = new Chance(trial.seed + 77);
        let startMs = await timed(() => scene.begin());
        scene.busy();
        const cycles = trial.cycles();
        let caughtStarting = 0;
        for (let cycle = 1; cycle <= cycles; cycle++) {
          // A third of the kills in the middle of the start, the others in everyday work.
          if (moments.next() < 0.33) await pass(moments.between(0.1, 1) * startMs);
          else {
            startMs = Math.max(startMs, await scene.heard(60_000));
            await pass(moments.between(50, trial.smoke ? 1000 : 2500));
          }
          if (scene.hosts.some(({ pbx }) => pbx.deaf.at(-1)?.to === Infinity)) caughtStarting++;
          await scene.daemon.kill();
          scene.daemon.start();
          trial.progress(`${cycle}/${cycles} kills, ${scene.held} records`);
        }
        trial.progress('coming to rest');
        await pass(1000);
        const verdict = await judge(scene, {
          uncommittedMs,
          slowMs: 1.5 * startMs,
          endLeases: trial.smoke,
          settleMs: 150_000,
        });
        expect(verdict.spanned > 0, 'no call spanned a kill: the test proved nothing');
        return `${cycles} kills (${caughtStarting} while starting, a start takes up to ${(startMs / 1000).toFixed(1)} s), ${figures(verdict)}`;
      }),
  },
  {
    name: 'S1: SIGTERM under load ends with 0 within 10 s and loses nothing',
    smoke: true,
    run: (trial) =>
      onScene(trial, { name: 'sigterm', callsPerSecond: 5 }, async (scene) => {
        const moments = new Chance(trial.seed + 78);
        await scene.begin();
        scene.busy();
        let longest = 0;
        const cycles = trial.cycles(0.2);
        for (let cycle = 1; cycle <= cycles; cycle++) {
          await pass(moments.between(500, 2500));
          // From the signal on it hears us or not; the end of its connection comes to us later still.
          scene.host.pbx.unheard();
          const { code, ms } = await scene.daemon.terminate();
          expect(code === 0, `SIGTERM ended with ${code}`);
          expect(ms <= 10_000, `SIGTERM took ${(ms / 1000).toFixed(1)} s`);
          longest = Math.max(longest, ms);
          scene.daemon.start();
          await scene.heard(60_000);
          trial.progress(`${cycle}/${cycles} stops, the longest ${Math.round(longest)} ms`);
        }
        // What was heard before a SIGTERM was heard: nothing may be missing, not even of the last millisecond.
        const verdict = await judge(scene, { settleMs: 150_000 });
        return `${cycles} stops, the longest ${Math.round(longest)} ms, ${figures(verdict)}`;
      }),
  },
  {
    name: 'S7: SIGSTOP for 15 s, then SIGCONT: nothing lost, no popup late',
    run: (trial) =>
      onScene(trial, { name: 'sigstop' }, async (scene) => {
        await scene.begin();
        scene.busy();
        await pass(3000);
        const { pid } = scene.daemon;
        if (pid !== undefined) process.kill(pid, 'SIGSTOP');
        await pass(15_000);
        if (pid !== undefined) process.kill(pid, 'SIGCONT');
        await until(() => scene.daemon.running, 1000, 'life after SIGCONT');
        await pass(3000);
        return figures(await judge(scene));
      }),
  },
];

async function timed(work: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}
