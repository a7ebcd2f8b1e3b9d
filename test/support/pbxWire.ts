/** How Asterisk 22 writes what the simulator does: the header sets and their order are those of test/captures. */

/** Channel states that occur, by `ChannelState`. */
export const channelStates = { 0: 'Down', 4: 'Ring', 5: 'Ringing', 6: 'Up' } as const;
export type ChannelStateNumber = keyof typeof channelStates;

/** A channel of the simulated PBX. */
export interface PbxChannel {
  readonly uniqueid: string;
  readonly linkedid: string;
  /** `PJSIP/150-0000001a`. */
  readonly name: string;
  state: ChannelStateNumber;
  num: string;
  callerName: string;
  connectedNum: string;
  connectedName: string;
  context: string;
  exten: string;
  priority: number;
  /** Number the channel came in with; empty for a dialled one. */
  readonly dnid: string;
  /** What it runs: `Dial`, `Queue`, `AppDial` for a dialled one. */
  application: string;
  data: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  answeredAt: number | undefined;
  bridge: PbxBridge | undefined;
}

/** Two or more channels that hear each other. */
export interface PbxBridge {
  readonly id: string;
  readonly members: Set<PbxChannel>;
}

/** Headers of one message, in order. */
export type HeaderLines = readonly (readonly [string, string | number])[];

/** One message as it goes over the wire. */
export function message(headers: HeaderLines): string {
  return `${headers.map(([name, value]) => `${name}: ${value}`).join('\r\n')}\r\n\r\n`;
}

/** The block of a channel, as every channel event carries it. */
export function channelHeaders(channel: PbxChannel, prefix = ''): HeaderLines {
  return [
    [`${prefix}Channel`, channel.name],
    [`${prefix}ChannelState`, channel.state],
    [`${prefix}ChannelStateDesc`, channelStates[channel.state]],
    [`${prefix}CallerIDNum`, channel.num],
    [`${prefix}CallerIDName`, channel.callerName],
    [`${prefix}ConnectedLineNum`, channel.connectedNum],
    [`${prefix}ConnectedLineName`, channel.connectedName],
    [`${prefix}Language`, 'en'],
    [`${prefix}AccountCode`, ''],
    [`${prefix}Context`, channel.context],
    [`${prefix}Exten`, channel.exten],
    [`${prefix}Priority`, channel.priority],
    [`${prefix}Uniqueid`, channel.uniqueid],
    [`${prefix}Linkedid`, channel.linkedid],
  ];
}

/** The block of a bridge. */
export function bridgeHeaders(bridge: PbxBridge): HeaderLines {
  return [
    ['BridgeUniqueid', bridge.id],
    ['BridgeType', 'basic'],
    ['BridgeTechnology', 'simple_bridge'],
    ['BridgeCreator', '<unknown>'],
    ['BridgeName', '<unknown>'],
    ['BridgeNumChannels', bridge.members.size],
    ['BridgeVideoSourceMode', 'none'],
  ];
}

/** One item of a `Status` list; `variables` are those asked for, in the order of the question. */
export function statusHeaders(channel: PbxChannel, now: number, variables: readonly string[]): HeaderLines {
  const known: Record<string, string> = {
    'CDR(start,u)': seconds(channel.createdAt),
    ...(channel.answeredAt === undefined ? {} : { 'CDR(answer,u)': seconds(channel.answeredAt) }),
  };
  const technology = channel.name.slice(0, channel.name.indexOf('/'));
  return [
    ['Event', 'Status'],
    ['Privilege', 'Call'],
    ...channelHeaders(channel),
    ['Type', technology],
    ['DNID', channel.dnid],
    ['EffectiveConnectedLineNum', channel.connectedNum],
    ['EffectiveConnectedLineName', channel.connectedName],
    ['TimeToHangup', 0],
    ['BridgeID', channel.bridge?.id ?? ''],
    ['Application', channel.application],
    ['Data', channel.data],
    ['Nativeformats', '(alaw)'],
    ['Readformat', 'alaw'],
    ['Readtrans', ''],
    ['Writeformat', 'alaw'],
    ['Writetrans', ''],
    ['Callgroup', 0],
    ['Pickupgroup', 0],
    ['Seconds', Math.floor((now - channel.createdAt) / 1000)],
    ...variables.map((name) => ['Variable', `${name}=${known[name] ?? '(null)'}`] as const),
  ];
}

/** Asterisk's `Timestamp`: seconds with microseconds. */
export function seconds(at: number): string {
  return (at / 1000).toFixed(6);
}

/** Splits `CDR(start,u),X` at the commas outside brackets. */
export function splitVariables(list: string): string[] {
  return list === '' ? [] : list.split(/,(?![^(]*\))/);
}

/** `Cause-txt` of the causes that occur. */
export const causes: Readonly<Record<number, string>> = {
  0: 'Unknown',
  16: 'Normal Clearing',
  17: 'User busy',
  19: 'User alerting, no answer',
  26: 'Answered elsewhere',
  127: 'Interworking, unspecified',
};
