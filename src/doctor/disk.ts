/** Room on the disks that matter: the embedded database's, and the recordings. */
import { statfs } from 'node:fs/promises';
import { codeOf, Findings, wordsOf } from './finding.ts';

const GIB = 1024 ** 3;
/** Below the first somebody should look, below the second the database may stop today. */
const SCARCE = GIB;
const EMPTY = GIB / 5;

/** A place and what it is for. */
export interface Place {
  readonly path: string;
  readonly what: string;
}

/** Looks at the free space of each place; of one that does not exist yet nothing is said. */
export async function examineDisks(places: readonly Place[]): Promise<Findings['all']> {
  const findings = new Findings('disk', '');
  for (const { path, what } of places) {
    try {
      const { bavail, bsize, ffree, files } = await statfs(path);
      judgeSpace(what, path, bavail * bsize, files > 0 ? ffree / files : 1, findings);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') continue;
      findings.warn(
        'space',
        `the disk of ${what} (${path}) cannot be looked at: ${wordsOf(error)}`,
        'run doctor as the user of the daemon',
      );
    }
  }
  return findings.all;
}

/** Judges bytes and the share of file entries that are free. */
export function judgeSpace(what: string, path: string, free: number, entries: number, findings: Findings): void {
  const room = free >= GIB ? `${(free / GIB).toFixed(1)} GiB` : `${Math.floor(free / 1024 / 1024)} MiB`;
  const says = `${room} free for ${what} (${path})`;
  const fix = 'free space, or move it to a larger disk: a full disk stops the database and every record with it';
  if (free < EMPTY) findings.fail('space', says, fix);
  else if (free < SCARCE) findings.warn('space', says, fix);
  else if (entries < 0.02)
    findings.warn('space', `${says}, but hardly any file entries (inodes)`, 'delete files nobody needs');
  else findings.ok('space', says);
}
