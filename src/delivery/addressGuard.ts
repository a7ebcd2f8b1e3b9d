import { BlockList, isIP } from 'node:net';

/** A receiver's address must not be called. The message names the reason, never more of the URL than its host. */
export class ForbiddenAddress extends Error {
  override readonly name = 'ForbiddenAddress';
}

/** Everything that is not the public internet (IANA special-purpose registries), by what it is. */
const ranges: Readonly<Record<string, readonly string[]>> = {
  'this machine': ['127.0.0.0/8', '::1/128', '0.0.0.0/8', '::/128'],
  'a private network': ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fec0::/10'],
  'a link-local address': ['169.254.0.0/16', 'fe80::/10'],
  'a carrier network': ['100.64.0.0/10'],
  'a multicast address': ['224.0.0.0/4', 'ff00::/8'],
  'a reserved address': [
    ...['192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
    ...['240.0.0.0/4', '100::/64', '2001::/23', '2001:db8::/32', '3fff::/20', '5f00::/16'],
  ],
  // What translates to IPv4 would hide any address of the above.
  'an IPv4 address in disguise': ['::/96', '64:ff9b::/96', '64:ff9b:1::/48', '2002::/16'],
};

const lists = Object.entries(ranges).map(([what, subnets]) => ({ what, list: listOf(subnets) }));
const loopback = listOf(['127.0.0.0/8', '::1/128']);

function listOf(subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [net = '', prefix = ''] = subnet.split('/');
    list.addSubnet(net, Number(prefix), familyOf(net));
  }
  return list;
}

function familyOf(ip: string): 'ipv4' | 'ipv6' {
  return isIP(ip) === 6 ? 'ipv6' : 'ipv4';
}

/** What kind of address must not be called from here; undefined = a public one. `ip` without brackets or zone. */
export function forbiddenKind(ip: string): string | undefined {
  const plain = mapped(ip);
  if (isIP(plain) === 0) return 'no IP address';
  return lists.find(({ list }) => list.check(plain, familyOf(plain)))?.what;
}

/** Whether the address is this machine's loopback. */
export function isLoopback(ip: string): boolean {
  const plain = mapped(ip);
  return isIP(plain) !== 0 && loopback.check(plain, familyOf(plain));
}

/** Without its zone; `::ffff:10.0.0.1`, in whatever spelling, as the IPv4 address it is. */
function mapped(text: string): string {
  const ip = text.replace(/%.*$/, '');
  if (isIP(ip) !== 6) return ip;
  const hex = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(new URL(`http://[${ip}]/`).hostname);
  if (!hex) return ip;
  const [high, low] = [Number.parseInt(hex[1] ?? '', 16), Number.parseInt(hex[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** A receiver's URL, taken apart once it is known to be one we may call. */
export interface CheckedUrl {
  readonly url: URL;
  /** Plain http: only ever to this machine. */
  readonly plain: boolean;
}

/** Throws ForbiddenAddress when the URL must not be called whatever its name resolves to. */
export function checkUrl(text: string, allowPrivate: boolean): CheckedUrl {
  if (!URL.canParse(text)) throw new ForbiddenAddress('it is not a URL');
  const url = new URL(text);
  const plain = url.protocol === 'http:';
  if (url.protocol !== 'https:' && !(plain && allowPrivate)) throw new ForbiddenAddress('it must begin with https://');
  if (url.username !== '' || url.password !== '') throw new ForbiddenAddress('it holds a user or a password');
  if (url.hostname === '') throw new ForbiddenAddress('it names no host');
  const literal = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(literal) !== 0) checkAddress(literal, allowPrivate, plain);
  return { url, plain };
}

/** Throws ForbiddenAddress when a connection to this address must not be made. */
export function checkAddress(ip: string, allowPrivate: boolean, plain: boolean): void {
  if (plain && !isLoopback(ip))
    throw new ForbiddenAddress('http is for this machine only; it must begin with https://');
  if (allowPrivate) return;
  const kind = forbiddenKind(ip);
  if (kind !== undefined) throw new ForbiddenAddress(`it leads to ${kind}`);
}
