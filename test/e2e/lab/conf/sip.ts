/** pjsip.conf or sip.conf: the phones 150-152 and the two providers. */
import type { Setup } from './setup.ts';

/** The employees' extensions; each phone registers with a password of its own. */
export const extensions = ['150', '151', '152'];

/** Outside lines: endpoint name in Asterisk → host part in the lab's network. */
export const trunks = { 'provider-by': 'providerBy', 'provider-ru': 'providerRu' } as const;

/** Password of an extension's phone. Loopback only. */
export function phoneSecret(extension: string): string {
  return `phone-${extension}`;
}

/** The SIP side's configuration files: file name → content. */
export function sipFiles(setup: Setup): Record<string, string> {
  return setup.driver === 'pjsip' ? { 'pjsip.conf': pjsipConf(setup) } : { 'sip.conf': sipConf(setup) };
}

function pjsipConf({ network }: Setup): string {
  const phones = extensions.map(
    (ext) => `[${ext}]
type = auth
auth_type = userpass
username = ${ext}
password = ${phoneSecret(ext)}

[${ext}]
type = aor
max_contacts = 2

[${ext}]
type = endpoint
context = from-internal
disallow = all
allow = ulaw
direct_media = no
timers = no
auth = ${ext}
aors = ${ext}
callerid = "Operator ${ext}" <${ext}>
call_group = 1
pickup_group = 1
mailboxes = ${ext}@default
`,
  );
  const providers = Object.entries(trunks).map(
    ([name, host]) => `[${name}]
type = aor
contact = sip:${network[host]}:5060

[${name}]
type = endpoint
context = from-trunk
disallow = all
allow = ulaw
direct_media = no
timers = no
trust_id_inbound = yes
aors = ${name}

[${name}]
type = identify
endpoint = ${name}
match = ${network[host]}
`,
  );
  const transport = `[global]
type = global
user_agent = lab

[udp]
type = transport
protocol = udp
bind = ${network.pbx}:5060
`;
  return [transport, ...phones, ...providers].join('\n');
}

function sipConf({ network }: Setup): string {
  const general = `[general]
context = nowhere
udpbindaddr = ${network.pbx}:5060
allowguest = no
directmedia = no
session-timers = refuse
callcounter = yes
disallow = all
allow = ulaw
dtmfmode = rfc2833
nat = no
qualify = no
`;
  const phones = extensions.map(
    (ext) => `[${ext}]
type = friend
host = dynamic
secret = ${phoneSecret(ext)}
context = from-internal
callerid = "Operator ${ext}" <${ext}>
callgroup = 1
pickupgroup = 1
`,
  );
  const providers = Object.entries(trunks).map(
    ([name, host]) => `[${name}]
type = peer
host = ${network[host]}
insecure = port,invite
trustrpid = yes
context = from-trunk
`,
  );
  return [general, ...phones, ...providers].join('\n');
}
