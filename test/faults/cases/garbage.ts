import { randomBytes } from 'node:crypto';
import type { Pbx } from '../../support/pbx.ts';
import { message } from '../../support/pbxWire.ts';
import { type FaultCase, onScene, type Trial } from '../case.ts';
import { figures, judge } from '../oracle.ts';
import { Proxy } from '../proxy.ts';
import type { Scene } from '../scene.ts';
import { expect, pass, until } from '../wait.ts';

/** Things a stream may hold between two honest events; none may end the session or become a call. */
const hostile: readonly (string | Buffer)[] = [
  message([
    ['Event', 'close'],
    ['Uniqueid', '1.1'],
    ['Linkedid', '1.1'],
    ['Channel', 'PJSIP/provider-by-00000001'],
  ]),
  message([
    ['Event', 'error'],
    ['message', 'boom'],
  ]),
  message([
    ['Event', '__proto__'],
    ['constructor', 'x'],
    ['__proto__', '{"a":1}'],
    ['toString', '1'],
  ]),
  message([
    ['Event', 'Newstate'],
    ['Uniqueid', '__proto__'],
    ['Linkedid', 'constructor'],
    ['Channel', 'hasOwnProperty'],
  ]),
  message([
    ['Event', 'Hangup'],
    ['Uniqueid', ''],
    ['Linkedid', ''],
    ['Cause', 'NaN'],
  ]),
  message([
    ['Event', 'Hangup'],
    ['Uniqueid', '0.0'],
    ['Uniqueid', '1.1'],
    ['Linkedid', '0.0'],
    ['Channel', 'Nothing'],
  ]),
  message([
    ['Event', 'DialBegin'],
    ['DestUniqueid', '9.9'],
    ['DialString', '\u0000\u001b[31m'],
  ]),
  message([
    ['Response', 'Success'],
    ['ActionID', '1'],
    ['Message', 'an answer nobody asked for'],
  ]),
  message([
    ['Event', 'StatusComplete'],
    ['ActionID', '1'],
    ['EventList', 'Complete'],
    ['ListItems', '0'],
  ]),
  'no colon at all\r\n\r\n',
  ': no name\r\n\r\n',
  '\r\n\r\n\r\n\r\n',
  'Event: Newchannel\nUniqueid: 5.5\n\n\r\n\r\n',
  'Event: UserEvent\r\nUserEvent: x\r\nBody: a\r\nEvent: Hangup\r\nUniqueid: 1.1\r\n\r\n',
  Buffer.from([0xff, 0xfe, 0x00, 0xc3, 0x28, 0xe2, 0x82, 0x0d, 0x0a, 0x0d, 0x0a]),
  `Event: VarSet\r\nVariable: X\r\nValue: ${'y'.repeat(30_000)}\r\n\r\n`,
];

/** Calls go on while `disturb` does its worst; every one must arrive whole. */
async function undisturbed(
  trial: Trial,
  name: string,
  disturb: (pbx: Pbx, scene: Scene) => Promise<void>,
  callsPerSecond = 4,
): Promise<string> {
  return onScene(trial, { name, callsPerSecond }, async (scene) => {
    await scene.begin();
    scene.busy();
    await pass(1000);
    const before = await scene.daemon.rss();
    await disturb(scene.host.pbx, scene);
    const after = await scene.daemon.rss();
    expect(scene.daemon.starts === 1 && scene.daemon.running, 'the daemon did not survive');
    const verdict = await judge(scene);
    return `RSS ${before.toFixed(0)} → ${after.toFixed(0)} MiB, ${figures(verdict)}`;
  });
}

export const garbageCases: FaultCase[] = [
  {
    name: 'A15 A16 A17: hostile names, lines and bytes between honest events',
    smoke: true,
    run: (trial) =>
      undisturbed(trial, 'hostile', async (pbx) => {
        for (let round = 0; round < (trial.smoke ? 30 : 150); round++) {
          for (const one of hostile) pbx.babble(one);
          pbx.babble(
            Buffer.concat([
              Buffer.from(
                randomBytes(2000)
                  .toString('latin1')
                  .replaceAll(/[\r\n]/g, '.'),
                'latin1',
              ),
              Buffer.from('\r\n\r\n'),
            ]),
          );
          await pass(50);
        }
        expect(pbx.connections === 1, `the session was lost ${pbx.connections - 1} times`);
      }),
  },
  {
    name: 'A14: 100 MB without a line end: the connection is given up, memory stays bounded',
    run: (trial) =>
      undisturbed(trial, 'endless-line', async (pbx, scene) => {
        const before = await scene.daemon.rss();
        const junk = Buffer.alloc(1024 * 1024, 'x');
        for (let megabyte = 0; megabyte < 100 && pbx.connections === 1; megabyte++) {
          pbx.babble(junk);
          await pass(10);
        }
        await until(() => pbx.connections > 1 || pbx.sessions.size === 0, 30_000, 'the end of the connection');
        await scene.heard(40_000);
        const grown = (await scene.daemon.rss()) - before;
        expect(grown <= 100, `memory grew by ${grown.toFixed(0)} MiB`);
      }),
  },
  {
    name: 'A25: 20,000 events/s of no interest: no disconnect, no call lost, memory bounded',
    run: (trial) =>
      undisturbed(trial, 'flood', async (pbx, scene) => {
        const event = message([
          ...([
            ['Event', 'VarSet'],
            ['Privilege', 'dialplan,all'],
            ['Channel', 'PJSIP/150-00000001'],
            ['ChannelState', '6'],
          ] as const),
          ...([
            ['ChannelStateDesc', 'Up'],
            ['CallerIDNum', '150'],
            ['CallerIDName', 'Operator 150'],
            ['Context', 'sub-rec'],
          ] as const),
          ...([
            ['Exten', 's'],
            ['Priority', '1'],
            ['Uniqueid', '1.1'],
            ['Linkedid', '1.1'],
            ['Variable', 'X'],
            ['Value', 'y'],
          ] as const),
        ]);
        const burst = event.repeat(400);
        const until = performance.now() + (trial.smoke ? 4000 : 60_000);
        let peak = 0;
        while (performance.now() < until) {
          pbx.babble(burst);
          await pass(20);
          peak = Math.max(peak, await scene.daemon.rss());
        }
        expect(pbx.connections === 1, 'the session was lost');
        expect(peak <= 512, `${peak.toFixed(0)} MiB`);
      }),
  },
  {
    name: 'A8: every event said twice',
    run: (trial) =>
      undisturbed(trial, 'twice', async (pbx) => {
        pbx.repeat = 2;
        await pass(trial.smoke ? 3000 : 10_000);
      }),
  },
  {
    name: 'A13: the stream comes in pieces of 1 to 7 bytes',
    run: async (trial) => {
      let proxy: Proxy | undefined;
      const amiPort = async (port: number): Promise<number> => {
        proxy = await Proxy.to(port);
        proxy.sliceUpTo = 7;
        return proxy.port;
      };
      try {
        return await onScene(trial, { name: 'slices', amiPort, callsPerSecond: 2 }, async (scene) => {
          await scene.begin();
          scene.busy();
          await pass(6000);
          return figures(await judge(scene));
        });
      } finally {
        await proxy?.close();
      }
    },
  },
];
