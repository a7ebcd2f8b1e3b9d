import { afterEach, describe, expect, test } from '@jest/globals';
import type { ActionOutcome, ListOutcome } from '../../src/ami/actions.ts';
import { AmiMessage } from '../../src/ami/message.ts';
import type { ActionFields } from '../../src/ami/outgoing.ts';
import type { EmployeeSettings } from '../../src/config/settings.ts';
import { silentLog } from '../../src/log.ts';
import type { UserStatus } from '../../src/retailcrm/account.ts';
import { CrmError, type CrmErrorKind } from '../../src/retailcrm/errors.ts';
import { type QueueHost, Statuses, type StatusesOptions, standing } from '../../src/statuses.ts';

function message(fields: Record<string, string>): AmiMessage {
  const text = Object.entries(fields)
    .map(([key, value]) => `${key}: ${value}\r\n`)
    .join('');
  const bytes = Buffer.from(text);
  const read = AmiMessage.read(bytes, 0, bytes.length);
  if (read === undefined) throw new Error('not a message');
  return read;
}

/** A host with queues as Asterisk keeps them: one event per queue and pause, also for a pause that changes nothing. */
class Queues implements QueueHost {
  readonly id: string;
  /** What was asked for, `150 on busy`. */
  readonly asked: string[] = [];
  readonly #members = new Map<string, { paused: boolean; reason: string }>();
  answer: ActionOutcome | undefined;
  hear: (notice: AmiMessage) => void = () => undefined;

  constructor(id: string, ...members: string[]) {
    this.id = id;
    for (const member of members) this.#members.set(member, { paused: false, reason: '' });
  }

  /** Somebody pauses at the phone; without a queue in all of hers. */
  turn(member: string, paused: boolean, reason = '', queue?: string): boolean {
    const own = [...this.#members].filter(
      ([key]) => key.startsWith(`${member}@`) && (queue === undefined || key.endsWith(`@${queue}`)),
    );
    for (const [key, state] of own) {
      Object.assign(state, { paused, reason });
      const notice = message({
        Event: 'QueueMemberPause',
        Queue: key.slice(key.indexOf('@') + 1),
        MemberName: member,
        Interface: member,
        StateInterface: member,
        Paused: paused ? '1' : '0',
        PausedReason: reason,
      });
      setImmediate(() => this.hear(notice));
    }
    return own.length > 0;
  }

  action(fields: ActionFields): Promise<ActionOutcome> {
    const { Interface: member, Paused, Queue, Reason } = fields;
    this.asked.push([member, Paused === 'true' ? 'on' : 'off', Reason, Queue].filter(Boolean).join(' '));
    if (this.answer !== undefined) return Promise.resolve(this.answer);
    const known = this.turn(
      String(member),
      Paused === 'true',
      String(Reason),
      Queue === undefined ? undefined : String(Queue),
    );
    const response = known
      ? message({ Response: 'Success', Message: 'Interface paused successfully' })
      : message({ Response: 'Error', Message: 'Interface not found' });
    return Promise.resolve({ outcome: 'answered', response });
  }

