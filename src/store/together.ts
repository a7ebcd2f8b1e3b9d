interface Waiting<T, R> {
  readonly item: T;
  readonly written: (result: R) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Writes of many callers as one: what comes while a write is under way, or sooner than `everyMs` after it began, goes into the
 * next one. Each statement costs database and daemon more than the rows in it. If a write of several fails, each is tried alone:
 * what the database refuses of one caller stops nobody else.
 */
export class Together<T, R> {
  readonly #write: (items: readonly T[]) => Promise<(item: T) => R>;
  readonly #everyMs: number;
  #waiting: Waiting<T, R>[] = [];
  #running = false;

  /**
   * @param write resolves with what to tell each of them
   * @param everyMs shortest time between the beginnings of two writes, ms; the first one never waits. Default 0
   */
  constructor(write: (items: readonly T[]) => Promise<(item: T) => R>, everyMs = 0) {
    this.#write = write;
    this.#everyMs = everyMs;
  }

  /** Settles when the item is written; rejects with the database's error when it is not. */
  add(item: T): Promise<R> {
    return new Promise((written, failed) => {
      this.#waiting.push({ item, written, failed });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      const began = performance.now();
      await this.#flush(this.#waiting.splice(0));
      const early = this.#everyMs - (performance.now() - began);
      if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
    }
    this.#running = false;
  }

  async #flush(together: readonly Waiting<T, R>[]): Promise<void> {
    try {
      const resultOf = await this.#write(together.map(({ item }) => item));
      for (const { item, written } of together) written(resultOf(item));
    } catch (error) {
      const [only] = together;
      if (together.length === 1) only?.failed(error);
      else for (const one of together) await this.#flush([one]);
    }
  }
}
