/** Actions of one enterprise on a scripted Asterisk and a real database: everything between the HTTP room and the socket. */
import { afterEach } from '@jest/globals';
import { AuditLog } from '../../src/actions/audit.ts';
import { HostLink, type LinkState } from '../../src/ami/link.ts';
import type { LiveCall, LiveLeg } from '../../src/calls/live.ts';
import type { ClickSettings, EnterpriseSettings } from '../../src/config/settings.ts';
import { Intake } from '../../src/intake.ts';
import { type LogFields, type Logger, silentLog } from '../../src/log.ts';
import { type ActingHost, type PbxActions, pbxActions, type PbxActionsOptions } from '../../src/pbxActions.ts';
import { planSettings } from '../../src/planSettings.ts';
import { hostRules } from '../../src/rules.ts';
import type { ClickRequest } from '../../src/http/tenant.ts';
import { FakeAmi, type FakeSession, type ReceivedAction } from '../support/fakeAmi.ts';
import type { TestDatabase } from '../support/database.ts';
import { example } from '../unit/config/support.ts';

/** What `click_to_call: {}` means in Belarus. */
export const clickSettings: ClickSettings = {
  context: 'from-internal',
  priority: 1,
  channel: 'PJSIP/{extension}',
  timeoutSeconds: 30,
  autoAnswer: undefined,
  allow: ['+375*'],
  dial: 'e164',
  perEmployeePerMinute: 6,
  perEnterprisePerMinute: 60,
};

let count = 0;
const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** How a bench differs from the usual one. */
export interface ActionsOptions {
  click?: Partial<ClickSettings>;
  over?: (enterprise: EnterpriseSettings) => EnterpriseSettings;
  /** The fake the link goes to; default: one of its own. */
  ami?: FakeAmi;
  /** An enterprise that exists: the process was killed and started again. */
  enterprise?: string;
  whoIs?: PbxActionsOptions['whoIs'];
}

/** An enterprise with employees 150, 151 and 152 (who is the supervisor), its PBX in sync. */
export class Actions {
  readonly ami: FakeAmi;
  readonly db: TestDatabase;
  readonly enterprise: string;
  readonly actions: PbxActions;
  readonly link: HostLink;
  readonly said: string[];
  readonly #intake: Intake;
  state: LinkState = 'down';
  /** Uniqueids of the channels events told of, in order. */
  readonly heard: string[] = [];
  #waiting: (() => void)[] = [];

