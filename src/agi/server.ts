/** FastAGI server: a dial plan connects, says who calls, gets channel variables, and goes on. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Logger } from '../log.ts';
import {
  type AgiRequest,
  beginsLikeAgi,
  environmentLimits,
  readEnvironment,
  readReply,
  readRequest,
  setVariable,
} from './protocol.ts';

/** Channel variables to set, in this order. */
export type Variables = Readonly<Record<string, string>>;

/** How long things may take and how many there may be. */
export interface AgiLimits {
  /** Connections at once; further ones are closed unheard. Default 200. */
  readonly connections: number;
  /** For what Asterisk says first, ms. Default 1,000. */
  readonly environmentMs: number;
  /** For the answer to the question, ms: after it the channel gets no variables. Default 140. */
  readonly answerMs: number;
  /** For the reply to each command, ms. Default 1,000. */
  readonly replyMs: number;
}

/** What a server needs. */
export interface AgiServerOptions {
  readonly address: string;
  /** TCP port, 0 = any free one. */
  readonly port: number;
  /** undefined: there is nothing of that name here. A rejection is a defect and is logged; the call goes on as if nothing were known. */
  readonly answer: (request: AgiRequest) => Promise<Variables | undefined>;
  readonly log: Logger;
  readonly limits?: Partial<AgiLimits> | undefined;
}

/** A listening server. */
export interface AgiServer {
  readonly address: string;
  readonly port: number;
  /** Connections now. */
  connections(): number;
  /** Closes listener and connections. */
  stop(): Promise<void>;
}

const defaults: AgiLimits = { connections: 200, environmentMs: 1_000, answerMs: 140, replyMs: 1_000 };
/** Longest reply line: "520-Invalid command syntax…" with the usage is 200. */
const longestReply = 2_048;
/** One line about strangers at most so often, ms. */
const complaintMs = 60_000;

/** Starts to listen; rejects when the address cannot be had. */
export async function startAgiServer(options: AgiServerOptions): Promise<AgiServer> {
  const limits = { ...defaults, ...options.limits };
  const { log } = options;
  const open = new Set<Socket>();
  let complained = Number.NEGATIVE_INFINITY;
  const complain = (why: string, from: string | undefined): void => {
    if (performance.now() - complained < complaintMs) return;
    complained = performance.now();
    log.warn(`agi: a connection was closed: ${why}`, { peer: from });
  };
  const server = createServer({ noDelay: true }, (socket) => {
    open.add(socket);
    const from = socket.remoteAddress;
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => undefined); // 'close' follows
    if (open.size > limits.connections) {
      complain('too many at once', from);
      socket.destroy();
      return;
    }
    const complainHere = (why: string): void => complain(why, from);
    void serve(socket, options, limits, complainHere)
      .catch((error: unknown) => log.error('agi: a question was not answered', { err: error }))
      // Half a close would leave the dial plan waiting for a slow reader.
      .finally(() => socket.destroySoon());
  });
  await listen(server, options);
  const { address, port } = server.address() as AddressInfo;
  log.info('agi: listening', { address, port });
  return {
    address,
    port,
    connections: () => open.size,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

function listen(server: Server, { address, port }: AgiServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      server.on('error', () => undefined); // out of descriptors: the next accept may work
      resolve();
    });
  });
}

/** One connection from the first byte to the last. */
async function serve(
  socket: Socket,
  { answer, log }: AgiServerOptions,
  limits: AgiLimits,
  complain: (why: string) => void,
): Promise<void> {
  const lines = new Lines(socket);
  const said = await lines.environment(limits.environmentMs);
  if (said === undefined) {
    if (lines.wrong !== undefined) complain(lines.wrong);
    return;
  }
  const environment = readEnvironment(said);
  if (environment === undefined) {
    complain('it does not speak AGI');
    return;
  }
  const request = readRequest(environment);
  const begun = performance.now();
  const variables = await inTime(answer(request), limits.answerMs);
  if (variables === 'late') {
    log.debug('agi: no answer in time, the call goes on', { uniqueid: request.uniqueid });
    return;
  }
  if (variables === undefined) {
    complain('it asks for something that is not here');
    return;
  }
  // One after another: Asterisk waits for more input while the next command already lies in its buffer.
  for (const [name, value] of Object.entries(variables)) {
    socket.write(setVariable(name, value));
    const reply = await lines.reply(limits.replyMs);
    if (reply === undefined || readReply(reply) === 'hangup') return;
  }
  log.debug('agi: answered', { uniqueid: request.uniqueid, ms: Math.round((performance.now() - begun) * 10) / 10 });
}

/** The value, or `late` after so many milliseconds. */
function inTime<T>(value: Promise<T>, ms: number): Promise<T | 'late'> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve('late'), ms);
    value.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** What one peer says, cut into what is expected next. Never keeps more than the limits allow. */
class Lines {
  /** Why nothing more is read; undefined as long as all is well, and for a peer that just went. */
  wrong: string | undefined;
  readonly #socket: Socket;
  #text = '';
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => {
      this.#text += bytes.toString('latin1');
      if (this.#text.length > environmentLimits.bytes) this.#fail('it says too much');
      this.#wake();
    });
    socket.once('close', () => this.#end());
    socket.once('end', () => this.#end());
  }

  /** Everything up to the blank line, decoded; undefined when it does not come, or is not AGI. */
  environment(ms: number): Promise<string | undefined> {
    return this.#next(ms, () => {
      if (!beginsLikeAgi(this.#text.slice(0, 13))) {
        this.#fail('it does not speak AGI');
        return undefined;
      }
      const found = /\r?\n\r?\n/.exec(this.#text);
      return found === null ? undefined : this.#cut(found.index, found.index + found[0].length);
    });
  }

  /** The next line; undefined when it does not come. */
  reply(ms: number): Promise<string | undefined> {
    return this.#next(ms, () => {
      const end = this.#text.indexOf('\n');
      if (end < 0 && this.#text.length > longestReply) this.#fail('it says too much');
      return end < 0 ? undefined : this.#cut(end, end + 1);
    });
  }

  #cut(end: number, next: number): string {
    const piece = Buffer.from(this.#text.slice(0, end), 'latin1').toString('utf8');
    this.#text = this.#text.slice(next);
    return piece.endsWith('\r') ? piece.slice(0, -1) : piece;
  }

  async #next(ms: number, find: () => string | undefined): Promise<string | undefined> {
    const until = performance.now() + ms;
    for (;;) {
      const found = this.wrong === undefined ? find() : undefined;
      if (found !== undefined || this.#ended || this.wrong !== undefined) return found;
      const left = until - performance.now();
      if (left <= 0) {
        this.#fail('it is too slow');
        return undefined;
      }
      await new Promise<void>((resolve) => {
        // After a stall timers run before sockets are read: one more turn, and what came in time counts.
        const timer = setTimeout(() => setImmediate(resolve), left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #fail(why: string): void {
    this.wrong ??= why;
    this.#text = '';
    this.#socket.destroy();
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }
}
