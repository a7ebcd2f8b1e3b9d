import type { Call, Fact } from './calls/call.ts';
import { talkSeconds, waitSeconds } from './calls/record.ts';
import { maskPhone } from './log.ts';

/** The outside party as a log may name her. */
function customer(call: Call): string {
  if (call.customer.kind === 'phone') return maskPhone(call.customer.e164);
  return call.customer.kind === 'anonymous' ? 'a hidden number' : 'an unusual number';
}

/** Seconds as people say them. */
function s(seconds: number): string {
  return `${seconds.toFixed(1)} s`;
}

/** One sentence per fact, for those who tail the log; undefined for facts that are no milestone. */
export function milestone(fact: Fact): string | undefined {
  switch (fact.fact) {
    case 'call.incoming':
      return `call from ${customer(fact.call)} came in${fact.call.joinedLate ? ' (it was running before we looked)' : ''}`;
    case 'call.outgoing':
      return `${fact.call.initiatedBy ?? 'somebody'} calls ${customer(fact.call)}`;
    case 'rung':
      return `rings at ${fact.exts.join(', ')}`;
    case 'stopped ringing':
      return `stopped ringing at ${fact.exts.join(', ')}`;
    case 'call.answered':
      return `answered by ${fact.call.direction === 'out' ? 'the customer of ' : ''}${fact.by} after ${s(waitSeconds(fact.call))}`;
    case 'handed over':
      return `handed over to ${fact.to.startsWith('+') ? maskPhone(fact.to) : fact.to}`;
    case 'call.finished':
      return `finished after ${s(talkSeconds(fact.call))} of talk`;
    case 'call.missed': {
      const detail = fact.call.detail === undefined ? '' : ` (${fact.call.detail})`;
      return `not answered: ${fact.call.result ?? 'unknown'}${detail} after ${s(waitSeconds(fact.call))}`;
    }
    case 'dropped':
      return fact.reason === 'internal' ? undefined : `not told to the CRM: ${fact.reason}`;
    case 'unknown channel':
      return undefined;
  }
}
