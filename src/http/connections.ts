import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { countedAs } from './addresses.ts';

/** How many connections there may be. */
export interface ConnectionLimits {
  /** From one address (IPv6: one /64). */
  readonly perAddress: number;
  /** Altogether. */
  readonly total: number;
  /** Addresses without a limit of their own: trusted proxies, which bring everybody. */
  readonly exempt: (address: string) => boolean;
}

/** How long a refused peer may take to read why, milliseconds; without this pause a reset may overtake the answer. */
const FAREWELL_MS = 500;
/** Beyond so many refused ones at once none is waited for. */
const MOST_FAREWELLS = 1_000;

const REFUSAL = Buffer.from(
  'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Type: text/plain\r\nContent-Length: 21\r\n\r\ntoo many connections\n',
);

/**
 * Beyond the limits a connection gets 503 at once and is closed. A limit for all alone would let one peer lock everybody out until
 * the timeouts free its connections (`delivery.md` H6); before honest ones are refused, idle ones are closed.
 * @param onRefused told of each refused connection
 */
export function limitConnections(server: Server, limits: ConnectionLimits, onRefused: () => void): void {
  const open = new Map<string, number>();
  let total = 0;
  let farewells = 0;
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const key = countedAs(address);
    const count = open.get(key) ?? 0;
    if (total >= limits.total) server.closeIdleConnections();
    if (total < limits.total && (count < limits.perAddress || limits.exempt(address))) {
      total += 1;
      open.set(key, count + 1);
      socket.once('close', () => {
        total -= 1;
        const left = (open.get(key) ?? 1) - 1;
        if (left === 0) open.delete(key);
        else open.set(key, left);
      });
      return;
    }
    onRefused();
    // The parser is attached already; requests on a socket that has ended are not worked on (server.ts).
    socket.end(REFUSAL);
    farewells += 1;
    socket.once('close', () => (farewells -= 1));
    if (farewells > MOST_FAREWELLS) socket.destroySoon();
    else setTimeout(() => socket.destroy(), FAREWELL_MS).unref();
  });
}
