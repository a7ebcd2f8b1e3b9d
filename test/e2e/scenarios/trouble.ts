/** Asterisk itself has trouble in the middle of calls: restart, crash, reload. */
import { pass } from '../lab/wait.ts';
import { type ExpectedCall, inbound, rang, type Scenario } from './expect.ts';
import { customerCalls, hangUp, picksUp, russianDid, talkMs, talkTo150 } from './play.ts';
import type { Lab } from '../lab/lab.ts';

/** One more call, on the other trunk, after the trouble. */
async function callAfter(lab: Lab, from: string): Promise<ExpectedCall> {
  const customer = await customerCalls(lab, from, russianDid, {}, lab.ru);
  const phone = await picksUp(lab.phone151);
  await pass(talkMs);
  await hangUp(customer, phone);
  const talked: [string, number | undefined][] = [['151', phone.at.answered]];
  return inbound(customer, { from, did: '+74950000601', talked, rang: [rang(lab.phone151, phone, 'answered')] });
}

export const troubleScenarios: Scenario[] = [
  {
    name: 'fault_restart',
    what: '"core restart now" in the middle of a call; a new call afterwards',
    play: async (lab) => {
      const from = '+375290000494';
      const { customer, at150 } = await talkTo150(lab, from, 1500);
      await Promise.all([lab.asterisk.restartNow(), customer.ended(), at150.ended()]);
      const all = [rang(lab.phone150, at150, 'answered')];
      const talked: [string, number | undefined][] = [['150', at150.at.answered]];
      const cut = inbound(customer, { from, did: '+375171234503', talked, rang: all, endTolerance: 3 });
      return [{ ...cut, resultDetail: 'PBX restarted' }, await callAfter(lab, '+375290000495')];
    },
  },
  {
    name: 'fault_crash',
    what: 'Asterisk is killed in the middle of a call and comes back; a new call afterwards',
    play: async (lab) => {
      const from = '+375290000496';
      const { customer, at150 } = await talkTo150(lab, from, 1500);
      // Nobody is told: the phones find out by themselves, here at once.
      customer.at.ended = Date.now();
      await lab.asterisk.kill();
      await lab.asterisk.up();
      const all = [rang(lab.phone150, at150, 'answered')];
      const talked: [string, number | undefined][] = [['150', at150.at.answered]];
      const cut = inbound(customer, { from, did: '+375171234503', talked, rang: all, endTolerance: 3 });
      return [{ ...cut, resultDetail: 'PBX crashed' }, await callAfter(lab, '+375290000497')];
    },
  },
  {
    name: 'fault_reload',
    what: '"core reload" in the middle of a call changes nothing',
    play: async (lab) => {
      const from = '+375290000498';
      const { customer, at150 } = await talkTo150(lab, from);
      const reloaded = lab.asterisk.manager.nextEvent('Reload');
      await lab.asterisk.command('core reload');
      await reloaded;
      await pass(talkMs);
      await hangUp(customer, at150);
      const all = [rang(lab.phone150, at150, 'answered')];
      return [inbound(customer, { from, did: '+375171234503', talked: [['150', at150.at.answered]], rang: all })];
    },
  },
  {
    name: 'daemon_ami_cut',
    what: "the daemon's AMI connection is reset in the middle of a call",
    daemonOnly: true,
    play: async (lab) => {
      const from = '+375290000501';
      const { customer, at150 } = await talkTo150(lab, from);
      lab.daemon?.cutAmi();
      await pass(3000);
      await hangUp(customer, at150);
      const all = [rang(lab.phone150, at150, 'answered')];
      return [inbound(customer, { from, did: '+375171234503', talked: [['150', at150.at.answered]], rang: all })];
    },
  },
  {
    name: 'daemon_killed',
    what: 'the daemon is killed (SIGKILL) in the middle of a call and started again',
    daemonOnly: true,
    play: async (lab) => {
      const from = '+375290000502';
      const { customer, at150 } = await talkTo150(lab, from);
      await lab.daemon?.kill();
      await lab.daemon?.restart();
      await pass(talkMs);
      await hangUp(customer, at150);
      const all = [rang(lab.phone150, at150, 'answered')];
      return [inbound(customer, { from, did: '+375171234503', talked: [['150', at150.at.answered]], rang: all })];
    },
  },
];
