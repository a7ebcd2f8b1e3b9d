/** A SIP user agent on an address of its own: sends and matches messages, hands each dialog to its Call. */
import { createSocket, type Socket } from 'node:dgram';
import { randomBytes } from 'node:crypto';
import { deadline, type Later, later } from '../wait.ts';
import { Call } from './call.ts';
import { digestAnswer } from './digest.ts';
import { formatSip, header, headers, type Headers, parseSip, type SipMessage, tagOf, userOf } from './message.ts';

/** Who the agent is and where it sends. */
export interface AgentOptions {
  /** Its address; the port is always 5060. */
  address: string;
  /** Asterisk's address. */
  pbx: string;
  /** Account for digest authentication; a provider has none, it is known by its address. */
  account?: { user: string; secret: string };
}

/** What an outgoing call shows of its caller. */
export interface CallerIdentity {
  /** User part of From: the number as the network spells it. */
  number: string;
  /** Display name of From, put in quotes; backslashes and quotes must be escaped by the caller. */
  name?: string;
  /** Further headers: P-Asserted-Identity, Privacy, … */
  extra?: Headers;
  /** The whole From address instead of number and name: `"Anonymous" <sip:anonymous@anonymous.invalid>`. */
  from?: string;
}

const port = 5060;

/** An opened agent. */
export class SipAgent {
  readonly options: AgentOptions;
  readonly #socket: Socket;
  #closed = false;
  readonly #calls = new Map<string, Call>();
  /** Calls whose INVITE came and whose audio port is not open yet: what follows the INVITE waits for it. */
  readonly #opening = new Map<string, Promise<Call>>();
  readonly #transactions = new Map<string, (response: SipMessage) => void>();
  /** Last answer per request of the other side, for its retransmissions. */
  readonly #answers = new Map<string, string>();
  readonly #unclaimed: Call[] = [];
  readonly #waiters = new Set<(call: Call) => boolean>();

  private constructor(socket: Socket, options: AgentOptions) {
    this.#socket = socket;
    this.options = options;
    socket.on('message', (datagram) => this.#receive(datagram.toString('utf8')));
  }

  static open(options: AgentOptions): Promise<SipAgent> {
    return new Promise((resolve, reject) => {
      const socket = createSocket('udp4');
      socket.once('error', reject);
      socket.bind(port, options.address, () => {
        socket.off('error', reject);
        resolve(new SipAgent(socket, options));
      });
    });
  }

  /**
   * Longest time Asterisk took to say anything to a request of ours, or to acknowledge an answer, milliseconds: by so much its
   * moments may differ from ours on a busy machine.
   */
  slowestMs = 0;

  /** Every call of this agent, in order. */
  readonly calls: Call[] = [];

  /** Our Contact. */
  get contact(): string {
    return `<sip:${this.options.account?.user ?? 'trunk'}@${this.options.address}:${port}>`;
  }

  /** Registers our contact with Asterisk. Rejects if it does not answer 200. */
  register(): Promise<void> {
    return this.#register(600);
  }

  /** Takes our contact back. */
  unregister(): Promise<void> {
    return this.#register(0);
  }

  async #register(seconds: number): Promise<void> {
    const user = this.options.account?.user ?? '';
    const uri = `sip:${this.options.pbx}`;
    const me = `<sip:${user}@${this.options.pbx}>`;
    const request = (extra: Headers, cseq: number): SipMessage => ({
      method: 'REGISTER',
      uri,
      status: 0,
      body: '',
      headers: [
        ['Via', this.via()],
        ['Max-Forwards', '70'],
        ['From', `${me};tag=${random()}`],
        ['To', me],
        ['Call-ID', callId],
        ['CSeq', `${cseq} REGISTER`],
        ['Contact', this.contact],
        ['Expires', String(seconds)],
        ...extra,
      ],
    });
    const callId = random();
    let response = await this.request(request([], 1));
    if (response.status === 401) response = await this.request(request(this.authorize(response, 'REGISTER', uri), 2));
    if (response.status !== 200) throw new Error(`${user} could not register: ${response.status}`);
  }

  /** Places a call; resolves as soon as the INVITE is sent. `number` is the user part of the request URI. */
  async call(number: string, identity?: CallerIdentity): Promise<Call> {
    const call = await Call.outgoing(this, number, identity ?? { number: this.options.account?.user ?? 'trunk' });
    this.#calls.set(call.callId, call);
    this.calls.push(call);
    call.invite();
    return call;
  }

