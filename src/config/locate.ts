import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Where `daemon.yaml` is looked for when the command line does not say, in this order. */
export const CONFIG_PLACES = ['config/daemon.yaml', 'daemon.yaml', '/etc/asterisk-retailcrm/daemon.yaml'] as const;

/** The first of `CONFIG_PLACES` that exists, seen from `cwd`; undefined = none. */
export function findConfig(cwd: string = process.cwd()): string | undefined {
  return CONFIG_PLACES.map((place) => (place.startsWith('/') ? place : join(cwd, place))).find((path) =>
    existsSync(path),
  );
}
