import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from '../log.ts';
import { addressList, plainAddress } from './addresses.ts';
import { limitConnections } from './connections.ts';
import type { HttpFigures } from './figures.ts';
import { type Given, UnreadableError, readJson, readPairs, utf8 } from './form.ts';

/** Limits of a listener (`delivery.md` H5–H8, `security.md` 2). */
export interface HttpLimits {
  /** Bytes of a body. */
  readonly body: number;
  /** Until the headers, and until the whole request is there, milliseconds. */
  readonly headersMs: number;
  readonly requestMs: number;
  /** How often these two are looked at, milliseconds. */
  readonly checkMs: number;
  /** How long a connection may stand still while it is used: who does not read her answer. Longer than any answer takes. */
  readonly stillMs: number;
  /** How long an idle connection stays open, milliseconds: longer than a proxy keeps its own. */
  readonly keepAliveMs: number;
  /** Connections of one address, and of all. */
  readonly perAddress: number;
  readonly connections: number;
  /** When there is no room: how long a connection must have been idle, or without its whole request, to give way, milliseconds. */
  readonly patienceMs: number;
  /** How long requests under way may take when we stop, milliseconds. */
  readonly stopMs: number;
}

/** What the daemon uses. */
export const standardLimits: HttpLimits = {
  body: 256 * 1024,
  headersMs: 5_000,
  requestMs: 10_000,
  checkMs: 1_000,
  stillMs: 15_000,
  keepAliveMs: 65_000,
  perAddress: 50,
  connections: 1_000,
  patienceMs: 500,
  stopMs: 2_500,
};

/** What every listener needs. */
export interface ServerOptions {
  readonly log: Logger;
  readonly figures: HttpFigures;
  readonly limits?: Partial<HttpLimits> | undefined;
  /** Addresses or ranges whose `X-Forwarded-For` is believed. */
  readonly trustProxy?: readonly string[] | undefined;
}

/** How an error is written on a path. */
export type SayError = (status: number, code: string, message: string) => { type: string; body: string };

const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';

/** `{"success":false,"error":{"code":…,"message":…}}`: for programs. */
export const jsonError: SayError = (_status, code, message) => ({
  type: JSON_TYPE,
  body: JSON.stringify({ success: false, error: { code, message } }),
});

/** One line: for people who see it in the CRM. */
export const textError: SayError = (_status, _code, message) => ({ type: TEXT_TYPE, body: `${message}\n` });

const METHODS = ['GET', 'HEAD', 'POST'];

/** Connections whose last answer is on its way: what is pipelined behind it must not be worked on. */
const closing = new WeakSet<object>();

/** A request on its way: what was read of it. */
declare module 'fastify' {
  interface FastifyRequest {
    /** Monotonic ms when it came. */
    cameAt: number;
    /** Query and body together; the query's values win. */
    given(): Given;
    /** Source address after trusted proxies; `unknown` when a proxy forwarded nonsense. */
    peer: string;
  }
  interface FastifyContextConfig {
    /** How this route says errors; default: text. */
    sayError?: SayError;
  }
}

/**
 * A listener without routes: limits, timeouts, method and target lists, bodies, headers of every reply, uniform errors, figures.
 * Nothing of a request is echoed or logged: paths hold tokens, queries hold clientIds and numbers.
 */
export function createHttp(options: ServerOptions): FastifyInstance {
  const { log, figures } = options;
  const limits = { ...standardLimits, ...options.limits };
  const trusted = addressList(options.trustProxy ?? []);
  const app = Fastify({
    serverFactory: (handler) =>
      guardedServer(limits, figures, trusted, (request, response) => {
        // Nobody would hear the answer: the connection was refused or is about to be closed, or its other end has hung up.
        if (!request.socket.writable || closing.has(request.socket)) return;
        if (!response.shouldKeepAlive) closing.add(request.socket);
        handler(request, response);
      }),
    clientErrorHandler: (error, socket) => brokenRequest(error, socket, figures),
    frameworkErrors: (error, request, reply) => {
      begin(request);
      void refuse(request, reply, error.statusCode ?? 400, 'bad_target', 'the path cannot be read');
    },
    bodyLimit: limits.body,
    trustProxy: (options.trustProxy ?? []).length > 0 ? (address) => trusted(address) : false,
    exposeHeadRoutes: false,
    logger: false,
    // The query is read by `given`, where it can be refused; here nothing may throw.
    routerOptions: { querystringParser: () => ({}), maxParamLength: 200 },
  });
  // The parameter tables check (parameters.ts); the schemas made of them are for the OpenAPI document and the replies.
  app.setValidatorCompiler(() => () => true);
  app.decorateRequest('cameAt', 0);
  app.decorateRequest('peer', '');
  app.decorateRequest('given', givenOf);
  app.addHook('onRequest', (request, reply, done) => {
    begin(request);
    const wrong = wrongFrom(request);
    if (wrong === undefined) {
      done();
      return;
    }
    hangUp(request, reply);
    void refuse(request, reply, ...wrong);
  });
  bodies(app);
  app.addHook('onSend', (_request, reply, payload, done) => {
    reply.header('x-content-type-options', 'nosniff');
    // A path with a token must not travel on as a referrer, nor stay in a cache.
    reply.header('referrer-policy', 'no-referrer');
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
    done(null, payload);
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    const ms = performance.now() - request.cameAt;
    figures.answered(route, METHODS.includes(request.method) ? request.method : 'other', reply.statusCode, ms / 1000);
    log.debug('http: answered', { route, status: reply.statusCode, ms: Math.round(ms), peer: request.peer });
    done();
  });
  app.setNotFoundHandler((request, reply) => refuse(request, reply, 404, 'not_found', 'there is nothing here'));
  app.setErrorHandler((error, request, reply) => {
    const status = statusOf(error);
    if (status === 413) return refuse(request, reply, 413, 'too_large', 'the body is too large');
    if (status === 415) return refuse(request, reply, 415, 'media_type', 'send a form or JSON');
    if (status !== undefined && status < 500) return refuse(request, reply, status, 'unreadable', readable(error));
    log.error('http: a request failed', { route: request.routeOptions.url ?? 'none', err: error });
    return refuse(request, reply, 500, 'internal', 'a fault of ours; the log tells more');
  });
  return app;
}

