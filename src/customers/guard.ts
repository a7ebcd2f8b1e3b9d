/**
 * Why a list must not replace the last good one, in words that follow "the list …"; undefined when it may.
 * More than 20 % lost is too much: nobody's staff shrinks like that within an hour.
 * @param before entries of the last good list; 0 when there is none
 * @param now entries that came
 * @param total entries the CRM says there are (its pagination), if it says
 * @param ordinary so many entries may go at any time: one of three extensions is more than 20 %, and nothing strange
 */
export function judgeList(before: number, now: number, total: number | undefined, ordinary = 0): string | undefined {
  if (total !== undefined && now < total) return `is partial: ${now} came of ${total}`;
  if (now === 0 && before > 0) return `is empty; there were ${before}`;
  if (now * 5 < before * 4 && before - now > ordinary) return `shrank from ${before} to ${now}`;
  return undefined;
}
