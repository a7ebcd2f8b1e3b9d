import { randomBytes } from 'node:crypto';
import { atxfer, blindTransfer, type Built, cancelAtxfer, chanSpy, hangup, phoneChannel } from '../ami/control.ts';
import type { LiveCall, LiveLeg } from '../calls/live.ts';
import { maskPhone } from '../log.ts';
import type { AuditLog } from './audit.ts';
import { type ActionHost, ask } from './host.ts';
import { destination, type NumberRules } from './numbers.ts';
import { registered } from './registered.ts';
import { hostDown, type Refusal, refusal, type Reply } from './reply.ts';

/** Which live call: by an employee's extension, or by its externalId. */
export interface Address {
  readonly code: string | undefined;
  readonly callId: string | undefined;
}

/** Who asks. */
export interface Asker {
  /** Her extension: her role decides. */
  readonly by: string;
  readonly from: string;
}

/** What control of live calls needs. */
export interface ControlOptions {
  readonly enterprise: string;
  readonly hosts: readonly ActionHost[];
  readonly rules: { readonly context: string; readonly channel: string; readonly timeoutSeconds: number };
  readonly numbers: NumberRules;
  readonly audit: AuditLog;
  /** Role of an employee by her extension or code; undefined = nobody of ours. */
  employee(code: string): { readonly extension: string; readonly role: 'employee' | 'supervisor' } | undefined;
}

/** A consultation that was asked for: whose customer waits while she speaks with whom. */
interface Consultation {
  readonly callId: string;
  readonly to: string;
}

/** The call somebody means, and the employee's part in it. */
interface Found {
  readonly host: ActionHost;
  readonly call: LiveCall;
  readonly leg: LiveLeg | undefined;
}

const badRequest = refusal(400, 'bad_request', 'a parameter is not what it must be');
const noSuchCall = refusal(404, 'no_such_call', 'there is no such call now');
const notAllowed = refusal(403, 'not_allowed', 'this is not her call');
const severalCalls = refusal(409, 'several_calls', 'she has several calls; name one by its callId');
const noConsultation = refusal(409, 'no_consultation', 'she consults nobody at the moment');

/**
 * Transfers, monitoring and hangups of live calls. An employee may act on calls she takes part in, a supervisor on all;
 * only a supervisor may listen. Channels are found in what the core knows of the host at this moment.
 */
export class Control {
  readonly #options: ControlOptions;
  /** By host and Uniqueid of the consulting employee's channel. */
  readonly #consultations = new Map<string, Consultation>();

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  /** Hands the customer on: at once (`blind`), or after a word with the target (`attended`, then `complete` or `cancel`). */
  async transfer(
    wish: Asker &
      Address & { readonly kind: 'blind' | 'attended' | 'complete' | 'cancel'; readonly to: string | undefined },
  ): Promise<Reply> {
    const reply = await this.#transfer(wish);
    return this.#noted(`transfer ${wish.kind}`, wish, reply);
  }

  /** The supervisor's phone rings; when she answers she hears the call. */
  async monitor(wish: Asker & Address & { readonly mode: 'listen' | 'whisper' | 'barge' }): Promise<Reply> {
    const reply = await this.#monitor(wish);
    return this.#noted(`monitor ${wish.mode}`, wish, reply);
  }

  /** Ends a call; of a call that only rings at her phone, just the ringing there. */
  async hangup(wish: Asker & Address): Promise<Reply> {
    const reply = await this.#hangup(wish);
    return this.#noted('hangup', wish, reply);
  }

