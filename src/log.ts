import { Writable } from 'node:stream';
import winston from 'winston';
import { type LogRecord, jsonLine, prettyLine } from './log-format.ts';

export { maskPhone } from './log-mask.ts';

/** Fields of a log line. Keys that may hold secrets or numbers are masked by the format, see `log-mask.ts`. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What a room needs to report. `error` wakes somebody, `warn` is read in the morning, `info` is a milestone. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each line. */
  child(fields: LogFields): Logger;
}

/** A logger that says nothing; for tests and for commands whose output is their result. */
export const silentLog: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLog,
};

/** Bytes that may wait for a reader who does not read; then lines are dropped and counted. */
const LONGEST_BACKLOG = 8 * 1024 * 1024;

/** How long `flush` waits for a stuck reader, milliseconds. */
const FLUSH_DEADLINE = 1_000;

export interface LogOptions {
  /** `json`: a line per record with journald's priority before it; `pretty`: for eyes, coloured on a terminal. */
  readonly format: 'json' | 'pretty';
  /** Least serious level that is written. */
  readonly level: LogRecord['level'];
  /** Default: standard output. */
  readonly stream?: Writable;
}

/** The logger all others are children of. */
export interface RootLog extends Logger {
  /** Lines lost since the start because the reader was stuck, gone, or its disk full. */
  readonly dropped: number;
  /** Settles when everything said so far has left the process, or cannot. */
  flush(): Promise<void>;
}

/** The daemon's log. Never throws and never waits, whatever becomes of its reader. */
export function createLog(options: LogOptions): RootLog {
  const stream = options.stream ?? process.stdout;
  const colours = 'isTTY' in stream && stream.isTTY;
  const line = (record: LogRecord): string =>
    options.format === 'json' ? jsonLine(record) : prettyLine(record, colours);
  const sink = new BoundedSink(stream, (message) => line({ level: 'warn', message, fields: {}, at: new Date() }));
  const logger = winston.createLogger({
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    level: options.level,
    format: winston.format((info) => info)(),
    exitOnError: false,
  });
  logger.pipe(sink.asStream());
  const says = (bound: LogFields): Logger => {
    const at = (level: LogRecord['level']) => (message: string, fields?: LogFields) => {
      if (!logger.isLevelEnabled(level)) return;
      const record = { level, message, fields: fields ? { ...bound, ...fields } : bound, at: new Date() };
      logger.write({ level, message, line: line(record) });
    };
    return {
      error: at('error'),
      warn: at('warn'),
      info: at('info'),
      debug: at('debug'),
      child: (fields) => says({ ...bound, ...fields }),
    };
  };
  return {
    ...says({}),
    get dropped() {
      return sink.dropped;
    },
    flush: () => sink.flush(),
  };
}

/**
 * Writes lines to a stream that may be stuck (S11), gone (EPIPE) or full (ENOSPC, EAGAIN). What the stream does not take within the
 * backlog is dropped; when it flows again one line tells how many.
 */
class BoundedSink {
  dropped = 0;
  readonly #stream: Writable;
  readonly #lost: (message: string) => string;
  #untold = 0;
  #pending = '';

  constructor(stream: Writable, lost: (message: string) => string) {
    this.#stream = stream;
    this.#lost = lost;
    stream.on('error', () => this.#drop());
  }

  /** The form winston writes to; it always takes the record at once, so that winston itself never buffers. */
  asStream(): Writable {
    return new Writable({
      objectMode: true,
      write: (record: { line: string }, _encoding, next) => {
        this.#write(record.line);
        next();
      },
    });
  }

  /** See `RootLog.flush`. */
  async flush(): Promise<void> {
    // What was said in this turn of the event loop may still be inside winston.
    await new Promise((resolve) => setImmediate(resolve));
    this.#leave();
    const stream = this.#stream;
    if (stream.writableLength === 0 || !stream.writable) return;
    await new Promise<void>((resolve) => {
      const stuck = setTimeout(resolve, FLUSH_DEADLINE);
      stream.write('', () => {
        clearTimeout(stuck);
        resolve();
      });
    });
  }

  #write(line: string): void {
    if (!this.#stream.writable || this.#stream.writableLength + this.#pending.length + line.length > LONGEST_BACKLOG) {
      this.#drop();
      return;
    }
    if (this.#untold > 0) {
      const told = `${String(this.#untold)} log lines were dropped: nobody read them in time`;
      this.#untold = 0;
      this.#send(this.#lost(told));
    }
    this.#send(line);
  }

  /** Lines of one turn of the event loop leave together: pipes are written synchronously, and each write costs. */
  #send(line: string): void {
    if (this.#pending === '') setImmediate(() => this.#leave());
    this.#pending += `${line}\n`;
  }

  #leave(): void {
    const lines = this.#pending;
    this.#pending = '';
    if (lines === '') return;
    try {
      this.#stream.write(lines);
    } catch {
      // Files and terminals are written synchronously and may throw EAGAIN or ENOSPC.
      this.#drop();
    }
  }

  #drop(): void {
    this.dropped += 1;
    this.#untold += 1;
  }
}
