/** Who calls: hidden numbers, spellings, strange names, the same customer twice. */
import type { CallerIdentity } from '../lab/sip/agent.ts';
import { pass } from '../lab/wait.ts';
import { type ExpectedCall, inbound, internal, outbound, rang, type Scenario } from './expect.ts';
import { customerCalls, dids, hangUp, outsidePicksUp, picksUp, rings, russianDid, talkMs } from './play.ts';
import type { Lab } from '../lab/lab.ts';

const hidden = '"Anonymous" <sip:anonymous@anonymous.invalid>';

/** One short answered call to 150's DID. */
async function shortCall(
  lab: Lab,
  identity: Partial<CallerIdentity> & { number: string },
  story: { from: string | null; raw: string; name?: string },
): Promise<ExpectedCall> {
  const customer = await customerCalls(lab, identity.number, dids.direct150, identity);
  const phone = await picksUp(lab.phone150, 400);
  await pass(800);
  await hangUp(customer, phone);
  const talked: [string, number | undefined][] = [['150', phone.at.answered]];
  return inbound(customer, { ...story, did: '+375171234503', talked, rang: [rang(lab.phone150, phone, 'answered')] });
}

export const callerScenarios: Scenario[] = [
  {
    name: 'in_anonymous',
    what: 'a caller without number',
    play: async (lab) => [
      await shortCall(lab, { number: 'anonymous', from: hidden }, { from: null, raw: 'anonymous' }),
    ],
  },
  {
    name: 'in_anonymous_pai',
    what: 'a caller who hides the number from phones, while the provider tells it (P-Asserted-Identity, Privacy)',
    pjsipOnly: true,
    play: async (lab) => {
      const number = '+375290000421';
      const extra: [string, string][] = [
        ['P-Asserted-Identity', `<sip:${number}@${lab.asterisk.network.providerBy}>`],
        ['Privacy', 'id'],
      ];
      return [await shortCall(lab, { number, from: hidden, extra }, { from: number, raw: number })];
    },
  },
  {
    name: 'in_anonymous_kinds',
    what: 'five ways to have no number: unknown, restricted, unavailable, private, none at all',
    pjsipOnly: true,
    play: async (lab) => {
      const kinds: [from: string, raw: string][] = [
        ['<sip:unknown@unknown.invalid>', 'unknown'],
        ['"Restricted" <sip:Restricted@anonymous.invalid>', 'Restricted'],
        ['<sip:unavailable@unknown.invalid>', 'unavailable'],
        ['"Private" <sip:private@anonymous.invalid>', 'private'],
        ['<sip:anonymous.invalid>', '<unknown>'],
      ];
      const calls: ExpectedCall[] = [];
      for (const [from, raw] of kinds) calls.push(await shortCall(lab, { number: raw, from }, { from: null, raw }));
      return calls;
    },
  },
  {
    name: 'in_hostile_names',
    what: 'caller names that look like SQL, HTML, AMI lines, an escape sequence, and one of 200 letters',
    play: async (lab) => {
      const names = [
        "'; DROP TABLE calls; --",
        '<script>alert(1)</script>',
        'Event: Hangup%0d%0aUniqueid: 1%0d%0a%0d%0a',
        '\u202e\u001b[2J{{customer}} ${EXTEN} \u{1f600}',
        'Ы'.repeat(200),
      ];
      const calls: ExpectedCall[] = [];
      for (const [index, name] of names.entries()) {
        const number = `+3752900005${index + 11}`;
        calls.push(await shortCall(lab, { number, name }, { from: number, raw: number, name }));
      }
      return calls;
    },
  },
  {
    name: 'in_hostile_number',
    what: 'a caller whose number carries a line end and an AMI line, escaped as SIP allows',
    pjsipOnly: true,
    play: async (lab) => {
      const number = '+375290000443%0d%0aEvent:%20Hangup';
      return [await shortCall(lab, { number }, { from: '+375290000443', raw: '+375290000443' })];
    },
  },
  {
    name: 'in_number_formats',
    what: 'callers in five spellings of Belarusian and Russian numbers',
    play: async (lab) => {
      const spellings: [raw: string, e164: string][] = [
        ['375290000422', '+375290000422'],
        ['80290000423', '+375290000423'],
        ['00375290000424', '+375290000424'],
        ['+74951110425', '+74951110425'],
        ['810375290000426', '+375290000426'],
      ];
      const calls: ExpectedCall[] = [];
      for (const [raw, from] of spellings) calls.push(await shortCall(lab, { number: raw }, { from, raw }));
      return calls;
    },
  },
  {
    name: 'in_utf8_name',
    what: 'a caller name in UTF-8 with quotes and a backslash',
    play: async (lab) => {
      const number = '+375290000427';
      return [
        await shortCall(
          lab,
          { number, name: 'Анна \\"Ы\\" \\\\ O\'Neil' },
          { from: number, raw: number, name: 'Анна "Ы" \\ O\'Neil' },
        ),
      ];
    },
  },
  {
    name: 'concurrent_same_customer',
    what: 'one customer has two calls at once on two DIDs',
    play: async (lab) => {
      const from = '+375290000428';
      const first = await customerCalls(lab, from, dids.direct150);
      const at150 = await picksUp(lab.phone150);
      const second = await customerCalls(lab, from, russianDid, {}, lab.ru);
      const at151 = await picksUp(lab.phone151);
      await pass(talkMs);
      await hangUp(first, at150);
      await hangUp(at151, second);
      return [
        inbound(first, {
          from,
          did: '+375171234503',
          talked: [['150', at150.at.answered]],
          rang: [rang(lab.phone150, at150, 'answered')],
        }),
        inbound(second, {
          from,
          did: '+74950000601',
          talked: [['151', at151.at.answered]],
          rang: [rang(lab.phone151, at151, 'answered')],
        }),
      ];
    },
  },
  {
    name: 'missed_then_callback',
    what: 'a missed call, then the employee calls the customer back',
    play: async (lab) => {
      const from = '+375290000429';
      const missed = await customerCalls(lab, from, dids.direct150);
      const rung = await rings(lab.phone150);
      await missed.ringing();
      await pass(1000);
      await hangUp(missed, rung);
      const back = await lab.phone150.agent.call('80290000429');
      const answered = await outsidePicksUp(lab.by, from);
      await pass(talkMs);
      await hangUp(back, answered);
      return [
        inbound(missed, {
          from,
          did: '+375171234503',
          detail: 'abandoned',
          rang: [rang(lab.phone150, rung, 'cancelled')],
        }),
        outbound(back, answered, { by: '150', dialled: '80290000429', to: from }),
      ];
    },
  },
  {
    name: 'internal_call',
    what: '150 calls 151: an internal call',
    chansip: true,
    play: async (lab) => {
      const caller = await lab.phone150.agent.call('151');
      const called = await picksUp(lab.phone151);
      await pass(talkMs);
      await hangUp(caller, called);
      return [internal(caller, '150', called, '151')];
    },
  },
];
