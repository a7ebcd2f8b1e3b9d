/**
 * How far a lane has drained its queue. Settled rows stay in the claim index until vacuum; without a mark each claim
 * walks over all of them (3.6 to 7 times slower after 60,000 rows). The mark is a hint only: it lives in memory, is
 * forgotten every second and whenever the queue runs short, so a row that turns up before it is never lost.
 */
import type { OutboxKind } from './schema.ts';

/** One per lane and process. Create with `createWatermark`. */
export interface Watermark {
  readonly marks: Map<OutboxKind, { since: Date; setAt: number }>;
}

const FORGET_MS = 1_000;

/** A mark that knows nothing yet. */
export function createWatermark(): Watermark {
  return { marks: new Map() };
}

/** Where the next claim of this kind may start; undefined: at the head. */
export function startFor(watermark: Watermark, kind: OutboxKind): Date | undefined {
  const mark = watermark.marks.get(kind);
  return mark && performance.now() - mark.setAt < FORGET_MS ? mark.since : undefined;
}

/** Notes the oldest due time of a full claim, or with undefined that the queue ran short. */
export function moved(watermark: Watermark, kind: OutboxKind, oldest: Date | undefined): void {
  const before = watermark.marks.get(kind);
  if (!oldest) {
    watermark.marks.delete(kind);
    return;
  }
  const now = performance.now();
  const fresh = before !== undefined && now - before.setAt < FORGET_MS;
  // The second runs from the last look at the head, not from the last claim: else a busy lane would never look again.
  watermark.marks.set(kind, { since: oldest, setAt: fresh ? before.setAt : now });
}
