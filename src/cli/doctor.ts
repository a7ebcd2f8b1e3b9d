import { networkInterfaces } from 'node:os';
import { createSocket } from 'node:dgram';
import { join } from 'node:path';
import type { EnterpriseSettings, Settings } from '../config/settings.ts';
import { openDatabase } from '../daemon.ts';
import type { Place } from '../doctor/disk.ts';
import { examine } from '../doctor/examine.ts';
import { type Area, type Finding, type Level, many, wordsOf, worst } from '../doctor/finding.ts';
import { managerConf } from '../doctor/managerConf.ts';
import { silentLog } from '../log.ts';
import { projectRoot } from '../root.ts';
import { openStore } from '../store/database.ts';
import { defaultDataDir } from '../store/embedded.ts';
import { defineCommand } from './args.ts';
import { configOption, settingsFrom } from './common.ts';
import { EXIT, EXIT_MEANING, UsageError } from './errors.ts';
import { type Output, paint, printJson, printLine } from './output.ts';

const AREAS: readonly Area[] = ['database', 'disk', 'pbx', 'crm', 'callbacks'];

export const doctorCommand = defineCommand({
  name: 'doctor',
  group: 'Set up',
  summary: 'look at PBX, CRM, callbacks, database and disks, and say what to mend',
  description: [
    'Every finding is ok, warning or failure, in one sentence, with what to do about it. Nothing is changed anywhere: no call is made, nothing is written into the CRM or the database.',
    'It logs in to each Asterisk as the daemon does and listens for some seconds. Run it as the user of the daemon, so that it reads the same secrets; beside a running daemon it does no harm.',
  ],
  options: {
    ...configOption,
    enterprise: { type: 'string', value: 'ID', help: 'only this enterprise' },
    host: { type: 'string', value: 'ID', help: 'only this host' },
    only: { type: 'string', value: 'AREA', multiple: true, choices: AREAS, help: 'only this part' },
    watch: { type: 'string', value: 'SECONDS', default: '2', help: 'how long to listen for events of each PBX' },
    'manager-conf': {
      type: 'string',
      value: 'FILE',
      default: '/etc/asterisk/manager.conf',
      help: 'looked into where Asterisk runs on this machine',
    },
    'print-manager-conf': { type: 'boolean', help: 'print a minimal manager.conf for each host and look at nothing' },
    quiet: { type: 'boolean', help: 'only warnings and failures' },
    json: { type: 'boolean', help: 'one JSON object per finding: {area, subject, check, level, says, fix}' },
  },
  exitCodes: {
    1: 'warnings',
    2: 'failures',
    [EXIT.config]: EXIT_MEANING[EXIT.config] ?? '',
  },
  examples: [
    { line: 'doctor', says: 'everything, after setting up and after each change' },
    { line: 'doctor --only pbx --watch 30', says: 'make a call meanwhile: do its events arrive' },
    { line: 'doctor --print-manager-conf --host pbx1', says: 'what to put into manager.conf' },
  ],
  run: async ({ out, options }) => {
    const settings = settingsFrom(options.config);
    const enterprises = chosen(settings, options.enterprise, options.host);
    if (options['print-manager-conf']) {
      out.write((await managerConfs(enterprises, options.host)).join('\n'));
      return EXIT.ok;
    }
    const seconds = Number(options.watch);
    if (!Number.isFinite(seconds) || seconds < 0 || seconds > 3600) {
      throw new UsageError('doctor: --watch must be a number of seconds from 0 to 3600');
    }
    const areas = new Set(options.only.length > 0 ? AREAS.filter((area) => options.only.includes(area)) : AREAS);
    const database = await openOrSay(settings);
    const print = options.json ? asJson(out) : asText(out, options.quiet);
    try {
      const findings = await examine({
        daemon: settings.daemon,
        enterprises,
        host: options.host,
        areas,
        database: database.opened,
        migrations: join(projectRoot(), 'db/migrations'),
        places: placesOf(settings, enterprises),
        watchSeconds: seconds,
        managerConf: options['manager-conf'],
        onFindings: print,
      });
      if (!options.json) printLine(out, verdict(out, findings));
      return { ok: EXIT.ok, warning: 1, failure: 2 }[worst(findings)];
    } finally {
      await database.close();
    }
  },
});

