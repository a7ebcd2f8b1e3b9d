/** Follows an account's changes as a process of its own, to be killed. A rule's call is a request to `PHONE`. */
import { OrderRules } from '../../src/customers/orderRules.ts';
import { CrmSync } from '../../src/customers/sync.ts';
import { silentLog } from '../../src/log.ts';
import { RetailCrmClient } from '../../src/retailcrm/client.ts';
import { openStore } from '../../src/store/database.ts';

const [database, crm, phone] = process.argv.slice(2);
if (database === undefined || crm === undefined || phone === undefined)
  throw new Error('usage: syncProcess DB CRM PHONE');
const { db } = await openStore({ url: database, log: silentLog });
const client = new RetailCrmClient({ url: crm, key: 'demo-key', log: silentLog, allowInsecure: true });
const shared = {
  ...{ db, client, enterprise: 'acme', log: silentLog },
  general: { take: () => Promise.resolve(), slowDown: () => undefined },
};
const rules = new OrderRules({
  ...shared,
  account: 'demo',
  rules: [{ status: 'call-back', action: 'call', text: undefined }],
  actions: {
    call: async ({ requestId }) => {
      await fetch(`${phone}/${requestId}`, { method: 'POST' });
      return { done: true };
    },
  },
  extensionOfUser: () => '150',
  onEnqueued: () => undefined,
});
const nothing = (): Promise<void> => Promise.resolve();
const sync = new CrmSync({
  ...shared,
  ...{ enterpriseNumber: '1', site: undefined, zone: () => 'Europe/Minsk', normalise: (raw) => raw },
  cards: { forget: nothing, forgetPhone: nothing, update: nothing, merged: nothing },
  rules,
  pollMs: 5,
  roundMs: 0,
});
process.stdout.write('follows\n');
sync.start();
