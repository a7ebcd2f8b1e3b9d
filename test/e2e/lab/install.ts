/**
 * Brings two Asterisk versions onto this machine without touching it: each lives in a Debian tree of its own, made by
 * debootstrap and run through chroot. Trees are kept in the cache directory and used again by the next run.
 */
import { spawn } from 'node:child_process';
import { access, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { output } from './process.ts';

/** Asterisk's major version. */
export type AsteriskVersion = 22 | 16;

/** One Asterisk on disk, ready to be started. */
export interface Tree {
  version: AsteriskVersion;
  /** Root of the Debian tree: what chroot is given. */
  root: string;
  /** Where this tree keeps Asterisk's modules, as seen inside it. */
  moduleDir: string;
  /** Module file names without `.so` that this tree has. */
  modules: ReadonlySet<string>;
  /** What `asterisk -V` says, without the word Asterisk. */
  release: string;
}

/** Why there is no Asterisk here. The message is the reason, for the line that says SKIPPED. */
export class NoAsterisk extends Error {}

/** Which Debian carries which Asterisk; bullseye has voice mail in a package of its own. */
const suites: Record<AsteriskVersion, { suite: string; packages: string }> = {
  22: { suite: 'sid', packages: 'asterisk' },
  16: { suite: 'bullseye', packages: 'asterisk,asterisk-voicemail' },
};

/** Debian's names of the architectures that both suites are built for. */
const architectures = new Set(['x64', 'arm64']);

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Where the trees are kept: `E2E_CACHE`, else a directory of the system's cache. */
export function cacheDir(): string {
  return process.env['E2E_CACHE'] ?? '/var/cache/asterisk-retailcrm-e2e';
}

/**
 * The tree of one version, installed when it is missing (about 450 MB, one to three minutes).
 * Throws NoAsterisk with the reason where it cannot be had.
 */
export async function installAsterisk(version: AsteriskVersion, say: (line: string) => void): Promise<Tree> {
  if (process.platform !== 'linux' || !architectures.has(process.arch)) {
    throw new NoAsterisk(`no Debian tree for ${process.platform} ${process.arch}`);
  }
  if (process.getuid?.() !== 0) throw new NoAsterisk('must be root: debootstrap and chroot are not for other users');
  const { suite, packages } = suites[version];
  const root = join(cacheDir(), suite);
  await mkdir(cacheDir(), { recursive: true }).catch((error: unknown) => {
    throw new NoAsterisk(`the cache directory cannot be made (set E2E_CACHE): ${String(error)}`);
  });
  if (!(await exists(join(root, 'usr/sbin/asterisk')))) {
    const unlock = await lock(join(cacheDir(), `${suite}.lock`), say);
    try {
      if (!(await exists(join(root, 'usr/sbin/asterisk')))) await bootstrap(suite, packages, root, say);
    } finally {
      await unlock();
    }
  }
  await stayAtHome(root);
  await removeOldLabs(root);
  return describe(version, root);
}

/**
 * Asterisk looks up its own host name and a root server for each session it describes; with a slow resolver that costs
 * 5 s in the middle of a call. Inside the tree names come from /etc/hosts alone.
 */
async function stayAtHome(root: string): Promise<void> {
  await writeFile(join(root, 'etc/hosts'), `127.0.0.1 localhost ${hostname()} A.ROOT-SERVERS.NET\n`);
  await writeFile(join(root, 'etc/nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files\n');
}

/** Failed tests leave their directories for a look; those of runs that are over go when the next run begins. */
async function removeOldLabs(root: string): Promise<void> {
  for (const name of await readdir(join(root, 'lab')).catch((): string[] => [])) {
    if (await exists(`/proc/${name.split('-')[0] ?? ''}/cmdline`)) continue;
    await rm(join(root, 'lab', name), { recursive: true, force: true });
  }
}

async function describe(version: AsteriskVersion, root: string): Promise<Tree> {
  const library = join(root, 'usr/lib');
  const places = ['', ...(await readdir(library)).filter((name) => name.endsWith('-linux-gnu'))];
  for (const place of places) {
    const files = await readdir(join(library, place, 'asterisk/modules')).catch((): string[] => []);
    if (!files.includes('app_dial.so')) continue;
    const said = await output('chroot', [root, '/usr/sbin/asterisk', '-V']).catch((error: unknown) => {
      throw new NoAsterisk(`${root} does not run here: ${String(error)}`);
    });
    const release = said.trim().replace(/^Asterisk /, '');
    if (!release.startsWith(`${version}.`)) {
      throw new NoAsterisk(`${root} holds Asterisk ${release}, wanted ${version}: the suite has moved on`);
    }
    return {
      version,
      root,
      release,
      moduleDir: join('/usr/lib', place, 'asterisk/modules'),
      modules: new Set(files.filter((name) => name.endsWith('.so')).map((name) => name.slice(0, -3))),
    };
  }
  throw new NoAsterisk(`${root} has no Asterisk modules; remove it and run again`);
}

async function bootstrap(suite: string, packages: string, root: string, say: (line: string) => void): Promise<void> {
  await needDebootstrap(say);
  const part = `${root}.part`;
  const problems: string[] = [];
  for (const mirror of await mirrors()) {
    await removeTree(part);
    say(`installing Debian ${suite} with Asterisk, about 450 MB`);
    const args = ['--variant=minbase', `--keyring=${keyring}`, `--include=${packages}`, suite, part, mirror];
    const problem = await runLogged('debootstrap', args, `${root}.log`, suite, say);
    if (problem === undefined) {
      await unmountUnder(part);
      // The package's configuration is replaced whole by each lab instance, its downloads are never needed again.
      await rm(join(part, 'var/cache/apt/archives'), { recursive: true, force: true });
      await rename(part, root);
      say(`Debian ${suite} is ready`);
      return;
    }
    problems.push(problem);
  }
  await removeTree(part);
  throw new NoAsterisk(
    problems.length === 0
      ? "apt's configuration names no Debian mirror"
      : `debootstrap of ${suite} failed: ${problems.join('; ')} (see ${root}.log)`,
  );
}

async function needDebootstrap(say: (line: string) => void): Promise<void> {
  const missing: string[] = [];
  if (!(await exists('/usr/sbin/debootstrap'))) missing.push('debootstrap');
  if (!(await exists(keyring))) missing.push('debian-archive-keyring');
  if (missing.length === 0) return;
  say(`apt-get install ${missing.join(' ')}`);
  try {
    await output('apt-get', ['install', '-y', ...missing]).catch(async () => {
      await output('apt-get', ['update']);
      await output('apt-get', ['install', '-y', ...missing]);
    });
  } catch (error) {
    throw new NoAsterisk(`cannot install ${missing.join(' and ')} by apt-get: ${String(error)}`);
  }
}

/** The archives apt itself is configured with, Debian's first: the repository names none. */
async function mirrors(): Promise<string[]> {
  const format = '$(REPO_URI) $(COMPONENT) $(ORIGIN)';
  const text = await output('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']).catch(() => '');
  const rows = text
    .split('\n')
    .map((line) => line.trim().split(' '))
    .filter(([uri, component]) => uri !== undefined && component === 'main')
    .map(([uri = '', , origin]) => ({ uri: uri.replace(/\/$/, ''), debian: origin === 'Debian' }))
    // A security archive has no base suite, and a vendor's archive has no Debian.
    .filter(({ uri, debian }) => (debian || /\/debian$/.test(uri)) && !uri.includes('security'));
  return [...new Set(rows.map(({ uri }) => uri))];
}

/** Runs a long command, its words to a log file, a line now and then to the screen. Returns the reason if it failed. */
async function runLogged(
  command: string,
  args: string[],
  log: string,
  what: string,
  say: (line: string) => void,
): Promise<string | undefined> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  let retrieved = 0;
  const take = (chunk: Buffer): void => {
    for (const line of chunk.toString('utf8').split('\n').filter(Boolean)) {
      lines.push(line);
      if (line.startsWith('I: Retrieving ') && ++retrieved % 50 === 0) say(`${what}: ${retrieved} packages downloaded`);
      else if (/^I: (Installing core|Unpacking the base|Configuring the base)/.test(line))
        say(`${what}: ${line.slice(3)}`);
    }
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', resolve);
  });
  await writeFile(log, `${lines.join('\n')}\n`);
  if (code === 0) return undefined;
  return lines.findLast((line) => line.startsWith('E: ')) ?? `${command} ended with ${String(code)}`;
}

/** debootstrap mounts /proc inside its tree: a tree is never removed with something mounted in it. */
async function removeTree(path: string): Promise<void> {
  if (!(await exists(path))) return;
  await unmountUnder(path);
  await rm(path, { recursive: true, force: true });
}

async function unmountUnder(path: string): Promise<void> {
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
  const inside = mounts.filter((mount) => mount.startsWith(`${path}/`)).reverse();
  for (const mount of inside) await output('umount', [mount]);
}

/** One installer at a time per suite; a lock whose owner is gone is taken over. Resolves to the unlock. */
async function lock(path: string, say: (line: string) => void): Promise<() => Promise<void>> {
  let told = false;
  for (;;) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' });
      return () => rm(path, { force: true });
    } catch {
      const owner = Number(await readFile(path, 'utf8').catch(() => ''));
      if (owner > 0 && !(await exists(`/proc/${owner}`))) await rm(path, { force: true });
      else if (!told) say(`waiting for the installation that process ${owner} is doing`);
      told = true;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