function chosen(settings: Settings, enterprise: string | undefined, host: string | undefined): EnterpriseSettings[] {
  const byId = settings.enterprises.filter(({ id }) => enterprise === undefined || id === enterprise);
  if (byId.length === 0) {
    throw new UsageError(
      `doctor: there is no enterprise ${enterprise ?? ''}; there are ${settings.enterprises.map(({ id }) => id).join(', ')}`,
    );
  }
  const withHost = byId.filter(({ hosts }) => host === undefined || hosts.some(({ id }) => id === host));
  if (withHost.length === 0) {
    throw new UsageError(
      `doctor: there is no host ${host ?? ''}; there are ${byId.flatMap(({ hosts }) => hosts.map(({ id }) => id)).join(', ')}`,
    );
  }
  return withHost;
}

/** The database as the daemon opens it; why not, as a finding. */
async function openOrSay(settings: Settings): Promise<{
  opened: Parameters<typeof examine>[0]['database'];
  close: () => Promise<void>;
}> {
  try {
    const server = await openDatabase(settings.daemon, silentLog, true);
    try {
      const store = await openStore({
        url: server.url,
        log: silentLog,
        poolSize: 2,
        application: 'asterisk-retailcrm doctor',
      });
      return {
        opened: { db: store.db },
        close: async () => {
          await store.close();
          await server.stop();
        },
      };
    } catch (error) {
      await server.stop();
      throw error;
    }
  } catch (error) {
    return { opened: { trouble: `the database cannot be used: ${wordsOf(error)}` }, close: () => Promise.resolve() };
  }
}

/** Disks worth a look: the embedded database's, and the recordings'. */
function placesOf({ daemon }: Settings, enterprises: readonly EnterpriseSettings[]): Place[] {
  const { database } = daemon;
  const recordings = enterprises.flatMap(({ id, recordings: one }) =>
    one?.directory === undefined
      ? []
      : [{ path: one.directory.replace(/\/[^/]*\{.*$/, '') || '/', what: `the recordings of ${id}` }],
  );
  const embedded =
    database.kind === 'embedded' ? [{ path: database.dir ?? defaultDataDir(), what: 'the database' }] : [];
  return [...embedded, { path: projectRoot(), what: 'the program' }, ...recordings];
}

async function managerConfs(enterprises: readonly EnterpriseSettings[], host: string | undefined): Promise<string[]> {
  const hosts = enterprises.flatMap((enterprise) =>
    enterprise.hosts.filter(({ id }) => host === undefined || id === host).map((one) => ({ enterprise, one })),
  );
  return Promise.all(
    hosts.map(async ({ enterprise, one }) => managerConf(enterprise, one, await ourAddress(one.ami.address))),
  );
}

/** Our address on the way to `host`, as the PBX will see it; no packet is sent. */
function ourAddress(host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const done = (address: string | undefined): void => {
      socket.close();
      const own = Object.values(networkInterfaces())
        .flat()
        .some((one) => one?.address === address);
      resolve(own || address?.startsWith('127.') === true ? address : undefined);
    };
    socket.on('error', () => done(undefined));
    socket.connect(9, host, () => done(socket.address().address));
  });
}

const STYLE: Readonly<Record<Level, 'good' | 'warn' | 'bad'>> = { ok: 'good', warning: 'warn', failure: 'bad' };

function asJson(out: Output): (findings: readonly Finding[]) => void {
  return (findings) => {
    for (const finding of findings) printJson(out, finding);
  };
}

/** Under a heading per subject, a line per finding and one below it with what to do. */
function asText(out: Output, quiet: boolean): (findings: readonly Finding[]) => void {
  let heading = '';
  return (findings) => {
    for (const { area, subject, level, says, fix } of findings) {
      if (quiet && level === 'ok') continue;
      const now = subject === '' ? area : `${area} ${subject}`;
      if (now !== heading) printLine(out, paint(out, 'bold', now));
      heading = now;
      printLine(out, `  ${paint(out, STYLE[level], level.padEnd(8))} ${says}`);
      if (fix !== undefined) printLine(out, `           ${paint(out, 'dim', `→ ${fix}`)}`);
    }
  };
}

function verdict(out: Output, findings: readonly Finding[]): string {
  const count = (level: Level): number => findings.filter((one) => one.level === level).length;
  const text = `${count('ok')} ok, ${many(count('warning'), 'warning')}, ${many(count('failure'), 'failure')}`;
  return paint(out, STYLE[worst(findings)], text);
}
