import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { type Action, idOf, PbxSession } from './pbxSession.ts';
import { portToBe } from './ports.ts';
import {
  bridgeHeaders,
  causes,
  channelHeaders,
  type ChannelStateNumber,
  type HeaderLines,
  message,
  type PbxBridge,
  type PbxChannel,
  seconds,
  splitVariables,
  statusHeaders,
} from './pbxWire.ts';

/** A period in which nobody heard the PBX, by its clock: from the loss to the answer of the next `Status`. */
export interface Deafness {
  from: number;
  /** Infinity while it lasts. */
  to: number;
}

/** How to begin a channel. */
export interface NewChannel {
  /** `PJSIP/150`, `PJSIP/provider-by`. */
  endpoint: string;
  state: ChannelStateNumber;
  num: string;
  callerName?: string;
  context: string;
  exten: string;
  /** The group it belongs to; without it the channel begins one. */
  linkedid?: string;
  dnid?: string;
  application?: string;
}

/**
 * A simulated Asterisk 22 that runs calls by itself: a manager interface over TCP as a user with `read = call,system` sees
 * it, live channels and bridges behind it, and a memory of when nobody listened. What it says, it says in the bytes of the
 * captures; `Status` answers with what lives at that moment.
 */
export class Pbx {
  readonly user = 'crm';
  /** The manager's password; change it and the next login fails. */
  secret = 'secret';
  readonly channels = new Map<string, PbxChannel>();
  /** End points that have a channel: a person holds one handset. */
  readonly engaged = new Set<string>();
  readonly sessions = new Set<PbxSession>();
  /** When nobody heard us; the first one begins with the start. */
  readonly deaf: Deafness[] = [];
  /** How often each event is said: 2 for a stream that stutters. */
  repeat = 1;
  /** Events said so far, heard or not. */
  events = 0;
  /** Logins refused so far. */
  refused = 0;
  /** Connections accepted so far. */
  connections = 0;
  /** Clicks as they were read: nothing rings, who asks knows when it came. */
  readonly originates: { channelId: string; at: number }[] = [];
  /** Told when the PBX restarts: running calls end here. */
  readonly onRestart: (() => void)[] = [];
  #server: Server | undefined;
  #port = 0;
  #counter = 0;
  #bootedAt = Date.now();
  #last = 0;
  #news: (() => void)[] = [];

  private constructor() {
    this.deaf.push({ from: this.now(), to: Infinity });
  }

  /** A PBX that listens; with `away` it can be switched on later by `open`. */
  static async start(options: { away?: boolean } = {}): Promise<Pbx> {
    const pbx = new Pbx();
    await pbx.open();
    if (options.away === true) await pbx.close();
    return pbx;
  }

  get port(): number {
    return this.#port;
  }

  /** The PBX's clock, epoch milliseconds with a fraction; never the same twice. */
  now(): number {
    this.#last = Math.max(Date.now(), this.#last + 0.001);
    return this.#last;
  }

  /** Listens, always on the same port. */
  async open(): Promise<void> {
    const server = createServer((socket) => {
      this.connections++;
      this.sessions.add(
        new PbxSession(socket, {
          user: this.user,
          secret: () => this.secret,
          answer: (name, action, session) => this.#answer(name, action, session),
          loggedIn: (session) => this.#loggedIn(session),
          closed: (session) => this.#closed(session),
        }),
      );
    });
    // Nobody else is given it while we are closed.
    const port = this.#port === 0 ? await portToBe() : this.#port;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    this.#server = server;
    this.#port = port;
  }

  /** Stops listening and resets every connection. Calls go on. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.cut();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  /** Resets every connection, as a failing network does. */
  cut(): void {
    for (const session of [...this.sessions]) {
      session.socket.resetAndDestroy();
      this.#closed(session);
    }
  }

  /** The process dies: nothing is said, every channel is gone, connections end, a new boot counts Uniqueids from 0. */
  crash(): void {
    for (const end of this.onRestart) end();
    this.channels.clear();
    this.engaged.clear();
    for (const session of [...this.sessions]) {
      session.socket.destroy();
      this.#closed(session);
    }
    this.#boot();
  }