  async #transfer(wish: Parameters<Control['transfer']>[0]): Promise<Reply> {
    const { kind, to } = wish;
    const found = this.#find(wish);
    if ('outcome' in found) return found;
    const { host, call, leg } = found;
    if (leg === undefined || !leg.up) return refusal(409, 'not_talking', 'she is not in this call yet');
    const key = `${host.id} ${leg.uniqueid}`;
    if (kind === 'complete' || kind === 'cancel') {
      // Connected with the customer again: the target hung up, or has not been dialled yet.
      if (!this.#consultations.has(key) || leg.talking) return noConsultation;
      return this.#ask(host, kind === 'complete' ? hangup(leg.channel) : cancelAtxfer(leg.channel), () =>
        this.#consultations.delete(key),
      );
    }
    if (!leg.talking) return refusal(409, 'not_talking', 'she is not talking with the customer');
    if (to === undefined) return badRequest;
    const exten = destination(to, this.#options.numbers);
    if (typeof exten !== 'string') return exten;
    if (exten === leg.ext) return refusal(409, 'same_extension', 'she has the call already');
    const { context } = this.#options.rules;
    if (kind === 'blind') return this.#ask(host, blindTransfer(leg.channel, context, exten));
    this.#forgetGone();
    return this.#ask(host, atxfer(leg.channel, context, exten), () => {
      this.#consultations.set(key, { callId: call.externalId, to: exten });
    });
  }

  async #monitor(wish: Parameters<Control['monitor']>[0]): Promise<Reply> {
    const { by, mode } = wish;
    const asker = this.#asker(by);
    if (asker === undefined) return notAllowed;
    if (asker.role !== 'supervisor') return refusal(403, 'not_allowed', 'only supervisors may listen to calls');
    const found = this.#find(wish);
    if ('outcome' in found) return found;
    const { host, call } = found;
    const leg = found.leg ?? call.legs.find(({ talking }) => talking);
    if (leg === undefined || !leg.talking) return refusal(409, 'not_talking', 'nobody is talking in this call yet');
    if (leg.ext === asker.extension) return refusal(409, 'same_extension', 'she cannot listen to herself');
    const { rules } = this.#options;
    const channel = phoneChannel(rules.channel, asker.extension);
    if (channel === undefined) return badRequest;
    if (!(await registered(host, channel))) {
      return refusal(409, 'not_registered', 'her phone is not registered at the PBX');
    }
    return this.#ask(
      host,
      chanSpy({
        ...{ channel, target: leg.channel, mode, timeoutMs: rules.timeoutSeconds * 1000 },
        ...{ callerNumber: leg.ext, channelId: `spy-${randomBytes(9).toString('hex')}` },
      }),
    );
  }

  async #hangup(wish: Asker & Address): Promise<Reply> {
    const found = this.#find(wish);
    if ('outcome' in found) return found;
    const { host, call, leg } = found;
    const ringingOnly = leg !== undefined && !leg.up && call.initiatedBy !== leg.ext;
    const channel = ringingOnly ? leg.channel : (call.customer ?? call.first)?.channel;
    return channel === undefined ? noSuchCall : this.#ask(host, hangup(channel));
  }

  /** The one live call that is meant, if it exists and the asker may touch it. */
  #find(wish: Asker & Address): Found | Refusal {
    const { code, callId, by } = wish;
    if ([code, callId, by].some((value) => value !== undefined && !/^[\x21-\x7e]{1,200}$/.test(value)))
      return badRequest;
    if (code === undefined && callId === undefined) return badRequest;
    const asker = this.#asker(by);
    if (asker === undefined) return notAllowed;
    const ext = code === undefined ? undefined : this.#options.employee(code)?.extension;
    if (code !== undefined && ext === undefined) {
      return refusal(404, 'unknown_extension', 'nobody with this code has a phone here');
    }
    const found = this.#calls(ext, callId);
    const [one] = found;
    // It may live on a host we do not see.
    if (one === undefined) return this.#options.hosts.some((host) => host.state() !== 'live') ? hostDown : noSuchCall;
    if (asker.role !== 'supervisor') {
      if (ext !== undefined && ext !== asker.extension) return notAllowed;
      if (found.some(({ call }) => !takesPart(call, asker.extension))) return notAllowed;
    }
    if (found.length > 1) return severalCalls;
    if (one.leg !== undefined) return one;
    // Addressed by the call: the asker's own part in it, else that of the only employee who talks.
    const hers = one.call.legs.find((leg) => leg.ext === asker.extension);
    const talking = one.call.legs.filter((leg) => leg.talking);
    return { ...one, leg: hers ?? (talking.length === 1 ? talking[0] : undefined) };
  }

  /** Live calls that fit; if she talks in some of several, only those. */
  #calls(ext: string | undefined, callId: string | undefined): Found[] {
    const all = this.#options.hosts.flatMap((host) =>
      (host.state() === 'live' ? host.live() : []).flatMap((call): Found[] => {
        if (callId !== undefined && call.externalId !== callId) return [];
        if (ext === undefined) return [{ host, call, leg: undefined }];
        const legs = call.legs.filter((leg) => leg.ext === ext);
        return legs.map((leg) => ({ host, call, leg }));
      }),
    );
    if (ext === undefined) return all;
    for (const rank of [(leg: LiveLeg) => leg.talking, (leg: LiveLeg) => leg.up]) {
      const best = all.filter(({ leg }) => leg !== undefined && rank(leg));
      if (best.length > 0) return best;
    }
    return all;
  }

  #asker(by: string): { extension: string; role: 'employee' | 'supervisor' } | undefined {
    return this.#options.employee(by);
  }

  async #ask(host: ActionHost, built: Built, done: () => void = () => undefined): Promise<Reply> {
    const refused = await ask(host, built);
    if (refused !== undefined) return refused;
    done();
    return { outcome: 'done' };
  }

  /** Channels that are gone consult nobody. */
  #forgetGone(): void {
    const alive = new Set(
      this.#options.hosts.flatMap((host) =>
        host.live().flatMap(({ legs }) => legs.map((leg) => `${host.id} ${leg.uniqueid}`)),
      ),
    );
    for (const key of this.#consultations.keys()) if (!alive.has(key)) this.#consultations.delete(key);
  }

  async #noted(what: string, wish: Asker & Address & { to?: string | undefined }, reply: Reply): Promise<Reply> {
    const target = wish.to === undefined ? '' : ` to ${maskPhone(wish.to)}`;
    await this.#options.audit.noteSoon({
      enterprise: this.#options.enterprise,
      who: wish.by,
      what,
      subject: `${wish.callId ?? wish.code ?? ''}${target}`,
      from: wish.from,
      outcome: reply.outcome === 'done' ? 'done' : reply.code,
    });
    return reply;
  }
}

/** Whether an employee is part of the call: she talks or rings in it, or she began it. */
function takesPart(call: LiveCall, extension: string): boolean {
  return call.initiatedBy === extension || call.legs.some(({ ext }) => ext === extension);
}
