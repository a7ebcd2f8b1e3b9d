import { afterEach, expect, jest, test } from '@jest/globals';
import { Together } from '../../../src/store/together.ts';
import { holdTime } from '../../support/heldTime.ts';

afterEach(() => void jest.useRealTimers());

/** Writes that end when the test says so. */
function desk(everyMs = 0) {
  const written: number[][] = [];
  const ends: ((refuse?: number) => void)[] = [];
  const together = new Together<number, string>((items) => {
    written.push([...items]);
    return new Promise((resolve, reject) => {
      ends.push((refuse) =>
        refuse !== undefined && items.includes(refuse)
          ? reject(new Error(`refused ${refuse}`))
          : resolve((item) => `wrote ${item}`),
      );
    });
  }, everyMs);
  return { together, written, ends };
}
const turns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('the first is written at once; what comes meanwhile goes together', async () => {
  const { together, written, ends } = desk();
  const all = [together.add(1), together.add(2), together.add(3)];
  expect(written).toEqual([[1]]);
  ends[0]?.();
  await turns();
  expect(written).toEqual([[1], [2, 3]]);
  ends[1]?.();
  expect(await Promise.all(all)).toEqual(['wrote 1', 'wrote 2', 'wrote 3']);
});

test('what is refused of several stops nobody else', async () => {
  const { together, ends } = desk();
  const all = [1, 2, 3, 4].map((item) => together.add(item));
  const settled = Promise.allSettled(all);
  for (let write = 0; write < 5; write++) {
    ends[write]?.(3);
    await turns();
  }
  expect((await settled).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
});

test('two writes begin no sooner than asked for', async () => {
  holdTime();
  const { together, written, ends } = desk(30);
  const first = together.add(1);
  ends[0]?.();
  await first;
  const second = together.add(2);
  await turns();
  jest.advanceTimersByTime(29);
  await turns();
  expect(written).toEqual([[1]]);
  jest.advanceTimersByTime(1);
  await turns();
  expect(written).toEqual([[1], [2]]);
  ends[1]?.();
  expect(await second).toBe('wrote 2');
});
