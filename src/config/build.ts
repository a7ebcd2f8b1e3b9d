import { dirname, resolve } from 'node:path';
import type { DaemonYaml } from './daemon-schema.ts';
import type { EnterpriseYaml } from './enterprise-schema.ts';
import type {
  DaemonSettings,
  DatabaseSettings,
  EnterpriseSettings,
  HostSettings,
  PolicySettings,
  SecretRef,
} from './settings.ts';

type SecretYaml = EnterpriseYaml['retailcrm']['key'];

/** `daemon.yaml` in the program's words; `file` is absolute, paths in it are relative to its directory. */
export function buildDaemon(yaml: DaemonYaml, file: string): DaemonSettings {
  const dir = dirname(file);
  return deepFreeze({
    file,
    database: buildDatabase(yaml.database, dir),
    log: { level: yaml.log.level, format: yaml.log.format },
    enterprisesDir: resolve(dir, yaml.enterprises),
    instance: yaml.instance,
  });
}

/** An enterprise's file in the program's words; see `buildDaemon`. */
export function buildEnterprise(yaml: EnterpriseYaml, file: string): EnterpriseSettings {
  const dir = dirname(file);
  const crm = yaml.retailcrm;
  return deepFreeze({
    file,
    id: yaml.id,
    number: yaml.number,
    name: yaml.name,
    country: yaml.country,
    timezone: yaml.timezone,
    retailcrm: {
      url: crm.url.replace(/\/+$/, ''),
      key: buildSecret(crm.key, 'retailcrm.key', dir),
      site: crm.site,
      webhookSecret: crm.webhook_secret && buildSecret(crm.webhook_secret, 'retailcrm.webhook_secret', dir),
      timezone: crm.timezone,
      allowInsecure: crm.allow_insecure,
    },
    hosts: yaml.hosts.map((host, index) => buildHost(host, `hosts[${index}]`, dir)),
    dids: yaml.dids.map(({ number, name, site, upload }) => ({ number, name, site, upload })),
    defaultDid: yaml.default_did,
    employees: yaml.employees.map(({ extension, code, user, name, mobiles }) => ({
      extension,
      code: code ?? extension,
      user,
      name,
      mobiles,
    })),
    recordings: yaml.recordings && {
      url: yaml.recordings.url,
      directory: yaml.recordings.directory && resolve(dir, yaml.recordings.directory),
      waitSeconds: yaml.recordings.wait_seconds,
    },
    policies: buildPolicies(yaml.policies),
  });
}

function buildDatabase(yaml: DaemonYaml['database'], dir: string): DatabaseSettings {
  if (yaml.url === undefined) return { kind: 'embedded', dir: yaml.embedded?.dir && resolve(dir, yaml.embedded.dir) };
  return { kind: 'url', url: typeof yaml.url === 'string' ? yaml.url : buildSecret(yaml.url, 'database.url', dir) };
}

function buildHost(yaml: EnterpriseYaml['hosts'][number], path: string, dir: string): HostSettings {
  const { ami } = yaml;
  return {
    id: yaml.id,
    ami: {
      address: ami.address,
      port: ami.port ?? (ami.tls ? 5039 : 5038),
      user: ami.user,
      secret: buildSecret(ami.secret, `${path}.ami.secret`, dir),
      tls: ami.tls && { ca: ami.tls.ca && resolve(dir, ami.tls.ca), servername: ami.tls.servername },
      allowPlaintextLogin: ami.allow_plaintext_login,
    },
    trunks: yaml.trunks.map(({ name, channels, country, internal }) => ({ name, channels, country, internal })),
    extensions: yaml.extensions,
    contexts: { offHours: yaml.contexts.off_hours },
  };
}

function buildPolicies(yaml: EnterpriseYaml['policies']): PolicySettings {
  return {
    owner: yaml.owner,
    defaultOwner: yaml.default_owner,
    closeLosers: yaml.close_losers,
    forwardedLegs: yaml.forwarded_legs,
    anonymous: yaml.anonymous,
    voicemail: yaml.voicemail,
    offHours: yaml.off_hours,
    ivrOnly: yaml.ivr_only,
    employeeMobiles: yaml.employee_mobiles,
    clickNotAnswered: yaml.click_not_answered,
    blacklist: yaml.blacklist,
    minimumSeconds: yaml.minimum_seconds,
    popups: yaml.popups,
  };
}

/** The schema has seen to it that exactly one way is named. */
function buildSecret(yaml: SecretYaml, key: string, dir: string): SecretRef {
  if (yaml.env !== undefined) return { key, from: 'env', name: yaml.env };
  if (yaml.file !== undefined) return { key, from: 'file', name: resolve(dir, yaml.file) };
  return { key, from: 'credential', name: yaml.credential ?? '' };
}

/** Settings are shared by everything that runs: nobody may change them. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
