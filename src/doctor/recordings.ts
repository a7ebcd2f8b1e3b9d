/** Recordings: is the directory there, does a link we gave the CRM lead to a file. */
import { access, constants, stat } from 'node:fs/promises';
import { isNativeError } from 'node:util/types';
import type { EnterpriseSettings } from '../config/settings.ts';
import { Findings, wordsOf } from './finding.ts';

const REPLY_MS = 5_000;

/** @param link a link the CRM was given for an earlier call; undefined = there is none yet */
export async function examineRecordings(
  { id, recordings }: EnterpriseSettings,
  link: string | undefined,
): Promise<Findings['all']> {
  const findings = new Findings('pbx', id);
  if (recordings === undefined) return findings.all;
  if (recordings.directory !== undefined) await judgeDirectory(recordings.directory, findings);
  if (link === undefined) {
    findings.ok('recordings', 'no record with a link was delivered yet, so no link could be tried');
    return findings.all;
  }
  const site = new URL(link).origin;
  try {
    const reply = await fetch(link, {
      headers: { range: 'bytes=0-0' },
      redirect: 'manual',
      signal: AbortSignal.timeout(REPLY_MS),
    });
    await reply.body?.cancel();
    if (reply.ok)
      findings.ok(
        'recordings',
        `the link of an earlier call at ${site} leads to a file (${reply.headers.get('content-type') ?? 'no type'})`,
      );
    else {
      findings.warn(
        'recordings',
        `the link of an earlier call at ${site} answers ${reply.status}`,
        'compare recordings.url with where the files are served; the CRM plays what this link gives, without a password of ours',
      );
    }
  } catch (error) {
    findings.warn(
      'recordings',
      `the link of an earlier call cannot be opened from here: ${site}: ${causeOf(error)}`,
      'the CRM must reach it from outside: a public https address',
    );
  }
  return findings.all;
}

/** The part of a directory before the first placeholder must be readable. */
async function judgeDirectory(directory: string, findings: Findings): Promise<void> {
  const fixed = directory.replace(/\/[^/]*\{.*$/, '') || '/';
  try {
    if (!(await stat(fixed)).isDirectory()) throw new Error('not a directory');
    await access(fixed, constants.R_OK | constants.X_OK);
    findings.ok('recordings', `the recordings' directory ${fixed} can be read`);
  } catch (error) {
    findings.fail(
      'recordings',
      `the recordings' directory ${fixed} cannot be read: ${wordsOf(error)}`,
      "let the daemon's user read it (put it into the directory's group: adduser asterisk-retailcrm asterisk; if it is on another machine, mount it here), or leave out recordings.directory",
    );
  }
}

/** What fetch hides behind "fetch failed". */
export function causeOf(error: unknown): string {
  if (!isNativeError(error)) return wordsOf(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  return wordsOf(isNativeError(error.cause) ? error.cause : error);
}
