import { isNativeError } from 'node:util/types';
import { UnavailableError } from './cli/errors.ts';
import { ConfigError } from './config/problems.ts';
import type { HttpSettings, Settings } from './config/settings.ts';
import type { Settled } from './deliveryLog.ts';
import type { Enterprise } from './enterprise.ts';
import { HttpFigures, Tally } from './http/figures.ts';
import { type DeliveryTally, type EnterpriseHealth, healthHttp } from './http/health.ts';
import { publicHttp } from './http/public.ts';
import { close, listen } from './http/server.ts';
import type { Tenant } from './http/tenant.ts';
import type { Logger } from './log.ts';
import type { Db } from './store/database.ts';
import { tenantOf } from './tenants.ts';
import { version } from './version.ts';

/** The running listeners. */
export interface Web {
  /** `host:port` of the callbacks and the API, and of health and metrics. */
  readonly address: string;
  readonly health: string;
  /** Takes nothing new, lets requests under way end for at most 2.5 s. */
  stop(): Promise<void>;
}

/** What the listeners show. */
export interface WebOptions {
  readonly settings: Settings;
  readonly enterprises: readonly Enterprise[];
  readonly db: Db;
  readonly deliveries: DeliveryTally;
  readonly log: Logger;
}

/** Counts what became of requests; `settled` is to be told of each. */
export function deliveryTally(): { tally: DeliveryTally; settled: (settled: Settled) => void } {
  const tally: DeliveryTally = new Tally();
  return {
    tally,
    settled: ({ account, row, outcome }) => tally.add({ account, kind: row.kind, outcome: outcome.outcome }),
  };
}

/**
 * Opens both listeners, or none when `http.enabled` is false.
 * @throws UnavailableError when an address is taken or not ours; the message names it and its key
 */
export async function startWeb(options: WebOptions): Promise<Web | undefined> {
  const { settings, enterprises, db, log } = options;
  const { http, file = 'daemon.yaml' } = settings.daemon;
  if (!http.enabled) return undefined;
  const tenants = tenantsOf(settings, enterprises, log);
  const figures = new HttpFigures();
  const outside = await publicHttp({ log, figures, version, tenants: () => tenants, trustProxy: http.trustProxy });
  const inside = await healthHttp({
    ...{ log, figures, version, db, deliveries: options.deliveries },
    enterprises: () => enterprises.map(healthOf),
  });
  try {
    const address = await bind(file, http, 'http', () => listen(outside, http.address, http.port));
    const health = await bind(file, http.health, 'http.health', () =>
      listen(inside, http.health.address, http.health.port),
    );
    log.info('http: listening', { address, health });
    return {
      ...{ address, health },
      async stop() {
        await Promise.all([close(outside), close(inside)]);
      },
    };
  } catch (error) {
    await Promise.all([close(outside), close(inside)]);
    throw error;
  }
}

function tenantsOf(settings: Settings, enterprises: readonly Enterprise[], log: Logger): readonly Tenant[] {
  return settings.enterprises.flatMap((one) => {
    const enterprise = enterprises.find(({ id }) => id === one.id);
    return enterprise === undefined ? [] : [tenantOf(one, enterprise.doors, log.child({ enterprise: one.id }))];
  });
}

function healthOf(enterprise: Enterprise): EnterpriseHealth {
  const { id, intakes, liveCalls, crmMode, errandsMode, receivers, users, syncTroubles } = enterprise;
  return {
    ...{ id, liveCalls, crmMode, errandsMode, receivers, syncTroubles, usersMode: users.mode },
    waiting: intakes.reduce((sum, intake) => sum + intake.waiting, 0),
    durable: intakes.map((intake) => intake.durable),
    hosts: Object.entries(enterprise.status()).map(([host, status]) => ({ id: host, ...status })),
  };
}

/** A port somebody else has is no fault in the program: the operator gets a sentence with the key to change. */
async function bind(
  file: string,
  at: Pick<HttpSettings, 'address' | 'port'>,
  key: string,
  open: () => Promise<string>,
): Promise<string> {
  try {
    return await open();
  } catch (error) {
    const code = isNativeError(error) && 'code' in error ? String(error.code) : '';
    const where = `cannot listen on ${at.address}:${at.port} (${key})`;
    const why = {
      EADDRINUSE: 'another program listens there, perhaps another daemon of ours',
      EADDRNOTAVAIL: 'this machine has no such address',
      ENOTFOUND: 'this name is not known',
    }[code];
    if (why !== undefined) throw new UnavailableError(`${where}: ${why}`, { cause: error });
    // Waiting does not help here: 78, and systemd does not start it again.
    if (code === 'EACCES')
      throw new ConfigError([
        {
          ...{ severity: 'error', file, line: 1, col: 1, path: `${key}.port` },
          message: `${where}: ports below 1024 need a right we do not have`,
        },
      ]);
    throw error;
  }
}
