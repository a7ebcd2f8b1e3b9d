/**
 * What `work` comes to, or `late()` when it takes longer than `ms`. The work goes on; `onLate` hears what it came to after all.
 */
export async function within<T>(
  ms: number,
  work: Promise<T>,
  late: () => T,
  onLate?: (error: unknown) => void,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  const deadline = new Promise<T>((resolve) => {
    timer = setTimeout(() => {
      over = true;
      resolve(late());
    }, ms);
  });
  work.catch((error: unknown) => {
    if (over) onLate?.(error);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
