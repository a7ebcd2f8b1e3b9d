import { z } from 'zod';
import { address, ipRange, list, secret, text } from './schema-parts.ts';

const URL_HINT =
  'must be a URL without a password, such as "postgres://bridge@db.example/asterisk_retailcrm", or say where the whole URL is: {env: DATABASE_URL}, {file: PATH} or {credential: NAME}';

const databaseUrl = z
  .string()
  .refine(isPasswordless, URL_HINT)
  .describe('postgres:// URL without a password (peer, certificate or .pgpass authentication).');

const port = z.int().min(0).max(65535);

const httpSchema = z
  .strictObject({
    enabled: z.boolean().default(true).describe('false: the daemon listens nowhere. Default true.'),
    address: address
      .default('127.0.0.1')
      .describe('Address for callbacks of the CRM and the API. Default 127.0.0.1: behind a reverse proxy with TLS.'),
    port: port.default(8019).describe('Its TCP port, 0 to 65535; 0: any free one. Default 8019.'),
    public_url: z
      .string()
      .refine(isPublicUrl, 'must be the https address the outside uses, such as "https://tel.example"')
      .optional()
      .describe('https address under which the CRM reaches it.'),
    trust_proxy: list(ipRange, 100)
      .default([])
      .describe('Reverse proxies whose X-Forwarded-For is believed, IP or IP/bits. Default: none.'),
    health: z
      .strictObject({
        address: address.default('127.0.0.1').describe('Its address. Default 127.0.0.1.'),
        port: port.default(8021).describe('Its TCP port, 0 to 65535; 0: any free one. Default 8021.'),
      })
      .prefault({})
      .describe('Health and metrics, for those who watch the daemon.'),
  })
  .prefault({})
  .describe('Where the daemon listens.');

/** `daemon.yaml`: what all enterprises share. */
export const daemonSchema = z
  .strictObject({
    database: z
      .strictObject({
        url: z
          .union([databaseUrl, secret], { error: () => URL_HINT })
          .optional()
          .describe(
            'PostgreSQL to use; a URL with a password is a secret: {env: DATABASE_URL}, {file} or {credential}.',
          ),
        embedded: z
          .strictObject({
            dir: text
              .optional()
              .describe("Data directory, relative to this file; default: the daemon's state directory."),
          })
          .optional()
          .describe('Run our own PostgreSQL server. This is the default when no url is given.'),
      })
      .refine((database) => database.url === undefined || database.embedded === undefined, {
        error: 'has both url and embedded; keep the one you use',
      })
      .prefault({})
      .describe('Where calls and everything not yet delivered are kept. Default: an embedded PostgreSQL.'),
    log: z
      .strictObject({
        level: z
          .enum(['error', 'warn', 'info', 'debug'])
          .default('info')
          .describe('Least serious kind of line that is written.'),
        format: z
          .enum(['json', 'pretty'])
          .optional()
          .describe(
            'json: one object per line for journald; pretty: for eyes. Default: pretty on a terminal, else json.',
          ),
      })
      .prefault({})
      .describe('What is logged, to standard output.'),
    enterprises: text
      .default('enterprises')
      .describe('Directory with one YAML file per enterprise, relative to this file.'),
    http: httpSchema,
    agi: z
      .strictObject({
        address: address.default('127.0.0.1').describe('Address it listens on. Default 127.0.0.1.'),
        port: port.default(4573).describe('Its TCP port, 0 to 65535. Default 4573.'),
      })
      .optional()
      .describe('FastAGI server that tells the dial plan who is responsible for a number. Default: none.'),
    instance: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,60}$/, 'must be 1 to 60 letters, digits, dots, dashes and underscores')
      .optional()
      .describe(
        'Name of this daemon in leases and logs, when several share a database. Default: host name and process id.',
      ),
  })
  .describe('Settings of the asterisk-retailcrm daemon');

/** The file as the operator may write it, defaults filled in. */
export type DaemonYaml = z.output<typeof daemonSchema>;

/** Whether the string is a PostgreSQL URL that gives nothing away. */
function isPasswordless(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  return /^postgres(ql)?:$/.test(url.protocol) && url.password === '' && !url.searchParams.has('password');
}

/** Whether the URL is an https (or, for the emulator, loopback http) origin, perhaps with a path. */
function isPublicUrl(value: string): boolean {
  if (!URL.canParse(value) || /[\s?#]/.test(value)) return false;
  const url = new URL(value);
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  return (
    url.username === '' && url.password === '' && (url.protocol === 'https:' || (url.protocol === 'http:' && loopback))
  );
}
