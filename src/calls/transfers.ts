import type { Call, Transfer } from './call.ts';
import type { Instant } from './events.ts';

/**
 * Hand-overs. The change of the connected parties is what decides (`ami-events.md` 1, rule 5); Asterisk's own transfer
 * events only name the kind. A transfer begins `pending` when it is named before anybody has been reached.
 */

/** The pending transfer reaches for this party now. */
export function labelTransfer(transfers: readonly Transfer[], party: string): readonly Transfer[] {
  const last = transfers.at(-1);
  if (last?.result !== 'pending') return transfers;
  return [...transfers.slice(0, -1), { ...last, to: party }];
}

/** The customer was put into a parking lot by the party she talked with last. */
export function parkTransfer(
  transfers: readonly Transfer[],
  from: string | undefined,
  at: Instant,
): readonly Transfer[] {
  const last = transfers.at(-1);
  if (last?.result === 'pending') {
    return last.type === 'park' ? transfers : [...transfers.slice(0, -1), { ...last, type: 'park', to: undefined }];
  }
  if (from === undefined) return transfers;
  return [...transfers, { type: 'park', from, to: undefined, at, result: 'pending' }];
}

/**
 * `party` joined the customer after the first answer. `before` = who talked with her last, `alone` = nobody of those who
 * were connected stays.
 */
export function handOver(
  call: Call,
  before: string | undefined,
  party: string,
  alone: boolean,
  at: Instant,
): readonly Transfer[] {
  const last = call.transfers.at(-1);
  if (last?.result === 'pending') {
    if (party === last.from && last.type !== 'park')
      return [...call.transfers.slice(0, -1), { ...last, result: failure(call, last) }];
    return [...call.transfers.slice(0, -1), { ...last, to: party, result: 'answered' }];
  }
  if (!alone || before === undefined || before === party) return call.transfers;
  // Nobody named it: the customer's own channel dialled on (AMI Redirect), or she was carried into another bridge.
  const left = call.talks.findLast((talk) => talk.party === before)?.to ?? at;
  const dialled = call.rang.some(
    (ring) => ring.ext === party && ring.at >= left && ring.root === call.customerUniqueid,
  );
  return [
    ...call.transfers,
    { type: dialled ? 'redirect' : 'attended', from: before, to: party, at: dialled ? left : at, result: 'answered' },
  ];
}

/** At the end of the call nothing stays pending. */
export function settleTransfers(call: Call): readonly Transfer[] {
  return call.transfers.map((transfer) =>
    transfer.result === 'pending'
      ? { ...transfer, to: reached(call, transfer), result: failure(call, transfer) }
      : transfer,
  );
}

function reached(call: Call, transfer: Transfer): string | undefined {
  const rings = call.rang.filter((ring) => ring.at >= transfer.at);
  const exts = [...new Set(rings.map((ring) => ring.ext))];
  return exts.length === 1 ? exts[0] : transfer.to;
}

/** What became of a transfer nobody took: the outcome of the last phone it called. */
function failure(call: Call, transfer: Transfer): Transfer['result'] {
  const last = call.rang.findLast((ring) => ring.at >= transfer.at && ring.ext !== transfer.from);
  switch (last?.outcome) {
    case 'busy':
    case 'declined':
    case 'cancelled':
      return last.outcome;
    default:
      return 'no answer';
  }
}
