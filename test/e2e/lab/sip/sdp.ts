/** Session descriptions: one PCMU stream with RFC 4733 digits. */

/** `sendrecv` talks, `sendonly` holds the other side, `recvonly`/`inactive` answer a hold. */
export type MediaDirection = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

/** Payload type of the digits we offer; an answer may say another. */
export const digitsPayload = 101;

/** An offer or answer with our address. `version` grows with each change of the session. */
export function sdp(address: string, port: number, version: number, direction: MediaDirection = 'sendrecv'): string {
  return [
    'v=0',
    `o=lab 1 ${version} IN IP4 ${address}`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
    `m=audio ${port} RTP/AVP 0 ${digitsPayload}`,
    'a=rtpmap:0 PCMU/8000',
    `a=rtpmap:${digitsPayload} telephone-event/8000`,
    `a=fmtp:${digitsPayload} 0-16`,
    'a=ptime:20',
    `a=${direction}`,
    '',
  ].join('\r\n');
}

/** Where the other side wants its audio, and its payload type for digits; undefined if there is no audio. */
export function parseSdp(
  body: string,
): { address: string; port: number; digits: number; direction: MediaDirection } | undefined {
  const address = /^c=IN IP4 (\S+)/m.exec(body)?.[1];
  const port = /^m=audio (\d+)/m.exec(body)?.[1];
  if (address === undefined || port === undefined) return undefined;
  const digits = Number(/^a=rtpmap:(\d+) telephone-event/m.exec(body)?.[1] ?? digitsPayload);
  const asked = /^a=(sendonly|recvonly|inactive)\s*$/m.exec(body)?.[1];
  const direction = asked === 'sendonly' || asked === 'recvonly' || asked === 'inactive' ? asked : 'sendrecv';
  return { address, port: Number(port), digits, direction };
}
