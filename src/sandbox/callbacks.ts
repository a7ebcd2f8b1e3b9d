/** The requests the CRM makes to us, placed on command: click-to-call, user status, activity, settings page, triggers. Behaviours 58–61. */

import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import {
  type Account,
  activeTelephony,
  type Call,
  codeOf,
  type Customer,
  type Module,
  type Order,
  type PlacedCallback,
  pushCapped,
  type Trigger,
  type User,
} from './account.ts';
import { asObject } from './ask.ts';
import { spellings } from './phones.ts';

const MAX_REPLY_BYTES = 64 * 1024;

/** What a trigger's templates can see. */
export interface Subject {
  customer?: Customer | undefined;
  order?: Order | undefined;
  call?: Call | undefined;
}

/** A click on the phone icon. */
export interface Click {
  userId: number;
  /** The number as it stands on the card, or undefined with `customerId`. */
  phone?: string | undefined;
  customerId?: number | undefined;
  /** How the number is written: as on the card, or one of three usual spellings. Default: each spelling in turn. */
  spelling?: 'stored' | 'brackets' | 'trunk' | 'national' | undefined;
  /** The shop of the card that was clicked; brings the shop's external phone along. */
  site?: string | undefined;
  /** Default GET. */
  method?: 'GET' | 'POST' | undefined;
}

/** Places callbacks and keeps what came of them. */
export class Callbacks {
  readonly #now: () => number;
  readonly #timeoutMs: number;
  readonly #cap: number;
  readonly #open = new Set<Promise<PlacedCallback>>();
  #clicks = 0;

  /** @param timeoutMs how long the receiver may take before the callback counts as failed. @param cap most results kept. */
  constructor(now: () => number, timeoutMs: number, cap: number) {
    this.#now = now;
    this.#timeoutMs = timeoutMs;
    this.#cap = cap;
  }

