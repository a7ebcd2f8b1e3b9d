import { basename } from 'node:path';
import { CaptureError, hostEvents, readCapture } from '../capture.ts';
import { loadEnterpriseFile } from '../config/load.ts';
import type { EnterpriseSettings, HostSettings } from '../config/settings.ts';
import { planSettings } from '../planSettings.ts';
import { type ReplayLine, replay } from '../replay.ts';
import { hostRules } from '../rules.ts';
import { defineCommand } from './args.ts';
import { jsonOption } from './common.ts';
import { EXIT, EXIT_MEANING, UsageError } from './errors.ts';
import { type Io, paint, printJson, printLine, printTable } from './output.ts';
import { printStory } from './story.ts';

export const replayCommand = defineCommand({
  name: 'replay',
  group: 'Look into',
  summary: 'run recorded AMI streams through the daemon’s head: calls, requests, drops',
  usage: 'FILE.ami…',
  args: [1, 10_000],
  description: [
    'Needs no database, no network and no secret. The clock is the Timestamp of the events where the stream has it, else FILE.idx.jsonl beside the file.',
    'Several segments of one host (NAME.ami, NAME.seg2.ami, …) are one host that lost its connection in between; give them in order. Other files are replayed one after another, each for itself.',
    'With --json each line is one object: {"type":"call"} when a call ended, {"type":"request"} for each request that would be sent, {"type":"dropped"} for each row of the drop ledger.',
  ],
  options: {
    config: {
      type: 'string',
      short: 'c',
      value: 'FILE',
      help: 'the YAML file of the enterprise',
      default: 'config/enterprises/example.yaml',
    },
    host: {
      type: 'string',
      value: 'ID',
      help: 'which of its hosts the stream comes from; needed if there are several',
    },
    explain: { type: 'boolean', help: 'tell each call’s whole story: every event that mattered, every decision' },
    ...jsonOption,
  },
  exitCodes: { [EXIT.config]: EXIT_MEANING[EXIT.config] ?? '' },
  examples: [
    { line: 'replay test/captures/ast22/in_queue.ami', says: 'what one call of a queue becomes' },
    { line: 'replay test/captures/ast22/in_attended_refer.ami --explain', says: 'why it became what it became' },
    { line: 'replay morning.ami --config acme.yaml --host pbx1 --json', says: 'for scripts' },
  ],
  run: ({ out, args, options }) => {
    const enterprise = loadEnterpriseFile(options.config);
    const host = chosenHost(enterprise, options.host);
    for (const group of segmentsOf(args)) {
      const lines = replayFiles(group, enterprise, host, options.explain);
      if (options.json) for (const line of lines) printJson(out, line);
      else print(group[0] ?? '', [...lines], out);
    }
    return EXIT.ok;
  },
});

function* replayFiles(
  paths: readonly string[],
  enterprise: EnterpriseSettings,
  host: HostSettings,
  explain: boolean,
): Generator<ReplayLine> {
  const rules = hostRules(enterprise, host);
  const settings = planSettings(enterprise, host, rules, enterprise.timezone ?? 'UTC');
  try {
    yield* replay(hostEvents(paths.map((path) => readCapture(path))), rules, settings, explain);
  } catch (error) {
    if (error instanceof CaptureError) throw new UsageError(error.message);
    throw error;
  }
}

function chosenHost(enterprise: EnterpriseSettings, id: string | undefined): HostSettings {
  const ids = enterprise.hosts.map((host) => host.id);
  if (id === undefined && enterprise.hosts.length > 1)
    throw new UsageError(`replay: --host is missing; ${enterprise.id} has ${ids.join(', ')}`);
  const host = id === undefined ? enterprise.hosts[0] : enterprise.hosts.find((one) => one.id === id);
  if (host === undefined)
    throw new UsageError(`replay: enterprise ${enterprise.id} has no host "${id ?? ''}"; it has ${ids.join(', ')}`);
  return host;
}

/** Files that differ only in `.segN` are one host's stream. */
function segmentsOf(paths: readonly string[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const path of paths) {
    const name = path.replace(/\.seg\d+\.ami$/, '.ami');
    groups.set(name, [...(groups.get(name) ?? []), path]);
  }
  return [...groups.values()];
}

function print(path: string, lines: readonly ReplayLine[], out: Io['out']): void {
  printLine(out, paint(out, 'bold', basename(path)));
  const calls = lines.filter((line) => line.type === 'call');
  printTable(
    out,
    [
      { title: 'began', value: (call) => call.startedAt.slice(11, 23) },
      { title: 'dir', value: (call) => call.direction },
      { title: 'customer', value: (call) => call.customerPhone ?? undefined },
      { title: 'line', value: (call) => call.externalPhone ?? undefined },
      {
        title: 'result',
        value: (call) => call.result,
        style: (call) => (call.result === 'answered' ? 'good' : 'warn'),
      },
      { title: 'wait s', value: (call) => call.waitSeconds.toFixed(1), align: 'right' },
      { title: 'talk s', value: (call) => call.talkSeconds.toFixed(1), align: 'right' },
      { title: 'by', value: (call) => call.handledBy?.join(' → ') },
      { title: 'rang', value: (call) => call.rang.map((ring) => `${ring.ext} ${ring.outcome}`).join(', ') },
    ],
    calls,
  );
  const requests = lines.filter((line) => line.type === 'request');
  for (const request of requests) {
    printLine(
      out,
      `  ${paint(out, 'dim', request.at.slice(11, 23))} ${request.path.replace('/api/v5/', '')} ${Object.values(request.form).join('')}`,
    );
  }
  for (const line of lines) {
    if (line.type === 'errand')
      printLine(out, `  ${paint(out, 'dim', line.at.slice(11, 23))} errand ${JSON.stringify(line.errand)}`);
    if (line.type === 'story') printStory(out, line.externalId, line.lines);
    if (line.type === 'dropped') printLine(out, `  ${paint(out, 'dim', 'dropped')} ${line.linkedid}: ${line.reason}`);
  }
  printLine(out);
}
