import { describe, expect, test } from '@jest/globals';
import type { EnterpriseSettings } from '../../src/config/settings.ts';
import { planSettings, recordUrl } from '../../src/planSettings.ts';
import { hostRules } from '../../src/rules.ts';
import { example } from '../support/callsCaptures.ts';
import { EPOCH } from '../support/callsScript.ts';
import { endedCall } from '../support/callsTransitions.ts';

const withPolicies =
  (policies: Partial<EnterpriseSettings['policies']>) =>
  (enterprise: EnterpriseSettings): EnterpriseSettings => ({
    ...enterprise,
    policies: { ...enterprise.policies, ...policies },
  });

describe('sides of channels, by the shipped example', () => {
  const { rules } = example();
  test.each([
    { channel: 'PJSIP/provider-by-00000001', side: { side: 'trunk', trunk: 'provider-by', country: 'BY' } },
    { channel: 'SIP/provider-ru-0000002a', side: { side: 'trunk', trunk: 'provider-ru', country: 'RU' } },
    { channel: 'PJSIP/150-00000002', side: { side: 'employee', ext: '150' } },
    { channel: 'PJSIP/199-00000002', side: { side: 'employee', ext: '199' } },
    { channel: 'PJSIP/150-mobile-00000002', side: { side: 'employee', ext: '150' } },
    { channel: 'PJSIP/150_2-00000002', side: { side: 'employee', ext: '150' } },
    { channel: 'PJSIP/250-00000002', side: { side: 'unknown', name: '250' } },
    { channel: 'PJSIP/door-00000002', side: { side: 'unknown', name: 'door' } },
    { channel: 'Local/150@from-internal-00000002;1', side: { side: 'local' } },
    { channel: 'Announcer/ARI-00000002;1', side: { side: 'service' } },
    { channel: 'CBAnn/room-00000002;2', side: { side: 'service' } },
    { channel: 'DAHDI/i1/150-1', side: { side: 'unknown', name: 'i1/150-1' } },
    { channel: '', side: { side: 'service' } },
  ])('$channel is $side', ({ channel, side }) => {
    expect(rules.side(channel, undefined)).toEqual(side);
    // Memoised answers are the same.
    expect(rules.side(channel, undefined)).toEqual(side);
  });

  test('a trunk marked as internal leads to another host of the enterprise', () => {
    const { enterprise, host } = example();
    const [first] = host.trunks;
    if (first === undefined) throw new Error('the example has no trunk');
    const linked = hostRules(enterprise, { ...host, trunks: [{ ...first, internal: true }] });
    expect(linked.side('PJSIP/provider-by-00000001', undefined)).toEqual({ side: 'interhost', trunk: 'provider-by' });
  });
});

describe('numbers', () => {
  const { rules } = example();
  test.each([
    { raw: '80291234567', country: 'BY', phone: { kind: 'phone', e164: '+375291234567' } },
    { raw: '84950000601', country: 'RU', phone: { kind: 'phone', e164: '+74950000601' } },
    { raw: '291234567', country: undefined, phone: { kind: 'phone', e164: '+375291234567' } },
    { raw: '150', country: 'BY', phone: { kind: 'extension', number: '150' } },
    { raw: 'anonymous', country: 'BY', phone: { kind: 'anonymous' } },
    { raw: undefined, country: 'BY', phone: { kind: 'anonymous' } },
    { raw: 'sip:x', country: 'BY', phone: { kind: 'unparsable', raw: 'sip:x' } },
  ])('$raw on a line of $country', ({ raw, country, phone }) => {
    expect(rules.phone(raw, country)).toMatchObject(phone);
  });
});

describe('policies as the core hears them', () => {
  test.each([
    { yaml: { voicemail: 'drop' }, core: { voicemail: false } },
    { yaml: { voicemail: 'log' }, core: { voicemail: true } },
    { yaml: { offHours: 'drop' }, core: { offHours: false } },
    { yaml: { ivrOnly: 'drop' }, core: { ivrOnly: false } },
    { yaml: { anonymous: { upload: false, placeholder: 'x' } }, core: { anonymous: false } },
    { yaml: { employeeMobiles: 'log' }, core: { employeeMobiles: 'log' } },
    { yaml: { employeeMobiles: 'drop' }, core: { employeeMobiles: 'ignore' } },
    { yaml: { clickNotAnswered: 'log' }, core: { clickNotAnswered: 'log' } },
    { yaml: { clickNotAnswered: 'drop' }, core: { clickNotAnswered: 'ignore' } },
    { yaml: { owner: 'first_talker' }, core: { owner: 'first_talker' } },
    { yaml: { defaultOwner: '150' }, core: { defaultOwner: '150' } },
    { yaml: { closeLosers: 'at_end' }, core: { closeLosers: 'at_end' } },
    { yaml: { forwardedLegs: 'own_call' }, core: { forwardedLegs: 'own_call' } },
    { yaml: { minimumSeconds: 5 }, core: { minimumSeconds: 5 } },
  ] as const)('$yaml becomes $core', ({ yaml, core }) => {
    expect(example(withPolicies(yaml)).rules.policies).toMatchObject(core);
  });

  test.each([
    { customer: '+375290000888', did: undefined, is: 'blacklisted' },
    { customer: '+375291112233', did: undefined, is: 'blacklisted' },
    { customer: '+375290000889', did: undefined, is: undefined },
    { customer: '+375290000889', did: '+375171234505', is: 'did_off' },
    { customer: '+375290000889', did: '+375171234501', is: undefined },
  ])('$customer to $did: $is', ({ customer, did, is }) => {
    const { rules } = example((enterprise) => ({
      ...withPolicies({ blacklist: ['+375290000888', '+37529111*'] })(enterprise),
      dids: enterprise.dids.map((one) => ({ ...one, upload: one.number !== '+375171234505' })),
    }));
    expect(rules.exclusion({ kind: 'phone', e164: customer }, did)).toBe(is);
  });

  test("an employee's mobiles and the contexts of closed hours", () => {
    const { enterprise, host } = example();
    const [anna] = enterprise.employees;
    if (anna === undefined) throw new Error('the example has no employees');
    const rules = hostRules(
      { ...enterprise, employees: [{ ...anna, mobiles: ['+375290000999'] }] },
      { ...host, contexts: { offHours: ['closed'] } },
    );
    expect([rules.employeeByMobile('+375290000999'), rules.employeeByMobile('+375290000998')]).toEqual([
      '150',
      undefined,
    ]);
    expect([rules.offHours('closed'), rules.offHours('open')]).toEqual([true, false]);
  });
});

