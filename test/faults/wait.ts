/** Waiting for what a test needs, with a limit and words for when it does not come. */

/** What a fault test found wrong. The message is the finding. */
export class Finding extends Error {
  override readonly name = 'Finding';
}

/** Lets time pass. Only where time itself is the fault: the length of an outage, the moment of a kill. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Looks every 20 ms until `done`; returns how long it took, ms. @throws Finding after `limitMs` */
export async function until(done: () => boolean | Promise<boolean>, limitMs: number, what: string): Promise<number> {
  const begun = performance.now();
  while (!(await done())) {
    if (performance.now() - begun > limitMs) throw new Finding(`${what} did not happen within ${limitMs / 1000} s`);
    await pass(20);
  }
  return performance.now() - begun;
}

/** Waits for a promise. @throws Finding after `limitMs` */
export async function within<T>(work: Promise<T>, limitMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Finding(`${what} did not happen within ${limitMs / 1000} s`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** @throws Finding with the words unless it holds */
export function expect(holds: boolean, words: string): void {
  if (!holds) throw new Finding(words);
}
