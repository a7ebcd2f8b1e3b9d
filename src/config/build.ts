import { dirname, resolve } from 'node:path';
import type { DaemonYaml } from './daemon-schema.ts';
import type { EnterpriseYaml } from './enterprise-schema.ts';
import { callingCode } from './phones.ts';
import type {
  ClickSettings,
  CustomerSettings,
  DaemonSettings,
  DatabaseSettings,
  EnterpriseSettings,
  HostSettings,
  ModuleSettings,
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
    http: {
      enabled: yaml.http.enabled,
      address: yaml.http.address,
      port: yaml.http.port,
      publicUrl: yaml.http.public_url?.replace(/\/+$/, ''),
      trustProxy: yaml.http.trust_proxy,
      health: yaml.http.health,
    },
    agi: yaml.agi,
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
      module: crm.module && buildModule(crm.module, yaml.id),
    },
    hosts: yaml.hosts.map((host, index) => buildHost(host, `hosts[${index}]`, dir)),
    dids: yaml.dids.map(({ number, name, site, upload, create_customers }) => ({
      number,
      name,
      site,
      upload,
      createCustomers: create_customers,
    })),
    defaultDid: yaml.default_did,
    employees: yaml.employees.map(({ extension, code, user, name, mobiles, role, host }) => ({
      extension,
      code: code ?? extension,
      user,
      name,
      mobiles,
      role,
      host,
    })),
    recordings: yaml.recordings && {
      url: yaml.recordings.url,
      directory: yaml.recordings.directory && resolve(dir, yaml.recordings.directory),
      waitSeconds: yaml.recordings.wait_seconds,
    },
    policies: buildPolicies(yaml.policies),
    clickToCall: yaml.click_to_call && buildClick(yaml.click_to_call, yaml.country),
    customers: buildCustomers(yaml.customers),
    statuses: {
      toPbx: yaml.statuses.to_pbx,
      toCrm: yaml.statuses.to_crm,
      interface: yaml.statuses.interface,
      queues: yaml.statuses.queues,
    },
    webhooks: yaml.webhooks.map((hook, index) => ({
      id: hook.id,
      url: hook.url,
      secret: buildSecret(hook.secret, `webhooks[${index}].secret`, dir),
      events: hook.events,
      allowPrivate: hook.allow_private,
    })),
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

function buildModule(yaml: NonNullable<EnterpriseYaml['retailcrm']['module']>, id: string): ModuleSettings {
  return {
    code: yaml.code ?? `asterisk-${id}`,
    name: yaml.name,
    logo: yaml.logo,
    atStart: yaml.at_start,
    allowFrom: yaml.allow_from,
  };
}

function buildClick(yaml: NonNullable<EnterpriseYaml['click_to_call']>, country: string): ClickSettings {
  return {
    context: yaml.context,
    priority: yaml.priority,
    channel: yaml.channel,
    timeoutSeconds: yaml.timeout_seconds,
    autoAnswer: yaml.auto_answer,
    allow: (yaml.allow ?? [`${callingCode(country)}*`]).map((pattern) =>
      pattern.startsWith('+') ? pattern : `+${pattern}`,
    ),
    dial: yaml.dial,
    perEmployeePerMinute: yaml.per_employee_per_minute,
    perEnterprisePerMinute: yaml.per_enterprise_per_minute,
  };
}

function buildCustomers(yaml: EnterpriseYaml['customers']): CustomerSettings {
  const { create, missed } = yaml;
  return {
    lookup: yaml.lookup,
    freshMinutes: yaml.fresh_minutes,
    missMinutes: yaml.miss_minutes,
    create: {
      when: create.when,
      name: create.name,
      manager: create.manager,
      source: create.source && definedOnly(create.source),
      externalIdPrefix: create.external_id_prefix === '' ? undefined : create.external_id_prefix,
    },
    missed: {
      order: missed.order && { ...missed.order, status: missed.order.status },
      task: missed.task && {
        text: missed.task.text,
        withinMinutes: missed.task.within_minutes,
        performer: missed.task.performer,
      },
      note: missed.note,
    },
    historyMinutes: yaml.history_minutes,
    orderRules: yaml.order_rules.map(({ status, action, text }) => ({ status, action, text })),
  };
}

/** Without the keys that were left out: what is sent to the CRM has no empty fields. */
function definedOnly(source: {
  source?: string | undefined;
  medium?: string | undefined;
  campaign?: string | undefined;
}): {
  source?: string;
  medium?: string;
  campaign?: string;
} {
  return Object.fromEntries(Object.entries(source).filter(([, value]) => value !== undefined));
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
