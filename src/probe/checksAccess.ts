import type { Check } from './check.ts';

/** What the daemon asks for, by the path a key must be allowed (as `/api/credentials` spells it). */
const wanted: Readonly<Record<string, string>> = {
  '/api/telephony/call/event': 'popups',
  '/api/telephony/calls/upload': 'call records',
  '/api/telephony/manager': 'who is calling',
  '/api/integration-modules/{code}': 'the telephony module',
  '/api/integration-modules/{code}/edit': 'the telephony module',
  '/api/customers': 'customers',
  '/api/customers/create': 'new customers',
  '/api/customers/history': 'changes of customers',
  '/api/orders': 'orders',
  '/api/orders/history': 'changes of orders',
  '/api/users': 'the users map',
  '/api/settings': 'the time zone',
  '/api/reference/sites': 'shops',
};

/** May the key come in, and what may it do? */
export const accessChecks: readonly Check[] = [
  {
    id: 'api-versions',
    area: 'Access',
    title: 'API versions of the account',
    run: async (session) => {
      const versions = await session.ask(() => session.client.apiVersions());
      if (!versions.includes('5.0'))
        session.notes.add(`The account does not name version 5.0 among its API versions (${versions.join(', ')}).`);
      return `the account speaks ${versions.join(', ')}`;
    },
  },
  {
    id: 'credentials',
    area: 'Access',
    title: 'what the key may do',
    run: async (session) => {
      const { credentials, scopes, siteAccess, sitesAvailable } = await session.ask(() => session.client.credentials());
      session.known.credentials = credentials;
      const missing = [
        ...new Set(
          Object.entries(wanted)
            .filter(([path]) => credentials.length > 0 && !allows(credentials, path))
            .map(([path, what]) => `${path} (${what})`),
        ),
      ];
      if (missing.length > 0) session.notes.add(`The key may not call ${missing.join(', ')}.`);
      if (siteAccess === 'access_selective')
        session.notes.add(`The key sees only some shops: ${sitesAvailable.join(', ') || 'none are named'}.`);
      return `${credentials.length} methods, ${scopes.length} scopes, ${siteAccess ?? 'no word on shops'}`;
    },
  },
  {
    id: 'system-info',
    area: 'Access',
    title: 'version and addresses of the account',
    run: async (session) => {
      const { systemVersion, publicUrl, technicalUrl } = await session.ask(() => session.client.systemInfo());
      const urls = [publicUrl, technicalUrl].filter((url) => url !== undefined && url !== '');
      const ours = session.options.url;
      if (urls.length > 0 && urls.every((url) => url === undefined || hostOf(url) !== hostOf(ours)))
        session.notes.add('The configured address is neither the public nor the technical address the account names.');
      return `version ${systemVersion ?? 'not told'}`;
    },
  },
];

/** `{code}` and the like are spelled differently by different accounts. */
function allows(credentials: readonly string[], path: string): boolean {
  const plain = (text: string): string => text.replaceAll(/\{[^}]*\}|\*/g, '{}').replace('/v5/', '/');
  return credentials.some((one) => plain(one) === plain(path));
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}
