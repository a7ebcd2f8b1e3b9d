/** Headers of an action in order; an array repeats its key (`Variable`). Undefined values are left out. */
export type ActionFields = Readonly<Record<string, string | readonly string[] | undefined>> & {
  readonly Action: string;
};

/** An action as bytes, or why it must not be sent. The reason names the key, never the value. */
export type EncodedAction = { bytes: Buffer; refused?: never } | { bytes?: never; refused: string };

/** Asterisk refuses lines of 1,024 bytes ("line too long") and actions of more than 128 lines (measured on 16 and 22). */
const lineLimit = 1024;
const linesLimit = 128;
const keyPattern = /^[A-Za-z][A-Za-z0-9_-]*$/;
/** One CR LF in a value would start a second action. */
const forbidden = /[\r\n\0]/;

/**
 * Writes one action. Whatever could end a line early is refused, in keys and in values: a phone number that carries
 * CR LF must not become a `Command` (`ami-client.md` 1, "CR LF in values").
 */
export function encodeAction(fields: ActionFields, actionId: string): EncodedAction {
  const lines: string[] = [];
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (!keyPattern.test(key)) return { refused: 'a header name with forbidden characters' };
    if (key.toLowerCase() === 'actionid') return { refused: 'ActionID is given by the client' };
    for (const one of typeof value === 'string' ? [value] : value) {
      if (forbidden.test(one)) return { refused: `line break or NUL in the value of ${key}` };
      const line = `${key}: ${one}`;
      if (Buffer.byteLength(line) + 2 >= lineLimit) return { refused: `the value of ${key} is too long` };
      lines.push(line);
    }
  }
  lines.splice(1, 0, `ActionID: ${actionId}`);
  if (lines.length > linesLimit) return { refused: 'more than 128 lines' };
  return { bytes: Buffer.from(`${lines.join('\r\n')}\r\n\r\n`) };
}
