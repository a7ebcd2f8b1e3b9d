import type { CheckResult, Protocol } from './types.ts';
import type { Session } from './session.ts';

/** What each error class means, and what the daemon does about it (`retailcrm/errors.ts`). */
export const MEANING: Readonly<Record<string, { readonly means: string; readonly daemon: string }>> = {
  AUTH: { means: 'the key is missing, wrong, or may not do this', daemon: 'stops the account, asks once a minute' },
  ACCOUNT: {
    means: 'no such account at this address, or it is closed',
    daemon: 'stops the account, asks once a minute',
  },
  TELEPHONY_OFF: { means: 'no active telephony module', daemon: 'keeps everything, tries once a minute' },
  VALIDATION: { means: 'the content was refused', daemon: 'dead letter; a batch is halved to find the culprit' },
  BUG: { means: 'the request was not what the API knows', daemon: 'dead letter; 404 and 405 stop the account' },
  NOTFOUND: { means: 'no such entity', daemon: 'depends: a merged customer is followed once' },
  PARTIAL: { means: 'a batch was taken in part', daemon: 'dead letters for the refused part' },
  PAYMENT: { means: 'file storage is not paid for', daemon: 'sends no files' },
  RATE: { means: 'too many requests, or maintenance', daemon: 'halves its rate, keeps everything' },
  RETRY: { means: 'the server is in trouble, or answered what is no API answer', daemon: 'sends the same again' },
  NETWORK: { means: 'no complete answer', daemon: 'sends the same again' },
};

/** What follows from it all, for who has to decide. */
export function conclusionsOf(
  results: readonly CheckResult[],
  session: Session,
  verdict: Protocol['verdict'],
): string[] {
  const made = results.filter(({ outcome }) => outcome !== 'skipped');
  const well = made.filter(({ outcome }) => outcome === 'ok');
  const say = [`${well.length} of ${made.length} checks went as they should${meanOf(results)}.`];
  if (verdict === 2) {
    const reason = results.find(({ outcome }) => outcome === 'failed')?.says ?? 'no reason';
    say.push(`The account cannot be used: ${reason}. Check \`retailcrm.url\` and the key.`);
    return say;
  }
  if (session.options.signal?.aborted === true) say.push('The run was interrupted: the rest was not tried.');
  for (const { id, says, error } of results.filter(({ outcome }) => outcome === 'failed')) {
    const meaning = error && MEANING[error.kind];
    say.push(`\`${id}\` failed: ${says}${meaning ? `; ${meaning.means}` : ''}.`);
  }
  const outcomeOf = (id: string): CheckResult['outcome'] | undefined => results.find((one) => one.id === id)?.outcome;
  const verdicts: [string, string[]][] = [
    ['Popups', ['call.event', 'call.event.hangup']],
    ['Call records', ['calls.upload', 'calls.upload.again']],
    ['Who is calling', ['manager', 'customers.search']],
    ['New customers', ['customers.create', 'customers.edit', 'customers.get.created']],
    ['Orders', ['orders', 'orders.create', 'orders.edit']],
    ['Changes in the CRM', ['customers.history', 'orders.history']],
    ['Users map', ['users', 'user']],
  ];
  for (const [what, ids] of verdicts) {
    const outcomes = ids.map(outcomeOf).filter((one) => one !== undefined && one !== 'skipped');
    if (outcomes.length === 0) say.push(`${what}: not tried${session.options.write ? '' : ' (`--write` does)'}.`);
    else say.push(`${what}: ${outcomes.includes('failed') ? 'do not work yet' : 'work'}.`);
  }
  const zone = session.options.timezone ?? session.known.zone;
  if (zone !== undefined) say.push(`Call records are dated in ${zone}.`);
  if (session.created.length > 0)
    say.push(
      `${session.created.length} things were created and stay: the API cannot delete them. The report says how to find them.`,
    );
  return say;
}

function meanOf(results: readonly CheckResult[]): string {
  const all = results.flatMap(({ latencies }) => latencies);
  if (all.length === 0) return '';
  const mean = all.reduce((sum, one) => sum + one, 0) / all.length;
  return `; ${all.length} requests, ${Math.round(mean)} ms on average`;
}
