import type { ChannelSnapshot, HostEvent } from '../calls/events.ts';
import type { EnterpriseSettings, HostSettings } from '../config/settings.ts';
import { planSettings } from '../planSettings.ts';
import { type ReplayLine, replay } from '../replay.ts';
import { hostRules } from '../rules.ts';
import { defineCommand } from './args.ts';
import { configOption, jsonOption, settingsFrom, timeOption } from './common.ts';
import { EXIT, EXIT_MEANING, UsageError } from './errors.ts';
import { paint, printJson, printLine, printTable } from './output.ts';

export const simulateCommand = defineCommand({
  name: 'simulate',
  group: 'Look into',
  summary: 'a call that did not happen: which rules would match, what the CRM would get',
  description: [
    'Plays one incoming call that nobody answers through the rules of the configuration: whose it is, how its numbers are read, whether it is left out and why, who would own it if missed. Nothing is contacted.',
    'Working hours are the dial plan’s affair: give --context with the context the call goes through (hosts[].contexts.off_hours).',
  ],
  options: {
    ...configOption,
    enterprise: { type: 'string', value: 'ID', help: 'needed if there are several' },
    host: { type: 'string', value: 'ID', help: 'needed if the enterprise has several' },
    trunk: { type: 'string', value: 'NAME', help: 'outside line the call comes in by; default the first' },
    did: { type: 'string', value: 'NUMBER', help: 'number that was dialled, as the line sends it' },
    from: {
      type: 'string',
      value: 'NUMBER',
      help: 'number of the caller, as the line sends it; "anonymous" for a hidden one',
      default: 'anonymous',
    },
    rings: { type: 'string', value: 'EXT', multiple: true, help: 'extension whose phone rings' },
    context: { type: 'string', value: 'NAME', help: 'dial-plan context the call goes through' },
    at: { type: 'string', value: 'TIME', help: 'when it comes in, e.g. 2026-11-23T09:00; default now' },
    ...jsonOption,
  },
  exitCodes: { [EXIT.config]: EXIT_MEANING[EXIT.config] ?? '' },
  examples: [
    { line: 'simulate --did 375171234503 --from 80290000101 --rings 150', says: 'an ordinary missed call' },
    { line: 'simulate --did 375171234503 --from +375290000999', says: 'is this number an employee’s mobile?' },
  ],
  run: ({ out, options }) => {
    const { did } = options;
    if (did === undefined) throw new UsageError('simulate: --did NUMBER is missing');
    const settings = settingsFrom(options.config);
    const enterprise = chosen('enterprise', settings.enterprises, options.enterprise);
    const host = chosen('host', enterprise.hosts, options.host);
    const trunk = options.trunk === undefined ? host.trunks[0] : host.trunks.find((one) => one.name === options.trunk);
    const names = host.trunks.map((one) => one.name).join(', ');
    if (trunk === undefined)
      throw new UsageError(`simulate: host ${host.id} has no line "${options.trunk ?? ''}"; it has ${names}`);
    const at = (timeOption('at', options.at) ?? new Date()).getTime();
    const events = missedCall({
      at,
      stem: stem(trunk.channels[0] ?? trunk.name),
      did,
      from: options.from,
      rings: options.rings,
      context: options.context,
    });
    const rules = hostRules(enterprise, host);
    const lines = [...replay(events, rules, planSettings(enterprise, host, rules, enterprise.timezone ?? 'UTC'), true)];
    const known = didName(enterprise, rules.phone(did, trunk.country));
    if (options.json) {
      printJson(out, { enterprise: enterprise.id, host: host.id, trunk: trunk.name, did: known });
      for (const line of lines) printJson(out, line);
      return EXIT.ok;
    }
    const call = lines.find((line) => line.type === 'call');
    const dropped = lines.find((line) => line.type === 'dropped');
    const upload = lines.find((line) => line.type === 'request' && line.path.endsWith('upload'));
    const sent: unknown = upload?.type === 'request' ? JSON.parse(upload.form['calls'] ?? '[]') : undefined;
    printTable(
      out,
      [
        { title: 'rule', value: (row) => row.rule },
        { title: 'says', value: (row) => row.says },
      ],
      [
        { rule: 'enterprise', says: `${enterprise.id}, host ${host.id}, line ${trunk.name}` },
        {
          rule: 'number dialled',
          says: `${call?.externalPhone ?? 'not readable'}${known === undefined ? ': not in dids' : `: ${known}`}`,
        },
        { rule: 'caller', says: call?.customerPhone ?? 'hidden, or not a number' },
        { rule: 'blacklist, employees’ mobiles, DID switched off', says: dropped?.reason ?? 'does not apply' },
        {
          rule: 'working hours',
          says:
            options.context === undefined ? 'decided by the dial plan; see --context' : offHours(host, options.context),
        },
        { rule: 'owner if missed', says: `the customer's manager if she is known, else ${ownerIn(sent) ?? 'nobody'}` },
        { rule: 'popups', says: popups(lines) },
        { rule: 'leaves behind if missed', says: leftBehind(lines) },
        { rule: 'history', says: dropped === undefined ? JSON.stringify(sent) : `nothing: ${dropped.reason}` },
      ],
    );
    printLine(out, paint(out, 'dim', 'as if nobody had answered; see "replay --explain" for calls that happened'));
    return EXIT.ok;
  },
});

