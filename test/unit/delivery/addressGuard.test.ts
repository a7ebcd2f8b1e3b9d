import { describe, expect, test } from '@jest/globals';
import { ForbiddenAddress, checkAddress, checkUrl, forbiddenKind } from '../../../src/delivery/addressGuard.ts';

/** Addresses inside, by what they are. */
const inside: Readonly<Record<string, readonly string[]>> = {
  'this machine': ['127.0.0.1', '127.0.0.53', '127.255.255.254', '0.0.0.0', '0.1.2.3', '::1', '::', '0:0:0:0:0:0:0:1'],
  'a private network': [
    ...['10.0.0.1', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.0.1', '192.168.255.255'],
    ...['fc00::1', 'fd12:3456:789a::1', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fec0::1'],
  ],
  'a link-local address': ['169.254.169.254', '169.254.0.1', 'fe80::1', 'fe80::1%eth0', 'febf::1'],
  'a carrier network': ['100.64.0.1', '100.127.255.255'],
  'a multicast address': ['224.0.0.1', '239.255.255.255', 'ff02::1', 'ff0e::1'],
  'a reserved address': [
    ...['192.0.0.1', '192.0.2.1', '198.18.0.1', '198.19.255.255', '198.51.100.1', '203.0.113.1'],
    ...['240.0.0.1', '255.255.255.255', '192.88.99.1', '2001:db8::1', '2001::1', '100::1'],
  ],
  'an IPv4 address in disguise': ['::7f00:1', '::10.0.0.1', '64:ff9b::7f00:1', '64:ff9b:1::a00:1', '2002:7f00:1::1'],
};
/** Addresses next to a forbidden range, on the right side of its edge, and ordinary ones. */
const outside = [
  ...['8.8.8.8', '1.1.1.1', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255'],
  ...['128.0.0.1', '169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0', '192.167.255.255'],
  ...['192.169.0.0', '198.17.255.255', '198.20.0.0', '223.255.255.255', '2a00:1450:4001::1', '2606:4700::1111'],
];
const spellings: readonly [string, (ip: string) => string[]][] = [
  ['as IPv6-mapped', (ip) => [`::ffff:${ip}`, `::FFFF:${ip}`, `0:0:0:0:0:ffff:${ip}`, mappedHex(ip)]],
  ['as it is', (ip) => [ip]],
];

function mappedHex(ip: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = ip.split('.').map(Number);
  return `::ffff:${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
const isV4 = (ip: string): boolean => /^\d+\.\d+\.\d+\.\d+$/.test(ip);
const bracketed = (ip: string): string => (isV4(ip) ? ip : `[${ip.replace(/%.*$/, '')}]`);

/** One IPv4 address as browsers and curl would still understand it. */
function disguises(ip: string): string[] {
  const [a = 0, b = 0, c = 0, d = 0] = ip.split('.').map(Number);
  const whole = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  const octal = (part: number): string => `0${part.toString(8)}`;
  const hex = (part: number): string => `0x${part.toString(16)}`;
  return [
    ...[
      String(whole),
      hex(whole),
      octal(whole),
      [a, b, (c << 8) | d].join('.'),
      [a, (b << 16) | (c << 8) | d].join('.'),
    ],
    ...[[a, b, c, d].map(octal).join('.'), [a, b, c, d].map(hex).join('.'), `${ip}.`],
    ...[Array.from(ip, (char) => (char === '.' ? '\u3002' : String.fromCodePoint(0xff10 + Number(char)))).join('')],
    ...[Array.from(ip, (char) => `%${char.codePointAt(0)?.toString(16) ?? ''}`).join('')],
  ];
}

/** Every URL that leads inside by itself, without asking any resolver. */
function corpus(): string[] {
  const all = Object.values(inside).flat();
  const plain = all.map((ip) => `https://${bracketed(ip)}/hook`);
  const mapped = all.filter(isV4).flatMap((ip) => (spellings[0]?.[1](ip) ?? []).map((one) => `https://[${one}]/`));
  const odd = ['127.0.0.1', '10.1.2.3', '192.168.1.1', '169.254.169.254', '0.0.0.0', '172.16.5.4', '100.64.7.8'];
  const hidden = odd.flatMap((ip) => disguises(ip).flatMap((one) => [`https://${one}/`, `https://${one}:8443/a?b=c`]));
  const schemes = ['http', 'ftp', 'file', 'gopher', 'ws', 'data', 'javascript', 'unix', 'blob', 'dict', 'ldap', 'jar'];
  const foreign = schemes.flatMap((scheme) => [`${scheme}://bi.example/x`, `${scheme}:x`, `${scheme}:///etc/passwd`]);
  const people = [
    'https://user@bi.example/',
    'https://:pw@bi.example/',
    'https://a:b@127.0.0.1/',
    'https://bi.example@127.0.0.1/',
  ];
  const broken = [
    '',
    ' ',
    'bi.example',
    '//bi.example',
    'https://',
    'https:///',
    'https://[::1',
    'https://a b/',
    'https://%00/',
    'https://bi.example:99999/',
  ];
  return [...plain, ...mapped, ...hidden, ...foreign, ...people, ...broken];
}

describe('an address', () => {
  test.each(Object.entries(inside).flatMap(([what, ips]) => ips.map((ip) => ({ ip, what }))))(
    '$ip is $what',
    ({ ip, what }) => {
      expect(forbiddenKind(ip)).toBe(what);
    },
  );

  test.each(Object.values(inside).flat().filter(isV4))('%s stays what it is when mapped into IPv6', (ip) => {
    for (const [, of] of spellings) for (const one of of(ip)) expect(forbiddenKind(one)).toBe(forbiddenKind(ip));
  });

  test.each(outside)('%s is public', (ip) => {
    const both = isV4(ip) ? [ip, `::ffff:${ip}`] : [ip];
    expect(both.map(forbiddenKind).filter((kind) => kind !== undefined)).toEqual([]);
  });

  test.each(['', 'localhost', '1.2.3', '1.2.3.4.5', '::g', '127.1'])('"%s" is none, so it is not called', (text) => {
    expect(forbiddenKind(text)).toBe('no IP address');
  });
});

describe('a URL', () => {
  const urls = corpus();

  test('the corpus has its 300', () => {
    expect(new Set(urls).size).toBeGreaterThanOrEqual(300);
  });

  test.each(urls)('%s is refused', (url) => {
    expect(() => checkUrl(url, false)).toThrow(ForbiddenAddress);
  });

  test.each([
    'https://bi.example/calls',
    'https://bi.example:8443/a?b=c',
    'https://8.8.8.8/',
    'https://[2606:4700::1111]/',
    'https://127.0.0.1.bi.example/',
  ])('%s may be tried', (url) => {
    expect(checkUrl(url, false).plain).toBe(false);
  });

  test.each([
    'https://127.0.0.1:1/',
    'https://10.0.0.1/',
    'https://[::1]/',
    'http://127.0.0.1:1/',
    'http://[::1]/',
    'http://localhost/',
  ])('%s may be tried with allow_private', (url) => {
    expect(() => checkUrl(url, true)).not.toThrow();
  });

  test.each(['http://10.0.0.1/', 'http://8.8.8.8/', 'ftp://127.0.0.1/', 'https://user:pw@127.0.0.1/'])(
    '%s is refused even then',
    (url) => {
      expect(() => checkUrl(url, true)).toThrow(ForbiddenAddress);
    },
  );

  test('a name on plain http must lead to this machine', () => {
    expect(() => checkAddress('127.0.0.1', true, true)).not.toThrow();
    expect(() => checkAddress('10.0.0.1', true, true)).toThrow('http is for this machine only');
    expect(() => checkAddress('8.8.8.8', true, true)).toThrow('http is for this machine only');
  });

  test('no message repeats the URL', () => {
    const refused = (): void => void checkUrl('https://user:hunter2@bi.example/?token=hunter2', false);
    expect(refused).toThrow('it holds a user or a password');
    expect(refused).not.toThrow('hunter2');
  });
});
