import { afterEach, describe, expect, test } from '@jest/globals';
import { HostLink, type HostLinkOptions, type LinkState } from '../../../src/ami/link.ts';
import { isFreshBoot, toSnapshotChannels } from '../../../src/ami/snapshot.ts';
import type { HostEvent } from '../../../src/calls/events.ts';
import { silentLog } from '../../../src/log.ts';
import type { FakeAmi, FakeSession, Headers } from '../../support/fakeAmi.ts';
import { capture, cleanUp, later, ManualClock, memoryLog, message, startFake, Told } from './support.ts';

afterEach(cleanUp);

const channel = (uniqueid: string): Headers => ({
  Channel: `PJSIP/150-${uniqueid}`,
  ChannelStateDesc: 'Up',
  Uniqueid: uniqueid,
  Linkedid: uniqueid,
});

class Heard extends Told {
  batches: HostEvent[][] = [];
  states: LinkState[] = [];
  get all(): HostEvent[] {
    return this.batches.flat();
  }
  /** The story in short: `Resync 1.1,1.2`, `Hangup 1.1`, `Disconnected`. */
  get story(): string[] {
    return this.all.map((one) => {
      if (one.event === 'Resync')
        return `Resync ${one.channels.map(({ uniqueid }) => uniqueid).join()}${one.fresh ? ' fresh' : ''}`;
      return 'chan' in one && one.chan ? `${one.event} ${one.chan.uniqueid}` : one.event;
    });
  }
}

function startLink(
  ami: Pick<FakeAmi, 'address'>,
  options: Partial<HostLinkOptions> = {},
): { link: HostLink; heard: Heard } {
  const heard = new Heard();
  const link = new HostLink({
    ...ami.address,
    log: silentLog,
    random: () => 0,
    onEvents: (events) => {
      heard.batches.push(events);
      heard.changed();
    },
    onState: ({ state }) => {
      heard.states.push(state);
      heard.changed();
    },
    ...options,
  });
  later(() => link.stop());
  link.start();
  return { link, heard };
}

/** Lets the test answer Status when it likes. */
function holdStatus(ami: FakeAmi): () => void {
  const held: (() => void)[] = [];
  ami.on('Status', (action, session) => {
    held.push(() => session.replyList(action, 'Status', ami.channels));
    return undefined;
  });
  return () => held.splice(0).forEach((answer) => answer());
}

const heardAll = (heard: Heard, count: number) => heard.until(() => heard.all.length >= count);

describe('events that are not about calls', () => {
  test('are handed on as they are, and never reach the core', async () => {
    const ami = await startFake();
    const notices: string[] = [];
    const { heard } = startLink(ami, {
      onNotice: (notice) => {
        notices.push(`${notice.name} ${notice.get('Uniqueid') ?? notice.get('Interface') ?? ''}`);
        heard.changed();
      },
    });
    const session = await ami.nextLogin();
    await heardAll(heard, 1);
    session.event('OriginateResponse', { Response: 'Failure', Reason: 0, Uniqueid: 'crm-1' });
    session.event('QueueMemberPause', { Queue: 'sales', Interface: 'PJSIP/150', Paused: 1 });
    session.event('Hangup', channel('1.1'));
    await heardAll(heard, 2);
    expect(notices).toEqual(['OriginateResponse crm-1', 'QueueMemberPause PJSIP/150']);
    expect(heard.story).toEqual(['Resync ', 'Hangup 1.1']);
  });

  test('do not wait for the snapshot', async () => {
    const ami = await startFake();
    holdStatus(ami);
    const told = new Told();
    let notices = 0;
    startLink(ami, {
      onNotice: () => {
        notices++;
        told.changed();
      },
    });
    const session = await ami.nextLogin();
    await ami.received('Status');
    session.event('OriginateResponse', { Response: 'Success', Reason: 4, Uniqueid: 'crm-1' });
    await told.until(() => notices > 0);
    expect(notices).toBe(1);
  });

  test('a throw stops nothing', async () => {
    const ami = await startFake();
    const { log, lines } = memoryLog();
    const { heard } = startLink(ami, {
      log,
      onNotice: () => {
        throw new Error('no');
      },
    });
    const session = await ami.nextLogin();
    await heardAll(heard, 1);
    session.event('ChanSpyStart', { SpyerChannel: 'PJSIP/152-1', SpyeeChannel: 'PJSIP/150-1' });
    session.event('Hangup', channel('1.1'));
    await heardAll(heard, 2);
    expect(lines.join()).toContain('onMessage failed');
  });
});

