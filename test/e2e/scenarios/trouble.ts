/** Asterisk itself has trouble in the middle of calls: restart, crash, reload. */
import { pass } from '../lab/wait.ts';
import { account, daemonOf, talkKnown, until } from './ask.ts';
import { type ExpectedCall, inbound, outbound, rang, type Scenario } from './expect.ts';
import { customerCalls, dids, hangUp, picksUp, rings, russianDid, talkMs, talkTo150 } from './play.ts';
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

/** So many popups are on the screens: a daemon that is killed now has told of the ringing. */
function popupsShown(lab: Lab, count: number): Promise<void> {
  return until(`${count} popups are shown`, () => account(lab).openPopups.size === count);
}

/** How many calls nobody saw, by the newest gap; it is closed a moment after the host is in sync. */
async function expectLost(lab: Lab, lost: number | null): Promise<void> {
  let told: unknown;
  for (let tries = 0; tries < 20; tries++) {
    const answer = await lab.daemon?.command('gaps', 'list', '--json', '--limit', '1');
    const gap = JSON.parse(answer?.out.split('\n')[0] ?? '{}') as { to?: string | null; lost?: number | null };
    told = gap.lost;
    if (gap.to !== null && gap.lost === lost) return;
    if (gap.to !== null) break;
    await pass(200);
  }
  throw new Error(`the gap should have lost ${lost ?? 'an unknown number of'} calls, it has ${String(told)}`);
}

