/** A daemon that does nothing but hold an embedded server: started by a test as a process of its own, to be killed. */
import { silentLog } from '../../src/log.ts';
import { startEmbedded } from '../../src/store/embedded.ts';

const dataDir = process.argv[2];
if (!dataDir) throw new Error('usage: embeddedHolder DATA_DIR [package]');
const server = await startEmbedded({
  dataDir,
  log: silentLog,
  prefer: process.argv[3] === 'package' ? 'package' : 'system',
});
process.once('SIGTERM', () => void server.stop().then(() => process.exit(0)));
process.stdout.write(`${server.url}\n`);
setInterval(() => undefined, 60_000);
