/** How long a stop waits for an answer under way, ms. */
const patienceMs = 3_000;

/** Waits for what is under way, but not for ever: a slow CRM must not delay the stop. */
export async function withPatience(work: Promise<unknown> | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, patienceMs);
  });
  await Promise.race([work, enough]);
  clearTimeout(timer);
}
