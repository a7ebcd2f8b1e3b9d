import * as http from 'node:http';
import * as https from 'node:https';
import axios from 'axios';
import { type CrmErrorKind, CrmError, type FieldErrors, kindOf, maskNumbers, retryAfter } from './errors.ts';
import { type Form, type Query, encodeForm, encodeQuery } from './form.ts';
import { Fields, Malformed } from './read.ts';

/** One finished exchange, for logs and metrics: no query, no body, no key, no number. */
export interface Exchange {
  readonly method: 'GET' | 'POST';
  /** Path without the query; ids in it stay. */
  readonly path: string;
  /** HTTP status, null when no answer came. */
  readonly status: number | null;
  readonly latencyMs: number;
  /** Null for a success. */
  readonly errorClass: CrmErrorKind | null;
}

/** One exchange as it went over the wire, but for the key. Numbers and secrets are in it as they are: for a protocol, masked. */
export interface WireExchange {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Encoded, without `?`. */
  readonly query: string;
  readonly contentType: string | undefined;
  readonly body: string | Uint8Array | undefined;
  /** HTTP status, null when no answer came. */
  readonly status: number | null;
  readonly replyType: string | undefined;
  /** The answer's `Date`. */
  readonly date: string | undefined;
  readonly reply: Buffer;
  readonly latencyMs: number;
  /** What was wrong with it; undefined for a success. */
  readonly error: CrmError | undefined;
}

/** How to reach one account. */
export interface CrmAddress {
  /** Base URL of the account; https, or http on a loopback host with `allowInsecure`. */
  readonly url: string;
  /** API key; goes into the header `X-API-KEY` and nowhere else. Empty: no header at all. */
  readonly key: string;
  /** Accepts http on a loopback host: the emulator. */
  readonly allowInsecure?: boolean | undefined;
  /** Deadline of one request from start to the last byte, ms. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Called once per request, success or not. */
  readonly onExchange?: ((exchange: Exchange) => void) | undefined;
  /** Called once per request with everything that went over the wire. */
  readonly observe?: ((exchange: WireExchange) => void) | undefined;
}

/** Settings of one request. */
export interface RequestOptions {
  /** Deadline of this request, ms. */
  readonly deadlineMs?: number | undefined;
}

interface RawRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query?: Query;
  readonly body?: URLSearchParams | Uint8Array;
  readonly contentType?: string;
  readonly deadlineMs?: number | undefined;
  readonly maxBytes?: number;
}

interface RawAnswer {
  readonly status: number;
  readonly body: Buffer;
  readonly retryAfter: unknown;
  readonly fileName: string | undefined;
  readonly contentType: unknown;
  readonly date: unknown;
}

/** Largest answer we read, after decompression. A gzip bomb ends here. */
const maxAnswerBytes = 1024 * 1024;
/** Idle sockets are closed before a usual server does: a socket closed under a popup costs the popup. */
const idleSocketMs = 10_000;

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** The account's base URL in its one spelling: no trailing slash. Throws TypeError on anything that must not be called. */
export function baseUrl(url: string, allowInsecure = false): string {
  if (!URL.canParse(url)) throw new TypeError('the CRM address is not a URL');
  const parsed = new URL(url);
  const insecure = parsed.protocol === 'http:' && allowInsecure && loopback.test(parsed.hostname);
  if (parsed.protocol !== 'https:' && !insecure) throw new TypeError('the CRM address must start with https://');
  if (parsed.username !== '' || parsed.password !== '' || parsed.search !== '' || parsed.hash !== '')
    throw new TypeError('the CRM address must not hold a user, a query or a fragment');
  return parsed.origin + parsed.pathname.replace(/\/+$/, '');
}

/** Single requests to one account: no redirects, no retry, no pacing, one absolute deadline. Every failure is a `CrmError`. */
export class CrmHttp {
  readonly #base: string;
  readonly #key: string;
  readonly #timeoutMs: number;
  readonly #onExchange: ((exchange: Exchange) => void) | undefined;
  readonly #observe: ((exchange: WireExchange) => void) | undefined;
  readonly #plain = new http.Agent({ keepAlive: true, maxSockets: 256, timeout: idleSocketMs });
  readonly #tls = new https.Agent({ keepAlive: true, maxSockets: 256, timeout: idleSocketMs });

  constructor(address: CrmAddress) {
    this.#base = baseUrl(address.url, address.allowInsecure);
    this.#key = address.key;
    this.#timeoutMs = address.timeoutMs ?? 30_000;
    this.#onExchange = address.onExchange;
    this.#observe = address.observe;
  }

  /** Closes all sockets; requests under way fail. */
  stop(): void {
    this.#plain.destroy();
    this.#tls.destroy();
  }

