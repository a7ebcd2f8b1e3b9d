import type { Side } from './calls/rules.ts';
import { extensionRegExp, globMatches } from './config/match.ts';
import type { HostSettings } from './config/settings.ts';
import type { Logger } from './log.ts';

/** How often the log is told, milliseconds. */
const DAY_MS = 24 * 3600_000;
/** End points named in one line; the rest is counted. */
const NAMED = 12;
/** How often it is looked whether something is odd, milliseconds. */
const LOOK_MS = 60_000;
/** So many different end points must have been seen before silence of a pattern means anything. */
const ENOUGH = 3;

/**
 * Holds the patterns of one host against the channels that really pass: a line nobody ever comes in by, phones that a
 * line's pattern swallows, end points that fit nothing. Told once a day, with the names seen and what to write.
 */
export class PatternWatch {
  readonly #host: HostSettings;
  readonly #log: Logger;
  readonly #seen = new Map<string, Side>();
  #toldAt: number | undefined;
  #lookedAt: number | undefined;

  constructor(host: HostSettings, log: Logger) {
    this.#host = host;
    this.#log = log;
  }

  /** An end point passed for the first time. `stem`: channel name without its suffix. */
  saw(stem: string, side: Side): void {
    if (side.side !== 'local' && side.side !== 'service') this.#seen.set(stem, side);
  }

  /** Time passes: tells what is odd, at most once a day and not before the host has shown something. */
  tick(now: number): void {
    if (this.#lookedAt !== undefined && now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    if (this.#seen.size < ENOUGH || (this.#toldAt !== undefined && now - this.#toldAt < DAY_MS)) return;
    const odd = this.oddities();
    if (odd.length === 0) return;
    this.#toldAt = now;
    for (const sentence of odd) this.#log.warn(sentence);
  }

  /** One sentence per thing that does not fit. */
  oddities(): string[] {
    const stems = [...this.#seen.keys()];
    const odd: string[] = [];
    for (const trunk of this.#host.trunks) {
      const fits = stems.filter((stem) => trunk.channels.some((pattern) => globMatches(pattern, stem)));
      if (fits.length === 0) {
        odd.push(
          `no channel fits line "${trunk.name}" (${trunk.channels.join(', ')}); seen: ${names(stems)}; correct its channels`,
        );
      }
      const phones = fits.filter((stem) => this.#looksLikePhone(stem));
      if (phones.length > 0) {
        odd.push(
          `line "${trunk.name}" (${trunk.channels.join(', ')}) fits employees' phones too: ${names(phones)}; make its channels narrower`,
        );
      }
    }
    if (![...this.#seen.values()].some((side) => side.side === 'employee')) {
      odd.push(
        `no channel fits hosts[].extensions (${this.#host.extensions.join(', ')}); seen: ${names(stems)}; correct the pattern`,
      );
    }
    const unknown = stems.filter((stem) => this.#seen.get(stem)?.side === 'unknown');
    if (unknown.length > 0) {
      odd.push(
        `channels that fit no line and no extension: ${names(unknown)}; name them under trunks[].channels or extensions`,
      );
    }
    return odd;
  }

  /** Both sides of a call: the name of a line's channel is an extension. */
  #looksLikePhone(stem: string): boolean {
    const name = stem.slice(stem.indexOf('/') + 1);
    return this.#host.extensions.some((source) => extensionRegExp(source).test(name));
  }
}

function names(stems: readonly string[]): string {
  const more = stems.length - NAMED;
  return `${stems.slice(0, NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
