/** Which Asterisk it is, and what is known to be wrong with it. Only what concerns a manager's client. */
import type { Findings } from './finding.ts';

/** The numbers at the head of a version; undefined for a text that has none (`GIT-master-…`). */
export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** Number of `-certN`; undefined for a plain release. */
  readonly certified: number | undefined;
}

/** `22.10.1`, `16.28.0~dfsg-0+deb11u4`, `certified/20.7-cert2`, `18.9-cert11`, `Asterisk 20.9.1`. */
export function readVersion(text: string): Version | undefined {
  const found = /(\d+)\.(\d+)(?:\.(\d+))?(?:-cert(\d+))?/.exec(text);
  if (found === null) return undefined;
  const [, major = '', minor = '', patch = '0', cert] = found;
  return {
    major: Number(major),
    minor: Number(minor),
    patch: Number(patch),
    certified: cert === undefined ? undefined : Number(cert),
  };
}

interface Flaw {
  readonly id: string;
  readonly says: string;
  /** The manager action it is used by, lower case: who may not send it cannot use it. */
  readonly action: string;
  /** First mended releases, one per branch that was mended. */
  readonly mended: readonly string[];
  /** Branches from this one on never had it. */
  readonly cleanFrom: number;
}

/** The flaws a manager's client may lean on; versions from Asterisk's advisories GHSA-c4cg-9275-6w44 and GHSA-8857-hfmw-vg8f. */
const flaws: readonly Flaw[] = [
  {
    id: 'CVE-2024-42365',
    says: 'whoever may originate can write files on the PBX and run programs',
    action: 'originate',
    mended: ['18.24.2', '20.9.2', '21.4.2', '18.9-cert11', '20.7-cert2'],
    cleanFrom: 22,
  },
  {
    id: 'CVE-2023-49294',
    says: 'whoever has the class system or config in write can read any file Asterisk can',
    action: 'getconfig',
    mended: ['18.20.1', '20.5.1', '21.0.1', '18.9-cert6'],
    cleanFrom: 22,
  },
];

/** Ids of the flaws a release has. A distribution may have mended an old release without changing its number. */
export function flawsOf(version: Version): (Pick<Flaw, 'id' | 'says' | 'action'> & { mended: string | undefined })[] {
  return flaws.flatMap(({ id, says, action, mended, cleanFrom }): ReturnType<typeof flawsOf> => {
    if (version.major >= cleanFrom) return [];
    const sameMajor = mended.flatMap((text) => {
      const one = readVersion(text);
      return one?.major === version.major ? [{ text, one }] : [];
    });
    // A certified branch that is not listed was cut from a later plain release.
    const branch =
      sameMajor.find(({ one }) => (one.certified === undefined) === (version.certified === undefined)) ?? sameMajor[0];
    if (branch === undefined) return [{ id, says, action, mended: undefined }];
    return before(version, branch.one) ? [{ id, says, action, mended: branch.text }] : [];
  });
}

function before(a: Version, b: Version): boolean {
  const parts = [
    [a.major, b.major],
    [a.minor, b.minor],
    [a.patch, b.patch],
    [a.certified ?? 0, b.certified ?? 0],
  ] as const;
  for (const [one, other] of parts) if (one !== other) return one < other;
  return false;
}

/** Generations this program is tested with, and those that speak the same events. */
const tested = [16, 22];
const oldest = 13;

/** Judges a version as `CoreSettings` tells it. `may`: whether our user may send an action (lower case). */
export function judgeVersion(text: string | undefined, may: (action: string) => boolean, findings: Findings): void {
  if (text === undefined) {
    findings.warn(
      'version',
      'Asterisk does not tell its version',
      'give the user the class reporting in write, so that known dangerous versions can be named',
    );
    return;
  }
  const version = readVersion(text);
  if (version === undefined) {
    findings.ok('version', `Asterisk ${text}, a build without a release number`);
    return;
  }
  if (version.major < oldest) {
    findings.fail(
      'version',
      `Asterisk ${text} is too old: its events lack what calls are told by`,
      'upgrade to Asterisk 18 or later',
    );
    return;
  }
  const found = flawsOf(version).filter(({ action }) => may(action));
  for (const { id, says, mended } of found) {
    findings.warn(
      'version',
      `Asterisk ${text} has ${id} unless its distribution mended it: ${says}`,
      mended === undefined
        ? `this branch was never mended by Asterisk: upgrade to 20, 21 or 22, or look for ${id} in your distribution's changelog; until then guard the password of this user like root's`
        : `upgrade to ${mended} or later, or look for ${id} in your distribution's changelog`,
    );
  }
  if (found.length > 0) return;
  const known = tested.includes(version.major) ? '' : '; 16 and 22 are the tested ones, it speaks the same events';
  findings.ok('version', `Asterisk ${text}${known}`);
}
