/** manager.conf: the part we need, to print, and what of it can be read where Asterisk stands on the same machine. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { neededEvents, noticedEvents } from '../ami/events.ts';
import type { EnterpriseSettings, HostSettings } from '../config/settings.ts';
import { neededRights } from './rights.ts';

/** How long Asterisk waits for a reader that does not read, ms; its own default of 100 cuts a daemon that pauses. */
export const WRITE_TIMEOUT_MS = 5_000;

/** Names of events an `eventfilter` must let through; `FullyBooted` is not subject to filters. */
function filtered(): string {
  // VarSet comes with the class dialplan only, which we do not ask for: `channelvars` tells the same.
  const names = [...new Set([...neededEvents, ...noticedEvents])].filter(
    (name) => name !== 'VarSet' && name !== 'FullyBooted',
  );
  return names.sort().join('|');
}

/**
 * A minimal manager.conf for one host: the classes needed for what is switched on, no more.
 * @param from the daemon's address as the PBX sees it; undefined = unknown
 */
export function managerConf(enterprise: EnterpriseSettings, host: HostSettings, from: string | undefined): string {
  const { ami } = host;
  const { read, write } = neededRights(enterprise);
  const bind = isIP(ami.address) > 0 ? ami.address : '0.0.0.0 ; better the one address the daemon reaches';
  const tls = [
    'tlsenable = yes',
    `tlsbindaddr = ${isIP(ami.address) > 0 ? ami.address : '0.0.0.0'}:${ami.port}`,
    'tlscertfile = /etc/asterisk/keys/asterisk.pem',
  ];
  return [
    `; manager.conf for ${enterprise.id}/${host.id}; then: asterisk -rx "manager reload"`,
    '[general]',
    'enabled = yes',
    ...(ami.tls === undefined ? [`port = ${ami.port}`, `bindaddr = ${bind}`] : tls),
    'timestampevents = yes',
    `channelvars = MIXMONITOR_FILENAME${enterprise.clickToCall === undefined ? '' : ',X_CRM_ID'}`,
    '',
    `[${ami.user}]`,
    `secret = <the value of ${ami.secret.from} ${ami.secret.name}>`,
    'deny = 0.0.0.0/0',
    `permit = ${permitted(from)}`,
    `read = ${read.join(',')}`,
    `write = ${write.join(',')}`,
    `writetimeout = ${WRITE_TIMEOUT_MS}`,
    `eventfilter = Event: (${filtered()})[^A-Za-z]`,
    '',
  ].join('\n');
}

function permitted(from: string | undefined): string {
  if (from === undefined) return '127.0.0.0/8 ; instead: the address of the daemon';
  if (from.startsWith('127.')) return '127.0.0.0/8';
  return `${from}/${isIP(from) === 6 ? '128' : '32'}`;
}

/** What manager.conf says of one user. */
export interface ConfiguredUser {
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** Milliseconds; Asterisk's own default where the file says nothing. */
  readonly writeTimeoutMs: number;
  readonly timestamps: boolean;
}

/** Asterisk's own. */
const standardWriteTimeoutMs = 100;

/** The user's section of a manager.conf text; undefined if it has none. Templates and includes are not followed. */
export function readManagerConf(text: string, user: string): ConfiguredUser | undefined {
  let section = '';
  let found = false;
  const settings = new Map<string, string>();
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.replace(/(^|[^\\]);.*$/, '$1').trim();
    const heading = /^\[([^\]]+)\]/.exec(line);
    if (heading !== null) {
      section = heading[1] ?? '';
      found ||= section === user;
      continue;
    }
    const [, key = '', value = ''] = /^([a-z_]+)\s*=>?\s*(.*)$/i.exec(line) ?? [];
    if (key !== '' && (section === user || section === 'general'))
      settings.set(`${section === user ? 'user' : 'general'}.${key.toLowerCase()}`, value.trim());
  }
  if (!found) return undefined;
  const classes = (key: string): string[] =>
    (settings.get(key) ?? '')
      .split(',')
      .map((one) => one.trim().toLowerCase())
      .filter((one) => one !== '');
  return {
    read: classes('user.read'),
    write: classes('user.write'),
    writeTimeoutMs: Number(settings.get('user.writetimeout') ?? standardWriteTimeoutMs),
    timestamps: /^(?:yes|true|1|on)$/i.test(settings.get('general.timestampevents') ?? 'no'),
  };
}

/** As `readManagerConf`, of a file; undefined if it cannot be read: most often Asterisk is elsewhere, or we are not root. */
export function readManagerConfFile(file: string, user: string): ConfiguredUser | undefined {
  try {
    return readManagerConf(readFileSync(file, 'utf8'), user);
  } catch {
    return undefined;
  }
}
