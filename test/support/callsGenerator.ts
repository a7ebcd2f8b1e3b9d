/** A random PBX: calls of all kinds, overlapping, as the legal streams Asterisk would send. Seeded: the same seed, the same stream. */
import type { HostEvent, SnapshotChannel } from '../../src/calls/events.ts';
import { Script } from './callsScript.ts';

/** Numbers from 0 to 1 (exclusive), the same for the same seed (mulberry32). */
export type Random = () => number;

/** A source of random numbers. */
export function random(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** One call being written: its script, a prefix for its channels, its dice. */
interface Scene {
  s: Script;
  id: string;
  dice: Random;
  /** Somebody of the shop; different ones for different `i`. */
  ext: (i: number) => string;
}

const PHONES = 5;
const customer = (n: number): string => `+37529${String(1_000_000 + (n % 8_999_999)).padStart(7, '0')}`;

function pause({ s, dice }: Scene, from = 5, to = 400): void {
  s.wait(from + Math.floor(dice() * (to - from)));
}

function talk(scene: Scene): void {
  pause(scene, 1500, 20_000);
}

function comes(scene: Scene): string {
  const c = `${scene.id}.c`;
  scene.s.incoming(c, {
    from: customer(Math.floor(scene.dice() * 1e6)),
    did: `+37517123450${1 + Math.floor(scene.dice() * 8)}`,
  });
  pause(scene);
  return c;
}

/** Calls phones `from…to` of the shop for channel `c`. */
function ringPhones(scene: Scene, c: string, from: number, to: number, round = ''): string[] {
  const ids: string[] = [];
  for (let i = from; i < to; i++) {
    const id = `${scene.id}.p${round}${i}`;
    scene.s.dial(c, id, { ext: scene.ext(i) });
    pause(scene, 1, 30);
    scene.s.ring(id);
    ids.push(id);
  }
  pause(scene, 800, 6000);
  return ids;
}

function stops({ s }: Scene, ids: readonly string[], status: string, cause: number): void {
  for (const id of ids) s.dialEnd(id, status).hangup(id, cause);
}

/** One of the phones answers `c`, in bridge `b`. */
function takes(scene: Scene, c: string, ids: readonly string[], b: string): string {
  const winner = ids[Math.floor(scene.dice() * ids.length)] ?? c;
  scene.s.answer(winner).up(c).bridge(`${scene.id}.${b}`, winner, c);
  stops(
    scene,
    ids.filter((id) => id !== winner),
    'CANCEL',
    26,
  );
  return winner;
}

function over({ s, dice }: Scene, c: string, phone: string): void {
  if (dice() < 0.5) s.hangup(phone).wait(2).hangup(c);
  else s.hangup(c).wait(2).hangup(phone);
}

/** A call that is being talked in. */
function talking(scene: Scene): { c: string; phone: string } {
  const c = comes(scene);
  const phone = takes(scene, c, ringPhones(scene, c, 0, 1), 'b1');
  talk(scene);
  return { c, phone };
}

const kinds: Record<string, (scene: Scene) => void> = {
  answered: (scene) => {
    const c = comes(scene);
    const phone = takes(scene, c, ringPhones(scene, c, 0, 1 + Math.floor(scene.dice() * 4)), 'b');
    talk(scene);
    over(scene, c, phone);
  },
  abandoned: (scene) => {
    const c = comes(scene);
    stops(scene, ringPhones(scene, c, 0, 1 + Math.floor(scene.dice() * 3)), 'CANCEL', 0);
    scene.s.hangup(c, 0);
  },
  refused: (scene) => {
    const c = comes(scene);
    const [status, cause] = scene.dice() < 0.5 ? (['BUSY', 17] as const) : (['NOANSWER', 19] as const);
    stops(scene, ringPhones(scene, c, 0, 2), status, cause);
    scene.s.hangup(c, cause);
  },
  'menu only': (scene) => {
    const c = comes(scene);
    scene.s.up(c);
    talk(scene);
    scene.s.hangup(c);
  },
  'voice mail': (scene) => {
    const c = comes(scene);
    stops(scene, ringPhones(scene, c, 0, 1), 'NOANSWER', 0);
    pause(scene);
    scene.s.up(c);
    talk(scene);
    scene.s.hangup(c);
  },
  'two queue rounds': (scene) => {
    const c = comes(scene);
    scene.s.up(c).queue(c);
    stops(scene, ringPhones(scene, c, 0, 2), 'NOANSWER', 0);
    pause(scene, 500, 4000);
    const phone = takes(scene, c, ringPhones(scene, c, 0, 2, 'again'), 'b');
    talk(scene);
    over(scene, c, phone);
  },
  'blind transfer': (scene) => {
    const { c, phone } = talking(scene);
    scene.s.blind(phone, scene.ext(1)).leave(phone, c).hangup(phone);
    const targets = ringPhones(scene, c, 1, 2, 't');
    if (scene.dice() < 0.3) {
      stops(scene, targets, 'BUSY', 17);
      scene.s.hangup(c, 17);
      return;
    }
    const next = takes(scene, c, targets, 'b2');
    talk(scene);
    over(scene, c, next);
  },
  'blind transfer outside': (scene) => {
    const { c, phone } = talking(scene);
    const o = `${scene.id}.o`;
    scene.s.blind(phone, '80290000778').leave(phone, c).hangup(phone).dial(c, o, { number: '80290000778' });
    pause(scene, 1000, 4000);
    scene.s.answer(o).bridge(`${scene.id}.b2`, o, c);
    talk(scene);
    over(scene, c, o);
  },
  'attended transfer': (scene) => {
    const { c, phone } = talking(scene);
    const [second, target] = [`${scene.id}.a2`, `${scene.id}.t`];
    scene.s
      .employee(second, scene.ext(0), scene.ext(1))
      .dial(second, target, { ext: scene.ext(1) })
      .ring(target);
    pause(scene, 1000, 4000);
    scene.s.answer(target).up(second).bridge(`${scene.id}.b2`, target, second);
    pause(scene, 1000, 4000);
    scene.s.leave(second).leave(phone).enter(`${scene.id}.b1`, target, 'simple_bridge', phone).linked(target, c);
    scene.s.hangup(phone).hangup(second);
    talk(scene);
    over(scene, c, target);
  },
  'consultation refused': (scene) => {
    const { c, phone } = talking(scene);
    const [second, target] = [`${scene.id}.a2`, `${scene.id}.t`];
    scene.s
      .employee(second, scene.ext(0), scene.ext(1))
      .dial(second, target, { ext: scene.ext(1) })
      .ring(target);
    pause(scene, 1000, 4000);
    scene.s.dialEnd(target, 'BUSY').hangup(target, 17).hangup(second, 17);
    talk(scene);
    over(scene, c, phone);
  },
  parked: (scene) => {
    const { c, phone } = talking(scene);
    const k = `${scene.id}.k`;
    // All parked customers of the PBX share one lot.
    scene.s.blind(phone, '700').leave(c).enter('lot', c, 'holding_bridge').hangup(phone);
    talk(scene);
    scene.s.employee(k, scene.ext(2), '701').linked(k, c).up(k).leave(c).bridge(`${scene.id}.b2`, k, c);
    talk(scene);
    over(scene, c, k);
  },
  'forwarded outside': (scene) => {
    const c = comes(scene);
    const [phone] = ringPhones(scene, c, 0, 1);
    if (phone === undefined) return;
    const [l, o] = [`${scene.id}.l`, `${scene.id}.o`];
    scene.s.dialEnd(phone, 'CANCEL', '80290000778').hangup(phone, 23);
    scene.s.local(l, c, '80290000778').dialBegin(c, `${l};1`, { name: 'Local/80290000778@from-internal' });
    scene.s.dial(`${l};2`, o, { number: '80290000778' });
    pause(scene, 1000, 4000);
    scene.s
      .answer(o)
      .bridge(`${scene.id}.b1`, o, `${l};2`)
      .answer(`${l};1`)
      .up(c)
      .bridge(`${scene.id}.b2`, `${l};1`, c);
    talk(scene);
    scene.s.hangup(o).hangup(`${l};2`).hangup(`${l};1`).hangup(c);
  },
  outgoing: (scene) => {
    const [e, o] = [`${scene.id}.e`, `${scene.id}.o`];
    const number = customer(Math.floor(scene.dice() * 1e6));
    scene.s.employee(e, scene.ext(0), number);
    pause(scene);
    scene.s.dial(e, o, { number });
    pause(scene, 500, 4000);
    const fate = scene.dice();
    if (fate < 0.6) {
      scene.s.answer(o).up(e).bridge(`${scene.id}.b`, o, e);
      talk(scene);
      over(scene, e, o);
    } else if (fate < 0.8) {
      scene.s.dialEnd(o, 'BUSY').hangup(o, 17).hangup(e, 17);
    } else {
      const second = `${scene.id}.o2`;
      scene.s.dialEnd(o, 'CONGESTION').hangup(o, 34).wait(20).dial(e, second, { number, trunk: 'provider-ru' });
      pause(scene, 500, 4000);
      scene.s.answer(second).up(e).bridge(`${scene.id}.b`, second, e);
      talk(scene);
      over(scene, e, second);
    }
  },
  'click-to-call': (scene) => {
    const [e, o] = [`${scene.id}.e`, `${scene.id}.o`];
    const number = customer(Math.floor(scene.dice() * 1e6));
    scene.s.dial(undefined, e, { ext: scene.ext(0), shows: number }).ring(e);
    pause(scene, 500, 4000);
    if (scene.dice() < 0.3) {
      scene.s.dialEnd(e, 'NOANSWER').hangup(e, 0);
      return;
    }
    scene.s.answer(e).wait(50).dial(e, o, { number });
    pause(scene, 500, 4000);
    scene.s.answer(o).bridge(`${scene.id}.b`, o, e);
    talk(scene);
    over(scene, e, o);
  },
  internal: (scene) => {
    const [e, p] = [`${scene.id}.e`, `${scene.id}.p`];
    scene.s
      .employee(e, scene.ext(0), scene.ext(1))
      .dial(e, p, { ext: scene.ext(1) })
      .ring(p);
    pause(scene, 500, 4000);
    scene.s.answer(p).up(e).bridge(`${scene.id}.b`, p, e);
    talk(scene);
    over(scene, e, p);
  },
};

/** Names of the kinds of calls the generator knows. */
export const callKinds: readonly string[] = Object.keys(kinds);

/**
 * A stream of `count` calls that begin within `withinMs`, ordered by time. Of 18 calls in a row no two share an employee,
 * as one telephone talks with one party at a time.
 */
export function generate(seed: number, count: number, withinMs = 30_000): HostEvent[] {
  const dice = random(seed);
  const events: HostEvent[] = [];
  for (let i = 0; i < count; i++) {
    const kind = callKinds[Math.floor(dice() * callKinds.length)] ?? 'answered';
    events.push(...oneCall(kind, dice, `${seed >>> 0}.${i}`, Math.floor(dice() * withinMs), i));
  }
  return byTime(events);
}

/** One call of a kind, with channels named after `id`, beginning at `at` milliseconds. */
export function oneCall(kind: string, dice: Random, id: string, at: number, n: number): HostEvent[] {
  const s = new Script(at, n * 100);
  // Extensions of three digits: each of 18 calls in a row has five phones of its own.
  const shift = (n * PHONES) % 90;
  kinds[kind]?.({ s, id, dice, ext: (i) => String(100 + shift + (i % PHONES)) });
  return s.events;
}

/** Ordered by time; events of the same moment stay in their order. */
export function byTime(events: readonly HostEvent[]): HostEvent[] {
  return [...events].sort((a, b) => a.at - b.at);
}

/** What `Status` would show after these events. */
export function snapshot(events: readonly HostEvent[], at: number): Extract<HostEvent, { event: 'Resync' }> {
  const live = new Map<string, SnapshotChannel>();
  const dialled = new Set<string>();
  const parking = new Set<string>();
  for (const event of events) {
    if (event.event === 'DialBegin') dialled.add(event.dest.uniqueid);
    if (event.event === 'BridgeEnter' && event.technology === 'holding_bridge') parking.add(event.bridgeId);
    const chans = 'chan' in event && event.chan !== undefined ? [event.chan] : [];
    if ('dest' in event) chans.push(event.dest);
    for (const chan of chans) {
      const known = live.get(chan.uniqueid);
      if (known === undefined && event.event !== 'Newchannel') continue;
      const born = known?.cdrStart ?? event.at;
      let bridgeId = known?.bridgeId;
      let cdrAnswer = known?.cdrAnswer;
      if (event.event === 'BridgeEnter') [bridgeId, cdrAnswer] = [event.bridgeId, cdrAnswer ?? event.at];
      if (event.event === 'BridgeLeave') bridgeId = undefined;
      const application =
        bridgeId !== undefined && parking.has(bridgeId) ? 'Park' : dialled.has(chan.uniqueid) ? 'AppDial' : 'Dial';
      const seconds = Math.floor((at - born) / 1000);
      live.set(chan.uniqueid, {
        ...chan,
        bridgeId,
        application,
        dnid: known?.dnid ?? chan.exten,
        seconds,
        cdrStart: born,
        cdrAnswer,
      });
    }
    if (event.event === 'BridgeEnter' && event.swapUniqueid !== undefined) {
      const swapped = live.get(event.swapUniqueid);
      if (swapped !== undefined) live.set(event.swapUniqueid, { ...swapped, bridgeId: undefined });
    }
    if (event.event === 'Hangup') live.delete(event.chan.uniqueid);
  }
  return { event: 'Resync', at, channels: [...live.values()], fresh: false };
}