  list(fields: ActionFields): Promise<ListOutcome> {
    const items = [...this.#members]
      .filter(([key]) => key.startsWith(`${String(fields['Member'])}@`))
      .flatMap(([key, { paused, reason }]) => [
        message({ Event: 'QueueParams', Queue: key.slice(key.indexOf('@') + 1), Max: '0' }),
        message({
          Event: 'QueueMember',
          Queue: key.slice(key.indexOf('@') + 1),
          Location: key.slice(0, key.indexOf('@')),
          Paused: paused ? '1' : '0',
          PausedReason: reason,
        }),
      ]);
    return Promise.resolve({ outcome: 'complete', items });
  }
}

const employee = (extension: string, user: number | undefined, host?: string): EmployeeSettings => ({
  extension,
  code: `c${extension}`,
  user,
  name: undefined,
  mobiles: [],
  role: 'employee',
  host,
});

interface World {
  statuses: Statuses;
  hosts: Queues[];
  /** What the CRM was told, `5 busy`. */
  told: string[];
  /** Every callback we answered. */
  settle(): Promise<void>;
}

let open: World | undefined;
afterEach(() => open?.statuses.stop());

/** A shop with 150 (user 5) and 151 (user 6, known to the map only), all queues on one host unless told otherwise. */
function world(
  options: Partial<StatusesOptions['settings']> & {
    hosts?: Queues[];
    employees?: EmployeeSettings[];
    /** Whether the CRM calls back for what it was told. */
    echo?: boolean;
    failures?: CrmErrorKind[];
  } = {},
): World {
  const { hosts: given, employees, echo, failures = [], ...settings } = options;
  const hosts = given ?? [new Queues('pbx1', 'PJSIP/150@sales', 'PJSIP/150@hunt', 'PJSIP/151@sales')];
  const told: string[] = [];
  const echoes: Promise<void>[] = [];
  const statuses = new Statuses({
    settings: { toPbx: true, toCrm: true, interface: 'PJSIP/{extension}', queues: [], ...settings },
    employees: employees ?? [employee('150', 5), employee('151', undefined)],
    hosts: () => hosts,
    userOf: (extension) => ({ 150: 5, 151: 6 })[extension],
    extensionOf: (user) => (user === 6 ? '151' : undefined),
    tellCrm: (user, status) => {
      const kind = failures.shift();
      if (kind !== undefined)
        return Promise.reject(new CrmError({ kind, status: 500, errorMsg: 'no', sent: true, latencyMs: 1 }));
      told.push(`${user} ${status}`);
      if (echo === true) echoes.push(statuses.changedInCrm({ userId: user, code: undefined, status }));
      return Promise.resolve();
    },
    log: silentLog,
    quietMs: 10,
    retryMs: [1, 1],
  });
  for (const host of hosts) host.hear = (notice) => statuses.noticed(host.id, notice);
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 4; round++) {
      await new Promise((resolve) => setImmediate(resolve)); // the notices of the host
      await statuses.drain();
      await Promise.all(echoes);
    }
  };
  open = { statuses, hosts, told, settle };
  return open;
}

const asked = ({ hosts }: World): string[] => hosts.flatMap((host) => host.asked);

describe('both switches in every position', () => {
  test.each([
    // toPbx, toCrm, what the PBX is asked when the CRM changes, what the CRM is told when the PBX changes
    [false, false, [], []],
    [true, false, ['PJSIP/150 on dinner'], []],
    [false, true, [], ['6 break']],
    [true, true, ['PJSIP/150 on dinner'], ['6 break']],
  ])('to the PBX %s, to the CRM %s', async (toPbx, toCrm, pbx, crm) => {
    const shop = world({ toPbx, toCrm });
    await shop.statuses.changedInCrm({ userId: 5, code: 'c150', status: 'dinner' });
    shop.hosts[0]?.turn('PJSIP/151', true);
    await shop.settle();
    expect(asked(shop)).toEqual(pbx);
    expect(shop.told).toEqual(crm);
  });
});

