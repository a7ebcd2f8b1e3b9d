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
  /** How long a connection may be without its whole request before it gives way to a newcomer, milliseconds; an idle one fourfold. */
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
 * one gives way that does not end its request, else one that has been idle for long.
 * @param onRefused told of each connection that was refused or had to give way without having been idle
 */
export function limitConnections(server: Server, limits: ConnectionLimits, onRefused: () => void): void {
  const guests = new Map<Socket, Guest>();
  const byAddress = new Map<string, Set<Socket>>();
  /** Those whose request is not whole yet, and those that were answered, with since when (monotonic ms), the longest first. */
  const unheard = new Map<Socket, number>();
  const idle = new Map<Socket, number>();
  let farewells = 0;

  const leave = (socket: Socket): void => {
    const guest = guests.get(socket);
    if (!guest) return;
    guests.delete(socket);
    unheard.delete(socket);
    idle.delete(socket);
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

  const madeRoom = (among?: ReadonlySet<Socket>): boolean => {
    const now = performance.now();
    const silent = longest(unheard, now - limits.patienceMs, among);
    if (silent !== undefined) {
      leave(silent);
      refuse(silent);
      return true;
    }
    // A crowd that comes all at once is refused rather than served in turns: that is far less work.
    const unused = longest(idle, now - 4 * limits.patienceMs, among);
    if (unused === undefined) return false;
    leave(unused);
    unused.destroySoon();
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
    unheard.set(socket, performance.now());
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
    idle.delete(socket);
    if (request.method === 'POST') {
      if (!unheard.has(socket)) unheard.set(socket, performance.now());
      request.once('end', () => unheard.delete(socket));
    } else unheard.delete(socket);
    response.once('close', () => {
      guest.under -= 1;
      if (guest.under > 0 || !guests.has(socket)) return;
      unheard.delete(socket);
      idle.set(socket, performance.now());
    });
  });
}

/** Of these, or of all, the one that has been in `since` longest, if at least from `before` on. */
function longest(since: ReadonlyMap<Socket, number>, before: number, among?: ReadonlySet<Socket>): Socket | undefined {
  let found: Socket | undefined;
  let earliest = before;
  for (const socket of among ?? since.keys()) {
    const its = since.get(socket) ?? Infinity;
    if (its <= earliest) [found, earliest] = [socket, its];
    if (among === undefined) break; // they are in order
  }
  return found;
}

function ignore(): void {
  // A refused peer may be gone before it hears that.
}
