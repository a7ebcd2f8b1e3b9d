/** What the tests of the probe share: an emulator without rate limits and a run against it that waits for nothing. */
import { silentLog } from '../../../src/log.ts';
import { runProbe } from '../../../src/probe/run.ts';
import type { ProbeOptions } from '../../../src/probe/session.ts';
import type { CheckResult, Protocol } from '../../../src/probe/types.ts';
import { type Emulator, startEmulator } from '../../../src/sandbox/emulator.ts';
import type { Seed } from '../../../src/sandbox/seed.ts';

/** 2026-11-22T09:00:00Z. */
export const AT = Date.UTC(2026, 10, 22, 9);

/** An emulator whose wall clock stands still and whose rate windows are always empty. */
export function emulatorFor(seed: Seed = {}): Promise<Emulator> {
  let clock = 0;
  return startEmulator({ port: 0, seed, now: () => AT, monotonic: () => (clock += 1_000) });
}

/** A whole run. */
export function probe(emulator: Emulator, over: Partial<ProbeOptions> = {}): Promise<Protocol> {
  return runProbe({
    enterprise: 'acme',
    url: emulator.url,
    key: 'demo-key',
    allowInsecure: true,
    site: undefined,
    timezone: undefined,
    moduleCode: 'sandbox',
    write: false,
    files: false,
    phone: undefined,
    extension: undefined,
    repeat: 1,
    paceMs: 0,
    timeoutMs: 5_000,
    id: 'test01',
    pause: () => Promise.resolve(),
    now: () => AT,
    log: silentLog,
    ...over,
  });
}

/** Checks that did not go well, `id: sentence`. */
export const failures = ({ results }: Protocol): string[] =>
  results.filter(({ outcome }) => outcome === 'failed').map(({ id, says }) => `${id}: ${says}`);

/** One check of a run. */
export function result(protocol: Protocol, id: string): CheckResult {
  const found = protocol.results.find((one) => one.id === id);
  if (found === undefined) throw new Error(`no check ${id} was made`);
  return found;
}
