import type { Logger } from '../log.ts';
import type { RetailCrmClient } from '../retailcrm/client.ts';
import { CrmError } from '../retailcrm/errors.ts';
import type { AdditionalCode, User } from '../retailcrm/types.ts';
import type { Db } from '../store/database.ts';
import type { CrmUser, ExtensionInterval, ExtensionOwner } from '../store/users.ts';
import { crmUsers, extensionIntervals, saveCrmUsers, saveExtensions } from '../store/users.ts';
import type { Pace } from './ask.ts';
import { judgeList } from './guard.ts';
import { withPatience } from './withPatience.ts';

/** What the configuration says of an employee. */
export interface EmployeeRef {
  readonly extension: string;
  /** The code the CRM knows her by. */
  readonly code: string;
  /** Her CRM user, if configured: wins over what the CRM says. */
  readonly user: number | undefined;
}

/** What the map needs. */
export interface UsersMapOptions {
  readonly db: Db;
  readonly client: Pick<RetailCrmClient, 'users' | 'integrationModule'>;
  readonly general: Pace;
  readonly enterprise: string;
  readonly employees: readonly EmployeeRef[];
  /** Code of our telephony module; undefined = only the configuration says who has which extension. */
  readonly moduleCode: string | undefined;
  readonly log: Logger;
  /** Between two refreshes, ms. Default an hour. */
  readonly refreshMs?: number | undefined;
  /** First pause after a failed refresh, ms; doubled up to `refreshMs`, with jitter. Default a minute. */
  readonly retryMs?: number | undefined;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/**
 * How much the map can be believed. `new`: the CRM has not answered since the start; what an earlier run stored and the
 * configuration hold. `good`: as the CRM said last. `guarded`: the CRM's last answer was not believed, the last good map
 * stays. `stale`: the CRM could not be asked, the last good map stays.
 */
export type UsersMapMode = 'new' | 'good' | 'guarded' | 'stale';

/** Users and their extensions in force and before: what a shared map holds in memory. */
interface Known {
  users: ReadonlyMap<number, CrmUser>;
  /** By extension, oldest first. */
  intervals: ReadonlyMap<string, readonly ExtensionInterval[]>;
  /** Extension in force by user. */
  extensions: ReadonlyMap<number, string>;
}

const nobody: Known = { users: new Map(), intervals: new Map(), extensions: new Map() };

/** Pages of 100 users at most: a list that never ends is not a list. */
const mostPages = 100;

/**
 * Extension ↔ CRM user, with validity intervals. Answers from memory, survives restarts in the database, and believes no
 * list that is empty, partial or shrunken by more than 20 %: the last good map stays (`calls.md` 3, scenario 26).
 */
export class UsersMap {
  readonly #options: UsersMapOptions;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #known: Known = nobody;
  #mode: UsersMapMode = 'new';
  /** The complaint that was logged last; logged again once a day, or when it changes. */
  #complaint = { text: '', at: Number.NEGATIVE_INFINITY };
  #refreshing: Promise<UsersMapMode> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;

