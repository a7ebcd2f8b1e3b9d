import type { Account } from './accounts.ts';
import { AuditLog, anchorDaily } from './actions/audit.ts';
import { HostLink } from './ami/link.ts';
import type { LinkStatus } from './ami/link.ts';
import type { Call } from './calls/call.ts';
import { callErrands, customersOf } from './callers.ts';
import { amiAddress } from './config/amiAddress.ts';
import type { EnterpriseSettings, HostSettings } from './config/settings.ts';
import { crmSync, ruleActions, usersMap } from './crmSync.ts';
import type { Customers } from './customers/customers.ts';
import { type CrmSide, crmSide } from './crmSide.ts';
import type { CrmSync } from './customers/sync.ts';
import type { UsersMap } from './customers/usersMap.ts';
import type { GroupCommit } from './groupCommit.ts';
import { Intake } from './intake.ts';
import type { Logger } from './log.ts';
import { PatternWatch } from './patternWatch.ts';
import { type PbxActions, auditedRefusals, pbxActions } from './pbxActions.ts';
import type { PlanSettings } from './delivery/plan.ts';
import type { ErrandLane } from './delivery/errandLane.ts';
import type { DeliveryWorker } from './delivery/worker.ts';
import { planSettings } from './planSettings.ts';
import { Recordings } from './recordings.ts';
import { hostRules } from './rules.ts';
import type { Db } from './store/database.ts';
import type { Errands } from './store/errands.ts';
import { closeGap, estimateLost, openGap } from './store/gaps.ts';
import { beat, lastBeat } from './store/heartbeats.ts';
import type { TenantDoors } from './tenants.ts';
import type { Webhooks } from './webhooks.ts';

/** Pauses between attempts to learn the account's time zone, and between checks that it still holds. */
const ZONE_RETRY_MS = 30_000;
const ZONE_REFRESH_MS = 24 * 3600_000;

/** How often it is noted which hosts are in sync: the precision of a gap's beginning after a kill. */
const BEAT_MS = 10_000;

/** How long the end of a gap waits until the snapshot's calls are committed. */
const COMMITTED_MS = 2_000;

/** Channel variables that carry the recording's name and the id of a click (`VarSet`, or `channelvars` of manager.conf). */
const wantedVariables = new Set(['MIXMONITOR_FILENAME', 'REC_FILE', 'X_CRM_ID']);

/** One Asterisk of the enterprise at run time. */
interface Host {
  settings: HostSettings;
  intake: Intake;
  link: HostLink;
  /** Its gap is closed: beats may say that it is in sync. */
  watched: boolean;
}

/** One tenant at run time: its CRM account, and per host a link and an intake. Nothing below knows of other tenants. */
export class Enterprise {
  readonly id: string;
  /** What it offers to HTTP: each feature puts its functions here in the constructor. */
  readonly doors: TenantDoors = {};
  /** Who has which extension, now and before. */
  readonly users: UsersMap;
  /** Who is calling. */
  readonly customers: Customers;
  /** Who did what: every feature writes its uses here. */
  readonly audit: AuditLog;
  readonly #settings: EnterpriseSettings;
  readonly #account: Account;
  readonly #db: Db;
  readonly #commits: GroupCommit;
  readonly #log: Logger;
  readonly #hosts: Host[];
  readonly #recordings: Recordings;
  readonly #actions: PbxActions | undefined;
  readonly #side: CrmSide;
  readonly #sync: CrmSync;
  readonly #ending = new AbortController();
  #zone: string | undefined;
  #zoneTimer: NodeJS.Timeout | undefined;
  #beatTimer: NodeJS.Timeout | undefined;
  #endAnchors: (() => void) | undefined;
  #stopped = false;