export const troubleScenarios: Scenario[] = [
  {
    name: 'fault_restart',
    what: '"core restart now" in the middle of a call; a new call afterwards',
    play: async (lab) => {
      const from = '+375290000494';
      const { customer, at150 } = await talkKnown(lab, from, 1500);
      const synced = lab.daemon?.syncs ?? 0;
      await Promise.all([lab.asterisk.restartNow(), customer.ended(), at150.ended()]);
      // A call that comes and goes before AMI is back is nobody's to see but the CDR's.
      await lab.daemon?.synced(synced);
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
      const { customer, at150 } = await talkKnown(lab, from, 1500);
      // Nobody is told: the phones find out by themselves, here at once.
      customer.at.ended = Date.now();
      const synced = lab.daemon?.syncs ?? 0;
      await lab.asterisk.kill();
      await lab.asterisk.up();
      await lab.daemon?.synced(synced);
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
      const { customer, at150 } = await talkKnown(lab, from);
      const synced = lab.daemon?.syncs ?? 0;
      lab.daemon?.cutAmi();
      await lab.daemon?.synced(synced);
      await pass(talkMs);
      await hangUp(customer, at150);
      const all = [rang(lab.phone150, at150, 'answered')];
      return [inbound(customer, { from, did: '+375171234503', talked: [['150', at150.at.answered]], rang: all })];
    },
  },
  {
    name: 'daemon_killed',
    what: 'the daemon is killed (SIGKILL) while they talk and started again',
    daemonOnly: true,
    play: async (lab) => {
      const from = '+375290000502';
      const { customer, at150 } = await talkKnown(lab, from);
      await popupsShown(lab, 1);
      await lab.daemon?.kill();
      await lab.daemon?.restart();
      await pass(talkMs);
      await hangUp(customer, at150);
      const all = [rang(lab.phone150, at150, 'answered')];
      return [inbound(customer, { from, did: '+375171234503', talked: [['150', at150.at.answered]], rang: all })];
    },
  },
  {
    name: 'daemon_killed_ringing',
    what: 'the daemon is killed while two phones ring and started again before one of them answers',
    daemonOnly: true,
    play: async (lab) => {
      const from = '+375290000503';
      const customer = await customerCalls(lab, from, dids.ringGroup);
      const [at150, at151] = await Promise.all([rings(lab.phone150), rings(lab.phone151)]);
      await customer.ringing();
      await popupsShown(lab, 2);
      await lab.daemon?.kill();
      await lab.daemon?.restart();
      await pass(500);
      await at151.answer();
      await at150.ended();
      await pass(talkMs);
      await hangUp(customer, at151);
      const all = [rang(lab.phone150, at150, 'answered elsewhere'), rang(lab.phone151, at151, 'answered')];
      const talked: [string, number | undefined][] = [['151', at151.at.answered]];
      return [inbound(customer, { from, did: '+375171234504', talked, rang: all })];
    },
  },
  {
    name: 'daemon_killed_dialling',
    what: 'the daemon is killed while a customer is being called and started again before he answers',
    daemonOnly: true,
    play: async (lab) => {
      const phone = await lab.phone150.agent.call('80290000504');
      const customer = await lab.by.nextCall('+375290000504');
      customer.ring();
      await popupsShown(lab, 1);
      await lab.daemon?.kill();
      await lab.daemon?.restart();
      await pass(500);
      await customer.answer();
      await pass(talkMs);
      await hangUp(customer, phone);
      return [outbound(phone, customer, { by: '150', dialled: '80290000504', to: '+375290000504' })];
    },
  },
  {
    name: 'daemon_blind',
    what: 'a call passes wholly while the daemon is dead: nobody can tell it, but Asterisk 22 has counted it',
    daemonOnly: true,
    play: async (lab) => {
      const { customer: first, at150: phone } = await talkTo150(lab, '+375290000507', 500);
      const told = ['record of the call stands in the CRM', 'popup of 150 closed'];
      const written = told.map((words) => daemonOf(lab).says(words));
      await hangUp(first, phone);
      const story = { did: '+375171234503', rang: [rang(lab.phone150, phone, 'answered')] };
      const seen = inbound(first, { ...story, from: '+375290000507', talked: [['150', phone.at.answered]] });
      // Its end is told twice, as a record and to the popup, and both are written: else they would rightly be told again.
      await Promise.all(written);
      await lab.daemon?.kill();
      const { customer, at150 } = await talkTo150(lab, '+375290000508', 500);
      await hangUp(customer, at150);
      await lab.daemon?.restart();
      await expectLost(lab, lab.asterisk.version < 20 ? null : 1);
      const unseen = inbound(customer, {
        ...{ from: '+375290000508', did: story.did, talked: [['150', at150.at.answered]] },
        rang: [rang(lab.phone150, at150, 'answered')],
      });
      return [seen, { ...unseen, unseen: true }];
    },
  },
  {
    name: 'daemon_dead_at_the_end',
    what: 'two calls end while the daemon is dead: one was talking, one still rang',
    daemonOnly: true,
    play: async (lab) => {
      const numbers = ['+375290000505', '+375290000506'] as const;
      const { customer, at150 } = await talkKnown(lab, numbers[0], 1500);
      const other = await customerCalls(lab, numbers[1], russianDid, {}, lab.ru);
      const at151 = await rings(lab.phone151);
      await other.ringing();
      await popupsShown(lab, 2);
      await lab.daemon?.kill();
      const over = Date.now();
      await Promise.all([hangUp(customer, at150), hangUp(other, at151)]);
      await lab.daemon?.restart();
      // Nobody saw the end: it is told as the moment it was noticed, until the CDR tells better.
      const story = { endTolerance: (Date.now() - over) / 1000 + 1 };
      return [
        inbound(customer, {
          ...story,
          from: numbers[0],
          did: '+375171234503',
          talked: [['150', at150.at.answered]],
          rang: [rang(lab.phone150, at150, 'answered')],
        }),
        inbound(other, {
          ...story,
          from: numbers[1],
          did: '+74950000601',
          // Whether the caller gave up or the phone refused is what nobody saw.
          alternatives: ['unknown'],
          rang: [rang(lab.phone151, at151, 'cancelled')],
        }),
        await callAfter(lab, '+375290000507'),
      ];
    },
  },
];
