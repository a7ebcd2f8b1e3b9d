/** Ports for a program under test that must be told its port beforehand. */
import { createServer } from 'node:net';

/** Below the range from which the system takes ports for connections (32,768 on Linux): nobody gets one in between. */
const FIRST = 20_000;
const COUNT = 12_000;
/** Each process begins elsewhere, so that two runs side by side do not try the same ones. */
let next = (process.pid * 61) % COUNT;

/** A port of 127.0.0.1 that nobody listens on, and that nobody is given while the program starts. */
export async function portToBe(): Promise<number> {
  for (let tries = 0; tries < COUNT; tries++) {
    const port = FIRST + next;
    next = (next + 1) % COUNT;
    if (await isFree(port)) return port;
  }
  throw new Error(`every port from ${FIRST} to ${FIRST + COUNT - 1} is taken`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
