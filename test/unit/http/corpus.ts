import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import { close, listen } from '../../../src/http/server.ts';
import { hostileStrings } from '../../support/hostileStrings.ts';
import { type Sent, statusesOf } from './pipeline.ts';
import { type TestTenant, open, pairs, secretsOf, tenant } from './support.ts';

/**
 * The corpus of `H10` and `H11`, over real connections. In `npm test` each text goes through some of the parameters; with
 * `CORPUS=full npm test -- test/unit/http/hostile` each goes through every one (850,000 requests; two files, so that two cores
 * share them).
 */
export const full = process.env['CORPUS'] === 'full';

const strings = hostileStrings();

/** A route and what an honest request of it carries. */
export interface HonestRoute {
  readonly url: string;
  readonly methods: readonly ('GET' | 'POST')[];
  readonly values: Readonly<Record<string, string>>;
}

/** The listener and the enterprise that is attacked. */
export interface Attacked {
  readonly acme: TestTenant;
  readonly app: FastifyInstance & { readonly log: { readonly lines: { level: string }[] } };
  /** The port while the tests run. */
  readonly port: () => number;
}

/** Opens a listener for the tests of this file. */
export async function attacked(): Promise<Attacked> {
  const acme = tenant('acme');
  const app = await open([tenant('other'), acme]);
  let port = 0;
  beforeAll(async () => {
    port = Number((await listen(app, '127.0.0.1', 0)).split(':')[1]);
  });
  afterAll(() => close(app, { stopMs: 0 }));
  return { acme, app, port: () => port };
}

/** Defines the tests of these routes: the honest request is let through, with one hostile text in it it is not. */
export function hostileCorpus({ acme, app, port }: Attacked, routes: readonly HonestRoute[]): void {
  const { clientId } = secretsOf('acme');
  const cases = routes.flatMap(({ url, methods, values }) =>
    methods.flatMap((method) =>
      [...Object.keys(values), ...(url.includes('{token}') ? ['token'] : [])].map((name) => ({
        url,
        method,
        values,
        name,
      })),
    ),
  );
  const share = Math.ceil(strings.length / cases.length);

  test('the honest request of each route is let through', async () => {
    const honest = routes.flatMap((route) =>
      route.methods.map((method) => request({ ...route, method, name: 'clientId' }, clientId)),
    );
    const statuses = await statusesOf(port(), honest);
    expect(honest.filter((_, index) => statuses[index] !== 200)).toEqual([]);
  });

  describe.each(cases.map((one, index) => ({ ...one, index })))('$method $url: $name', (one) => {
    test('lets none of them through', async () => {
      acme.asked.splice(0);
      app.log.lines.splice(0);
      const mine = full ? strings : strings.slice(one.index * share, (one.index + 1) * share);
      const statuses = await statusesOf(
        port(),
        mine.map((text) => request(one, text)),
      );
      expect(mine.filter((_, index) => Math.floor((statuses[index] ?? 0) / 100) !== 4)).toEqual([]);
      expect(acme.asked.filter(({ what }) => what !== 'refused')).toEqual([]);
    }, 60_000);
  });

  test('under other names they are ignored', async () => {
    acme.asked.splice(0);
    const [route] = routes.filter(({ url }) => url === '/api/responsible' || url === '/retailcrm/webhook');
    const asked = strings
      .slice(0, full ? strings.length : 200)
      .filter((text) => text.length < 1_000) // thrice as long, with escapes, is too long for a head
      .map((text) => ({ ...route?.values, [`x${text}`]: text, __proto__x: text, 'phone[]': text }))
      .map((values): Sent => ({ method: 'GET', target: `${route?.url ?? ''}?${pairs(values)}` }));
    expect(new Set(await statusesOf(port(), asked))).toEqual(new Set([200]));
    expect(acme.asked).toHaveLength(asked.length);
    expect(new Set(acme.asked.map((one) => JSON.stringify(one))).size).toBe(1);
  }, 60_000);
}

/** The honest request of a route with one thing in it that is not. */
function request(
  { url, method, values, name }: { url: string; method: 'GET' | 'POST'; values: HonestRoute['values']; name: string },
  text: string,
): Sent {
  const path = url.replace('{token}', name === 'token' ? encodeURIComponent(text) : secretsOf('acme').token);
  const given = pairs(name === 'token' ? values : { ...values, [name]: text });
  return method === 'GET' ? { method, target: `${path}?${given}` } : { method, target: path, body: given };
}
