import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultDaemon, loadEnterpriseFile } from '../config/load.ts';
import type { EnterpriseSettings, Settings } from '../config/settings.ts';
import type { Daemon } from '../daemon.ts';
import { startDaemon } from '../daemon.ts';
import type { Logger } from '../log.ts';
import { createLog } from '../log.ts';
import { projectRoot } from '../root.ts';
import type { Emulator } from '../sandbox/emulator.ts';
import { startEmulator } from '../sandbox/emulator.ts';
import { startPlayer } from '../sandbox/player.ts';
import type { Db } from '../store/database.ts';
import { listCalls } from '../store/calls.ts';
import { countDrops } from '../store/drops.ts';
import { counts } from '../store/outbox.ts';
import { defineCommand } from './args.ts';
import { jsonOption, signalled } from './common.ts';
import { EXIT, UnavailableError, UsageError } from './errors.ts';
import { type Io, paint, printJson, printLine, printTable } from './output.ts';

/** The day of a small shop, in scenes. Recorded on a real Asterisk 22. */
const SCENES = [
  'in_direct_answer',
  'in_queue',
  'in_ringgroup',
  'out_answer',
  'in_direct_abandon',
  'in_hunt',
  'in_attended_refer',
  'internal_call',
  'click_answer',
  'in_voicemail',
  'in_anonymous',
  'concurrent_mix',
  'in_blind_external',
  'missed_then_callback',
] as const;

export const demoCommand = defineCommand({
  name: 'demo',
  group: 'Try out',
  summary: 'see it work: recorded calls of a real Asterisk, a local RetailCRM, no account needed',
  description: [
    'Starts a database, the RetailCRM sandbox, the daemon, and a player that serves recorded AMI streams over TCP as a PBX would. Open the printed address: popups come and go, calls fill the list.',
    'Everything lives in a temporary directory and is gone after Ctrl-C.',
  ],
  options: {
    once: { type: 'boolean', help: 'play everything at speed, print a table, exit' },
    port: { type: 'string', value: 'PORT', help: 'port of the sandbox page, 0 = any free one', default: '8020' },
    speed: { type: 'string', value: 'N', help: 'times as fast as life; default 1, with --once 20' },
    verbose: { type: 'boolean', short: 'v', help: 'all log lines of the daemon, not only what happens to calls' },
    ...jsonOption,
  },
  exitCodes: {
    1: 'with --once: not every call arrived in the CRM',
    [EXIT.unavailable]: 'the recordings are not here: the demo runs in a checkout',
  },
  examples: [
    { line: 'demo', says: 'then open http://127.0.0.1:8020/' },
    { line: 'demo --once', says: 'a proof in half a minute' },
  ],
  run: async ({ out, options }) => {
    const speed = Number(options.speed ?? (options.once ? 20 : 1));
    if (!(speed > 0)) throw new UsageError('demo: --speed must be a number above 0');
    const captures = join(projectRoot(), 'test/captures/ast22');
    if (!existsSync(captures))
      throw new UnavailableError('the demo plays recordings that only the checkout has: "npm run demo" there');
    const stopping = signalled('SIGINT', 'SIGTERM');
    const dir = mkdtempSync(join(tmpdir(), 'asterisk-retailcrm-demo-'));
    chmodSync(dir, 0o755); // the database server may run as another user
    const log = demoLog(out, options.verbose, options.once);
    const undo: (() => Promise<void>)[] = [];
    try {
      if (!options.json) printLine(out, paint(out, 'dim', 'starting the database, the sandbox and the daemon …'));
      const emulator = await startSandbox(Number(options.port), options.once);
      undo.push(() => emulator.stop());
      const player = await startPlayer({
        captures: SCENES.map((scene) => join(captures, `${scene}.ami`)),
        port: 0,
        speed,
        user: 'demo',
        secret: 'demo',
        loop: !options.once,
        renumber: true,
        classes: ['call', 'system', 'dialplan'],
        ...(options.once || options.json
          ? {}
          : {
              onProgress: ({ capture, state, number, of }) => {
                if (state === 'playing') printLine(out, paint(out, 'dim', `── ${number}/${of} ${title(capture)}`));
              },
            }),
      });
      undo.push(() => player.stop());
      const daemon = await startDaemon(demoSettings(emulator, player.port, dir), log);
      undo.push(() => daemon.stop());
      if (!options.json) {
        printLine(
          out,
          `${paint(out, 'bold', 'Open')} ${paint(out, 'good', emulator.url)} ${paint(out, 'bold', 'and watch.')} Ctrl-C ends the demo and leaves nothing behind.`,
        );
      }
      if (!options.once) {
        await Promise.race([stopping, player.done]);
        return EXIT.ok;
      }
      await Promise.race([stopping, player.done]);
      await quiet(daemon);
      await daemon.drain();
      return await report(daemon.db, emulator, out, { json: options.json, speed });
    } finally {
      for (const step of undo.reverse()) await step();
      rmSync(dir, { recursive: true, force: true });
    }
  },
});

/** The last bytes were sent, but not yet read: settles when no call has lived for a while, in half a minute at most. */
async function quiet(daemon: Daemon): Promise<void> {
  let calm = 0;
  for (let looks = 0; looks < 600 && calm < 10; looks++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    calm = daemon.enterprises.every((enterprise) => enterprise.liveCalls === 0) ? calm + 1 : 0;
  }
}

