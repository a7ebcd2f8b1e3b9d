import { createHash, createHmac } from 'node:crypto';

/** What Standard Webhooks put before the base64 of a secret. */
const PREFIX = 'whsec_';
const LEAST_BYTES = 24;
const MOST_BYTES = 64;

/**
 * The keys in a configured secret: one `whsec_…`, or during a rotation two, the new one first, with a space between.
 * Throws TypeError that says what is wrong, never the value.
 */
export function signingKeys(secret: string): Buffer[] {
  const parts = secret.split(/\s+/).filter((part) => part !== '');
  if (parts.length === 0) throw new TypeError('it is empty');
  if (parts.length > 2) throw new TypeError('it holds more than two secrets');
  return parts.map((part) => {
    if (!part.startsWith(PREFIX)) throw new TypeError(`it must begin with ${PREFIX}`);
    const base64 = part.slice(PREFIX.length);
    const key = Buffer.from(base64, 'base64');
    const strict = key.toString('base64').replace(/=+$/, '') === base64.replace(/=+$/, '');
    if (!strict) throw new TypeError(`what stands after ${PREFIX} is not base64`);
    if (key.length < LEAST_BYTES || key.length > MOST_BYTES)
      throw new TypeError(`its key has ${key.length} bytes, ${LEAST_BYTES} to ${MOST_BYTES} are needed`);
    return key;
  });
}

/** `webhook-id`: the same for every attempt of a message, different for every receiver, and without a full stop. */
export function webhookId(account: string, dedupKey: string): string {
  return `msg_${createHash('sha256').update(`${account}\n${dedupKey}`).digest('base64url').slice(0, 27)}`;
}

/** The three headers of Standard Webhooks; one signature for each key. `seconds`: Unix time of this attempt. */
export function signedHeaders(
  id: string,
  seconds: number,
  body: string,
  keys: readonly Buffer[],
): { 'webhook-id': string; 'webhook-timestamp': string; 'webhook-signature': string } {
  const signature = (key: Buffer): string =>
    `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`, 'utf8').digest('base64')}`;
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': keys.map(signature).join(' '),
  };
}
