/**
 * The dialled number of an outside leg from `DialString`, the only reliable place (`ami-events.md` 1):
 * `+37529…@provider-by`, `PJSIP/+37529…@provider-by`, `provider-by/+37529…` (chan_sip), `provider/sip:+37529…@host:5060`.
 */
export function dialledNumber(dialString: string | undefined): string | undefined {
  if (dialString === undefined) return undefined;
  let text = dialString.replace(/^(?:PJSIP|SIP|IAX2|DAHDI|Local)\//i, '');
  const uri = /sips?:([^@;>]+)@/i.exec(text);
  if (uri?.[1] !== undefined) return uri[1];
  const at = text.indexOf('@');
  if (at >= 0) text = text.slice(0, at);
  const slash = text.lastIndexOf('/');
  if (slash >= 0) text = text.slice(slash + 1);
  return text === '' ? undefined : text;
}
