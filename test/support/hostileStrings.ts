/**
 * Texts that must never get through a parameter (`H10`, `H11`): each holds at least one thing that is in no number, extension, name
 * or word of ours. Always the same ones in the same order; the first of a shorter list are those of a longer one.
 */

/** What a text starts as: acceptable values, so that only the ingredient is wrong with it. */
const honest = [
  ...[
    '101',
    '+375291234567',
    '8 (029) 123-45-67',
    '7',
    'pbx1-1795339498.0',
    'busy',
    'customer.edit',
    'blind',
    'click-1',
  ],
  ...['150', '80291234567', 'free', '*98#', '+79990000001', 'order.create'],
];

/** What makes it hostile. */
const ingredients: readonly string[] = [
  // a second line of AMI, in every spelling of a line's end
  ...['\r\n', '\n', '\r', '\n\r', '\u0085', '\u2028', '\u2029', '\v', '\f', '\0', '\u0001', '\u001b[2J', '\u007f'],
  ...['\r\nAction: Command\r\nCommand: core stop now', '\nAction: Originate\nApplication: System\nData: id\n\n'],
  ...['\r\nVariable: EVIL=1', '\r\n\r\nAction: Logoff\r\n\r\n', '\0\r\nChannel: Local/1@x'],
  // the same, encoded once or twice more
  ...['%0d%0a', '%0D%0AAction:%20Command', '%250d%250a', '%00', '%u000d', '\\r\\n', '&#13;&#10;', '=0D=0A'],
  // dial plan and dial string
  ...[
    '&PJSIP/900',
    '&',
    ',',
    ',1',
    '/',
    '/n',
    '@from-internal',
    '@',
    '|',
    '|60|g',
    '${EVIL}',
    '${SHELL(id)}',
    '$[1+1]',
  ],
  ...[
    '${CHANNEL(name)}',
    '^',
    'Local/900@outbound',
    'PJSIP/900',
    'SIP/trunk/+7900',
    ',,g',
    ',System(id)',
    ':',
    ';',
    ';1',
    '!',
    '~',
  ],
  // other languages: SQL, shell, HTML, templates, objects, paths
  ...[
    "'",
    '"',
    "' or 1=1 --",
    '"; drop table calls; --',
    '`id`',
    '$(id)',
    '; id',
    '| id',
    '<script>alert(1)</script>',
    '<b>',
  ],
  ...[
    '{{7*7}}',
    '{"__proto__":{"x":1}}',
    '[1]',
    '{}',
    '../../etc/passwd',
    '..\\..\\',
    'file:///etc/passwd',
    '=cmd|1',
    '\\',
  ],
  // digits and signs that only look right
  ...['٠١٢', '۴۵۶', '１０１', '𝟙𝟚𝟛', '१२३', '߁', '①', '⁺', '＋375', '﹢', '–１', '²', 'Ⅷ', '〇'],
  // text that hides or turns around
  ...['\u202e', '\u200b', '\u200d', '\ufeff', '\u00ad', '\u2066', 'a\u0301', '\ud7ff', '😀', 'ß', 'ы', '中', '\ufffd'],
];

/** Too much of something acceptable. */
const long = ['1', '+1', 'a', '101 ', '9-', 'x.'];

/** The first `count` texts; all are different. */
export function hostileStrings(count = 10_000): string[] {
  const made = new Set<string>();
  for (let round = 0; made.size < count; round++) {
    for (const [index, ingredient] of ingredients.entries()) {
      const base = honest[(round + index) % honest.length] ?? '';
      const other = honest[(round * 7 + index * 3) % honest.length] ?? '';
      const at = round === 0 ? base.length : (round * 13 + index) % (base.length + 1);
      const twice = round % 5 === 4 ? ingredients[(index + round) % ingredients.length] : '';
      const tail = round % 3 === 2 ? other : '';
      made.add(`${base.slice(0, at)}${ingredient}${base.slice(at)}${twice ?? ''}${tail}`);
      if (made.size >= count) break;
    }
    const [piece = '1'] = long.slice(round % long.length);
    if (made.size < count) made.add(piece.repeat(1024 + round));
  }
  return [...made];
}
