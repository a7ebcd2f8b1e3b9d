import { createHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { Intake } from './intake.ts';
import type { Logger } from './log.ts';

/** How often the pulse is taken, milliseconds. */
const EVERY_MS = 10_000;
const MIB = 1024 * 1024;

/**
 * Writes what the process needs and how quick it is into the log, each ten seconds, at level debug: memory, the event loop's
 * delay, the time from an event on the PBX to its commit, what waits. For benchmarks and for whoever looks into a slow daemon.
 * @returns ends it
 */
export function startVitals(log: Logger, intakes: () => readonly Intake[]): () => void {
  const loop = monitorEventLoopDelay({ resolution: 5 });
  loop.enable();
  const timer = setInterval(() => {
    const commits = createHistogram();
    let waiting = 0;
    let calls = 0;
    for (const intake of intakes()) {
      commits.add(intake.commits);
      intake.commits.reset();
      waiting += intake.waiting;
      calls += intake.liveCalls.length;
    }
    log.debug('vitals', {
      rssMiB: Math.round(process.memoryUsage.rss() / MIB),
      heapMiB: Math.round(process.memoryUsage().heapUsed / MIB),
      loopP99Ms: milliseconds(loop.percentile(99)),
      loopMaxMs: milliseconds(loop.max),
      commits: commits.count,
      commitP50Ms: commits.count === 0 ? 0 : commits.percentile(50),
      commitP99Ms: commits.count === 0 ? 0 : commits.percentile(99),
      commitMaxMs: commits.count === 0 ? 0 : commits.max,
      waiting,
      calls,
    });
    loop.reset();
  }, EVERY_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    loop.disable();
  };
}

/** Nanoseconds to milliseconds with one decimal. */
function milliseconds(nanoseconds: number): number {
  return Math.round(nanoseconds / 1e5) / 10;
}