  /** `core restart now`: every channel hangs up properly, `Shutdown` is said, connections end. */
  restart(): void {
    for (const end of this.onRestart) end();
    for (const channel of [...this.channels.values()]) {
      this.leave(channel);
      this.hangup(channel, 0);
    }
    this.#say([
      ['Event', 'Shutdown'],
      ['Privilege', 'system,all'],
      ['Timestamp', seconds(this.now())],
      ['Shutdown', 'Cleanly'],
      ['Restart', 'True'],
    ]);
    for (const session of [...this.sessions]) {
      session.socket.end();
      this.#closed(session);
    }
    this.#boot();
  }

  /** Asterisk tells the second of its start: no two boots share one. */
  #boot(): void {
    this.#counter = 0;
    this.#bootedAt = Math.max(Date.now(), this.#bootedAt + 1000);
  }

  /** Resolves when a session knows all channels. */
  async synced(): Promise<void> {
    while ((this.deaf.at(-1)?.to ?? Infinity) === Infinity) await this.#change();
  }

  /** Resolves when nobody is connected. */
  async alone(): Promise<void> {
    while (this.sessions.size > 0) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#news.push(resolve));
  }

  #changed(): void {
    for (const wake of this.#news.splice(0)) wake();
  }

  #loggedIn(session: PbxSession): void {
    const up = Math.floor((Date.now() - this.#bootedAt) / 1000);
    session.socket.write(
      message([
        ['Event', 'FullyBooted'],
        ['Privilege', 'system,all'],
        ['Timestamp', seconds(this.now())],
        ['Uptime', up],
        ['LastReload', up],
        ['Status', 'Fully Booted'],
      ]),
    );
    this.#changed();
  }

  #closed(session: PbxSession): void {
    session.listens = false;
    this.sessions.delete(session);
    const heard = [...this.sessions].some((one) => one.syncedAt !== undefined);
    if (!heard && this.deaf.at(-1)?.to !== Infinity) this.deaf.push({ from: this.now(), to: Infinity });
    this.#changed();
  }

  /** Nobody hears us since now, although connections stand: the daemon was stopped or the network swallows. */
  unheard(): void {
    for (const session of this.sessions) session.syncedAt = undefined;
    if (this.deaf.at(-1)?.to !== Infinity) this.deaf.push({ from: this.now(), to: Infinity });
  }

  #answer(name: string, action: Action, session: PbxSession): string {
    const answer = (headers: HeaderLines): string => message([['Response', 'Success'], ...idOf(action), ...headers]);
    switch (name) {
      case 'ping':
        return answer([
          ['Ping', 'Pong'],
          ['Timestamp', seconds(this.now())],
        ]);
      case 'corestatus': {
        const [date = '', time = ''] = new Date(this.#bootedAt).toISOString().split(/[T.]/);
        return answer([
          ['CoreStartupDate', date],
          ['CoreStartupTime', time],
          ['CoreReloadDate', date],
          ['CoreReloadTime', time],
          ['CoreCurrentCalls', this.channels.size],
        ]);
      }
      case 'status':
        return this.#status(action, session);
      case 'getvar':
        return answer([
          ['Variable', action.get('variable') ?? ''],
          ['Value', 'NOT_INUSE'],
        ]);
      case 'originate':
        this.originates.push({ channelId: action.get('channelid') ?? '', at: performance.now() });
        return answer([['Message', 'Originate successfully queued']]);
      default:
        return message([['Response', 'Error'], ...idOf(action), ['Message', 'Invalid/unknown command']]);
    }
  }

  #status(action: Action, session: PbxSession): string {
    const id = idOf(action);
    const now = this.now();
    const variables = splitVariables(action.get('variables') ?? '');
    const items = [...this.channels.values()].map((channel) =>
      message([...statusHeaders(channel, now, variables), ...id]),
    );
    session.syncedAt = now;
    const open = this.deaf.at(-1);
    if (open?.to === Infinity) open.to = now;
    setImmediate(() => this.#changed());
    return [
      message([['Response', 'Success'], ...id, ['EventList', 'start'], ['Message', 'Channel status will follow']]),
      ...items,
      message([
        ['Event', 'StatusComplete'],
        ...id,
        ['EventList', 'Complete'],
        ['ListItems', items.length],
        ['Items', items.length],
      ]),
    ].join('');
  }

  /** Says an event to everybody who listens. */
  #say(headers: HeaderLines): void {
    this.events++;
    const bytes = message(headers).repeat(this.repeat);
    for (const session of this.sessions) if (session.listens) session.socket.write(bytes);
  }

  /** Bytes for everybody who listens, whatever they are. */
  babble(bytes: string | Buffer): void {
    for (const session of this.sessions) if (session.listens) session.socket.write(bytes);
  }

  #event(name: string, headers: HeaderLines, privilege = 'call,all'): number {
    const at = this.now();
    this.#say([['Event', name], ['Privilege', privilege], ['Timestamp', seconds(at)], ...headers]);
    return at;
  }

  // ── what happens on the PBX; each returns the moment it was said ────────────────────────────────────────────────────

  /** `Newchannel`. */
  begin(options: NewChannel): PbxChannel {
    const { endpoint, state, num, callerName = '<unknown>', context, exten } = options;
    const createdAt = this.now();
    const number = this.#counter++;
    const uniqueid = `${Math.floor(createdAt / 1000)}.${number}`;
    const channel: PbxChannel = {
      uniqueid,
      linkedid: options.linkedid ?? uniqueid,
      name: `${endpoint}-${number.toString(16).padStart(8, '0')}`,
      ...{ state, num, callerName, connectedNum: '<unknown>', connectedName: '<unknown>', context, exten, priority: 1 },
      ...{ dnid: options.dnid ?? '', application: options.application ?? '', data: '' },
      ...{ createdAt, answeredAt: undefined, bridge: undefined },
    };
    this.channels.set(uniqueid, channel);
    this.engaged.add(endpoint);
    this.#event('Newchannel', channelHeaders(channel));
    return channel;
  }

  state(channel: PbxChannel, state: ChannelStateNumber): number {
    channel.state = state;
    const at = this.#event('Newstate', channelHeaders(channel));
    if (state === 6) channel.answeredAt ??= at;
    this.#device(channel);
    return at;
  }

  callerId(channel: PbxChannel, num: string, exten: string): void {
    channel.num = num;
    channel.exten = exten;
    this.#event('NewCallerid', [
      ...channelHeaders(channel),
      ['CID-CallingPres', '0 (Presentation Allowed, Not Screened)'],
    ]);
  }

  connectedLine(channel: PbxChannel, num: string, name = '<unknown>'): void {
    channel.connectedNum = num;
    channel.connectedName = name;
    this.#event('NewConnectedLine', channelHeaders(channel));
  }

  dialBegin(from: PbxChannel, to: PbxChannel, dialString: string): number {
    return this.#event('DialBegin', [
      ...channelHeaders(from),
      ...channelHeaders(to, 'Dest'),
      ['DialString', dialString],
    ]);
  }

  dialState(from: PbxChannel, to: PbxChannel, status: string): void {
    this.#event('DialState', [...channelHeaders(from), ...channelHeaders(to, 'Dest'), ['DialStatus', status]]);
  }

  dialEnd(from: PbxChannel, to: PbxChannel, status: string): void {
    this.#event('DialEnd', [...channelHeaders(from), ...channelHeaders(to, 'Dest'), ['DialStatus', status]]);
  }

  bridge(): PbxBridge {
    const bridge: PbxBridge = { id: randomUUID(), members: new Set() };
    this.#event('BridgeCreate', bridgeHeaders(bridge));
    return bridge;
  }

  enter(bridge: PbxBridge, channel: PbxChannel): number {
    bridge.members.add(channel);
    channel.bridge = bridge;
    return this.#event('BridgeEnter', [...bridgeHeaders(bridge), ...channelHeaders(channel)]);
  }

  leave(channel: PbxChannel): void {
    const { bridge } = channel;
    if (bridge === undefined) return;
    channel.bridge = undefined;
    bridge.members.delete(channel);
    this.#event('BridgeLeave', [...bridgeHeaders(bridge), ...channelHeaders(channel)]);
    if (bridge.members.size === 0) this.#event('BridgeDestroy', bridgeHeaders(bridge));
  }

  blindTransfer(by: PbxChannel, of: PbxChannel, bridge: PbxBridge, exten: string): void {
    this.#event('BlindTransfer', [
      ['Result', 'Success'],
      ...channelHeaders(by, 'Transferer'),
      ...channelHeaders(of, 'Transferee'),
      ...bridgeHeaders(bridge),
      ['IsExternal', 'Yes'],
      ['Context', 'from-internal'],
      ['Extension', exten],
    ]);
  }

  hangupRequest(channel: PbxChannel, cause: number): void {
    this.#event('HangupRequest', [...channelHeaders(channel), ['Cause', cause]]);
  }

  softHangup(channel: PbxChannel): void {
    this.#event('SoftHangupRequest', [...channelHeaders(channel), ['Cause', 16]]);
  }

  hangup(channel: PbxChannel, cause: number): number {
    this.channels.delete(channel.uniqueid);
    this.engaged.delete(endpointOf(channel));
    const at = this.#event('Hangup', [
      ...channelHeaders(channel),
      ['Cause', cause],
      ['Cause-txt', causes[cause] ?? ''],
    ]);
    this.#device(channel, 'NOT_INUSE');
    return at;
  }

  /** Lamps of telephones; nobody here needs them, and a real stream is full of them. */
  #device(channel: PbxChannel, state = channel.state === 5 ? 'RINGING' : 'INUSE'): void {
    const device = endpointOf(channel);
    this.#event('DeviceStateChange', [
      ['Device', device],
      ['State', state],
    ]);
    const exten = device.slice(device.indexOf('/') + 1);
    if (!/^\d+$/.test(exten)) return;
    const status = state === 'RINGING' ? 8 : state === 'INUSE' ? 1 : 0;
    this.#event('ExtensionStatus', [
      ...([
        ['Exten', exten],
        ['Context', 'ext-local'],
        ['Hint', device],
        ['Status', status],
      ] as const),
      ['StatusText', status === 8 ? 'Ringing' : status === 1 ? 'InUse' : 'Idle'],
    ]);
  }
}

/** `PJSIP/150-0000001a` → `PJSIP/150`. */
export function endpointOf(channel: PbxChannel): string {
  return channel.name.slice(0, channel.name.lastIndexOf('-'));
}
