import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

/** Whether an address is one of these (IP or IP/bits). IPv4 written as IPv6 (`::ffff:203.0.113.7`) is the IPv4 address. */
export function addressList(entries: readonly string[]): (address: string) => boolean {
  if (entries.length === 0) return () => false;
  const list = new BlockList();
  for (const entry of entries) {
    const [network = '', bits] = entry.split('/');
    const family = isIPv4(network) ? 'ipv4' : 'ipv6';
    if (bits === undefined) list.addAddress(network, family);
    else list.addSubnet(network, Number(bits), family);
  }
  return (text) => {
    const address = plainAddress(text);
    if (address === undefined) return false;
    return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
  };
}

/** Without zone, IPv4 as IPv4; undefined = not an address at all (whatever a proxy was made to forward). */
export function plainAddress(text: string): string | undefined {
  const [address = ''] = text.split('%', 1);
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(address)?.[1];
  if (mapped !== undefined && isIPv4(mapped)) return mapped;
  return isIP(address) === 0 ? undefined : address;
}

/** Under which name the requests of an address are counted: itself, or the /64 of an IPv6 one, which is one household. */
export function countedAs(text: string): string {
  const address = plainAddress(text) ?? 'unknown';
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.toLowerCase().split('::', 2);
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups =
    tail === undefined
      ? left
      : [
          ...left,
          ...Array<string>(8)
            .fill('0')
            .slice(left.length + right.length),
          ...right,
        ];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
