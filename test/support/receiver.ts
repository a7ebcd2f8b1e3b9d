/** A receiver of webhooks on loopback, http or https, that answers as told and remembers what came. */
import { type IncomingHttpHeaders, type ServerResponse, createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { testTls } from './testTls.ts';

/** One request as it came. */
export interface Received {
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Answers a request; the default is an empty 204. */
export type Answer = (response: ServerResponse, request: Received, count: number) => void;

export interface Receiver {
  readonly port: number;
  readonly url: string;
  readonly received: Received[];
  /** What it answers from now on. */
  answer: Answer;
  /** Connections it has accepted. */
  connections: number;
  stop(): Promise<void>;
}

/** Starts one on 127.0.0.1. */
export async function startReceiver(options: { tls?: boolean; port?: number } = {}): Promise<Receiver> {
  const received: Received[] = [];
  const handle: Parameters<typeof createServer>[1] = (request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const one: Received = {
        at: Date.now(),
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(pieces).toString('utf8'),
      };
      received.push(one);
      receiver.answer(response, one, received.length);
    });
  };
  const server = options.tls === true ? createTlsServer(testTls, handle) : createServer(handle);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const receiver: Receiver = {
    port,
    url: `${options.tls === true ? 'https' : 'http'}://127.0.0.1:${port}/calls`,
    received,
    answer: (response) => void response.writeHead(204).end(),
    connections: 0,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  server.on('connection', () => (receiver.connections += 1));
  return receiver;
}

/** Answers with this status, headers and text. */
export const status =
  (code: number, text = '', headers: Record<string, string> = {}): Answer =>
  (response) =>
    void response.writeHead(code, headers).end(text);
