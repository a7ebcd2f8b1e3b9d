import { type Output, paint, printLine } from './output.ts';

/** A line of a call's story as commands print it; `at` in ISO 8601. */
export interface PrintedStoryLine {
  readonly at: string;
  readonly says: string;
  /** State of the call after it; absent for deliveries. */
  readonly state?: string;
}

/** The story of one call, in order of time: seconds since its beginning, what happened, the state where it changed. */
export function printStory(out: Output, externalId: string, lines: readonly PrintedStoryLine[]): void {
  const ordered = [...lines].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  const begin = Date.parse(ordered[0]?.at ?? '');
  printLine(out, paint(out, 'bold', `the story of ${externalId}, from ${ordered[0]?.at ?? '?'}`));
  let state = '';
  for (const line of ordered) {
    const seconds = `+${((Date.parse(line.at) - begin) / 1000).toFixed(3)} s`.padStart(12);
    const changed = line.state !== undefined && line.state !== state ? paint(out, 'good', ` [${line.state}]`) : '';
    state = line.state ?? state;
    printLine(out, `${paint(out, 'dim', seconds)}  ${line.says}${changed}`);
  }
}
