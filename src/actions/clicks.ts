import { randomBytes } from 'node:crypto';
import { isDialable, originate, phoneChannel } from '../ami/control.ts';
import { numberOf, textOf } from '../ami/events.ts';
import type { AmiMessage } from '../ami/message.ts';
import type { HostEvent } from '../calls/events.ts';
import { type Logger, maskPhone } from '../log.ts';
import {
  type ClaimedClick,
  claimClick,
  forgetClick,
  type Click,
  type ClickCustomer,
  settleClick,
} from '../store/clicks.ts';
import type { Db } from '../store/database.ts';
import type { AuditLog } from './audit.ts';
import { ClickWatch } from './clickWatch.ts';
import { type ActionHost, ANSWER_MS } from './host.ts';
import { type Callable, callable, type NumberRules } from './numbers.ts';
import { registered } from './registered.ts';
import { hostDown, outcomeUnknown, type Refusal, refusal, refusedByHost, type Reply } from './reply.ts';

/** What of the configuration clicks need (`ClickSettings` has it). */
export interface ClickRules {
  readonly context: string;
  readonly priority: number;
  readonly channel: string;
  readonly timeoutSeconds: number;
  readonly autoAnswer: { readonly variable: string; readonly value: string } | undefined;
  readonly perEmployeePerMinute: number;
  readonly perEnterprisePerMinute: number;
}

/** Somebody whose phone a click may ring. */
export interface ClickEmployee {
  readonly extension: string;
  readonly host: ActionHost;
}

/** What a click asks for. */
export interface ClickWish {
  readonly code: string | undefined;
  readonly userId: number | undefined;
  readonly phone: string;
  readonly externalPhone: string | undefined;
  readonly requestId: string | undefined;
  readonly from: string;
  readonly via: string;
}

/** What a click became. */
export interface ClickMade {
  readonly clickId: string;
  readonly callId: string;
  readonly repeated: boolean;
  readonly customer: ClickCustomer | undefined;
}

/** What clicks need of the rest. */
export interface ClickOptions {
  readonly enterprise: string;
  readonly rules: ClickRules;
  readonly numbers: NumberRules;
  readonly db: Db;
  readonly audit: AuditLog;
  readonly log: Logger;
  readonly hosts: readonly ActionHost[];
  /** Whose phone: by her code or extension, else by her CRM user. */
  employee(code: string | undefined, userId: number | undefined): ClickEmployee | undefined;
  /** Our number as E.164 if it is one of ours, so that the dial plan may show it. */
  ownNumber(raw: string): string | undefined;
  /** Who is called; within the time given, whatever happens. */
  customer(e164: string, withinMs: number): Promise<ClickCustomer | undefined>;
}

/** Identical clicks within this time are one (P6). */
export const SAME_CLICK_MS = 5_000;
/** After this time nothing is started any more: a phone must not ring when nobody remembers why (P6). */
export const LATEST_MS = 3_000;
/** How long the look-up of the customer may hold a click up. */
export const LOOKUP_MS = 50;
/** How long the database may take to write the click down: the CRM waits two seconds for our answer. */
const CLAIM_MS = 1_500;

const unknownEmployee = refusal(404, 'unknown_extension', 'nobody with this code has a phone here');
const badRequest = refusal(400, 'bad_request', 'a parameter is not what it must be');
const tooLate = refusal(503, 'too_late', 'it took too long; nothing was started, click again');
const noDatabase = refusal(503, 'database_down', 'the click could not be written down; nothing was started');

/**
 * Click-to-call: her phone rings and shows the customer; she answers, the dial plan calls him; what follows is an
 * ordinary outgoing call. One request rings at most once (P6): it is written down before anything is sent, and whatever
 * is not certain afterwards is never tried again.
 */
export class Clicks {
  readonly #options: ClickOptions;
  readonly #watch: ClickWatch;
  /** Clicks whose end is not written yet, by employee and number, and by id; `over` when it is. */
  readonly #underWay = new Map<string, { reply: Promise<Reply<ClickMade>>; over: Promise<void> }>();
  /** Ends being written, by id. */
  readonly #settling = new Map<string, Promise<void>>();
  /** When the cap was told last, monotonic ms: one line a minute is enough. */
  #capToldAt = -Infinity;

  constructor(options: ClickOptions) {
    this.#options = options;
    this.#watch = new ClickWatch(options);
  }

