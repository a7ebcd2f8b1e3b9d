import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP proxy on loopback between the daemon and something it needs, with the ways in which a network fails. */
export class Proxy {
  readonly #server: Server;
  readonly #target: number;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #swallowing = false;
  /** The far side's bytes arrive in pieces of 1 to so many; 0 = as they come. */
  sliceUpTo = 0;
  /** Connections accepted so far. */
  connections = 0;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((near) => this.#accept(near));
  }

  /** @param target port on loopback */
  static async to(target: number): Promise<Proxy> {
    const proxy = new Proxy(target);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Present connections stay open and carry nothing any more; the far side sees them end. New ones work. */
  blackHole(): void {
    for (const pair of this.#pairs) {
      const [near, far] = pair;
      near.unpipe();
      far.unpipe();
      near.resume();
      far.destroy();
    }
  }

  /** Present and new connections carry nothing until `heal`. */
  swallow(): void {
    this.#swallowing = true;
    this.blackHole();
  }

  /** New connections work again; the swallowed ones are reset. */
  heal(): void {
    this.#swallowing = false;
    this.cut();
  }

  /** Resets every connection. */
  cut(): void {
    for (const [near, far] of this.#pairs) {
      near.resetAndDestroy();
      far.destroy();
    }
    this.#pairs.clear();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(near: Socket): void {
    this.connections++;
    near.on('error', () => undefined);
    const far = connect(this.#target, '127.0.0.1');
    far.on('error', () => undefined);
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    near.on('close', () => {
      this.#pairs.delete(pair);
      far.destroy();
    });
    if (this.#swallowing) {
      near.resume();
      far.destroy();
      return;
    }
    near.pipe(far);
    if (this.sliceUpTo > 0) void this.#slice(far, near);
    else far.pipe(near, { end: false });
    // Only a proxy in good health passes an end on.
    far.on('end', () => near.end());
    far.on('close', () => {
      if (far.readableEnded || far.errored !== null) near.destroy();
    });
  }

  async #slice(far: Socket, near: Socket): Promise<void> {
    near.setNoDelay(true);
    const pieces = (async () => {
      const chunks: AsyncIterable<unknown> = far;
      for await (const chunk of chunks) {
        const bytes = chunk instanceof Uint8Array ? chunk : Buffer.from(String(chunk));
        for (let at = 0, size = 1; at < bytes.length; at += size, size = (size % this.sliceUpTo) + 1) {
          if (near.destroyed) return;
          near.write(bytes.subarray(at, at + size));
          await new Promise<void>((resolve) => setImmediate(resolve));
        }
      }
    })();
    await pieces.catch(() => undefined);
  }
}