async function startSandbox(port: number, once: boolean): Promise<Emulator> {
  // A taken port is no reason not to show the demo.
  return startEmulator({ port: once ? 0 : port }).catch(() => startEmulator({ port: 0 }));
}

/** The example enterprise, pointed at the sandbox and the player. */
function demoSettings(emulator: Emulator, amiPort: number, dir: string): Settings {
  process.env['DEMO_CRM_KEY'] = 'demo-key';
  process.env['DEMO_AMI_SECRET'] = 'demo';
  const example = loadEnterpriseFile(join(projectRoot(), 'config/enterprises/example.yaml'));
  const enterprise: EnterpriseSettings = {
    ...example,
    retailcrm: {
      ...example.retailcrm,
      url: emulator.url,
      key: { key: 'retailcrm.key', from: 'env', name: 'DEMO_CRM_KEY' },
      allowInsecure: true,
    },
    // With read = call,system the recording's name is not told: a naming rule by Uniqueid does without.
    recordings: { url: 'https://rec.example/{date}/{uniqueid}.wav', directory: undefined, waitSeconds: 0 },
    hosts: example.hosts.map((host) => ({
      ...host,
      ami: {
        ...host.ami,
        address: '127.0.0.1',
        port: amiPort,
        user: 'demo',
        secret: { key: 'ami.secret', from: 'env', name: 'DEMO_AMI_SECRET' },
      },
    })),
  };
  const standard = defaultDaemon(dir);
  return {
    daemon: {
      ...standard,
      database: { kind: 'embedded', dir: join(dir, 'postgres') },
      log: { level: 'info', format: 'pretty' },
      enterprisesDir: dir,
      instance: 'demo',
      http: { ...standard.http, enabled: false },
    },
    enterprises: [enterprise],
  };
}

/** What happens to calls, readable; everything else only when asked for. */
function demoLog(out: Io['out'], verbose: boolean, once: boolean): Logger {
  if (verbose) return createLog({ format: 'pretty', level: 'info' });
  const only = (fields: Readonly<Record<string, unknown>>): Logger => ({
    error: (message) => printLine(out, `  ${paint(out, 'bad', message)}`),
    warn: () => undefined,
    info: (message, more) => {
      const call = { ...fields, ...more }['call'];
      if (!once && typeof call === 'string') printLine(out, `  ${paint(out, 'dim', call)} ${message}`);
    },
    debug: () => undefined,
    child: (more) => only({ ...fields, ...more }),
  });
  return only({});
}

async function report(
  db: Db,
  emulator: Emulator,
  out: Io['out'],
  { json, speed }: { json: boolean; speed: number },
): Promise<number> {
  const calls = await listCalls(db, { limit: 1000 });
  const drops = await countDrops(db);
  const outbox = await counts(db);
  const account = emulator.account();
  const dropped = drops.reduce((sum, one) => sum + one.count, 0);
  const told = calls.filter((call) => call.state === 'ended' && !isDropped(call.record));
  const summary = {
    seen: calls.length + drops.filter((one) => one.reason === 'internal').reduce((sum, one) => sum + one.count, 0),
    delivered: account.calls.size,
    dropped: Object.fromEntries(drops.map((one) => [one.reason, one.count])),
    dead: outbox.filter((row) => row.state === 'dead').reduce((sum, row) => sum + row.count, 0),
    popups: outbox
      .filter((row) => row.kind === 'event' && row.state === 'done')
      .reduce((sum, row) => sum + row.count, 0),
  };
  const complete = told.length === account.calls.size && told.every((call) => account.calls.has(call.externalId));
  if (json) printJson(out, { ...summary, complete });
  else {
    printTable(
      out,
      [
        { title: 'calls', value: (row) => row.what },
        { title: 'number', value: (row) => row.count, align: 'right' },
      ],
      [
        { what: 'seen', count: summary.seen },
        { what: 'delivered to the CRM', count: summary.delivered },
        ...drops.map((one) => ({ what: `dropped: ${one.reason}`, count: one.count })),
        { what: 'refused by the CRM', count: summary.dead },
        { what: 'popups and their ends shown', count: summary.popups },
      ],
    );
    const verdict = complete
      ? paint(out, 'good', 'every call is where it belongs')
      : paint(out, 'bad', 'calls are missing');
    printLine(
      out,
      `${verdict}: ${told.length} to tell, ${account.calls.size} in the CRM, ${dropped} with a reason in the drop ledger`,
    );
    // Popups wait for the machine's own clock, not for the player's (RING_ROUND_MS): the faster, the fewer are left to show.
    if (speed > 1)
      printLine(
        out,
        paint(out, 'dim', `at ${speed} times the speed of life some phones stop ringing before their popup is due`),
      );
  }
  return complete ? EXIT.ok : 1;
}

function isDropped(record: unknown): boolean {
  return typeof record === 'object' && record !== null && 'logToCrm' in record && record.logToCrm === false;
}

/** `in_blind_external` → `in blind external`. */
function title(capture: string): string {
  return capture.replaceAll('_', ' ');
}
