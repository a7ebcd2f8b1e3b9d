/**
 * An employee's status in the CRM and the pause in her queues are one switch: whichever she turns, the other follows
 * (`retailcrm-api.md` 5.5). Both directions are off unless configured.
 *
 * Against loops two things are remembered: the status both sides agreed on last, and what we told the CRM a moment ago, since
 * it tells us back. What the PBX says is never taken from the event alone, of which one pause makes one per queue: the
 * queues are asked, once things are quiet, and only a difference from what was agreed is told.
 */
import type { ActionOutcome, ListOutcome } from './ami/actions.ts';
import { phoneChannel, queuePause } from './ami/control.ts';
import { type AmiMessage, unescapeC } from './ami/message.ts';
import type { ActionFields } from './ami/outgoing.ts';
import type { EmployeeSettings, StatusSettings } from './config/settings.ts';
import type { UserStatusRequest } from './http/tenant.ts';
import type { Logger } from './log.ts';
import type { UserStatus } from './retailcrm/account.ts';
import { CrmError } from './retailcrm/errors.ts';

/** What is asked of one host: the part of `HostLink` used here. */
export interface QueueHost {
  readonly id: string;
  action(fields: ActionFields): Promise<ActionOutcome>;
  list(fields: ActionFields): Promise<ListOutcome>;
}

/** What keeping statuses in step needs of one enterprise. */
export interface StatusesOptions {
  readonly settings: StatusSettings;
  readonly employees: readonly EmployeeSettings[];
  readonly hosts: () => readonly QueueHost[];
  /** Who has an extension now, and which one a user has: the users map, where there is one. */
  readonly userOf: (extension: string) => number | undefined;
  readonly extensionOf: (user: number) => string | undefined;
  /** `users/{id}/status` within the account's rate budget. Throws CrmError. */
  readonly tellCrm: (user: number, status: UserStatus) => Promise<void>;
  /** A user's status became known, from either side. */
  readonly onStatus?: ((user: number, status: UserStatus) => void) | undefined;
  readonly log: Logger;
  /** How long the queues must be quiet before they are asked, ms: one pause is one event per queue. Default 300. */
  readonly quietMs?: number | undefined;
  /** Pauses between attempts to tell the CRM, ms. */
  readonly retryMs?: readonly number[] | undefined;
}

const statuses: ReadonlySet<string> = new Set<UserStatus>(['free', 'busy', 'dinner', 'break']);
/** For so long a callback may be the echo of what we told the CRM, ms. */
const echoMs = 5_000;

/** One employee's switch. */
interface Switch {
  /** What both sides agreed on last; undefined: nobody said anything yet. */
  agreed: UserStatus | undefined;
  /** Statuses we told the CRM, which it may tell us back. */
  told: { status: UserStatus; at: number }[];
  /** Wishes of the CRM not carried out yet: while there are any, what the queues say is our own doing. */
  wishes: number;
  /** Everything that concerns her, one after another. */
  work: Promise<void>;
}

/** Keeps one enterprise's statuses and pauses in step. */
export class Statuses {
  readonly #options: StatusesOptions;
  readonly #log: Logger;
  readonly #switches = new Map<string, Switch>();
  /** Extensions the queues will be asked about, by `host/extension`. */
  readonly #quiet = new Map<string, NodeJS.Timeout>();
  #stopped = false;

