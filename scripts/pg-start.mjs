// globalSetup of the `store` tests: one server per run, DATABASE_URL's or an embedded one that does not outlive the run.
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => silent };

export default async function start() {
  if (process.env.DATABASE_URL) {
    process.env.TEST_DATABASE_URL = process.env.DATABASE_URL;
    return;
  }
  const program = join(root, '.cache', 'pg-start', `${process.pid}.mjs`);
  await bundle(join(root, 'src/store/embedded.ts'), program, 'external');
  const { startEmbedded } = await import(pathToFileURL(program).href);
  await Promise.all([rm(program, { force: true }), rm(`${program}.map`, { force: true })]);
  const dataDir = await mkdtemp(join(tmpdir(), 'asterisk-retailcrm-test-'));
  // Tests kill servers, never the machine: nothing is lost by leaving the disk out.
  const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '100' };
  const server = await startEmbedded({ dataDir, log: silent, settings });
  process.env.TEST_DATABASE_URL = server.url;

  const pid = await server.pid();
  const interrupted = (signal) => {
    if (pid) process.kill(pid, 'SIGQUIT');
    rmSync(dataDir, { recursive: true, force: true });
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  globalThis.__stopTestDatabase = async () => {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
}
