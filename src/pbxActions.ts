import type { AuditLog } from './actions/audit.ts';
import { Clicks } from './actions/clicks.ts';
import { Control } from './actions/control.ts';
import type { ActionHost } from './actions/host.ts';
import type { NumberRules } from './actions/numbers.ts';
import type { HostLink } from './ami/link.ts';
import type { AmiMessage } from './ami/message.ts';
import type { HostEvent } from './calls/events.ts';
import type { LiveCall } from './calls/live.ts';
import { globMatches, isBlacklisted, isExtension } from './config/match.ts';
import { dialForm, normalisePhone } from './config/phones.ts';
import type { ClickSettings, EmployeeSettings, EnterpriseSettings, HostSettings } from './config/settings.ts';
import type { Found } from './customers/found.ts';
import type { Tenant } from './http/tenant.ts';
import type { Logger } from './log.ts';
import type { Db } from './store/database.ts';

/** One Asterisk as `Enterprise` has it. */
export interface ActingHost {
  readonly settings: HostSettings;
  readonly link: Pick<HostLink, 'status' | 'action'>;
  readonly intake: { live(): readonly LiveCall[] };
}

/** What actions of one enterprise need. */
export interface PbxActionsOptions {
  readonly settings: EnterpriseSettings;
  readonly hosts: readonly ActingHost[];
  readonly db: Db;
  readonly log: Logger;
  readonly audit: AuditLog;
  /** Who a number is, within the time given; left out = nobody is known. */
  readonly whoIs?: ((phone: string, withinMs: number) => Promise<Found>) | undefined;
  /** Extension of a CRM user the configuration does not name. */
  readonly extensionOfUser?: ((user: number) => string | undefined) | undefined;
}

/** What an enterprise can do on its PBXs when somebody asks. */
export interface PbxActions {
  /** For `Enterprise.doors`. */
  readonly doors: Pick<Tenant, 'makeCall' | 'transfer' | 'monitor' | 'hangup'>;
  /** Before the links start: what an earlier process left open. */
  start(): Promise<void>;
  /** Events of a host, after the intake took them. */
  heard(host: string, events: readonly HostEvent[]): void;
  /** An event that is not the core's. */
  notice(host: string, message: AmiMessage): void;
  /** Resolves when all that is known is written. */
  drain(): Promise<void>;
}

/** Click-to-call, transfers, monitoring and hangups of an enterprise; undefined without `click_to_call`. */
export function pbxActions(options: PbxActionsOptions): PbxActions | undefined {
  const { settings, db, log, audit } = options;
  const click = settings.clickToCall;
  if (click === undefined) return undefined;
  const hosts = options.hosts.map(actionHost);
  const numbers = numberRules(settings, click);
  const byCode = (code: string): EmployeeSettings | undefined =>
    settings.employees.find((one) => one.extension === code) ?? settings.employees.find((one) => one.code === code);
  const byUser = (user: number): EmployeeSettings | undefined => {
    const mapped = options.extensionOfUser?.(user);
    return settings.employees.find((one) => one.user === user) ?? (mapped === undefined ? undefined : byCode(mapped));
  };
  const shared = { enterprise: settings.id, hosts, numbers, audit, log };
  const clicks = new Clicks({
    ...shared,
    db,
    rules: click,
    employee: (code, user) => {
      const found = code !== undefined ? byCode(code) : user === undefined ? undefined : byUser(user);
      const host = hosts.find(({ id }) => id === (found?.host ?? hosts[0]?.id));
      return found === undefined || host === undefined ? undefined : { extension: found.extension, host };
    },
    ownNumber: (raw) => {
      const phone = normalisePhone(raw, [settings.country]);
      return settings.dids.find(({ number }) => phone.kind === 'phone' && number === phone.e164)?.number;
    },
    customer: async (phone, withinMs) => {
      const found = await options.whoIs?.(phone, withinMs);
      return found?.who === 'customer' ? { id: found.customer.id, name: found.customer.name } : undefined;
    },
  });
  const control = new Control({ ...shared, rules: click, employee: byCode });
  return {
    doors: {
      makeCall: (request) => clicks.make(request),
      transfer: (request) => control.transfer(request),
      monitor: (request) => control.monitor(request),
      hangup: (request) => control.hangup(request),
    },
    start: () => clicks.start(),
    heard: (host, events) => clicks.heard(host, events),
    notice: (host, message) => clicks.notice(host, message),
    async drain() {
      await clicks.drain();
      await audit.drain();
    },
  };
}

/** A pattern such as three digits has these, too: nobody is handed to them by a program. */
const emergency: ReadonlySet<string> = new Set(['101', '102', '103', '104', '110', '112', '118', '119', '911', '999']);

function actionHost({ settings, link, intake }: ActingHost): ActionHost {
  return {
    id: settings.id,
    state: () => link.status().state,
    action: (fields, deadlineMs) => link.action(fields, deadlineMs),
    live: () => intake.live(),
  };
}

function numberRules(settings: EnterpriseSettings, click: ClickSettings): NumberRules {
  const { country, hosts, employees } = settings;
  return {
    normalise: (raw) => normalisePhone(raw, [country]),
    allowed: (e164) => click.allow.some((pattern) => globMatches(pattern, e164)),
    blacklisted: (e164) => isBlacklisted(settings, e164),
    dial: (e164) => dialForm(e164, click.dial, country),
    isExtension: (number) =>
      employees.some(({ extension }) => extension === number) ||
      (!emergency.has(number) && hosts.some((host) => isExtension(host, number))),
  };
}

/** Refusals of one kind and address that are worth a row of the audit log, a minute. */
const REFUSALS_PER_MINUTE = 10;

/** Writes refused requests down, a few of each kind a minute: a flood of forged ones must not fill the log. */
export function auditedRefusals(enterprise: string, audit: AuditLog): (what: string, from: string) => void {
  let minute = 0;
  let told = 0;
  return (what, from) => {
    const now = Math.floor(performance.now() / 60_000);
    if (now !== minute) [minute, told] = [now, 0];
    if (++told > REFUSALS_PER_MINUTE) return;
    void audit.note({ enterprise, who: 'anonymous', what: 'refused', subject: what, from, outcome: 'refused' });
  };
}
