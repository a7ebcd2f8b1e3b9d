import { describe, expect, test } from '@jest/globals';
import type { EnterpriseSettings } from '../../src/config/settings.ts';
import { configuredPhones, mergeCodes, moduleInput } from '../../src/module.ts';
import type { AdditionalCode } from '../../src/retailcrm/account.ts';
import { example } from './config/support.ts';

const codes = (text: string): AdditionalCode[] =>
  text === ''
    ? []
    : text.split(' ').map((entry) => {
        const [userId = '', code = ''] = entry.split(':');
        return { userId: Number(userId), code };
      });
const written = (list: readonly AdditionalCode[]): string =>
  list.map(({ userId, code }) => `${userId}:${code}`).join(' ');

describe('the list of extensions', () => {
  test.each([
    // what, configured, in the CRM, merged, conflicts
    ['an empty account gets the configuration', '7:101 8:102', '', '7:101 8:102', 0],
    ['a user the configuration does not name keeps hers', '7:101', '9:109', '7:101 9:109', 0],
    ['a configured user gets the configured extension', '7:101', '7:199', '7:101', 0],
    ['all the CRM holds of a configured user goes', '7:101', '7:198 7:199 9:109', '7:101 9:109', 0],
    ['an unnamed user keeps both of hers', '7:101', '9:109 9:110', '7:101 9:109 9:110', 0],
    ['a user may have two by configuration', '7:101 7:201', '7:101', '7:101 7:201', 0],
    ['two configured users swap', '7:102 8:101', '7:101 8:102', '7:102 8:101', 0],
    ["a stranger's extension stays hers and is told", '7:101 8:102', '9:101', '8:102 9:101', 1],
    ['the same entry twice is one', '7:101 7:101', '7:101', '7:101', 0],
    ['no configuration changes nothing', '', '7:101 9:109', '7:101 9:109', 0],
  ])('%s', (_says, configured, known, merged, conflicts) => {
    const result = mergeCodes(codes(configured), codes(known));
    expect(written(result.codes)).toBe(merged);
    expect(result.conflicts).toHaveLength(conflicts);
  });

  test('a conflict names extension and both users', () => {
    expect(mergeCodes(codes('7:101'), codes('9:101')).conflicts).toEqual([
      'extension 101 of user 7 is left out: the CRM gives it to user 9, whom the configuration does not name',
    ]);
  });
});

const pair = { clientId: 'c'.repeat(43), pathToken: 't'.repeat(32) };
const module = { code: 'asterisk-acme', name: 'Asterisk', logo: undefined, atStart: true, allowFrom: [] };

function acme(
  changes: Partial<EnterpriseSettings> = {},
  crm: Partial<EnterpriseSettings['retailcrm']> = {},
): EnterpriseSettings {
  const base = example();
  return { ...base, ...changes, retailcrm: { ...base.retailcrm, module, ...crm } };
}

const click: NonNullable<EnterpriseSettings['clickToCall']> = {
  context: 'from-internal',
  priority: 1,
  channel: 'PJSIP/{extension}',
  timeoutSeconds: 30,
  autoAnswer: undefined,
  allow: ['+375*'],
  dial: 'e164',
  perEmployeePerMinute: 6,
  perEnterprisePerMinute: 60,
};

function input(enterprise: EnterpriseSettings, publicUrl = 'https://tel.example') {
  return moduleInput({ enterprise, publicUrl, pair, known: undefined, active: true }).input;
}

describe('what the CRM is told', () => {
  test('addresses lie under the public address and carry the token in the path, never a query', () => {
    const sent = input(acme({ clickToCall: click, statuses: { ...example().statuses, toPbx: true } }));
    expect(sent).toMatchObject({
      code: 'asterisk-acme',
      active: true,
      name: 'Asterisk',
      logo: 'https://tel.example/logo.svg',
      clientId: pair.clientId,
      baseUrl: 'https://tel.example',
      actions: { activity: `/crm/${pair.pathToken}/activity` },
      accountUrl: 'https://tel.example/account',
      integrations: {
        telephony: {
          makeCallUrl: `https://tel.example/crm/${pair.pathToken}/makecall`,
          changeUserStatusUrl: `https://tel.example/crm/${pair.pathToken}/status`,
          allowEdit: false,
          inputEventSupported: true,
          outputEventSupported: true,
          hangupEventSupported: true,
        },
      },
    });
    expect(JSON.stringify(sent)).not.toContain('?');
  });

  test.each([
    ['click-to-call off: no icon', { clickToCall: undefined }, ['makeCallUrl', undefined]],
    [
      'statuses off both ways: no address for them',
      { statuses: { ...example().statuses, toPbx: false, toCrm: false } },
      ['changeUserStatusUrl', undefined],
    ],
    [
      'popups in off',
      { policies: { ...example().policies, popups: { in: false, out: true, hangup: true } } },
      ['inputEventSupported', false],
    ],
    [
      'popups out off',
      { policies: { ...example().policies, popups: { in: true, out: false, hangup: true } } },
      ['outputEventSupported', false],
    ],
    [
      'popups end off',
      { policies: { ...example().policies, popups: { in: true, out: true, hangup: false } } },
      ['hangupEventSupported', false],
    ],
  ] as const)('%s', (_says, changes, [field, value]) => {
    const telephony = input(acme(changes)).integrations?.telephony;
    expect(telephony?.[field]).toBe(value);
  });

  test("an address on this machine, for the emulator: the logo's is https all the same", () => {
    expect(input(acme(), 'http://127.0.0.1:8019').logo).toBe('https://127.0.0.1:8019/logo.svg');
  });

  test('every number with its shop, the default one first', () => {
    const did = (number: string, site: string | undefined) => ({
      number,
      name: undefined,
      site,
      upload: true,
      createCustomers: undefined,
    });
    const dids = [did('+375170000001', 'shop-b'), did('+375170000002', undefined), did('+375170000003', 'shop-a')];
    expect(configuredPhones(acme({ dids, defaultDid: '+375170000003' }, { site: undefined }))).toEqual([
      { siteCode: 'shop-a', externalPhone: '+375170000003' },
      { siteCode: 'shop-b', externalPhone: '+375170000001' },
    ]);
    expect(
      configuredPhones(acme({ dids, defaultDid: undefined }, { site: 'shop-c' })).map(({ siteCode }) => siteCode),
    ).toEqual(['shop-b', 'shop-c', 'shop-a']);
  });
});
