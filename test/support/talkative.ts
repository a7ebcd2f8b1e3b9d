// A process that logs more than its reader wants; `log-stuck.test.ts` closes the pipe and looks whether it survives.
import { createLog } from '../../src/log.ts';

const log = createLog({ format: 'json', level: 'info' });
for (let round = 0; round < 200 && log.dropped === 0; round++) {
  for (let i = 0; i < 100; i++) log.info('x'.repeat(1_000));
  await log.flush();
}
process.stderr.write(`alive, ${String(log.dropped)} dropped\n`);
