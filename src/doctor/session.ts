/** One login on one Asterisk, for a few questions: no reconnect, nothing kept. */
import { AmiConnection, type AmiAddress, type CloseReason } from '../ami/connection.ts';
import { AmiMessage } from '../ami/message.ts';

/** A login that stands, with what was heard since. */
export interface OneShot {
  readonly connection: AmiConnection;
  /** Classes (`Privilege`) of the live events so far, without `all`. */
  readonly classes: ReadonlySet<string>;
  /** Live events so far, and how many of them carried `Timestamp`. */
  readonly heard: { readonly events: number; readonly stamped: number };
}

/** Longest answer of FullyBooted before we do without: it comes at once, or never (no class `system`), ms. */
const BOOTED_MS = 2_000;
/** Phones of a large PBX come as one list, ms. */
const LIST_MS = 15_000;

/**
 * Logs in with all event classes the user has, does `work`, logs off.
 * @returns what `work` returned, or why there was no login
 */
export async function withSession<T>(
  address: AmiAddress,
  work: (session: OneShot) => Promise<T>,
): Promise<{ done: T; refused?: never } | { done?: never; refused: CloseReason }> {
  const classes = new Set<string>();
  const heard = { events: 0, stamped: 0 };
  let closed: CloseReason | undefined;
  let settle: (reason: CloseReason | undefined) => void = () => undefined;
  const up = new Promise<CloseReason | undefined>((resolve) => {
    settle = resolve;
  });
  const connection = new AmiConnection(
    { ...address, events: 'on' },
    {
      up: () => settle(undefined),
      event: () => undefined,
      chunkEnd: () => undefined,
      closed: (reason) => {
        closed = reason;
        settle(reason);
      },
    },
    {
      limits: { bootedMs: BOOTED_MS, listMs: LIST_MS },
      wanted: [],
      // The connection keeps FullyBooted to itself; here its class is what matters.
      tap: (bytes, start, end) => {
        const message = AmiMessage.read(bytes, start, end);
        if (message?.kind !== 'Event' || message.get('ActionID') !== undefined) return;
        // FullyBooted is a part of the login: it never bears a time.
        if (message.name !== 'FullyBooted') heard.events++;
        if (message.get('Timestamp') !== undefined) heard.stamped++;
        for (const klass of (message.get('Privilege') ?? '').split(','))
          if (klass !== '' && klass !== 'all') classes.add(klass);
      },
    },
  );
  const reason = await up;
  if (reason !== undefined) return { refused: reason };
  try {
    return { done: await work({ connection, classes, heard }) };
  } finally {
    if (closed === undefined) await connection.stop();
  }
}