/** Answers with an error in the route's own form, and closes the connection where the rest of the request is not wanted. */
export function refuse(
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  code: string,
  message: string,
): FastifyReply {
  const say = request.routeOptions.config.sayError ?? (request.raw.url?.startsWith('/api/') ? jsonError : textError);
  const { type, body } = say(status, code, message);
  if (!request.raw.complete && announcesBody(request)) hangUp(request, reply);
  if (status === 405 && !reply.hasHeader('allow')) reply.header('allow', 'GET, POST');
  return reply.code(status).type(type).send(body);
}

/** This answer is the connection's last: where the request ends is not certain, what follows may be part of it. */
function hangUp(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('connection', 'close');
  closing.add(request.raw.socket);
}

/** What is wrong with a request before anybody looks at its path: Node lets all of these through. */
function wrongFrom(request: FastifyRequest): [status: number, code: string, message: string] | undefined {
  const { url = '', httpVersion, headers } = request.raw;
  const { method } = request;
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return [400, 'bad_version', 'HTTP/1.1, please'];
  // Node itself would refuse it, and go on with what is pipelined behind it.
  if (httpVersion === '1.1' && headers.host === undefined) return [400, 'no_host', 'Host is missing'];
  if (!METHODS.includes(method)) return [405, 'method_not_allowed', 'use GET or POST'];
  if (!url.startsWith('/') || url.startsWith('//')) return [400, 'bad_target', 'the target must be a path'];
  if (method !== 'POST' && announcesBody(request)) return [400, 'unexpected_body', `${method} has no body`];
  return undefined;
}

/** Begins to listen. @returns the address as `host:port`, port 0 resolved. Rejects with Node's error (`EADDRINUSE`, …). */
export async function listen(app: FastifyInstance, address: string, port: number): Promise<string> {
  // Node's 511 make a burst of newcomers wait a second for their second try. The kernel takes at most `net.core.somaxconn`.
  await app.listen({ host: address, port, backlog: 4_096 });
  const bound = app.server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the listener has no address');
  return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}

/** Takes nothing new, lets requests under way end for a moment, then closes what is left. */
export async function close(app: FastifyInstance, limits: Partial<HttpLimits> = {}): Promise<void> {
  const impatient = setTimeout(() => app.server.closeAllConnections(), limits.stopMs ?? standardLimits.stopMs);
  await app.close();
  clearTimeout(impatient);
}

function guardedServer(
  limits: HttpLimits,
  figures: HttpFigures,
  trusted: (address: string) => boolean,
  handler: NonNullable<Parameters<typeof createServer>[1]>,
): Server {
  const server = createServer(
    {
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      connectionsCheckingInterval: limits.checkMs,
      keepAliveTimeout: limits.keepAliveMs,
      maxHeaderSize: 16 * 1024,
      insecureHTTPParser: false,
      requireHostHeader: false, // see `wrongFrom`
      joinDuplicateHeaders: false,
    },
    handler,
  );
  server.maxHeadersCount = 100;
  // Node has no limit for those who never read.
  server.timeout = limits.stillMs;
  const { perAddress, connections: total, patienceMs } = limits;
  limitConnections(server, { perAddress, total, patienceMs, exempt: trusted }, () => (figures.connectionsRefused += 1));
  return server;
}

/** No HTTP, too slow, or too long headers: answered as far as it can be, then closed. */
function brokenRequest(error: Error & { code?: string }, socket: Socket, figures: HttpFigures): void {
  const [status, words] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431', 'Request Header Fields Too Large']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408', 'Request Timeout']
        : ['400', 'Bad Request'];
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  figures.broken.add({ status });
  // Whoever sent this may be in the middle of sending more: nothing is waited for.
  if (socket.writable) socket.write(`HTTP/1.1 ${status} ${words}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  socket.destroySoon();
}

function begin(request: FastifyRequest): void {
  request.cameAt = performance.now();
  request.peer = plainAddress(request.ip) ?? 'unknown';
}

function announcesBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Forms and JSON become `Given`; anything else is refused with 415. */
function bodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parse = (read: (text: string, given: Given) => Given) => (_: FastifyRequest, body: Buffer) =>
    new Promise<Given>((resolve) => resolve(read(utf8(body), new Map())));
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'buffer' }, parse(readPairs));
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, parse(readJson));
}

function givenOf(this: FastifyRequest): Given {
  const url = this.raw.url ?? '';
  const at = url.indexOf('?');
  const given: Given = at < 0 ? new Map<string, string>() : readPairs(url.slice(at + 1), new Map());
  const { body } = this;
  if (isGiven(body)) for (const [name, value] of body) if (!given.has(name)) given.set(name, value);
  return given;
}

/** Bodies are made by our own parsers only. */
function isGiven(body: unknown): body is Given {
  return body instanceof Map;
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof UnreadableError) return 400;
  // Errors of Node and fastify are of another realm in tests: looked at by shape.
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return undefined;
  return typeof error.statusCode === 'number' ? error.statusCode : undefined;
}

function readable(error: unknown): string {
  return error instanceof UnreadableError ? error.message : 'the request cannot be read';
}
