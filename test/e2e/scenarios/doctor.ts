/** The doctor on a real PBX: what it finds, and that the manager.conf it prints is enough. */
import { join } from 'node:path';
import type { Finding } from '../../../src/doctor/finding.ts';
import { inbound, rang, type ExpectedCall, type Scenario } from './expect.ts';
import { hangUp, talkTo150 } from './play.ts';
import type { DaemonTrouble, Lab } from '../lab/lab.ts';

async function call(lab: Lab, from: string): Promise<ExpectedCall> {
  const { customer, at150 } = await talkTo150(lab, from);
  const told = lab.daemon?.says('record of the call stands in the CRM');
  await hangUp(customer, at150);
  // The doctor tries the link of a record that was told.
  await told;
  const talked: [string, number | undefined][] = [['150', at150.at.answered]];
  return inbound(customer, { from, did: '+375171234503', talked, rang: [rang(lab.phone150, at150, 'answered')] });
}

/** What the doctor says of the PBX, as `level check`, once each. */
async function findings(lab: Lab, daemon: DaemonTrouble): Promise<{ all: Finding[]; pbx: string[]; code: number }> {
  const conf = join(lab.asterisk.dir, 'etc/manager.conf');
  const { code, out } = await daemon.command('doctor', '--json', '--watch', '0.5', '--manager-conf', conf);
  const all = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Finding);
  const pbx = all.filter(({ area }) => area === 'pbx').map(({ level, check }) => `${level} ${check}`);
  return { all, pbx: [...new Set(pbx)].sort(), code };
}

function expectFindings(got: { all: Finding[]; pbx: string[]; code: number }, pbx: string[], code: number): void {
  if (got.pbx.join() === pbx.sort().join() && got.code === code) return;
  const told = got.all.map(({ level, area, check, says }) => `${level} ${area} ${check}: ${says}`).join('\n');
  throw new Error(`the doctor should end with ${code} and say ${pbx.join(', ')}; it ended with ${got.code}:\n${told}`);
}

const sound = ['ok login', 'ok rights', 'ok events', 'ok clock', 'ok lines', 'ok extensions', 'ok dialplan'];
// The lab's recordings are served nowhere.
const link = 'warning recordings';

export const doctorScenarios: Scenario[] = [
  {
    name: 'doctor',
    what: 'the doctor looks at the PBX; the daemon works on with the manager.conf it prints; write = all is a failure',
    daemonOnly: true,
    play: async (lab) => {
      const { asterisk, daemon } = lab;
      if (daemon === undefined) return [];
      const version = asterisk.version < 20 ? 'warning version' : 'ok version';
      const stamped = asterisk.profile.timestamps ? [] : ['warning timestamps'];
      const first = await call(lab, '+375290000701');
      expectFindings(await findings(lab, daemon), [...sound, version, ...stamped, link, 'warning writetimeout'], 1);

      const { out } = await daemon.command('doctor', '--print-manager-conf');
      const printed = out.replace(/<the value of.*>/, asterisk.ami.secret);
      await asterisk.configure('manager.conf', (text) => {
        const ours = printed.slice(printed.indexOf(`[${asterisk.ami.user}]`));
        const [general = '', ...users] = text.split(/^(?=\[)/m);
        const others = users.filter((section) => !section.startsWith(`[${asterisk.ami.user}]`));
        return [general, ...others, `\n${ours}`].join('').replace(/^timestampevents.*$/m, 'timestampevents = yes');
      });
      await asterisk.command('manager reload');
      const synced = daemon.syncs;
      daemon.cutAmi();
      await daemon.synced(synced);
      const second = await call(lab, '+375290000702');
      expectFindings(await findings(lab, daemon), [...sound, version, link, 'ok writetimeout'], 1);

      await asterisk.configure('manager.conf', (text) =>
        text.replace(/^(write = )call,.*$|^(write = )reporting.*$/m, '$1$2all'),
      );
      await asterisk.command('manager reload');
      const all = await findings(lab, daemon);
      expectFindings(
        all,
        [...sound.filter((one) => one !== 'ok rights'), 'failure rights', version, link, 'ok writetimeout'],
        2,
      );
      return [first, second];
    },
  },
];