  /** Resolves when no callback is under way. */
  async settled(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open);
  }

  /** Behaviour 58: GET makeCallUrl. @throws Error when there is no module, address or number. */
  click(account: Account, click: Click): Promise<PlacedCallback> {
    const { module, telephony } = needModule(account);
    if (telephony.makeCallUrl === undefined) throw new Error('the active module has no makeCallUrl');
    const customer = click.customerId === undefined ? undefined : account.customers.get(click.customerId);
    const stored = click.phone ?? customer?.phones[0]?.number;
    if (stored === undefined) throw new Error('no number to call: give phone, or customerId of a customer with one');
    const ways = spellings(stored);
    const way = { stored: -1, brackets: 0, trunk: 1, national: 2 }[click.spelling ?? 'stored'];
    const index = click.spelling === undefined ? this.#clicks++ % ways.length : way;
    const site = click.site ?? customer?.site;
    const own = telephony.externalPhones.find((entry) => entry.siteCode === site)?.externalPhone;
    return this.#place(account, 'click', click.method ?? 'GET', telephony.makeCallUrl, {
      clientId: module.clientId,
      code: codeOf(account, click.userId) ?? '',
      phone: ways[index] ?? stored,
      userId: String(click.userId),
      ...(own !== undefined && { externalPhone: own }),
    });
  }

  /** Behaviour 59: GET changeUserStatusUrl; undefined when the module has no such address. */
  userStatus(account: Account, user: User): Promise<PlacedCallback> | undefined {
    const active = activeTelephony(account);
    const url = active?.telephony.changeUserStatusUrl;
    if (!active || url === undefined) return undefined;
    const code = codeOf(account, user.id);
    return this.#place(account, 'user-status', 'GET', url, {
      clientId: active.module.clientId,
      userId: String(user.id),
      ...(code !== undefined && { code }),
      status: user.status,
    });
  }

  /** Behaviour 60: somebody switched the module on or off. @throws Error when the module has no activity address. */
  activity(account: Account, module: Module, systemUrl: string): Promise<PlacedCallback> {
    const path = module.actions['activity'];
    if (path === undefined) throw new Error(`module ${module.code} has no activity action`);
    const url = `${module.baseUrl.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`;
    const activity = JSON.stringify({ active: module.active, freeze: module.freeze });
    const parameters = { clientId: module.clientId, activity, systemUrl };
    return this.#place(account, 'activity', 'POST', url, parameters, saysSuccess);
  }

  /** Somebody opened the module's settings page. @throws Error when the module has no accountUrl. */
  accountUrl(account: Account, module: Module): Promise<PlacedCallback> {
    if (module.accountUrl === undefined) throw new Error(`module ${module.code} has no accountUrl`);
    return this.#place(account, 'account-url', 'POST', module.accountUrl, { clientId: module.clientId });
  }

  /** Behaviour 61: a trigger's HTTP request, its templates filled in. */
  trigger(
    account: Account,
    trigger: Pick<Trigger, 'url' | 'method' | 'parameters'>,
    subject: Subject,
  ): Promise<PlacedCallback> {
    const filled = Object.entries(trigger.parameters).map(([name, template]) => [name, fill(template, subject)]);
    return this.#place(
      account,
      'trigger',
      trigger.method,
      trigger.url,
      Object.fromEntries(filled) as Record<string, string>,
    );
  }

  /** Behaviour 28: fires the account's own missed-call triggers. */
  missedCall(account: Account, call: Call, customer: Customer | undefined): void {
    for (const trigger of account.triggers) {
      if (trigger.on === 'call.missed') void this.trigger(account, trigger, { call, customer });
    }
  }

  #place(
    account: Account,
    kind: PlacedCallback['kind'],
    method: 'GET' | 'POST',
    url: string,
    parameters: Record<string, string>,
    accepted: (body: string) => boolean = () => true,
  ): Promise<PlacedCallback> {
    const at = this.#now();
    const started = performance.now();
    const placed = send(method, url, new URLSearchParams(parameters).toString(), this.#timeoutMs).then(
      (answer): PlacedCallback => {
        const good =
          answer.status !== undefined && answer.status >= 200 && answer.status < 300 && accepted(answer.body);
        const milliseconds = Math.round(performance.now() - started);
        const result = { at, kind, method, url, parameters, ok: good, ...answer, milliseconds };
        pushCapped(account.callbacks, result, this.#cap);
        return result;
      },
    );
    this.#open.add(placed);
    void placed.finally(() => this.#open.delete(placed));
    return placed;
  }
}

/** Replaces `{{ call.getPhone() }}` and the like; what cannot be resolved becomes empty, as in Twig. */
export function fill(template: string, subject: Subject): string {
  return template.replace(/\{\{\s*([a-z]\w*)((?:\.get\w+\(\))*)\s*\}\}/g, (_, root: string, path: string) => {
    let value: unknown = asObject({ ...subject })?.[root];
    for (const [, getter = ''] of path.matchAll(/\.get(\w+)\(\)/g)) {
      // `getStatus().getCode()`: the emulator keeps codes as plain text.
      if (typeof value === 'string' && getter === 'Code') continue;
      value = asObject(value)?.[getter.charAt(0).toLowerCase() + getter.slice(1)];
    }
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  });
}

function needModule(account: Account) {
  const active = activeTelephony(account);
  if (!active) throw new Error('the account has no active telephony module');
  return active;
}

function saysSuccess(body: string): boolean {
  try {
    return asObject(JSON.parse(body))?.['success'] === true;
  } catch {
    return false;
  }
}

/** One request without keep-alive. Never rejects. */
function send(
  method: 'GET' | 'POST',
  url: string,
  encoded: string,
  timeoutMs: number,
): Promise<Pick<PlacedCallback, 'status' | 'body' | 'error'>> {
  return new Promise((resolve) => {
    const fail = (error: string): void => resolve({ status: undefined, body: '', error });
    if (!URL.canParse(url)) {
      fail('not a URL');
      return;
    }
    const target = new URL(url);
    if (method === 'GET') target.search += `${target.search === '' ? '' : '&'}${encoded}`;
    const open = target.protocol === 'https:' ? httpsRequest : httpRequest;
    const headers =
      method === 'POST'
        ? { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(encoded) }
        : {};
    const request = open(target, { method, headers, agent: false }, (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (piece: string) => {
        if (body.length < MAX_REPLY_BYTES) body += piece;
      });
      answer.on('error', () => undefined);
      answer.on('close', () => {
        clearTimeout(deadline);
        resolve({ status: answer.statusCode, body, error: undefined });
      });
    });
    const deadline = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    request.on('error', (error) => {
      clearTimeout(deadline);
      fail(error.message);
    });
    request.end(method === 'POST' ? encoded : undefined);
  });
}
