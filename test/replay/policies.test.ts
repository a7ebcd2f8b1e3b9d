/** Every policy of an enterprise in both positions, on recorded calls of both generations of Asterisk. */
import { describe, expect, test } from '@jest/globals';
import type { EnterpriseSettings, PolicySettings } from '../../src/config/settings.ts';
import { capture, eventsOf, type TruthCall } from '../support/callsCaptures.ts';
import { toldOf, withMobiles, withPolicies } from '../support/callsTold.ts';

interface Row {
  policy: string;
  position: string;
  words: string;
  capture: string;
  policies?: Partial<PolicySettings>;
  /** What else differs from the example; `customer` is the capture's first customer. */
  over?: (enterprise: EnterpriseSettings, customer: string) => EnterpriseSettings;
  history: string[];
  drops?: string[];
  /** Left out where the policy does not touch them. */
  popups?: string[];
  /** Two calls end in the same moment: which record comes first differs between versions. */
  anyOrder?: boolean;
  /** Phones of the uploads; left out where they are the customers'. */
  phones?: string[];
}

const owners: Row[] = [
  ['last_talker', 'in_attended_refer', '151'],
  ['first_talker', 'in_attended_refer', '150'],
  ['longest_talker', 'in_attended_refer', '150'],
  ['last_talker', 'in_ami_atxfer', '152'],
  ['first_talker', 'in_ami_atxfer', '150'],
  ['longest_talker', 'in_ami_atxfer', '152'],
  ['last_talker', 'in_queue', '151'],
  ['first_talker', 'in_queue', '151'],
].map(([position = '', name = '', owner = '']) => ({
  policy: 'owner',
  position,
  words: `${name} belongs to ${owner}`,
  capture: name,
  policies: { owner: position as PolicySettings['owner'] },
  history: [`in answered ${owner}`],
}));

const closed =
  (policies: Partial<PolicySettings>) =>
  (enterprise: EnterpriseSettings): EnterpriseSettings => {
    const hosts = enterprise.hosts.map((host) => ({ ...host, contexts: { offHours: ['did'] } }));
    return { ...withPolicies(policies)(enterprise), hosts };
  };

const didOff = (enterprise: EnterpriseSettings): EnterpriseSettings => ({
  ...enterprise,
  dids: enterprise.dids.map((did) => (did.number === '+375171234503' ? { ...did, upload: false } : did)),
});

const ring = ['in 150', 'hangup 150: answered'];
const dialled = ['out 150', 'hangup 150: answered'];
const all = ['in 150+151+152'];

