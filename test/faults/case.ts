import { briskPace, quickPace } from '../support/pbxLoad.ts';
import type { Lab } from './lab.ts';
import { Scene, type SceneOptions } from './scene.ts';

/** What a test gets. */
export interface Trial {
  readonly lab: Lab;
  /** Repetitions of tests that repeat a fault: the given share of `--cycles`. */
  cycles(share?: number): number;
  readonly seed: number;
  /** A short run: leases end by decree, outages are shorter. */
  readonly smoke: boolean;
  /** Shows where a long test stands. */
  progress(text: string): void;
}

/** One fault test. */
export interface FaultCase {
  /** Numbers of `delivery.md` 7, then what is done and what must come of it. */
  name: string;
  /** Part of `--smoke`. */
  smoke?: boolean;
  /** Returns its figures in a line. @throws Finding; `Skip` when it cannot run here */
  run(trial: Trial): Promise<string>;
}

/** The test cannot run here, and why. */
export class Skip extends Error {
  override readonly name = 'Skip';
}

/** Sets a scene, plays, and strikes it whatever happened. */
export async function onScene<T>(
  trial: Trial,
  options: Omit<SceneOptions, 'seed'>,
  play: (scene: Scene) => Promise<T>,
): Promise<T> {
  const scene = await Scene.set(trial.lab, { seed: trial.seed, pace: trial.smoke ? quickPace : briskPace, ...options });
  try {
    return await play(scene);
  } finally {
    await scene.strike();
  }
}
