/** One SIP dialog of a phone or provider: what a person does with a call, and what the other side does to it. */
import { deadline, type Later, later } from '../wait.ts';
import type { CallerIdentity, SipAgent } from './agent.ts';
import { random } from './agent.ts';
import { header, type Headers, type SipMessage, tagOf, uriOf } from './message.ts';
import { Rtp } from './rtp.ts';
import { type MediaDirection, parseSdp, sdp } from './sdp.ts';

/** Moments of a call by the phone's clock, milliseconds since 1970. */
export interface Moments {
  /** INVITE sent or received. */
  started: number;
  /** First 180 or 183, sent or received. */
  rang: number | undefined;
  /** 200 to the INVITE, sent or received. */
  answered: number | undefined;
  /** BYE, CANCEL or refusal, sent or received. */
  ended: number | undefined;
  /** Our REFER: the other side is given away. */
  transferred: number | undefined;
}

/** Longest until Asterisk answers a request or acknowledges an answer of a dialog, milliseconds: after the last repetition. */
const patienceMs = 10_000;

/** A call of one agent. */
export class Call {
  readonly callId: string;
  /** User part of the request URI: what was dialled. */
  readonly dialled: string;
  readonly at: Moments = {
    started: Date.now(),
    rang: undefined,
    answered: undefined,
    ended: undefined,
    transferred: undefined,
  };
  /** Final status of a call that was not answered: 486, 603, 487 (cancelled), … */
  status: number | undefined;
  /** The other side's last Reason header: `SIP;cause=200;text="Call completed elsewhere"`. */
  reason = '';
  readonly #agent: SipAgent;
  readonly #rtp: Rtp;
  readonly #tag = random();
  readonly #ringing: Later<void> = later();
  readonly #answered: Later<void> = later();
  readonly #ended: Later<void> = later();
  readonly #acked: Later<void> = later();
  readonly #identity: CallerIdentity | undefined;
  /** From and To of our own requests, the second completed by the other side's tag. */
  #local = '';
  #remote = '';
  #target = '';
  #cseq = 1;
  #version = 1;
  /** The INVITE: ours, for CANCEL; theirs, for answers. */
  #invite: SipMessage | undefined;
  #ack: SipMessage | undefined;
  #transferred: Later<number> | undefined;

  private constructor(agent: SipAgent, rtp: Rtp, callId: string, dialled: string, identity?: CallerIdentity) {
    this.#agent = agent;
    this.#rtp = rtp;
    this.callId = callId;
    this.dialled = dialled;
    this.#identity = identity;
  }

  /** A call we place; SipAgent.call is the way to get one. */
  static async outgoing(agent: SipAgent, number: string, identity: CallerIdentity): Promise<Call> {
    const call = new Call(agent, await Rtp.open(agent.options.address), random(), number, identity);
    const { pbx, address, account } = agent.options;
    const name = identity.name === undefined ? '' : `"${identity.name}" `;
    const from = identity.from ?? `${name}<sip:${identity.number}@${account === undefined ? address : pbx}>`;
    call.#local = `${from};tag=${call.#tag}`;
    call.#target = `sip:${number}@${pbx}`;
    call.#remote = `<${call.#target}>`;
    return call;
  }

  /** A call that comes in; SipAgent.nextCall is the way to get one. */
  static async incoming(agent: SipAgent, request: SipMessage, callId: string, dialled: string): Promise<Call> {
    const call = new Call(agent, await Rtp.open(agent.options.address), callId, dialled);
    call.#invite = request;
    call.#local = `${header(request, 'To') ?? ''};tag=${call.#tag}`;
    call.#remote = header(request, 'From') ?? '';
    call.#target = uriOf(header(request, 'Contact') ?? '');
    return call;
  }

  /** Number and name the other side shows (its From). */
  get remoteParty(): string {
    return this.#remote;
  }

  /** A header of the INVITE, ours or theirs: what makes a phone answer by itself, for instance. */
  header(name: string): string | undefined {
    return this.#invite === undefined ? undefined : header(this.#invite, name);
  }