describe('after a login', () => {
  test('Resync comes first, then what was kept, in order, then life', async () => {
    const ami = await startFake({ fullyBooted: 'held' });
    ami.channels = [channel('1.1'), channel('1.2')];
    const answer = holdStatus(ami);
    const { link, heard } = startLink(ami);
    const session = await ami.nextLogin();
    session.event('Hangup', channel('1.0'));
    session.boot();
    await ami.received('Status');
    session.event('Newchannel', channel('1.3'));
    session.event('Newexten', channel('1.3'));
    session.event('Hangup', channel('1.1'));
    await ami.until(() => ami.actions.some(({ action }) => action === 'Ping'));
    expect(heard.all).toEqual([]);
    expect(link.status().state).toBe('syncing');
    answer();
    await heardAll(heard, 4);
    session.event('Hangup', channel('1.3'));
    await heardAll(heard, 5);
    expect(heard.story).toEqual(['Resync 1.1,1.2', 'Hangup 1.0', 'Newchannel 1.3', 'Hangup 1.1', 'Hangup 1.3']);
    expect(heard.batches.map((batch) => batch.length)).toEqual([4, 1]);
    expect(heard.states).toEqual(['syncing', 'live']);
  });

  test('the snapshot asks for the answer times, the recording and the click', async () => {
    const ami = await startFake();
    const { heard } = startLink(ami);
    await heardAll(heard, 1);
    expect((await ami.received('Status')).get('Variables')).toBe(
      'CDR(start,u),CDR(answer,u),MIXMONITOR_FILENAME,X_CRM_ID',
    );
  });

  test('who waits in a queue is asked for if somebody does, and never in the way of the snapshot', async () => {
    const ami = await startFake();
    ami.channels = [{ ...channel('1.1'), Application: 'Queue' }];
    ami.on('QueueStatus', (action, session) => {
      const ActionID = action.get('ActionID') ?? '';
      session.reply(action, { EventList: 'start', Message: 'Queue status will follow' });
      session.event('QueueParams', { Queue: 'sales', Calls: 1, ActionID });
      session.event('QueueMember', { Queue: 'sales', Name: 'PJSIP/150', Paused: 0, ActionID });
      session.event('QueueEntry', { Queue: 'sales', Uniqueid: '1.1', Wait: 12, ActionID });
      session.event('QueueStatusComplete', { EventList: 'Complete', ListItems: 3, ActionID });
      return undefined;
    });
    const { heard } = startLink(ami);
    await heardAll(heard, 1);
    expect(heard.all).toMatchObject([{ event: 'Resync', queued: [{ uniqueid: '1.1', queue: 'sales', seconds: 12 }] }]);
  });

  test.each([
    { name: 'nobody runs Queue: not asked', application: 'Dial', asked: false },
    { name: 'the host has no queues: nobody waits', application: 'Queue', asked: true },
  ])('$name', async ({ application, asked }) => {
    const ami = await startFake();
    ami.channels = [{ ...channel('1.1'), Application: application }];
    ami.on('QueueStatus', () => ({ Response: 'Error', Message: 'Invalid/unknown command' }));
    const { heard } = startLink(ami);
    await heardAll(heard, 1);
    expect(heard.all).toMatchObject([{ event: 'Resync', queued: [] }]);
    expect(ami.actions.some(({ action }) => action === 'QueueStatus')).toBe(asked);
  });

  test('start and counter of the host are told with the state, and whenever asked', async () => {
    const ami = await startFake();
    let processed = 40;
    ami.on('CoreStatus', () => ({
      CoreStartupDate: '2026-11-01',
      CoreStartupTime: '08:00:00',
      CoreProcessedCalls: processed,
    }));
    const { link, heard } = startLink(ami);
    expect(await link.core()).toEqual({ startup: undefined, processedCalls: undefined });
    await heardAll(heard, 1);
    expect(link.status()).toMatchObject({ startup: '2026-11-01 08:00:00', processedCalls: 40 });
    processed = 43;
    expect(await link.core()).toEqual({ startup: '2026-11-01 08:00:00', processedCalls: 43 });
  });

  test('events of one piece of the stream come as one batch', async () => {
    const ami = await startFake();
    const { heard } = startLink(ami);
    const session = await ami.nextLogin();
    await heardAll(heard, 1);
    session.push(capture('ast22/in_direct_answer'));
    await heard.until(() => heard.all.filter(({ event }) => event === 'Hangup').length === 2);
    expect(heard.all).toHaveLength(15);
    expect(heard.batches.length).toBeLessThan(heard.all.length / 3);
  });

  test('a flood of 10 MB loses nothing, and the session lives on (A25)', async () => {
    const ami = await startFake();
    const { link, heard } = startLink(ami);
    const session = await ami.nextLogin();
    await heardAll(heard, 1);
    const bytes = capture('ast22/in_direct_answer');
    for (let i = 0; i < 200; i++) await session.pushDrained(bytes);
    await heardAll(heard, 1 + 200 * 14);
    expect(heard.all.filter(({ event }) => event === 'Hangup')).toHaveLength(400);
    const { counters, state } = link.status();
    expect(state).toBe('live');
    expect(counters.filtered).toBeGreaterThan(counters.messages * 0.8);
    expect(counters.unknownBlocks + counters.anomalies).toBe(0);
  });

  test('a throw of the taker loses that batch only', async () => {
    const { log, lines } = memoryLog();
    const ami = await startFake();
    const story: string[] = [];
    const heard = new Told();
    startLink(ami, {
      log,
      onEvents: (events) => {
        story.push(...events.map(({ event }) => event));
        heard.changed();
        throw new Error('no room');
      },
    });
    const session = await ami.nextLogin();
    await heard.until(() => story.length === 1);
    session.event('Hangup', channel('1.1'));
    await heard.until(() => story.length === 2);
    expect(story).toEqual(['Resync', 'Hangup']);
    expect(lines.filter((line) => line.includes('events were not taken'))).toHaveLength(2);
  });
});

