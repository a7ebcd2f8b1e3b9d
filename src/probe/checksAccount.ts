import type { Check } from './check.ts';

/** The account's own words: zone, shops, reference books, people. */
export const accountChecks: readonly Check[] = [
  {
    id: 'settings',
    area: 'Account',
    title: 'time zone, currency, language',
    run: async (session) => {
      const { timezone, defaultCurrency, systemLanguage } = await session.ask(() => session.client.settings());
      session.known.zone = timezone;
      const { timezone: ours } = session.options;
      if (timezone === undefined)
        session.notes.add('The account does not tell its time zone: set retailcrm.timezone in the configuration.');
      else if (ours !== undefined && ours !== timezone)
        session.notes.add(
          `The configuration says ${ours}, the account ${timezone}: records are dated by the configuration.`,
        );
      else session.notes.add(`Times in the API carry no zone; they are in the account's, ${timezone}.`);
      return `zone ${timezone ?? 'not told'}, currency ${defaultCurrency ?? 'not told'}, language ${systemLanguage ?? 'not told'}`;
    },
  },
  {
    id: 'sites',
    area: 'Account',
    title: 'shops',
    run: async (session) => {
      const sites = [...(await session.ask(() => session.client.sites())).keys()];
      session.known.sites = sites;
      const { site } = session.options;
      if (site !== undefined && !sites.includes(site))
        session.notes.add(`The configured site ${site} is none of the account's shops (${sites.join(', ')}).`);
      if (site === undefined && sites.length > 1)
        session.notes.add(
          'There are several shops and the configuration names none: writing methods may ask for `site`.',
        );
      return `${sites.length}: ${sites.slice(0, 10).join(', ')}`;
    },
  },
  {
    id: 'statuses',
    area: 'Account',
    title: 'order statuses',
    run: async (session) => {
      const statuses = await session.ask(() => session.client.statuses());
      return `${statuses.size} statuses`;
    },
  },
  {
    id: 'order-methods',
    area: 'Account',
    title: 'order methods',
    run: async (session) => {
      const methods = await session.ask(() => session.client.orderMethods());
      session.known.methods = [...methods.values()].filter(({ active }) => active !== false).map(({ code }) => code);
      const calls = ['phone', 'missed-call'].filter((code) => session.known.methods.includes(code));
      return `${methods.size} methods; for calls: ${calls.join(', ') || 'neither phone nor missed-call'}`;
    },
  },
  {
    id: 'order-types',
    area: 'Account',
    title: 'order types',
    run: async (session) => `${(await session.ask(() => session.client.orderTypes())).size} types`,
  },
  {
    id: 'users',
    area: 'People',
    title: 'users',
    run: async (session) => {
      const { items, pagination } = await session.ask(() => session.client.users({}, { limit: 100 }));
      session.known.users = items;
      const active = items.filter((user) => user.active !== false).length;
      return `${pagination?.totalCount ?? items.length} users, ${active} active on the first page`;
    },
  },
  {
    id: 'user',
    area: 'People',
    title: 'one user',
    run: async (session) => {
      const id = session.known.users[0]?.id ?? 1;
      const user = await session.ask(() => session.client.user(id));
      return `user ${user.id}, status ${user.status ?? 'not told'}, ${user.online === true ? 'online' : 'not online'}`;
    },
  },
  {
    id: 'user-groups',
    area: 'People',
    title: 'user groups',
    run: async (session) => {
      const { items } = await session.ask(() => session.client.userGroups({ limit: 100 }));
      return `${items.length} groups`;
    },
  },
];
