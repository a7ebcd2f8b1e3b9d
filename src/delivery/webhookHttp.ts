import * as dns from 'node:dns';
import * as http from 'node:http';
import * as https from 'node:https';
import type { LookupFunction } from 'node:net';
import { isNativeError } from 'node:util/types';
import { maskNumbers } from '../retailcrm/errors.ts';
import { type CheckedUrl, ForbiddenAddress, checkAddress, checkUrl } from './addressGuard.ts';

/** How a receiver is reached. */
export interface ReceiverAddress {
  readonly url: string;
  /** Private and loopback addresses may be called. */
  readonly allowPrivate: boolean;
  /** PEM of an additional certificate authority; default: the system's only. Certificates are always verified. */
  readonly ca?: string | undefined;
  /** Names to addresses; default the system's resolver. What it answers is what is checked and connected to. */
  readonly resolve?: ((name: string) => Promise<{ address: string; family: number }[]>) | undefined;
  /** From the start of a request to the receiver's status, ms. Default 10,000. */
  readonly deadlineMs?: number | undefined;
}

/** What became of one request. */
export type Answered =
  | {
      readonly status: number;
      readonly text: string;
      readonly retryAfterMs: number | undefined;
      readonly latencyMs: number;
    }
  | { readonly status: null; readonly text: string; readonly latencyMs: number };

const DEADLINE_MS = 10_000;
/** Most of an answer that is read; more ends the connection. */
const REPLY_BYTES = 64 * 1024;
const SHOWN = 200;
/** Closed before a usual server does. */
const IDLE_MS = 4_000;
const LONGEST_RETRY_AFTER_MS = 3_600_000;

/**
 * POSTs to one receiver: no redirects, no proxy, one absolute deadline, and no connection to an address that was not
 * checked. The check and the connection use one answer of the resolver, so a name that changes its mind gains nothing.
 */
export class WebhookHttp {
  readonly #address: ReceiverAddress;
  readonly #agent: http.Agent;
  readonly #checked: CheckedUrl;
  readonly #lookup: LookupFunction;

  /** Throws ForbiddenAddress when the URL must not be called at all. */
  constructor(address: ReceiverAddress) {
    this.#address = address;
    this.#checked = checkUrl(address.url, address.allowPrivate);
    this.#lookup = guardedLookup(address, this.#checked.plain);
    const options = { keepAlive: true, maxSockets: 16, timeout: IDLE_MS };
    this.#agent = this.#checked.plain
      ? new http.Agent(options)
      : new https.Agent({ ...options, ...(address.ca === undefined ? {} : { ca: address.ca }) });
  }

  /** Closes all sockets; requests under way fail. */
  stop(): void {
    this.#agent.destroy();
  }

  /** One request, `fresh` = on a connection of its own. Never throws: what happened is in the answer. */
  post(body: string, headers: Readonly<Record<string, string>>, fresh = false): Promise<Answered> {
    const started = performance.now();
    const deadlineMs = this.#address.deadlineMs ?? DEADLINE_MS;
    const { url, plain } = this.#checked;
    const bytes = Buffer.from(body, 'utf8');
    return new Promise((resolve) => {
      let told: { status: number; retryAfterMs: number | undefined } | undefined;
      const over = (text: string): void => {
        clearTimeout(timer);
        const latencyMs = performance.now() - started;
        resolve(told === undefined ? { status: null, text, latencyMs } : { ...told, text, latencyMs });
      };
      const request = (plain ? http.request : https.request)(url, {
        method: 'POST',
        agent: fresh ? false : this.#agent,
        ...(fresh && this.#address.ca !== undefined ? { ca: this.#address.ca } : {}),
        lookup: this.#lookup,
        headers: { ...headers, 'content-type': 'application/json', 'content-length': bytes.length },
      });
      const timer = setTimeout(() => {
        over(told === undefined ? `no answer within ${deadlineMs} ms` : '');
        request.destroy();
      }, deadlineMs);
      request.on('error', (error) => {
        if (!fresh && told === undefined && request.reusedSocket && 'code' in error && error.code === 'ECONNRESET') {
          // The receiver closed an idle connection while we reached for it: that says nothing about the receiver.
          clearTimeout(timer);
          resolve(this.post(body, headers, true));
        } else over(told === undefined ? reasonOf(error) : '');
      });
      request.on('response', (reply) => {
        told = { status: reply.statusCode ?? 0, retryAfterMs: retryAfterOf(reply.headers['retry-after']) };
        const text = drained(reply, request, deadlineMs);
        // Taken is taken, whatever follows.
        if (told.status >= 200 && told.status < 300) over('');
        else void text.then(over);
      });
      request.end(bytes);
    });
  }
}

/**
 * The `lookup` of a connection: asks once, checks every address of the answer, and gives the connection just these.
 * @param plain the connection is plain http
 */
export function guardedLookup(
  address: Pick<ReceiverAddress, 'allowPrivate' | 'resolve'>,
  plain: boolean,
): LookupFunction {
  const { allowPrivate, resolve = systemResolve } = address;
  return (name, options, answer) => {
    resolve(name)
      .then((found) => {
        const fitting = found.filter(({ family }) => !options.family || family === familyNumber(options.family));
        const [first] = fitting;
        if (first === undefined) throw Object.assign(new Error('no address'), { code: 'ENOTFOUND' });
        // One forbidden address is enough: a public name has no reason to lead inside.
        for (const one of fitting) checkAddress(one.address, allowPrivate, plain);
        if (options.all) answer(null, fitting);
        else answer(null, first.address, first.family);
      })
      .catch((error: unknown) => {
        answer(isNativeError(error) ? error : new Error('the name cannot be resolved'), '', 0);
      });
  };
}

const familyNumber = (family: number | 'IPv4' | 'IPv6'): number => (family === 'IPv6' || family === 6 ? 6 : 4);

const systemResolve = (name: string): Promise<{ address: string; family: number }[]> =>
  dns.promises.lookup(name, { all: true, order: 'verbatim' });

/** Reads an answer to its end, or to the cap, and gives the beginning of it as one harmless line. */
function drained(reply: http.IncomingMessage, request: http.ClientRequest, deadlineMs: number): Promise<string> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => request.destroy(), deadlineMs);
    const over = (): void => {
      clearTimeout(timer);
      resolve(shown(Buffer.concat(pieces)));
    };
    reply.on('data', (piece: Buffer) => {
      if (size < SHOWN * 4) pieces.push(piece);
      size += piece.length;
      if (size > REPLY_BYTES) request.destroy();
    });
    reply.on('end', over);
    reply.on('close', over);
    reply.on('error', over);
  });
}

/** A receiver may repeat what we sent, or worse: no numbers, no control characters, one line. */
function shown(bytes: Buffer): string {
  const text = bytes
    .toString('utf8')
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim();
  if (text === '' || text.startsWith('<')) return '';
  return maskNumbers(text.slice(0, SHOWN));
}

function retryAfterOf(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '') return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? Math.min(LONGEST_RETRY_AFTER_MS, ms) : undefined;
}

/** Foreign messages may hold the URL: only their code is repeated. */
function reasonOf(error: Error): string {
  if (error instanceof ForbiddenAddress) return `the address must not be called: ${error.message}`;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return code === undefined ? 'connection failed' : `connection failed (${code})`;
}