  /** GET of a JSON answer. */
  async get<T>(path: string, query: Query, read: (answer: Fields) => T, options: RequestOptions = {}): Promise<T> {
    return this.#json({ method: 'GET', path, query, ...options }, read);
  }

  /** POST of a form with a JSON answer. */
  async post<T>(path: string, form: Form, read: (answer: Fields) => T, options: RequestOptions = {}): Promise<T> {
    return this.#json({ method: 'POST', path, body: encodeForm(form), ...options }, read);
  }

  /** POST of raw bytes with a JSON answer. */
  async postBytes<T>(path: string, bytes: Uint8Array, read: (answer: Fields) => T): Promise<T> {
    return this.#json({ method: 'POST', path, body: bytes, contentType: 'application/octet-stream' }, read);
  }

  /** GET of a file of at most `maxBytes`. */
  async getBytes(path: string, maxBytes: number): Promise<{ bytes: Buffer; fileName: string | undefined }> {
    return this.#exchange({ method: 'GET', path, maxBytes }, (answer, latencyMs) => {
      if (answer.status < 200 || answer.status >= 300) throw this.#refusal(answer, latencyMs);
      return { bytes: answer.body, fileName: answer.fileName };
    });
  }

  async #json<T>(request: RawRequest, read: (answer: Fields) => T): Promise<T> {
    return this.#exchange(request, (answer, latencyMs) => {
      const body = parseObject(answer.body);
      if (answer.status < 200 || answer.status >= 300 || body?.raw('success') !== true)
        throw this.#refusal(answer, latencyMs);
      try {
        return read(body);
      } catch (error) {
        if (!(error instanceof Malformed)) throw error;
        const errorMsg = `the answer is not understood: ${error.message}`;
        throw new CrmError({ kind: 'RETRY', status: answer.status, errorMsg, sent: true, latencyMs });
      }
    });
  }

  async #exchange<T>(request: RawRequest, judge: (answer: RawAnswer, latencyMs: number) => T): Promise<T> {
    const started = performance.now();
    let answer: RawAnswer | undefined;
    const report = (status: number | null, errorClass: CrmErrorKind | null): void =>
      this.#onExchange?.({
        method: request.method,
        path: request.path,
        status,
        latencyMs: performance.now() - started,
        errorClass,
      });
    try {
      answer = await this.#send(request, started);
      const result = judge(answer, performance.now() - started);
      report(answer.status, null);
      this.#observe?.(wire(request, answer, performance.now() - started, undefined));
      return result;
    } catch (error) {
      if (error instanceof CrmError) {
        report(error.status, error.kind);
        this.#observe?.(wire(request, answer, performance.now() - started, error));
      }
      throw error;
    }
  }

  async #send(request: RawRequest, started: number): Promise<RawAnswer> {
    const query = request.query ? encodeQuery(request.query) : '';
    const deadlineMs = request.deadlineMs ?? this.#timeoutMs;
    const connection = { made: false };
    const path = request.path.split('/');
    if (path.slice(1).includes('')) throw this.#unsent('BUG', 'an id in the path is empty', started);
    // Not AbortSignal.timeout: each of those lives, and says so aloud, long after a quick answer came.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), deadlineMs);
    try {
      const answer = await axios.request<Buffer>({
        method: request.method,
        url: `${this.#base}${request.path}${query === '' ? '' : `?${query}`}`,
        data: request.body,
        headers: {
          ...(this.#key === '' ? {} : { 'X-API-KEY': this.#key }),
          Accept: 'application/json',
          ...(request.contentType === undefined ? {} : { 'Content-Type': request.contentType }),
        },
        responseType: 'arraybuffer',
        signal: late.signal,
        maxRedirects: 0, // axios would carry X-API-KEY to the other host
        proxy: false,
        decompress: true,
        maxContentLength: request.maxBytes ?? maxAnswerBytes,
        maxBodyLength: Number.POSITIVE_INFINITY,
        validateStatus: () => true,
        transport: watched(connection, this.#base.startsWith('https:') ? https.request : http.request),
        httpAgent: this.#plain,
        httpsAgent: this.#tls,
      });
      return {
        status: answer.status,
        body: answer.data,
        retryAfter: answer.headers['retry-after'],
        fileName: fileNameOf(answer.headers['content-disposition']),
        contentType: answer.headers['content-type'],
        date: answer.headers['date'],
      };
    } catch (error) {
      // The error of axios holds the key and the body: only its code and a harmless reason leave this place.
      throw new CrmError({
        kind: 'NETWORK',
        status: null,
        errorMsg: reasonOf(error, deadlineMs),
        sent: connection.made,
        latencyMs: performance.now() - started,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  #unsent(kind: CrmErrorKind, errorMsg: string, started: number): CrmError {
    return new CrmError({ kind, status: null, errorMsg, sent: false, latencyMs: performance.now() - started });
  }

  #refusal(answer: RawAnswer, latencyMs: number): CrmError {
    const body = parseObject(answer.body);
    const raw = body?.raw('errorMsg');
    const errorMsg = typeof raw === 'string' ? raw : '';
    const errors = this.#fieldErrors(body?.raw('errors'));
    const hasErrors = Object.keys(errors).length > 0;
    return new CrmError({
      kind: kindOf({ status: answer.status, json: body !== undefined, errorMsg, hasErrors }),
      status: answer.status,
      errorMsg: errorMsg === '' ? saidNothing(answer.status, answer.body) : this.#clean(errorMsg),
      errors,
      retryAfterMs: retryAfter(answer.retryAfter, Date.now()),
      sent: true,
      latencyMs,
      combinedTo: combinedTo(body),
      failed: failedParts(body),
    });
  }

  #clean(text: string): string {
    return maskNumbers(this.#key === '' ? text : text.replaceAll(this.#key, '***')).slice(0, 500);
  }

  /** `errors` has four shapes on the wire; here it is always a map. */
  #fieldErrors(errors: unknown): FieldErrors {
    if (typeof errors !== 'object' || errors === null) return {};
    const entries = Object.entries(errors).slice(0, 100);
    return Object.fromEntries(
      entries.map(([field, text]: [string, unknown]) => [
        this.#clean(field),
        this.#clean(typeof text === 'string' ? text : JSON.stringify(text)),
      ]),
    );
  }
}

function wire(
  { method, path, query, body, contentType }: RawRequest,
  answer: RawAnswer | undefined,
  latencyMs: number,
  error: CrmError | undefined,
): WireExchange {
  const form = body instanceof URLSearchParams;
  return {
    method,
    path,
    query: query ? encodeQuery(query) : '',
    contentType: form ? 'application/x-www-form-urlencoded' : contentType,
    body: form ? body.toString() : body,
    status: answer?.status ?? null,
    replyType: typeof answer?.contentType === 'string' ? answer.contentType : undefined,
    date: typeof answer?.date === 'string' ? answer.date : undefined,
    reply: answer?.body ?? Buffer.alloc(0),
    latencyMs,
    error,
  };
}

type Transport = (options: http.RequestOptions, onAnswer: (answer: http.IncomingMessage) => void) => http.ClientRequest;

/** The transport axios uses, which also notes whether a connection was made: without one, nothing can have reached the server. */
function watched(connection: { made: boolean }, request: Transport): { request: Transport } {
  return {
    request: (options, onAnswer) => {
      const sent = request(options, onAnswer);
      sent.once('socket', (socket) => {
        if (!socket.connecting) connection.made = true;
        else
          socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
            connection.made = true;
          });
      });
      return sent;
    },
  };
}