const rows: Row[] = [
  ...owners,
  {
    policy: 'owner',
    position: 'default_owner',
    words: 'has the call that rang nobody',
    capture: 'in_ivr_abandon',
    policies: { defaultOwner: '152' },
    history: ['in no answer 152'],
  },
  {
    policy: 'owner',
    position: 'no default_owner',
    words: 'the call that rang nobody is nobody’s',
    capture: 'in_ivr_abandon',
    history: ['in no answer nobody'],
  },
  {
    policy: 'owner',
    position: 'default_owner',
    words: 'does not take a call that rang somebody',
    capture: 'in_direct_abandon',
    policies: { defaultOwner: '152' },
    history: ['in no answer 150'],
  },
  {
    policy: 'close_losers',
    position: 'on_answer',
    words: 'the losers’ popups close while the winner talks',
    capture: 'in_queue',
    policies: { closeLosers: 'on_answer' },
    history: ['in answered 151'],
    popups: [...all, 'hangup 150+152: answered', 'hangup 151: answered'],
  },
  {
    policy: 'close_losers',
    position: 'at_end',
    words: 'all popups close at the end',
    capture: 'in_queue',
    policies: { closeLosers: 'at_end' },
    history: ['in answered 151'],
    popups: [...all, 'hangup 150+151+152: answered'],
  },
  {
    policy: 'anonymous',
    position: 'upload: true',
    words: 'is told with the placeholder',
    capture: 'in_anonymous',
    policies: { anonymous: { upload: true, placeholder: 'hidden number' } },
    history: ['in answered 150'],
    phones: ['hidden number'],
    popups: ring,
  },
  {
    policy: 'anonymous',
    position: 'upload: false',
    words: 'is dropped; the employee still sees who does not say who',
    capture: 'in_anonymous',
    policies: { anonymous: { upload: false, placeholder: 'hidden number' } },
    history: [],
    drops: ['anonymous_off'],
    popups: ring,
  },
  {
    policy: 'voicemail',
    position: 'log',
    words: 'not answered, and told',
    capture: 'in_voicemail',
    policies: { voicemail: 'log' },
    history: ['in no answer 150'],
  },
  {
    policy: 'voicemail',
    position: 'drop',
    words: 'dropped',
    capture: 'in_voicemail',
    policies: { voicemail: 'drop' },
    history: [],
    drops: ['voicemail_off'],
  },
  {
    policy: 'off_hours',
    position: 'log',
    words: 'the closed context is told',
    capture: 'in_off_hours',
    over: closed({ offHours: 'log', ivrOnly: 'drop' }),
    history: ['in no answer nobody'],
  },
  {
    policy: 'off_hours',
    position: 'drop',
    words: 'the closed context is dropped',
    capture: 'in_off_hours',
    over: closed({ offHours: 'drop' }),
    history: [],
    drops: ['off_hours_off'],
  },
  {
    policy: 'off_hours',
    position: 'drop',
    words: 'an answered call that passed the context is told',
    capture: 'in_direct_answer',
    over: closed({ offHours: 'drop' }),
    history: ['in answered 150'],
  },
  {
    policy: 'off_hours',
    position: 'drop, no context configured',
    words: 'an announcement alone is no closed hour',
    capture: 'in_off_hours',
    policies: { offHours: 'drop' },
    history: ['in no answer nobody'],
  },
  {
    policy: 'ivr_only',
    position: 'log',
    words: 'left in the menu: told',
    capture: 'in_ivr_abandon',
    policies: { ivrOnly: 'log' },
    history: ['in no answer nobody'],
  },
  {
    policy: 'ivr_only',
    position: 'drop',
    words: 'left in the menu: dropped',
    capture: 'in_ivr_abandon',
    policies: { ivrOnly: 'drop' },
    history: [],
    drops: ['ivr_only_off'],
  },
  {
    policy: 'ivr_only',
    position: 'drop',
    words: 'left in the queue is not left in the menu',
    capture: 'in_queue_abandon',
    policies: { ivrOnly: 'drop' },
    history: ['in no answer 152'],
  },
  {
    policy: 'employee_mobiles',
    position: 'drop',
    words: 'a call from one is dropped',
    capture: 'in_direct_answer',
    over: (enterprise, customer) =>
      withMobiles('151', [customer])(withPolicies({ employeeMobiles: 'drop' })(enterprise)),
    history: [],
    drops: ['employee_mobile'],
    popups: [],
  },
  {
    policy: 'employee_mobiles',
    position: 'log',
    words: 'a call from one is a call',
    capture: 'in_direct_answer',
    over: (enterprise, customer) =>
      withMobiles('151', [customer])(withPolicies({ employeeMobiles: 'log' })(enterprise)),
    history: ['in answered 150'],
    popups: ring,
  },
  {
    policy: 'employee_mobiles',
    position: 'drop',
    words: 'a call to one is dropped',
    capture: 'out_answer',
    over: (enterprise, customer) => withMobiles('151', [customer])(enterprise),
    history: [],
    drops: ['employee_mobile'],
    popups: [],
  },
  {
    policy: 'click_not_answered',
    position: 'drop',
    words: 'the employee did not pick up: dropped',
    capture: 'click_agent_noanswer',
    policies: { clickNotAnswered: 'drop' },
    history: [],
    drops: ['employee_did_not_answer'],
  },
  {
    policy: 'click_not_answered',
    position: 'log',
    words: 'the employee did not pick up: told, without any popup',
    capture: 'click_agent_noanswer',
    policies: { clickNotAnswered: 'log' },
    history: ['out no answer 150'],
    popups: [],
  },
  {
    policy: 'blacklist',
    position: 'empty',
    words: 'nobody is on it',
    capture: 'in_direct_answer',
    policies: { blacklist: [] },
    history: ['in answered 150'],
    popups: ring,
  },
  {
    policy: 'blacklist',
    position: 'the number',
    words: 'neither popup nor record',
    capture: 'in_direct_answer',
    over: (enterprise, customer) => withPolicies({ blacklist: [customer] })(enterprise),
    history: [],
    drops: ['blacklisted'],
    popups: [],
  },
  {
    policy: 'blacklist',
    position: 'a pattern',
    words: 'outgoing calls as well',
    capture: 'out_answer',
    over: (enterprise, customer) => withPolicies({ blacklist: [`${customer.slice(0, 8)}*`] })(enterprise),
    history: [],
    drops: ['blacklisted'],
    popups: [],
  },
  {
    policy: 'blacklist',
    position: 'another number',
    words: 'nothing changes',
    capture: 'out_answer',
    policies: { blacklist: ['+375290000888'] },
    history: ['out answered 150'],
    popups: dialled,
  },
  {
    policy: 'dids.upload',
    position: 'false',
    words: 'calls to this number are dropped',
    capture: 'in_direct_answer',
    over: didOff,
    history: [],
    drops: ['did_off'],
    popups: [],
  },
  {
    policy: 'dids.upload',
    position: 'false for another number',
    words: 'nothing changes',
    capture: 'in_queue',
    over: didOff,
    history: ['in answered 151'],
  },
  {
    policy: 'minimum_seconds',
    position: '0',
    words: 'a short missed call is told',
    capture: 'in_direct_abandon',
    policies: { minimumSeconds: 0 },
    history: ['in no answer 150'],
  },
  {
    policy: 'minimum_seconds',
    position: '30',
    words: 'a short missed call is dropped',
    capture: 'in_direct_abandon',
    policies: { minimumSeconds: 30 },
    history: [],
    drops: ['too_short'],
  },
  {
    policy: 'minimum_seconds',
    position: '30',
    words: 'a short answered call is told',
    capture: 'in_direct_answer',
    policies: { minimumSeconds: 30 },
    history: ['in answered 150'],
  },
  {
    policy: 'minimum_seconds',
    position: '30',
    words: 'a short outgoing attempt is told',
    capture: 'out_noanswer',
    policies: { minimumSeconds: 30 },
    history: ['out no answer 150'],
  },
  // Whose the leg is: who answered 302, who transferred, whose phone rang beside it; nobody's if the dial plan alone did it.
  ...[
    { name: 'in_forward_external', owner: 'nobody', popups: [] },
    { name: 'in_forward_302_external', owner: '150', popups: [] },
    { name: 'in_blind_external', owner: '150', popups: ring },
    { name: 'in_follow_me', owner: '150', popups: ring },
  ].flatMap(({ name, owner, popups }): Row[] => {
    const part = { capture: name, history: [`in answered ${owner}`], popups };
    // Which of two calls that end within a millisecond is told first is up to Asterisk.
    const own = { capture: name, history: [`in answered ${owner}`, `out answered ${owner}`], popups, anyOrder: true };
    const policy = 'forwarded_legs';
    return [
      { policy, position: 'part_of_call', words: name, policies: { forwardedLegs: 'part_of_call' }, ...part },
      {
        policy,
        position: 'own_call',
        words: name,
        policies: { forwardedLegs: 'own_call' },
        phones: ['any', 'any'],
        ...own,
      },
    ];
  }),
  ...(['in', 'out', 'hangup'] as const).flatMap((type): Row[] => {
    const popups = { in: true, out: true, hangup: true, [type]: false };
    // A popup that is never shown needs no end either.
    const without = (list: string[]): string[] =>
      list[0]?.startsWith(type) === true ? [] : list.filter((popup) => !popup.startsWith(type));
    const policy = `popups.${type}`;
    const shared = { policy, position: 'false', policies: { popups } };
    return [
      {
        ...shared,
        words: 'incoming',
        capture: 'in_direct_answer',
        history: ['in answered 150'],
        popups: without(ring),
      },
      { ...shared, words: 'outgoing', capture: 'out_answer', history: ['out answered 150'], popups: without(dialled) },
    ];
  }),
];