  /**
   * Throws SecretError when a host's password cannot be read.
   * @param publicUrl `http.public_url`: under which address the CRM reaches us
   * @param actionsDb connections of their own for clicks and the audit log
   */
  constructor(
    settings: EnterpriseSettings,
    account: Account,
    db: Db,
    log: Logger,
    commits: GroupCommit,
    publicUrl?: string,
    actionsDb: Db = db,
  ) {
    this.#commits = commits;
    this.id = settings.id;
    this.#settings = settings;
    this.#account = account;
    this.#db = db;
    this.#log = log.child({ enterprise: settings.id });
    this.#zone = settings.retailcrm.timezone;
    this.users = usersMap(settings, account, db, this.#log);
    this.customers = customersOf(settings, account, this.users, account.db, this.#log);
    this.#hosts = settings.hosts.map((host) => this.#host(host));
    this.audit = new AuditLog(actionsDb, this.#log);
    this.#actions = pbxActions({
      ...{ settings, db: actionsDb, hosts: this.#hosts, log: this.#log, audit: this.audit },
      extensionOfUser: (user) => this.users.extensionOfUser(user),
      whoIs: (phone, withinMs) => this.customers.lookup(phone, withinMs),
    });
    this.#side = crmSide({
      ...{ settings, account, publicUrl, db, log: this.#log, hosts: this.#hosts },
      ...{ users: this.users, customers: this.customers, audit: this.audit },
    });
    this.#sync = crmSync(settings, {
      ...{ account, db, log: this.#log, users: this.users, customers: this.customers, zone: () => this.#zone },
      actions: ruleActions(this.#actions?.doors.makeCall, this.#side.statuses),
      onEnqueued: () => account.errands.wake(),
    });
    const changed = this.#sync.changed.bind(this.#sync);
    const refused = auditedRefusals(settings.id, this.audit);
    Object.assign(this.doors, { refused, changed, ...this.#actions?.doors, ...this.#side.doors });
    this.#recordings = new Recordings({
      db,
      enterprise: settings,
      log: this.#log,
      zone: () => this.#zone,
      onReady: () => account.worker.wake(),
    });
  }

  /** How the links to its hosts stand, by host id. */
  status(): Record<string, LinkStatus> {
    return Object.fromEntries(this.#hosts.map(({ settings, link }) => [settings.id, link.status()]));
  }

  /** How many calls live now, on all its hosts. */
  get liveCalls(): number {
    return this.#hosts.reduce((sum, { intake }) => sum + intake.liveCalls.length, 0);
  }

  /** Whether its CRM account takes requests; `closed` = all is well. */
  get crmMode(): DeliveryWorker['mode'] {
    return this.#account.worker.mode;
  }

  /** What of following the CRM's changes does not work now, in words. */
  get syncTroubles(): readonly string[] {
    return this.#sync.troubles;
  }

  /** Whether what calls leave behind gets into the CRM; as `crmMode`. */
  get errandsMode(): ErrandLane['mode'] {
    return this.#account.errands.mode;
  }

  /** How the receivers of webhooks stand, by their id. */
  get receivers(): ReturnType<Webhooks['status']> {
    return this.#account.webhooks.status();
  }

  /** What writes down the calls of its hosts. */
  get intakes(): readonly Intake[] {
    return this.#hosts.map(({ intake }) => intake);
  }

  async start(): Promise<void> {
    this.#account.worker.start();
    this.#account.webhooks.start();
    this.#recordings.start();
    await this.users.start();
    await this.customers.start();
    this.#account.errands.start(this.#errands());
    if (this.#zone === undefined) void this.#learnZone();
    await this.#actions?.start();
    await this.#side.start();
    this.#sync.start();
    for (const { settings, intake, link } of this.#hosts) {
      await intake.start();
      await this.customers.warm(phonesOf(intake.liveCalls));
      const from = (await lastBeat(this.#db, this.id, settings.id))?.syncedAt ?? new Date();
      await openGap(this.#db, { enterprise: this.id, host: settings.id, from, cause: 'the daemon was not running' });
      link.start();
    }
    this.#endAnchors = anchorDaily(this.#db, this.id, this.#log);
    this.#beatTimer = setInterval(() => void this.#beat(), BEAT_MS);
  }

  /** Stops listening, then writes what is left. The account's worker is stopped by its owner. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#zoneTimer);
    clearInterval(this.#beatTimer);
    this.#endAnchors?.();
    this.#side.stop();
    await this.#beat();
    await Promise.all(this.#hosts.map(({ link }) => link.stop()));
    await Promise.all(this.#hosts.map(({ intake }) => intake.stop()));
    await this.#recordings.stop();
    await this.#actions?.drain();
    await this.audit.drain();
    await this.#sync.stop();
    await this.users.stop();
    const errands = this.#account.errands.stop();
    this.#ending.abort(); // what waits for its turn is called off, what is under way may end
    await this.customers.stop();
    await errands;
  }

  /** Settles when everything heard so far is committed. */
  async drain(): Promise<void> {
    await Promise.all(this.#hosts.map(({ intake }) => intake.drain()));
  }

  #errands(): Errands {
    return callErrands(
      this.#settings,
      this.#account,
      this.customers,
      this.users,
      () => this.#zone,
      this.#ending.signal,
    );
  }

  #host(host: HostSettings): Host {
    const log = this.#log.child({ host: host.id });
    const watch = new PatternWatch(host, log);
    const rules = hostRules(this.#settings, host, (stem, side) => watch.saw(stem, side));
    // Asked at each fact: built anew only when the account's zone became known.
    let planned: { zone: string | undefined; settings: PlanSettings } | undefined;
    const intake = new Intake({
      enterprise: this.id,
      host: host.id,
      account: this.#account.key,
      rules,
      settings: () => {
        if (planned?.zone !== this.#zone || planned === undefined) {
          planned = {
            zone: this.#zone,
            settings: planSettings(this.#settings, host, rules, this.#zone, this.customers),
          };
        }
        return planned.settings;
      },
      expect: (phone) => this.customers.expect(phone),
      userAt: (extension, at) => this.users.userOfExtension(extension, at),
      db: this.#db,
      commits: this.#commits,
      log,
      webhooks: this.#account.webhooks.receivers,
      onCommitted: (kinds) => {
        this.#account.worker.wake(kinds);
        if (kinds.includes('webhook')) this.#account.webhooks.wake();
        if (kinds.includes('errand')) this.#account.errands.wake();
      },
    });
    const { ami } = host;
    const link = new HostLink({
      ...amiAddress(host),
      variables: wantedVariables,
      // Pauses are of the class agent: its other events are many, and nobody else wants them.
      ...(this.#settings.statuses.toCrm && { events: 'call,system,agent' }),
      log,
      onEvents: (events) => {
        intake.take(events);
        this.#actions?.heard(host.id, events);
        watch.tick(Date.now());
      },
      onNotice: (message) => {
        this.#actions?.notice(host.id, message);
        this.#side.statuses.noticed(host.id, message);
      },
      onState: (status) => this.#hostState(host, status, log),
      onAuthRefused: () =>
        log.error(`the host refuses user ${ami.user}: check manager.conf and ${ami.secret.key}; next try in a minute`),
    });
    return { settings: host, intake, link, watched: false };
  }

  #hostState(host: HostSettings, status: LinkStatus, log: Logger): void {
    const key = { enterprise: this.id, host: host.id };
    const noted = (error: unknown): void => log.error('a gap could not be written down', { err: error });
    if (status.state === 'live') {
      log.info('connected and synced');
      this.#side.statuses.hostIsUp(host.id);
      // The snapshot is applied right after this: what lives then was brought over the gap.
      setImmediate(() => {
        const one = this.#hosts.find(({ settings }) => settings === host);
        if (one !== undefined) this.#closeGap(one, status).catch(noted);
      });
    } else if (status.state === 'down' && !this.#stopped) {
      for (const one of this.#hosts) if (one.settings === host) one.watched = false;
      log.warn(`connection lost: ${status.lastFault ?? 'unknown reason'}`);
      openGap(this.#db, { ...key, from: new Date(status.since), cause: status.lastFault ?? 'connection lost' }).catch(
        noted,
      );
    }
  }

  /** What became of the gap that ends now: what the snapshot brought, and about how many calls nobody saw (P3). */
  async #closeGap(host: Host, { startup, processedCalls }: LinkStatus): Promise<void> {
    const key = { enterprise: this.id, host: host.settings.id };
    const to = new Date();
    const recoveredSnapshot = host.intake.liveCalls.length;
    try {
      const last = await lastBeat(this.#db, this.id, host.settings.id);
      await Promise.race([host.intake.drain(), new Promise((resolve) => setTimeout(resolve, COMMITTED_MS).unref())]);
      const lost = await estimateLost(this.#db, { ...key, last }, { start: startup, calls: processedCalls });
      await closeGap(this.#db, { ...key, to, recoveredSnapshot, ...(lost === undefined ? {} : { lost }) });
    } finally {
      host.watched = host.link.status().state === 'live';
    }
    await this.#beat();
  }

  async #beat(): Promise<void> {
    const live = this.#hosts.filter(({ link, watched }) => watched && link.status().state === 'live');
    const beats = live.map(async ({ settings, link }) => {
      const core = await link.core();
      return { host: settings.id, coreStart: core.startup, coreCalls: core.processedCalls };
    });
    await beat(this.#db, this.id, await Promise.all(beats)).catch(() => undefined); // the writes of calls tell when the database is away
  }

  /** `calls[].date` is in the account's own zone (`retailcrm-api.md` 1); uploads wait until it is known. */
  async #learnZone(): Promise<void> {
    let next = ZONE_REFRESH_MS;
    try {
      await this.#account.worker.pacers.general.take();
      const { timezone } = await this.#account.client.settings();
      if (timezone === undefined) throw new Error('the CRM names no time zone');
      if (this.#zone !== timezone) this.#log.info(`the CRM account's time zone is ${timezone}`);
      this.#zone = timezone;
    } catch (error) {
      next = this.#zone === undefined ? ZONE_RETRY_MS : ZONE_REFRESH_MS;
      if (!this.#stopped && this.#zone === undefined) {
        this.#log.warn(
          'the CRM account did not tell its time zone; records wait until it does (or set retailcrm.timezone)',
          { err: error },
        );
      }
    }
    if (!this.#stopped) this.#zoneTimer = setTimeout(() => void this.#learnZone(), next);
  }
}

/** Numbers of calls, as the CRM knows customers. */
function phonesOf(calls: readonly Call[]): string[] {
  return calls.flatMap(({ customer }) => (customer.kind === 'phone' ? [customer.e164] : []));
}