  /** The next call that comes in, also one that came already and nobody has taken; `number` is what was dialled. */
  nextCall(number?: string, ms = 15_000): Promise<Call> {
    const wanted = (call: Call): boolean => number === undefined || call.dialled === number;
    const index = this.#unclaimed.findIndex(wanted);
    if (index >= 0) {
      const [call] = this.#unclaimed.splice(index, 1);
      if (call !== undefined) return Promise.resolve(call);
    }
    const found: Later<Call> = later();
    const waiter = (call: Call): boolean => {
      if (!wanted(call)) return false;
      found.resolve(call);
      return true;
    };
    this.#waiters.add(waiter);
    const what = `an INVITE ${number === undefined ? '' : `for ${number} `}at ${this.options.address}`;
    return deadline(found.promise, ms, what, () => this.#waiters.delete(waiter));
  }

  /** Frees the address and all audio. Calls that still live are left as they are. */
  close(): void {
    this.#closed = true;
    for (const call of this.calls) call.close();
    this.#socket.close();
  }

  // --- for Call ---

  /** A Via header's value with a fresh branch. */
  via(): string {
    return `SIP/2.0/UDP ${this.options.address}:${port};branch=z9hG4bK${random()};rport`;
  }

  /**
   * Sends a request and resolves with the final response; `onProvisional` sees the others. Until something is answered it is
   * sent again after 0.5, 1, 2 and 4 s, as RFC 3261 wants it over UDP: chan_sip drops what comes at a bad moment.
   */
  request(message: SipMessage, onProvisional?: (response: SipMessage) => void, ms = 120_000): Promise<SipMessage> {
    const key = transactionKey(message);
    const final: Later<SipMessage> = later();
    let again: NodeJS.Timeout | undefined;
    const began = performance.now();
    let heard = false;
    this.#transactions.set(key, (response) => {
      clearTimeout(again);
      if (!heard) this.slowestMs = Math.max(this.slowestMs, performance.now() - began);
      heard = true;
      if (response.status < 200) onProvisional?.(response);
      else final.resolve(response);
    });
    const send = (pauseMs: number): void => {
      if (this.#closed) return;
      this.send(message);
      if (pauseMs <= 4_000) again = setTimeout(() => send(pauseMs * 2), pauseMs);
    };
    send(500);
    return deadline(final.promise, ms, `the answer to ${message.method ?? ''}`, () => clearTimeout(again));
  }

  /** Sends the last answer to a request of the other side once more. */
  repeat(request: SipMessage): void {
    const text = this.#answers.get(transactionKey(request));
    if (text !== undefined && !this.#closed) this.#socket.send(text, port, this.options.pbx);
  }

  /** Sends a message as it is: ACK, or an answer to a request of the other side. */
  send(message: SipMessage): void {
    const text = formatSip(message);
    if (message.method === undefined) this.#answers.set(transactionKey(message), text);
    this.#socket.send(text, port, this.options.pbx);
  }

  /** Answers a request of the other side. */
  respond(request: SipMessage, status: number, extra: Headers = [], body = '', tag = ''): void {
    const to = header(request, 'To') ?? '';
    const copied: Headers = [
      ...headers(request, 'Via').map((value): [string, string] => ['Via', value]),
      ...headers(request, 'Record-Route').map((value): [string, string] => ['Record-Route', value]),
      ['From', header(request, 'From') ?? ''],
      ['To', tag === '' || tagOf(to) !== '' ? to : `${to};tag=${tag}`],
      ['Call-ID', header(request, 'Call-ID') ?? ''],
      ['CSeq', header(request, 'CSeq') ?? ''],
    ];
    this.send({ method: undefined, uri: '', status, headers: [...copied, ...extra], body });
  }

  /** The Authorization header that answers a 401. */
  authorize(response: SipMessage, method: string, uri: string): Headers {
    const { account } = this.options;
    const challenge = header(response, 'WWW-Authenticate');
    if (account === undefined || challenge === undefined)
      throw new Error(`${method} asks for a password we do not have`);
    return [['Authorization', digestAnswer(challenge, { method, uri }, account)]];
  }

  #receive(text: string): void {
    const message = parseSip(text);
    if (message === undefined) return;
    const callId = header(message, 'Call-ID') ?? '';
    if (message.method === undefined) {
      const handler = this.#transactions.get(transactionKey(message));
      if (handler === undefined) return;
      handler(message);
      this.#calls.get(callId)?.repeated(message);
      return;
    }
    const repeated = this.#answers.get(transactionKey(message));
    if (repeated !== undefined && message.method !== 'ACK') {
      this.#socket.send(repeated, port, this.options.pbx);
      return;
    }
    const call = this.#calls.get(callId);
    const opening = this.#opening.get(callId);
    if (call !== undefined) call.receive(message);
    else if (opening !== undefined) void opening.then((opened) => opened.receive(message));
    else if (message.method === 'INVITE') void this.#incoming(message, callId);
    else if (message.method !== 'ACK')
      this.respond(message, message.method === 'OPTIONS' || message.method === 'NOTIFY' ? 200 : 481);
  }

  async #incoming(request: SipMessage, callId: string): Promise<void> {
    this.respond(request, 100);
    const opening = Call.incoming(this, request, callId, userOf(request.uri));
    this.#opening.set(callId, opening);
    const call = await opening;
    this.#opening.delete(callId);
    this.#calls.set(callId, call);
    this.calls.push(call);
    for (const waiter of this.#waiters) if (waiter(call)) return;
    this.#unclaimed.push(call);
  }
}

/** A random token for tags, branches and call ids. */
export function random(): string {
  return randomBytes(8).toString('hex');
}

/** Branch and method: a CANCEL shares its INVITE's branch. */
function transactionKey(message: SipMessage): string {
  const branch = /branch=([^;\s]+)/.exec(header(message, 'Via') ?? '')?.[1] ?? '';
  return `${branch} ${(header(message, 'CSeq') ?? '').split(' ')[1] ?? ''}`;
}