describe('a loss', () => {
  test('is told last, and the next session starts with a Resync', async () => {
    const ami = await startFake();
    ami.channels = [channel('1.1')];
    const { link, heard } = startLink(ami);
    const session = await ami.nextLogin();
    await heardAll(heard, 1);
    session.event('Hangup', channel('1.1'));
    ami.channels = [channel('2.1')];
    session.end();
    await heardAll(heard, 4);
    expect(heard.story).toEqual(['Resync 1.1', 'Hangup 1.1', 'Disconnected', 'Resync 2.1']);
    expect(link.status()).toMatchObject({ state: 'live', lastFault: 'ended: the server closed the connection' });
  });

  test('before the snapshot came: what was kept is handed on, then Disconnected', async () => {
    const ami = await startFake();
    holdStatus(ami);
    const { heard } = startLink(ami);
    const session = await ami.nextLogin();
    await ami.received('Status');
    session.event('Newchannel', channel('1.1'));
    session.end();
    await heardAll(heard, 2);
    expect(heard.story).toEqual(['Newchannel 1.1', 'Disconnected']);
  });

  test.each([
    { name: 'another start time: booted', startup: '2026-11-02', uptime: 3600, story: 'Resync  fresh' },
    {
      name: 'the same start time: not booted, whatever the up time',
      startup: '2026-11-01',
      uptime: 0,
      story: 'Resync ',
    },
  ])('$name', async ({ startup, uptime, story }) => {
    const ami = await startFake({ uptime });
    const { heard } = startLink(ami);
    const session = await ami.nextLogin();
    await heardAll(heard, 1);
    ami.startup.date = startup;
    session.end();
    await heardAll(heard, 3);
    expect(heard.story).toEqual(['Resync ', 'Disconnected', story]);
  });

  test.each([
    { name: 'first login', last: undefined, startup: 'a', uptime: 0, fresh: false },
    {
      name: 'no start time, up for less than we were away',
      last: { startup: undefined, heardAt: 90_000 },
      startup: undefined,
      uptime: 5,
      fresh: true,
    },
    {
      name: 'no start time, up for longer',
      last: { startup: undefined, heardAt: 90_000 },
      startup: 'a',
      uptime: 11,
      fresh: false,
    },
    {
      name: 'nothing known',
      last: { startup: 'a', heardAt: 90_000 },
      startup: undefined,
      uptime: undefined,
      fresh: false,
    },
  ])('fresh or not: $name', ({ last, startup, uptime, fresh }) => {
    expect(isFreshBoot(last, startup, uptime, 100_000)).toBe(fresh);
  });
});

