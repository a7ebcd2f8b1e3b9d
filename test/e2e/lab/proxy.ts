/** A TCP proxy in front of AMI or the CRM: the network that can be cut, and the far side that can be away. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** How the far side stands: reachable, not listening at all, or a machine that takes connections and says nothing. */
export type Line = 'up' | 'refused' | 'silent';

/** A running proxy of 127.0.0.1. */
export interface Proxy {
  port: number;
  /** Resets every connection; the next one goes through again. */
  cut(): void;
  /** Resets every connection; those that come from now on are treated so. Resolves when it is so. */
  turn(line: Line): Promise<void>;
  close(): void;
}

/** Forwards connections to the target. `port` 0: any free one, which is not kept while the line is `refused`. */
export async function openProxy(target: { host: string; port: number }, port = 0): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let line: Line = 'up';
  const hold = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined); // 'close' follows
    socket.once('close', () => sockets.delete(socket));
  };
  const server = createServer((near) => {
    hold(near);
    if (line !== 'up') {
      near.resume();
      return;
    }
    const far = connect(target);
    hold(far);
    near.once('close', () => far.destroy());
    far.once('close', () => near.destroy());
    near.pipe(far);
    far.pipe(near);
  });
  const listen = (): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  const cut = (): void => sockets.forEach((socket) => socket.resetAndDestroy());
  const turn = async (to: Line): Promise<void> => {
    line = to;
    const closed =
      to === 'refused' && server.listening ? new Promise((resolve) => server.close(resolve)) : Promise.resolve();
    cut();
    await closed;
    if (to !== 'refused' && !server.listening) await listen();
  };
  await listen();
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    turn,
    close: () => {
      server.close();
      cut();
    },
  };
}