  constructor(options: StatusesOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  /** What both sides agreed on last, of an extension. */
  agreed(extension: string): UserStatus | undefined {
    return this.#switches.get(extension)?.agreed;
  }

  /** The CRM says that a user changed her status. Resolves when her queues were told; never rejects. */
  async changedInCrm({ userId, code, status }: Pick<UserStatusRequest, 'userId' | 'code' | 'status'>): Promise<void> {
    if (!isStatus(status)) {
      this.#log.warn('the CRM tells a status we do not know; nothing is done', { status: status.slice(0, 40) });
      return;
    }
    const extension = this.#extensionOf(userId, code);
    if (extension === undefined) {
      this.#log.warn('the CRM tells the status of somebody without an extension; nothing is done', { userId });
      return;
    }
    const own = this.#switchOf(extension);
    if (this.#isEcho(own, status)) return;
    own.told = []; // somebody turned the switch since: what we told before is history
    this.#know(extension, own, status);
    if (!this.#options.settings.toPbx) return;
    own.wishes += 1;
    await this.#then(own, async () => {
      try {
        // A later wish is carried out by its own turn.
        if (own.wishes === 1) await this.#pause(extension, status);
      } finally {
        own.wishes -= 1;
      }
    });
  }

  /** An event of a host that is not about calls (`HostLinkOptions.onNotice`). Returns at once. */
  noticed(hostId: string, message: AmiMessage): void {
    if (!this.#options.settings.toCrm || this.#stopped) return;
    if (message.name !== 'QueueMemberPause' && message.name !== 'QueueMemberPaused') return;
    const extension = this.#extensionAt(hostId, message);
    if (extension === undefined) return;
    const key = `${hostId}/${extension}`;
    clearTimeout(this.#quiet.get(key));
    const timer = setTimeout(() => {
      this.#quiet.delete(key);
      void this.#judge(hostId, extension);
    }, this.#options.quietMs ?? 300);
    this.#quiet.set(key, timer);
  }

  /** A host came back: a restart forgets pauses, so those the CRM wants are set again. */
  hostIsUp(hostId: string): void {
    if (!this.#options.settings.toPbx) return;
    for (const [extension, own] of this.#switches) {
      const { agreed } = own;
      if (agreed === undefined || agreed === 'free' || !this.#hostsOf(extension).some(({ id }) => id === hostId))
        continue;
      void this.#then(own, async () => {
        await this.#pause(extension, agreed, hostId);
      });
    }
  }

  /**
   * Pauses an employee in her queues because a rule asks for it, whatever the switches say; where the CRM follows the
   * queues it hears of it. @returns undefined when she is paused now, else why not
   */
  async pause(extension: string): Promise<string | undefined> {
    let why: string | undefined = 'we are stopping';
    await this.#then(this.#switchOf(extension), async () => {
      why = await this.#pause(extension, 'busy');
    });
    return why;
  }

  /** Settles when nothing is under way. */
  async drain(): Promise<void> {
    for (;;) {
      const before = [...this.#switches.values()].map(({ work }) => work);
      await Promise.all(before);
      const after = [...this.#switches.values()].map(({ work }) => work);
      if (this.#quiet.size === 0 && after.every((work, index) => work === before[index])) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#quiet.values()) clearTimeout(timer);
    this.#quiet.clear();
  }

  /** Is this what we told the CRM ourselves? Each telling is answered by one echo at most. */
  #isEcho(own: Switch, status: UserStatus): boolean {
    const oldest = Date.now() - echoMs;
    own.told = own.told.filter(({ at }) => at >= oldest);
    const index = own.told.findIndex((one) => one.status === status);
    if (index < 0) return false;
    own.told.splice(index, 1);
    return true;
  }

  /** QueuePause on her hosts. A queue she is not a member of is no trouble. @returns undefined when done somewhere, else why not */
  async #pause(extension: string, status: UserStatus, onlyHost?: string): Promise<string | undefined> {
    const member = phoneChannel(this.#options.settings.interface, extension);
    if (member === undefined) return 'her extension cannot be a member of a queue';
    const hosts = this.#hostsOf(extension).filter(({ id }) => onlyHost === undefined || id === onlyHost);
    const { queues } = this.#options.settings;
    const wanted = queues.length === 0 ? [undefined] : queues;
    const paused = status !== 'free';
    const outcomes = await Promise.all(
      hosts.flatMap((host) =>
        wanted.map(async (queue) => ({
          host: host.id,
          ...(await this.#pauseOne(host, member, paused, queue, status)),
        })),
      ),
    );
    const failed = outcomes.filter(({ why }) => why !== undefined);
    const done = outcomes.some(({ member }) => member === true);
    if (done) this.#log.info(paused ? 'paused in her queues' : 'pause ended in her queues', { extension, status });
    for (const { host, why } of failed) this.#log.warn('the pause could not be set', { host, extension, status, why });
    if (done) return undefined;
    if (failed.length === 0) this.#log.debug('is a member of no queue', { extension });
    return failed[0]?.why ?? 'she is a member of no queue';
  }

  /** `member`: she is one there. `why`: what went wrong. */
  async #pauseOne(
    host: QueueHost,
    member: string,
    paused: boolean,
    queue: string | undefined,
    status: UserStatus,
  ): Promise<{ member?: boolean; why?: string }> {
    const built = queuePause(member, paused, queue, paused ? status : '');
    if (built.action === undefined) return { why: built.refused };
    const outcome = await host.action(built.action);
    if (outcome.outcome !== 'answered') return { why: outcome.reason };
    if (outcome.response.name === 'Success') return { member: true };
    const message = outcome.response.get('Message') ?? 'refused';
    return /not found/i.test(message) ? { member: false } : { why: message };
  }

  /** Asks the queues how she stands and tells the CRM if that is news. */
  async #judge(hostId: string, extension: string): Promise<void> {
    const own = this.#switchOf(extension);
    await this.#then(own, async () => {
      const host = this.#options.hosts().find(({ id }) => id === hostId);
      const member = phoneChannel(this.#options.settings.interface, extension);
      if (host === undefined || member === undefined || own.wishes > 0) return;
      const answer = await host.list({ Action: 'QueueStatus', Member: member });
      if (answer.outcome !== 'complete') {
        this.#log.warn('the queues do not say who is paused', { host: hostId, outcome: answer.outcome });
        return; // the next event asks again
      }
      const status = standing(answer.items, this.#options.settings.queues, own.agreed);
      this.#log.debug('a pause in her queues', { extension, status, agreed: own.agreed });
      // A wish that came meanwhile is newer than what the queues said.
      if (status === undefined || status === own.agreed || own.wishes > 0) return;
      await this.#tell(extension, own, status);
    });
  }

  async #tell(extension: string, own: Switch, status: UserStatus): Promise<void> {
    const user = this.#options.userOf(extension);
    if (user === undefined) {
      this.#log.debug('a pause of somebody the CRM does not know', { extension });
      return;
    }
    this.#know(extension, own, status);
    const pauses = this.#options.retryMs ?? [1_000, 5_000, 15_000];
    for (const pause of [...pauses, undefined]) {
      own.told.push({ status, at: Date.now() });
      try {
        await this.#options.tellCrm(user, status);
        this.#log.info('told the CRM the status', { extension, status });
        return;
      } catch (error) {
        if (!(error instanceof CrmError)) throw error;
        const again = ['RETRY', 'NETWORK', 'RATE'].includes(error.kind) && pause !== undefined && !this.#stopped;
        if (!again) {
          if (own.agreed === status) own.agreed = undefined; // told again with the next event
          this.#log.warn('the CRM did not take the status', {
            extension,
            status,
            kind: error.kind,
            reason: error.errorMsg,
          });
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, pause).unref());
        // She, or the CRM, has changed her mind meanwhile: that is told by its own turn.
        if (own.wishes > 0 || own.agreed !== status) return;
      }
    }
  }

