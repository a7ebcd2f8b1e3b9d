/** Digest authentication of RFC 2617, MD5 with and without qop: what Asterisk asks phones for. */
import { createHash, randomBytes } from 'node:crypto';

/** The Authorization header's value that answers a WWW-Authenticate challenge. */
export function digestAnswer(
  challenge: string,
  request: { method: string; uri: string },
  account: { user: string; secret: string },
): string {
  const { realm = '', nonce = '', opaque, qop } = parameters(challenge);
  const a1 = md5(`${account.user}:${realm}:${account.secret}`);
  const a2 = md5(`${request.method}:${request.uri}`);
  const parts = [`username="${account.user}"`, `realm="${realm}"`, `nonce="${nonce}"`, `uri="${request.uri}"`];
  if (qop?.split(',').some((value) => value.trim() === 'auth') === true) {
    const cnonce = randomBytes(8).toString('hex');
    const response = md5(`${a1}:${nonce}:00000001:${cnonce}:auth:${a2}`);
    parts.push(`response="${response}"`, 'qop=auth', 'nc=00000001', `cnonce="${cnonce}"`);
  } else {
    parts.push(`response="${md5(`${a1}:${nonce}:${a2}`)}"`);
  }
  if (opaque !== undefined) parts.push(`opaque="${opaque}"`);
  return `Digest ${parts.join(', ')}, algorithm=MD5`;
}

function parameters(challenge: string): Partial<Record<string, string>> {
  const pairs = challenge.matchAll(/(\w+)=(?:"([^"]*)"|([^\s,]+))/g);
  return Object.fromEntries([...pairs].map(([, name = '', quoted, plain]) => [name.toLowerCase(), quoted ?? plain]));
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}
