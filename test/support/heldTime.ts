import { jest } from '@jest/globals';

/**
 * From now on `setTimeout` and the monotonic clock of the code under test move by `jest.advanceTimersByTime` alone, until
 * `jest.useRealTimers`. Sockets, immediates, intervals and the wall clock go on: what happens is waited for, not how long it takes.
 */
export function holdTime(): void {
  jest.useFakeTimers({
    doNotFake: [
      'Date',
      'hrtime',
      'nextTick',
      'queueMicrotask',
      'setImmediate',
      'clearImmediate',
      'setInterval',
      'clearInterval',
    ],
  });
}
