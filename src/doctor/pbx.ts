/** One Asterisk: can we get in, do we hear what we need, is it the one the configuration means. */
import { isIP } from 'node:net';
import type { AmiAddress, AmiConnection, CloseReason } from '../ami/connection.ts';
import { channelStem } from '../config/match.ts';
import { amiAddress } from '../config/amiAddress.ts';
import type { EnterpriseSettings, HostSettings } from '../config/settings.ts';
import { judgeVersion } from './asteriskVersion.ts';
import { askEndPoints, judgeEndPoints } from './endpoints.ts';
import type { Finding } from './finding.ts';
import { Findings, many, secretFix, wordsOf } from './finding.ts';
import { type ConfiguredUser, readManagerConfFile, WRITE_TIMEOUT_MS } from './managerConf.ts';
import { judgeRead, judgeWrite, neededRights } from './rights.ts';
import { type OneShot, withSession } from './session.ts';

/** What looking at one host needs beside its settings. */
export interface PbxOptions {
  /** How long to listen for events, seconds. */
  readonly watchSeconds: number;
  /** manager.conf of an Asterisk on this machine. */
  readonly managerConf: string;
  /** When the daemon last stored a call of this host, if the database told. */
  readonly lastCall: Date | undefined;
}

/** What was found, and what tells two entries of one Asterisk apart from two Asterisks. */
export interface PbxReport {
  readonly findings: readonly Finding[];
  /** Start of Asterisk and its system name; undefined if it was not reached. */
  readonly identity: string | undefined;
}

/** Looks at one host. Throws nothing. */
export async function examinePbx(
  enterprise: EnterpriseSettings,
  host: HostSettings,
  options: PbxOptions,
): Promise<PbxReport> {
  const findings = new Findings('pbx', `${enterprise.id}/${host.id}`);
  let address: AmiAddress;
  try {
    address = amiAddress(host);
  } catch (error) {
    findings.fail('login', `the password cannot be had: ${wordsOf(error)}`, secretFix(host.ami.secret));
    return { findings: findings.all, identity: undefined };
  }
  const { done, refused } = await withSession(address, (session) => look(session, enterprise, host, options, findings));
  if (refused !== undefined) findings.fail('login', ...explain(refused, host));
  return { findings: findings.all, identity: done };
}

async function look(
  session: OneShot,
  enterprise: EnterpriseSettings,
  host: HostSettings,
  options: PbxOptions,
  findings: Findings,
): Promise<string | undefined> {
  const { connection } = session;
  const { ami } = host;
  findings.ok('login', `logged in as ${ami.user} at ${ami.address}:${ami.port} (${connection.banner})`);
  const actions = await askActions(connection);
  const core = await askFields(connection, 'CoreSettings');
  const before = await askFields(connection, 'CoreStatus');
  judgeVersion(core?.('AsteriskVersion'), (action) => actions?.has(action) ?? true, findings);
  const needed = neededRights(enterprise);
  judgeWrite(actions, needed, ami.user, findings);
  await judgeClock(connection, findings);

  const configured = isLocal(ami.address) ? readManagerConfFile(options.managerConf, ami.user) : undefined;
  const endPoints = await askEndPoints(connection);
  await new Promise((resolve) => setTimeout(resolve, options.watchSeconds * 1000));
  const live = await liveStems(connection);
  const after = await askFields(connection, 'CoreStatus');
  const counted = [before, after].map((fields) => Number(fields?.('CoreProcessedCalls') ?? Number.NaN));
  const moved = (counted[1] ?? Number.NaN) > (counted[0] ?? Number.NaN);
  judgeRead(
    {
      classes: session.classes,
      seconds: options.watchSeconds,
      callsMoved: moved || undefined,
      lastCall: options.lastCall,
      configured: configured?.read,
    },
    needed,
    ami.user,
    new Date(),
    findings,
  );
  judgeManners(session, configured, host, findings);
  judgeEndPoints(endPoints, live, enterprise, host, findings);
  await judgeDialPlan(connection, enterprise, findings);
  const started = before?.('CoreStartupDate');
  return started === undefined
    ? undefined
    : `${core?.('SystemName') ?? ''} ${started} ${before?.('CoreStartupTime') ?? ''}`;
}

/** Names of the actions the user may use, in lower case. */
async function askActions(connection: AmiConnection): Promise<ReadonlySet<string> | undefined> {
  const reply = await connection.action({ Action: 'ListCommands' });
  if (reply.outcome !== 'answered' || reply.response.name !== 'Success') return undefined;
  return new Set(reply.response.entries().map(([name]) => name.toLowerCase()));
}

async function askFields(
  connection: AmiConnection,
  action: string,
): Promise<((name: string) => string | undefined) | undefined> {
  const reply = await connection.action({ Action: action });
  if (reply.outcome !== 'answered' || reply.response.name !== 'Success') return undefined;
  return (name) => reply.response.get(name);
}

async function liveStems(connection: AmiConnection): Promise<string[]> {
  const status = await connection.list({ Action: 'Status' });
  if (status.outcome !== 'complete') return [];
  return status.items.flatMap((item) => {
    const channel = item.get('Channel');
    return channel === undefined || !channel.includes('/') ? [] : [channelStem(channel)];
  });
}

