/** A TCP proxy between the daemon and AMI: the network that can be cut. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A running proxy on a free port of 127.0.0.1. */
export interface Proxy {
  port: number;
  /** Resets every connection; the next one goes through again. */
  cut(): void;
  close(): void;
}

/** Forwards connections to the target. */
export function openProxy(target: { host: string; port: number }): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => undefined); // 'close' follows
      from.once('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  const cut = (): void => sockets.forEach((socket) => socket.resetAndDestroy());
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      resolve({
        port,
        cut,
        close: () => {
          server.close();
          cut();
        },
      });
    });
  });
}
