import { Chance } from '../../support/pbxRandom.ts';
import type { Embedded } from '../../../src/store/embedded.ts';
import { type FaultCase, onScene, Skip, type Trial } from '../case.ts';
import { administer } from '../lab.ts';
import { figures, judge } from '../oracle.ts';
import { Proxy } from '../proxy.ts';
import type { Scene, SceneOptions } from '../scene.ts';
import { expect, pass, until } from '../wait.ts';

/** A scene on a server of its own, which the test may kill. */
async function onServer(
  trial: Trial,
  options: Omit<SceneOptions, 'seed' | 'databaseUrl'>,
  play: (scene: Scene, server: Embedded) => Promise<string>,
): Promise<string> {
  const starting = trial.lab.server(await trial.lab.directory(`${options.name}-server`));
  if (starting === undefined) throw new Skip('the server of DATABASE_URL is not ours to kill');
  const server = await starting;
  try {
    return await onScene(trial, { ...options, databaseUrl: server.url }, (scene) => play(scene, server));
  } finally {
    await server.stop();
  }
}

/** The server goes down with this signal again and again, and is started each time. */
async function downAgain(trial: Trial, signal: NodeJS.Signals, cycles: number): Promise<string> {
  return onServer(trial, { name: `server-${signal}`, callsPerSecond: 5 }, async (scene, server) => {
    const moments = new Chance(trial.seed + 5);
    await scene.begin();
    scene.busy();
    let longest = 0;
    for (let cycle = 1; cycle <= cycles; cycle++) {
      await pass(moments.between(500, 2000));
      const pid = await server.pid();
      if (pid !== undefined) process.kill(pid, signal);
      await until(async () => (await server.pid()) !== pid, 15_000, 'the end of the server');
      const answers = (): Promise<boolean> =>
        administer(server.url, 'select 1').then(
          () => true,
          () => false,
        );
      longest = Math.max(longest, await until(answers, 30_000, 'a server that answers'));
      trial.progress(`${cycle}/${cycles} times down, ${scene.held} records`);
    }
    expect(scene.daemon.starts === 1 && scene.daemon.running, 'the daemon did not survive');
    // A settlement the database did not take: the row comes again when its lease of 120 s ends.
    const verdict = await judge(scene, { settleMs: 150_000 });
    expect(
      verdict.whole === verdict.calls - internals(scene),
      'the daemon lost its PBX although only the database was down',
    );
    return `${cycles} times down, up to ${(longest / 1000).toFixed(1)} s, ${figures(verdict)}`;
  });
}

function internals(scene: Scene): number {
  return scene.hosts.reduce((sum, { load }) => sum + load.calls.filter((call) => !call.logToCrm).length, 0);
}

export const databaseCases: FaultCase[] = [
  {
    name: 'D1: the database server restarts under load',
    smoke: true,
    run: (trial) => downAgain(trial, 'SIGINT', trial.smoke ? 1 : 10),
  },
  {
    name: 'D2: the database server is stopped at once (immediate) under load',
    run: (trial) => downAgain(trial, 'SIGQUIT', trial.cycles(0.1)),
  },
  {
    name: 'D2: kill -9 of the database server under load',
    run: (trial) => downAgain(trial, 'SIGKILL', trial.cycles(0.05)),
  },
  {
    name: 'D2 D8: every backend of the daemon is ended each 50 ms',
    run: (trial) =>
      onScene(trial, { name: 'terminate', callsPerSecond: 5 }, async (scene) => {
        await scene.begin();
        scene.busy();
        const rounds = trial.smoke ? 40 : 200;
        for (let round = 0; round < rounds; round++) {
          await administer(
            scene.databaseUrl,
            `select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and application_name = 'asterisk-retailcrm'`,
          );
          await pass(50);
        }
        expect(scene.daemon.starts === 1 && scene.daemon.running, 'the daemon did not survive');
        // A settlement whose answer was lost: the row comes again when its lease ends.
        return `${rounds} rounds, ${figures(await judge(scene, { settleMs: 150_000 }))}`;
      }),
  },
  {
    name: 'D7: the way to the database swallows everything for 12 s',
    run: (trial) => {
      let proxy: Proxy | undefined;
      return onServer(trial, { name: 'database-half-open' }, async (_, server) => {
        const at = new URL(server.url);
        proxy = await Proxy.to(Number(at.port));
        at.port = String(proxy.port);
        const through = proxy;
        return onScene(
          trial,
          { name: 'database-swallowed', databaseUrl: at.href, callsPerSecond: 4 },
          async (scene) => {
            await scene.begin();
            scene.busy();
            await pass(2000);
            through.swallow();
            await pass(12_000);
            through.heal();
            await pass(2000);
            return figures(await judge(scene, { settleMs: 150_000 }));
          },
        );
      }).finally(() => proxy?.close());
    },
  },
  {
    name: 'D: the database is not there at start: said clearly, and either 69 or further tries',
    smoke: true,
    run: (trial) =>
      onServer(trial, { name: 'database-away' }, async (scene, server) => {
        await server.stop();
        scene.daemon.start();
        const { exited } = scene.daemon;
        // A daemon that has ended has said it before, one that tries on says it while it does.
        await Promise.race([exited, scene.daemon.says(/database/i, 60_000)]);
        const ended = await Promise.race([exited, pass(20_000).then(() => undefined)]);
        const words = scene.daemon.said(/database/i);
        expect(words.length > 0, 'the log says nothing about the database');
        expect(
          words.every(({ text }) => !text.includes(new URL(server.url).password)),
          'the log shows the password',
        );
        if (ended !== undefined) {
          expect(ended === 69, `it ended with ${ended}, not 69`);
          return `ends with 69: ${words.at(-1)?.message.slice(0, 150) ?? ''}`;
        }
        const again = await trial.lab.server(await trial.lab.directory('database-away-server'));
        try {
          const heard = await scene.heard(60_000);
          scene.busy();
          await pass(2000);
          return `keeps trying, hears ${(heard / 1000).toFixed(1)} s after the database came, ${figures(await judge(scene))}`;
        } finally {
          await scene.daemon.kill();
          await again?.stop();
        }
      }),
  },
];
