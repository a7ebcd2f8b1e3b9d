import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { type Sample, sample } from './metrics.ts';

/** Memory, processor time and event loop of this process. */
export class ProcessFigures {
  readonly #loop: IntervalHistogram = monitorEventLoopDelay({ resolution: 10 });
  readonly #startedAt = Date.now() / 1000 - process.uptime();

  constructor() {
    this.#loop.enable();
  }

  /** The present figures; the loop's delay begins anew with each look. */
  samples(): Sample[] {
    const { user, system } = process.cpuUsage();
    const seconds = (nanoseconds: number): number => (Number.isFinite(nanoseconds) ? nanoseconds / 1e9 : 0);
    const lag = { p99: seconds(this.#loop.percentile(99)), max: seconds(this.#loop.max) };
    this.#loop.reset();
    const memory = process.memoryUsage();
    return [
      sample('process_resident_memory_bytes', memory.rss),
      sample('process_cpu_seconds_total', (user + system) / 1e6),
      sample('process_start_time_seconds', this.#startedAt),
      sample('nodejs_heap_size_used_bytes', memory.heapUsed),
      sample('nodejs_eventloop_lag_p99_seconds', lag.p99),
      sample('nodejs_eventloop_lag_max_seconds', lag.max),
    ];
  }

  stop(): void {
    this.#loop.disable();
  }
}
