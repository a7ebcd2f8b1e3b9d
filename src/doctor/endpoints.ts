/** The lines and phones a PBX has, held against those of the configuration. */
import type { AmiConnection } from '../ami/connection.ts';
import type { AmiMessage } from '../ami/message.ts';
import { extensionRegExp, globMatches } from '../config/match.ts';
import type { EnterpriseSettings, HostSettings } from '../config/settings.ts';
import type { Findings } from './finding.ts';
import { many, some } from './finding.ts';

/** A telephone or a line the PBX knows. */
export interface EndPoint {
  /** As channels are named, without their number: `PJSIP/150`. */
  readonly stem: string;
  /** It can be called now; undefined = Asterisk does not watch it. */
  readonly reachable: boolean | undefined;
}

/** Technologies whose device states are telephones and lines; others (`Custom:`, `Queue:`) are Asterisk's own lamps. */
const technologies = new Set(['PJSIP', 'SIP', 'IAX2', 'DAHDI', 'SCCP']);

/**
 * Lists the end points. Device states need no more than the class reporting; what chan_sip, chan_iax2 and, with the class
 * system, chan_pjsip list of themselves comes on top. A driver that is not loaded or not allowed refuses and is left out.
 */
export async function askEndPoints(connection: Pick<AmiConnection, 'list'>): Promise<EndPoint[] | undefined> {
  const [devices, pjsip, sip, iax] = await Promise.all([
    connection.list({ Action: 'DeviceStateList' }),
    connection.list({ Action: 'PJSIPShowEndpoints' }),
    connection.list({ Action: 'SIPpeers' }),
    connection.list({ Action: 'IAXpeerlist' }),
  ]);
  if (![devices, pjsip, sip, iax].some(({ outcome }) => outcome === 'complete')) return undefined;
  return [
    ...(devices.outcome === 'complete' ? devices.items.flatMap(device) : []),
    ...(pjsip.outcome === 'complete' ? pjsip.items.flatMap(pjsipEndPoint) : []),
    ...(sip.outcome === 'complete' ? sip.items.flatMap((item) => peer(item, 'SIP')) : []),
    ...(iax.outcome === 'complete' ? iax.items.flatMap((item) => peer(item, 'IAX2')) : []),
  ];
}

function device(item: AmiMessage): EndPoint[] {
  const stem = item.get('Device');
  if (item.name !== 'DeviceStateChange' || stem === undefined || !technologies.has(stem.split('/')[0] ?? '')) return [];
  const state = item.get('State');
  return [{ stem, reachable: state === 'UNKNOWN' ? undefined : state !== 'UNAVAILABLE' && state !== 'INVALID' }];
}

function pjsipEndPoint(item: AmiMessage): EndPoint[] {
  const name = item.get('ObjectName');
  if (item.name !== 'EndpointList' || name === undefined) return [];
  const state = item.get('DeviceState');
  return [
    {
      stem: `PJSIP/${name}`,
      reachable: state === undefined ? undefined : state !== 'Unavailable' && state !== 'Invalid',
    },
  ];
}

function peer(item: AmiMessage, technology: string): EndPoint[] {
  const name = item.get('ObjectName');
  if (item.name !== 'PeerEntry' || name === undefined) return [];
  const status = item.get('Status') ?? '';
  const absent = /^(?:UNREACHABLE|UNKNOWN|LAGGED)/i.test(status) || item.get('IPaddress') === '-none-';
  return [
    {
      stem: `${technology}/${name.split('/')[0] ?? name}`,
      reachable: absent ? false : /^OK/i.test(status) ? true : undefined,
    },
  ];
}

/** Holds end points and live channels (stems) against the patterns of lines and extensions. */
export function judgeEndPoints(
  endPoints: readonly EndPoint[] | undefined,
  live: readonly string[],
  enterprise: EnterpriseSettings,
  host: HostSettings,
  findings: Findings,
): void {
  if (endPoints === undefined && live.length === 0) {
    findings.warn(
      'lines',
      'Asterisk does not list its phones and lines (neither device states nor the lists of its channel drivers)',
      'give the user the class reporting in write, or compare trunks and extensions with "core show channels" during a call',
    );
    return;
  }
  const states = new Map((endPoints ?? []).map(({ stem, reachable }) => [stem, reachable]));
  const stems = [...new Set([...states.keys(), ...live])].filter((stem) => !stem.startsWith('Local/'));
  judgeLines(stems, states, host, findings);
  judgePhones(stems, states, enterprise, host, findings);
}

