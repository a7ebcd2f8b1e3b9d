import type { HostRules, Phone, Policies, Side } from './calls/rules.ts';
import { channelStem, isBlacklisted, isExtension, trunkOf } from './config/match.ts';
import { normalisePhone } from './config/phones.ts';
import type { EnterpriseSettings, HostSettings, PolicySettings } from './config/settings.ts';

/** Channel technologies of telephones and gateways; everything else is Asterisk's own furniture. */
const phoneTechnologies = new Set([
  'PJSIP',
  'SIP',
  'IAX2',
  'DAHDI',
  'SCCP',
  'SKINNY',
  'UNISTIM',
  'MGCP',
  'OOH323',
  'MOTIF',
  'DONGLE',
  'QUECTEL',
  'KHOMP',
]);
/** Most channel stems remembered per host; a PBX has some hundred end points. */
const mostStems = 10_000;

/**
 * The core's view of one host, from the configuration. Answers are memoised per end point.
 * @param onEndPoint told of each end point once, when its first channel passes
 */
export function hostRules(
  enterprise: EnterpriseSettings,
  host: HostSettings,
  onEndPoint?: (stem: string, side: Side) => void,
): HostRules {
  const sides = new Map<string, Side>();
  const mobiles = new Map(
    enterprise.employees.flatMap((one) => one.mobiles.map((mobile) => [mobile, one.extension] as const)),
  );
  const silenced = new Set(enterprise.dids.filter((did) => !did.upload).map((did) => did.number));
  const phone = (raw: string | undefined, country: string | undefined): Phone =>
    normalisePhone(raw, country === undefined ? [enterprise.country] : [country, enterprise.country]);

  return {
    hostId: host.id,
    policies: policies(enterprise.policies),
    recordingVariables: ['MIXMONITOR_FILENAME', 'REC_FILE'],
    side(channel) {
      const stem = channelStem(channel);
      const known = sides.get(stem);
      if (known !== undefined) return known;
      const side = sideOf(channel, stem, enterprise, host);
      if (sides.size < mostStems) {
        sides.set(stem, side);
        onEndPoint?.(stem, side);
      }
      return side;
    },
    phone,
    employeeByMobile: (e164) => mobiles.get(e164),
    offHours: (context) => host.contexts.offHours.includes(context),
    exclusion(customer, externalPhone) {
      if (customer.kind === 'phone' && isBlacklisted(enterprise, customer.e164)) return 'blacklisted';
      return externalPhone !== undefined && silenced.has(externalPhone) ? 'did_off' : undefined;
    },
  };
}

function sideOf(channel: string, stem: string, enterprise: EnterpriseSettings, host: HostSettings): Side {
  const trunk = trunkOf(host, channel);
  if (trunk !== undefined) {
    if (trunk.internal) return { side: 'interhost', trunk: trunk.name };
    return { side: 'trunk', trunk: trunk.name, country: trunk.country ?? enterprise.country };
  }
  const slash = stem.indexOf('/');
  const technology = stem.slice(0, slash);
  const name = stem.slice(slash + 1);
  if (technology === 'Local') return { side: 'local' };
  if (!phoneTechnologies.has(technology.toUpperCase())) return { side: 'service' };
  // A second device is often named after the extension: 150-mobile, 150_2, 150@softphone.
  const own = enterprise.employees.find((one) => one.extension === name);
  if (own !== undefined || isExtension(host, name)) return { side: 'employee', ext: name };
  const leading = /^\d+/.exec(name)?.[0];
  if (leading !== undefined && isExtension(host, leading)) return { side: 'employee', ext: leading };
  return { side: 'unknown', name };
}

function policies(settings: PolicySettings): Policies {
  return {
    owner: settings.owner,
    defaultOwner: settings.defaultOwner,
    closeLosers: settings.closeLosers,
    forwardedLegs: settings.forwardedLegs,
    anonymous: settings.anonymous.upload,
    voicemail: settings.voicemail === 'log',
    offHours: settings.offHours === 'log',
    ivrOnly: settings.ivrOnly === 'log',
    employeeMobiles: settings.employeeMobiles === 'log' ? 'log' : 'ignore',
    clickNotAnswered: settings.clickNotAnswered === 'log' ? 'log' : 'ignore',
    minimumSeconds: settings.minimumSeconds,
  };
}