describe('no snapshot', () => {
  test('that never completes is asked again, the host stays not synced until then (A27)', async () => {
    const clock = new ManualClock();
    const ami = await startFake();
    holdStatus(ami);
    const { link, heard } = startLink(ami, { clock, limits: { pingMs: 3_600_000 } });
    await ami.received('Status');
    await ami.until(() => ami.actions.some(({ action }) => action === 'CoreStatus'));
    clock.advance(10_000);
    while (link.status().lastFault === undefined) await new Promise((resolve) => setImmediate(resolve));
    expect(link.status()).toMatchObject({ state: 'syncing', lastFault: 'Status: no answer in time' });
    ami.on('Status', (action, session) => {
      session.replyList(action, 'Status', [channel('1.1')]);
      return undefined;
    });
    clock.advance(5_000);
    await heardAll(heard, 1);
    expect(heard.story).toEqual(['Resync 1.1']);
  });

  test('refused for want of rights: said so, asked again after a minute', async () => {
    const clock = new ManualClock();
    const { log, lines } = memoryLog();
    const ami = await startFake();
    ami.on('Status', () => ({ Response: 'Error', Message: 'Permission denied' }));
    const { link } = startLink(ami, { clock, log });
    while (link.status().lastFault === undefined) await new Promise((resolve) => setImmediate(resolve));
    expect(lines.join()).toContain('Status refused: Permission denied');
    expect(clock.waiting).toContain(60_000);
  });

  test('too many events without one: the connection is given up', async () => {
    const ami = await startFake();
    holdStatus(ami);
    const { heard } = startLink(ami, { mostKept: 50 });
    const session = await ami.nextLogin();
    await ami.received('Status');
    for (let i = 0; i < 60; i++) session.event('Hangup', channel(`1.${i}`));
    await heard.until(() => heard.states.includes('down'));
    expect(heard.all.at(-1)?.event).toBe('Disconnected');
    expect(heard.all).toHaveLength(52);
  });
});

describe('clocks', () => {
  test('the skew of the host is measured and our own moments are told in its time (A19)', async () => {
    const clock = new ManualClock();
    const ami = await startFake();
    ami.on('Ping', () => ({ Ping: 'Pong', Timestamp: ((clock.now() + 600_000) / 1000).toFixed(6) }));
    const { link, heard } = startLink(ami, { clock });
    const session = await ami.nextLogin();
    await heardAll(heard, 1);
    session.end();
    await heardAll(heard, 2);
    expect(link.status().skewMs).toBe(600_000);
    expect(heard.all.map(({ at }) => at - clock.now())).toEqual([600_000, 600_000]);
  });

  test('without CoreStatus and Ping there is still a snapshot', async () => {
    const ami = await startFake();
    for (const name of ['CoreStatus', 'Ping'])
      ami.on(name, () => ({ Response: 'Error', Message: 'Permission denied' }));
    const { link, heard } = startLink(ami);
    await heardAll(heard, 1);
    expect(link.status()).toMatchObject({ state: 'live', skewMs: undefined, startup: undefined });
  });
});

test('a Status event becomes a channel with its bridge, its DID and the human answer', () => {
  const [chan] = toSnapshotChannels([
    message(
      'Event: Status',
      'Channel: PJSIP/150-1',
      'ChannelStateDesc: Up',
      'CallerIDNum: 150',
      'Uniqueid: 1.1',
      'Linkedid: 1.0',
      'DNID: 375171234501',
      'BridgeID: b-1',
      'Application: Queue',
      'Seconds: 12',
      'ChanVariable: REC_FILE=a.wav',
      'Variable: CDR(start,u)=1795342645.347293',
      'Variable: CDR(answer,u)=0.000000',
      'Variable: MIXMONITOR_FILENAME=(null)',
      'Variable: X_CRM_ID=42',
    ),
    message('Event: StatusFoo', 'Uniqueid: 9'),
  ]);
  expect(chan).toMatchObject({
    uniqueid: '1.1',
    bridgeId: 'b-1',
    application: 'Queue',
    dnid: '375171234501',
    seconds: 12,
    cdrStart: 1795342645347.293,
    cdrAnswer: undefined,
    variables: { REC_FILE: 'a.wav', X_CRM_ID: '42' },
  });
  expect(Object.keys(chan?.variables ?? {})).toEqual(['REC_FILE', 'X_CRM_ID']);
});

test('stop hands on what there is and says Disconnected', async () => {
  const ami = await startFake();
  const { link, heard } = startLink(ami);
  await heardAll(heard, 1);
  await link.stop();
  expect(heard.story).toEqual(['Resync ', 'Disconnected']);
  expect(await link.action({ Action: 'Ping' })).toEqual({ outcome: 'notSent', reason: 'not connected' });
});

test('two hosts with the same Uniqueid are two links (A20)', async () => {
  const hosts = await Promise.all([startFake(), startFake()]);
  const links = hosts.map((ami) => startLink(ami));
  const sessions: FakeSession[] = await Promise.all(hosts.map((ami) => ami.nextLogin()));
  for (const { heard } of links) await heardAll(heard, 1);
  sessions[0]?.event('Hangup', channel('1.1'));
  await heardAll(links[0]?.heard ?? new Heard(), 2);
  expect(links.map(({ heard }) => heard.story)).toEqual([['Resync ', 'Hangup 1.1'], ['Resync ']]);
});