  /** Rings her phone, once. Answers within two seconds. */
  async make(wish: ClickWish): Promise<Reply<ClickMade>> {
    const begun = performance.now();
    const reply = await this.#decide(wish, begun);
    const { enterprise, audit } = this.#options;
    await audit.noteSoon({
      enterprise,
      who: wish.code ?? (wish.userId === undefined ? wish.via : `user ${wish.userId}`),
      what: 'makecall',
      subject: `${maskPhone(wish.phone)}${reply.outcome === 'done' ? ` ${reply.callId}` : ''}`,
      from: wish.from,
      outcome: reply.outcome === 'refused' ? reply.code : reply.repeated ? 'repeated' : 'done',
    });
    return reply;
  }

  /** What clicks left open when the process ended is unknown from now on. */
  start(): Promise<void> {
    return this.#watch.start();
  }

  /** Events of a host, as the core gets them. */
  heard(host: string, events: readonly HostEvent[]): void {
    this.#watch.heard(host, events);
  }

  /** An event that is not the core's. */
  notice(host: string, message: AmiMessage): void {
    if (message.name !== 'OriginateResponse') return;
    const channelId = textOf(message, 'Uniqueid');
    if (channelId === undefined) return;
    this.#watch.originated(host, channelId, message.get('Response') === 'Success', numberOf(message, 'Reason'));
  }

  /** Resolves when everything that is known is written. */
  async drain(): Promise<void> {
    await Promise.all([...this.#underWay.values()].map(({ over }) => over));
    while (this.#settling.size > 0) await Promise.all(this.#settling.values());
    await this.#watch.drain();
  }

  async #decide(wish: ClickWish, begun: number): Promise<Reply<ClickMade>> {
    const options = this.#options;
    const { code, userId, requestId } = wish;
    if (code !== undefined && !/^[\p{L}\p{N}_.*#+-]{1,64}$/u.test(code)) return badRequest;
    if (requestId !== undefined && !/^[\x21-\x7e]{1,64}$/.test(requestId)) return badRequest;
    const employee = options.employee(code, userId);
    if (employee === undefined || !isDialable(employee.extension)) return unknownEmployee;
    const number = callable(wish.phone, options.numbers);
    if ('outcome' in number) return number;
    const key = `${employee.extension} ${number.e164}`;
    const first = this.#underWay.get(key);
    if (first !== undefined) return asRepeated(await first.reply);
    const id = `crm-${randomBytes(9).toString('hex')}`;
    const reply = this.#make(wish, employee, number, id, begun);
    const over = this.#untilWritten(id, reply).then(() => {
      this.#underWay.delete(key);
      this.#underWay.delete(id);
    });
    this.#underWay.set(key, { reply, over }).set(id, { reply, over });
    return reply;
  }

  /** So long the same click is answered from here: the database would say that nobody knows. */
  async #untilWritten(id: string, reply: Promise<unknown>): Promise<void> {
    await Promise.allSettled([reply]);
    await within(this.#settling.get(id) ?? Promise.resolve(), SAME_CLICK_MS);
  }

  async #make(
    wish: ClickWish,
    { extension, host }: ClickEmployee,
    number: Callable,
    id: string,
    begun: number,
  ): Promise<Reply<ClickMade>> {
    const { enterprise, rules, numbers, db } = this.#options;
    if (host.state() !== 'live') return hostDown;
    const channel = phoneChannel(rules.channel, extension);
    if (channel === undefined) return unknownEmployee;
    // All that must be waited for at once: she listens for her phone to ring.
    const lookup = this.#options.customer(number.e164, LOOKUP_MS).catch(() => undefined);
    const callId = `${host.id}-${id}`;
    const claiming = this.#claim(
      claimClick(
        db,
        {
          ...{ enterprise, id, requestId: wish.requestId, employee: extension, phone: number.e164 },
          ...{ host: host.id, channelId: id, callId },
        },
        { sameMs: SAME_CLICK_MS, ...rules },
      ),
      id,
    );
    if (!(await registered(host, channel))) {
      await this.#takeBack(claiming, id);
      return refusal(409, 'not_registered', 'her phone is not registered at the PBX');
    }
    const claim = await claiming;
    if (claim === undefined) return noDatabase;
    if (!claim.claimed) return 'earlier' in claim ? this.#repeated(claim.earlier) : this.#tooMany(claim.tooMany);

    const customer = await lookup;
    const ours = wish.externalPhone === undefined ? undefined : this.#options.ownNumber(wish.externalPhone);
    const built = originate({
      channel,
      context: rules.context,
      exten: numbers.dial(number.e164),
      priority: rules.priority,
      timeoutMs: rules.timeoutSeconds * 1000,
      callerNumber: number.e164,
      callerName: customer?.name,
      channelId: id,
      variables: {
        __X_CRM_ID: id,
        ...(ours === undefined ? {} : { __X_CRM_DID: ours }),
        ...(rules.autoAnswer === undefined ? {} : { [rules.autoAnswer.variable]: rules.autoAnswer.value }),
      },
    });
    if (built.refused !== undefined) {
      this.#settle(id, { state: 'refused', reason: built.refused });
      return refusal(400, 'bad_request', built.refused);
    }
    const late = performance.now() - begun > LATEST_MS;
    if (late || host.state() !== 'live') {
      this.#settle(id, { state: 'refused', reason: late ? 'too_late' : 'host_down' });
      return late ? tooLate : hostDown;
    }
    this.#watch.expect({ enterprise, id, host: host.id, channelId: id });
    const answer = await host.action(built.action, ANSWER_MS);
    if (answer.outcome === 'unknown') {
      this.#settle(id, { state: 'unknown', reason: answer.reason, from: ['claimed'] });
      return outcomeUnknown;
    }
    if (answer.outcome === 'notSent') {
      this.#settle(id, { state: 'refused', reason: 'host_down' });
      return hostDown;
    }
    if (answer.response.name.toLowerCase() !== 'success') {
      const no = refusedByHost(answer.response.get('Message'));
      this.#settle(id, { state: 'refused', reason: no.message });
      return no;
    }
    this.#settle(id, { state: 'queued', customer });
    return { outcome: 'done', clickId: id, callId, repeated: false, customer };
  }

