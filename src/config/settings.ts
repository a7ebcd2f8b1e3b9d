/**
 * What the rest of the daemon knows of its configuration: plain, deeply immutable data, already checked.
 * The YAML speaks snake_case (`*-schema.ts`), the program camelCase (`build.ts` translates). Secrets are only *named* here;
 * `resolveSecret` reads them as late as possible, so that `replay` and `check-config` need none.
 */

/** Where a secret is to be found. Never the secret itself. */
export interface SecretRef {
  /** The YAML key that names it, e.g. `retailcrm.key`: what an error message says. */
  readonly key: string;
  /** An environment variable, a file, or a systemd credential (a file under `$CREDENTIALS_DIRECTORY`). */
  readonly from: 'env' | 'file' | 'credential';
  /** The variable, the absolute path, or the credential's name. */
  readonly name: string;
}

/** Seriousness from which on log lines are written. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** Which PostgreSQL holds calls and outbox. */
export type DatabaseSettings =
  /** A server run by somebody else; a plain string holds no password. */
  | { readonly kind: 'url'; readonly url: string | SecretRef }
  /** Our own embedded server; `dir` (absolute) undefined = the daemon's default place. */
  | { readonly kind: 'embedded'; readonly dir: string | undefined };

/** `daemon.yaml`: what all enterprises share. */
export interface DaemonSettings {
  /** Absolute path of the file this came from; undefined when there was none and the defaults hold. */
  readonly file: string | undefined;
  readonly database: DatabaseSettings;
  readonly log: {
    readonly level: LogLevel;
    /** undefined = pretty on a terminal, JSON lines elsewhere. */
    readonly format: 'json' | 'pretty' | undefined;
  };
  /** Absolute path of the directory with one YAML file per enterprise. */
  readonly enterprisesDir: string;
  /** Name of this daemon in leases and logs; undefined = host name and process id. */
  readonly instance: string | undefined;
  readonly http: HttpSettings;
  /** FastAGI server for the dial plan; undefined = none. */
  readonly agi: { readonly address: string; readonly port: number } | undefined;
}

/** Where the daemon listens for the CRM, for scripts, and for those who watch it. */
export interface HttpSettings {
  /** false: no listener at all. Default true. */
  readonly enabled: boolean;
  /** CRM callbacks and API. Default 127.0.0.1:8019 (a reverse proxy with TLS stands before it). Port 0: any free one. */
  readonly address: string;
  readonly port: number;
  /** https address under which the outside reaches `address:port`, without a trailing slash; module registration needs it. */
  readonly publicUrl: string | undefined;
  /** Addresses or CIDR ranges of proxies whose `X-Forwarded-For` is believed. */
  readonly trustProxy: readonly string[];
  /** Health and metrics. Default 127.0.0.1:8021; never reachable from outside unless configured so. */
  readonly health: { readonly address: string; readonly port: number };
}

/** How to reach and enter one Asterisk's manager interface. */
export interface AmiSettings {
  readonly address: string;
  /** 1–65535, default 5038 (5039 with TLS). */
  readonly port: number;
  readonly user: string;
  readonly secret: SecretRef;
  /** undefined = plain TCP. Certificates are always verified. */
  readonly tls:
    | {
        /** Absolute path of a PEM file with the CA (or the self-signed certificate); undefined = the system's. */
        readonly ca: string | undefined;
        /** Name the certificate must carry; undefined = the address. */
        readonly servername: string | undefined;
      }
    | undefined;
  /** Whether `Login` may send the password itself when MD5 is refused and there is no TLS. */
  readonly allowPlaintextLogin: boolean;
}

/** An outside line. */
export interface TrunkSettings {
  readonly name: string;
  /** Patterns over channel names without `-xxxxxxxx`, e.g. `PJSIP/provider-by`; `*` = anything. See `match.ts`. */
  readonly channels: readonly string[];
  /** ISO 3166 alpha-2: how numbers on this line are written; undefined = the enterprise's. */
  readonly country: string | undefined;
  /** A line to another host of the same enterprise: calls on it are the second half of a call, never a customer's. */
  readonly internal: boolean;
}

/** One Asterisk. */
export interface HostSettings {
  /** Immutable slug, first part of every `externalId` (`pbx1-1795339498.0`). */
  readonly id: string;
  readonly ami: AmiSettings;
  readonly trunks: readonly TrunkSettings[];
  /** Regular expressions (source text, matched against the whole number) of the employees' extensions. */
  readonly extensions: readonly string[];
  /** Dial plan contexts that tell what happened to a call. */
  readonly contexts: {
    /** A call that got no further than these was made outside working hours. */
    readonly offHours: readonly string[];
  };
}

/** A number customers dial. */
export interface DidSettings {
  /** E.164. */
  readonly number: string;
  readonly name: string | undefined;
  /** Code of the CRM's site (shop) calls to this number belong to. */
  readonly site: string | undefined;
  /** false: calls to this number are not told to the CRM (drop ledger `did_off`). */
  readonly upload: boolean;
  /** When calls to this number create customers; undefined = `CustomerSettings.create.when`. */
  readonly createCustomers: readonly CreateWhen[] | undefined;
}

