import type { Clock } from './clock.ts';
import type { AmiMessage } from './message.ts';

/**
 * How an action ended. There are three ends, and none of them is an exception:
 * `answered` (what the server said is in `response`, its `name` may be `Error`), `notSent` (it certainly had no effect),
 * `unknown` (it was written, the answer never came: it may or may not have had its effect; never repeat it blindly).
 */
export type ActionOutcome =
  | { outcome: 'answered'; response: AmiMessage }
  | { outcome: 'notSent'; reason: string }
  | { outcome: 'unknown'; reason: string };

/** How a list action ended. A list is `complete` or it is not given at all: a part of it would look like the whole. */
export type ListOutcome =
  | { outcome: 'complete'; items: AmiMessage[] }
  | { outcome: 'refused'; message: string }
  | { outcome: 'notSent'; reason: string }
  | { outcome: 'unknown'; reason: string };

type Reply = { items: AmiMessage[]; response: AmiMessage } | { items?: never; response: AmiMessage } | string;

interface Pending {
  list: boolean;
  response: AmiMessage | undefined;
  items: AmiMessage[];
  cancelDeadline: () => void;
  /** A string tells why the outcome is unknown. */
  settle: (reply: Reply) => void;
}

/** Actions of one connection that were written and not yet answered, by ActionID. */
export class PendingActions {
  readonly #clock: Clock;
  readonly #mostItems: number;
  readonly #pending = new Map<string, Pending>();
  #lists = 0;

  constructor(clock: Clock, mostItems: number) {
    this.#clock = clock;
    this.#mostItems = mostItems;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** List actions in flight: while there is one, no event may be filtered away by name. */
  get lists(): number {
    return this.#lists;
  }

  /** `settle` is called exactly once, in the very moment the answer is read: the next message finds its effects. */
  expect(actionId: string, deadlineMs: number, settle: (outcome: ActionOutcome) => void): void {
    this.#add(actionId, deadlineMs, false, (reply) =>
      settle(
        typeof reply === 'string'
          ? { outcome: 'unknown', reason: reply }
          : { outcome: 'answered', response: reply.response },
      ),
    );
  }

  /** As `expect`, for an action whose answer is a list of events that ends with `EventList: Complete`. */
  expectList(actionId: string, deadlineMs: number, settle: (outcome: ListOutcome) => void): void {
    this.#add(actionId, deadlineMs, true, (reply) => {
      if (typeof reply === 'string') settle({ outcome: 'unknown', reason: reply });
      else if (reply.items) settle({ outcome: 'complete', items: reply.items });
      else settle({ outcome: 'refused', message: reply.response.get('Message') ?? reply.response.name });
    });
  }

  /** True if the message answers an action and is used up; false if it belongs to nobody here. */
  offer(message: AmiMessage): boolean {
    if (message.kind === 'Event' && this.#lists === 0) return false;
    const actionId = message.get('ActionID');
    const pending = actionId === undefined ? undefined : this.#pending.get(actionId);
    if (actionId === undefined || !pending) return false;
    if (message.kind === 'Response') {
      if (pending.list && message.name.toLowerCase() === 'success') pending.response = message;
      else this.#settle(actionId, { response: message });
      return true;
    }
    if (!pending.list) return false;
    this.#addItem(actionId, pending, message);
    return true;
  }

  /** The connection is gone: nobody knows any more what became of these. */
  abandon(reason: string): void {
    for (const actionId of [...this.#pending.keys()]) this.#settle(actionId, reason);
  }

  #addItem(actionId: string, pending: Pending, message: AmiMessage): void {
    const mark = message.get('EventList')?.toLowerCase();
    if (mark === 'complete') {
      const response = pending.response ?? message;
      this.#settle(actionId, { response, items: pending.items });
    } else if (mark === 'cancelled') this.#settle(actionId, 'the server cancelled the list');
    else if (pending.items.push(message) > this.#mostItems) this.#settle(actionId, 'the list is too long');
  }

  #add(actionId: string, deadlineMs: number, list: boolean, settle: (reply: Reply) => void): void {
    const cancelDeadline = this.#clock.after(deadlineMs, () => this.#settle(actionId, 'no answer in time'));
    this.#pending.set(actionId, { list, response: undefined, items: [], cancelDeadline, settle });
    if (list) this.#lists++;
  }

  #settle(actionId: string, reply: Reply): void {
    const pending = this.#pending.get(actionId);
    if (!pending) return;
    this.#pending.delete(actionId);
    if (pending.list) this.#lists--;
    pending.cancelDeadline();
    pending.settle(reply);
  }
}