  private constructor(ami: FakeAmi, db: TestDatabase, options: ActionsOptions) {
    this.ami = ami;
    this.db = db;
    this.enterprise = options.enterprise ?? `shop${++count}`;
    this.said = [];
    const log = listening(this.said);
    const base = example();
    const [model] = base.employees;
    const [host] = base.hosts;
    if (model === undefined || host === undefined) throw new Error('the example has no employee or no host');
    const usual: EnterpriseSettings = {
      ...base,
      id: this.enterprise,
      hosts: [host],
      clickToCall: { ...clickSettings, ...options.click },
      employees: ['150', '151', '152'].map((extension, index) => ({
        ...model,
        ...{ extension, code: extension, user: 5 + index, role: extension === '152' ? 'supervisor' : 'employee' },
      })),
    };
    const settings = options.over?.(usual) ?? usual;
    const rules = hostRules(settings, host);
    const intake = new Intake({
      ...{ enterprise: this.enterprise, host: host.id, account: 'acme', rules, db: db.db, log: silentLog },
      settings: () => planSettings(settings, host, rules, 'Europe/Minsk'),
      onCommitted: () => undefined,
    });
    this.#intake = intake;
    this.link = new HostLink({
      ...ami.address,
      log: silentLog,
      random: () => 0,
      variables: new Set(['X_CRM_ID']),
      retry: { firstMs: 20 },
      onEvents: (events) => {
        intake.take(events);
        this.actions.heard(host.id, events);
        this.heard.push(...events.flatMap((one) => ('chan' in one && one.chan ? [one.chan.uniqueid] : [])));
        for (const look of this.#waiting.splice(0)) look();
      },
      onNotice: (message) => this.actions.notice(host.id, message),
      onState: ({ state }) => {
        this.state = state;
        for (const look of this.#waiting.splice(0)) look();
      },
    });
    const acting: ActingHost = { settings: host, link: this.link, intake };
    const actions = pbxActions({
      ...{ settings, hosts: [acting], db: db.db, log, audit: new AuditLog(db.db, log) },
      whoIs: options.whoIs,
    });
    if (actions === undefined) throw new Error('click-to-call is off');
    this.actions = actions;
    open.push(async () => {
      await this.link.stop();
      await intake.stop();
      await actions.drain();
    });
  }

  static async start(db: TestDatabase, options: ActionsOptions = {}): Promise<Actions> {
    const ami = options.ami ?? (await FakeAmi.start());
    if (options.ami === undefined) {
      open.push(() => ami.stop());
      registerPhones(ami, { 'PJSIP/150': 'NOT_INUSE', 'PJSIP/151': 'NOT_INUSE', 'PJSIP/152': 'NOT_INUSE' });
    }
    const actions = new Actions(ami, db, options);
    await actions.actions.start();
    actions.link.start();
    await actions.is('live');
    return actions;
  }

  /** The session that is logged in now. */
  get session(): FakeSession {
    const [session] = [...this.ami.sessions].filter(({ username }) => username !== undefined).slice(-1);
    if (session === undefined) throw new Error('nobody is logged in');
    return session;
  }

  /** Resolves when the link is in this state. */
  is(state: LinkState): Promise<void> {
    return this.until(() => this.state === state);
  }

  /** Resolves when `done` is true; asked whenever events came or the link's state changed. */
  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Live calls, as actions see them. */
  live(): readonly LiveCall[] {
    return this.#intake.live();
  }

  /** What was written that is not of the connection itself. */
  get written(): ReceivedAction[] {
    const own = new Set(['challenge', 'login', 'logoff', 'ping', 'corestatus', 'status', 'queuestatus', 'getvar']);
    return this.ami.actions.filter(({ action }) => !own.has(action.toLowerCase()));
  }

  /** A customer calls, and the phone of an employee rings. Uniqueids are `call.0` and `call.1`. */
  async ring(ext: string, call: string): Promise<void> {
    const { customer, dest } = channels(ext, call);
    this.session.event('Newchannel', customer);
    this.session.event('DialBegin', { ...customer, ...dest, DestChannelStateDesc: 'Ringing', DialString: ext });
    await this.#leg(ext, call, () => true);
  }

  /** As `ring`, and she answers. */
  async talk(ext: string, call: string): Promise<void> {
    await this.ring(ext, call);
    const { customer, phone, dest } = channels(ext, call);
    const bridge = { BridgeUniqueid: `b-${call}`, BridgeTechnology: 'simple_bridge', ChannelStateDesc: 'Up' };
    this.session.event('DialEnd', { ...customer, ...dest, DestChannelStateDesc: 'Up', DialStatus: 'ANSWER' });
    this.session.event('BridgeEnter', { ...phone, ...bridge });
    this.session.event('BridgeEnter', { ...customer, ...bridge });
    await this.#leg(ext, call, ({ talking }) => talking);
  }

  /** She leaves her customer for a consultation. */
  async leaves(ext: string, call: string): Promise<void> {
    const bridge = { BridgeUniqueid: `b-${call}`, BridgeTechnology: 'simple_bridge', ChannelStateDesc: 'Up' };
    this.session.event('BridgeLeave', { ...channels(ext, call).phone, ...bridge });
    await this.#leg(ext, call, ({ talking }) => !talking);
  }

  /** Her phone rings because an Originate asked for it. */
  async originated(ext: string, uniqueid: string): Promise<void> {
    const own = { Channel: `PJSIP/${ext}-00000009`, Uniqueid: uniqueid, Linkedid: uniqueid, Context: 'from-internal' };
    const dest = Object.fromEntries(Object.entries(own).map(([key, value]) => [`Dest${key}`, value]));
    this.session.event('Newchannel', { ...own, ChannelStateDesc: 'Down' });
    this.session.event('DialBegin', { ...dest, DestChannelStateDesc: 'Ringing', DialString: ext });
    await this.until(() => this.live().some(({ first }) => first?.uniqueid === uniqueid));
  }

  #leg(ext: string, call: string, fits: (leg: LiveLeg) => boolean): Promise<void> {
    return this.until(() =>
      this.live().some(({ legs }) => legs.some((leg) => leg.ext === ext && leg.uniqueid === `${call}.1` && fits(leg))),
    );
  }

  click(wish: Partial<ClickRequest> = {}): ReturnType<PbxActions['doors']['makeCall']> {
    return this.actions.doors.makeCall({
      ...{ code: '150', userId: undefined, phone: '+375291112233', externalPhone: undefined, requestId: undefined },
      ...{ from: '127.0.0.1', via: 'crm' },
      ...wish,
    });
  }

  /** Rows of a table of this enterprise, once all that is known is written. */
  async rows(table: 'clicks' | 'audit_log'): Promise<Record<string, unknown>[]> {
    await this.actions.drain();
    const order = table === 'clicks' ? 'clicked_at' : 'seq';
    return this.db.query(`select * from ${table} where enterprise = $1 order by ${order}`, [this.enterprise]);
  }
}

/** A CRM that knows whose the number is: customer 501. */
export const knows = (name: string): NonNullable<ActionsOptions['whoIs']> => {
  const unknown = { managerId: undefined, managerName: undefined, managerCode: undefined, links: {} };
  const customer = { id: 501, otherIds: [], name, ...unknown };
  return () => Promise.resolve({ who: 'customer', fetchedAt: 0, complete: true, customer });
};

/** The headers of a call's two channels; `dest` are the phone's as the called one. */
function channels(ext: string, call: string): Record<'customer' | 'phone' | 'dest', Record<string, string>> {
  const suffix = call.padStart(8, '0');
  const group = { Linkedid: `${call}.0` };
  const phone = { Channel: `PJSIP/${ext}-${suffix}`, Uniqueid: `${call}.1`, ...group, Context: 'from-internal' };
  const caller = { CallerIDNum: `+37529000000${call}`, Exten: '375171234503', ChannelStateDesc: 'Ring' };
  return {
    customer: {
      Channel: `PJSIP/provider-by-${suffix}`,
      Uniqueid: `${call}.0`,
      ...group,
      Context: 'from-trunk',
      ...caller,
    },
    phone,
    dest: Object.fromEntries(Object.entries(phone).map(([key, value]) => [`Dest${key}`, value])),
  };
}

/** Device states the fake tells; a device it does not have is INVALID. */
export function registerPhones(ami: FakeAmi, states: Readonly<Record<string, string>>): void {
  ami.on('Getvar', (action) => {
    const device = /^DEVICE_STATE\((.*)\)$/.exec(action.get('Variable') ?? '')?.[1] ?? '';
    return { Variable: action.get('Variable') ?? '', Value: states[device] ?? 'INVALID' };
  });
}

function listening(said: string[]): Logger {
  const keep =
    (level: string) =>
    (message: string, fields?: LogFields): void => {
      said.push(`${level}: ${message} ${JSON.stringify(fields ?? {})}`);
    };
  const log: Logger = {
    ...{ error: keep('error'), warn: keep('warn'), info: keep('info'), debug: keep('debug') },
    child: () => log,
  };
  return log;
}
