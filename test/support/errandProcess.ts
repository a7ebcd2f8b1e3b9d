/** A process of its own that runs the errands of the account `demo`, to be killed: database URL, CRM URL. */
import { nationalDigits, normalisePhone } from '../../src/config/phones.ts';
import { Customers } from '../../src/customers/customers.ts';
import { customerErrands } from '../../src/customers/errands.ts';
import { ErrandLane } from '../../src/delivery/errandLane.ts';
import { Pacer } from '../../src/delivery/pacer.ts';
import { silentLog } from '../../src/log.ts';
import { RetailCrmClient } from '../../src/retailcrm/client.ts';
import { openStore } from '../../src/store/database.ts';
import { takeBack } from '../../src/store/takeBack.ts';

const [, , databaseUrl = '', crmUrl = ''] = process.argv;
const { db } = await openStore({ url: databaseUrl, log: silentLog, poolSize: 4 });
const owner = `test/${process.pid}/a`;
await takeBack(db, 'demo', 'test/', owner);
const client = new RetailCrmClient({ url: crmUrl, key: 'demo-key', log: silentLog, allowInsecure: true });
const paces = { telephony: new Pacer({ intervalMs: 1 }), general: new Pacer({ intervalMs: 1 }) };
const customers = new Customers({
  db,
  client,
  paces,
  enterpriseNumber: '7',
  numbering: {
    normalise: (raw) => {
      const phone = normalisePhone(raw, ['BY']);
      return phone.kind === 'phone' ? phone.e164 : undefined;
    },
    national: nationalDigits,
  },
  extensionOf: () => undefined,
  enabled: true,
  freshMs: 3_600_000,
  missMs: 60_000,
  log: silentLog,
});
const lane = new ErrandLane({
  db,
  account: 'demo',
  owner,
  pacer: paces.general,
  log: silentLog,
  pollMs: 20,
  retryMs: 5,
});
lane.start(
  customerErrands({
    client,
    paces,
    customers,
    zone: () => 'Europe/Minsk',
    userOf: () => 7,
    signal: new AbortController().signal,
  }),
);
process.stdout.write('at work\n');
