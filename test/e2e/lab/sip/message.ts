/** SIP messages as text: just enough of RFC 3261 for a phone on loopback. */

/** Header lines in order, as [name, value]. */
export type Headers = [name: string, value: string][];

/** A request or a response. */
export interface SipMessage {
  /** Method of a request; undefined for a response. */
  method: string | undefined;
  /** Request URI; empty for a response. */
  uri: string;
  /** Status code of a response; 0 for a request. */
  status: number;
  headers: Headers;
  body: string;
}

const shortForms: Record<string, string> = {
  v: 'via',
  f: 'from',
  t: 'to',
  i: 'call-id',
  m: 'contact',
  l: 'content-length',
  c: 'content-type',
  r: 'refer-to',
  o: 'event',
};

/** First value of a header, name in any case; undefined if absent. */
export function header(message: SipMessage, name: string): string | undefined {
  return headers(message, name)[0];
}

/** All values of a header, in order. */
export function headers(message: SipMessage, name: string): string[] {
  const wanted = name.toLowerCase();
  return message.headers.filter(([key]) => key.toLowerCase() === wanted).map(([, value]) => value);
}

/** Reads one datagram; undefined if it is not SIP (keep-alives are empty lines). */
export function parseSip(text: string): SipMessage | undefined {
  const split = text.indexOf('\r\n\r\n');
  const head = split < 0 ? text : text.slice(0, split);
  const [first = '', ...lines] = head.split('\r\n');
  const parsed: Headers = lines.flatMap((line): Headers => {
    const colon = line.indexOf(':');
    if (colon <= 0) return [];
    const name = line.slice(0, colon).trim();
    return [[shortForms[name.toLowerCase()] ?? name, line.slice(colon + 1).trim()]];
  });
  const body = split < 0 ? '' : text.slice(split + 4);
  const response = /^SIP\/2\.0 (\d{3})/.exec(first);
  if (response !== null) return { method: undefined, uri: '', status: Number(response[1]), headers: parsed, body };
  const request = /^([A-Z]+) (\S+) SIP\/2\.0$/.exec(first);
  if (request === null) return undefined;
  return { method: request[1], uri: request[2] ?? '', status: 0, headers: parsed, body };
}

/** The datagram of a message; Content-Length is added here. */
export function formatSip(message: SipMessage): string {
  const first =
    message.method === undefined
      ? `SIP/2.0 ${message.status} ${reasons[message.status] ?? 'Status'}`
      : `${message.method} ${message.uri} SIP/2.0`;
  const lines = message.headers.map(([name, value]) => `${name}: ${value}`);
  const length = Buffer.byteLength(message.body);
  return `${[first, ...lines, `Content-Length: ${length}`].join('\r\n')}\r\n\r\n${message.body}`;
}

const reasons: Record<number, string> = {
  100: 'Trying',
  180: 'Ringing',
  183: 'Session Progress',
  200: 'OK',
  202: 'Accepted',
  302: 'Moved Temporarily',
  403: 'Forbidden',
  404: 'Not Found',
  480: 'Temporarily Unavailable',
  481: 'Call Does Not Exist',
  484: 'Address Incomplete',
  486: 'Busy Here',
  487: 'Request Terminated',
  500: 'Server Internal Error',
  503: 'Service Unavailable',
  603: 'Decline',
}; // prettier names only: Asterisk reads the code

/** The `tag` parameter of a From or To header; empty if it has none. */
export function tagOf(value: string | undefined): string {
  return /;tag=([^;>\s]+)/.exec(value ?? '')?.[1] ?? '';
}

/** The URI inside `"Name" <sip:…>` or a bare one. */
export function uriOf(value: string): string {
  return /<([^>]+)>/.exec(value)?.[1] ?? value.split(';')[0] ?? value;
}

/** The user part of a URI or of a header that holds one: `sip:+375…@host` → `+375…`. */
export function userOf(value: string): string {
  return decodeURIComponent(/sips?:([^@;>]+)@/.exec(value)?.[1] ?? '');
}