/** Kinds of calls that make a customer card of a new number. */
export type CreateWhen = 'in_answered' | 'in_missed' | 'out_answered' | 'out_missed';

/** Somebody who answers the phone. */
export interface EmployeeSettings {
  readonly extension: string;
  /** The code the CRM knows her by (`additionalCodes`); the extension unless configured. */
  readonly code: string;
  /** Id of the CRM user. */
  readonly user: number | undefined;
  readonly name: string | undefined;
  /** Her own mobile phones, E.164. */
  readonly mobiles: readonly string[];
  /** `supervisor` may listen to, transfer and hang up other people's calls through the API. Default employee. */
  readonly role: 'employee' | 'supervisor';
  /** Id of the host her phone is on; undefined = the enterprise's first one. */
  readonly host: string | undefined;
}

/** Whether a kind of call becomes a history record or a row of the drop ledger. */
export type LogOrDrop = 'log' | 'drop';

/** Decisions that belong to the enterprise (`calls.md` 1–3). */
export interface PolicySettings {
  /** Whose the call is when several employees talked. */
  readonly owner: 'last_talker' | 'first_talker' | 'longest_talker';
  /** Extension that owns missed calls nobody else owns. */
  readonly defaultOwner: string | undefined;
  /** When popups of the colleagues who did not answer are closed. */
  readonly closeLosers: 'on_answer' | 'at_end';
  /** Whether a leg forwarded or transferred to an outside number is a call of its own. */
  readonly forwardedLegs: 'part_of_call' | 'own_call';
  readonly anonymous: {
    /** Whether calls without a number become history records. */
    readonly upload: boolean;
    /** Sent as the phone of such a call. */
    readonly placeholder: string;
  };
  /** Calls that voice mail took (result `no answer`). */
  readonly voicemail: LogOrDrop;
  /** Calls that only heard that we are closed (result `no answer`); see `HostSettings.contexts`. */
  readonly offHours: LogOrDrop;
  /** Calls whose caller left in the menu, before anybody rang. */
  readonly ivrOnly: LogOrDrop;
  /** Calls from and to an employee's own mobile. */
  readonly employeeMobiles: LogOrDrop;
  /** Click-to-calls whose employee did not pick up. */
  readonly clickNotAnswered: LogOrDrop;
  /** Numbers never told to the CRM: E.164, `*` = any digits. */
  readonly blacklist: readonly string[];
  /** Incoming calls nobody answered, shorter than this many seconds, are dropped (`too_short`); 0 = none. */
  readonly minimumSeconds: number;
  /** Which call events (popups) are sent. */
  readonly popups: { readonly in: boolean; readonly out: boolean; readonly hangup: boolean };
}

/** Where recordings are to be found. */
export interface RecordingSettings {
  /** Link with placeholders, see `RECORDING_PLACEHOLDERS` in `schema-parts.ts`. */
  readonly url: string;
  /** Absolute path where the files appear, with the placeholders of `url` (`/monitor/{year}/{month}/{day}`); with it a link is sent only once the file is there and stable. */
  readonly directory: string | undefined;
  /** How long an upload waits for the recording, seconds. */
  readonly waitSeconds: number;
}

/** Telephony module of the CRM: click-to-call, statuses, extensions. */
export interface ModuleSettings {
  /** Code of this connection in the CRM; default `asterisk-<enterprise id>`. */
  readonly code: string;
  readonly name: string;
  /** https address of an SVG; undefined = the one we serve ourselves under the public URL. */
  readonly logo: string | undefined;
  /** Registered at every start; else by `module register` only. */
  readonly atStart: boolean;
  /** Source addresses (IP or CIDR) callbacks may come from; empty = any. */
  readonly allowFrom: readonly string[];
}

/** What `makecall` may do. */
export interface ClickSettings {
  /** Dial plan context and priority of outgoing calls. Default `from-internal`, 1. */
  readonly context: string;
  readonly priority: number;
  /** Channel of an employee's phone, `{extension}` filled in. Default `PJSIP/{extension}`. */
  readonly channel: string;
  /** How long her phone rings, seconds. Default 30. */
  readonly timeoutSeconds: number;
  /** Dial plan variable (`PJSIP_HEADER(add,Call-Info)=…` style name and value) that makes her phone answer by itself; undefined = she picks up. */
  readonly autoAnswer: { readonly variable: string; readonly value: string } | undefined;
  /** Numbers that may be called: E.164 patterns, `*` = any digits. Default: the enterprise's country (`+375*`). */
  readonly allow: readonly string[];
  /** How a number is dialled: `e164` (+375…), `digits` (375…), `national` (8029…). Default e164. */
  readonly dial: 'e164' | 'digits' | 'national';
  /** Most clicks in a minute. Default 6 and 60. */
  readonly perEmployeePerMinute: number;
  readonly perEnterprisePerMinute: number;
}

