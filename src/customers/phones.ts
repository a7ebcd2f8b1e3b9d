/** Which cards have a number: the CRM keeps numbers as they were typed and searches by parts of them. */

/** What the enterprise's configuration knows of numbers. */
export interface Numbering {
  /** E.164 of a number in any spelling; undefined when it is none. */
  readonly normalise: (raw: string) => string | undefined;
  /** Digits without the country code: what to search for. */
  readonly national: (e164: string) => string;
}

/** `exact`: the same number. `ending`: written so that only its last digits can be compared. */
export type Match = 'exact' | 'ending';

/** Shorter numbers must be equal: too many others end like them. */
const shortestEnding = 7;

/**
 * Whether the number on a card is the wanted one.
 * @param stored as on the card, any spelling
 * @param wanted E.164
 */
export function sameNumber(stored: string, wanted: string, numbering: Numbering): Match | undefined {
  if (numbering.normalise(stored) === wanted) return 'exact';
  const digits = stored.replace(/\D/g, '');
  const [theirs, ours] = [digits, wanted.replace(/\D/g, '')];
  if (theirs === ours) return 'exact';
  // Another country's number ends like ours now and then: what says its country is not compared by its end.
  if (stored.trim().startsWith('+')) return undefined;
  const national = numbering.national(wanted);
  if (national.length < shortestEnding || digits.length < shortestEnding) return undefined;
  return digits.endsWith(national) ? 'ending' : undefined;
}

/** How well a card fits a number: by the best of its numbers. */
export function cardMatch(phones: readonly string[], wanted: string, numbering: Numbering): Match | undefined {
  const matches = phones.map((phone) => sameNumber(phone, wanted, numbering));
  return matches.includes('exact') ? 'exact' : matches.find((match) => match !== undefined);
}

/** A card that has the number. */
export interface Candidate {
  readonly id: number;
  readonly match: Match;
  /** `createdAt` of its newest order, account time; undefined = no order. */
  readonly lastOrder: string | undefined;
}

/**
 * Whose call it is when several cards have the number (scenario 23): the exact number, then the most recent order, then
 * the oldest card. The same cards in any order give the same choice.
 */
export function choose<T extends Candidate>(candidates: readonly T[]): T | undefined {
  return candidates.toSorted(
    (a, b) =>
      Number(b.match === 'exact') - Number(a.match === 'exact') ||
      (b.lastOrder ?? '').localeCompare(a.lastOrder ?? '', 'en') ||
      a.id - b.id,
  )[0];
}
