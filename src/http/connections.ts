import type { IncomingMessage, Server, ServerResponse } from 'node:http';
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
  /** How long a connection may be without a whole request before it gives way to a newcomer, milliseconds. */
  readonly patienceMs: number;
}

/** How long a refused peer may take to read why, milliseconds; without this pause a reset may overtake the answer. */
const FAREWELL_MS = 500;
/** Beyond so many refused ones at once none is waited for. */
const MOST_FAREWELLS = 8_000;

const REFUSAL = Buffer.from(
  'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Type: text/plain\r\nContent-Length: 21\r\n\r\ntoo many connections\n',
);

/** A connection that was let in. */
interface Guest {
  readonly key: string;
  /** Requests whose answer is not out yet. */
  under: number;
}

/**
 * Beyond the limits a connection gets 503 at once and is closed. A limit for all alone would let one peer lock everybody out until
 * the timeouts free its connections (`delivery.md` H6), and many peers could still do it together: so before somebody is refused,
 * the connection that has been quiet longest gives way, be it idle or one that never ends its request.
 * @param onRefused told of each connection that was refused or had to give way without having been idle
 */
export function limitConnections(server: Server, limits: ConnectionLimits, onRefused: () => void): void {
  const guests = new Map<Socket, Guest>();
  const byAddress = new Map<string, Set<Socket>>();
  /** Those without a whole request under way, and since when (monotonic ms); the longest first. */
  const quiet = new Map<Socket, number>();
  const answeredOnce = new WeakSet<Socket>();
  let farewells = 0;

  const leave = (socket: Socket): void => {
    const guest = guests.get(socket);
    if (!guest) return;
    guests.delete(socket);
    quiet.delete(socket);
    const others = byAddress.get(guest.key);
    others?.delete(socket);
    if (others?.size === 0) byAddress.delete(guest.key);
  };

  const refuse = (socket: Socket): void => {
    onRefused();
    socket.on('error', ignore);
    socket.resume(); // what is left unread would become a reset, and that overtakes the answer
    socket.end(REFUSAL);
    farewells += 1;
    socket.once('close', () => (farewells -= 1));
    if (farewells > MOST_FAREWELLS) socket.destroySoon();
    else setTimeout(() => socket.destroy(), FAREWELL_MS).unref();
  };

  /** @param among these, or all: then the first of `quiet` is the one */
  const madeRoom = (among?: ReadonlySet<Socket>): boolean => {
    let longest: Socket | undefined;
    let since = Infinity;
    for (const socket of among ?? quiet.keys()) {
      const its = quiet.get(socket) ?? Infinity;
      if (its < since) [longest, since] = [socket, its];
      if (among === undefined) break;
    }
    if (longest === undefined) return false;
    // A crowd that comes all at once is refused rather than rotated: that is far less work.
    if (performance.now() - since < limits.patienceMs) return false;
    leave(longest);
    // Idle ones are closed as their time-out would; who is in the middle of a request hears why.
    if (answeredOnce.has(longest)) longest.destroySoon();
    else refuse(longest);
    return true;
  };

  // HTTP begins behind this door: parser, timers and lists for each refused connection are what a flood lives on.
  const begin = server.listeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const key = countedAs(address);
    const mine = byAddress.get(key);
    const fits = mine === undefined || mine.size < limits.perAddress || limits.exempt(address) || madeRoom(mine);
    if (!fits || (guests.size >= limits.total && !madeRoom())) {
      refuse(socket);
      return;
    }
    guests.set(socket, { key, under: 0 });
    quiet.set(socket, performance.now());
    const others = byAddress.get(key);
    if (others) others.add(socket);
    else byAddress.set(key, new Set([socket]));
    socket.once('close', () => leave(socket));
    for (const one of begin) one.call(server, socket);
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    const guest = guests.get(socket);
    if (!guest) return;
    guest.under += 1;
    if (request.method === 'POST') request.once('end', () => quiet.delete(socket));
    else quiet.delete(socket);
    response.once('close', () => {
      guest.under -= 1;
      if (guest.under > 0 || !guests.has(socket)) return;
      answeredOnce.add(socket);
      quiet.delete(socket); // to the end of the row
      quiet.set(socket, performance.now());
    });
  });
}

function ignore(): void {
  // A refused peer may be gone before it hears that.
}
