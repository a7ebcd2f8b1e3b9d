/** Audio of one call: 20 ms PCMU packets of a quiet tone, and RFC 4733 digits. */
import { createSocket, type Socket } from 'node:dgram';
import { randomInt } from 'node:crypto';
import { pass } from '../wait.ts';

const frameMs = 20;
const samplesPerFrame = 160;
/** A frame of something that is not silence, so that recordings have content. */
const tone = Buffer.from(Array.from({ length: samplesPerFrame }, (_, i) => (i % 20 < 10 ? 0xce : 0x4e)));

/** One RTP stream with its own port. */
export class Rtp {
  /** Our port, in the session description. */
  readonly port: number;
  readonly #socket: Socket;
  readonly #ssrc = randomInt(2 ** 32);
  #sequence = randomInt(2 ** 15);
  #timestamp = randomInt(2 ** 30);
  #target: { address: string; port: number; digits: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #begun = 0;
  #sent = 0;
  #digit = false;
  #closed = false;
  /** Packets that came in: tells whether somebody can be heard. */
  received = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.port = socket.address().port;
    socket.on('message', () => this.received++);
    socket.on('error', () => undefined); // the other side closed its port first: normal at the end of a call
  }

  static open(address: string): Promise<Rtp> {
    return new Promise((resolve, reject) => {
      const socket = createSocket('udp4');
      socket.once('error', reject);
      socket.bind(0, address, () => {
        socket.off('error', reject);
        resolve(new Rtp(socket));
      });
    });
  }

  /** Sends the tone to where the other side listens, from now on; a second call changes the target. */
  talk(target: { address: string; port: number; digits: number }): void {
    this.#target = target;
    if (this.#timer !== undefined) return;
    this.#begun = performance.now();
    this.#timer = setInterval(() => this.#catchUp(), frameMs);
  }

  /** Sends digits one after another, 120 ms each with 80 ms between; resolves after the last. */
  async digits(text: string): Promise<void> {
    for (const digit of text) await this.#sendDigit('0123456789*#ABCD'.indexOf(digit));
  }

  /** Stops and frees the port. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#target = undefined;
    if (!this.#closed) this.#socket.close();
    this.#closed = true;
  }

  // A timer on a busy machine is late: what is due by the clock is sent, not one packet per tick.
  #catchUp(): void {
    const due = Math.floor((performance.now() - this.#begun) / frameMs);
    for (; this.#sent < due; this.#sent++) {
      if (!this.#digit) this.#send(0, tone, false, this.#timestamp);
      this.#timestamp += samplesPerFrame;
    }
  }

  async #sendDigit(code: number): Promise<void> {
    if (code < 0 || this.#target === undefined) throw new Error('not a digit, or nobody to hear it');
    const payload = this.#target.digits;
    const begun = this.#timestamp;
    this.#digit = true;
    for (let step = 1; step <= 8; step++) {
      const end = step > 5; // the end is sent three times
      const duration = Math.min(step, 6) * samplesPerFrame;
      const body = Buffer.from([code, (end ? 0x80 : 0) | 10, duration >> 8, duration & 0xff]);
      this.#send(payload, body, step === 1, begun);
      if (!end) await pass(frameMs);
    }
    this.#digit = false;
    await pass(80);
  }

  #send(payload: number, body: Buffer, marker: boolean, timestamp: number): void {
    if (this.#target === undefined) return;
    const head = Buffer.alloc(12);
    head[0] = 0x80;
    head[1] = payload | (marker ? 0x80 : 0);
    head.writeUInt16BE(this.#sequence++ & 0xffff, 2);
    head.writeUInt32BE(timestamp >>> 0, 4);
    head.writeUInt32BE(this.#ssrc, 8);
    this.#socket.send(Buffer.concat([head, body]), this.#target.port, this.#target.address);
  }
}
