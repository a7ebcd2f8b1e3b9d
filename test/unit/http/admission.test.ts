import { describe, expect, test } from '@jest/globals';
import { type Shown, Failures, admit, digest } from '../../../src/http/admission.ts';
import type { Credential } from '../../../src/http/tenant.ts';
import { secretsOf, tenant } from './support.ts';

const a = secretsOf('a');
const b = secretsOf('b');
const old: Credential = { clientId: digest('old client'), pathToken: digest('old token') };
const present: Credential = { clientId: digest(a.clientId), pathToken: digest(a.token) };
const tenants = [
  tenant('a', { credentials: () => [present, old] }),
  tenant('b'),
  tenant('mute', { webhookSecret: undefined }),
  tenant('closed', { credentials: () => [] }),
];
const mute = secretsOf('mute');

describe('who is let in', () => {
  test.each<{ says: string; shown: Shown; is: string }>([
    { says: 'clientId alone, for the API', shown: { clientId: a.clientId }, is: 'a' },
    { says: 'the second tenant', shown: { clientId: b.clientId }, is: 'b' },
    { says: 'clientId and path token', shown: { clientId: a.clientId, pathToken: a.token }, is: 'a' },
    { says: 'the older pair during a rotation', shown: { clientId: 'old client', pathToken: 'old token' }, is: 'a' },
    { says: 'clientId and webhook secret', shown: { clientId: b.clientId, webhookSecret: b.secret }, is: 'b' },
  ])('$says', ({ shown, is }) => {
    expect(admit(tenants, shown).tenant?.id).toBe(is);
  });

  test.each<{ says: string; shown: Shown; meant: string | undefined; wrong: string }>([
    { says: 'nothing', shown: { clientId: undefined }, meant: undefined, wrong: 'clientId' },
    { says: 'an empty clientId', shown: { clientId: '' }, meant: undefined, wrong: 'clientId' },
    { says: 'an unknown clientId', shown: { clientId: 'x' }, meant: undefined, wrong: 'clientId' },
    {
      says: 'a clientId that is only a beginning',
      shown: { clientId: a.clientId.slice(0, -1) },
      meant: undefined,
      wrong: 'clientId',
    },
    {
      says: 'an unknown clientId on a known path',
      shown: { clientId: 'x', pathToken: a.token },
      meant: 'a',
      wrong: 'clientId',
    },
    {
      says: "another tenant's path",
      shown: { clientId: b.clientId, pathToken: a.token },
      meant: 'a',
      wrong: 'path token',
    },
    { says: 'an unknown path', shown: { clientId: b.clientId, pathToken: 'x' }, meant: 'b', wrong: 'path token' },
    { says: 'an empty path token', shown: { clientId: b.clientId, pathToken: '' }, meant: 'b', wrong: 'path token' },
    {
      says: 'halves of two pairs',
      shown: { clientId: 'old client', pathToken: a.token },
      meant: 'a',
      wrong: 'path token',
    },
    {
      says: "another tenant's secret",
      shown: { clientId: b.clientId, webhookSecret: a.secret },
      meant: 'b',
      wrong: 'secret',
    },
    { says: 'an empty secret', shown: { clientId: b.clientId, webhookSecret: '' }, meant: 'b', wrong: 'secret' },
    {
      says: 'a secret where none is set',
      shown: { clientId: mute.clientId, webhookSecret: mute.secret },
      meant: 'mute',
      wrong: 'secret',
    },
    {
      says: 'a tenant without credentials',
      shown: { clientId: secretsOf('closed').clientId },
      meant: undefined,
      wrong: 'clientId',
    },
  ])('not $says', ({ shown, meant, wrong }) => {
    const admission = admit(tenants, shown);
    expect(admission.tenant).toBeUndefined();
    expect(admission).toMatchObject({ wrong });
    expect('meant' in admission ? admission.meant?.id : 'let in').toBe(meant);
  });
});

describe('failures of an address', () => {
  test('the first and the one too many are worth telling; after a minute it begins anew', () => {
    let now = 0;
    const failures = new Failures(3, () => now);
    const add = (): string => {
      const { tooMany, worthTelling } = failures.add('203.0.113.7');
      return `${tooMany ? 'too many' : 'plain'}${worthTelling ? ', told' : ''}`;
    };
    expect([add(), add(), add(), add(), add()]).toEqual([
      'plain, told',
      'plain',
      'plain',
      'too many, told',
      'too many',
    ]);
    now = 60_000;
    expect(add()).toBe('plain, told');
  });

  test('a flood from everywhere takes bounded memory and says a hundred lines', () => {
    const failures = new Failures(30, () => 0);
    let told = 0;
    for (let n = 0; n < 50_000; n++)
      if (failures.add(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`).worthTelling) told += 1;
    expect(told).toBe(100);
    expect(failures.add('203.0.113.7').tooMany).toBe(true);
  });
});
