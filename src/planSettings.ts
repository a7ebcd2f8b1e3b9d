import type { Call } from './calls/call.ts';
import { recordingOf } from './calls/record.ts';
import type { HostRules } from './calls/rules.ts';
import type { EnterpriseSettings, HostSettings } from './config/settings.ts';
import type { PlanSettings } from './delivery/plan.ts';
import { toAccountTime } from './retailcrm/time.ts';

/**
 * What `delivery/plan.ts` must know of one host of an enterprise.
 * @param zone the account's zone as the CRM says; the configuration wins over it
 */
export function planSettings(
  enterprise: EnterpriseSettings,
  host: HostSettings,
  rules: HostRules,
  zone: string | undefined,
): PlanSettings {
  const codes = new Map(enterprise.employees.map((one) => [one.extension, one.code]));
  const dids = new Map(enterprise.dids.map((one) => [one.number, one]));
  const { recordings, policies } = enterprise;
  return {
    policies: rules.policies,
    zone: enterprise.retailcrm.timezone ?? zone,
    popups: policies.popups,
    defaultDid: enterprise.defaultDid,
    anonymousPhone: policies.anonymous.placeholder,
    codeOf: (ext) => codes.get(ext) ?? ext,
    siteOf: (number) => (number === undefined ? undefined : dids.get(number)?.site) ?? enterprise.retailcrm.site,
    recordUrl(call, file) {
      if (recordings === undefined || (file === undefined && recordings.url.includes('{file}'))) return undefined;
      return recordUrl(recordings.url, call, file ?? '', host.id, enterprise.timezone ?? zone ?? 'UTC');
    },
    recordingWait: recordings?.directory === undefined ? 0 : recordings.waitSeconds,
  };
}

/** Fills the placeholders of `recordings.url`; values are escaped for a URL path. Dates are the call's start in `zone`. */
export function recordUrl(template: string, call: Call, file: string, hostId: string, zone: string): string {
  const date = toAccountTime(call.startedAt, zone).slice(0, 10);
  const [year = '', month = '', day = ''] = date.split('-');
  const uniqueid = recordingOf(call)?.uniqueid ?? call.firstUniqueid;
  const values: Record<string, string> = {
    uniqueid,
    linkedid: call.linkedid,
    host: hostId,
    file,
    date,
    year,
    month,
    day,
  };
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : encodeURIComponent(value);
  });
}