describe('the CRM changes, the queues follow', () => {
  test.each<[string, UserStatus, string]>([
    ['free ends the pause', 'free', 'PJSIP/150 off'],
    ['busy pauses with its reason', 'busy', 'PJSIP/150 on busy'],
    ['dinner', 'dinner', 'PJSIP/150 on dinner'],
    ['break', 'break', 'PJSIP/150 on break'],
  ])('%s', async (_says, status, action) => {
    const shop = world();
    await shop.statuses.changedInCrm({ userId: 5, code: undefined, status });
    await shop.settle();
    expect(asked(shop)).toEqual([action]);
    expect(shop.told).toEqual([]); // its own echo is not news
    expect(shop.statuses.agreed('150')).toBe(status);
  });

  test.each([
    ['by id of the configuration', 5, undefined, ['PJSIP/150 on busy']],
    ['by id of the users map', 6, undefined, ['PJSIP/151 on busy']],
    ['by code, when the id says nothing', 99, 'c150', ['PJSIP/150 on busy']],
    ['by code alone', undefined, 'c151', ['PJSIP/151 on busy']],
    ['the id wins over the code', 5, 'c151', ['PJSIP/150 on busy']],
    ['nobody we know', 99, 'c999', []],
    ['nobody at all', undefined, undefined, []],
  ])('who: %s', async (_says, userId, code, actions) => {
    const shop = world();
    await shop.statuses.changedInCrm({ userId, code, status: 'busy' });
    expect(asked(shop)).toEqual(actions);
  });

  test.each([['online'], [''], ['FREE'], ['busy\r\nAction: Logoff']])(
    'an unknown status %j does nothing',
    async (status) => {
      const shop = world();
      await shop.statuses.changedInCrm({ userId: 5, code: undefined, status });
      expect(asked(shop)).toEqual([]);
    },
  );

  test('only the configured queues', async () => {
    const shop = world({ queues: ['hunt'] });
    await shop.statuses.changedInCrm({ userId: 5, code: undefined, status: 'busy' });
    expect(asked(shop)).toEqual(['PJSIP/150 on busy hunt']);
  });

  test('all hosts, or the one her phone is on', async () => {
    const hosts = [new Queues('pbx1', 'PJSIP/150@sales'), new Queues('pbx2', 'PJSIP/150@sales', 'PJSIP/151@sales')];
    const shop = world({ hosts, employees: [employee('150', 5), employee('151', 6, 'pbx2')] });
    await shop.statuses.changedInCrm({ userId: 5, code: undefined, status: 'busy' });
    await shop.statuses.changedInCrm({ userId: 6, code: undefined, status: 'break' });
    expect(hosts.map((host) => host.asked)).toEqual([
      ['PJSIP/150 on busy'],
      ['PJSIP/150 on busy', 'PJSIP/151 on break'],
    ]);
  });

  test('three changes at once: the last one stands', async () => {
    const shop = world();
    const told = ['busy', 'dinner', 'free'].map((status) =>
      shop.statuses.changedInCrm({ userId: 5, code: undefined, status }),
    );
    await Promise.all(told);
    await shop.settle();
    expect(asked(shop).at(-1)).toBe('PJSIP/150 off');
    expect(shop.told).toEqual([]);
  });

  test('a host that comes back forgot the pause: it is set again, but nobody is unpaused', async () => {
    const shop = world();
    await shop.statuses.changedInCrm({ userId: 5, code: undefined, status: 'dinner' });
    await shop.statuses.changedInCrm({ userId: 6, code: undefined, status: 'free' });
    shop.statuses.hostIsUp('pbx1');
    await shop.settle();
    expect(asked(shop)).toEqual(['PJSIP/150 on dinner', 'PJSIP/151 off', 'PJSIP/150 on dinner']);
  });

  test.each<[string, ActionOutcome]>([
    ['the host is down', { outcome: 'notSent', reason: 'not connected' }],
    ['no answer', { outcome: 'unknown', reason: 'no answer in time' }],
    ['no right to', { outcome: 'answered', response: message({ Response: 'Error', Message: 'Permission denied' }) }],
  ])('%s: nothing is told to the CRM, and nothing breaks', async (_says, answer) => {
    const shop = world();
    for (const host of shop.hosts) host.answer = answer;
    await shop.statuses.changedInCrm({ userId: 5, code: undefined, status: 'busy' });
    await shop.settle();
    expect(shop.told).toEqual([]);
  });
});

describe('the queues change, the CRM follows', () => {
  test.each([
    ['a pause is a break', '', ['5 break']],
    ['a reason of ours is that status', 'dinner', ['5 dinner']],
    ['in capitals too', 'BUSY', ['5 busy']],
    ['any other reason is a break', 'smoking', ['5 break']],
    ['a pause "free" is none of them', 'free', ['5 break']],
  ])('%s', async (_says, reason, told) => {
    const shop = world({ echo: true });
    shop.hosts[0]?.turn('PJSIP/150', true, reason);
    await shop.settle();
    expect(shop.told).toEqual(told);
    expect(asked(shop)).toEqual([]); // the CRM's callback is our own echo
  });

  test('one pause in many queues is told once', async () => {
    const queues = Array.from({ length: 12 }, (_, index) => `PJSIP/150@queue${index}`);
    const shop = world({ hosts: [new Queues('pbx1', ...queues)], echo: true });
    shop.hosts[0]?.turn('PJSIP/150', true);
    await shop.settle();
    shop.hosts[0]?.turn('PJSIP/150', false);
    await shop.settle();
    expect(shop.told).toEqual(['5 break', '5 free']);
  });

  test('paused in one of two queues she still takes calls: no news', async () => {
    const shop = world({ echo: true });
    shop.hosts[0]?.turn('PJSIP/150', false);
    await shop.settle();
    shop.hosts[0]?.turn('PJSIP/150', true, '', 'hunt');
    await shop.settle();
    expect(shop.told).toEqual(['5 free']);
  });

  test('with configured queues only those count', async () => {
    const shop = world({ queues: ['hunt'] });
    shop.hosts[0]?.turn('PJSIP/150', true, '', 'hunt');
    await shop.settle();
    expect(shop.told).toEqual(['5 break']);
  });

  test('a pause without reason does not change what the CRM calls it', async () => {
    const shop = world({ echo: true });
    await shop.statuses.changedInCrm({ userId: 5, code: undefined, status: 'dinner' });
    await shop.settle();
    shop.hosts[0]?.turn('PJSIP/150', true);
    await shop.settle();
    expect(shop.told).toEqual([]);
  });

  test('members that are nobody of ours are none of our business', async () => {
    const hosts = [new Queues('pbx1', 'PJSIP/199@sales', 'Local/150@from-queue/n@sales')];
    const shop = world({ hosts });
    hosts[0]?.turn('PJSIP/199', true);
    hosts[0]?.turn('Local/150@from-queue/n', true);
    shop.statuses.noticed('pbx1', message({ Event: 'QueueMemberPause', Queue: 'sales', Paused: '1' }));
    await shop.settle();
    expect(shop.told).toEqual([]);
  });

  test.each<[string, CrmErrorKind[], string[]]>([
    ['a server in trouble is told again', ['RETRY', 'NETWORK'], ['5 break']],
    ['a server in long trouble is given up', ['RETRY', 'RETRY', 'RETRY'], []],
    ['a refusal is not repeated', ['VALIDATION'], []],
    ['a user the CRM deleted', ['NOTFOUND'], []],
  ])('%s', async (_says, failures, told) => {
    const shop = world({ failures });
    shop.hosts[0]?.turn('PJSIP/150', true);
    await shop.settle();
    expect(shop.told).toEqual(told);
  });

  test('what was given up is told with the next event', async () => {
    const shop = world({ failures: ['VALIDATION'] });
    shop.hosts[0]?.turn('PJSIP/150', true);
    await shop.settle();
    shop.hosts[0]?.turn('PJSIP/150', true);
    await shop.settle();
    expect(shop.told).toEqual(['5 break']);
  });
});

