/** The record of every request, as it came: what a test asserts on. */

import type { IncomingHttpHeaders } from 'node:http';
import { type Fields, parseFields } from './fields.ts';
import type { Bucket } from './window.ts';

/** One request as it arrived, and how it was answered. */
export interface RecordedRequest {
  /** 1 for the first request since the start or reset. */
  seq: number;
  /** Wall clock at arrival of the headers, epoch milliseconds. */
  at: number;
  /** Monotonic clock at arrival of the headers, nanoseconds. */
  arrivedNs: bigint;
  method: string;
  /** Path without the query. */
  path: string;
  /** Query as sent, without `?`. */
  rawQuery: string;
  /** Body as sent; bytes of a file upload are read as latin1. */
  rawBody: string;
  /** Size of the body in bytes. */
  bodyBytes: number;
  headers: IncomingHttpHeaders;
  /** Name of the account the key belongs to. */
  account: string | undefined;
  bucket: Bucket | undefined;
  /**
   * Things a well-behaved client does not do: `apiKey in query`, `apiKey in form`, `JSON body`, `multipart body`,
   * `bracket field NAME`, `unknown filter NAME`, `unknown field NAME`.
   */
  flags: string[];
  /** Status given; 0 when the connection was cut without a reply. */
  status: number;
  /** `replied`, or the fault that was played. */
  outcome: 'replied' | 'lost' | 'down' | 'scripted' | 'failed' | 'html200' | 'rate limited' | 'open';
}

/** The newest requests, bounded by count and by bytes; counters stay exact. */
export class RequestLog {
  #entries: RecordedRequest[] = [];
  #bytes = 0;
  #seq = 0;
  readonly #cap: number;
  readonly #byteCap: number;
  /** Requests by `METHOD path-pattern`. */
  readonly byMethod = new Map<string, number>();
  /** Replies by status, 0 for cut connections. */
  readonly byStatus = new Map<number, number>();

  /** @param cap most entries kept. @param byteCap most bytes of bodies and queries kept. */
  constructor(cap: number, byteCap: number) {
    this.#cap = cap;
    this.#byteCap = byteCap;
  }

  /** Requests seen since the start. */
  get total(): number {
    return this.#seq;
  }

  /** Opens a record; the server fills in the rest. */
  add(entry: Omit<RecordedRequest, 'seq'>): RecordedRequest {
    const recorded = { seq: ++this.#seq, ...entry };
    this.#entries.push(recorded);
    this.#bytes += weight(recorded);
    if (this.#entries.length > this.#cap || this.#bytes > this.#byteCap) this.#cut();
    return recorded;
  }

  /** The kept requests, oldest first. */
  all(): readonly RecordedRequest[] {
    return this.#entries;
  }

  /** Counts an answered request. */
  count(name: string, status: number): void {
    this.byMethod.set(name, (this.byMethod.get(name) ?? 0) + 1);
    this.byStatus.set(status, (this.byStatus.get(status) ?? 0) + 1);
  }

  /** Forgets everything, counters included. */
  clear(): void {
    this.#entries = [];
    this.#bytes = 0;
    this.#seq = 0;
    this.byMethod.clear();
    this.byStatus.clear();
  }

  #cut(): void {
    const keep = Math.ceil(this.#cap * 0.9);
    let drop = Math.max(0, this.#entries.length - keep);
    let bytes = this.#bytes;
    for (let i = 0; i < drop; i++) bytes -= weight(this.#entries[i]);
    while (bytes > this.#byteCap * 0.9 && drop < this.#entries.length - 1) bytes -= weight(this.#entries[drop++]);
    this.#entries = this.#entries.slice(drop);
    this.#bytes = bytes;
  }
}

/** The form of a recorded request, parsed as PHP would. */
export function formOf(request: RecordedRequest): Fields {
  return parseFields(request.rawBody);
}

/** The query of a recorded request, parsed as PHP would. */
export function queryOf(request: RecordedRequest): Fields {
  return parseFields(request.rawQuery);
}

function weight(request: RecordedRequest | undefined): number {
  return request ? request.rawBody.length + request.rawQuery.length + 600 : 0;
}
