/** Counters and the rate gauge: the proof that a client keeps within the limits. */

import type { Totals } from './account.ts';
import { type Bucket, LIMITS } from './window.ts';
import type { World } from './world.ts';

/** One bucket of one account; of several keys the highest peak and the sums. */
export interface Gauge {
  /** Most requests in any sliding second, refused ones included. */
  peak: number;
  /** Requests per second the CRM allows. */
  limit: number;
  /** Requests seen. */
  seen: number;
  /** Requests refused for the rate. */
  refused: number;
}

/** What `/__emu/stats` gives. */
export interface Stats {
  /** API requests since the start or reset. */
  requests: number;
  /** Requests by `METHOD pattern`. */
  byMethod: Record<string, number>;
  /** Replies by status; 0 are cut connections. */
  byStatus: Record<string, number>;
  /** The highest peaks over all keys. */
  peak: Record<Bucket, number>;
  accounts: Record<
    string,
    Record<Bucket, Gauge> & Totals & { calls: number; openPopups: number; customers: number; orders: number }
  >;
}

/** Reads the counters; changes nothing. */
export function statsOf(world: World): Stats {
  const accounts: Stats['accounts'] = {};
  const peak = { general: 0, telephony: 0 };
  for (const account of world.accounts.values()) {
    const gauge = (bucket: Bucket): Gauge => {
      const windows = account.keys.map((key) => key[bucket]);
      return {
        peak: Math.max(0, ...windows.map((window) => window.peak)),
        limit: LIMITS[bucket],
        seen: windows.reduce((sum, window) => sum + window.seen, 0),
        refused: windows.reduce((sum, window) => sum + window.refused, 0),
      };
    };
    const { totals, calls, openPopups, customers, orders } = account;
    const buckets = { general: gauge('general'), telephony: gauge('telephony') };
    peak.general = Math.max(peak.general, buckets.general.peak);
    peak.telephony = Math.max(peak.telephony, buckets.telephony.peak);
    accounts[account.name] = {
      ...buckets,
      ...totals,
      calls: calls.size,
      openPopups: openPopups.size,
      customers: customers.size,
      orders: orders.size,
    };
  }
  return {
    requests: world.log.total,
    byMethod: Object.fromEntries(world.log.byMethod),
    byStatus: Object.fromEntries([...world.log.byStatus].map(([status, count]) => [String(status), count])),
    peak,
    accounts,
  };
}
