import { createWriteStream, existsSync } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { AmiAddress } from '../ami/connection.ts';
import { Recorder } from '../ami/recorder.ts';
import { amiAddress } from '../config/amiAddress.ts';
import type { HostSettings, Settings } from '../config/settings.ts';
import { defineCommand } from './args.ts';
import { configOption, jsonOption, settingsFrom, signalled, wholeNumber } from './common.ts';
import { EXIT, EXIT_MEANING, UsageError } from './errors.ts';
import { paint, printJson, printLine } from './output.ts';

export const captureCommand = defineCommand({
  name: 'capture',
  group: 'Look into',
  summary: 'record what a host sends, for "replay" and for a bug report',
  usage: 'NAME',
  args: [1, 1],
  description: [
    'Writes NAME.ami (every byte after the login) and NAME.idx.jsonl (when each piece arrived) until Ctrl-C, --seconds, or the host closes the connection. A second connection beside the daemon’s does no harm.',
    'The files hold phone numbers as they are: handle them like the call list. Existing files are never overwritten.',
  ],
  options: {
    ...configOption,
    enterprise: { type: 'string', value: 'ID', help: 'needed if there are several' },
    host: { type: 'string', value: 'ID', help: 'needed if the enterprise has several' },
    events: {
      type: 'string',
      value: 'CLASSES',
      help: 'event classes to ask for, as far as the user may read them',
      default: 'on',
    },
    seconds: { type: 'string', value: 'N', help: 'stop by itself after this time' },
    ...jsonOption,
  },
  exitCodes: {
    [EXIT.unavailable]: EXIT_MEANING[EXIT.unavailable] ?? '',
    [EXIT.config]: EXIT_MEANING[EXIT.config] ?? '',
  },
  examples: [
    { line: 'capture /tmp/morning --host pbx1', says: 'Ctrl-C when the odd call is over' },
    { line: 'replay /tmp/morning.ami --config config/enterprises/acme.yaml', says: 'and what the daemon makes of it' },
  ],
  run: async ({ out, err, args, options }) => {
    const name = (args[0] ?? '').replace(/\.ami$/, '');
    for (const file of [`${name}.ami`, `${name}.idx.jsonl`]) {
      if (existsSync(file)) throw new UsageError(`capture: ${file} exists; take another name`);
    }
    const host = chosenHost(settingsFrom(options.config), options.enterprise, options.host);
    const seconds = options.seconds === undefined ? undefined : wholeNumber('seconds', options.seconds);
    const stopping = signalled('SIGINT', 'SIGTERM');
    const recorded = await record(name, { ...amiAddress(host), events: options.events }, seconds, stopping, (line) =>
      printLine(err, paint(err, 'dim', line)),
    );
    if (recorded.failed !== undefined) {
      printLine(err, `${paint(err, 'bad', 'error:')} ${recorded.failed}`);
      return EXIT.unavailable;
    }
    if (options.json) printJson(out, { file: `${name}.ami`, bytes: recorded.bytes, chunks: recorded.chunks });
    else printLine(out, `${name}.ami: ${recorded.bytes} bytes in ${recorded.chunks} pieces`);
    return EXIT.ok;
  },
});

/** Customers' numbers are in a recording: it is for the one who made it. */
const OWNER_ONLY = 0o600;

async function record(
  name: string,
  address: AmiAddress,
  seconds: number | undefined,
  stopping: Promise<unknown>,
  say: (line: string) => void,
): Promise<{ bytes: number; chunks: number; failed: string | undefined }> {
  const stream = createWriteStream(`${name}.ami`, { flags: 'wx', mode: OWNER_ONLY });
  const lines: string[] = [];
  const header = { opened: 0, closed: null as number | null, banner: '', user: address.username };
  let bytes = 0;
  let failed: string | undefined;
  let over: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (over = resolve));
  const recorder = new Recorder(address, {
    opened(banner, at) {
      header.opened = at / 1000;
      header.banner = banner;
      say(`connected to ${address.host}: ${banner}; recording, Ctrl-C ends it`);
    },
    chunk(chunk) {
      lines.push(JSON.stringify([bytes, chunk.bytes.length, chunk.arrivedAt / 1000]));
      bytes += chunk.bytes.length;
      stream.write(chunk.bytes);
    },
    closed(reason, at) {
      if (reason.cause !== 'stopped') {
        header.closed = at / 1000;
        if (header.opened === 0) failed = `${address.host}:${address.port}: ${reason.detail}`;
        else say(`the connection ended: ${reason.detail}`);
      }
      over();
    },
  });
  const timeUp = new AbortController();
  const timer = seconds === undefined ? undefined : setTimeout(() => timeUp.abort(), seconds * 1000);
  await Promise.race([ended, stopping, aborted(timeUp.signal)]);
  clearTimeout(timer);
  await recorder.stop();
  stream.end();
  await finished(stream);
  const index = createWriteStream(`${name}.idx.jsonl`, { flags: 'wx', mode: OWNER_ONLY });
  index.end(`${[JSON.stringify(header), ...lines].join('\n')}\n`);
  await finished(index);
  return { bytes, chunks: lines.length, failed };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function chosenHost(settings: Settings, enterpriseId: string | undefined, hostId: string | undefined): HostSettings {
  const hosts = settings.enterprises
    .filter((one) => enterpriseId === undefined || one.id === enterpriseId)
    .flatMap((one) => one.hosts)
    .filter((one) => hostId === undefined || one.id === hostId);
  const [host] = hosts;
  if (host !== undefined && hosts.length === 1) return host;
  const all = settings.enterprises.flatMap((one) =>
    one.hosts.map((each) => `--enterprise ${one.id} --host ${each.id}`),
  );
  throw new UsageError(`capture: say which host: ${all.join(', or ')}`);
}