/** Beyond this the log of PBX and daemon can hardly be compared; the daemon itself corrects any difference. */
const SKEW_MS = 2_000;

async function judgeClock(connection: AmiConnection, findings: Findings): Promise<void> {
  const asked = Date.now();
  const reply = await connection.action({ Action: 'Ping' });
  const middle = (asked + Date.now()) / 2;
  const theirs =
    reply.outcome === 'answered' ? Number(reply.response.get('Timestamp') ?? Number.NaN) * 1000 : Number.NaN;
  if (!Number.isFinite(theirs)) return;
  const skew = Math.round(theirs - middle);
  const seconds = `${Math.abs(skew / 1000).toFixed(1)} s ${skew > 0 ? 'ahead of' : 'behind'} ours`;
  if (Math.abs(skew) > SKEW_MS) {
    findings.warn(
      'clock',
      `the clock of the PBX is ${seconds}; calls are told with its time`,
      'run chrony or systemd-timesyncd on both machines',
    );
  } else findings.ok('clock', `the clock of the PBX agrees with ours (${skew} ms)`);
}

/** How events come: with exact times, over a way nobody reads, and not cut off at the first pause of ours. */
function judgeManners(
  session: OneShot,
  configured: ConfiguredUser | undefined,
  { ami }: HostSettings,
  findings: Findings,
): void {
  const stamped = session.heard.events > 0 ? session.heard.stamped > 0 : configured?.timestamps;
  if (stamped === false) {
    findings.warn(
      'timestamps',
      'events carry no times of their own: a slow network shifts what calls are told',
      'set timestampevents = yes in [general] of manager.conf',
    );
  }
  if (configured !== undefined) {
    const { writeTimeoutMs } = configured;
    if (writeTimeoutMs < WRITE_TIMEOUT_MS) {
      findings.warn(
        'writetimeout',
        `Asterisk drops user ${ami.user} when it does not read for ${writeTimeoutMs} ms`,
        `set writetimeout = ${WRITE_TIMEOUT_MS} for [${ami.user}] in manager.conf`,
      );
    } else findings.ok('writetimeout', `Asterisk waits ${writeTimeoutMs} ms for a reader that pauses`);
  } else {
    findings.ok(
      'writetimeout',
      `manager.conf cannot be read from here; its writetimeout should be ${WRITE_TIMEOUT_MS} (see --print-manager-conf)`,
    );
  }
  if (ami.tls === undefined && !isLocal(ami.address)) {
    findings.warn(
      'tls',
      `all calls and numbers travel unencrypted to ${ami.address}`,
      'use TLS (hosts[].ami.tls; tlsenable in manager.conf), or a tunnel such as WireGuard',
    );
  }
}

/** The context clicks are dialled in must be there. */
async function judgeDialPlan(
  connection: AmiConnection,
  enterprise: EnterpriseSettings,
  findings: Findings,
): Promise<void> {
  const context = enterprise.clickToCall?.context;
  if (context === undefined) return;
  const reply = await connection.list({ Action: 'ShowDialPlan', Context: context });
  if (reply.outcome === 'complete') {
    const lines = reply.items.filter((item) => item.name === 'ListDialplan').length;
    findings.ok('dialplan', `context ${context} of click-to-call is in the dial plan (${many(lines, 'line')})`);
  } else if (reply.outcome === 'refused' && /context/i.test(reply.message)) {
    findings.fail(
      'dialplan',
      `the dial plan has no context ${context}: no click can be dialled`,
      'set click_to_call.context to the context outgoing calls are dialled in',
    );
  }
}

function isLocal(address: string): boolean {
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

/** Why there was no login, and what to look at. */
function explain({ cause, detail }: CloseReason, { ami }: HostSettings): readonly [says: string, fix: string] {
  const where = `${ami.address}:${ami.port}`;
  switch (cause) {
    case 'connectFailed':
      return [
        `${where} cannot be reached (${detail})`,
        ami.tls === undefined
          ? 'is Asterisk running, enabled = yes and bindaddr right in manager.conf, and the port open in the firewall'
          : 'is tlsenable = yes in manager.conf, and does hosts[].ami.tls name the CA and the name the certificate carries',
      ];
    case 'noGreeting':
      return [
        `${where} does not answer, or is open and says nothing`,
        'is a firewall in the way; a port with TLS wants hosts[].ami.tls',
      ];
    case 'notAsterisk':
      return [
        `what answers at ${where} is not the manager of an Asterisk`,
        'correct hosts[].ami.address and port (5038, with TLS 5039)',
      ];
    case 'authRefused':
      return [
        `Asterisk refuses user ${ami.user}: ${detail}`,
        `in manager.conf compare [${ami.user}], its secret with ${ami.secret.from} ${ami.secret.name}, and deny and permit with our address; then "manager reload"`,
      ];
    case 'loginUnanswered':
    case 'silent':
    case 'badStream':
    case 'unsynced':
    case 'ended':
    case 'socketError':
    case 'stopped':
      return [
        `the connection to ${where} broke off (${cause}: ${detail})`,
        'deny and permit in manager.conf end a connection like this; Asterisk says more in its log',
      ];
  }
}