function chosen<T extends EnterpriseSettings | HostSettings>(
  what: string,
  all: readonly T[],
  id: string | undefined,
): T {
  const ids = all.map((one) => one.id).join(', ');
  const found = id === undefined && all.length === 1 ? all[0] : all.find((one) => one.id === id);
  if (found === undefined) throw new UsageError(`simulate: say which ${what} by --${what}: ${ids}`);
  return found;
}

/** A channel name that fits the pattern. */
function stem(pattern: string): string {
  return pattern.replaceAll('*', 'x');
}

/** What Asterisk would say of a call that comes in, rings and is given up. */
function missedCall(call: {
  at: number;
  stem: string;
  did: string;
  from: string;
  rings: readonly string[];
  context: string | undefined;
}): HostEvent[] {
  const channel = (name: string, uniqueid: string, more: Partial<ChannelSnapshot>): ChannelSnapshot => ({
    uniqueid,
    linkedid: 'simulated.0',
    channel: name,
    state: 'Ring',
    callerNum: undefined,
    callerName: undefined,
    connectedNum: undefined,
    context: call.context,
    exten: undefined,
    variables: undefined,
    ...more,
  });
  const { at } = call;
  const customer = channel(`${call.stem}-00000000`, 'simulated.0', { callerNum: call.from, exten: call.did });
  const phones = call.rings.map((ext, i) =>
    channel(`PJSIP/${ext}-0000000${i + 1}`, `simulated.${i + 1}`, { state: 'Ringing', callerNum: ext }),
  );
  return [
    { event: 'Newchannel', at, chan: customer },
    ...phones.map(
      (dest): HostEvent => ({ event: 'DialBegin', at: at + 100, chan: customer, dest, dialString: undefined }),
    ),
    ...phones.map(
      (dest): HostEvent => ({
        event: 'DialEnd',
        at: at + 10_000,
        chan: customer,
        dest,
        dialStatus: 'CANCEL',
        forward: undefined,
      }),
    ),
    ...phones.map((chan): HostEvent => ({ event: 'Hangup', at: at + 10_000, chan, cause: 127, techCause: undefined })),
    { event: 'Hangup', at: at + 10_001, chan: customer, cause: 127, techCause: undefined },
  ];
}

function didName(enterprise: EnterpriseSettings, phone: { kind: string; e164?: string }): string | undefined {
  const did = enterprise.dids.find((one) => one.number === phone.e164);
  if (did === undefined) return undefined;
  return `${did.name ?? 'known'}${did.site === undefined ? '' : `, site ${did.site}`}${did.upload ? '' : ', switched off'}`;
}

function offHours(host: HostSettings, context: string): string {
  return host.contexts.offHours.includes(context)
    ? `context ${context} means closed`
    : `context ${context} is not one of contexts.off_hours`;
}

/** Customer, order, task, note: of a number nobody knows. */
function leftBehind(lines: readonly ReplayLine[]): string {
  return lines.flatMap((line) => (line.type === 'errand' ? [line.errand.do] : [])).join(', ') || 'nothing';
}

function ownerIn(sent: unknown): string | undefined {
  const [record] = Array.isArray(sent) ? (sent as unknown[]) : [];
  return typeof record === 'object' && record !== null && 'code' in record && typeof record.code === 'string'
    ? record.code
    : undefined;
}

function popups(lines: readonly { type: string; form?: unknown }[]): string {
  const count = lines.filter((line) => line.type === 'request').length;
  return count > 1 ? `${count - 1} (in and hangup)` : 'none: no phone rings (--rings EXT)';
}