  constructor(options: UsersMapOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  /** How much the map can be believed now. */
  get mode(): UsersMapMode {
    return this.#mode;
  }

  /** The CRM user of an extension: now, or at an instant (ms since 1970). undefined = nobody, as far as we know. */
  userOfExtension(extension: string, at?: number): number | undefined {
    const intervals = this.#known.intervals.get(extension);
    if (intervals === undefined) return undefined;
    if (at === undefined) return intervals.findLast(({ to }) => to === null)?.user;
    return intervals.findLast(({ from, to }) => from.getTime() <= at && (to === null || at < to.getTime()))?.user;
  }

  /** The extension of a CRM user now; of several the configured one, else the lowest. */
  extensionOfUser(user: number): string | undefined {
    return this.#known.extensions.get(user);
  }

  /** Name, activity and last known status of a user. */
  user(id: number): CrmUser | undefined {
    return this.#known.users.get(id);
  }

  /** Everybody ever listed. */
  users(): readonly CrmUser[] {
    return [...this.#known.users.values()];
  }

  /** Extensions that have a user now. */
  extensions(): readonly ExtensionOwner[] {
    return [...this.#known.intervals.values()].flatMap((all) => all.filter(({ to }) => to === null));
  }

  /** Last known status of a user: of the last list, or noted since. */
  statusOf(user: number): string | undefined {
    return this.#known.users.get(user)?.status ?? undefined;
  }

  /** The CRM or the PBX said that a user's status changed: known until the next list. */
  noteStatus(user: number, status: string): void {
    const known = this.#known.users.get(user);
    if (known !== undefined) known.status = status;
  }

  /** Takes up what an earlier run stored and what the configuration says, then keeps asking the CRM. */
  async start(): Promise<void> {
    await this.#load();
    await this.#apply(this.#fromCrm());
    this.#plan(0);
  }

  /** Ends the timer and a refresh under way. */
  async stop(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    await withPatience(this.#refreshing);
  }

  /** Asks the CRM now; one at a time. Never throws: what went wrong is logged and the last good map stays. */
  refresh(): Promise<UsersMapMode> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  #plan(inMs: number): void {
    if (this.#stop.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      void this.refresh().then((mode) => {
        const { refreshMs = 3_600_000, retryMs = 60_000 } = this.#options;
        this.#failures = mode === 'good' ? 0 : this.#failures + 1;
        const pause = Math.min(refreshMs, retryMs * 2 ** Math.min(this.#failures - 1, 10));
        this.#plan(this.#failures === 0 ? refreshMs : pause * (0.5 + Math.random() / 2));
      });
    }, inMs);
  }

  async #refresh(): Promise<UsersMapMode> {
    try {
      const { users, total } = await this.#listUsers();
      const before = [...this.#known.users.values()].filter(({ listed }) => listed).length;
      // An account has at least the user who made its key: an empty list is wrong even the first time.
      const doubt = judgeList(Math.max(before, 1), users.length, total);
      if (doubt !== undefined) return this.#guarded(`the CRM's list of users ${doubt}`);
      await saveCrmUsers(this.#options.db, this.#options.enterprise, users.map(asCrmUser));
      await this.#load();
      const codes = await this.#codes();
      const [had, has] = [this.#fromCrm(), this.#asOwners(codes ?? [])];
      const codesDoubt = codes === undefined ? undefined : judgeList(had.length, has.length, undefined, 1);
      await this.#apply(codes === undefined || codesDoubt !== undefined ? had : has);
      if (codesDoubt !== undefined)
        return this.#guarded(`the list of extensions in the CRM's telephony module ${codesDoubt}`);
    } catch (error) {
      if (this.#stop.signal.aborted) return this.#mode;
      if (error instanceof CrmError && error.kind === 'RATE') this.#options.general.slowDown(error.retryAfterMs);
      this.#mode = 'stale';
      this.#complain('the CRM users cannot be asked; the last good map stays', { reason: reasonOf(error) });
      return this.#mode;
    }
    if (this.#mode !== 'good' && this.#complaint.text !== '') this.#log.info('the CRM users are known again');
    this.#complaint = { text: '', at: Number.NEGATIVE_INFINITY };
    this.#mode = 'good';
    return this.#mode;
  }

  #guarded(doubt: string): UsersMapMode {
    this.#mode = 'guarded';
    this.#complain(`${doubt}; it is not believed, the last good map stays`, {
      extensions: this.extensions().length,
    });
    return this.#mode;
  }

  #complain(line: string, fields: Record<string, unknown>): void {
    const now = (this.#options.now ?? Date.now)();
    if (line === this.#complaint.text && now - this.#complaint.at < 24 * 3600_000) return;
    this.#complaint = { text: line, at: now };
    this.#log.error(line, fields);
  }

  /** All users, also inactive ones: people who leave are deactivated, so that an honest list hardly ever shrinks. */
  async #listUsers(): Promise<{ users: User[]; total: number | undefined }> {
    const users = new Map<number, User>();
    let total: number | undefined;
    for (let page = 1; page <= mostPages; page += 1) {
      await this.#options.general.take({ urgent: false, signal: this.#stop.signal });
      const { items, pagination } = await this.#options.client.users({}, { limit: 100, page });
      for (const user of items) users.set(user.id, user);
      total = pagination?.totalCount ?? total;
      const last = pagination === undefined ? items.length < 100 : page >= pagination.totalPageCount;
      if (last || items.length === 0) break;
    }
    return { users: [...users.values()], total };
  }

  /** The telephony module's extensions; undefined when nobody can say: no module is configured, or its answer is missing. */
  async #codes(): Promise<readonly AdditionalCode[] | undefined> {
    const { moduleCode, client, general } = this.#options;
    if (moduleCode === undefined) return undefined;
    await general.take({ urgent: false, signal: this.#stop.signal });
    try {
      return (await client.integrationModule(moduleCode)).telephony?.additionalCodes ?? [];
    } catch (error) {
      if (error instanceof CrmError && error.kind === 'NOTFOUND') return [];
      throw error;
    }
  }

  /** What is in force because the CRM said so, of users who are still active. */
  #fromCrm(): ExtensionOwner[] {
    return this.extensions().filter(({ source, user }) => source === 'crm' && this.#works(user));
  }

  #asOwners(codes: readonly AdditionalCode[]): ExtensionOwner[] {
    const { employees } = this.#options;
    const byCode = new Map(employees.map((one) => [one.code, one.extension]));
    const configured = new Set(employees.filter(({ user }) => user !== undefined).map(({ extension }) => extension));
    return codes
      .map(({ userId, code }) => ({ extension: byCode.get(code) ?? code, user: userId, source: 'crm' as const }))
      .filter(({ extension, user }) => !configured.has(extension) && this.#works(user));
  }

  /** False for a user who was deactivated or is listed no more; an unknown one may be newer than the list. */
  #works(user: number): boolean {
    const known = this.#known.users.get(user);
    return known === undefined || (known.active && known.listed);
  }

  /** The configuration, and beneath it what the CRM says, are in force from now on. */
  async #apply(fromCrm: readonly ExtensionOwner[]): Promise<void> {
    const { db, enterprise, employees } = this.#options;
    const configured = employees.flatMap(({ extension, user }) =>
      user === undefined ? [] : [{ extension, user, source: 'config' as const }],
    );
    const own = new Set(configured.map(({ extension }) => extension));
    const owners = [...configured, ...fromCrm.filter(({ extension }) => !own.has(extension))];
    const changes = await saveExtensions(db, enterprise, owners, new Date((this.#options.now ?? Date.now)()));
    for (const { extension, user, before } of changes) {
      if (before !== null && user !== null)
        this.#log.info(`extension ${extension} moved from user ${before} to user ${user}`);
      else
        this.#log.info(
          user === null ? `extension ${extension} has no user any more` : `extension ${extension} is user ${user}`,
        );
    }
    await this.#load();
  }

  async #load(): Promise<void> {
    const { db, enterprise } = this.#options;
    const [users, rows] = await Promise.all([crmUsers(db, enterprise), extensionIntervals(db, enterprise)]);
    const intervals = new Map<string, ExtensionInterval[]>();
    for (const row of rows) intervals.set(row.extension, [...(intervals.get(row.extension) ?? []), row]);
    // The configured extension of a user stands first, then the lowest.
    const open = rows
      .filter(({ to }) => to === null)
      .sort((a, b) => Number(a.source === 'crm') - Number(b.source === 'crm') || (a.extension < b.extension ? -1 : 1));
    const extensions = new Map<number, string>();
    for (const { user, extension } of open) if (!extensions.has(user)) extensions.set(user, extension);
    this.#known = { users: new Map(users.map((user) => [user.id, user])), intervals, extensions };
  }
}

function asCrmUser(user: User): Omit<CrmUser, 'listed'> {
  const name = [user.firstName, user.lastName].filter((part) => part !== undefined && part !== '').join(' ');
  return {
    id: user.id,
    name: name === '' ? `user ${user.id}` : name,
    active: user.active !== false,
    status: user.status ?? null,
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