  // --- what a person waits for ---

  /** Resolves at the first ringing or progress. */
  ringing(ms = 15_000): Promise<void> {
    return deadline(this.#either(this.#ringing), ms, `ringing of ${this.dialled}`);
  }

  /** Resolves when the call is answered; rejects with the status if it is refused. */
  answered(ms = 30_000): Promise<void> {
    return deadline(this.#either(this.#answered), ms, `the answer of ${this.dialled}`);
  }

  /** Resolves when the call is over, whoever ended it. */
  ended(ms = 30_000): Promise<void> {
    return deadline(this.#ended.promise, ms, `the end of the call to ${this.dialled}`);
  }

  // --- what a person does ---

  /** Lets our phone ring: 180. */
  ring(): void {
    this.#reply(180);
    this.#rings();
  }

  /** Early media: 183 and audio before the answer. */
  progress(): void {
    this.#reply(183, true);
    this.#hear(this.#theirs());
    this.#rings();
  }

  /** Picks up: 200, audio; resolves with the other side's ACK. */
  async answer(): Promise<void> {
    this.#reply(200, true);
    this.#up();
    this.#hear(this.#theirs());
    await this.#acknowledged('the ACK of our answer');
  }

  /** Refuses with a status: 486 busy, 603 declined, 404, 480, 503, … */
  async refuse(status: number, extra: Headers = []): Promise<void> {
    this.#reply(status, false, extra);
    this.#over(status);
    await this.#acknowledged('the ACK of our refusal');
  }

  /** 302 to another number of the PBX. Only that contact: our own first would bring the call back to us. */
  redirect(number: string): Promise<void> {
    return this.refuse(302, [['Contact', `<sip:${number}@${this.#agent.options.pbx}>`]]);
  }

  /** Ends an answered call (BYE) or gives up one that still rings (CANCEL). Resolves when the other side agrees. */
  async hangUp(): Promise<void> {
    if (this.at.ended !== undefined) return;
    if (this.at.answered === undefined) return this.#cancel();
    const request = this.#request('BYE');
    this.#over(undefined);
    await this.#agent.request(request, undefined, patienceMs);
  }

  /** Puts the other side on hold. */
  hold(): Promise<void> {
    return this.#reinvite('sendonly');
  }

  /** Takes the other side back from hold. */
  resume(): Promise<void> {
    return this.#reinvite('sendrecv');
  }

  /** Presses keys: RFC 4733. */
  press(digits: string): Promise<void> {
    return this.#rtp.digits(digits);
  }

  /** Blind transfer by REFER. Resolves with the sipfrag's final status, after hanging up if it was a success. */
  transfer(number: string): Promise<number> {
    return this.#refer(`<sip:${number}@${this.#agent.options.pbx}>`);
  }

  /** Attended transfer: joins this call's other side with that of `consultation` (REFER with Replaces). */
  transferTo(consultation: Call): Promise<number> {
    const remoteTag = tagOf(consultation.#remote);
    const replaces = `${consultation.callId};to-tag=${remoteTag};from-tag=${consultation.#tag}`;
    const uri = consultation.#target.split(';')[0] ?? '';
    return this.#refer(`<${uri}?Replaces=${encodeURIComponent(replaces)}>`);
  }

  /** Frees the audio port. */
  close(): void {
    this.#rtp.close();
  }

  // --- signalling, used by SipAgent ---

  /** Sends the INVITE and follows it to its end. */
  invite(): void {
    void this.#follow([]).catch((error: unknown) => {
      this.reason = String(error);
      this.#over(408);
    });
  }

  /** A response that came once more: the ACK was too slow. */
  repeated(response: SipMessage): void {
    if (
      this.#ack !== undefined &&
      response.status === 200 &&
      header(response, 'CSeq') === header(this.#ack, 'CSeq')?.replace('ACK', 'INVITE')
    ) {
      this.#agent.send(this.#ack);
    }
  }

  /** A request of the other side within this dialog. */
  receive(request: SipMessage): void {
    switch (request.method ?? '') {
      case 'ACK':
        this.#acked.resolve();
        return;
      case 'CANCEL':
        this.reason = header(request, 'Reason') ?? '';
        this.#agent.respond(request, 200);
        this.#reply(487);
        this.#over(487);
        return;
      case 'BYE':
        this.reason = header(request, 'Reason') ?? '';
        this.#agent.respond(request, 200);
        this.#over(undefined);
        return;
      case 'NOTIFY':
        this.#agent.respond(request, 200);
        this.#notified(request);
        return;
      case 'INVITE':
      case 'UPDATE':
        this.#reoffered(request);
        return;
      default:
        this.#agent.respond(request, 200);
    }
  }

  async #follow(authorization: Headers): Promise<void> {
    const identity: Headers = this.#identity?.extra ?? [];
    const request = this.#request('INVITE', [...identity, ...authorization], true);
    this.#invite = request;
    const response = await this.#agent.request(request, (provisional) => {
      this.#learn(provisional);
      if (provisional.status > 100) this.#rings();
    });
    if (response.status >= 200 && response.status < 300) {
      this.#learn(response);
      this.#acknowledge();
      this.#hear(parseSdp(response.body));
      this.#up();
      return;
    }
    // The ACK of a refusal belongs to the INVITE's own transaction: same branch, same URI, their tag.
    const to = header(response, 'To') ?? '';
    this.#agent.send({
      ...request,
      method: 'ACK',
      body: '',
      headers: request.headers.flatMap(([name, value]): Headers => {
        if (name === 'To') return [[name, to]];
        if (name === 'CSeq') return [[name, value.replace('INVITE', 'ACK')]];
        return name === 'Content-Type' || name === 'Authorization' ? [] : [[name, value]];
      }),
    });
    if (response.status === 401 && authorization.length === 0) {
      return this.#follow(this.#agent.authorize(response, 'INVITE', request.uri));
    }
    this.reason = header(response, 'Reason') ?? '';
    this.#over(response.status);
  }

  /** A final answer is sent again after 0.5, 1, 2 and 4 s until it is acknowledged: RFC 3261 over UDP, chan_sip needs it. */
  async #acknowledged(what: string): Promise<void> {
    const began = performance.now();
    let again: NodeJS.Timeout | undefined;
    const wait = (pauseMs: number): void => {
      again = setTimeout(() => {
        if (this.#invite !== undefined) this.#agent.repeat(this.#invite);
        if (pauseMs < 4_000) wait(pauseMs * 2);
      }, pauseMs);
    };
    wait(500);
    await deadline(this.#acked.promise, patienceMs, what, () => clearTimeout(again));
    this.#agent.slowestMs = Math.max(this.#agent.slowestMs, performance.now() - began);
  }

  async #cancel(): Promise<void> {
    const invite = this.#invite;
    if (invite === undefined || this.#identity === undefined) return this.refuse(480);
    const keep = new Set(['Via', 'Max-Forwards', 'From', 'To', 'Call-ID', 'CSeq']);
    const kept = invite.headers.filter(([name]) => keep.has(name));
    const cancelled = Date.now();
    await this.#agent.request({
      method: 'CANCEL',
      uri: invite.uri,
      status: 0,
      body: '',
      headers: kept.map(([name, value]) => [name, name === 'CSeq' ? value.replace('INVITE', 'CANCEL') : value]),
    });
    await this.ended(patienceMs);
    this.at.ended = cancelled;
  }

  async #reinvite(direction: MediaDirection): Promise<void> {
    const response = await this.#agent.request(this.#request('INVITE', [], true, direction), undefined, patienceMs);
    if (response.status !== 200) throw new Error(`re-INVITE was refused: ${response.status}`);
    this.#acknowledge();
  }

  async #refer(target: string): Promise<number> {
    const outcome: Later<number> = later();
    this.#transferred = outcome;
    this.at.transferred = Date.now();
    const request = this.#request('REFER', [
      ['Refer-To', target],
      ['Referred-By', uriOf(this.#local)],
    ]);
    const response = await this.#agent.request(request, undefined, patienceMs);
    if (response.status >= 300) return response.status;
    const status = await deadline(
      Promise.race([outcome.promise, this.#ended.promise.then(() => 200)]),
      30_000,
      'the transfer',
    );
    if (status < 300) await this.hangUp();
    return status;
  }

  #notified(request: SipMessage): void {
    const status = Number(/^SIP\/2\.0 (\d{3})/.exec(request.body)?.[1] ?? 0);
    if (status >= 200) this.#transferred?.resolve(status);
  }

  #reoffered(request: SipMessage): void {
    const offer = parseSdp(request.body);
    const contact: Headers = [['Contact', this.#agent.contact]];
    if (offer === undefined) {
      this.#agent.respond(request, 200, contact);
      return;
    }
    this.#hear(offer);
    const answer =
      offer.direction === 'sendonly' ? 'recvonly' : offer.direction === 'recvonly' ? 'sendonly' : offer.direction;
    this.#agent.respond(request, 200, [...contact, ['Content-Type', 'application/sdp']], this.#session(answer));
  }

  #request(method: string, extra: Headers = [], offer = false, direction: MediaDirection = 'sendrecv'): SipMessage {
    return {
      method,
      uri: this.#target,
      status: 0,
      headers: [
        ['Via', this.#agent.via()],
        ['Max-Forwards', '70'],
        ['From', this.#local],
        ['To', this.#remote],
        ['Call-ID', this.callId],
        ['CSeq', `${this.#cseq++} ${method}`],
        ['Contact', this.#agent.contact],
        ...extra,
        ...(offer ? ([['Content-Type', 'application/sdp']] satisfies Headers) : []),
      ],
      body: offer ? this.#session(direction) : '',
    };
  }

  #reply(status: number, media = false, extra: Headers = []): void {
    if (this.#invite === undefined) return;
    const contact: Headers = status < 300 ? [['Contact', this.#agent.contact]] : [];
    const type: Headers = media ? [['Content-Type', 'application/sdp']] : [];
    this.#agent.respond(this.#invite, status, [...contact, ...type, ...extra], media ? this.#session() : '', this.#tag);
  }

  #acknowledge(): void {
    const { headers, ...rest } = this.#request('ACK');
    // ACK carries the number of its INVITE, the last request we sent.
    this.#cseq--;
    const cseq = `${this.#cseq - 1} ACK`;
    this.#ack = { ...rest, headers: headers.map(([name, value]) => [name, name === 'CSeq' ? cseq : value]) };
    this.#agent.send(this.#ack);
  }

  #learn(response: SipMessage): void {
    const to = header(response, 'To') ?? '';
    if (tagOf(to) !== '') this.#remote = to;
    const contact = header(response, 'Contact');
    if (contact !== undefined && response.status >= 200) this.#target = uriOf(contact);
  }

  #session(direction: MediaDirection = 'sendrecv'): string {
    return sdp(this.#agent.options.address, this.#rtp.port, this.#version++, direction);
  }

  #theirs(): ReturnType<typeof parseSdp> {
    return parseSdp(this.#invite?.body ?? '');
  }

  #hear(media: ReturnType<typeof parseSdp>): void {
    if (media !== undefined && this.at.ended === undefined) this.#rtp.talk(media);
  }

  #rings(): void {
    this.at.rang ??= Date.now();
    this.#ringing.resolve();
  }

  #up(): void {
    this.at.answered ??= Date.now();
    this.#ringing.resolve();
    this.#answered.resolve();
  }

  #over(status: number | undefined): void {
    if (this.at.ended !== undefined) return;
    this.at.ended = Date.now();
    this.status = status;
    this.#rtp.close();
    this.#ended.resolve();
  }

  #either(what: Later<void>): Promise<void> {
    const over = this.#ended.promise.then(() => {
      throw new Error(`the call to ${this.dialled} ended first${this.status === undefined ? '' : ` (${this.status})`}`);
    });
    over.catch(() => undefined);
    return Promise.race([what.promise, over]);
  }
}
