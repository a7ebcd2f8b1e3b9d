import { CrmError } from '../retailcrm/errors.ts';
import { readCustomer } from '../retailcrm/customers.ts';
import type { Fields } from '../retailcrm/read.ts';
import { type Check, NotRefused, refused } from './check.ts';

const v5 = '/api/v5';
const nothing = (): void => undefined;
const area = 'Deliberate mistakes' as const;

/** Wrong requests on purpose: what the account says to each is the key to reading its errors later. */
export const mistakeChecks: readonly Check[] = [
  {
    id: 'wrong.key',
    area,
    title: 'a wrong key',
    once: true,
    run: (session) =>
      refused(session, ['AUTH'], () => session.withKey(`wrong-${session.id}`).get('/api/credentials', {}, nothing)),
  },
  {
    id: 'wrong.no-key',
    area,
    title: 'no key at all',
    once: true,
    run: async (session) => {
      const says = await refused(session, ['AUTH'], () => session.withKey('').get('/api/credentials', {}, nothing));
      const status = /\b\d{3}\b/.exec(says)?.[0];
      if (status !== undefined) session.notes.add(`A request without a key is answered ${status}.`);
      return says;
    },
  },
  {
    id: 'wrong.method',
    area,
    title: 'a method there is not (telephony/setting of version 4)',
    once: true,
    run: (session) => refused(session, ['BUG'], () => session.http.get(`${v5}/telephony/setting/x`, {}, nothing)),
  },
  {
    id: 'wrong.version',
    area,
    title: 'an unversioned method under /api/v5',
    once: true,
    run: (session) => refused(session, ['BUG'], () => session.http.get(`${v5}/credentials`, {}, nothing)),
  },
  {
    id: 'wrong.verb',
    area,
    title: 'GET where POST is due',
    once: true,
    run: (session) => refused(session, ['BUG'], () => session.http.get(`${v5}/telephony/call/event`, {}, nothing)),
  },
  {
    id: 'wrong.parameter',
    area,
    title: 'telephony/manager without a phone',
    once: true,
    run: (session) =>
      refused(session, ['BUG', 'VALIDATION'], () => session.http.get(`${v5}/telephony/manager`, {}, nothing)),
  },
  {
    id: 'wrong.limit',
    area,
    title: 'a page of 7 customers',
    once: true,
    run: (session) =>
      refused(session, ['VALIDATION'], () => session.http.get(`${v5}/customers`, { limit: 7 }, nothing)),
  },
  {
    id: 'wrong.by',
    area,
    title: 'a customer by id, without by=id',
    once: true,
    run: (session) =>
      refused(session, ['NOTFOUND'], () =>
        session.http.get(`${v5}/customers/${session.known.customers[0]?.id ?? 1}`, {}, nothing),
      ),
  },
  {
    id: 'wrong.user',
    area,
    title: 'a user there is not',
    once: true,
    run: (session) => refused(session, ['NOTFOUND'], () => session.client.user(999_999_999)),
  },
  {
    id: 'wrong.order',
    area,
    title: 'an order there is not',
    once: true,
    run: (session) => refused(session, ['NOTFOUND'], () => session.client.order(999_999_999, { by: 'id' })),
  },
  {
    id: 'wrong.history',
    area,
    title: 'a history with sinceId and page',
    once: true,
    run: (session) =>
      refused(session, ['VALIDATION'], () =>
        session.http.get(`${v5}/customers/history`, { filter: { sinceId: 1 }, page: 1 }, nothing),
      ),
  },
  {
    id: 'wrong.filter',
    area,
    title: 'filter[phone], which no documentation knows',
    once: true,
    run: async (session) => {
      const read = (answer: Fields): number => answer.list('customers', readCustomer).length;
      try {
        const found = await session.ask(() =>
          session.http.get(`${v5}/customers`, { filter: { phone: session.fakePhone }, limit: 20 }, read),
        );
        session.notes.add(
          found > 0
            ? 'filter[phone] is ignored: the whole list comes, and a program that believes it takes a stranger for the caller.'
            : 'filter[phone] with a number nobody has finds nobody: this account may know it (or have no customers).',
        );
        return found > 0 ? `ignored: ${found} customers came for a number nobody has` : 'nobody found';
      } catch (error) {
        if (!(error instanceof CrmError) || error.kind !== 'VALIDATION') throw error;
        session.notes.add('filter[phone] is refused, as every unknown filter.');
        return `refused: ${error.status ?? ''} “${error.errorMsg}”`;
      }
    },
  },
  {
    id: 'wrong.field',
    area,
    title: 'customers/create without its field',
    writes: true,
    run: (session) =>
      refused(session, ['BUG', 'VALIDATION'], () => session.http.post(`${v5}/customers/create`, {}, nothing)),
  },
  {
    id: 'wrong.null',
    area,
    title: 'customers/create with a field that says null',
    writes: true,
    run: (session) =>
      refused(session, ['BUG', 'VALIDATION'], () =>
        session.http.post(`${v5}/customers/create`, { customer: 'null' }, nothing),
      ),
  },
  {
    id: 'wrong.event',
    area,
    title: 'a call event of type "answered"',
    writes: true,
    run: (session) =>
      refused(session, ['VALIDATION'], () =>
        session.http.post(
          `${v5}/telephony/call/event`,
          { event: { phone: session.fakePhone, type: 'answered', codes: ['0000000'] } },
          nothing,
        ),
      ),
  },
  {
    id: 'wrong.result',
    area,
    title: 'a record with the result "no answered", the spelling of events',
    writes: true,
    run: async (session) => {
      const externalId = `probe-${session.id}-wrong`;
      const call = {
        date: '2026-01-01 00:00:00',
        type: 'out',
        phone: session.fakePhone,
        result: 'no answered',
        externalId,
      };
      try {
        return await refused(session, ['VALIDATION'], () =>
          session.http.post(`${v5}/telephony/calls/upload`, { calls: [call] }, nothing),
        );
      } catch (error) {
        if (error instanceof NotRefused)
          session.created.push({ what: 'call', id: externalId, hint: 'a mistake on purpose that the CRM took' });
        throw error;
      }
    },
  },
];