  #know(extension: string, own: Switch, status: UserStatus): void {
    own.agreed = status;
    const user = this.#options.userOf(extension);
    if (user !== undefined) this.#options.onStatus?.(user, status);
  }

  #then(own: Switch, task: () => Promise<void>): Promise<void> {
    own.work = own.work.then(async () => {
      if (this.#stopped) return;
      try {
        await task();
      } catch (error) {
        this.#log.error('a status could not be kept in step', { err: error });
      }
    });
    return own.work;
  }

  #switchOf(extension: string): Switch {
    let own = this.#switches.get(extension);
    if (own === undefined) {
      own = { agreed: undefined, told: [], wishes: 0, work: Promise.resolve() };
      this.#switches.set(extension, own);
    }
    return own;
  }

  /** The extension of a user: by id first, the code is what the CRM calls it. Only employees of the configuration. */
  #extensionOf(userId: number | undefined, code: string | undefined): string | undefined {
    const { employees, extensionOf } = this.#options;
    const byUser =
      userId === undefined
        ? undefined
        : (employees.find(({ user }) => user === userId)?.extension ?? extensionOf(userId));
    const byCode = code === undefined ? undefined : employees.find((one) => one.code === code)?.extension;
    return byUser ?? byCode;
  }

  /** Whose member interface an event is about, among employees with a phone on that host. */
  #extensionAt(hostId: string, message: AmiMessage): string | undefined {
    const members = [message.get('Interface'), message.get('Location'), message.get('StateInterface')];
    return this.#options.employees
      .map(({ extension }) => extension)
      .find((extension) => {
        const member = phoneChannel(this.#options.settings.interface, extension);
        return (
          member !== undefined && members.includes(member) && this.#hostsOf(extension).some(({ id }) => id === hostId)
        );
      });
  }

  /** The host her phone is on; all of them if the configuration does not say. */
  #hostsOf(extension: string): readonly QueueHost[] {
    const own = this.#options.employees.find((one) => one.extension === extension)?.host;
    return this.#options.hosts().filter(({ id }) => own === undefined || id === own);
  }
}

/**
 * How a member stands by a `QueueStatus` answer: away when paused in every one of her queues, free otherwise; undefined
 * when she is in none. A pause without one of our reasons keeps the present absence, else it is a break.
 */
export function standing(
  items: readonly AmiMessage[],
  queues: readonly string[],
  agreed: UserStatus | undefined,
): UserStatus | undefined {
  const members = items.filter(
    (item) => item.name === 'QueueMember' && (queues.length === 0 || queues.includes(item.get('Queue') ?? '')),
  );
  if (members.length === 0) return undefined;
  if (members.some((item) => item.get('Paused') !== '1')) return 'free';
  const reasons = members.map((item) =>
    unescapeC(item.get('PausedReason') ?? '')
      .trim()
      .toLowerCase(),
  );
  const named = reasons.find((reason): reason is UserStatus => isStatus(reason) && reason !== 'free');
  if (named !== undefined) return named;
  return agreed === undefined || agreed === 'free' ? 'break' : agreed;
}

function isStatus(text: string): text is UserStatus {
  return statuses.has(text);
}