/** Look-up, creation and follow-up of customers. */
export interface CustomerSettings {
  /** Ask the CRM who calls. Default true. */
  readonly lookup: boolean;
  /** A found customer is asked again after so many minutes (default 360), an unknown number after (default 10). */
  readonly freshMinutes: number;
  readonly missMinutes: number;
  readonly create: {
    /** Default []: never. */
    readonly when: readonly CreateWhen[];
    /** First name of the card; `{phone}` `{name}` (what the line told) `{did}`. Default `{phone}`. */
    readonly name: string;
    /** Whose customer: who answered or dialled, a fixed user id, or nobody. Default `employee`. */
    readonly manager: 'employee' | 'none' | number;
    readonly source: { readonly source?: string; readonly medium?: string; readonly campaign?: string } | undefined;
    /** `externalId` of the card is this and the digits; undefined = no externalId is sent (the shop owns that field). Default `tel-`. */
    readonly externalIdPrefix: string | undefined;
  };
  /** What an incoming call nobody answered leaves behind; each undefined = nothing. */
  readonly missed: {
    readonly order:
      | { readonly method: string; readonly status: string | undefined; readonly comment: string }
      | undefined;
    /** `{phone}` `{did}` `{time}` in `text`. `performer`: extension, or `responsible`: the customer's manager, then the default owner. */
    readonly task: { readonly text: string; readonly withinMinutes: number; readonly performer: string } | undefined;
    readonly note: string | undefined;
  };
  /** Minutes between polls of the CRM's history; 0 = off. Default 5. */
  readonly historyMinutes: number;
  /** What happens when an order reaches a status. */
  readonly orderRules: readonly OrderRule[];
}

/** One rule on orders. */
export interface OrderRule {
  /** Status code of the CRM. */
  readonly status: string;
  /** Call the customer from the manager's phone, pause the manager's queue membership, or tell her by a CRM notification. */
  readonly action: 'call' | 'pause' | 'notify';
  /** Text of the notification; `{order}` `{customer}` `{status}`. */
  readonly text: string | undefined;
}

/** Employee status in the CRM ↔ pause in queues. */
export interface StatusSettings {
  readonly toPbx: boolean;
  readonly toCrm: boolean;
  /** Member interface of an employee, `{extension}` filled in. Default `PJSIP/{extension}`. */
  readonly interface: string;
  /** Queues that are paused; empty = all she is a member of. */
  readonly queues: readonly string[];
}

/** One receiver of our own webhooks. */
export interface WebhookSettings {
  /** Name, unique in the enterprise. */
  readonly id: string;
  readonly url: string;
  /** Standard Webhooks secret, `whsec_` and base64 of 24 to 64 bytes. */
  readonly secret: SecretRef;
  readonly events: readonly WebhookEvent[];
  /** Private and loopback addresses may be called. Default false. */
  readonly allowPrivate: boolean;
}

/** What a receiver can be told. */
export type WebhookEvent = 'call.incoming' | 'call.outgoing' | 'call.answered' | 'call.finished' | 'call.missed';

/** One enterprise's account in RetailCRM. */
export interface RetailCrmSettings {
  /** Base URL without a trailing slash, e.g. `https://acme.retailcrm.ru`. */
  readonly url: string;
  readonly key: SecretRef;
  /** Code of the site (shop) when a DID names none. */
  readonly site: string | undefined;
  readonly webhookSecret: SecretRef | undefined;
  /** IANA zone of the account's zone-less times; undefined = asked from the CRM's settings. */
  readonly timezone: string | undefined;
  /** `http:` to a loopback address is allowed (emulator). */
  readonly allowInsecure: boolean;
  /** undefined = no module of ours in the account; callbacks are not accepted. */
  readonly module: ModuleSettings | undefined;
}

/** One tenant: one YAML file. */
export interface EnterpriseSettings {
  /** Absolute path of the file this came from. */
  readonly file: string;
  /** Immutable slug, key of all its rows. */
  readonly id: string;
  /** The wish list's `enterprise_number`. */
  readonly number: string;
  readonly name: string | undefined;
  /** ISO 3166 alpha-2: how numbers are written by default. */
  readonly country: string;
  /** IANA zone of dates in recording links and reports; undefined = the CRM account's. */
  readonly timezone: string | undefined;
  readonly retailcrm: RetailCrmSettings;
  readonly hosts: readonly HostSettings[];
  readonly dids: readonly DidSettings[];
  /** E.164 shown as our number when a call tells none. */
  readonly defaultDid: string | undefined;
  readonly employees: readonly EmployeeSettings[];
  /** undefined = recordings are not linked. */
  readonly recordings: RecordingSettings | undefined;
  readonly policies: PolicySettings;
  /** undefined = click-to-call is off. */
  readonly clickToCall: ClickSettings | undefined;
  readonly customers: CustomerSettings;
  readonly statuses: StatusSettings;
  readonly webhooks: readonly WebhookSettings[];
}

/** Everything: one `daemon.yaml` and its enterprises, in order of file name. */
export interface Settings {
  readonly daemon: DaemonSettings;
  readonly enterprises: readonly EnterpriseSettings[];
}
