import { basename, join } from 'node:path';
import type { Call } from './calls/call.ts';
import { recordingOf } from './calls/record.ts';
import type { HostRules } from './calls/rules.ts';
import type { EnterpriseSettings, HostSettings } from './config/settings.ts';
import type { Found } from './customers/found.ts';
import type { PlanSettings } from './delivery/plan.ts';
import { toAccountTime } from './retailcrm/time.ts';

/** What is known of customers without asking anybody. */
export interface CustomersAtHand {
  /** What memory holds of a number, undefined when nothing. */
  cached(phone: string): Found | undefined;
  /** Extension of the customer's manager. */
  responsible(phone: string): string | undefined;
}

/**
 * What `delivery/plan.ts` must know of one host of an enterprise.
 * @param zone the account's zone as the CRM says; the configuration wins over it
 * @param customers undefined: nobody is known (a replay)
 */
export function planSettings(
  enterprise: EnterpriseSettings,
  host: HostSettings,
  rules: HostRules,
  zone: string | undefined,
  customers?: CustomersAtHand,
): PlanSettings {
  const codes = new Map(enterprise.employees.map((one) => [one.extension, one.code]));
  const dids = new Map(enterprise.dids.map((one) => [one.number, one]));
  const { recordings, policies } = enterprise;
  const siteOf = (number: string | undefined): string | undefined =>
    (number === undefined ? undefined : dids.get(number)?.site) ?? enterprise.retailcrm.site;
  const { create, missed } = enterprise.customers;
  return {
    policies: rules.policies,
    zone: enterprise.retailcrm.timezone ?? zone,
    popups: policies.popups,
    defaultDid: enterprise.defaultDid,
    anonymousPhone: policies.anonymous.placeholder,
    codeOf: (ext) => codes.get(ext) ?? ext,
    siteOf,
    recordUrl(call, file) {
      if (recordings === undefined || (file === undefined && recordings.url.includes('{file}'))) return undefined;
      return recordUrl(recordings.url, call, file ?? '', host.id, enterprise.timezone ?? zone ?? 'UTC');
    },
    recordingPath(call, file) {
      if (recordings?.directory === undefined) return undefined;
      const values = placeholders(call, file, host.id, enterprise.timezone ?? zone ?? 'UTC');
      // What comes from the PBX stays a name: it never leads out of its directory.
      const directory = fill(recordings.directory, values, (value) => value.replaceAll(/[/\\\0]|^\.+/g, '_'));
      return join(directory, basename(file));
    },
    recordingWait: recordings?.waitSeconds ?? 0,
    responsible: (phone) => customers?.responsible(phone),
    followUps: {
      policies: rules.policies,
      createWhen: (number) => (number === undefined ? undefined : dids.get(number)?.createCustomers) ?? create.when,
      card: create,
      missed,
      defaultDid: enterprise.defaultDid,
      siteOf,
      didName: (number) => dids.get(number)?.name,
      hasCard: (phone) => customers?.cached(phone)?.who === 'customer',
    },
  };
}

/** Fills the placeholders of `recordings.url`; values are escaped for a URL path. Dates are the call's start in `zone`. */
export function recordUrl(template: string, call: Call, file: string, hostId: string, zone: string): string {
  return fill(template, placeholders(call, file, hostId, zone), encodeURIComponent);
}

function placeholders(call: Call, file: string, hostId: string, zone: string): Record<string, string> {
  const date = toAccountTime(call.startedAt, zone).slice(0, 10);
  const [year = '', month = '', day = ''] = date.split('-');
  const uniqueid = recordingOf(call)?.uniqueid ?? call.firstUniqueid;
  return { uniqueid, linkedid: call.linkedid, host: hostId, file, date, year, month, day };
}

function fill(template: string, values: Readonly<Record<string, string>>, escape: (value: string) => string): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : escape(value);
  });
}
