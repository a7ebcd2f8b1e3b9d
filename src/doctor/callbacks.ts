/** Can the CRM reach us: our own public address, asked from here. */
import type { EnterpriseSettings, HttpSettings } from '../config/settings.ts';
import { Findings } from './finding.ts';
import { causeOf } from './recordings.ts';

const REPLY_MS = 5_000;
/** A page of ours that needs no credential. */
const PAGE = '/logo.svg';

/** What must be reachable, and why; empty = nothing is switched on that the CRM calls. */
function callers(enterprises: readonly EnterpriseSettings[]): string[] {
  return enterprises.flatMap(({ id, retailcrm }) => [
    ...(retailcrm.module === undefined ? [] : [`module of ${id}`]),
    ...(retailcrm.webhookSecret === undefined ? [] : [`triggers of ${id}`]),
  ]);
}

/** Looks at the listener on this machine, then at the way in from outside. */
export async function examineCallbacks(
  http: HttpSettings,
  enterprises: readonly EnterpriseSettings[],
): Promise<Findings['all']> {
  const findings = new Findings('callbacks', '');
  const who = callers(enterprises);
  if (who.length === 0) return findings.all;
  if (!http.enabled) {
    findings.fail(
      'listener',
      `http is switched off, but the CRM is to call us (${who.join(', ')})`,
      'set http.enabled: true in daemon.yaml',
    );
    return findings.all;
  }
  const here = await ask(`http://${authority(http.address, http.port)}${PAGE}`);
  if (here.ours) findings.ok('listener', `the daemon answers at ${http.address}:${http.port}`);
  else {
    findings.warn(
      'listener',
      `the daemon does not answer at ${http.address}:${http.port}: ${here.says}`,
      'start the daemon; without it callbacks cannot be tried',
    );
  }
  const { publicUrl } = http;
  if (publicUrl === undefined) {
    findings.fail(
      'public',
      `http.public_url is missing, so the CRM cannot be told where to call (${who.join(', ')})`,
      'name the https address of your reverse proxy in daemon.yaml',
    );
    return findings.all;
  }
  const outside = await ask(`${publicUrl}${PAGE}`);
  if (outside.ours) findings.ok('public', `${publicUrl} leads to the daemon`);
  else if (here.ours) {
    findings.fail(
      'public',
      `${publicUrl} does not lead to the daemon: ${outside.says}`,
      `let the proxy pass /crm/, /retailcrm/, /api/ and ${PAGE} on to ${http.address}:${http.port}; its certificate must be valid`,
    );
  } else
    findings.warn(
      'public',
      `${publicUrl} could not be tried: ${outside.says}`,
      'start the daemon and run doctor again',
    );
  return findings.all;
}

function authority(address: string, port: number): string {
  const host = address === '0.0.0.0' || address === '::' ? 'localhost' : address;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Is it our page that answers there? */
async function ask(url: string): Promise<{ ours: boolean; says: string }> {
  try {
    const reply = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(REPLY_MS) });
    const type = reply.headers.get('content-type') ?? '';
    await reply.body?.cancel();
    const ours = reply.status === 200 && type.startsWith('image/svg+xml');
    return { ours, says: ours ? 'ok' : `status ${reply.status}, ${type === '' ? 'no type' : type}` };
  } catch (error) {
    return { ours: false, says: causeOf(error) };
  }
}
