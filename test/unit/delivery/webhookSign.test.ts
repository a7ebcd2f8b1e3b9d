import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { signedHeaders, signingKeys, webhookId } from '../../../src/delivery/webhookSign.ts';
import { projectRoot } from '../../../src/root.ts';

type Verify = (headers: Record<string, string>, body: string, secret: string, now?: number) => unknown;

/** The example of a page of the documentation, as a reader would copy it. */
async function documented(page: string): Promise<Verify> {
  const text = readFileSync(join(projectRoot(), 'docs', page), 'utf8');
  const [, code = ''] = /```js\n([\s\S]*?)```/.exec(text) ?? [];
  const module: unknown = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  return (module as { verify: Verify }).verify;
}

const secret = `whsec_${randomBytes(32).toString('base64')}`;
const other = `whsec_${randomBytes(32).toString('base64')}`;
const now = 1_795_339_564_000;
const body = '{"type":"call.missed","data":{"customer":{"name":"Зоя \\"Z\\""}}}';
const headers = (keys = signingKeys(secret), at = now / 1000): Record<string, string> =>
  signedHeaders('msg_1', at, body, keys);

test('the vector of Standard Webhooks', () => {
  const keys = signingKeys('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
  expect(signedHeaders('msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330, '{"test": 2432232314}', keys)).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});

describe.each(['webhooks.md', 'webhooks.ru.md'])('the example of docs/%s', (page) => {
  test('takes what the daemon sends', async () => {
    const verify = await documented(page);
    expect(verify(headers(), body, secret, now)).toMatchObject({ type: 'call.missed' });
  });

  test('takes it with either secret during a rotation', async () => {
    const verify = await documented(page);
    const both = headers(signingKeys(`${other} ${secret}`));
    expect(verify(both, body, secret, now)).toMatchObject({ type: 'call.missed' });
    expect(verify(both, body, other, now)).toMatchObject({ type: 'call.missed' });
  });

  test.each<{ name: string; change: () => Parameters<Verify> }>([
    { name: 'another secret', change: () => [headers(), body, other, now] },
    { name: 'one changed letter', change: () => [headers(), body.replace('missed', 'Missed'), secret, now] },
    { name: 'another id', change: () => [{ ...headers(), 'webhook-id': 'msg_2' }, body, secret, now] },
    { name: 'another time', change: () => [{ ...headers(), 'webhook-timestamp': '1795339565' }, body, secret, now] },
    { name: 'an old message', change: () => [headers(), body, secret, now + 301_000] },
    { name: 'a message of the future', change: () => [headers(), body, secret, now - 301_000] },
    { name: 'no signature', change: () => [{ ...headers(), 'webhook-signature': '' }, body, secret, now] },
    { name: 'no headers', change: () => [{}, body, secret, now] },
    {
      name: 'a signature of another scheme',
      change: () => [
        { ...headers(), 'webhook-signature': (headers()['webhook-signature'] ?? '').replace('v1,', 'v2,') },
        body,
        secret,
        now,
      ],
    },
  ])('refuses $name', async ({ change }) => {
    const verify = await documented(page);
    expect(() => verify(...change())).toThrow(/wrong signature|too old/);
  });
});

describe('a secret', () => {
  test.each([
    { name: 'of 24 bytes', text: `whsec_${randomBytes(24).toString('base64')}`, bytes: [24] },
    { name: 'of 64 bytes', text: `whsec_${randomBytes(64).toString('base64')}`, bytes: [64] },
    { name: 'without padding', text: secret.replace(/=+$/, ''), bytes: [32] },
    { name: 'and its successor', text: `${other}  ${secret}`, bytes: [32, 32] },
  ])('$name is taken', ({ text, bytes }) => {
    expect(signingKeys(text).map((key) => key.length)).toEqual(bytes);
  });

  test.each([
    { name: 'nothing', text: ' ', says: 'it is empty' },
    { name: 'three', text: `${secret} ${other} ${secret}`, says: 'more than two' },
    { name: 'no prefix', text: randomBytes(32).toString('base64'), says: 'must begin with whsec_' },
    { name: 'no base64', text: 'whsec_not!base64!at!all!but!long!enough!', says: 'not base64' },
    { name: 'too short a key', text: `whsec_${randomBytes(16).toString('base64')}`, says: '16 bytes' },
    { name: 'too long a key', text: `whsec_${randomBytes(65).toString('base64')}`, says: '65 bytes' },
  ])('$name is refused without being repeated', ({ text, says }) => {
    const read = (): void => void signingKeys(text);
    expect(read).toThrow(says);
    expect(read).not.toThrow(text.length > 10 ? text.slice(6) : 'nothing to be repeated');
  });
});

test('a message has one id per receiver, whatever happens, and no full stop in it', () => {
  const id = webhookId('webhook:acme/bi', 'pbx1-1795339498.0/call.finished');
  expect(webhookId('webhook:acme/bi', 'pbx1-1795339498.0/call.finished')).toBe(id);
  expect(id).toMatch(/^msg_[\w-]{27}$/);
  expect(webhookId('webhook:acme/crm', 'pbx1-1795339498.0/call.finished')).not.toBe(id);
  expect(webhookId('webhook:acme/bi', 'pbx1-1795339498.0/call.answered')).not.toBe(id);
});
