import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AmiClient, type AmiClientOptions, type AmiSession } from '../../../src/ami/client.ts';
import type { Clock } from '../../../src/ami/clock.ts';
import type { CloseReason } from '../../../src/ami/connection.ts';
import { Framer, type FramerLimits } from '../../../src/ami/framer.ts';
import { AmiMessage } from '../../../src/ami/message.ts';
import { type LogFields, type Logger, silentLog } from '../../../src/log.ts';
import { projectRoot } from '../../../src/root.ts';
import { FakeAmi, type FakeAmiOptions } from '../../support/fakeAmi.ts';

/** The bytes of a capture, e.g. `ast22/in_direct_answer`. */
export function capture(name: string): Buffer {
  return readFileSync(join(projectRoot(), 'test', 'captures', `${name}.ami`));
}

/** Messages of a stream cut into pieces of `size` bytes, as text; and the fault that ended it. */
export function frames(
  bytes: Buffer,
  size: number,
  limits?: Partial<FramerLimits>,
): { texts: string[]; fault: string | undefined } {
  const texts: string[] = [];
  const framer = new Framer((all, start, end) => texts.push(all.toString('latin1', start, end)), limits);
  let fault: string | undefined;
  for (let at = 0; at < bytes.length && fault === undefined; at += size) {
    fault = framer.push(bytes.subarray(at, Math.min(bytes.length, at + size)));
  }
  return { texts, fault };
}

/** A message from a string that has one character per byte. */
export function readText(text: string): AmiMessage | undefined {
  const bytes = Buffer.from(text, 'latin1');
  return AmiMessage.read(bytes, 0, bytes.length);
}

/** A message from lines, as if it had come over the wire. */
export function message(...lines: string[]): AmiMessage {
  const read = readText(Buffer.from(lines.join('\r\n')).toString('latin1'));
  if (!read) throw new Error('not a message');
  return read;
}

/** Time that passes only when a test says so. */
export class ManualClock implements Clock {
  #now = 1_000_000;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  /** Milliseconds until the timers that wait, soonest first. */
  get waiting(): number[] {
    return this.#timers.map(({ at }) => at - this.#now).sort((a, b) => a - b);
  }

  /** Lets `ms` pass and runs what falls due, in its order. */
  advance(ms: number): void {
    const target = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= target).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((one) => one !== due);
      this.#now = due.at;
      due.run();
    }
    this.#now = target;
  }
}

/** A logger that remembers its lines as text. */
export function memoryLog(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  const write = (level: string) => (text: string, fields?: LogFields) => {
    lines.push(`${level} ${text} ${JSON.stringify(fields ?? {})}`);
  };
  const log: Logger = {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    child: () => log,
  };
  return { log, lines };
}

/** What a client told, and a way to wait for it. */
export class Told {
  ups: AmiSession[] = [];
  downs: CloseReason[] = [];
  heardAt: number[] = [];
  refused: CloseReason[] = [];
  events: AmiMessage[] = [];
  #waiting: { done: () => boolean; resolve: () => void }[] = [];

  /** Resolves when `done` is true; asked after everything the client tells. */
  until(done: () => boolean): Promise<void> {
    if (done()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ done, resolve }));
  }

  changed(): void {
    const ready = this.#waiting.filter(({ done }) => done());
    this.#waiting = this.#waiting.filter((one) => !ready.includes(one));
    for (const { resolve } of ready) resolve();
  }
}

const cleanups: (() => Promise<void> | void)[] = [];

/** Runs at the end of the test, last added first. */
export function later(cleanup: () => Promise<void> | void): void {
  cleanups.push(cleanup);
}

/** For `afterEach`: stops whatever the test started. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

export async function startFake(options?: FakeAmiOptions): Promise<FakeAmi> {
  const ami = await FakeAmi.start(options);
  later(() => ami.stop());
  return ami;
}

/** A started client of a fake, without jitter. */
export function startClient(
  ami: Pick<FakeAmi, 'address'>,
  options: Partial<AmiClientOptions> = {},
): { client: AmiClient; told: Told } {
  const told = new Told();
  const client = new AmiClient(
    { ...ami.address, log: silentLog, random: () => 0, ...options },
    {
      onUp: (session) => {
        told.ups.push(session);
        told.changed();
      },
      onDown: (reason, heardAt) => {
        told.downs.push(reason);
        told.heardAt.push(heardAt);
        told.changed();
      },
      onMessage: (one) => {
        told.events.push(one);
        told.changed();
      },
      onAuthRefused: (reason) => {
        told.refused.push(reason);
        told.changed();
      },
    },
  );
  later(() => client.stop());
  client.start();
  return { client, told };
}