describe.each(rows)('$policy: $position: $words ($capture)', (row) => {
  test.each(['ast22', 'ast16'])('%s', (version) => {
    const one = capture(`${version}/${row.capture}`);
    const customers = one.truth.calls.map(({ customerPhone }: TruthCall) => customerPhone ?? 'anonymous');
    const told = toldOf(eventsOf(one), (enterprise) => {
      const set = withPolicies(row.policies ?? {})(enterprise);
      return row.over?.(set, customers[0] ?? '') ?? set;
    });
    const history = row.anyOrder === true ? told.history.toSorted() : told.history;
    expect({ history, drops: told.drops }).toEqual({ history: row.history, drops: row.drops ?? [] });
    expect(told.popups).toEqual(row.popups ?? told.popups);
    const phones = row.phones ?? customers.slice(0, row.history.length);
    expect(told.uploads.map(({ phone }, index) => (phones[index] === 'any' ? 'any' : phone))).toEqual(phones);
  });
});

test('every policy of the configuration is here', () => {
  const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  let names: string[] = [];
  toldOf([], (enterprise) => {
    names = Object.keys(enterprise.policies).map(snake);
    return enterprise;
  });
  const tested = new Set(rows.flatMap(({ policy, position }) => [policy.split('.')[0], position]));
  expect(names.filter((name) => !tested.has(name))).toEqual([]);
});
