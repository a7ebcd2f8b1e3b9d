/**
 * Addresses of one lab instance. Linux accepts any 127.x.y.z: the PBX, each phone and each provider has an address of
 * its own with the usual port, and instances side by side never meet.
 */
import { createServer } from 'node:net';

/** Loopback addresses (IPv4) and ports of one instance. */
export interface Network {
  /** Asterisk: SIP on 5060, AMI on `amiPort`. */
  pbx: string;
  /** AMI's TCP port on `pbx`. */
  amiPort: number;
  /** The provider of Belarusian numbers. */
  providerBy: string;
  /** The provider of Russian numbers. */
  providerRu: string;
  /** Asterisk's RTP ports, both ends included: RTP is bound to all addresses, so instances must not share a range. */
  rtp: { first: number; last: number };
  /** Address of the device with this number, 100 to 199 (an extension, or one more device of it). */
  device(number: number): string;
}

/** One instance takes this many RTP ports: twenty calls' worth. */
const rtpPorts = 100;
const slots = 200;
let next = process.pid % slots;

/** A network nobody on this machine uses now, told by whether its AMI address can be bound. */
export async function freeNetwork(): Promise<Network> {
  for (let tries = 0; tries < slots; tries++) {
    const slot = next++ % slots;
    const base = `127.77.${slot + 1}`;
    if (!(await canBind(`${base}.1`, amiPort))) continue;
    return {
      pbx: `${base}.1`,
      amiPort,
      providerBy: `${base}.201`,
      providerRu: `${base}.202`,
      rtp: { first: 10_000 + slot * rtpPorts, last: 10_000 + slot * rtpPorts + rtpPorts - 1 },
      device: (number) => `${base}.${number}`,
    };
  }
  throw new Error('no free loopback network: two hundred labs run on this machine');
}

const amiPort = 5038;

function canBind(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
