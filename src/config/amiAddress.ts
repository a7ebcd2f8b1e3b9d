import { readFileSync } from 'node:fs';
import { resolveSecret } from './secrets.ts';
import type { HostSettings } from './settings.ts';

/** Where and how to log in at a host, as the manager client wants it: secret and CA are read now. */
export interface HostAddress {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly secret: string;
  /** undefined = plain TCP. */
  readonly tls: { readonly ca?: Buffer; readonly servername?: string } | undefined;
  readonly allowPlaintext: boolean;
}

/**
 * The manager interface of a host.
 * @throws {SecretError} its password cannot be read
 * @throws {Error} its CA file cannot be read
 */
export function amiAddress({ ami }: HostSettings): HostAddress {
  return {
    host: ami.address,
    port: ami.port,
    username: ami.user,
    secret: resolveSecret(ami.secret),
    tls: ami.tls && {
      ...(ami.tls.ca === undefined ? {} : { ca: readFileSync(ami.tls.ca) }),
      ...(ami.tls.servername === undefined ? {} : { servername: ami.tls.servername }),
    },
    allowPlaintext: ami.allowPlaintextLogin,
  };
}
