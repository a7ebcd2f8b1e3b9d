/** A raw HTTP client for the emulator, and an emulator whose clocks stand still unless told. */

import { type IncomingHttpHeaders, request } from 'node:http';
import { afterEach } from '@jest/globals';
import { type Emulator, type EmulatorOptions, startEmulator } from '../../../src/sandbox/emulator.ts';

/** A reply as it came over the wire. */
export interface Told {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The body as JSON; empty for anything else. */
  body: Record<string, unknown>;
}

/** One request, everything as given. */
export interface Sent {
  method?: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** Sends one request. Rejects when the connection is cut before the reply is complete. */
export function send(base: string, sent: Sent): Promise<Told> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(base);
    // The path goes out as it is: a URL would tidy it up.
    const options = {
      hostname,
      port,
      path: sent.path,
      method: sent.method ?? 'GET',
      headers: sent.headers ?? {},
      agent: false,
    };
    const call = request(options, (reply) => {
      const pieces: Buffer[] = [];
      reply.on('data', (piece: Buffer) => pieces.push(piece));
      reply.on('error', reject);
      reply.on('end', () => {
        const text = Buffer.concat(pieces).toString();
        resolve({ status: reply.statusCode ?? 0, headers: reply.headers, text, body: asJson(text) });
      });
    });
    call.on('error', reject);
    call.end(sent.body);
  });
}

function asJson(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** An emulator with a key at hand. The monotonic clock moves a second per request, so that rates matter only where a test says so. */
export class Bench {
  readonly emulator: Emulator;
  readonly clock: Clock;
  key = 'demo-key';

  constructor(emulator: Emulator, clock: Clock) {
    this.emulator = emulator;
    this.clock = clock;
  }

  get(path: string, query: Record<string, string> = {}): Promise<Told> {
    const encoded = new URLSearchParams(query).toString();
    const full = path.startsWith('/') ? path : `/api/v5/${path}`;
    return send(this.emulator.url, {
      path: encoded === '' ? full : `${full}?${encoded}`,
      headers: { 'x-api-key': this.key },
    });
  }

  /** Objects go out as JSON in a form field, text as it is. */
  post(path: string, form: Record<string, unknown> = {}, headers: Record<string, string> = {}): Promise<Told> {
    const fields = Object.entries(form).map(([name, value]): [string, string] => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]);
    return send(this.emulator.url, {
      method: 'POST',
      path: path.startsWith('/') ? path : `/api/v5/${path}`,
      headers: { 'x-api-key': this.key, 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams(fields).toString(),
    });
  }

  raw(sent: Sent): Promise<Told> {
    return send(this.emulator.url, { ...sent, headers: { 'x-api-key': this.key, ...sent.headers } });
  }

  /** A command to `/__emu/`. */
  admin(path: string, given: Record<string, unknown> = {}): Promise<Told> {
    return send(this.emulator.url, { method: 'POST', path: `/__emu/${path}`, body: JSON.stringify(given) });
  }

  event(event: Record<string, unknown>): Promise<Told> {
    return this.post('telephony/call/event', { event });
  }

  upload(...calls: Record<string, unknown>[]): Promise<Told> {
    return this.post('telephony/calls/upload', { calls });
  }
}

/** The two clocks of an emulator under test. */
export interface Clock {
  /** Epoch milliseconds. */
  wall: number;
  /** Monotonic milliseconds. */
  mono: number;
  /** Milliseconds the monotonic clock moves at each request. */
  step: number;
}

const running: Emulator[] = [];

afterEach(async () => {
  for (const emulator of running.splice(0)) await emulator.stop();
});

/** Starts an emulator that stops after the test. The wall clock stands at 2026-03-01 12:00:00 in Minsk. */
export async function bench(options: Partial<EmulatorOptions> = {}): Promise<Bench> {
  const clock: Clock = { wall: Date.parse('2026-03-01T09:00:00Z'), mono: 0, step: 1000 };
  const emulator = await startEmulator({
    port: 0,
    now: () => clock.wall,
    monotonic: () => (clock.mono += clock.step),
    ...options,
  });
  running.push(emulator);
  return new Bench(emulator, clock);
}

/** A call fit for an upload. */
export function call(overrides: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    date: '2026-03-01 12:00:05',
    type: 'in',
    phone: '+375290000101',
    code: '150',
    result: 'answered',
    duration: 64,
    durationWaiting: 9,
    externalId: 'pbx1-1722.33',
    externalPhone: '+375171234503',
    site: 'shop-a',
    ...overrides,
  };
}

/** An event fit to be sent. */
export function event(overrides: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    type: 'in',
    phone: '+375290000101',
    codes: ['150'],
    callExternalId: 'pbx1-1722.33',
    externalPhone: '+375171234503',
    ...overrides,
  };
}

/** A module fit to be registered. */
export function module(overrides: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    code: 'ast-1',
    active: true,
    name: 'Asterisk',
    logo: 'https://tel.example/logo.svg',
    clientId: 'c'.repeat(32),
    baseUrl: 'https://tel.example',
    actions: { activity: '/crm/t/activity' },
    integrations: {
      telephony: { makeCallUrl: 'https://tel.example/makecall', additionalCodes: [{ userId: 7, code: '101' }] },
    },
    ...overrides,
  };
}

/** The paths `errors` names. */
export function blamed(told: Told): string[] {
  const errors = told.body['errors'];
  return typeof errors === 'object' && errors !== null ? Object.keys(errors) : [];
}

/** The rows of a list in a reply. */
export function rows(told: Told, list: string): Record<string, unknown>[] {
  const found = told.body[list];
  if (!Array.isArray(found)) return [];
  return found.map((row: unknown) => (typeof row === 'object' && row !== null ? { ...row } : {}));
}