function parseObject(body: Buffer): Fields | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Fields.of(value, 'answer')
      : undefined;
  } catch {
    return undefined;
  }
}

function saidNothing(status: number, body: Buffer): string {
  if (status >= 300 && status < 400)
    return `redirected (${status}): the address in the configuration is not the account's own`;
  const start = body.subarray(0, 200).toString('utf8').trim();
  if (start === '') return `empty answer with status ${status}`;
  return start.startsWith('<') ? `HTML page with status ${status}` : `no reason given, status ${status}`;
}

function combinedTo(body: Fields | undefined): number | undefined {
  const read = (): number | undefined => body?.child('combinedTo', (fields) => fields.number('id'));
  return lenient(read);
}

function failedParts(body: Fields | undefined): string[] | undefined {
  const lists = ['failedCustomers', 'failedOrders'];
  const id = (fields: Fields): string => fields.text('externalId') ?? fields.text('id') ?? '';
  return lenient(() => lists.flatMap((name) => body?.list(name, id) ?? []));
}

/** Extras of an error answer never turn it into another error. */
function lenient<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function fileNameOf(header: unknown): string | undefined {
  return typeof header === 'string' ? /filename="?([^";]+)"?/i.exec(header)?.[1] : undefined;
}

/** Why no answer came, in words; foreign error messages are not repeated, they may hold the URL. */
function reasonOf(error: unknown, deadlineMs: number): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  const message = typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : '';
  if (code === 'ERR_CANCELED') return `no complete answer within ${deadlineMs} ms`;
  if (message.startsWith('maxContentLength')) return 'the answer is too large';
  return typeof code === 'string' ? `${sentences[code] ?? 'connection failed'} (${code})` : 'connection failed';
}

const sentences: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ENOTFOUND: 'host name unknown',
  EAI_AGAIN: 'host name cannot be resolved now',
  ETIMEDOUT: 'connection timed out',
  CERT_HAS_EXPIRED: 'the certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate chain is self-signed',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificate cannot be verified',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the certificate has no known issuer',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another name',
};
