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
}

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
}

/** Everything: one `daemon.yaml` and its enterprises, in order of file name. */
export interface Settings {
  readonly daemon: DaemonSettings;
  readonly enterprises: readonly EnterpriseSettings[];
}