describe('no loops', () => {
  test.each([[true], [false]])('a day of switching, the CRM calls back: %s', async (echo) => {
    const shop = world({ echo });
    for (let day = 0; day < 20; day++) {
      await shop.statuses.changedInCrm({ userId: 5, code: undefined, status: 'busy' });
      await shop.settle();
      shop.hosts[0]?.turn('PJSIP/150', false);
      await shop.settle();
    }
    expect(asked(shop)).toHaveLength(20);
    expect(shop.told).toEqual(Array.from({ length: 20 }, () => '5 free'));
  });

  test('she switches at the phone twice before the CRM has called back: no callback undoes it', async () => {
    const shop = world();
    shop.hosts[0]?.turn('PJSIP/150', true);
    await shop.settle();
    shop.hosts[0]?.turn('PJSIP/150', false);
    await shop.settle();
    for (const status of ['break', 'free']) await shop.statuses.changedInCrm({ userId: 5, code: undefined, status });
    await shop.settle();
    expect(asked(shop)).toEqual([]);
    expect(shop.told).toEqual(['5 break', '5 free']);
  });

  test('a wish of the CRM while the queues are being asked is not contradicted', async () => {
    const shop = world({ echo: true });
    shop.hosts[0]?.turn('PJSIP/150', true);
    await new Promise((resolve) => setImmediate(resolve));
    await shop.statuses.changedInCrm({ userId: 5, code: undefined, status: 'free' });
    await shop.settle();
    expect(asked(shop)).toEqual(['PJSIP/150 off']);
    expect(shop.told).toEqual([]);
  });
});

describe('a rule pauses somebody', () => {
  test('she is paused, and the CRM hears of it', async () => {
    const shop = world({ echo: true });
    expect(await shop.statuses.pause('150')).toBeUndefined();
    await shop.settle();
    expect(asked(shop)).toEqual(['PJSIP/150 on busy']);
    expect(shop.told).toEqual(['5 busy']);
  });

  test.each<[string, string, ActionOutcome | undefined, string]>([
    ['a member of no queue', '199', undefined, 'she is a member of no queue'],
    ['no extension a queue could have', '150;evil', undefined, 'her extension cannot be a member of a queue'],
    ['the host is down', '150', { outcome: 'notSent', reason: 'not connected' }, 'not connected'],
  ])('why not: %s', async (_says, extension, answer, why) => {
    const shop = world();
    for (const host of shop.hosts) host.answer = answer;
    expect(await shop.statuses.pause(extension)).toBe(why);
  });
});

test('in no queue there is no standing', () => {
  expect(standing([message({ Event: 'QueueParams', Queue: 'sales' })], [], 'busy')).toBeUndefined();
});