  /** Waits no longer than the CRM would; a click written down after that is refused there, too. */
  async #claim(claim: Promise<ClaimedClick>, id: string): Promise<ClaimedClick | undefined> {
    const caught = claim.catch((error: unknown) => {
      this.#options.log.error('a click could not be written down', { err: error });
      return undefined;
    });
    const first = await within(caught, CLAIM_MS);
    if (first !== 'late') return first;
    void caught.then((claimed) => {
      if (claimed?.claimed === true) this.#settle(id, { state: 'refused', reason: 'database_down' });
    });
    return undefined;
  }

  /** A second request of a click gets what the first one got. */
  async #repeated(earlier: Click): Promise<Reply<ClickMade>> {
    const ours = earlier.state === 'claimed' ? this.#underWay.get(earlier.id) : undefined;
    return ours === undefined ? asFound(earlier) : asRepeated(await ours.reply);
  }

  /** She may click again as soon as her phone is there. */
  async #takeBack(claiming: Promise<ClaimedClick | undefined>, id: string): Promise<void> {
    const { enterprise, db, log } = this.#options;
    if ((await claiming)?.claimed !== true) return;
    await forgetClick(db, { enterprise, id }).catch((error: unknown) =>
      log.error('a click that was not made could not be taken back', { err: error, click: id }),
    );
  }

  #tooMany(whose: 'employee' | 'enterprise'): Refusal {
    const { rules, log } = this.#options;
    const most = whose === 'employee' ? rules.perEmployeePerMinute : rules.perEnterprisePerMinute;
    const now = performance.now();
    if (now - this.#capToldAt >= 60_000) {
      this.#capToldAt = now;
      log.error(
        `more than ${most} clicks of one ${whose} in a minute: the rest is refused; is somebody else clicking?`,
      );
    }
    return refusal(429, 'too_many', `more than ${most} clicks of one ${whose} in a minute`);
  }

  #settle(id: string, now: Parameters<typeof settleClick>[2]): void {
    const { enterprise, db, log } = this.#options;
    const done = settleClick(db, { enterprise, id }, now)
      .catch((error: unknown) => log.error('the end of a click could not be written down', { err: error, click: id }))
      .finally(() => this.#settling.delete(id));
    this.#settling.set(id, done);
  }
}

function asRepeated(reply: Reply<ClickMade>): Reply<ClickMade> {
  return reply.outcome === 'done' ? { ...reply, repeated: true } : reply;
}

/** What the first request of a click got, by what is written of it. */
function asFound(earlier: Click): Reply<ClickMade> {
  const { state, reason, id: clickId, callId } = earlier;
  if (state === 'refused') {
    if (reason === 'host_down') return hostDown;
    if (reason === 'too_late') return tooLate;
    return reason === 'database_down' ? noDatabase : refusal(409, 'refused_by_pbx', reason ?? 'refused');
  }
  // A click of a process that was killed: nobody knows whether it was sent.
  if (state === 'claimed' || state === 'unknown') return outcomeUnknown;
  return { outcome: 'done', clickId, callId, repeated: true, customer: asCustomer(earlier.customer) };
}

/** The column is our own JSON, but the database may have been edited by hand. */
function asCustomer(value: unknown): ClickCustomer | undefined {
  if (typeof value !== 'object' || value === null || !('id' in value) || typeof value.id !== 'number') return undefined;
  return { id: value.id, name: 'name' in value && typeof value.name === 'string' ? value.name : undefined };
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
