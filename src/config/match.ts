import type { EnterpriseSettings, HostSettings, TrunkSettings } from './settings.ts';

/** The end point of a channel: `PJSIP/provider-by-0000002a` → `PJSIP/provider-by`; `Local/150@ctx-00000001;2` → `Local/150@ctx`. */
export function channelStem(channel: string): string {
  return channel.replace(/-[0-9a-f]{6,}(?:;[12])?$/i, '');
}

/** The outside line a channel belongs to; undefined = none of the configured ones. */
export function trunkOf(host: HostSettings, channel: string): TrunkSettings | undefined {
  const stem = channelStem(channel);
  return host.trunks.find((trunk) => trunk.channels.some((pattern) => globMatches(pattern, stem)));
}

/** Whether the whole number is one of the host's extensions. */
export function isExtension(host: Pick<HostSettings, 'extensions'>, number: string): boolean {
  return host.extensions.some((source) => extensionRegExp(source).test(number));
}

/** Whether the enterprise does not want calls of this number (E.164) told. */
export function isBlacklisted(enterprise: EnterpriseSettings, e164: string): boolean {
  return enterprise.policies.blacklist.some((pattern) =>
    globMatches(pattern.startsWith('+') ? pattern : `+${pattern}`, e164),
  );
}

const compiled = new Map<string, RegExp>();

/** The whole-number form of a configured pattern, compiled once. */
export function extensionRegExp(source: string): RegExp {
  let regexp = compiled.get(source);
  if (!regexp) {
    regexp = new RegExp(`^(?:${source})$`, 'u');
    compiled.set(source, regexp);
  }
  return regexp;
}

/** Whether `text` as a whole fits `pattern`, where `*` is any text. Linear in text × stars, never exponential. */
export function globMatches(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      resume = t;
    } else if (pattern[p] === text[t]) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** Whether some text fits both patterns: then a channel could belong to two lines. */
export function globsOverlap(a: string, b: string): boolean {
  // fits[j] = the parts of `a` walked so far and b[j..] can still be the same text, from the back.
  let below: boolean[] = [];
  for (let i = a.length; i >= 0; i--) {
    const row: boolean[] = [];
    for (let j = b.length; j >= 0; j--) {
      const same = i < a.length && j < b.length && (a[i] === b[j] || a[i] === '*' || b[j] === '*');
      row[j] =
        (i === a.length && j === b.length) ||
        (a[i] === '*' && (below[j] === true || row[j + 1] === true)) ||
        (b[j] === '*' && (row[j + 1] === true || below[j] === true)) ||
        (same && below[j + 1] === true);
    }
    below = row;
  }
  return below[0] === true;
}