describe('what the planner knows of the enterprise', () => {
  test('the code of an employee is the configured one, of anybody else the extension', () => {
    const { settings } = example((enterprise) => ({
      ...enterprise,
      employees: enterprise.employees.map((one) => (one.extension === '150' ? { ...one, code: 'anna' } : one)),
    }));
    expect([settings.codeOf('150'), settings.codeOf('159')]).toEqual(['anna', '159']);
  });

  test("the site of a number is the DID's, else the account's", () => {
    const { settings } = example((enterprise) => ({
      ...enterprise,
      retailcrm: { ...enterprise.retailcrm, site: 'main' },
      dids: enterprise.dids.map((one) => (one.number === '+74950000601' ? { ...one, site: 'moscow' } : one)),
    }));
    expect(['+74950000601', '+375171234501', undefined].map((number) => settings.siteOf(number))).toEqual([
      'moscow',
      'main',
      'main',
    ]);
  });

  test('the configured zone wins over what the account says', () => {
    const { enterprise, host, rules } = example();
    expect(planSettings(enterprise, host, rules, 'Europe/Moscow').zone).toBe('Europe/Moscow');
    const fixed = { ...enterprise, retailcrm: { ...enterprise.retailcrm, timezone: 'Asia/Omsk' } };
    expect(planSettings(fixed, host, rules, 'Europe/Moscow').zone).toBe('Asia/Omsk');
  });

  test('only a directory to look at makes uploads wait', () => {
    const call = endedCall({ startedAt: EPOCH });
    expect(example().settings.recordingPath(call, 'c.wav')).toBeUndefined();
    const watched = example((enterprise) => ({
      ...enterprise,
      recordings: { url: 'https://rec.example/{file}', directory: '/var/spool/asterisk/monitor', waitSeconds: 90 },
    }));
    expect(watched.settings.recordingWait).toBe(90);
    expect(watched.settings.recordingPath(call, 'c.wav')).toBe('/var/spool/asterisk/monitor/c.wav');
  });

  test.each([
    { file: 'c.wav', path: '/monitor/2026/11/22/c.wav' },
    { file: '../../etc/passwd', path: '/monitor/2026/11/22/passwd' },
  ])('the directory may be one per day, and $file stays in it', ({ file, path }) => {
    const { settings } = example((enterprise) => ({
      ...enterprise,
      recordings: { url: 'https://rec.example/{file}', directory: '/monitor/{year}/{month}/{day}', waitSeconds: 90 },
    }));
    expect(settings.recordingPath(endedCall({ startedAt: EPOCH }), file)).toBe(path);
  });

  test('no link where a file is needed and none was named', () => {
    const { settings } = example();
    expect(settings.recordUrl(endedCall({ startedAt: EPOCH }), undefined)).toBeUndefined();
    expect(settings.recordUrl(endedCall({ startedAt: EPOCH }), 'c.wav')).toBe('https://rec.example/2026-11-22/c.wav');
    const none = example((enterprise) => ({ ...enterprise, recordings: undefined }));
    expect(none.settings.recordUrl(endedCall(), 'c.wav')).toBeUndefined();
  });
});

test.each([
  { template: 'https://r/{file}', url: 'https://r/c%20%231.wav' },
  { template: 'https://r/{host}/{uniqueid}.mp3', url: 'https://r/pbx1/customer.mp3' },
  { template: 'https://r/{linkedid}', url: 'https://r/customer' },
  { template: 'https://r/{year}/{month}/{day}/{date}', url: 'https://r/2026/11/23/2026-11-23' },
  { template: 'https://r/{unknown}/{file}', url: 'https://r/{unknown}/c%20%231.wav' },
])('a link by $template; dates are the start of the call in the zone', ({ template, url }) => {
  const call = endedCall({ startedAt: EPOCH + 13 * 3_600_000 });
  expect(recordUrl(template, call, 'c #1.wav', 'pbx1', 'Europe/Moscow')).toBe(url);
});
