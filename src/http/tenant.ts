/**
 * What the HTTP room may ask of one enterprise, as functions handed in: it knows of no Asterisk, no CRM and no other
 * tenant. Which tenant a request belongs to is decided by its credential only, never by its body (`security.md`, V8.4.1).
 */

/** One valid credential pair. During a rotation there are two. Only digests: a secret is never compared as it is. */
export interface Credential {
  /** SHA-256 of the clientId. */
  readonly clientId: Buffer;
  /** SHA-256 of the token in the path of our callback addresses. */
  readonly pathToken: Buffer;
}

/** Who asks, as far as it matters for limits and the audit log. */
export interface Caller {
  /** Source address, after trusted proxies. */
  readonly from: string;
  /** `crm`: a callback of RetailCRM; `api`: a script of the shop. */
  readonly via: 'crm' | 'api';
}

/** How an action ended. `refused` carries the HTTP status, a stable code for programs and a sentence for people. */
export type ActionReply<T = unknown> =
  | ({ readonly outcome: 'done' } & T)
  | {
      readonly outcome: 'refused';
      readonly status: 400 | 403 | 404 | 409 | 429 | 503;
      /** `bad_phone`, `not_allowed`, `unknown_extension`, `not_registered`, `host_down`, `too_many`, `no_such_call`, … */
      readonly code: string;
      readonly message: string;
    };

/** A click on a number (`retailcrm-api.md` 5.4; wish list 6). */
export interface ClickRequest extends Caller {
  /** The employee's extension (or CRM code); may be missing: then `userId` says who. */
  readonly code: string | undefined;
  readonly userId: number | undefined;
  /** As stored on the card: any spelling. */
  readonly phone: string;
  /** Our number to present, as the CRM sends it. */
  readonly externalPhone: string | undefined;
  /** The caller's own id of this request: two with one id are one click. */
  readonly requestId: string | undefined;
}

/** What a click became. */
export interface ClickDone {
  /** Our id of the click, `X_CRM_ID` on the channel. */
  readonly clickId: string;
  /** The originated channel's Uniqueid; the call's externalId is `<host>-<uniqueid>`. */
  readonly callId: string;
  /** An earlier identical click within 5 s was answered with its result. */
  readonly repeated: boolean;
  /** Who is called, if known: `{id, name}` of the CRM. */
  readonly customer: { readonly id: number; readonly name: string | undefined } | undefined;
}

/** Which live call: by an employee's extension, or by the call's externalId. */
export interface CallAddress {
  readonly code: string | undefined;
  readonly callId: string | undefined;
}

/** `/api/transfer` (`ami-events.md` 8). */
export interface TransferRequest extends Caller, CallAddress {
  /** Extension of who asks; her role decides whether she may touch other people's calls. */
  readonly by: string;
  readonly kind: 'blind' | 'attended' | 'complete' | 'cancel';
  /** Extension or allowed outside number; missing for `complete` and `cancel`. */
  readonly to: string | undefined;
}

/** `/api/monitor`: supervisors only. */
export interface MonitorRequest extends Caller, CallAddress {
  readonly by: string;
  readonly mode: 'listen' | 'whisper' | 'barge';
}

/** `/api/hangup`. */
export interface HangupRequest extends Caller, CallAddress {
  readonly by: string;
}

/** Who is responsible for a number; everything but `known` may be missing. */
export interface ResponsibleReply {
  readonly known: boolean;
  readonly extension?: string | undefined;
  readonly manager?: string | undefined;
  readonly customer?: string | undefined;
  readonly status?: 'free' | 'busy' | 'dinner' | 'break' | undefined;
}

/** `changeUserStatusUrl` (`retailcrm-api.md` 5.5). */
export interface UserStatusRequest extends Caller {
  readonly userId: number | undefined;
  readonly code: string | undefined;
  readonly status: string;
}

/** Activity callback (`retailcrm-api.md` 5.2): effective state is `active && !freeze`. */
export interface ActivityRequest extends Caller {
  readonly active: boolean;
  readonly freeze: boolean;
  /** Never replaces the configured address; a different host is logged. */
  readonly systemUrl: string | undefined;
}

/** One trigger (`retailcrm-api.md` 13): a hint only, the entity is read through the API. */
export interface ChangeHint extends Caller {
  readonly event: 'customer.create' | 'customer.edit' | 'order.create' | 'order.edit';
  readonly id: number;
}

/** One enterprise, as HTTP sees it. Every function resolves; a rejection is a defect and becomes a 500. */
export interface Tenant {
  readonly id: string;
  /** Credentials valid now; empty = nobody can come in. */
  credentials(): readonly Credential[];
  /** SHA-256 of the webhook secret; undefined = triggers are not accepted. */
  readonly webhookSecret: Buffer | undefined;
  /** Source addresses (IP or CIDR) callbacks may come from; empty = any. */
  readonly allowFrom: readonly string[];
  makeCall(request: ClickRequest): Promise<ActionReply<ClickDone>>;
  transfer(request: TransferRequest): Promise<ActionReply>;
  monitor(request: MonitorRequest): Promise<ActionReply>;
  hangup(request: HangupRequest): Promise<ActionReply>;
  /** Within 150 ms, whatever happens. */
  responsible(phone: string): Promise<ResponsibleReply>;
  userStatus(request: UserStatusRequest): Promise<void>;
  activity(request: ActivityRequest): Promise<void>;
  /** Resolves after the hint is committed (P7). */
  changed(hint: ChangeHint): Promise<void>;
  /** A refused request worth remembering: wrong credential, forbidden address. Never throws. */
  refused(what: string, from: string): void;
}
