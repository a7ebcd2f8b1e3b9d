/** Writes what the lab saw as a capture: raw stream, times of arrival, and the truth by the phones' clock. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExpectedCall } from '../scenarios/expect.ts';
import type { Asterisk } from './asterisk.ts';
import { type CallIdentity, identities } from './identity.ts';
import type { Message, Segment } from './manager.ts';

/** `NAME.ami`, `NAME.idx.jsonl` (`NAME.segN.…` for later connections) and `NAME.truth.json` into `dir`. */
export async function writeCapture(
  dir: string,
  name: string,
  what: string,
  asterisk: Asterisk,
  segments: Segment[],
  events: Message[],
  calls: ExpectedCall[],
): Promise<void> {
  const ids = identities(events, calls);
  await mkdir(dir, { recursive: true });
  for (const [index, segment] of segments.entries()) {
    const base = join(dir, index === 0 ? name : `${name}.seg${index + 1}`);
    await writeFile(`${base}.ami`, Buffer.concat(segment.chunks.map(({ bytes }) => bytes)));
    await writeFile(`${base}.idx.jsonl`, indexOf(segment));
  }
  const { release, timestamps, systemName, cdrEvents, channelVars } = asterisk.profile;
  const truth = {
    scenario: name,
    description: what,
    asterisk: release,
    ami: (segments[0]?.banner ?? '').replace(/^.*\//, ''),
    timestampevents: timestamps,
    systemName,
    cdrEvents,
    channelVars,
    tolerance: { times: 0.7, durations: 1 },
    calls: calls.map((call, index) => truthOf(call, ids[index])),
  };
  await writeFile(join(dir, `${name}.truth.json`), `${JSON.stringify(truth, undefined, 1)}\n`);
}

function indexOf(segment: Segment): string {
  const { opened, closed, banner, user } = segment;
  const lines: unknown[] = [
    { opened: opened / 1000, closed: closed === undefined ? null : closed / 1000, banner, user },
  ];
  let offset = 0;
  for (const { at, bytes } of segment.chunks) {
    lines.push([offset, bytes.length, at / 1000]);
    offset += bytes.length;
  }
  return `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`;
}

function truthOf(call: ExpectedCall, ids: CallIdentity | undefined): Record<string, unknown> {
  const iso = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());
  const legAt = call.customerLegAt ?? call.startedAt;
  const { endTolerance, resultAlternatives, recorded, ...rest } = call;
  const seconds = (ms: number): number => Math.round(ms) / 1000;
  return {
    ...rest,
    startedAt: iso(call.startedAt),
    customerLegAt: iso(call.customerLegAt),
    answeredAt: iso(call.answeredAt),
    endedAt: iso(call.endedAt),
    // As in the other captures: of a customer who was never dialled nobody can have talked to her.
    handledBy: call.direction === 'out' && !call.logToCrm ? null : call.handledBy,
    waitSeconds: seconds((call.answeredAt ?? call.endedAt) - legAt),
    talkSeconds: call.answeredAt === null ? 0 : seconds(call.endedAt - call.answeredAt),
    rang: call.rang.map(({ ext, at, outcome }) => ({ ext, at: iso(at), outcome })),
    transfers: call.transfers.map((step) => ({ ...step, at: iso(step.at) })),
    recording: recorded && ids !== undefined ? `${ids.firstUniqueid}.wav` : null,
    ...ids,
    extra: { resultAlternatives, endTolerance },
  };
}