function judgeLines(
  stems: readonly string[],
  states: ReadonlyMap<string, boolean | undefined>,
  host: HostSettings,
  findings: Findings,
): void {
  for (const trunk of host.trunks) {
    const fits = stems.filter((stem) => trunk.channels.some((pattern) => globMatches(pattern, stem)));
    const patterns = trunk.channels.join(', ');
    if (fits.length === 0) {
      findings.fail(
        'lines',
        `line "${trunk.name}" (${patterns}) fits nothing this PBX has: its calls would not be told`,
        `name it under trunks[].channels as the PBX does; it has ${some(stems.filter((stem) => !isPhone(stem, host))) || 'no other end points'}`,
      );
      continue;
    }
    const phones = fits.filter((stem) => isPhone(stem, host));
    if (phones.length > 0) {
      findings.fail(
        'lines',
        `line "${trunk.name}" (${patterns}) fits employees' phones too: ${some(phones)}`,
        'make its channels narrower',
      );
      continue;
    }
    const away = fits.filter((stem) => states.get(stem) === false);
    if (away.length === fits.length) {
      findings.warn(
        'lines',
        `line "${trunk.name}" is there (${some(fits)}), but not reachable now`,
        'look at its registration in Asterisk: "pjsip show endpoint", "pjsip show registrations"',
      );
    } else findings.ok('lines', `line "${trunk.name}" is ${some(fits)}`);
  }
}

function judgePhones(
  stems: readonly string[],
  states: ReadonlyMap<string, boolean | undefined>,
  enterprise: EnterpriseSettings,
  host: HostSettings,
  findings: Findings,
): void {
  const phones = stems.filter((stem) => isPhone(stem, host) && !isLine(stem, host));
  if (phones.length === 0) {
    findings.fail(
      'extensions',
      `hosts[].extensions (${host.extensions.join(', ')}) fits no phone of this PBX`,
      `correct the pattern; the PBX has ${some(stems.filter((stem) => !isLine(stem, host))) || 'no phones'}`,
    );
  } else {
    const here = phones.filter((stem) => states.get(stem) !== false);
    findings.ok('extensions', `${many(phones.length, 'phone')}, ${here.length} of them reachable now`);
  }
  const strangers = stems.filter((stem) => !isPhone(stem, host) && !isLine(stem, host));
  if (strangers.length > 0) {
    findings.warn(
      'extensions',
      `${many(strangers.length, 'end point')} that ${strangers.length === 1 ? 'is' : 'are'} neither line nor phone by the configuration: ${some(strangers)}`,
      'name them under trunks[].channels or extensions, or leave them if no customer ever talks through them',
    );
  }
  const names = new Set(stems.map(nameOf));
  const firstHost = enterprise.hosts[0]?.id;
  const here = enterprise.employees.filter((one) => (one.host ?? firstHost) === host.id);
  const homeless = here.filter(
    ({ extension }) => !names.has(extension) && ![...names].some((name) => /^\d+/.exec(name)?.[0] === extension),
  );
  if (states.size > 0 && homeless.length > 0) {
    findings.warn(
      'extensions',
      `employees without a phone on this PBX: ${some(homeless.map(({ extension }) => extension))}`,
      'correct employees[].extension, or employees[].host if the phone is on another host',
    );
  }
}

const nameOf = (stem: string): string => stem.slice(stem.indexOf('/') + 1);

/** By the same rule as calls are told by: the whole name, or the digits it begins with. */
function isPhone(stem: string, host: HostSettings): boolean {
  const name = nameOf(stem);
  const leading = /^\d+/.exec(name)?.[0];
  return host.extensions.some((source) => {
    const pattern = extensionRegExp(source);
    return pattern.test(name) || (leading !== undefined && pattern.test(leading));
  });
}

function isLine(stem: string, host: HostSettings): boolean {
  return host.trunks.some((trunk) => trunk.channels.some((pattern) => globMatches(pattern, stem)));
}
