import { AmiConnection, type AmiAddress, type CloseReason } from './connection.ts';

/** One piece of a recording. */
export interface RecordedChunk {
  bytes: Buffer;
  /** Milliseconds, our clock. */
  arrivedAt: number;
}

/** What a recording tells. */
export interface RecorderListener {
  /** Logged in; `banner` is the greeting. */
  opened(banner: string, at: number): void;
  chunk(chunk: RecordedChunk): void;
  closed(reason: CloseReason, at: number): void;
}

const blankLine = Buffer.from('\r\n\r\n');

/**
 * Records what one host sends after the login, byte for byte as messages, until `stop` or until the connection ends:
 * one connection is one segment. The answers to our own pings are in it; replay knows no responses.
 */
export class Recorder {
  readonly #connection: AmiConnection;
  #pieces: Buffer[] = [];

  constructor(address: AmiAddress, listener: RecorderListener) {
    let opened = false;
    this.#connection = new AmiConnection(
      address,
      {
        up: () => undefined,
        event: () => undefined,
        chunkEnd: (arrivedAt) => {
          if (this.#pieces.length === 0) return;
          const bytes = Buffer.concat(this.#pieces);
          this.#pieces = [];
          if (!opened) listener.opened(this.#connection.banner, arrivedAt);
          opened = true;
          listener.chunk({ bytes, arrivedAt });
        },
        closed: (reason, heardAt) => listener.closed(reason, heardAt),
      },
      {
        wanted: [],
        // The bytes are only lent for the call.
        tap: (bytes, start, end) => this.#pieces.push(Buffer.from(bytes.subarray(start, end)), blankLine),
      },
    );
  }

  stop(): Promise<void> {
    return this.#connection.stop();
  }
}
